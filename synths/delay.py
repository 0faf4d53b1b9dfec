"""Delay: echoes in beats, filtered on every round, side to side if wanted; all wet. Thread: audio.

A new time is faded to in 40 ms between two read heads, so the pitch never jumps.
"""
import numpy as np

from engine.param import Param
from engine.rt import QUANTUM, exp2, f32, flush, rt
from engine.voice import Effect, fields

PARAMS = (
    Param("bpm", 30.0, 300.0, 124.0, "exp", 0.0),
    Param("beats", 0.0625, 4.0, 0.75, "exp", 0.0),
    Param("feedback", 0.0, 0.95, 0.45, "lin", 0.05),
    Param("tone_hz", 300.0, 20000.0, 3800.0, "exp", 0.05),
    Param("low_hz", 10.0, 1000.0, 180.0, "exp", 0.05),
    Param("pingpong", 0.0, 1.0, 1.0, "lin", 0.05),
)
SIZE = 1 << 18                            # samples a side: 5.4 s at 48 kHz
STATE = fields("place", "delay", "before", "fade", "bright_l", "bright_r", "deep_l", "deep_r",
               line_l=SIZE, line_r=SIZE)
FADE_S = f32(0.04)


@rt
def heads(s, p, dt):
    """Where the two read heads are, in samples; a new time waits until the last fade is over."""
    wanted = np.rint(f32(60) * p.beats / (p.bpm * dt))
    wanted = min(max(wanted, f32(QUANTUM)), f32(SIZE - QUANTUM))
    if s.delay[0] == f32(0):
        s.delay[0] = s.before[0] = wanted
    elif s.fade[0] <= f32(0) and wanted != s.delay[0]:
        s.before[0], s.delay[0], s.fade[0] = s.delay[0], wanted, f32(1)
    return int(s.delay[0]), int(s.before[0])


@rt
def share(hz, dt):
    """A one-pole low-pass's coefficient."""
    return f32(1) - exp2(f32(-9.0647) * dt * hz)


@rt
def render(s, p, left, right, key, dt):
    """Write a quantum of echoes over left and right."""
    now, before = heads(s, p, dt)
    place, fade, fading = int(s.place[0]), s.fade[0], dt / FADE_S
    high, low = share(p.tone_hz, dt), share(p.low_hz, dt)
    high = f32(1) if p.tone_hz > f32(19999) else high       # both filters can be taken out
    low = f32(0) if p.low_hz < f32(10.01) else low
    bright_l, bright_r, deep_l, deep_r = s.bright_l[0], s.bright_r[0], s.deep_l[0], s.deep_r[0]
    stay, cross = p.feedback * (f32(1) - p.pingpong), p.feedback * p.pingpong
    for i in range(QUANTUM):
        at, was = (place + i - now) & (SIZE - 1), (place + i - before) & (SIZE - 1)
        wet_l = s.line_l[at] + fade * (s.line_l[was] - s.line_l[at])
        wet_r = s.line_r[at] + fade * (s.line_r[was] - s.line_r[at])
        fade = max(fade - fading, f32(0))
        middle = p.pingpong * f32(0.5) * (left[i] + right[i])
        in_l = left[i] + middle - p.pingpong * left[i] + stay * wet_l + cross * wet_r
        in_r = right[i] - p.pingpong * right[i] + stay * wet_r + cross * wet_l
        bright_l += high * (flush(in_l) - bright_l)
        bright_r += high * (flush(in_r) - bright_r)
        deep_l += low * (bright_l - deep_l)
        deep_r += low * (bright_r - deep_r)
        s.line_l[place + i] = flush(bright_l - deep_l)
        s.line_r[place + i] = flush(bright_r - deep_r)
        left[i], right[i] = wet_l, wet_r
    s.bright_l[0], s.bright_r[0] = flush(bright_l), flush(bright_r)
    s.deep_l[0], s.deep_r[0] = flush(deep_l), flush(deep_r)
    s.fade[0], s.place[0] = fade, f32((place + QUANTUM) & (SIZE - 1))


DELAY = Effect("delay", PARAMS, STATE, render)
