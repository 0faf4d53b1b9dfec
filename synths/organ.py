"""Organ: nine drawbars of pure tones, the click of their contacts, percussion, scanner vibrato.

The key closes nine contacts one after the other and opens them on its way back; each starts its
tone wherever that tone is. Percussion sounds with every strike. Thread: audio.
source   footages and 3 dB steps of the Hammond drawbars; scanner at 6.9 Hz; chorus: half dry
"""
import math

import numpy as np

from engine.kernels.tones import SEMITONE, TOP
from engine.kernels.waves import advance, faded, fall_rate, fallen, move_on
from engine.lanes import add, fma, noise, ramp, splat, store, vmax, vmin, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, floor, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("bar1", 0.0, 8.0, 8.0, "lin", 0.02),             # 16', 0 off, 1 to 8 in steps of 3 dB
    Param("bar2", 0.0, 8.0, 8.0, "lin", 0.02),             # 5 1/3'
    Param("bar3", 0.0, 8.0, 8.0, "lin", 0.02),             # 8', the written pitch
    Param("bar4", 0.0, 8.0, 0.0, "lin", 0.02),             # 4'
    Param("bar5", 0.0, 8.0, 0.0, "lin", 0.02),             # 2 2/3'
    Param("bar6", 0.0, 8.0, 0.0, "lin", 0.02),             # 2'
    Param("bar7", 0.0, 8.0, 0.0, "lin", 0.02),             # 1 3/5'
    Param("bar8", 0.0, 8.0, 0.0, "lin", 0.02),             # 1 1/3'
    Param("bar9", 0.0, 8.0, 0.0, "lin", 0.02),             # 1'
    Param("click", 0.0, 1.0, 0.4, "lin", 0.05),            # contacts: one soft one to nine hard
    Param("percussion", 0.0, 1.0, 0.0, "lin", 0.02),
    Param("third", 0.0, 1.0, 1.0, "lin", 0.02),            # its harmonic: 0 the second, 1 the third
    Param("percussion_s", 0.3, 6.0, 1.4, "exp", 0.02),     # -60 dB
    Param("vibrato_cents", 0.0, 50.0, 0.0, "lin", 0.05),
    Param("chorus", 0.0, 1.0, 0.0, "lin", 0.05),           # half of the sound without vibrato
)
BARS, SPAN, STEP = 9, f32(QUANTUM), f32(1 / QUANTUM)
HALVES = np.array((1, 3, 2, 4, 6, 8, 10, 12, 16), np.float32)    # of the pitch, two to its octave
UNIT, SCAN_HZ = f32(0.1), f32(6.9)
STAGGER_S, SOFT_S, HARDER = f32(0.008), f32(0.006), f32(-4.0)     # hardest: 6 ms / 16
FULL = {f"bar{n}": 8.0 for n in range(1, 10)}
GOSPEL = dict(bar4=6.0, bar9=6.0, vibrato_cents=18.0, chorus=1.0)
JAZZ = dict(percussion=0.8, third=1.0, click=0.6)
STATE = fields("turns", "error", "key", "let_go", "knock", "level", "scan", "scanned", "sway",
               "seed", "keep_count", was=LANE, now=LANE, late=LANE)


@rt
def strike(s, v, p, pitch_hz, level):
    """The key goes down; the contacts of a new note lie at chance heights, other for each."""
    if s.key[v] == f32(0):
        chance = noise(s.seed[v], np.int64(s.keep_count[v]))
        store(s.late, v * LANE, fma(chance, f32(0.5), f32(0.5)))
        s.keep_count[v] = advance(s.keep_count[v], f32(LANE))
    s.level[v], s.knock[v], s.let_go[v] = level, f32(1), f32(0)


@rt
def release(s, v, p):
    """The key comes up."""
    s.let_go[v] = f32(1)


@rt
def strength(bar):
    """The gain of a drawbar; the way from 1 down to 0 is straight."""
    return min(bar, f32(1)) * exp2((max(bar, f32(1)) - f32(8)) * f32(0.4982892142331043))


@rt
def registration(s, v, p, step, dt):
    """The level of each tone at the quantum's end into now, percussion with it."""
    at, knock = v * LANE, p.percussion * s.knock[v]
    s.knock[v] = faded(fallen(s.knock[v], fall_rate(p.percussion_s, dt) * SPAN))
    s.now[at], s.now[at + 1], s.now[at + 2] = strength(p.bar1), strength(p.bar2), strength(p.bar3)
    s.now[at + 3] = strength(p.bar4) + knock * (f32(1) - p.third)
    s.now[at + 4] = strength(p.bar5) + knock * p.third
    s.now[at + 5], s.now[at + 6] = strength(p.bar6), strength(p.bar7)
    s.now[at + 7], s.now[at + 8] = strength(p.bar8), strength(p.bar9)
    fresh = s.key[v] == f32(0)
    for n in range(BARS):
        heard = min(max((TOP - HALVES[n] * step) / SEMITONE, f32(0)), f32(1))
        s.now[at + n] *= heard * UNIT * s.level[v]
        if fresh:
            s.was[at + n] = s.now[at + n]


@rt
def closed(s, at, n, key, stagger, soft):
    """How far contact n is closed, in lanes, where the key has so many samples behind it."""
    x = vmin(vmax((key - s.late[at + n] * stagger) * (f32(1) / soft), f32(0)), f32(1))
    return x * x * fma(x, f32(-2), f32(3))


@rt
def tones(s, v, p, step, out, dt, key, way, stagger, soft):
    """Add nine tones to out; their contacts move only while the key does."""
    at, start, sway, still = v * LANE, s.scan[v], s.sway[v], f32(0.5) * p.chorus
    x = p.vibrato_cents * f32(math.log(2) / 1200)           # the pitch rises by e^x - 1
    deep = x * (f32(1) + x * (f32(1 / 2) + x * f32(1 / 6))) / (f32(math.tau) * SCAN_HZ * dt) * step
    moves, sways, both = way != f32(0), deep + sway > f32(0), p.chorus > f32(0)
    for i in range(0, QUANTUM, LANE):
        t, sum_ = ramp(i), splat(f32(0))
        bend = vsine(fma(t, SCAN_HZ * dt, start)) * fma(t, (deep - sway) * STEP, sway)
        down = vmin(vmax(fma(t, way, key), f32(0)), stagger + soft)
        for n in range(BARS):
            was, now, many = s.was[at + n], s.now[at + n], HALVES[n]
            if was + now > f32(0):
                loud = fma(t, (now - was) * STEP, was)
                if moves:
                    loud = loud * closed(s, at, n, down, stagger, soft)
                first = many * s.turns[v] + s.late[at + n]
                turns = fma(t, many * step, first - floor(first))
                y = vsine(fma(bend, many, turns)) if sways else vsine(turns)
                if sways and both:
                    y = fma(vsine(turns) - y, still, y)
                sum_ = fma(y, loud, sum_)
        add(out, i, sum_)
    s.sway[v] = deep
    for n in range(BARS):
        s.was[at + n] = s.now[at + n]


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    free, key = s.let_go[v] > f32(0), s.key[v]
    if free and key == f32(0):
        return
    step = f32(0.5) * pitch_hz * dt
    registration(s, v, p, step, dt)
    stagger = STAGGER_S * p.click / dt
    soft = SOFT_S * exp2(HARDER * p.click) / dt
    whole = stagger + soft
    way = f32(-1) if free else f32(0) if key == f32(1) else f32(1)
    tones(s, v, p, step, out, dt, key * whole, way, stagger, soft)
    s.key[v] = min(max(key + way * SPAN / whole, f32(0)), f32(1))
    s.scan[v], s.scanned[v] = move_on(s.scan[v], s.scanned[v], SCAN_HZ * dt * SPAN)
    s.turns[v], s.error[v] = move_on(s.turns[v], s.error[v], step * SPAN)


ORGAN = Voice("organ", PARAMS, STATE, strike, release, render)
