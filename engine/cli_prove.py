"""The command that proves what is heard is the model. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.errors import EngineError


def study(name):
    """The function of the entry point `hiddenstage.studies` of this name."""
    for point in entry_points(group="hiddenstage.studies", name=name):
        return point.load()
    raise EngineError(f"the study {name!r} is not installed: run ./stage again")


def prove(
        name: Annotated[str, typer.Argument(metavar="SET", help="a set's name or file")] = "house",
        model: Annotated[str | None, typer.Option(
            help="embedded, a folder, or a hub id; default: the set's")] = None,
        take: Annotated[Path | None, typer.Option(
            help="test on this take's frames; what needs the model says so")] = None,
        to_json: Annotated[Path | None, typer.Option(
            "--json", help="write every number into this file")] = None,
        to_html: Annotated[Path | None, typer.Option(
            "--html", help="write a page with plots into this file")] = None,
        abx: Annotated[Path | None, typer.Option(
            help="write a listening kit with answers into this folder, and nothing else")] = None,
        prompts: Annotated[Path | None, typer.Option(
            metavar="FILE", help='domains to tell from the sound, JSON: {"sea": \\[texts], ...}; '
            "default: eight that come along")] = None,
        sound: Annotated[bool, typer.Option(
            "--sound/--no-sound", help="with what is read back from the sound")] = True):
    """Prove that what is heard is the model: exit status 0 only if every mapping that is not
    labelled decorative passes."""
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        run = study("prove")
    with console.progress(f"proving {name}") as report:
        passed, text = run(name, report, model=model, take=take, to_json=to_json, to_html=to_html,
                           abx=abx, sound=sound, prompts=prompts)
    console.give({}, False, text)
    if not passed:
        raise typer.Exit(1)


def add(app):
    """Gives the command of this file to the command line."""
    app.command()(prove)
