"""String machine: saws in octaves divided down from one, on two ranks: a section to lean on.

Four feet of a rank share one phase and one band-limited correction, as wide as the saws that wrap
there together are loud. Sixteen voices side by side at twice the rate; the filters work on the sum
of all voices, as in the machines. Its shimmer is the effect `ensemble`. Thread: audio.
source   one correction for all octaves: Plaits (MIT), string machine; footages of the ARP Solina
"""
import math

import numpy as np

from engine.kernels.tones import vswell
from engine.kernels.waves import vmove_on, vstep
from engine.lanes import (
    add,
    fma,
    load,
    noise,
    select,
    store,
    vabs,
    vfloor,
    vmax,
    vmin,
    vrint,
)
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt, sqrt, tangent
from engine.voice import Voice, fields

PARAMS = (
    Param("foot16", 0.0, 1.0, 0.4, "lin", 0.05),           # an octave below the key
    Param("foot8", 0.0, 1.0, 1.0, "lin", 0.05),
    Param("foot4", 0.0, 1.0, 0.6, "lin", 0.05),
    Param("foot2", 0.0, 1.0, 0.1, "lin", 0.05),
    Param("rank", 0.0, 1.0, 0.7, "lin", 0.05),             # of the second rank, beside the first
    Param("detune_cents", 0.0, 30.0, 7.0, "lin", 0.05),    # between the ranks
    Param("cutoff_hz", 500.0, 16000.0, 5000.0, "exp", 0.05),          # 6 dB an octave
    Param("body_hz", 10.0, 1000.0, 90.0, "exp", 0.05),     # below, 6 dB an octave less
    Param("attack_s", 0.005, 4.0, 0.18, "exp", 0.05),      # to 95 %
    Param("release_s", 0.02, 8.0, 0.7, "exp", 0.05),       # -60 dB
)
RANKS, FEET, FRAMES = 2, 4, 2 * QUANTUM
LOUD = f32(0.15)                          # all feet of both ranks wrap at once: still below 1
TOP, FADE = f32(0.104), f32(0.02)         # turns a frame where a foot is silent (10 kHz), from 8
MOST = f32(0.25 / 8)                      # of the lowest foot: corrections of the highest meet
STATE = fields("env", "gate", "level", "seed", "keep_born", keep_turns=RANKS, keep_error=RANKS,
               keep_step=RANKS, keep_feet=RANKS * FEET, keep_work=FRAMES, keep_sum=4)


@rt
def strike(s, v, p, pitch_hz, level):
    """The divider runs on, as in the machine; a voice's first note finds it at a chance place."""
    s.gate[v], s.level[v] = f32(1), level
    if s.keep_born[v] == f32(0):
        s.keep_born[v] = f32(1)
        at, dice = (v // LANE) * RANKS * LANE + v % LANE, (v // LANE) * LANE * FRAMES
        store(s.keep_work, dice, noise(s.seed[v], np.int64(0)))      # free between two quanta
        for n in range(RANKS):
            s.keep_turns[at + n * LANE] = s.keep_work[dice + n] * f32(0.5) + f32(0.5)


@rt
def release(s, v, p):
    """The envelope turns round where it is."""
    s.gate[v] = f32(0)


@rt
def foot(s, at, share, step, octaves):
    """The level of a foot at the quantum's start and its climb a frame; too high ones fade."""
    aim = vmin(vmax((TOP - step * f32(octaves)) * (f32(1) / FADE), f32(0)), f32(1)) * share
    old = load(s.keep_feet, at)
    store(s.keep_feet, at, aim)
    return old, (aim - old) * f32(1 / FRAMES)


@rt
def whole(n, parts):
    """1 in the lanes whose whole number is a multiple of parts (2, 4, 8), else 0."""
    x = n * f32(1 / parts)
    return vmax(fma(vabs(x - vrint(x)), f32(-parts), f32(1)), f32(0))


@rt
def rank(s, g, n, p, hz, loud, dt):
    """Add four saws from one phase to keep_work, pitch and levels on straight lines."""
    at, w, feet = (g * RANKS + n) * LANE, g * LANE * FRAMES, (g * RANKS + n) * FEET * LANE
    aim = vmin(hz * (f32(0.5) * dt), MOST)
    old = load(s.keep_step, at)
    store(s.keep_step, at, aim)
    step = select(old < f32(1e-9), aim, old)
    a, da = foot(s, feet, p.foot16 * loud, aim, 1)
    b, db = foot(s, feet + LANE, p.foot8 * loud, aim, 2)
    c, dc = foot(s, feet + 2 * LANE, p.foot4 * loud, aim, 4)
    d, dd = foot(s, feet + 3 * LANE, p.foot2 * loud, aim, 8)
    curve, turns = (aim - step) * f32(0.5 / FRAMES), load(s.keep_turns, at)
    per = f32(0.25) / (aim + step)                          # frames a turn of the highest
    for i in range(FRAMES):
        t = fma(fma(curve, f32(i), step), f32(i), turns)
        t = t - vfloor(t)
        high = t * f32(8)
        k = vrint(high)
        jump = fma(whole(k, 8), a, fma(whole(k, 4), b, fma(whole(k, 2), c, d)))
        t2, t4 = t + t, t * f32(4)
        y = fma(t - f32(0.5), a, (t2 - vfloor(t2) - f32(0.5)) * b)
        y = fma(t4 - vfloor(t4) - f32(0.5), c, fma(high - vfloor(high) - f32(0.5), d, y))
        y = y - jump * vstep((high - k) * per)
        store(s.keep_work, w + i * LANE, y if n == 0 else y + load(s.keep_work, w + i * LANE))
        a, b, c, d = a + da, b + db, c + dc, d + dd
    turns, error = vmove_on(turns, load(s.keep_error, at), (aim + step) * f32(FRAMES / 2))
    store(s.keep_turns, at, turns)
    store(s.keep_error, at, error)


@rt
def render(s, g, p, pitch_hz, out, dt):
    """Add 64 frames of voices 16 g .. 16 g + 15 to out, frame by frame; dt is seconds a frame."""
    v, w, hz = g * LANE, g * LANE * FRAMES, vmax(load(pitch_hz, g * LANE), f32(5))
    power = p.foot16 * p.foot16 + p.foot8 * p.foot8 + p.foot4 * p.foot4 + p.foot2 * p.foot2
    loud = f32(2) * LOUD / sqrt(max(power * (f32(1) + p.rank * p.rank), f32(1)))
    apart = exp2(p.detune_cents * f32(0.5 / 1200))
    rank(s, g, 0, p, hz * apart, loud, dt)
    rank(s, g, 1, p, hz * (f32(1) / apart), loud * p.rank, dt)
    env = load(s.env, v)
    aim = vswell(env, load(s.gate, v), p.attack_s, p.release_s, dt * f32(FRAMES))
    store(s.env, v, aim)
    level = load(s.level, v)
    gain, climb = env * level, (aim - env) * level * f32(1 / FRAMES)
    for i in range(FRAMES):
        add(out, i * LANE, load(s.keep_work, w + i * LANE) * gain)
        gain = gain + climb


@rt
def share_of(hz, dt):
    """What a trapezoidal one-pole at hz takes in at once."""
    g = tangent(f32(math.pi) * dt * min(hz, f32(0.45) / dt))
    return g / (f32(1) + g)


@rt
def finish(s, p, out, dt):
    """The part's sum, (32,) in place: a low-pass at cutoff_hz, a high-pass at body_hz."""
    top, bottom = share_of(p.cutoff_hz, dt), share_of(p.body_hz, dt)
    low, deep, wide, sag = s.keep_sum[0], s.keep_sum[1], s.keep_sum[2], s.keep_sum[3]
    if wide == f32(0):
        wide, sag = top, bottom
    more, less = (top - wide) * f32(1 / QUANTUM), (bottom - sag) * f32(1 / QUANTUM)
    for i in range(QUANTUM):
        way = (out[i] - low) * wide
        x = low + way
        low = x + way
        way = (x - deep) * sag
        out[i] = x - (deep + way)
        deep += way + way
        wide, sag = wide + more, sag + less
    s.keep_sum[0], s.keep_sum[1] = flush(low), flush(deep)
    s.keep_sum[2], s.keep_sum[3] = top, bottom


STRINGMACHINE = Voice("stringmachine", PARAMS, STATE, strike, release, render, "lanes",
                      oversample=2, finish=finish)
