"""Token: how unexpected the sampled token was, how open the choice, how clear the winner.

The numbers come ready with the TOKEN record; one that the model did not give (a prompt token) is
NaN, so absent. Source: Shannon 1948, section 6. Thread: control.
"""
NAMES = ("token.surprisal_nat", "token.entropy_nat", "token.margin_nat")


class Token:
    """Family of three features; nothing to learn but their places."""
    names = NAMES

    def __init__(self, descriptor):
        del descriptor

    def look(self, state, token, marks):
        """The three numbers of a TOKEN row, nat."""
        del state, marks
        return tuple(float(token[name.removeprefix("token.")]) for name in NAMES)

    def fit(self, looks):
        """Nothing is learned."""

    def value(self, look, out):
        """Writes the three values."""
        out[:] = look

    def forget(self):
        """No history."""

    def profile(self):
        return {}

    def load(self, data):
        del data
