"""Three bands that add up flat: two Linkwitz-Riley cuts of 24 dB an octave, as matrices.

The low band passes through the upper cut's all-pass, or the sum would dip there; left alone the
three add up to the input, level at every frequency, with the phase of two all-passes. Who uses it
has `**CROSSOVER` among the fields of its state. Thread: audio.
source   Linkwitz and Riley, JAES 24(1), 1976; trapezoidal sections as in Zavalishin
"""
import math

from engine.kernels.blocks import BLOCK, column_of, lay_out, product
from engine.kernels.waves import quiet
from engine.lanes import fma, load, splat, store
from engine.rt import LANE, f32, rt, rt_inlined, tangent

BANDS, STATES = 3, 14                     # seven sections of two states
HALF, COLUMNS = LANE * LANE, LANE + STATES
CROSSOVER = {"known": 3, "memory": 2 * LANE, "column": 2 * LANE, "z": HALF, "rows": 4 * HALF,
             "matrix": 4 * BLOCK}
K = f32(math.sqrt(2.0))                   # Butterworth; two in a row are Linkwitz-Riley


@rt
def section(z, n, x, g):
    """Section n in 16 lanes on its memory in z: high, band and low."""
    at = 2 * n * LANE
    low, band = load(z, at), load(z, at + LANE)
    high = (x - low - band * (g + K)) * (f32(1) / (f32(1) + g * (g + K)))
    middle = fma(high, g, band)
    under = fma(middle, g, low)
    store(z, at, fma(middle, g, under))
    store(z, at + LANE, fma(high, g, middle))
    return high, middle, under


@rt
def split(z, n, x, g):
    """Sections n .. n + 2: what lies above and what below, 24 dB an octave each."""
    high, _, low = section(z, n, x, g)
    high, _, _ = section(z, n + 1, high, g)
    _, _, low = section(z, n + 2, low, g)
    return high, low


@rt
def follow(z, rows, matrix, half, g, upper_g):
    """The bands and states that each state alone (half 0) or each sample alone (1) leads to."""
    for n in range(STATES):
        store(z, n * LANE, column_of(n) if half == 0 else splat(f32(0)))
    for i in range(LANE):
        x = column_of(i) if half == 1 else splat(f32(0))
        above, low = split(z, 0, x, g)
        high, middle = split(z, 3, above, upper_g)
        _, band, _ = section(z, 6, low, upper_g)
        store(rows, i * LANE, low - band * (f32(2) * K))
        store(rows, HALF + i * LANE, middle)
        store(rows, 2 * HALF + i * LANE, high)
    for n in range(LANE):
        store(rows, 3 * HALF + n * LANE, load(z, n * LANE))
    for n in range(BANDS + 1):
        lay_out(rows, n * HALF, matrix, n * BLOCK + (STATES * LANE if half == 1 else 0))


@rt
def tune(known, z, rows, matrix, low_hz, high_hz, dt):
    """The matrices of both cuts, if one has moved."""
    if known[0] == low_hz and known[1] == high_hz and known[2] == dt:
        return
    known[0], known[1], known[2] = low_hz, high_hz, dt
    g = tangent(f32(math.pi) * dt * low_hz)
    upper_g = tangent(f32(math.pi) * dt * min(high_hz, f32(0.42) / dt))
    follow(z, rows, matrix, 0, g, upper_g)
    follow(z, rows, matrix, 1, g, upper_g)


@rt_inlined
def bands(matrix, memory, column, side, x):
    """Sixteen samples of side 0 or 1 as low, middle and high."""
    store(column, 0, load(memory, side * LANE))
    store(column, STATES, quiet(x))
    store(memory, side * LANE, quiet(product(matrix, 3 * BLOCK, column, 0, COLUMNS)))
    return (product(matrix, 0, column, 0, COLUMNS), product(matrix, BLOCK, column, 0, COLUMNS),
            product(matrix, 2 * BLOCK, column, 0, COLUMNS))
