"""Octaves: notes that blocks of different depth write together.

octave.resonance    mean correlation of the same note in two quarters of the depth, over all pairs,
                    half-life 128 records, less that of one delayed by 17 to 64 records
octave.surprise     that in standard deviations;  octave.strongest  of the strongest note and pair

Writes, never states: states of two depths correlate by addition alone. Thread: control.
"""
import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming
from mappings.features.sight import NOTES, VOICES

PAIRS = tuple((i, j) for i in range(len(VOICES)) for j in range(i + 1, len(VOICES)))
LAGS = (0, 17, 33, 49, 64)
LAGS_AT = np.array(LAGS)
SHARE = 1.0 - 0.5 ** (1.0 / 128.0)
INDEPENDENT = (2.0 - SHARE) / SHARE       # records that such a mean is worth
SOONEST = 128                             # records until a correlation is told


@rt_host
def follow(now, ring, count, lags, share, mean, square, cross):
    """Moves the weighted moments of band notes (4, 12) on by one record.

    ring  (64, 4, 12) the records before;  cross  (lags, pairs, 12) products at each lag
    """
    pair = 0
    part = max(share, 1.0 / (count + 1.0))
    for i in range(now.shape[0]):
        for k in range(now.shape[1]):
            mean[i, k] += part * (now[i, k] - mean[i, k])
            square[i, k] += part * (now[i, k] * now[i, k] - square[i, k])
    for i in range(now.shape[0]):
        for j in range(i + 1, now.shape[0]):
            for g in range(len(lags)):
                if count < lags[g]:
                    continue
                moved = max(share, 1.0 / (count - lags[g] + 1.0))
                for k in range(now.shape[1]):
                    late = now[j, k] if lags[g] == 0 else ring[(count - lags[g]) % len(ring), j, k]
                    cross[g, pair, k] += moved * (now[i, k] * late - cross[g, pair, k])
            pair += 1
    ring[count % len(ring)] = now


@rt_host
def told(mean, square, cross, found):
    """found[pair, k] = correlation at lag 0 less the mean of those at the other lags; returns the
    mean over all and the strongest."""
    pair, total, most = 0, 0.0, 0.0
    for i in range(mean.shape[0]):
        for j in range(i + 1, mean.shape[0]):
            for k in range(mean.shape[1]):
                a = max(square[i, k] - mean[i, k] ** 2, 1e-30)
                b = max(square[j, k] - mean[j, k] ** 2, 1e-30)
                unit, late = 1.0 / np.sqrt(a * b), 0.0
                for g in range(cross.shape[0]):
                    r = (cross[g, pair, k] - mean[i, k] * mean[j, k]) * unit
                    r = min(max(r, -1.0), 1.0)
                    if g == 0:
                        found[pair, k] = r
                    else:
                        late += r
                found[pair, k] -= late / (cross.shape[0] - 1)
                total += found[pair, k]
                if abs(found[pair, k]) > abs(most):
                    most = found[pair, k]
            pair += 1
    return total / found.size, most


class Octaves(Streaming):
    """Three features; history of its own."""
    names = ("octave.resonance", "octave.surprise", "octave.strongest")
    ranges = {"octave.resonance": (-1, 1), "octave.surprise": (-np.inf, np.inf),
              "octave.strongest": (-1, 1)}
    tier = "T1"

    def value(self, look, out):
        """Writes the three; row `octave.notes`: (pairs, 12) correlations."""
        self.step(look.pooling @ np.nan_to_num(look.wrote), out)
        if out[0] == out[0]:
            look.rows["octave.notes"] = self.found

    def step(self, now, out):
        """One record of band notes (4, 12)."""
        follow(now, self._ring, self._count, LAGS_AT, SHARE, self._mean, self._square, self._cross)
        self._count += 1
        out[:] = np.nan
        if self._count < SOONEST:
            return
        self.found = np.empty((len(PAIRS), NOTES))
        out[0], out[2] = told(self._mean, self._square, self._cross, self.found)
        worth = min(self._count, INDEPENDENT) / (1.0 + 1.0 / (len(LAGS) - 1))
        out[1] = out[0] * np.sqrt(worth * self.found.size)

    def forget(self):
        """Nothing was written before."""
        shape = len(VOICES), NOTES
        self._ring, self._count = np.zeros((LAGS[-1], *shape)), 0
        self._mean, self._square = np.zeros(shape), np.zeros(shape)
        self._cross = np.zeros((len(LAGS), len(PAIRS), NOTES))
