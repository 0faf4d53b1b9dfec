"""State-variable filter: from low-pass over band-pass and high-pass to notch, its cutoff swept up
to a thousand times a second: from wah to growl to a rough ring. Thread: audio.

Trapezoidal: its energy cannot grow however the cutoff moves, so no sweep is too fast. Coefficients
are computed sixteen samples at a time, the recursion runs two numbers a side.
source   Zavalishin, The Art of VA Filter Design; the shorter step after Simper 2013
"""
import math

from engine.kernels.waves import gliding, move_on, quiet, vtangent
from engine.lanes import fma, load, ramp, store, vexp2, vmin, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt, rt_inlined
from engine.voice import Effect, fields

PARAMS = (
    Param("cutoff_hz", 20.0, 20000.0, 1200.0, "exp", 0.02),
    Param("resonance", 0.0, 1.0, 0.3, "lin", 0.02),        # Q 0.5 .. 8
    Param("shape", 0.0, 3.0, 0.0, "lin", 0.03),            # 0 low, 1 band, 2 high, 3 notch
    Param("sweep_st", 0.0, 48.0, 0.0, "lin", 0.02),        # either way
    Param("sweep_hz", 0.02, 1000.0, 0.5, "exp", 0.02),
)
STATE = fields("turns", "slip", known=6, z=4, part=3 * QUANTUM, inside=2 * QUANTUM,
               under=2 * QUANTUM)
TOP, PART = f32(0.45), f32(1 / QUANTUM)   # of the rate; of a quantum


@rt_inlined
def aims(p):
    """Where a quantum ends: cutoff, k = 1 / Q, sweep in octaves, and how much low, band, high."""
    k = f32(2) * exp2(f32(-4) * p.resonance)
    low = max(f32(1) - p.shape, f32(0)) + max(p.shape - f32(2), f32(0))
    band = max(f32(1) - abs(p.shape - f32(1)), f32(0))
    high = min(max(p.shape - f32(1), f32(0)), f32(1))
    return p.cutoff_hz, k, p.sweep_st * f32(1 / 12), low, band, high


@rt_inlined
def bend(s, i, aim, step, dt):
    """What 16 samples of the recursion multiply by."""
    sweep = gliding(s.known[2], aim[2], i) * vsine(fma(ramp(i), step, s.turns[0]))
    hz = gliding(s.known[0], aim[0], i) * vexp2(sweep)
    g = vtangent(vmin(hz * dt, TOP) * f32(math.pi))
    k = gliding(s.known[1], aim[1], i)
    first = f32(1) / fma(g, g + k, f32(1))
    store(s.part, i, first)
    store(s.part, QUANTUM + i, g * first)
    store(s.part, 2 * QUANTUM + i, g * g * first)


@rt_inlined
def recur(s, left, right):
    """Band and low of both sides, sample by sample."""
    a, b, c, d = s.z[0], s.z[1], s.z[2], s.z[3]
    for i in range(QUANTUM):
        first, second, third = s.part[i], s.part[QUANTUM + i], s.part[2 * QUANTUM + i]
        x, y = left[i] - b, right[i] - d
        band, other = first * a + second * x, first * c + second * y
        low, under = b + (second * a + third * x), d + (second * c + third * y)
        a, b, c, d = f32(2) * band - a, f32(2) * low - b, f32(2) * other - c, f32(2) * under - d
        s.inside[i], s.inside[QUANTUM + i] = band, other
        s.under[i], s.under[QUANTUM + i] = low, under
    s.z[0], s.z[1], s.z[2], s.z[3] = flush(a), flush(b), flush(c), flush(d)


@rt_inlined
def keep(s, aim):
    """The next quantum starts here."""
    s.known[0], s.known[1], s.known[2] = aim[0], aim[1], aim[2]
    s.known[3], s.known[4], s.known[5] = aim[3], aim[4], aim[5]


@rt_inlined
def blended(s, x, at, k, low, band, high):
    """Sixteen samples: as much of each output as the shape says; band is 1 at its peak."""
    inside, under = k * load(s.inside, at), load(s.under, at)
    return fma(x - inside - under, high, fma(inside, band, under * low))


@rt
def render(s, p, left, right, key, dt):
    """Filter a quantum of left and right in place."""
    aim, step = aims(p), p.sweep_hz * dt
    if s.known[0] == f32(0):
        keep(s, aim)
    for i in range(0, QUANTUM, LANE):
        bend(s, i, aim, step, dt)
        store(left, i, quiet(load(left, i)))
        store(right, i, quiet(load(right, i)))
    recur(s, left, right)
    for i in range(0, QUANTUM, LANE):
        k, low = gliding(s.known[1], aim[1], i), gliding(s.known[3], aim[3], i)
        band, high = gliding(s.known[4], aim[4], i), gliding(s.known[5], aim[5], i)
        store(left, i, blended(s, load(left, i), i, k, low, band, high))
        store(right, i, blended(s, load(right, i), QUANTUM + i, k, low, band, high))
    keep(s, aim)
    s.turns[0], s.slip[0] = move_on(s.turns[0], s.slip[0], step * f32(QUANTUM))


SVF = Effect("svf", PARAMS, STATE, render)
