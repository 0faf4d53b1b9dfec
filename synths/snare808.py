"""Snare 808: two shells that ring clean and a high noise: lighter and paler than the 909's.

tone is the balance of the shells, snap sets noise against both; a harder strike has more of the
upper shell and of the noise. Thread: audio.
source   the 808 snare drum: two ringing circuits near 180 and 330 Hz, noise above 2 kHz
"""
from engine.kernels.struck import after, hiss, sections, step_of, svf, vturns, warped
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, vexp2, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt, sqrt, wrap
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 100.0, 350.0, 182.0, "exp", 0.02),
    Param("decay_s", 0.05, 1.0, 0.26, "exp", 0.02),        # the lower shell's -60 dB time
    Param("tone", 0.0, 1.0, 0.45, "lin", 0.02),            # lower against upper shell
    Param("snap", 0.0, 1.0, 0.45, "lin", 0.02),            # noise against shells
    Param("snap_s", 0.04, 1.5, 0.3, "exp", 0.02),          # the noise's -60 dB time
)
STATE = fields("low_turns", "high_turns", "low_body", "high_body", "noise", "level", "low", "band",
               "seed", "keep_count", work=QUANTUM)
SPAN, UPPER = f32(QUANTUM), f32(1.833)


@rt
def strike(s, v, p, pitch_hz, level):
    """Both shells start at phase 0: no step, whatever the level."""
    s.low_turns[v], s.high_turns[v] = f32(0), f32(0)
    s.low_body[v], s.high_body[v], s.noise[v] = f32(1), f32(1), f32(1)
    s.level[v] = level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def wires(s, v, p, dt):
    """The snares into work: noise above 2 kHz, from lower down when struck hard."""
    w = v * QUANTUM
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    g, low, band = warped(f32(2600) * exp2(f32(-0.5) * s.level[v]), dt), s.low[v], s.band[v]
    gk, bottom = sections(g, f32(1.2))
    for i in range(QUANTUM):
        high, _, _, low, band = svf(s.work[w + i], low, band, g, gk, bottom)
        s.work[w + i] = high
    s.low[v], s.band[v] = flush(low), flush(band)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    wires(s, v, p, dt)
    level, w, step = s.level[v], v * QUANTUM, step_of(p.tune_hz, pitch_hz, UPPER, dt)
    fade, thin = fall_rate(p.decay_s, dt), fall_rate(p.snap_s, dt)
    short = fade * f32(1.6)
    shells = level * f32(0.48) * sqrt(f32(1) - f32(0.9) * p.snap)
    lower = shells * (f32(1) - f32(0.8) * p.tone) * s.low_body[v]
    upper = shells * (f32(0.2) + f32(0.8) * p.tone) * (f32(0.5) + f32(0.5) * level) * s.high_body[v]
    snares = level * (f32(0.18) + f32(0.18) * level) * sqrt(p.snap) * s.noise[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        low = vsine(vturns(s.low_turns[v], step, f32(0), fade, t)) * vexp2(t * fade)
        high = vsine(vturns(s.high_turns[v], step * UPPER, f32(0), fade, t)) * vexp2(t * short)
        rest = load(s.work, w + i) * vexp2(t * thin)
        add(out, i, low * lower + high * upper + rest * snares)
    s.low_turns[v] = wrap(s.low_turns[v] + step * SPAN)
    s.high_turns[v] = wrap(s.high_turns[v] + step * UPPER * SPAN)
    s.low_body[v], s.high_body[v] = after(s.low_body[v], fade), after(s.high_body[v], short)
    s.noise[v] = after(s.noise[v], thin)


SNARE808 = Voice("snare808", PARAMS, STATE, strike, release, render)
