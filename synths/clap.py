"""Clap: three quick bursts and a tail of band-passed noise. Thread: audio.

source   the 909 hand clap: an envelope that falls every 10 ms, then once slowly, as a room does
"""
import numpy as np

from engine.kernels.struck import after, hiss, sections, svf, warped
from engine.kernels.waves import fall_rate
from engine.lanes import load, ramp, select, splat, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("decay_s", 0.05, 1.5, 0.28, "exp", 0.02),        # the tail's -60 dB time
    Param("tone", 0.0, 1.0, 0.45, "lin", 0.02),            # 700 to 2000 Hz
    Param("spread_s", 0.004, 0.02, 0.0105, "lin", 0.02),   # between bursts
    Param("body", 0.0, 1.0, 0.6, "lin", 0.02),             # how narrow the band is
)
STATE = fields("age", "env", "bursts", "level", "low", "band", "air",
               "seed", "keep_count", work=QUANTUM)
SPAN, BURSTS, BURST_S, TAIL = f32(QUANTUM), f32(3), f32(0.034), f32(0.62)


@rt
def strike(s, v, p, pitch_hz, level):
    """Three bursts to come; pitch is the strip's affair, a clap has none."""
    s.env[v], s.bursts[v], s.level[v], s.age[v] = f32(1), BURSTS, level, f32(0)


@rt
def release(s, v, p):
    """A clap rings on."""


@rt
def bursts(s, v, p, dt):
    """Enveloped noise into work: each burst falls fast, the last one is the tail.

    A spread is longer than a quantum, so at most one burst starts in it.
    """
    w, fast, slow = v * QUANTUM, fall_rate(BURST_S, dt), fall_rate(p.decay_s, dt)
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    left, env = s.bursts[v], s.env[v]
    start = max(np.floor(p.spread_s / dt) - s.age[v], f32(0)) if left > f32(0) else f32(1e9)
    last = left < f32(1.5)                                  # what starts now is the tail
    first, then = fast if left > f32(0) else slow, slow if last else fast
    peak = TAIL if last else f32(1)
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        u = t - start
        new = u < splat(f32(-0.5))
        fall = vexp2(select(new, t * first, u * then))
        store(s.work, w + i, load(s.work, w + i) * fall * select(new, splat(env), splat(peak)))
    if start < SPAN:
        s.bursts[v], s.age[v] = left - f32(1), SPAN - start
        s.env[v] = after(peak, then * (SPAN - start) / SPAN)
    else:
        s.age[v], s.env[v] = s.age[v] + SPAN, after(env, first)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    bursts(s, v, p, dt)
    level = s.level[v]
    g, k = warped(f32(700.0) * exp2(f32(1.5) * p.tone), dt), f32(1.5) - f32(0.9) * p.body
    gk, bottom = sections(g, k)
    gain = level * (f32(1.15) + f32(0.6) * p.body)
    bright = f32(0.10) + f32(0.12) * level * p.tone
    low, band, air, w = s.low[v], s.band[v], s.air[v], v * QUANTUM
    for i in range(QUANTUM):
        x = s.work[w + i]
        _, middle, _, low, band = svf(x, low, band, g, gk, bottom)
        air += f32(0.5) * (x - air)
        out[i] += gain * (k * middle + bright * (x - air))
    s.low[v], s.band[v], s.air[v] = flush(low), flush(band), flush(air)


CLAP = Voice("clap", PARAMS, STATE, strike, release, render)
