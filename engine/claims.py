"""What a set claims is heard of the model; `hiddenstage prove` holds it to that. Thread: control.
"""
from engine.errors import SetError, suggestion

CLAIMS = ("features", "domains", "declared")
FOLLOWS = ("position", "prompt length", "layer")


def check_claims(claims):
    """Raises SetError for claims that say nothing that can be tested.

    features  how many are read back from the sound alone
    domains   share of prompts whose domain, one of eight, is told from the sound
    declared  role or target -> of FOLLOWS, what it follows and says so
    """
    if not isinstance(claims, dict):
        raise SetError(f"claims must be a dict, got {claims!r:.60}")
    for name, value in claims.items():
        if name not in CLAIMS:
            raise SetError(f"claims: no claim {name!r}{suggestion(name, CLAIMS)}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "features" and not (isinstance(value, int) and number and value >= 0):
            raise SetError(f"claims: features must be a count, got {value!r:.60}")
        if name == "domains" and not (number and 0.0 <= value <= 1.0):
            raise SetError(f"claims: domains must be a share 0..1, got {value!r:.60}")
        if name == "declared":
            _check_declared(value)


def _check_declared(value):
    if not isinstance(value, dict):
        raise SetError(f"claims: declared must be a dict of role: what it follows, got "
                       f"{value!r:.60}")
    for role, follows in value.items():
        for what in follows if isinstance(follows, tuple | list) else (follows,):
            if what not in FOLLOWS:
                raise SetError(f"claims: declared[{role!r}] follows {what!r}"
                               f"{suggestion(str(what), FOLLOWS)}")
