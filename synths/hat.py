"""Hats: inharmonic band-limited squares and noise, high-passed; decay_s closes or opens them.

HAT is the hard, fine 909 kind; HAT808 has six lower squares, so its metal is denser, and a band
at 7 kHz under it. Thread: audio.
source   the 808's cymbal squares (205 to 800 Hz) and their ratios in Plaits (MIT), own filters
"""
import numpy as np

from engine.kernels.struck import after, hiss, sections, squares, svf, warped
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("decay_s", 0.02, 3.0, 0.16, "exp", 0.02),        # -60 dB
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # high-pass from 6 to 10.4 kHz
    Param("metal", 0.0, 1.0, 0.55, "lin", 0.02),           # squares against noise
    Param("tune_hz", 250.0, 700.0, 414.0, "exp", 0.02),
)
PARAMS_808 = (
    Param("decay_s", 0.02, 3.0, 0.18, "exp", 0.02),
    Param("tone", 0.0, 1.0, 0.3, "lin", 0.02),
    Param("metal", 0.0, 1.0, 0.9, "lin", 0.02),
    Param("tune_hz", 120.0, 350.0, 205.3, "exp", 0.02),
)
RATIOS = np.array((1.0, 1.304, 1.466, 1.787, 1.932, 2.536), np.float32) * np.float32(2)
RATIOS_808 = np.array((1.0, 1.4827, 1.8003, 2.5460, 2.6303, 3.8967), np.float32)
STATE = fields("env", "snap", "level", "low_1", "band_1", "low_2", "band_2", "seed", "keep_count",
               keep_turns=len(RATIOS), work=QUANTUM)
SNAP_S = f32(0.02)


@rt
def strike(s, v, p, pitch_hz, level):
    """The squares run on (their phases are kept), so that no two strikes are quite alike."""
    s.env[v], s.snap[v], s.level[v] = f32(1), f32(1), level


@rt
def release(s, v, p):
    """A cymbal rings on; the choke is the rig's."""


@rt
def high_pass(s, v, hz, k1, k2, dt):
    """Two second-order sections over work in place."""
    g, w = warped(hz, dt), v * QUANTUM
    gk1, one = sections(g, k1)
    gk2, two = sections(g, k2)
    low_1, band_1, low_2, band_2 = s.low_1[v], s.band_1[v], s.low_2[v], s.band_2[v]
    for i in range(QUANTUM):
        high, _, _, low_1, band_1 = svf(s.work[w + i], low_1, band_1, g, gk1, one)
        top, _, _, low_2, band_2 = svf(high, low_2, band_2, g, gk2, two)
        s.work[w + i] = top
    s.low_1[v], s.band_1[v] = flush(low_1), flush(band_1)
    s.low_2[v], s.band_2[v] = flush(low_2), flush(band_2)


@rt
def metal(s, v, p, ratios, dt):
    """Squares and noise into work."""
    w, hissing = v * QUANTUM, f32(0.9) * (f32(1) - p.metal)
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, load(s.work, w + i) * hissing)
    squares(s.work, w, s.keep_turns, v * len(RATIOS), ratios, p.tune_hz * dt, p.metal * f32(0.7))


@rt
def fall(s, v, p, gain, out, dt):
    """Both envelopes over work, into out: the note, and a tick that a hard strike has more of."""
    w, fade, snap = v * QUANTUM, fall_rate(p.decay_s, dt), fall_rate(SNAP_S, dt)
    loud = s.level[v] * gain
    note, tick = s.env[v] * loud, s.snap[v] * s.level[v] * f32(0.5) * loud
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        add(out, i, load(s.work, w + i) * (vexp2(t * fade) * note + vexp2(t * snap) * tick))
    s.env[v], s.snap[v] = after(s.env[v], fade), after(s.snap[v], snap)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of a 909 hat to out, (32,) float32; dt is seconds per sample."""
    metal(s, v, p, RATIOS, dt)
    hz = f32(6000) * exp2(f32(0.8) * p.tone)
    high_pass(s, v, hz, f32(1.847759), f32(0.765367), dt)       # fourth-order Butterworth
    fall(s, v, p, f32(0.34) + f32(0.14) * p.tone, out, dt)


@rt
def render_808(s, v, p, pitch_hz, out, dt):
    """Add one quantum of an 808 hat to out, (32,) float32; its filter peaks where it begins."""
    metal(s, v, p, RATIOS_808, dt)
    high_pass(s, v, f32(6200) * exp2(f32(0.6) * p.tone), f32(1.8478), f32(0.4), dt)
    fall(s, v, p, f32(0.46) + f32(0.1) * p.tone, out, dt)


HAT = Voice("hat", PARAMS, STATE, strike, release, render)
HAT808 = Voice("hat808", PARAMS_808, STATE, strike, release, render_808)
