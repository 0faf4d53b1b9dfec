"""FM: two sine operators whose bend fades with the note: chord stabs, bells, percussion.

source   Chowning, JAES 21(7), 1973. Thread: audio.
"""
import math

from engine.kernels.waves import fall_rate, less, vfaded, vfalling, vmove_on
from engine.lanes import add, fma, load, ramp, select, splat, store, vcosine, vmax, vmin
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("ratio", 0.25, 12.0, 2.0, "exp", 0.02),          # modulator : carrier
    Param("index", 0.0, 12.0, 2.2, "lin", 0.02),           # deepest bend, radians, at level 1
    Param("decay_s", 0.03, 12.0, 0.9, "exp", 0.02),        # -60 dB
    Param("bright", 0.0, 1.0, 0.5, "lin", 0.02),           # 1: the bend lasts; 0: it falls fast
    Param("attack_s", 0.0005, 0.5, 0.002, "exp", 0.02),
    Param("release_s", 0.01, 4.0, 0.25, "exp", 0.02),
)
STATE = fields("carrier", "carrier_error", "modulator", "modulator_error", "env", "bend", "rise",
               "level", "let_go", "turns", "turns_2", "step", "step_2", "depth", "gain", "half",
               "climbed")
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
def deepest(p, step, turn, level):
    """The bends in turns; kept so low that sidebands over 0.47 of the rate stay under -60 dB.

    room + 1 sidebands fit; the Bessel function of the next one is below 0.001 up to 0.09 room^2,
    and for many of them up to 0.6 room - 1
    """
    room = vmax((f32(0.47) - step) / turn - f32(1), f32(0))
    safe = select(room < f32(3.3333), f32(0.09) * room * room, f32(0.6) * room - f32(1))
    return vmin(p.index * fma(level, f32(0.65), f32(0.35)), safe) * TURN


@rt
def falls(p, dt):
    """Powers of two per sample: of the level while held and let go, of the bend."""
    dull = fall_rate(p.decay_s / max(f32(3) * (f32(1) - p.bright), f32(1e-6)), dt)
    return (fall_rate(p.decay_s, dt), fall_rate(min(p.decay_s, p.release_s), dt), dull)


@rt
def moved(phase, error, v, turns):
    """Sixteen phases and their errors a quantum on."""
    now, missed = vmove_on(load(phase, v), load(error, v), turns)
    store(phase, v, now)
    store(error, v, missed)


@rt
def prepare(s, v, p, pitch_hz, dt):
    """What a quantum of voices v .. v + 15 begins with; then their envelopes and phases move on."""
    held, let, dull = falls(p, dt)
    step, level = load(pitch_hz, v) * dt, load(s.level, v)
    turn, env, bend = step * p.ratio, load(s.env, v), load(s.bend, v)
    gone, rise = load(s.let_go, v) > f32(0), load(s.rise, v)
    store(s.turns, v, load(s.carrier, v) - f32(0.25))       # a sine is a cosine a quarter later
    store(s.turns_2, v, load(s.modulator, v) - f32(0.25))
    store(s.step, v, step)
    store(s.step_2, v, turn)
    store(s.depth, v, deepest(p, step, turn, level) * bend)
    store(s.gain, v, f32(0.5) * level * env)
    store(s.half, v, select(gone, splat(exp2(let * HALF)), splat(exp2(held * HALF))))
    store(s.climbed, v, rise)
    moved(s.carrier, s.carrier_error, v, step * SPAN)
    moved(s.modulator, s.modulator_error, v, turn * SPAN)
    more = select(gone, splat(less(let * SPAN)), splat(less(held * SPAN)))
    store(s.env, v, vfaded(fma(env, more, env)))
    store(s.bend, v, vfaded(fma(bend, splat(less(dull * SPAN)), bend)))
    store(s.rise, v, vmin(rise + dt / p.attack_s * SPAN, f32(1)))


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    held, let, dull = falls(p, dt)
    t = ramp(0)                             # what no voice changes is computed once for all of them
    fall_held, fall_let = vfalling(t, held), vfalling(t, let)
    bend, half_bend = vfalling(t, dull) * s.depth[v], exp2(dull * HALF)
    first = (fall_let if s.let_go[v] > f32(0) else fall_held) * s.gain[v]
    second, climbed = first * s.half[v], s.climbed[v]
    if climbed < f32(1):
        climb = dt / p.attack_s
        first = first * vmin(fma(t, climb, climbed), f32(1))
        second = second * vmin(fma(ramp(LANE), climb, climbed), f32(1))
    u = ramp(LANE)
    inner = vcosine(fma(t, s.step_2[v], s.turns_2[v])) * bend
    inner_2 = vcosine(fma(u, s.step_2[v], s.turns_2[v])) * (bend * half_bend)
    y = vcosine(fma(t, s.step[v], s.turns[v]) + inner)
    z = vcosine(fma(u, s.step[v], s.turns[v]) + inner_2)
    add(out, 0, y * first)
    add(out, LANE, z * second)


FM = Voice("fm", PARAMS, STATE, strike, release, render, prepare=prepare)
