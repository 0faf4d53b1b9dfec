"""Pit: where a streaming value stands among those before it, 0..1, warmed up by the calibration.

q = F(x), F the empirical distribution of the last 512 values of the same feature, blended with the
calibration's by n / (n + 64) while few are in. Frozen, the values so far stay what x is compared
with. Source: probability integral transform, Rosenblatt 1952. Thread: control.
"""
import math

import numpy as np

from engine.rt import rt_host
from mappings.features.common import FEWEST, places

WINDOW, TRUST = 512, 64.0


@rt_host
def blend(values, rehearsed, ring, counts, trust, frozen, fewest, out):
    """out[i] = the place of values[i]; unless frozen, values[i] then joins its ring.

    rehearsed  the calibration's places, NaN where it has none: then only what was played counts,
               from `fewest` values on
    """
    for i in range(values.shape[0]):
        x, n = values[i], min(counts[i], ring.shape[1])
        out[i] = math.nan
        if not math.isfinite(x):
            continue
        twice = 1
        for k in range(n):
            twice += (ring[i, k] < x) + (ring[i, k] <= x)
        own, known = 0.5 * twice / (n + 1), math.isfinite(rehearsed[i])
        if known:
            share = n / (n + trust)
            out[i] = share * own + (1.0 - share) * rehearsed[i]
        elif n >= fewest:
            out[i] = own
        if not frozen:
            ring[i, counts[i] % ring.shape[1]] = x
            counts[i] += 1


class Pit:
    """Places of several features; grid as in `common.places`, rows of NaN where there is none."""

    def __init__(self, grid, window=WINDOW, trust=TRUST):
        self.grid, self.trust, self.frozen = grid, trust, False
        self._ring = np.full((len(grid), window), np.nan)
        self._counts, self._rehearsed = np.zeros(len(grid), np.int64), np.empty(len(grid))

    def forget(self):
        """Nothing has been played."""
        self._counts[:] = 0

    def place(self, values, out):
        """Writes the places of one record's values; NaN stays NaN and is not remembered."""
        places(values, self.grid, self._rehearsed)
        blend(values, self._rehearsed, self._ring, self._counts, self.trust, self.frozen, FEWEST,
              out)
