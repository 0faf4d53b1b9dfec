"""Isolator: low, middle and high, each from killed over untouched to twice as loud.

Bands are cut 24 dB an octave; left alone they add up to the input, level at every frequency, with
the phase of two all-passes. The low band passes through the upper cut's all-pass, or the sum would
dip there. Thread: audio.
source   Linkwitz and Riley, JAES 24(1), 1976; trapezoidal sections as in Zavalishin
"""
import math

from engine.blocks import BLOCK, column_of, lay_out, product
from engine.lanes import fma, load, splat, store
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, rt, rt_inlined, tangent
from engine.voice import Effect, fields
from engine.waves import gliding, quiet

PARAMS = (
    Param("low", 0.0, 2.0, 1.0, "lin", 0.01),              # 0 kills a band, 2 is +6 dB
    Param("middle", 0.0, 2.0, 1.0, "lin", 0.01),
    Param("high", 0.0, 2.0, 1.0, "lin", 0.01),
    Param("low_hz", 60.0, 600.0, 220.0, "exp", 0.05),      # where low ends
    Param("high_hz", 1000.0, 8000.0, 2500.0, "exp", 0.05),   # where high begins
)
BANDS, STATES = 3, 14                     # seven sections of two states
HALF, COLUMNS = LANE * LANE, LANE + STATES
STATE = fields("dt", known=2, gain=BANDS, memory=2 * LANE, column=2 * LANE, z=HALF,
               rows=4 * HALF, matrix=4 * BLOCK)
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
def follow(s, half, g, upper_g):
    """The bands and states that each state alone (half 0) or each sample alone (1) leads to."""
    for n in range(STATES):
        store(s.z, n * LANE, column_of(n) if half == 0 else splat(f32(0)))
    for i in range(LANE):
        x = column_of(i) if half == 1 else splat(f32(0))
        above, low = split(s.z, 0, x, g)
        high, middle = split(s.z, 3, above, upper_g)
        _, band, _ = section(s.z, 6, low, upper_g)
        store(s.rows, i * LANE, low - band * (f32(2) * K))
        store(s.rows, HALF + i * LANE, middle)
        store(s.rows, 2 * HALF + i * LANE, high)
    for n in range(LANE):
        store(s.rows, 3 * HALF + n * LANE, load(s.z, n * LANE))
    for n in range(BANDS + 1):
        to = n * BLOCK + (STATES * LANE if half == 1 else 0)
        lay_out(s.rows, n * HALF, s.matrix, to)


@rt
def tune(s, p, dt):
    """The matrices of both cuts, if one has moved."""
    if s.known[0] == p.low_hz and s.known[1] == p.high_hz and s.dt[0] == dt:
        return
    if s.dt[0] == f32(0):
        s.gain[0], s.gain[1], s.gain[2] = p.low, p.middle, p.high
    s.known[0], s.known[1], s.dt[0] = p.low_hz, p.high_hz, dt
    top = f32(0.42) / dt
    g = tangent(f32(math.pi) * dt * p.low_hz)
    upper_g = tangent(f32(math.pi) * dt * min(p.high_hz, top))
    follow(s, 0, g, upper_g)
    follow(s, 1, g, upper_g)


@rt_inlined
def isolated(s, side, x, low, middle, high):
    """Sixteen samples of a side, its bands times their gains."""
    store(s.column, 0, load(s.memory, side * LANE))
    store(s.column, STATES, quiet(x))
    y = product(s.matrix, 0, s.column, 0, COLUMNS) * low
    y = fma(product(s.matrix, BLOCK, s.column, 0, COLUMNS), middle, y)
    y = fma(product(s.matrix, 2 * BLOCK, s.column, 0, COLUMNS), high, y)
    store(s.memory, side * LANE, quiet(product(s.matrix, 3 * BLOCK, s.column, 0, COLUMNS)))
    return y


@rt
def render(s, p, left, right, key, dt):
    """Change a quantum of left and right in place."""
    tune(s, p, dt)
    for i in range(0, QUANTUM, LANE):
        a = gliding(s.gain[0], p.low, i)
        b, c = gliding(s.gain[1], p.middle, i), gliding(s.gain[2], p.high, i)
        store(left, i, isolated(s, 0, load(left, i), a, b, c))
        store(right, i, isolated(s, 1, load(right, i), a, b, c))
    s.gain[0], s.gain[1], s.gain[2] = p.low, p.middle, p.high


ISOLATOR = Effect("isolator", PARAMS, STATE, render)
