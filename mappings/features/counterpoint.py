"""Counterpoint: how voices move against each other. A voice is a head, at what it looks back to.

voices.static, .oblique, .contrary, .parallel, .similar     rates over the pairs of six heads of the
                      lead layer, half-life 64 records, together 1
voices.contrary_excess, voices.parallel_excess     in standard deviations over what as lively
                      voices that do not listen to each other would do
voices.crossings_per_token    two voices change places for two records or more
band.* the same of the four quarters of the depth, which need no heads

The lead layer is the first chosen one; sinks are left out of every gaze. Event: voices.crossing.
Thread: control.
"""
import math

import numpy as np

from engine.records import GAZE, lead_layer
from engine.rt import rt_host
from mappings.features.common import Streaming

KINDS = ("static", "oblique", "contrary", "parallel", "similar")
SELECTED, DEAD, KEEP = 6, 0.4, 1.0 - 0.5 ** (1.0 / 64.0)
OCTAVES = GAZE.index("gaze_octaves")
WORTH = (2.0 - KEEP) / KEEP
HISTORY, SOONEST, HOLDS = 64, 16, 2


@rt_host
def motion(di, dj, dead):
    """Which of KINDS two voices' steps are, with one dead-band for both."""
    still_i, still_j = abs(di) <= dead, abs(dj) <= dead
    if still_i and still_j:
        return 0
    if still_i or still_j:
        return 1
    if (di > 0.0) != (dj > 0.0):
        return 2
    return 3 if abs(di - dj) <= dead else 4


@rt_host
def count_motions(steps, usual, keep, dead, rates, moves, ups, expected):
    """Moves the pairs' rates (5,) on by one record of steps (voices,), and what as lively
    independent voices would do: expected (contrary, parallel)."""
    n, pairs = len(steps), 0
    now, chance = np.zeros(5), np.zeros(2)
    for i in range(n):
        for j in range(i + 1, n):
            band = dead * max(usual[i], usual[j])
            now[motion(steps[i], steps[j], band)] += 1.0
            both = moves[i] * moves[j]
            same = ups[i] * ups[j] + (1.0 - ups[i]) * (1.0 - ups[j])
            chance[0] += both * (1.0 - same)
            chance[1] += both * same
            pairs += 1
    for i in range(n):
        moved = abs(steps[i]) > dead * usual[i]
        moves[i] += keep * (moved - moves[i])
        if moved:
            ups[i] += keep * ((steps[i] > 0.0) - ups[i])
    for k in range(5):
        rates[k] += keep * (now[k] / pairs - rates[k])
    for k in range(2):
        expected[k] += keep * (chance[k] / pairs - expected[k])


@rt_host
def usual_steps(ring, count, out):
    """out[v] = the median of a voice's last steps, sizes (records, voices)."""
    n = min(count, ring.shape[0])
    for v in range(ring.shape[1]):
        x = np.sort(ring[:n, v])
        out[v] = 0.5 * (x[(n - 1) // 2] + x[n // 2])


@rt_host
def crossed(places, order, since, holds, told):
    """Which pairs have changed places for `holds` records; writes their numbers, returns how
    many."""
    pair, found = 0, 0
    for i in range(len(places)):
        for j in range(i + 1, len(places)):
            now = np.int64(np.sign(places[i] - places[j]))
            since[pair] = since[pair] + 1 if now != order[pair] and now != 0 else 0
            if since[pair] >= holds:
                if order[pair] != 0:
                    told[found] = pair
                    found += 1
                order[pair], since[pair] = now, 0
            pair += 1
    return found


class Motion:
    """The pairwise motion of a few voices, whatever their positions are."""

    def __init__(self, voices):
        self.voices = voices
        self.forget()

    def forget(self):
        """No voice has moved."""
        self.rates, self.expected = np.zeros(5), np.zeros(2)
        self._moves, self._ups = np.full(self.voices, 0.5), np.full(self.voices, 0.5)
        self._ring, self._count = np.zeros((HISTORY, self.voices)), 0
        self._before = None
        pairs = self.voices * (self.voices - 1) // 2
        self._order, self._since = np.zeros(pairs, np.int64), np.zeros(pairs, np.int64)
        self._told, self._usual = np.zeros(pairs, np.int64), np.zeros(self.voices)
        self.crossings, self._i, self._j = 0.0, *np.triu_indices(self.voices, 1)

    def step(self, places):
        """One record's positions; returns the pairs (i, j) that crossed, None too early."""
        if not math.isfinite(places.sum()):
            return None
        if self._before is None:
            self._before = places.copy()
            return None
        steps = places - self._before
        self._before = places.copy()
        self._ring[self._count % HISTORY] = np.abs(steps)
        self._count += 1
        usual_steps(self._ring, self._count, self._usual)
        keep = max(KEEP, 1.0 / self._count)
        count_motions(steps, self._usual, keep, DEAD, self.rates, self._moves, self._ups,
                      self.expected)
        count = crossed(places, self._order, self._since, HOLDS, self._told)
        self.crossings += keep * (count - self.crossings)
        if self._count < SOONEST:
            return None
        return [(int(self._i[p]), int(self._j[p])) for p in self._told[:count]]

    def excess(self):
        """Contrary and parallel-or-similar motion over chance, in standard deviations."""
        _, _, contrary, parallel, similar = self.rates.tolist()
        pairs, worth = len(self._i), min(self._count, WORTH)
        return [(found - e) / math.sqrt(max(e * (1 - e), 1e-4) / (worth * pairs)) for found, e in
                zip((contrary, parallel + similar), self.expected.tolist(), strict=True)]


def named(group):
    """The names and ranges of one group of voices."""
    ranges = {f"{group}.{kind}": (0, 1) for kind in KINDS}
    ranges |= {f"{group}.{kind}_excess": (-np.inf, np.inf) for kind in ("contrary", "parallel")}
    return ranges | {f"{group}.crossings_per_token": (0, np.inf)}


class Voices(Streaming):
    """Heads of the lead layer, by what they look back to (T4), or by their write (T3)."""
    ranges = named("voices")
    names, tier = tuple(ranges), "T4"

    def claim(self, sight):
        """The lead layer and its heads."""
        self._layer = sight.model.chosen[0] if sight.model.chosen else lead_layer(sight.depth)
        self.motion = Motion(max(2, min(SELECTED, sight.model.heads)))

    def places(self, look):
        """Positions of the chosen heads, octaves of tokens back."""
        found = look.state["gaze"][self._layer, :self.motion.voices, OCTAVES]
        return found.astype(np.float64)

    def value(self, look, out):
        """Writes the eight; events say which heads crossed."""
        out[:] = np.nan
        if len(places := self.places(look)) < 2 or (
                crossed := self.motion.step(places)) is None:
            return
        out[:5], out[5:7], out[7] = self.motion.rates, self.motion.excess(), self.motion.crossings
        for i, j in crossed:
            look.event(f"{self.names[0].split('.')[0]}.crossing", 1.0, f"{i} {j}", HOLDS)

    def forget(self):
        """No voice has moved."""
        self.motion.forget()


class Bands(Voices):
    """The four quarters of the depth, by the height of what they write."""
    ranges = named("bands")
    names, tier = tuple(ranges), "T1"

    def claim(self, sight):
        """Four voices."""
        self.motion = Motion(len(sight.bands))

    def places(self, look):
        """Write notes of each quarter on the first axis of the plane."""
        return (look.pooling @ look.wrote)[:, look.plane[0]]


def geometric(a, b):
    """"parallel", "contrary" or "" of two voices' steps as vectors."""
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / size if size > 0.0 else 0.0
    return "parallel" if cosine > 0.3 else "contrary" if cosine < -0.3 else ""
