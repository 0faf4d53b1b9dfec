"""Steering, the stage's side: which amounts a set has, checked, and how far they reach.
Thread: any.

"steer.NAME" -1..1 adds a direction of the set to what the model thinks, "ablate.NAME" 0..1 takes it
out; the model's side is `engine.model.steer`.
"""
import math
from pathlib import Path

from engine.errors import SetError, suggestion

LOWEST = {"steer": -1.0, "ablate": 0.0}   # kinds of amounts; all end at 1
LIMIT_NAT, MOST_NAT = 0.7, 20.0           # how far the law of the next word may go


def name_of(direction):
    """What a direction is called: "calm", also when its file is given."""
    text = str(direction)
    return Path(text).stem if text.endswith(".safetensors") else text


def paths_of(directions):
    """Every amount of some directions: "steer.calm", "ablate.calm", and so on."""
    return [f"{kind}.{name_of(one)}" for one in directions for kind in LOWEST]


def check_amount(path, amount, known):
    """Raises SetError for an amount that there is not, or that is no share of one."""
    if path not in known:
        hint = suggestion(path, known) if known else "; the set names no directions"
        raise SetError(f"nothing is steered by {path!r}{hint}")
    low = LOWEST[path.partition(".")[0]]
    if not isinstance(amount, int | float) or isinstance(amount, bool) or (
            not math.isfinite(amount) or not low <= amount <= 1.0):
        raise SetError(f"{path} must be {low:g}..1, got {amount!r}")
    return float(amount)


def checked(directions, steering, limit_nat):
    """The amounts that a set begins with, each checked; raises SetError."""
    if not isinstance(steering, dict):
        raise SetError('steering must be a dict such as {"steer.calm": 0.5}, got '
                       f"{steering!r:.60}")
    if not isinstance(limit_nat, int | float) or not 0.0 < limit_nat <= MOST_NAT:
        raise SetError(f"steer_limit_nat must be above 0, at most {MOST_NAT:g}, got {limit_nat!r}")
    known = paths_of(directions)
    return {path: check_amount(path, amount, known) for path, amount in steering.items()}


def with_options(made, options):
    """The fields of a set that options (kind, direction, amount) change: directions that it does
    not name are added to it."""
    have, amounts = {name_of(one): one for one in made.directions}, dict(made.steering)
    for kind, direction, amount in options:
        have.setdefault(name_of(direction), direction)
        amounts[f"{kind}.{name_of(direction)}"] = amount
    return {"directions": tuple(have.values()), "steering": amounts}


class Steering:
    """How a conductor's model is steered now.

    amounts  path -> amount, of every direction that the model has loaded;  told  (nat, share) of
             the newest record, () unsteered;  refused  records that could not be steered
    """

    def __init__(self, made):
        self.amounts = dict.fromkeys(paths_of(made.directions), 0.0) | made.steering
        self.limit_nat, self.told, self.refused = made.steer_limit_nat, (), 0

    def heard(self, frame):
        """Takes note of what steering did to a record."""
        self.told = frame.steered
        self.refused += self.told[1:] == (0.0,)

    def words(self):
        """For a view: the amounts, and how far they moved the next word; "" without directions."""
        if not self.amounts:
            return ""
        found = [f"{path.partition('.')[2]} {'-' * path.startswith('ablate')}"
                 f"{amount:{'+' if path.startswith('steer') else ''}.2f}"
                 for path, amount in self.amounts.items() if amount]
        if not found:
            return "steering off"
        said = f"steering {' '.join(found)}"
        if not self.told:
            return said
        nat, share = self.told
        if share == 0.0:
            return f"{said}: refused, {self.refused} words"
        cut = f", cut to {share:.0%}" if share < 1.0 else ""
        return f"{said}: {nat:.2f} of {self.limit_nat:g} nat{cut}"
