"""Delay: echoes in beats, filtered on every round, side to side if wanted; all wet. Thread: audio.

A new time is faded to in 40 ms between two read heads, so the pitch never jumps; as a tape, the
head glides there and the pitch with it. A time of over 4 s is halved until it fits. The loop is
linear up to full scale and soft above, so it may sing by itself but stays bounded.
"""
import numpy as np

from engine.kernels.lines import GUARD, POLE, alive, lagrange, mirror, one_pole, pole_at, pole_of
from engine.kernels.waves import fallen, quiet
from engine.lanes import fma, largest, load, ramp, select, splat, store, vabs, vmax, vmin, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, floor, flush, from_db, lag_per_step, rt, rt_inlined
from engine.voice import Effect, fields

PARAMS = (
    Param("bpm", 30.0, 300.0, 124.0, "exp", 0.0),
    Param("beats", 0.0625, 4.0, 0.75, "exp", 0.0),
    Param("feedback", 0.0, 1.1, 0.45, "lin", 0.05),        # from 1 on it grows to full scale
    Param("tone_hz", 300.0, 20000.0, 3800.0, "exp", 0.05),
    Param("low_hz", 10.0, 1000.0, 180.0, "exp", 0.05),
    Param("pingpong", 0.0, 1.0, 1.0, "lin", 0.05),
    Param("mode", 0.0, 1.0, 0.0, "lin", 0.0),              # 0 fades to a new time, 1 glides: tape
    Param("duck_db", 0.0, 36.0, 0.0, "lin", 0.05),         # softer while something comes in
)
SIZE, LONGEST_S = 1 << 18, f32(4)         # samples a side: 5.4 s at 48 kHz
STRIDE = SIZE + GUARD
STATE = fields("place", "delay", "before", "slack", "slack_before", "fade", "feedback", "pingpong",
               "tone_hz", "low_hz", "dt", "level", "gain", bright=2, deep=2, high_pole=POLE,
               low_pole=POLE, wet=2 * QUANTUM, line=2 * STRIDE)
FADE_S, GLIDE_S, RISE_S, FALL_S = f32(0.04), f32(0.2), f32(0.005), f32(0.15)


@rt_inlined
def place_heads(s, p, dt):
    """Where the two read heads go, in samples; a time to fade to waits for the last fade's end."""
    wanted = f32(60) * p.beats / (p.bpm * dt)
    longest = min(LONGEST_S / dt, f32(SIZE - 2 * QUANTUM))
    while wanted > longest:
        wanted *= f32(0.5)
    wanted = max(np.rint(wanted), f32(2 * QUANTUM))
    if s.delay[0] == f32(0):
        s.delay[0] = s.before[0] = wanted
        s.feedback[0], s.pingpong[0], s.gain[0] = p.feedback, p.pingpong, f32(1)
    elif p.mode > f32(0.5):
        s.slack[0] += wanted - s.delay[0]
        s.delay[0] = wanted
    elif s.fade[0] <= f32(0) and wanted != s.delay[0]:
        s.before[0], s.slack_before[0], s.fade[0] = s.delay[0], s.slack[0], f32(1)
        s.delay[0], s.slack[0] = wanted, f32(0)


@rt
def tune(s, p, dt):
    """The filters of a round; at the ends of their ranges they are out of it."""
    if s.tone_hz[0] != p.tone_hz or s.low_hz[0] != p.low_hz or s.dt[0] != dt:
        s.tone_hz[0], s.low_hz[0], s.dt[0] = p.tone_hz, p.low_hz, dt
        high, low = exp2(f32(-9.0647) * dt * p.tone_hz), exp2(f32(-9.0647) * dt * p.low_hz)
        pole_of(f32(0) if p.tone_hz > f32(19999) else high, s.high_pole, 0)
        pole_of(f32(0) if p.low_hz < f32(10.01) else low, s.low_pole, 0)


@rt_inlined
def glide(s, delay, slack, place, octaves, share, blend):
    """A quantum of a head still on its way into wet, sample by sample; returns how far it is."""
    for i in range(QUANTUM):
        away = floor(slack)
        w = lagrange(slack - away)
        at = (place + i - int(delay) + int(away) - 1) & (SIZE - 1)
        part = max(min(share - blend * f32(i), f32(1)), f32(0))
        for side in range(2):
            o = side * STRIDE + at
            y = s.line[o] * w[0] + s.line[o + 1] * w[1]
            y += s.line[o + 2] * w[2] + s.line[o + 3] * w[3]
            s.wet[side * QUANTUM + i] += part * y
        slack = fallen(slack, octaves)
    return f32(0) if abs(slack) < f32(1e-4) else slack


@rt_inlined
def head(s, delay, slack, place, octaves, share, blend):
    """A head's quantum, times share less blend a sample, added to wet; returns its slack."""
    if slack != f32(0):
        return glide(s, delay, slack, place, octaves, share, blend)
    at = (place - int(delay)) & (SIZE - 1)
    for i in range(0, QUANTUM, LANE):
        part = vmax(vmin(share - ramp(i) * blend, f32(1)), f32(0))
        store(s.wet, i, fma(load(s.line, at + i), part, load(s.wet, i)))
        right = load(s.line, STRIDE + at + i)
        store(s.wet, QUANTUM + i, fma(right, part, load(s.wet, QUANTUM + i)))
    return f32(0)


@rt_inlined
def listen(s, place, dt):
    """What the heads read, into wet."""
    for i in range(0, 2 * QUANTUM, LANE):
        store(s.wet, i, f32(0))
    fade, step = s.fade[0], dt / FADE_S
    octaves = f32(-1.4426950408889634) * dt / GLIDE_S
    if fade > f32(0):
        old = s.slack_before[0]
        s.slack_before[0] = head(s, s.before[0], old, place, octaves, fade, step)
        s.slack[0] = head(s, s.delay[0], s.slack[0], place, octaves, f32(1) - fade, -step)
    else:
        s.slack[0] = head(s, s.delay[0], s.slack[0], place, octaves, f32(1), f32(0))
    s.fade[0] = max(fade - step * f32(QUANTUM), f32(0))


@rt_inlined
def duck(s, p, left, right, dt):
    """The gain of the echoes at the quantum's end: full depth while the input is over -12 dB."""
    peak = f32(0)
    for i in range(0, QUANTUM, LANE):
        peak = max(peak, largest(vmax(vabs(quiet(load(left, i))), vabs(quiet(load(right, i))))))
    step_s = dt * f32(QUANTUM)
    k = lag_per_step(RISE_S if peak > s.level[0] else FALL_S, step_s)
    s.level[0] = flush(s.level[0] + k * (peak - s.level[0]))
    return from_db(-p.duck_db * min(f32(4) * s.level[0], f32(1)))


@rt_inlined
def filtered(s, side, x, high, low):
    """One side of a round: soft above full scale, then a low-pass and a high-pass."""
    size = vabs(x)
    over = vtanh(vmax(size - f32(1), f32(0)))
    x = select(x > f32(0), vmin(size, f32(1)) + over, -(vmin(size, f32(1)) + over))
    share = f32(1) - s.high_pole[4 * LANE]
    bright = one_pole(x * share, quiet(splat(s.bright[side])), high)
    share = f32(1) - s.low_pole[4 * LANE] if s.low_hz[0] >= f32(10.01) else f32(0)
    deep = one_pole(bright * share, quiet(splat(s.deep[side])), low)
    return bright, deep


@rt
def render(s, p, left, right, key, dt):
    """Write a quantum of echoes over left and right."""
    place = int(s.place[0])
    place_heads(s, p, dt)
    tune(s, p, dt)
    listen(s, place, dt)
    aim, gain, part = duck(s, p, left, right, dt), s.gain[0], f32(1 / QUANTUM)
    feedback, more = s.feedback[0], (p.feedback - s.feedback[0]) * part
    cross, wider = s.pingpong[0], (p.pingpong - s.pingpong[0]) * part
    high, low = pole_at(s.high_pole, 0), pole_at(s.low_pole, 0)
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        swap, again = fma(t, wider, splat(cross)), fma(t, more, splat(feedback))
        x, y = quiet(load(left, i)), quiet(load(right, i))
        wet_l, wet_r = load(s.wet, i), load(s.wet, QUANTUM + i)
        loud = fma(t, (aim - gain) * part, splat(gain))
        store(left, i, wet_l * loud)
        store(right, i, wet_r * loud)
        middle, turn = swap * f32(0.5) * (x + y), swap * (wet_r - wet_l)
        x = fma(again, wet_l + turn, x - swap * x + middle)
        y = fma(again, wet_r - turn, y - swap * y)
        for side in range(2):
            bright, deep = filtered(s, side, x if side == 0 else y, high, low)
            at = side * STRIDE + place + i
            store(s.line, at, bright)
            s.bright[side] = s.line[at + LANE - 1]
            store(s.line, at, deep)
            s.deep[side] = s.line[at + LANE - 1]
            store(s.line, at, alive(bright - deep))
    mirror(s.line, 2, SIZE, place)
    s.feedback[0], s.pingpong[0], s.gain[0] = p.feedback, p.pingpong, aim
    s.place[0] = f32((place + QUANTUM) & (SIZE - 1))


DELAY = Effect("delay", PARAMS, STATE, render)
