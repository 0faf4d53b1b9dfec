"""FM: two sine operators whose bend fades with the note: chord stabs, bells, percussion.

source   Chowning, JAES 21(7), 1973. Thread: audio.
"""
import math

from engine.lanes import add, fma, ramp, vmin, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt
from engine.voice import Voice, fields
from engine.waves import faded, fall_rate, less, move_on, vfalling

PARAMS = (
    Param("ratio", 0.25, 12.0, 2.0, "exp", 0.02),          # modulator : carrier
    Param("index", 0.0, 12.0, 2.2, "lin", 0.02),           # deepest bend, radians, at level 1
    Param("decay_s", 0.03, 12.0, 0.9, "exp", 0.02),        # -60 dB
    Param("bright", 0.0, 1.0, 0.5, "lin", 0.02),           # 1: the bend lasts; 0: it falls fast
    Param("attack_s", 0.0005, 0.5, 0.002, "exp", 0.02),
    Param("release_s", 0.01, 4.0, 0.25, "exp", 0.02),
)
STATE = fields("carrier", "carrier_error", "modulator", "modulator_error", "env", "bend", "rise",
               "level", "let_go")
SPAN, HALF, TURN = f32(QUANTUM), f32(LANE), f32(1 / math.tau)


@rt
def strike(s, v, p, pitch_hz, level):
    """Start voice v at level 0..1; a softer note is also duller."""
    s.env[v], s.bend[v], s.level[v] = f32(1), f32(1), level


@rt
def release(s, v, p):
    """From here the note falls in release_s, if that is sooner."""
    s.let_go[v] = f32(1)


@rt
def deepest(p, pitch_hz, level, dt):
    """The bend in turns; kept so low that sidebands over 0.47 of the rate stay under -60 dB.

    room + 1 sidebands fit; the Bessel function of the next one is below 0.001 up to 0.09 room^2,
    and for many of them up to 0.6 room - 1
    """
    room = max((f32(0.47) - pitch_hz * dt) / (p.ratio * pitch_hz * dt) - f32(1), f32(0))
    safe = f32(0.09) * room * room if room < f32(3.3333) else f32(0.6) * room - f32(1)
    return min(p.index * (f32(0.35) + f32(0.65) * level), safe) * TURN


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    step, turn = pitch_hz * dt, p.ratio * pitch_hz * dt
    held, let = fall_rate(p.decay_s, dt), fall_rate(min(p.decay_s, p.release_s), dt)
    dull = fall_rate(p.decay_s / max(f32(3) * (f32(1) - p.bright), f32(1e-6)), dt)
    less_held, less_let, less_dull = less(held * SPAN), less(let * SPAN), less(dull * SPAN)
    t = ramp(0)                             # what no voice changes is computed once for all of them
    fall_held, fall_let, fall_dull = vfalling(t, held), vfalling(t, let), vfalling(t, dull)
    half_held, half_let, half_dull = exp2(held * HALF), exp2(let * HALF), exp2(dull * HALF)
    climb, gone = dt / p.attack_s, s.let_go[v] > f32(0)
    rise, env, deep = s.rise[v], s.env[v], s.bend[v]
    depth = deepest(p, pitch_hz, s.level[v], dt) * deep
    gain, half = f32(0.5) * s.level[v] * env, half_let if gone else half_held
    loud = (fall_let if gone else fall_held) * gain
    bend = fall_dull * depth
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        turns = fma(t, step, s.carrier[v]) + vsine(fma(t, turn, s.modulator[v])) * bend
        add(out, i, vsine(turns) * (loud * vmin(fma(t, climb, rise), f32(1))))
        bend, loud = bend * half_dull, loud * half
    s.carrier[v], s.carrier_error[v] = move_on(s.carrier[v], s.carrier_error[v], step * SPAN)
    s.modulator[v], s.modulator_error[v] = move_on(
        s.modulator[v], s.modulator_error[v], turn * SPAN)
    s.rise[v] = min(rise + climb * SPAN, f32(1))
    s.env[v] = faded(env + env * (less_let if gone else less_held))
    s.bend[v] = faded(deep + deep * less_dull)


FM = Voice("fm", PARAMS, STATE, strike, release, render)
