"""Rim and clave: two damped sines struck hard through a limit, and one that is struck clean.

tone is the balance of the two sines; a harder strike is brighter and is limited more.
Thread: audio.
source   the 909 rim shot, and the 808's claves: ringing circuits at 455, 1667 and 2500 Hz
"""
from engine.kernels.struck import after, step_of, vturns
from engine.kernels.waves import advance, fall_rate
from engine.lanes import add, noise, ramp, vexp2, vsine, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, rt, wrap
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 250.0, 900.0, 455.0, "exp", 0.02),
    Param("decay_s", 0.02, 0.4, 0.06, "exp", 0.02),        # -60 dB
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # low sine against high sine
    Param("drive", 0.0, 1.0, 0.5, "lin", 0.02),
)
CLAVE_PARAMS = (
    Param("tune_hz", 1000.0, 4000.0, 2500.0, "exp", 0.02),
    Param("decay_s", 0.02, 0.5, 0.09, "exp", 0.02),        # -60 dB
    Param("tone", 0.0, 1.0, 0.3, "lin", 0.02),             # the knock of wood at the start
)
STATE = fields("turns", "upper", "env", "snap", "level", "seed", "keep_count")
SPAN, RATIO, KNOCK, SNAP_S = f32(QUANTUM), f32(3.664), f32(0.437), f32(0.006)


@rt
def strike(s, v, p, pitch_hz, level):
    """Everything starts at phase 0: no step, whatever the level."""
    s.turns[v], s.upper[v] = f32(0), f32(0)
    s.env[v], s.snap[v], s.level[v] = f32(1), f32(1), level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def move(s, v, step, upper, fade):
    """Phases, envelopes and the noise's count, one quantum on."""
    s.turns[v], s.upper[v] = wrap(s.turns[v] + step * SPAN), wrap(s.upper[v] + upper * SPAN)
    s.env[v] = after(s.env[v], fade)
    s.keep_count[v] = advance(s.keep_count[v], SPAN)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of a rim shot to out, (32,) float32; dt is seconds per sample."""
    step, level = step_of(p.tune_hz, pitch_hz, RATIO, dt), s.level[v]
    fade, snap = fall_rate(p.decay_s, dt), fall_rate(SNAP_S, dt)
    push = (f32(0.6) + f32(2) * p.drive) * (f32(0.5) + f32(0.5) * level)
    low = push * (f32(1) - f32(0.75) * p.tone)
    high = push * (f32(0.4) + f32(0.6) * p.tone) * (f32(0.6) + f32(0.4) * level)
    loud = f32(0.42) * level * s.env[v] / (f32(0.55) + f32(0.35) * p.drive)
    crack, count = f32(0.25) * level * level * s.snap[v], int(s.keep_count[v])
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        body = vsine(vturns(s.turns[v], step, f32(0), snap, t)) * low
        body = body + vsine(vturns(s.upper[v], step * RATIO, f32(0), snap, t)) * high
        white = noise(s.seed[v], count + i) - noise(s.seed[v], count + i + 1)
        add(out, i, vtanh(body) * vexp2(t * fade) * loud + white * vexp2(t * snap) * crack)
    s.snap[v] = after(s.snap[v], snap)
    move(s, v, step, step * RATIO, fade)


@rt
def render_clave(s, v, p, pitch_hz, out, dt):
    """Add one quantum of a clave to out, (32,) float32; the knock falls four times as fast."""
    step, level = step_of(p.tune_hz, pitch_hz, f32(1), dt), s.level[v]
    fade = fall_rate(p.decay_s, dt)
    snap = f32(4) * fade
    loud = level * f32(0.5) * s.env[v]
    knock = level * (f32(0.1) + f32(0.35) * level) * p.tone * s.snap[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        body = vsine(vturns(s.turns[v], step, f32(0), snap, t)) * vexp2(t * fade) * loud
        wood = vsine(vturns(s.upper[v], step * KNOCK, f32(0), snap, t)) * vexp2(t * snap) * knock
        add(out, i, body + wood)
    s.snap[v] = after(s.snap[v], snap)
    move(s, v, step, step * KNOCK, fade)


RIM = Voice("rim", PARAMS, STATE, strike, release, render)
CLAVE = Voice("clave", CLAVE_PARAMS, STATE, strike, release, render_clave)
