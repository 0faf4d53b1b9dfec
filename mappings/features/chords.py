"""Chords: fifths, chord quality, emergence, sympathy.

fifths.place          where the strong notes stand on the circle of fifths, 0..1 of it
fifths.diatonicity    how much they lie in one region of it, 0..1;  fifths.distance  how many of the
                      seven strongest changed since the last phrase, 0..7
chord.quality         0 major, 1 minor, 2 diminished, 3 augmented: of the block that writes most,
                      from the cosines of state, attention and MLP against their own history
chord.mean, chord.span  their mean and largest difference;  chord.confidence  the way to the nearest
                      threshold, in places
chord.notes, chord.emergence    notes that the lead state is made of (matching pursuit), and the
                      share of its energy that none explains
sympathy.ratio        what a struck part of a dictionary leaks to the rest of it

Without T2 the three are bands of the state. "Tritone at ninety degrees" is no rule: random triads
give 28, 42, 15, 15 % of the four. Thread: control.
"""
import math

import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming
from mappings.features.sight import NOTES, SKETCH

KEEP = 1.0 - 0.5 ** (1.0 / 16.0)
SCALE_NOTES, GAIN, ATOMS, STRUCK = 7, 0.05, 96, 6
DIMINISHED, MAJOR, OPPOSED, ALIKE = -0.6, 0.25, -0.75, 1.1
HOURS = np.exp(-2j * np.pi * 5 * np.arange(NOTES) / NOTES)
QUALITIES = ("major", "minor", "diminished", "augmented")


def fifths(weights):
    """(place on the circle of fifths 0..1, diatonicity 0..1) of twelve weights.

    place  turned so that a fifth up is one hour: 1/12 more
    """
    total = weights.sum()
    if not total > 0.0:
        return np.nan, np.nan
    spectrum = (weights * HOURS).sum() / total
    return float(np.angle(spectrum) / (2 * np.pi) % 1.0), float(abs(spectrum))


class Fifths(Streaming):
    """Which notes are strong of late."""
    names = ("fifths.place", "fifths.diatonicity", "fifths.distance")
    ranges = {"fifths.place": (0, 1), "fifths.diatonicity": (0, 1), "fifths.distance": (0, 7)}
    tier = "T1"

    def value(self, look, out):
        """Writes the three."""
        self.step(look.notes, look.marks is not None and look.marks.sentence_end, out)

    def step(self, notes, ends, out):
        """One record's notes; `ends`: a phrase ends with it."""
        self._weights += KEEP * (notes * notes - self._weights)
        out[0], out[1] = fifths(self._weights)
        strong = frozenset(np.argsort(-self._weights, kind="stable")[:SCALE_NOTES].tolist())
        self._reference = self._reference or strong
        out[2] = SCALE_NOTES - len(strong & self._reference)
        if ends:
            self._reference = strong

    def forget(self):
        """Nothing sounded."""
        self._weights, self._reference = np.zeros(NOTES), None


def quality(scores):
    """(number of QUALITIES, S, W) of three robust scores of cosines."""
    mean, span = float(np.mean(scores)), float(np.max(scores) - np.min(scores))
    if mean < DIMINISHED:
        return 2, mean, span
    if mean > MAJOR and np.min(scores) >= OPPOSED:
        return 0, mean, span
    return (3 if span < ALIKE else 1), mean, span


def margin(scores):
    """How far three scores are from a threshold: the smallest distance, in places of a normal law
    (0 at it, towards 0.5 far from it)."""
    mean, span = np.mean(scores), np.max(scores) - np.min(scores)
    gap = min(abs(mean - DIMINISHED), abs(mean - MAJOR), abs(np.min(scores) - OPPOSED),
              abs(span - ALIKE))
    return 0.5 * math.erf(gap / math.sqrt(2.0))


def pursuit(u, rows, gain=GAIN, most=NOTES):
    """Orthogonal matching pursuit: (indices, weights, unexplained share) of u on unit rows, taking
    one while it explains `gain` of the energy more."""
    energy = float(u @ u)
    chosen, weights, left = [], np.zeros(0), np.array(u)
    if not energy > 0.0:
        return chosen, weights, np.nan
    while len(chosen) < min(most, len(rows)):
        products = rows @ left
        products[chosen] = 0.0
        best = int(np.argmax(np.abs(products)))
        basis = rows[[*chosen, best]]
        found = np.linalg.lstsq(basis.T, u, rcond=None)[0]
        rest = u - found @ basis
        if float(left @ left - rest @ rest) < gain * energy:
            break
        chosen, weights, left = [*chosen, best], found, rest
    return chosen, weights, float(left @ left) / energy


@rt_host
def explained(products, gram, energy, gain, most, chosen):
    """Orthogonal matching pursuit from products and Gram matrix alone: (notes, unexplained share).

    products  (n,) of the state with each row;  gram  (n, n);  chosen  indices, written
    Each step orthonormalises one row against those before (Cholesky of the Gram matrix).
    """
    n = len(products)
    basis, kept = np.zeros((most, n)), 0      # products of the orthonormalised rows with all rows
    left, rest = products.copy(), energy
    while kept < most:
        best, size = -1, 0.0
        for k in range(n):
            free = gram[k, k]
            for j in range(kept):
                free -= basis[j, k] * basis[j, k]
            if free > 1e-9 and left[k] * left[k] / free > size:
                best, size = k, left[k] * left[k] / free
        if best < 0 or size < gain * energy:
            break
        free = gram[best, best]
        for j in range(kept):
            free -= basis[j, best] * basis[j, best]
        for k in range(n):
            x = gram[best, k]
            for j in range(kept):
                x -= basis[j, best] * basis[j, k]
            basis[kept, k] = x / np.sqrt(free)
        share = left[best] / np.sqrt(free)
        for k in range(n):
            left[k] -= share * basis[kept, k]
        chosen[kept] = best
        kept, rest = kept + 1, rest - share * share
    return kept, max(rest, 0.0) / energy if energy > 0.0 else np.nan


class Chord(Streaming):
    """The triad of the block that writes most, and the notes of the lead state."""
    names = ("chord.quality", "chord.mean", "chord.span", "chord.confidence", "chord.notes",
             "chord.emergence")
    ranges = {"chord.quality": (0, 3), "chord.mean": (-np.inf, np.inf), "chord.span": (0, np.inf),
              "chord.confidence": (0, 0.5), "chord.notes": (0, 12), "chord.emergence": (0, 1)}
    tier = "T1"

    def claim(self, sight):
        """Three windows a block (with T2), else three of the bands."""
        self._blocks = sight.depth if "T2" in sight.tiers else 1
        self._where = sight.scores.claim("chord", 3 * self._blocks)

    def value(self, look, out):
        """Writes the six; row `chord.quality`: of every block."""
        _, scores = look.scores.take(self._where, self._cosines(look).reshape(-1))
        scores = scores.reshape(-1, 3)
        out[:4] = np.nan
        at = int(np.argmax(np.nan_to_num(look.share))) if self._blocks > 1 else 0
        if np.isfinite(scores[at]).all():
            out[0], out[1], out[2] = quality(scores[at])
            out[3] = margin(scores[at])
        look.rows["chord.quality"] = qualities(scores)
        gram = self._gram_of(look)
        energy = look.size[look.lead] ** 2
        out[4], out[5] = explained(look.along[0].copy(), gram, energy, GAIN, NOTES, self._chosen)
        if out[5] != out[5]:
            out[4] = np.nan

    def _cosines(self, look):
        if self._blocks > 1 or "T2" in look.tiers:
            return look.triad
        a, b, c = (look.z[max(1, (k + 1) * look.depth // 3)] for k in range(3))
        return np.array([[x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-30)
                          for x, y in ((a, b), (a, c), (b, c))]])

    def _gram_of(self, look):
        if self._of is not look.notes_at:
            self._of, self._gram = look.notes_at, look.notes_at @ look.notes_at.T
        return self._gram

    def forget(self):
        """No history but the windows."""
        self._of, self._gram, self._chosen = None, None, np.zeros(NOTES, np.int64)


@rt_host
def qualities(scores):
    """`quality` of every row of three scores, NaN where a score is missing."""
    out = np.full(len(scores), np.nan)
    for layer in range(len(scores)):
        low = min(scores[layer, 0], scores[layer, 1], scores[layer, 2])
        high = max(scores[layer, 0], scores[layer, 1], scores[layer, 2])
        mean = (scores[layer, 0] + scores[layer, 1] + scores[layer, 2]) / 3.0
        if not np.isfinite(mean):
            continue
        if mean < DIMINISHED:
            out[layer] = 2
        elif mean > MAJOR and low >= OPPOSED:
            out[layer] = 0
        else:
            out[layer] = 3 if high - low < ALIKE else 1
    return out


class Sympathy(Streaming):
    """What is struck and what sounds with it, on a dictionary of unit rows in the sketch."""
    names, tier = ("sympathy.ratio",), "T1"
    ranges = {"sympathy.ratio": (0, np.inf)}

    def atoms(self, rows):
        """Takes a dictionary of unit rows (K, 64)."""
        self.rows, self.gram = rows, rows @ rows.T

    def claim(self, sight):
        """A fixed overcomplete dictionary, until another is given."""
        drawn = np.random.default_rng(9).normal(size=(ATOMS, SKETCH))
        self.atoms(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
        self._chosen = np.zeros(STRUCK, np.int64)

    def value(self, look, out):
        """Writes the ratio; row `sympathy.leak`: what each atom that is not struck receives."""
        out[0], leak = self.leak(look.sketch[0])
        if leak is not None:
            look.rows["sympathy.leak"] = leak

    def leak(self, u):
        """(ratio, (K,) leaks, 0 at the struck) of one sketch."""
        count, _ = explained(self.rows @ u, self.gram, float(u @ u), GAIN, STRUCK, self._chosen)
        if not count:
            return np.nan, None
        at = self._chosen[:count]
        weights = np.linalg.solve(self.gram[np.ix_(at, at)], self.rows[at] @ u)
        leak = self.gram[:, at] @ weights
        leak[at] = 0.0
        return float(np.linalg.norm(leak) / np.linalg.norm(weights)), leak


