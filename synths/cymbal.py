"""Ride and crash: six inharmonic squares and noise in two bands that fall apart; long metal.

The ride pings and rings, the crash washes; a harder strike opens the upper band. Thread: audio.
source   the 808 and 909 cymbals' two bands (state-variable filters); square ratios as in hat.py
"""
import numpy as np

from engine.kernels.struck import MIDDLE_C, after, hiss, sections, squares, svf, warped
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("decay_s", 0.3, 15.0, 5.0, "exp", 0.02),         # the longer band's -60 dB time
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # both bands, over an octave
    Param("metal", 0.0, 1.0, 0.7, "lin", 0.02),            # squares against noise
    Param("tune_hz", 200.0, 700.0, 370.0, "exp", 0.02),
    Param("ping", 0.0, 1.0, 0.5, "lin", 0.02),             # the stick
)
CRASH_PARAMS = (
    Param("decay_s", 0.3, 15.0, 3.5, "exp", 0.02),
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),
    Param("metal", 0.0, 1.0, 0.35, "lin", 0.02),
    Param("tune_hz", 200.0, 700.0, 290.0, "exp", 0.02),
    Param("ping", 0.0, 1.0, 0.5, "lin", 0.02),
)
RATIOS = np.array((1.0, 1.304, 1.466, 1.787, 1.932, 2.536), np.float32) * np.float32(2)
STATE = fields("body", "air", "stick", "level", "low_1", "band_1", "low_2", "band_2", "seed",
               "keep_count", keep_turns=len(RATIOS), work=2 * QUANTUM)
STICK_S, WASH_S = f32(0.05), f32(0.25)


@rt
def strike(s, v, p, pitch_hz, level):
    """The squares run on (their phases are kept), so that no two strikes are quite alike."""
    s.body[v], s.air[v], s.stick[v], s.level[v] = f32(1), f32(1), f32(1), level


@rt
def release(s, v, p):
    """A cymbal rings on; the choke is the rig's."""


@rt
def bands(s, v, body_hz, air_hz, narrow, dt):
    """Splits work: a band around body_hz stays, what is above air_hz goes to the second half."""
    g1, g2, w = warped(body_hz, dt), warped(air_hz, dt), v * 2 * QUANTUM
    gk1, bottom1 = sections(g1, narrow)
    gk2, bottom2 = sections(g2, f32(1))
    low1, band1, low2, band2 = s.low_1[v], s.band_1[v], s.low_2[v], s.band_2[v]
    for i in range(QUANTUM):
        x = s.work[w + i]
        _, middle, _, low1, band1 = svf(x, low1, band1, g1, gk1, bottom1)
        high, _, _, low2, band2 = svf(x, low2, band2, g2, gk2, bottom2)
        s.work[w + i], s.work[w + QUANTUM + i] = narrow * middle, high
    s.low_1[v], s.band_1[v], s.low_2[v], s.band_2[v] = (
        flush(low1), flush(band1), flush(low2), flush(band2))


@rt
def cymbal(s, v, p, pitch_hz, out, dt, body_s, air_s, body_gain, air_gain, stick_s):
    """What both have in common: the source, its two bands, three envelopes."""
    w, level, fade, thin = v * 2 * QUANTUM, s.level[v], fall_rate(body_s, dt), fall_rate(air_s, dt)
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    noise = f32(1) - p.metal
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, load(s.work, w + i) * noise)
    step = min(p.tune_hz * pitch_hz * MIDDLE_C * dt, f32(0.024))
    squares(s.work, w, s.keep_turns, v * len(RATIOS), RATIOS, step, f32(0.21) * p.metal)
    up = exp2(p.tone - f32(0.5))
    bands(s, v, f32(4800) * up, f32(7500) * up, f32(0.5), dt)
    short = fall_rate(stick_s, dt)
    body, air = level * body_gain * s.body[v], level * air_gain * s.air[v]
    air *= f32(0.5) + f32(0.5) * level
    stick = level * level * f32(0.4) * p.ping * s.stick[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        hit = vexp2(t * short) * stick
        low, high = load(s.work, w + i), load(s.work, w + QUANTUM + i)
        add(out, i, low * (vexp2(t * fade) * body + hit) + high * (vexp2(t * thin) * air + hit))
    s.body[v], s.air[v] = after(s.body[v], fade), after(s.air[v], thin)
    s.stick[v] = after(s.stick[v], short)


@rt
def render_ride(s, v, p, pitch_hz, out, dt):
    """Add one quantum of a ride to out, (32,) float32; the lower band rings longer."""
    cymbal(s, v, p, pitch_hz, out, dt, p.decay_s, p.decay_s * f32(0.4), f32(0.62), f32(0.4),
           STICK_S)


@rt
def render_crash(s, v, p, pitch_hz, out, dt):
    """Add one quantum of a crash to out, (32,) float32; the upper band rings longer."""
    cymbal(s, v, p, pitch_hz, out, dt, p.decay_s * f32(0.5), p.decay_s, f32(0.7), f32(0.24),
           WASH_S)


RIDE = Voice("ride", PARAMS, STATE, strike, release, render_ride)
CRASH = Voice("crash", CRASH_PARAMS, STATE, strike, release, render_crash)
