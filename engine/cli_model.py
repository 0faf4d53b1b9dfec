"""The commands about models. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.errors import ModelError

Json = Annotated[bool, typer.Option("--json", help="one JSON object as the last line")]


def calibrate(
        model: Annotated[str, typer.Argument(help="embedded, a folder, or a hub id")] = "embedded",
        text: Annotated[Path | None, typer.Option(
            help="read this file instead of the neutral text; all of it")] = None,
        out: Annotated[Path | None, typer.Option(
            help="folder for the profile; default: the user's own")] = None,
        again: Annotated[bool, typer.Option(
            "--again", help="also where the model has a profile already")] = False,
        as_json: Json = False):
    """Learn once what is usual in a model, so that it plays at once; the same command goes on."""
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine import rehearsal
    with console.progress(f"calibrating {model}") as report:
        result = rehearsal.calibrate(model, text, out, again, report)
    said = f"{result['model']} has a profile already: --again makes another"
    if result["new"]:
        said = (f"{result['profile']}: {result['records']} records, {result['huge']} huge "
                f"coordinates masked, sinks at {', '.join(map(str, result['sinks']))}")
    console.give(result, as_json, said)


def train(data: Annotated[Path, typer.Argument(help="folder with the text to train on")],
          out: Annotated[Path, typer.Argument(help="folder for checkpoints and the model")],
          minutes: Annotated[float, typer.Option(help="how long, over all runs")] = 120.0,
          threads: Annotated[int, typer.Option(help="processor threads")] = 2,
          judge: Annotated[bool, typer.Option(
              "--report", help="then judge it on held-out books and write its model card")] = False,
          as_json: Json = False):
    """Train the embedded model; the same command goes on where it stopped."""
    if not (0 < minutes < float("inf") and threads > 0):
        raise ModelError(f"--minutes and --threads must be above 0, got {minutes:g} and {threads}")
    from engine.model.train import recipe
    from engine.model.train import report as judging
    model = recipe.train(data, out, minutes, threads, console.say)
    found = judging.report(data, out, model, console.say) if judge else {}
    console.give({"model": model, "report": found}, as_json, f"the model is in {model}")


def add(app):
    """Gives the commands of this file to the command line."""
    for command in (calibrate, train):
        app.command()(command)
