"""Hat: six inharmonic band-limited squares and noise, high-passed; decay_s closes or opens it.

source   the 808 cymbal's square ratios (Plaits, MIT), edges as B-splines. Thread: audio.
"""
import numpy as np

from engine.lanes import load, noise, ramp, select, splat, store, vexp2, vfloor, vrint
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt, tangent, wrap
from engine.voice import Voice, fields
from engine.waves import advance, faded, fall_rate, vstep

PARAMS = (
    Param("decay_s", 0.02, 3.0, 0.16, "exp", 0.02),        # -60 dB
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # high-pass from 6 to 10.4 kHz
    Param("metal", 0.0, 1.0, 0.55, "lin", 0.02),           # squares against noise
    Param("tune_hz", 250.0, 700.0, 414.0, "exp", 0.02),
)
SQUARES = 6
RATIOS = np.array((1.0, 1.304, 1.466, 1.787, 1.932, 2.536), np.float32) * np.float32(2)
STATE = fields("env", "snap", "level", "low_1", "band_1", "low_2", "band_2", "seed", "keep_count",
               keep_turns=SQUARES, work=QUANTUM)
SPAN, SNAP_S = f32(QUANTUM), f32(0.02)


@rt
def strike(s, v, p, pitch_hz, level):
    """The squares run on (their phases are kept), so that no two strikes are quite alike."""
    s.env[v], s.snap[v], s.level[v] = f32(1), f32(1), level


@rt
def release(s, v, p):
    """A cymbal rings on; the choke is the rig's."""


@rt
def metal(s, v, p, dt):
    """Squares and noise into work."""
    w, count = v * QUANTUM, np.int64(s.keep_count[v])
    hiss = f32(0.9) * (f32(1) - p.metal)
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, noise(s.seed[v], count + i) * hiss)
    for n in range(SQUARES):
        step, start = p.tune_hz * RATIOS[n] * dt, s.keep_turns[v * SQUARES + n]
        per, loud = f32(1) / step, p.metal * f32(0.7)
        for i in range(0, QUANTUM, LANE):
            t = start + step * ramp(i)
            t = t - vfloor(t)
            h = t + f32(0.5)
            h = h - vfloor(h)
            up, down = vstep((t - vrint(t)) * per), vstep((h - vrint(h)) * per)
            side = select(t < splat(f32(0.5)), splat(f32(1)), splat(f32(-1)))
            square = side + f32(2) * (up - down)
            store(s.work, w + i, load(s.work, w + i) + square * loud)
        s.keep_turns[v * SQUARES + n] = wrap(start + step * SPAN)
    s.keep_count[v] = advance(s.keep_count[v], SPAN)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    metal(s, v, p, dt)
    w, fade, snap = v * QUANTUM, fall_rate(p.decay_s, dt), fall_rate(SNAP_S, dt)
    tick = s.snap[v] * s.level[v] * f32(0.5)
    for i in range(0, QUANTUM, LANE):
        env = s.env[v] * vexp2(ramp(i) * fade) + tick * vexp2(ramp(i) * snap)
        store(s.work, w + i, load(s.work, w + i) * env)
    g = tangent(f32(np.pi) * dt * min(f32(6000.0) * exp2(f32(0.8) * p.tone), f32(0.4) / dt))
    gain = s.level[v] * (f32(0.34) + f32(0.14) * p.tone)
    low_1, band_1, low_2, band_2 = s.low_1[v], s.band_1[v], s.low_2[v], s.band_2[v]
    k1, k2 = f32(1.8478), f32(0.7654)                       # fourth-order Butterworth
    one, two = f32(1) / (f32(1) + g * (g + k1)), f32(1) / (f32(1) + g * (g + k2))
    for i in range(QUANTUM):
        high = (s.work[w + i] - low_1 - (g + k1) * band_1) * one
        middle = g * high + band_1
        band_1 = g * high + middle
        low_1 += f32(2) * g * middle
        top = (high - low_2 - (g + k2) * band_2) * two
        middle = g * top + band_2
        band_2 = g * top + middle
        low_2 += f32(2) * g * middle
        out[i] += gain * top
    s.low_1[v], s.band_1[v] = flush(low_1), flush(band_1)
    s.low_2[v], s.band_2[v] = flush(low_2), flush(band_2)
    s.env[v] = faded(s.env[v] * exp2(fade * SPAN))
    s.snap[v] = faded(s.snap[v] * exp2(snap * SPAN))


HAT = Voice("hat", PARAMS, STATE, strike, release, render)
