"""Maracas: high noise that swells for a moment and is gone: the seeds hit the shell late.

A harder shake is shorter to swell and brighter. Thread: audio.
source   the 808 maracas: high-passed noise, an envelope with a slow edge
"""
from engine.kernels.struck import after, hiss, sections, svf, warped
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, splat, vexp2, vmin
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("decay_s", 0.02, 0.6, 0.08, "exp", 0.02),        # -60 dB
    Param("attack_s", 0.001, 0.05, 0.012, "exp", 0.02),    # of a shake at level 1
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # high-pass, 4 to 9 kHz
)
STATE = fields("rise", "env", "level", "low", "band", "seed", "keep_count", work=QUANTUM)
SPAN = f32(QUANTUM)


@rt
def strike(s, v, p, pitch_hz, level):
    """The swell begins."""
    s.rise[v], s.env[v], s.level[v] = f32(0), f32(1), level


@rt
def release(s, v, p):
    """The seeds come to rest by themselves."""


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    w, level = v * QUANTUM, s.level[v]
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    hz = f32(4000) * exp2(f32(1.17) * p.tone + f32(0.4) * level - f32(0.4))
    g, low, band = warped(hz, dt), s.low[v], s.band[v]
    gk, bottom = sections(g, f32(0.9))
    for i in range(QUANTUM):
        high, _, _, low, band = svf(s.work[w + i], low, band, g, gk, bottom)
        s.work[w + i] = high
    s.low[v], s.band[v] = flush(low), flush(band)
    climb = dt / (p.attack_s * (f32(1.5) - f32(0.5) * level))
    fade, rise = fall_rate(p.decay_s, dt), s.rise[v] + climb
    loud = level * (f32(0.6) + f32(0.12) * p.tone) * s.env[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        swell = vmin(t * climb + rise, splat(f32(1)))
        add(out, i, load(s.work, w + i) * swell * vexp2(t * fade) * loud)
    s.rise[v] = min(s.rise[v] + climb * SPAN, f32(1))
    s.env[v] = after(s.env[v], fade)


MARACAS = Voice("maracas", PARAMS, STATE, strike, release, render)
