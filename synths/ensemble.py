"""Ensemble: three delay lines that wander in three phases make one sound a section of strings.

As in string machines, a slow turn and a fast one move the lines together; what goes through them
loses its top, as in a chain of buckets. Left, middle and right hear a line each; the low end of
what is added is thinned, so that bass stays firm. Thread: audio.
source   the Solina string ensemble's three-phase modulator: about 0.6 Hz and 6 Hz
"""
import math

from engine.kernels.lines import GUARD, POLE, between, low_pass, mirror, pole_of
from engine.kernels.waves import gliding, move_on, quiet
from engine.lanes import fma, load, ramp, store, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, floor, rint, rt, rt_inlined
from engine.voice import Effect, fields

PARAMS = (
    Param("depth", 0.0, 1.0, 0.6, "lin", 0.05),            # 1: 2.5 ms slow, 0.25 ms fast
    Param("slow_hz", 0.05, 2.0, 0.6, "exp", 0.05),
    Param("fast_hz", 2.0, 9.0, 6.0, "exp", 0.05),
    Param("fast", 0.0, 1.0, 0.5, "lin", 0.05),             # how much of the fast turn
    Param("tone_hz", 1000.0, 16000.0, 7000.0, "exp", 0.05),
    Param("width", 0.0, 1.0, 0.8, "lin", 0.05),
    Param("mix", 0.0, 1.0, 0.5, "lin", 0.03),              # 1: only the lines
)
RING = 4096                               # 85 ms at 48 kHz, 21 ms at 192 kHz
REST_S, SLOW_S, FAST_S = f32(0.008), f32(0.0025), f32(0.00025)
LOUD, LOW_HZ = f32(1 / math.sqrt(2.0)), f32(80)
STATE = fields("place", "slow_turn", "slow_slip", "fast_turn", "fast_slip", "tone_hz", "dt",
               pole=3, known=4, way=LANE, high_pole=POLE, low_pole=POLE, line=RING + GUARD)


@rt
def tune(s, p, aim, dt):
    """The filters before the lines, if they are not as they were; the first time, all at rest."""
    if s.dt[0] == f32(0):
        s.known[0], s.known[1], s.known[2], s.known[3] = aim
    if s.tone_hz[0] != p.tone_hz or s.dt[0] != dt:
        s.tone_hz[0], s.dt[0] = p.tone_hz, dt
        pole_of(exp2(f32(-9.0647) * dt * p.tone_hz), s.high_pole, 0)
        pole_of(exp2(f32(-9.0647) * dt * LOW_HZ), s.low_pole, 0)


@rt_inlined
def enter(s, left, right, place):
    """The middle of a quantum, without its top and its lows, into the line."""
    for i in range(0, QUANTUM, LANE):
        at = place + i
        x = (quiet(load(left, i)) + quiet(load(right, i))) * f32(0.5)
        x = low_pass(x, s.pole, 0, s.high_pole, s.line, at)
        x = low_pass(x, s.pole, 1, s.high_pole, s.line, at)
        store(s.line, at, quiet(x - low_pass(x, s.pole, 2, s.low_pole, s.line, at)))
    mirror(s.line, 1, RING, place)


@rt_inlined
def heard(s, n, at, slow, fast):
    """Sixteen samples of line n around at: a third of a turn from the line before."""
    third = f32(n) * f32(1 / 3)
    away = fma(slow[0], vsine(slow[1] + third), fast[0] * vsine(fast[1] + third))
    store(s.way, 0, away)
    back = floor(s.way[LANE // 2]) + f32(1)
    return between(s.line, (at - int(back) - 1) & (RING - 1), back - away)


@rt
def render(s, p, left, right, key, dt):
    """Add a quantum of the section to left and right."""
    place, rest = int(s.place[0]), int(rint(REST_S / dt))
    aim = p.depth * SLOW_S / dt, p.depth * p.fast * FAST_S / dt, p.width, p.mix
    tune(s, p, aim, dt)
    enter(s, left, right, place)
    slow_step, fast_step = p.slow_hz * dt, p.fast_hz * dt
    for i in range(0, QUANTUM, LANE):
        t, width, mix = ramp(i), gliding(s.known[2], aim[2], i), gliding(s.known[3], aim[3], i)
        slow = gliding(s.known[0], aim[0], i), fma(t, slow_step, s.slow_turn[0])
        fast = gliding(s.known[1], aim[1], i), fma(t, fast_step, s.fast_turn[0])
        first = heard(s, 0, place + i - rest, slow, fast)
        middle = heard(s, 1, place + i - rest, slow, fast) * LOUD
        third = heard(s, 2, place + i - rest, slow, fast)
        both, apart = (first + third) * f32(0.5), (first - third) * (width * f32(0.5))
        x, y = quiet(load(left, i)), quiet(load(right, i))
        store(left, i, fma(mix, middle + both + apart - x, x))
        store(right, i, fma(mix, middle + both - apart - y, y))
    s.known[0], s.known[1], s.known[2], s.known[3] = aim
    span = f32(QUANTUM)
    s.slow_turn[0], s.slow_slip[0] = move_on(s.slow_turn[0], s.slow_slip[0], slow_step * span)
    s.fast_turn[0], s.fast_slip[0] = move_on(s.fast_turn[0], s.fast_slip[0], fast_step * span)
    s.place[0] = f32((place + QUANTUM) & (RING - 1))


ENSEMBLE = Effect("ensemble", PARAMS, STATE, render)
