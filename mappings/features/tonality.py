"""Tonality: a key for the notes of late, and whether the text moved or only leaned out.

key.tonic_st, key.mode     tonic 0..11, mode 0 major, 1 minor; a new key has to be clearer than the
                      next for 8 records;  key.fit  correlation with its profile;  key.clarity
modulation.distance   of the state of late from where it has been at home, in usual distances
modulation.abruptness, modulation.pivots    of the last one: largest single move over the whole;
                      records that were close to both homes

Profiles: Krumhansl and Kessler 1982. A natural-minor set fits the relative major as well, so the
lowest written note decides between the two. Events: key, tonicisation (6 to 30 records late),
modulation (38). Thread: control.
"""
import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming
from mappings.features.sight import NOTES, SKETCH

MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
KEEP = 1.0 - 0.5 ** (1.0 / 64.0)
CLEAR, HOLDS, RELATIVE = 0.03, 8, 3
BASS_WEIGHT = 0.1


def keys():
    """(24, 12) standard scores of the profiles: tonic k major, then minor."""
    rows = np.array([np.roll(p, k) for p in (MAJOR, MINOR) for k in range(NOTES)])
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


PROFILES = keys()


def fits(weights, bass=None):
    """Correlation with every key, (24,); `bass`, the lowest note, speaks for keys on it."""
    centred = weights - weights.mean()
    size = float(np.linalg.norm(centred))
    found = PROFILES @ (centred / size) if size > 0.0 else np.zeros(len(PROFILES))
    if bass is not None:
        found[[bass, NOTES + bass]] += BASS_WEIGHT
    return found


class Key(Streaming):
    """The key of the notes of late."""
    names = ("key.tonic_st", "key.mode", "key.fit", "key.clarity")
    ranges = {"key.tonic_st": (0, 11), "key.mode": (0, 1), "key.fit": (-1, 1.1),
              "key.clarity": (0, 2)}
    tier = "T1"

    def value(self, look, out):
        """Writes the four."""
        low = np.nan_to_num(look.wrote[:max(1, look.depth // 3)])
        self.step(look.notes, (low * low).sum(axis=0), look, out)

    def step(self, notes, low, look, out):
        """One record's notes, and the energies of those written low."""
        self._weights += KEEP * (notes * notes - self._weights)
        self._low += KEEP * (low - self._low)
        bass = int(np.argmax(self._low)) if self._low.max() > 0.0 else None
        found = fits(self._weights, bass)
        order = np.argsort(-found, kind="stable")
        best, clarity = int(order[0]), float(found[order[0]] - found[order[1]])
        self._wins = self._wins + 1 if best == self._best and clarity > CLEAR else 1
        self._best = best
        if self.key is None or best != self.key and self._wins >= HOLDS and clarity > CLEAR:
            if self.key is not None:
                look.event("key", clarity, str(best), HOLDS)
            self.key = best
        out[0], out[1], out[2], out[3] = self.key % NOTES, self.key // NOTES, found[self.key], \
            clarity

    def forget(self):
        """No note was heard."""
        self._weights, self._low = np.zeros(NOTES), np.zeros(NOTES)
        self.key, self._best, self._wins = None, -1, 0


FAST, SLOW = 1.0 / 6.0, 1.0 / 64.0
AFTER, VOTES, OF, REFRACTORY, SETTLES = 6, 5, 6, 18, 32
FAR, WARM, PIVOT = 6.0, 128, 0.5


@rt_host
def distance(a, b):
    """Euclidean."""
    total = 0.0
    for i in range(len(a)):
        total += (a[i] - b[i]) * (a[i] - b[i])
    return np.sqrt(total)


@rt_host
def cosine(a, b):
    """Between two rows, 0 when one has no length."""
    ab, aa, bb = 0.0, 0.0, 0.0
    for i in range(len(a)):
        ab, aa, bb = ab + a[i] * b[i], aa + a[i] * a[i], bb + b[i] * b[i]
    return ab / np.sqrt(aa * bb) if aa * bb > 0.0 else 0.0


class Modulation(Streaming):
    """Home, and excursions from it."""
    names = ("modulation.distance", "modulation.abruptness", "modulation.pivots")
    ranges = {"modulation.distance": (-np.inf, np.inf), "modulation.abruptness": (0, 1),
              "modulation.pivots": (0, np.inf)}
    tier = "T1"

    def claim(self, sight):
        """One window of distances."""
        self._where = sight.scores.claim("modulation", 1)

    def value(self, look, out):
        """Writes the three."""
        self.step(look.sketch[0], look, out)

    def step(self, x, look, out):
        """One sketch."""
        before = self._fast.copy()
        self.count += 1
        self._fast += max(FAST, 1.0 / self.count) * (x - self._fast)
        if self.since < 0:
            self._slow += max(SLOW, 1.0 / self.count) * (x - self._slow)
            self._wait(look, out)
        else:
            self._decide(x, distance(before, self._fast), look, out)
        out[1], out[2] = self.last

    def _wait(self, look, out):
        far = distance(self._fast, self._slow)
        if self.count <= 24:
            out[0] = np.nan                   # the means are still one
            return
        # the score is taken among the distances at home alone: a candidate joins none
        frozen, look.scores.frozen = look.scores.frozen, True
        _, out[0] = look.scores.one(self._where, far)
        look.scores.frozen = frozen
        quiet = self.count - self._refused <= REFRACTORY
        known = look.scores.counts[self._where.start] >= WARM // 2
        if out[0] > FAR and known and not quiet:
            self.since, self._votes, self._other = 0, [], None
            self._moves, self._pivots = [0.0], 0
        else:
            look.scores.one(self._where, far)

    def _decide(self, x, move, look, out):
        """A candidate: after six records the other home is known; votes for the first return."""
        self.since += 1
        self._moves.append(move)
        out[0] = FAR
        if self.since < AFTER:
            return
        if self._other is None:
            self._other = self._fast.copy()
        home, other = distance(x, self._slow), distance(x, self._other)
        self._votes = [*self._votes, home < other][-OF:]
        self._pivots += cosine(x, self._slow) > PIVOT and cosine(x, self._other) > PIVOT
        if sum(self._votes) >= VOTES:
            look.event("tonicisation", 1.0, "", self.since)
            self._refused, self.since = self.count, -1
        elif self.since >= AFTER + SETTLES:
            way = distance(self._slow, self._other)
            self.last = (min(max(self._moves) / way, 1.0) if way > 0 else np.nan, self._pivots)
            look.event("modulation", 1.0, "", self.since)
            self._slow, self._refused, self.since = self._fast.copy(), self.count, -1

    def forget(self):
        """Nowhere is home."""
        self._fast, self._slow, self.count = np.zeros(SKETCH), np.zeros(SKETCH), 0
        self.since, self._refused, self.last = -1, -REFRACTORY, (np.nan, np.nan)
        self._votes, self._other, self._moves, self._pivots = [], None, [0.0], 0
