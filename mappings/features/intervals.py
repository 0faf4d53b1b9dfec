"""Intervals and the line they make: angles of the lead state from record to record.

interval.angle_deg    between this state and the last;  interval.size_st  its thirteenth among its
                      own history, 0..12;  interval.tension_st  the entry of the list that goes from
                      smooth to rough;  interval.octaves  doublings of length in one direction
interval.unrelated    1 when it is within two widths of the right angle of unrelated states
melody.step_st        the size with the sign of the contour;  melody.smoothness  median angle over
                      that of the last 64 states in random order: 1 is no melody
contour.height        the lead state on the first axis of the sketch

No interval is a fixed angle: in 896 dimensions unrelated states stand at 90 +- 1.9 degrees. Events:
melody.repeat, .step, .skip, .leap. Thread: control.
"""
import math

import numpy as np

from engine.rt import rt, rt_host
from mappings.features.common import Streaming
from mappings.features.sight import SKETCH

# P1 P8 P5 M6 P4 m7 m6 M7 TT M3 m3 M2 m2, in semitones
SMOOTH = (0, 12, 7, 9, 5, 10, 8, 11, 6, 4, 3, 2, 1)
KEPT, STEP, SKIP, REPEAT = 64, 0.6, 0.9, 0.01
OCTAVE_COSINE = 0.95


@rt
def angle(a, b):
    """Radians between two rows; NaN when one has no length."""
    aa, bb, ab = 0.0, 0.0, 0.0
    for i in range(len(a)):
        aa += np.float64(a[i]) * a[i]
        bb += np.float64(b[i]) * b[i]
        ab += np.float64(a[i]) * b[i]
    if not aa * bb > 0.0:
        return np.nan
    return math.acos(min(max(ab / math.sqrt(aa * bb), -1.0), 1.0))


@rt_host
def length(a):
    """Euclidean."""
    total = 0.0
    for i in range(len(a)):
        total += np.float64(a[i]) * a[i]
    return math.sqrt(total)


@rt_host
def angle_of(a, b):
    """The same for whoever is not compiled."""
    return angle(a, b)


@rt_host
def calmness(ring, count, shuffle):
    """Median angle of the rows in order, over that in a fixed shuffle of the order."""
    n = ring.shape[0]
    ordered, mixed = np.empty(n - 1), np.empty(n - 1)
    for i in range(n - 1):
        ordered[i] = angle(ring[(count + i) % n], ring[(count + i + 1) % n])
        mixed[i] = angle(ring[(count + shuffle[i]) % n], ring[(count + shuffle[i + 1]) % n])
    usual = np.sort(mixed)[(n - 1) // 2]
    return np.sort(ordered)[(n - 1) // 2] / usual if usual > 0.0 else np.nan


def octaves(cosine, here, before):
    """Doublings of length, whole, when two states point one way; 0 else."""
    if not cosine > OCTAVE_COSINE or not (here > 0.0 and before > 0.0):
        return 0.0
    doublings = math.log2(here / before)
    return float(round(doublings)) if abs(doublings) >= 0.5 else 0.0


def unrelated(theta, width):
    """Whether an angle is what random directions of that width have."""
    return float(abs(theta - math.pi / 2) < 2.0 / math.sqrt(width))


class Intervals(Streaming):
    """Angles of the lead state and the line; learns nothing but its own history."""
    names = ("interval.angle_deg", "interval.size_st", "interval.tension_st", "interval.octaves",
             "interval.unrelated", "melody.step_st", "melody.smoothness", "contour.height")
    ranges = {"interval.angle_deg": (0, 180), "interval.size_st": (0, 12),
              "interval.tension_st": (0, 12), "interval.octaves": (-np.inf, np.inf),
              "interval.unrelated": (0, 1), "melody.step_st": (-12, 12),
              "melody.smoothness": (0, np.inf), "contour.height": (-np.inf, np.inf)}
    tier = "T1"

    def claim(self, sight):
        """One window of angles."""
        self._theta = sight.scores.claim("interval", 1)

    def value(self, look, out):
        """Writes the eight."""
        self.step(look.z[look.lead], look.sketch[0], look, out)

    def step(self, z, sketch, look, out):
        """One lead state and its sketch."""
        out[:] = np.nan
        out[7] = height = float(sketch[0])
        size_now = length(z)
        theta = np.nan if self._before is None else angle_of(z, self._before)
        self._remember(sketch)
        if theta == theta:
            place, _ = look.scores.one(self._theta, theta)
            out[0], out[4] = math.degrees(theta), unrelated(theta, len(z))
            out[3] = octaves(math.cos(theta), size_now, self._size)
            if place == place:
                size = min(int(13.0 * place), 12)
                out[1], out[2] = size, SMOOTH[size]
                up = 1.0 if height >= self._height else -1.0
                small = theta < REPEAT * self._median(look)
                out[5] = 0.0 if small else up * size
                kind = "repeat" if small else "step" if place < STEP else \
                    "skip" if place < SKIP else "leap"
                look.event(f"melody.{kind}", place)
        out[6] = self.smoothness()
        self._before, self._size = np.array(z), size_now
        self._height = height

    def _median(self, look):
        row, n = self._theta.start, int(min(look.scores.counts[self._theta.start], 512))
        return float(look.scores.rising[row, n // 2]) if n else 0.0

    def _remember(self, sketch):
        self._ring[self._count % KEPT] = sketch
        self._count += 1

    def smoothness(self):
        """Median angle of the last 64 sketches in order, over the same of a fixed shuffle."""
        if self._count < KEPT:
            return np.nan
        return calmness(self._ring, self._count, self._shuffle)

    def forget(self):
        """No state came before."""
        self._before, self._size, self._height = None, 0.0, 0.0
        self._ring, self._count = np.zeros((KEPT, SKETCH)), 0
        self._shuffle = np.random.default_rng(11).permutation(KEPT)
