"""Certainty: when the model decided, how it was played, how familiar the text is.

crescendo.commit      depth from which on the token was first among 256, over the depth: 1 only at
                      the end;  crescendo.slope_nat  how its log share rose per layer, upper half
turning.unrest_nat    divergence of the sampled laws at three quarters of the depth and at the end
interpretation.excess_nat      surprisal less entropy: 0 on average when untempered
interpretation.temperature     which temperature makes the last 64 surprisals usual, 0.2..2
familiarity.surprisal_nat      weighted mean of the last surprisals, half-life 32 tokens; its place
                      is that among the calibration text: predictability for this model, not
                      membership in its training set
turning.total_deg     sum of the turns from block to block;  turning.mean_deg  of one

The first three and the temperature come from the model's side with the TOKEN (tier lens). Source of
the lens: nostalgebraist 2020; it is biased in early layers (2303.08112). Thread: control.
"""
import math

import numpy as np

from engine.records import HEATS
from mappings.features.common import Streaming

HALF_LIFE = 1.0 - 0.5 ** (1.0 / 32.0)
LISTENED, FEWEST = 64, 16


class Lens(Streaming):
    """What the model's side read off the layers; nothing to learn."""
    names = ("crescendo.commit", "crescendo.slope_nat", "turning.unrest_nat")
    ranges = {"crescendo.commit": (0, 1), "crescendo.slope_nat": (-np.inf, np.inf),
              "turning.unrest_nat": (0, math.log(2.0))}
    tier = "lens"
    read_at = "the output head"

    def value(self, look, out):
        """The three numbers of a TOKEN row."""
        out[0], out[1], out[2] = (float(look.token[name]) for name in
                                  ("commit", "slope_nat", "unrest_nat"))


def temperature_of(mean_nat, usual_nat):
    """The temperature at which the mean surprisal is usual; NaN without a law.

    usual_nat  (len(HEATS),) mean of E[-log p] when p ** (1 / T) is sampled, rising with T
    """
    if not (np.isfinite(usual_nat).all() and math.isfinite(mean_nat)):
        return np.nan
    return float(np.interp(mean_nat, np.maximum.accumulate(usual_nat), HEATS))


class Heat(Streaming):
    """The temperature that is heard."""
    names, tier = ("interpretation.temperature",), "lens"
    ranges = {"interpretation.temperature": (0.2, 2.0)}
    read_at = "the output head"

    def value(self, look, out):
        """Writes it."""
        self.step(float(look.token["surprisal_nat"]), look.token["heat_nat"], out)

    def step(self, nat, usual, out):
        """One token's surprisal and what is usual at each temperature."""
        if math.isfinite(nat) and np.isfinite(usual).all():
            at = self._count % LISTENED
            self._nat[at], self._usual[at] = nat, usual
            self._count += 1
        n = min(self._count, LISTENED)
        out[0] = np.nan if n < FEWEST else temperature_of(self._nat[:n].mean(),
                                                          self._usual[:n].mean(axis=0))

    def forget(self):
        """No token came before."""
        self._nat, self._count = np.zeros(LISTENED), 0
        self._usual = np.zeros((LISTENED, len(HEATS)))


class Certainty(Streaming):
    """What the TOKEN alone says."""
    names = ("interpretation.excess_nat", "familiarity.surprisal_nat")
    ranges = {"interpretation.excess_nat": (-np.inf, np.inf),
              "familiarity.surprisal_nat": (0, np.inf)}
    tier = "T0"
    read_at = "the output head"

    def value(self, look, out):
        """Writes the two."""
        self.step(float(look.token["surprisal_nat"]), float(look.token["entropy_nat"]), out)

    def step(self, nat, entropy_nat, out):
        """One token's surprisal and entropy."""
        out[0] = nat - entropy_nat
        if math.isfinite(nat):
            self._count += 1
            self._mean += max(HALF_LIFE, 1.0 / self._count) * (nat - self._mean)
        out[1] = self._mean if self._count else np.nan

    def forget(self):
        """No token came before."""
        self._mean, self._count = 0.0, 0


class Turning(Streaming):
    """How the way through the layers turns."""
    names, tier = ("turning.total_deg", "turning.mean_deg"), "T1"
    ranges = {"turning.total_deg": (0, np.inf), "turning.mean_deg": (0, 180)}

    def value(self, look, out):
        """Writes the two; row `turning.deg`: of every block."""
        turns = np.degrees(np.arccos(look.turn))
        good = turns[np.isfinite(turns)]
        out[0], out[1] = (good.sum(), good.mean()) if len(good) else (np.nan, np.nan)
        look.rows["turning.deg"] = turns
