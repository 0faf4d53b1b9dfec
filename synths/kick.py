"""Kick: a sine that falls to its note, a short click, soft saturation: a fat mono house kick.

source   the 909 bass drum as modelled in Plaits (MIT), retuned for a 50 Hz body. Thread: audio.
"""
import numpy as np

from engine.kernels.struck import after, bend_turns, step_of, turned, vturns
from engine.kernels.waves import advance, fall_rate
from engine.lanes import add, fma, noise, ramp, splat, vexp2, vmax, vmin, vsine, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, rt, wrap
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 30.0, 120.0, 49.0, "exp", 0.02),
    Param("pitch", 0.0, 8.0, 4.0, "lin", 0.02),            # the fall starts so many times above
    Param("sweep_s", 0.02, 0.6, 0.11, "exp", 0.02),        # the fall's -60 dB time
    Param("decay_s", 0.08, 2.0, 0.62, "exp", 0.02),        # the body's -60 dB time after its hold
    Param("hold_s", 0.0, 0.2, 0.05, "lin", 0.02),
    Param("click", 0.0, 1.0, 0.45, "lin", 0.02),
    Param("drive", 0.0, 1.0, 0.35, "lin", 0.02),
)
STATE = fields("phase", "age", "bend", "env", "snap", "level", "seed", "keep_count")
SPAN, FAR = f32(QUANTUM), f32(2.0 ** 23)
CLICK_S = f32(0.014)


@rt
def strike(s, v, p, pitch_hz, level):
    """Start at phase 0: no step, whatever the level; level also opens the click and the fall."""
    s.phase[v], s.age[v] = f32(0), f32(0)
    s.bend[v], s.env[v], s.snap[v], s.level[v] = f32(1), f32(1), f32(1), level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    step = step_of(p.tune_hz, pitch_hz, f32(1), dt)
    fall, fade = fall_rate(p.sweep_s, dt), fall_rate(p.decay_s, dt)
    snap, level = fall_rate(CLICK_S, dt), s.level[v]
    depth = bend_turns(step, p.pitch * (f32(0.7) + f32(0.3) * level) * s.bend[v], fall)
    late = s.age[v] - p.hold_s / dt                         # samples since the hold ended
    kept = max(late, f32(0))
    push = f32(0.6) + f32(2.4) * p.drive
    gain = level * f32(0.46) * (f32(27) + f32(9) * push * push) / (push * (f32(27) + push * push))
    hiss = level * level * p.click * s.snap[v] * f32(0.16)
    count = np.int64(s.keep_count[v])
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        turns = vturns(s.phase[v], step, depth, fall, t)
        env = s.env[v] * vexp2((vmax(t + late, splat(f32(0))) - kept) * fade)
        white = noise(s.seed[v], count + i) - noise(s.seed[v], count + i + 2)
        body = vtanh(vsine(turns) * push) * env
        add(out, i, vmin((t + (s.age[v] + f32(1))) * f32(1 / 8), splat(f32(1)))
            * fma(body, splat(gain), white * vexp2(t * snap) * hiss))
    s.phase[v] = wrap(s.phase[v] + turned(step, depth, fall))
    s.bend[v], s.snap[v] = after(s.bend[v], fall), after(s.snap[v], snap)
    s.env[v] = after(s.env[v], fade * (max(late + SPAN, f32(0)) - kept) / SPAN)
    s.age[v] = min(s.age[v] + SPAN, FAR)
    s.keep_count[v] = advance(s.keep_count[v], SPAN)


KICK = Voice("kick", PARAMS, STATE, strike, release, render)
