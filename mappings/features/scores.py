"""Scores: where a streaming number stands among its own last 512, as a place and as a robust score.

place   q = F(x), 0..1, ties share the middle
score   r = (x - median) / (1.4826 MAD)

Each window begins with the 65 quantiles of the calibration, so that after n numbers the two weigh
n : 65, and what is played takes over. Frozen, nothing joins. Source: Rousseeuw and Croux 1993.
Thread: control.
"""
import numpy as np

from engine.rt import rt, rt_host
from mappings.features.common import FEWEST, GRID, packed, unpacked

WINDOW, LARGEST = 512, 99.0


@rt
def search(row, n, x, right):
    """How many of the first n numbers of a rising row are below x (right: not above it)."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if row[middle] < x or (right and row[middle] == x):
            low = middle + 1
        else:
            high = middle
    return low


@rt
def deviation(row, n, centre, k):
    """The k-th smallest distance to `centre`: those k numbers stand side by side."""
    low, high = 0, n - k
    while low < high:
        middle = (low + high) // 2
        if centre - row[middle] > row[middle + k] - centre:
            low = middle + 1
        else:
            high = middle
    return max(centre - row[low], row[low + k - 1] - centre)


@rt_host
def judge(values, first, ring, rising, counts, fewest, frozen, place, score):
    """Place and score of values[i] in window first + i, which it then joins; NaN joins none."""
    room = ring.shape[1]
    for i in range(values.shape[0]):
        s, x = first + i, values[i]
        row, n = rising[s], min(counts[s], room)
        place[s], score[s] = np.nan, np.nan
        if not np.isfinite(x):
            continue
        below, upto = search(row, n, x, False), search(row, n, x, True)
        if n >= fewest:
            place[s] = (below + upto + 1) / (2.0 * (n + 1))
            centre = 0.5 * (row[(n - 1) // 2] + row[n // 2])
            spread = 0.5 * (deviation(row, n, centre, (n + 1) // 2)
                            + deviation(row, n, centre, n // 2 + 1))
            unit = 1.4826 * spread + 1e-9 * abs(centre) + 1e-12
            score[s] = min(max((x - centre) / unit, -LARGEST), LARGEST)
        if frozen:
            continue
        at = counts[s] % room
        if counts[s] >= room:
            gone = search(row, n, ring[s, at], False)
            for k in range(gone, n - 1):
                row[k] = row[k + 1]
            n -= 1
            below -= gone < below
        for k in range(n, below, -1):
            row[k] = row[k - 1]
        row[below], ring[s, at] = x, x
        counts[s] += 1


class Scores:
    """The windows of all who claimed some.

    place, score  (windows,) of the last number of each
    """

    def __init__(self):
        self.names, self.count, self.frozen = {}, 0, False

    def claim(self, name, count):
        """Room for `count` numbers a record; returns the slice in `place` and `score`."""
        self.names[name] = slice(self.count, self.count + count)
        self.count += count
        return self.names[name]

    def begin(self):
        """Everybody has claimed."""
        self.grid = np.full((self.count, GRID), np.nan)
        self.place, self.score = np.full(self.count, np.nan), np.full(self.count, np.nan)
        self.clear()

    def clear(self):
        """Nothing has been measured, nothing is known."""
        self.ring = np.full((self.count, WINDOW), np.nan)
        self.rising, self.counts = self.ring.copy(), np.zeros(self.count, np.int64)

    def forget(self):
        """Back to what the calibration said."""
        known = np.isfinite(self.grid[:, 0])
        self.ring[:, :GRID] = self.rising[:, :GRID] = self.grid
        self.counts[:] = np.where(known, GRID, 0)
        self.place[:] = self.score[:] = np.nan

    def take(self, where, values):
        """Judges the numbers of one claimant; returns (places, scores)."""
        judge(values, where.start, self.ring, self.rising, self.counts, FEWEST, self.frozen,
              self.place, self.score)
        return self.place[where], self.score[where]

    def one(self, where, value):
        """The same for a single number: (place, score)."""
        judge(np.array([value]), where.start, self.ring, self.rising, self.counts, FEWEST,
              self.frozen, self.place, self.score)
        return float(self.place[where.start]), float(self.score[where.start])

    def fit(self):
        """What is in the windows becomes the calibration."""
        for row, rising, count in zip(self.grid, self.rising, self.counts, strict=True):
            n = min(int(count), WINDOW)
            row[:] = np.quantile(rising[:n], np.linspace(0, 1, GRID)) if n >= FEWEST else np.nan

    def profile(self):
        """The calibration, by claimant."""
        return {name: packed(self.grid[where]) for name, where in self.names.items()}

    def load(self, data):
        """Takes it over."""
        for name, where in self.names.items():
            grid = unpacked(data[name])
            if grid.shape != self.grid[where].shape:
                raise ValueError(f"scores of {name}: another shape")
            self.grid[where] = grid
