"""Loudness and true peak of a stereo bus, measured in the rig and read from outside. Thread: audio.

`meter(state, left, right, dt)` once a quantum; the state is one flat float32 array, made by
`new_meter`. `Loudness(state).read()` belongs to the control thread: it only looks.
source   ITU-R BS.1770-4, EBU Tech 3341
"""
import math

import numpy as np

from engine.kernels.logarithm import log2
from engine.kernels.truepeak import REACH, highest, may_reach
from engine.kernels.weighting import ROW_FLOATS, block_response, weigh
from engine.lanes import largest, load, select, splat, store, vabs
from engine.rt import LANE, QUANTUM, f32, rt

PAST = 48                                 # samples of each line before the quantum
HOPS, HOP_S = 30, f32(0.1)                # a hop is 100 ms: 4 are momentary, 30 are short-term
LOWEST, BINS, PER_LU = f32(-70.0), 800, f32(10.0)          # the histogram: -70 to 10 LUFS
ROWS = 0                                  # the filters
LINE_L = ROWS + ROW_FLOATS                # the last 80 samples
LINE_R = LINE_L + PAST + QUANTUM
STATES = LINE_R + PAST + QUANTUM
RING = STATES + 2 * LANE                  # mean power of each of the last 30 hops
COUNTS, MEANS = RING + HOPS, RING + HOPS + BINS            # gating blocks: how many, mean power
ENERGY, SAMPLES, AGE_S, PLACE, FILLED, MOMENTARY, SHORT_TERM, PEAK, RESET = range(
    MEANS + BINS, MEANS + BINS + 9)
FLOATS = MEANS + BINS + 9
SILENCE_DB = -120.0


def new_meter(rate_hz):
    """(FLOATS,) float32: a meter's state."""
    state = np.zeros(FLOATS, f32)
    state[ROWS:ROWS + ROW_FLOATS] = block_response(rate_hz)
    return state


@rt
def enter(m, line, side):
    """Append a quantum to a line; what is no number, or absurd, is silence here."""
    for i in range(0, PAST, LANE):
        store(m, line + i, load(m, line + i + QUANTUM))
    for i in range(0, QUANTUM, LANE):
        x = load(side, i)
        store(m, line + PAST + i, select(vabs(x) < splat(f32(1e15)), x, splat(f32(0))))


@rt
def mean(m, hops):
    """The mean power of the last so many hops."""
    power, place = f32(0), int(m[PLACE])
    for _ in range(hops):
        place = place - 1 if place > 0 else HOPS - 1
        power += m[RING + place]
    return power / f32(hops)


@rt
def close_hop(m):
    """Every 100 ms: the two windows, and one gating block into the histogram."""
    m[RING + int(m[PLACE])] = m[ENERGY] / m[SAMPLES]
    m[PLACE] = m[PLACE] + f32(1) if m[PLACE] < f32(HOPS - 1) else f32(0)
    m[FILLED] = min(m[FILLED] + f32(1), f32(HOPS))
    m[ENERGY] = m[SAMPLES] = f32(0)
    m[MOMENTARY], m[SHORT_TERM] = mean(m, 4), mean(m, HOPS)
    lufs = f32(-0.691) + f32(3.0102999566) * log2(max(m[MOMENTARY], f32(1e-30)))
    if m[FILLED] >= f32(4) and lufs > LOWEST:
        k = min(int((lufs - LOWEST) * PER_LU), BINS - 1)
        m[COUNTS + k] += f32(1)           # a mean never leaves its bin, however long the set
        m[MEANS + k] += (m[MOMENTARY] - m[MEANS + k]) / m[COUNTS + k]


@rt
def meter(m, left, right, dt):
    """Measure one quantum; changes nothing but the state m."""
    if m[RESET] != f32(0):
        for k in range(2 * BINS):
            m[COUNTS + k] = f32(0)
        m[PEAK] = m[FILLED] = m[ENERGY] = m[SAMPLES] = m[RESET] = f32(0)
    enter(m, LINE_L, left)
    enter(m, LINE_R, right)
    for i in range(PAST, PAST + QUANTUM, LANE):
        m[ENERGY] += weigh(m, ROWS, STATES, LINE_L + i, LINE_R + i)
    m[SAMPLES] += f32(QUANTUM)
    m[AGE_S] += f32(QUANTUM) * dt
    if m[AGE_S] > HOP_S - f32(QUANTUM / 2) * dt:
        m[AGE_S] -= HOP_S
        close_hop(m)
    for line in (LINE_L, LINE_R):
        at = line + PAST - REACH
        if may_reach(m, at, m[PEAK]):
            m[PEAK] = max(m[PEAK], max(largest(highest(m, at)), largest(highest(m, at + LANE))))


def _db(power):
    return max(10 * math.log10(power), SILENCE_DB) if power > 0 else SILENCE_DB


def _lufs(power):
    return max(_db(power) - 0.691, SILENCE_DB)


class Loudness:
    """What a meter's state says, for people. Thread: control."""

    def __init__(self, state):
        self.state = state

    def reset(self):
        """Integrated loudness and true peak begin anew with the next quantum."""
        self.state[RESET] = 1.0

    def integrated_lufs(self):
        """Loudness since the reset, gated at -70 LUFS and 10 LU below what passes that."""
        counts = self.state[COUNTS:COUNTS + BINS].astype(float)
        means = self.state[MEANS:MEANS + BINS].astype(float)
        if not counts.any():
            return SILENCE_DB
        counts[means <= counts @ means / counts.sum() / 10] = 0.0
        return _lufs(counts @ means / counts.sum())

    def read(self):
        return {"momentary_lufs": _lufs(self.state[MOMENTARY]),
                "short_term_lufs": _lufs(self.state[SHORT_TERM]),
                "integrated_lufs": self.integrated_lufs(),
                "true_peak_dbtp": _db(float(self.state[PEAK]) ** 2)}
