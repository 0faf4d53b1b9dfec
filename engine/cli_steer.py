"""The options of `play` and `render` about steering and chat. Thread: control."""
import math
from typing import Annotated

import typer

from engine.errors import SetError

Steer = Annotated[list[str] | None, typer.Option(
    "--steer", metavar="NAME=AMOUNT", help="add a direction to what the model thinks, -1 to 1; "
    "once more for another; NAME=0 only gives it a knob")]
Ablate = Annotated[list[str] | None, typer.Option(
    "--ablate", metavar="NAME=SHARE", help="take a direction out of it, 0 to 1")]
Limit = Annotated[float | None, typer.Option(
    "--steer-limit", metavar="NAT", help="how far steering may move the law of the next word")]
Chat = Annotated[bool, typer.Option(
    "--chat", help="prompts are a user's turns, through the model's chat template")]


def asked(steer, ablate, limit_nat, chat):
    """The options of a performance; raises SetError for what is no NAME=AMOUNT."""
    found = []
    for option, given in (("steer", steer), ("ablate", ablate)):
        for text in given or ():
            name, _, amount = text.rpartition("=")
            try:
                number = float(amount)
            except ValueError:
                number = math.nan
            if not name or not math.isfinite(number):
                raise SetError(f"--{option} {text!r}: needs NAME=AMOUNT, as in calm=0.5")
            found.append((option, name, number))
    return {"steering": tuple(found), "steer_limit_nat": limit_nat, "chat": chat or None}
