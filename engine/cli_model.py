"""The commands about models. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
from pathlib import Path
from typing import Annotated

import typer

from engine import console


def calibrate(
        model: Annotated[str, typer.Argument(help="embedded, a folder, or a hub id")] = "embedded",
        text: Annotated[Path | None, typer.Option(
            help="read this file instead of the neutral text; all of it")] = None,
        out: Annotated[Path | None, typer.Option(
            help="folder for the profile; default: the user's own")] = None,
        again: Annotated[bool, typer.Option(
            "--again", help="also where the model has a profile already")] = False,
        as_json: Annotated[bool, typer.Option(
            "--json", help="one JSON object as the last line")] = False):
    """Learn once what is usual in a model, so that it plays at once; the same command goes on."""
    with console.patience("compiling the engine's loops, once on this machine"):
        from engine import rehearsal
    with console.progress(f"calibrating {model}") as report:
        result = rehearsal.calibrate(model, text, out, again, report)
    said = f"{result['model']} has a profile already: --again makes another"
    if result["new"]:
        said = (f"{result['profile']}: {result['records']} records, {result['huge']} huge "
                f"coordinates masked, sinks at {', '.join(map(str, result['sinks']))}")
    console.give(result, as_json, said)


def add(app):
    """Gives the commands of this file to the command line."""
    app.command()(calibrate)
