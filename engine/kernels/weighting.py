"""How loud a signal is to ears: the K-weighted energy of a stereo bus. Thread: audio.

source   ITU-R BS.1770-4; the filters from their analogue form (De Man 2014) at any rate
"""
import math

import numpy as np

from engine.kernels.waves import quiet
from engine.lanes import fma, load, splat, store, total
from engine.rt import LANE, f32, rt

ROW_FLOATS = 20 * 2 * LANE              # 16 inputs and 4 states: what it adds to outputs, states


def weighting(rate_hz):
    """The two K-weighting sections, ((b0, b1, b2), (a1, a2)) each: high shelf, then high-pass."""
    k, q, high = math.tan(math.pi * 1681.974450955533 / rate_hz), 0.7071752369554196, 10 ** (
        3.999843853973347 / 20)
    band, bottom = high ** 0.4996667741545416, 1 + k / q + k * k
    shelf = ((high + band * k / q + k * k) / bottom, 2 * (k * k - high) / bottom,
             (high - band * k / q + k * k) / bottom)
    shelf_poles = 2 * (k * k - 1) / bottom, (1 - k / q + k * k) / bottom
    k, q = math.tan(math.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    bottom = 1 + k / q + k * k
    poles = 2 * (k * k - 1) / bottom, (1 - k / q + k * k) / bottom
    return (shelf, shelf_poles), ((1.0, -2.0, 1.0), poles)


def _step(sections, states, x):
    """One sample through both sections (transposed direct form 2)."""
    after = np.zeros(4)
    for n, ((b0, b1, b2), (a1, a2)) in enumerate(sections):
        y = b0 * x + states[2 * n]
        after[2 * n] = b1 * x - a1 * y + states[2 * n + 1]
        after[2 * n + 1] = b2 * x - a2 * y
        x = y
    return x, after


def block_response(rate_hz):
    """(ROW_FLOATS,) float32: the filters as what 16 samples and 4 states do to the next 16."""
    table, sections = np.zeros(ROW_FLOATS, f32), weighting(rate_hz)
    for row in range(LANE + 4):
        states, out = np.zeros(4), np.zeros(2 * LANE)
        if row >= LANE:
            states[row - LANE] = 1.0
        for i in range(LANE):
            out[i], states = _step(sections, states, float(row == i))
        out[LANE:LANE + 4] = states
        table[2 * LANE * row:][:2 * LANE] = out
    return table


@rt
def weigh(m, rows, states, left, right):
    """The K-weighted energy of 16 samples of both sides; all arguments but m are places in m."""
    y, z, s, t = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
    for k in range(LANE + 4):
        from_l, from_r = (left + k, right + k) if k < LANE else (states + k - LANE, states + k)
        row, a, b = rows + 2 * LANE * k, splat(m[from_l]), splat(m[from_r])
        y, s = fma(a, load(m, row), y), fma(a, load(m, row + LANE), s)
        z, t = fma(b, load(m, row), z), fma(b, load(m, row + LANE), t)
    store(m, states, quiet(s))
    store(m, states + LANE, quiet(t))
    return total(fma(y, y, z * z))
