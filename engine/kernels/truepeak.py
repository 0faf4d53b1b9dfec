"""The peak of a signal between its samples, at eight times the rate. Thread: audio.

source   ITU-R BS.1770-4 annex 2; the windowed sinc is the one scipy's resample_poly meters with,
         since meters only differ close to half the rate
"""
import numpy as np

from engine.lanes import fma, largest, load, splat, vabs, vmax
from engine.rt import LANE, QUANTUM, f32, rt

PHASES, TAPS = 8, 20
HALF = TAPS // 2
REACH = 16                                # samples to keep after the last that is judged


def _rows():
    """(7, 20): the points between two samples, of the 10 samples before them and the 10 after."""
    phase = np.arange(1, PHASES)[:, None] / PHASES
    t = np.arange(TAPS) - (HALF - 1) - phase
    rows = np.sinc(t) * np.i0(5.0 * np.sqrt(1 - (t / HALF) ** 2))
    return rows / rows.sum(1, keepdims=True)


def _tables(rows):
    """(10 * 7,) float32: of tap k and its mirror 19 - k, what their sum and difference count.

    Phases p and 8 - p mirror each other, so y = even +- odd: half the work, and the larger of the
    two is |even| + |odd|.
    """
    mirror = rows[:, ::-1]
    even, odd = (rows + mirror)[:4, :HALF] / 2, (rows - mirror)[:3, :HALF] / 2
    return np.concatenate((even, odd)).T.astype(np.float32).ravel()


def _bounds(rows):
    """How far a point between may lie above the largest sample and the largest bend near it.

    A row less the straight line between its two samples, summed twice, weighs second differences.
    """
    share = np.arange(1, PHASES)[:, None] / PHASES
    rest = rows.copy()
    rest[:, HALF - 1] -= (1 - share)[:, 0]
    rest[:, HALF] -= share[:, 0]
    once = np.cumsum(rest, 1)
    twice = np.cumsum(once[:, :-1], 1)
    level = 1 + np.abs(once[:, -1]) + 2 * np.abs(twice[:, -1])
    return level.max() + 1e-5, np.abs(twice[:, :-1]).sum(1).max() + 1e-5, (
        np.abs(rows).sum(1).max() + 1e-4)


_ROWS = _rows()
PAIRS = _tables(_ROWS)
LEVEL, BEND, ANY = (f32(x) for x in _bounds(_ROWS))


@rt
def may_reach(line, at, level):
    """False when no point in or after line[at : at + 32] can pass the level; never wrong.

    It looks at line[at - 18 : at + 48]: at the samples, and at how much they bend.
    """
    top, bend = splat(f32(0)), splat(f32(0))
    for i in range(at - LANE, at + QUANTUM + LANE, LANE):
        x = load(line, i)
        top = vmax(top, vabs(x))
        bend = vmax(bend, vabs(x - load(line, i - 1) - (load(line, i - 1) - load(line, i - 2))))
    high = largest(top)
    return min(high * ANY, high * LEVEL + largest(bend) * BEND) > level


@rt
def highest(line, at):
    """The highest point in and after each of line[at : at + 16]; sees line[at - 9 : at + 26]."""
    e1, e2, e3, e4 = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
    o1, o2, o3 = splat(f32(0)), splat(f32(0)), splat(f32(0))
    for k in range(HALF):
        x, y = load(line, at + k - (HALF - 1)), load(line, at + HALF - k)
        a, b, n = x + y, x - y, 7 * k
        e1, o1 = fma(a, splat(PAIRS[n]), e1), fma(b, splat(PAIRS[n + 4]), o1)
        e2, o2 = fma(a, splat(PAIRS[n + 1]), e2), fma(b, splat(PAIRS[n + 5]), o2)
        e3, o3 = fma(a, splat(PAIRS[n + 2]), e3), fma(b, splat(PAIRS[n + 6]), o3)
        e4 = fma(a, splat(PAIRS[n + 3]), e4)
    outer = vmax(vabs(e1) + vabs(o1), vabs(e3) + vabs(o3))
    return vmax(vmax(vabs(load(line, at)), vabs(e4)), vmax(outer, vabs(e2) + vabs(o2)))
