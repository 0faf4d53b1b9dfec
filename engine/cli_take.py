"""The commands that ask a take. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
from pathlib import Path
from typing import Annotated

import typer

from engine import console


def why(take: Annotated[Path, typer.Argument(help="a recorded take")],
        moment: Annotated[list[str], typer.Argument(
            metavar="MOMENT", help="194.2, 3:14.2 or: bar 37.2")],
        as_json: Annotated[bool, typer.Option(
            "--json", help="one JSON object as the last line")] = False):
    """Say what sounds at a moment of a take, and what in the model each of it comes from."""
    with console.patience("reading the take"):
        from engine import moment as moments
        from engine import why as asked
        from engine import why_words as words
        one = asked.Why(take)
        found = one.at(moments.sample_of(" ".join(moment), one.take, one.clock))
    console.give(found, as_json, words.lines(found))


def add(app):
    """Gives the commands of this file to the command line."""
    app.command()(why)
