"""Clap: three quick bursts and a tail of band-passed noise. Thread: audio.

source   the 909 hand clap: an envelope that falls every 10 ms, then once slowly, as a room does
"""
import numpy as np

from engine.lanes import noise, store
from engine.param import Param
from engine.rt import LANE, QUANTUM, decay_per_sample, exp2, f32, flush, rt, tangent
from engine.voice import Voice, fields
from engine.waves import advance, faded

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
    s.env[v], s.bursts[v], s.level[v] = f32(1), BURSTS, level


@rt
def release(s, v, p):
    """A clap rings on."""


@rt
def bursts(s, v, p, dt):
    """Enveloped noise into work: each burst falls fast, the last one is the tail."""
    spread = np.floor(p.spread_s / dt)
    fast, slow = decay_per_sample(BURST_S, dt), decay_per_sample(p.decay_s, dt)
    count, w = np.int64(s.keep_count[v]), v * QUANTUM
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, noise(s.seed[v], count + i))
    for i in range(QUANTUM):
        if s.bursts[v] > f32(0) and s.age[v] >= spread:
            s.bursts[v] -= f32(1)
            s.age[v], s.env[v] = f32(0), f32(1) if s.bursts[v] > f32(0) else TAIL
        s.work[w + i] *= s.env[v]
        s.env[v] *= fast if s.bursts[v] > f32(0) else slow
        s.age[v] += f32(1)
    s.env[v] = faded(s.env[v])
    s.keep_count[v] = advance(s.keep_count[v], SPAN)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    bursts(s, v, p, dt)
    level = s.level[v]
    g = tangent(f32(np.pi) * dt * f32(700.0) * exp2(f32(1.5) * p.tone))
    k = f32(1.5) - f32(0.9) * p.body                        # 1 / Q
    bottom = f32(1) / (f32(1) + g * (g + k))
    gain = level * (f32(1.15) + f32(0.6) * p.body)
    bright = f32(0.10) + f32(0.12) * level * p.tone
    low, band, air, w = s.low[v], s.band[v], s.air[v], v * QUANTUM
    for i in range(QUANTUM):
        x = s.work[w + i]
        high = (x - low - (g + k) * band) * bottom          # state-variable filter, trapezoidal
        middle = g * high + band
        band = g * high + middle
        low += f32(2) * g * middle
        air += f32(0.5) * (x - air)
        out[i] += gain * (k * middle + bright * (x - air))
    s.low[v], s.band[v], s.air[v] = flush(low), flush(band), flush(air)


CLAP = Voice("clap", PARAMS, STATE, strike, release, render)
