"""Token: how unexpected the sampled token was, how open the choice, how clear the winner.

The numbers come ready with the TOKEN record; one that the model did not give (a prompt token) is
NaN, so absent. Source: Shannon 1948, section 6. Thread: control.
"""
import math

from mappings.features.common import Family

NAMES = ("token.surprisal_nat", "token.entropy_nat", "token.margin_nat")


class Token(Family):
    """Three features; nothing to learn but their places."""
    names = NAMES
    ranges = dict.fromkeys(NAMES, (0, math.inf))

    def look(self, state, token, marks):
        """The three numbers of a TOKEN row, nat."""
        return tuple(float(token[name.removeprefix("token.")]) for name in NAMES)
