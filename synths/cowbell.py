"""Cowbell: two squares a rough fifth apart through one band; a hard knock, then a hollow tail.

A harder strike has more of the knock. Thread: audio.
source   the 808 cowbell: squares of 540 and 800 Hz, band-pass, an envelope of two slopes
"""
import numpy as np

from engine.kernels.struck import MIDDLE_C, after, sections, squares, svf, warped
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, splat, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 300.0, 1000.0, 540.0, "exp", 0.02),
    Param("decay_s", 0.05, 2.0, 0.45, "exp", 0.02),        # the tail's -60 dB time
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # the band, 1.3 to 3.7 kHz
)
RATIOS = np.array((1.0, 1.4815), np.float32)
STATE = fields("env", "knock", "level", "low", "band", "deep", keep_turns=len(RATIOS), work=QUANTUM)
KNOCK_S = f32(0.05)


@rt
def strike(s, v, p, pitch_hz, level):
    """The squares run on (their phases are kept), as in the machine."""
    s.env[v], s.knock[v], s.level[v] = f32(1), f32(1), level


@rt
def release(s, v, p):
    """A bell rings on."""


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    w, level = v * QUANTUM, s.level[v]
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, splat(f32(0)))
    step = min(p.tune_hz * pitch_hz * MIDDLE_C * dt, f32(0.08))
    squares(s.work, w, s.keep_turns, v * len(RATIOS), RATIOS, step, f32(0.5))
    g, k = warped(f32(1300) * exp2(f32(1.5) * p.tone), dt), f32(0.9)
    gk, bottom = sections(g, k)
    low, band = s.low[v], s.band[v]
    for i in range(QUANTUM):
        _, middle, _, low, band = svf(s.work[w + i], low, band, g, gk, bottom)
        s.work[w + i] = k * middle
    s.low[v], s.band[v] = flush(low), flush(band)
    fade, short = fall_rate(p.decay_s, dt), fall_rate(KNOCK_S, dt)
    tail = level * f32(0.36) * s.env[v]
    knock = level * (f32(0.18) + f32(0.36) * level) * s.knock[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        add(out, i, load(s.work, w + i) * (vexp2(t * fade) * tail + vexp2(t * short) * knock))
    s.env[v], s.knock[v] = after(s.env[v], fade), after(s.knock[v], short)


COWBELL = Voice("cowbell", PARAMS, STATE, strike, release, render)
