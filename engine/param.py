"""One parameter: its range in real units, its curve, how fast it may move. Thread: any."""

import math
from dataclasses import dataclass

from engine.errors import ParamError

CURVES = ("lin", "exp")
PLAIN, LONGEST = "letters a to z, digits and _", 32      # what a name may hold, so that OSC does


def is_plain(name):
    """Whether a name can be a part of an address: ASCII, no digit first, 32 letters at most."""
    return isinstance(name, str) and name.isascii() and name.isidentifier() and (
        len(name) <= LONGEST)


@dataclass(frozen=True)
class Param:
    """A row of a voice's table; the name ends in the unit.

    glide_s   time constant of every change, so that nothing the ear follows steps
    """

    name: str
    low: float
    high: float
    default: float
    curve: str = "lin"
    glide_s: float = 0.02

    def __post_init__(self):
        numbers = (self.low, self.high, self.default, self.glide_s)
        if not all(math.isfinite(x) for x in numbers) or not self.low <= self.default <= self.high:
            raise ParamError(
                f"parameter {self.name!r}: needs finite low <= default <= high, got {numbers[:3]}"
            )
        if self.curve not in CURVES or self.curve == "exp" and self.low <= 0.0:
            raise ParamError(
                f"parameter {self.name!r}: curve is lin, or exp with low > 0, not {self.curve!r}"
            )

    def clip(self, value):
        """The nearest legal value."""
        return min(max(float(value), self.low), self.high)

    def check(self, value, where):
        """The value, or a ParamError that says where it was written."""
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not math.isfinite(value)
        ):
            raise ParamError(f"{where}: {self.name} must be a number, got {value!r}")
        if not self.low <= value <= self.high:
            raise ParamError(
                f"{where}: {self.name} = {value:g} is outside {self.low:g}..{self.high:g}"
            )
        return float(value)

    def at(self, share):
        """The value at a share 0..1 of the range, along the curve."""
        share = min(max(share, 0.0), 1.0)
        if self.curve == "exp":
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share

    def share(self, value):
        """Where a value stands in the range, 0..1 along the curve: what `at` takes back."""
        if self.high <= self.low:
            return 0.0
        value = self.clip(value)
        if self.curve == "exp":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)
