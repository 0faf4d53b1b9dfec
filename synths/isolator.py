"""Isolator: low, middle and high, each from killed over untouched to twice as loud.

Bands are cut 24 dB an octave; left alone they add up to the input, level at every frequency.
Thread: audio.
"""
from engine.kernels.crossover import BANDS, CROSSOVER, bands, tune
from engine.kernels.waves import gliding
from engine.lanes import fma, load, store
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, rt, rt_inlined
from engine.voice import Effect, fields

PARAMS = (
    Param("low", 0.0, 2.0, 1.0, "lin", 0.01),              # 0 kills a band, 2 is +6 dB
    Param("middle", 0.0, 2.0, 1.0, "lin", 0.01),
    Param("high", 0.0, 2.0, 1.0, "lin", 0.01),
    Param("low_hz", 60.0, 600.0, 220.0, "exp", 0.05),      # where low ends
    Param("high_hz", 1000.0, 8000.0, 2500.0, "exp", 0.05),   # where high begins
)
STATE = fields("born", gain=BANDS, **CROSSOVER)


@rt_inlined
def isolated(s, side, x, low, middle, high):
    """Sixteen samples of a side, its bands times their gains."""
    a, b, c = bands(s.matrix, s.memory, s.column, side, x)
    return fma(c, high, fma(b, middle, a * low))


@rt
def render(s, p, left, right, key, dt):
    """Change a quantum of left and right in place."""
    tune(s.known, s.z, s.rows, s.matrix, p.low_hz, p.high_hz, dt)
    if s.born[0] == f32(0):
        s.born[0], s.gain[0], s.gain[1], s.gain[2] = f32(1), p.low, p.middle, p.high
    for i in range(0, QUANTUM, LANE):
        a = gliding(s.gain[0], p.low, i)
        b, c = gliding(s.gain[1], p.middle, i), gliding(s.gain[2], p.high, i)
        store(left, i, isolated(s, 0, load(left, i), a, b, c))
        store(right, i, isolated(s, 1, load(right, i), a, b, c))
    s.gain[0], s.gain[1], s.gain[2] = p.low, p.middle, p.high


ISOLATOR = Effect("isolator", PARAMS, STATE, render)
