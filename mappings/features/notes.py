"""Notes: twelve directions of the latent space, as pitch, register, inversion and overtones.

latent.pitch_st       where the lead state stands in its plane, 0..12, evenly spread by its own
                      history;  latent.microtone_st  how far that is from a semitone, -0.5..0.5
note.pitch_st         between the two strongest notes, by their weights
register.height       at which depth blocks write: 0 the first, 1 the last;  register.spread
register.VOICE        share of a quarter of the depth (bass: the first)
chord.bass_st, chord.inversion, chord.voicing_change     the lowest note of the three that are
                      written most, its rank among them; how far the voicing moved, 0..1 (JS, bits)
overtones.decay, overtones.brightness, overtones.participation     of the ranked note energies

Rank stands for harmonic number: a latent space has no frequencies. Thread: control.
"""
import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming
from mappings.features.sight import NOTES, VOICES


def between(pitch, other, share):
    """The pitch class at a share 0..1 of the shorter way from one to another."""
    way = (other - pitch + NOTES / 2) % NOTES - NOTES / 2
    return (pitch + way * share) % NOTES


class Pitch(Streaming):
    """Where the lead state stands; learns nothing but its own history."""
    names = ("latent.pitch_st", "latent.microtone_st", "note.pitch_st")
    ranges = {"latent.pitch_st": (0, 12), "latent.microtone_st": (-0.5, 0.5),
              "note.pitch_st": (0, 12)}
    tier = "T1"

    def claim(self, sight):
        """One window of angles."""
        self._angle = sight.scores.claim("pitch", 1)

    def place(self, x, y):
        """The pitch class 0..12 of a point of the plane."""
        return 12.0 * self.sight.scores.one(self._angle, np.arctan2(y, x))[0]

    def value(self, look, out):
        """Writes pitch, microtone, and the pitch between the strongest notes."""
        first, second = look.plane
        out[0] = self.place(look.along[0, first], look.along[0, second])
        out[1] = out[0] - np.round(out[0]) if out[0] == out[0] else np.nan
        a, b = np.argsort(-look.notes, kind="stable")[:2]
        both = look.notes[a] + look.notes[b]
        out[2] = between(float(a), float(b), look.notes[b] / both) if both > 0.0 else np.nan


@rt_host
def heights(energy, out):
    """Mean and spread of depth, 0..1, by energy (blocks,); NaN without any."""
    total, mean, square, last = 0.0, 0.0, 0.0, max(len(energy) - 1, 1)
    for layer in range(len(energy)):
        if np.isfinite(energy[layer]):
            at = layer / last
            total += energy[layer]
            mean += at * energy[layer]
            square += at * at * energy[layer]
    out[0], out[1] = np.nan, np.nan
    if total > 0.0:
        mean /= total
        out[0], out[1] = mean, np.sqrt(max(square / total - mean * mean, 0.0))


class Register(Streaming):
    """At which depth the model writes."""
    names = ("register.height", "register.spread", *(f"register.{v}" for v in VOICES))
    ranges = dict.fromkeys(names, (0, 1))
    tier = "T1"

    def value(self, look, out):
        """Writes height, spread and the voices' shares; row `register.note`: height of each."""
        energy = look.share * look.share
        heights(energy, out[:2])
        pooled = look.pooling @ np.nan_to_num(energy)
        out[2:] = pooled / pooled.sum() if pooled.sum() > 0.0 else np.nan
        squares = np.nan_to_num(look.wrote * look.wrote)
        depth = np.arange(look.depth) / max(look.depth - 1, 1)
        sums = squares.sum(axis=0)
        look.rows["register.note"] = depth @ squares / np.where(sums > 0.0, sums, np.nan)


@rt_host
def divergence_bits(p, q):
    """Jensen-Shannon divergence of two tables of energies, bits, 0..1."""
    a, b, found = max(p.sum(), 1e-300), max(q.sum(), 1e-300), 0.0
    for i in range(p.shape[0]):
        for k in range(p.shape[1]):
            x, y = p[i, k] / a, q[i, k] / b
            m = 0.5 * (x + y)
            if x > 0.0:
                found += 0.5 * x * np.log2(x / m)
            if y > 0.0:
                found += 0.5 * y * np.log2(y / m)
    return min(max(found, 0.0), 1.0)


@rt_host
def chord_of(squares, count, chord):
    """The `count` notes with most energy (blocks, 12), the strongest first; returns which of them
    is strongest in the lower third, -1 without any energy."""
    total, low = np.zeros(squares.shape[1]), np.zeros(squares.shape[1])
    for layer in range(squares.shape[0]):
        for k in range(squares.shape[1]):
            if np.isfinite(squares[layer, k]):
                total[k] += squares[layer, k]
                if layer < max(1, squares.shape[0] // 3):
                    low[k] += squares[layer, k]
    bass = -1
    for i in range(count):
        chord[i] = np.argmax(total)
        if not total[chord[i]] > 0.0:
            return bass
        total[chord[i]] = -1.0
        if bass < 0 or low[chord[i]] > low[chord[bass]]:
            bass = i
    return bass


class Inversion(Streaming):
    """Which of the three notes that are written most is written lowest."""
    names = ("chord.bass_st", "chord.inversion", "chord.voicing_change")
    ranges = {"chord.bass_st": (0, 11), "chord.inversion": (0, 2), "chord.voicing_change": (0, 1)}
    tier = "T1"

    def value(self, look, out):
        """Writes bass, inversion, and the way from the last voicing."""
        squares = np.nan_to_num(look.wrote * look.wrote)
        bass, out[:] = chord_of(squares, len(self._chord), self._chord), np.nan
        if bass < 0:
            return
        out[0], out[1] = self._chord[bass], bass
        table = look.pooling @ squares
        out[2] = np.nan if self._table is None else divergence_bits(table, self._table)
        self._table = table

    def forget(self):
        """No voicing came before."""
        self._table, self._chord = None, np.zeros(3, np.int64)


@rt_host
def spectrum(energy, out):
    """Decay, brightness and participation of note energies; NaN where there are none."""
    e = -np.sort(-energy)
    total, square, rank = 0.0, 0.0, 0.0
    n, x, y, xx, xy = 0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(e)):
        if e[i] <= 1e-12 * e[0] or not e[i] > 0.0:
            break
        total += e[i]
        square += e[i] * e[i]
        rank += (i + 1) * e[i]
        a, b = np.log(i + 1.0), np.log(e[i])
        n, x, y, xx, xy = n + 1, x + a, y + b, xx + a * a, xy + a * b
    out[:] = np.nan
    if n:
        out[1], out[2] = rank / total, total * total / square
    if n > 1:
        out[0] = -(n * xy - x * y) / (n * xx - x * x)


class Overtones(Streaming):
    """How fast the ranked energies of the notes fall."""
    names = ("overtones.decay", "overtones.brightness", "overtones.participation")
    ranges = {"overtones.decay": (0, np.inf), "overtones.brightness": (1, 12),
              "overtones.participation": (1, 12)}
    tier = "T1"

    def value(self, look, out):
        """Writes the three; row `overtones.level`: the roots of the energies over the first's."""
        energy = look.notes * look.notes
        spectrum(energy, out)
        ranked = -np.sort(-energy)
        if ranked[0] > 0.0:
            look.rows["overtones.level"] = np.sqrt(ranked / ranked[0])
