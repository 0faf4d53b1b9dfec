"""Tom: a sine that falls a fifth to its note, its octave and a breath of noise: low, mid or high.

tune_hz sets the low tom; play it a fourth and an octave up for the others. A harder strike bends
further and has more skin in it. Thread: audio.
source   the 909 toms: the bass drum's circuit, higher, with an octave and low noise
"""
from engine.kernels.struck import after, bend_turns, dulled, hiss, step_of, turned, vturns
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, vexp2, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt, wrap
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 50.0, 300.0, 100.0, "exp", 0.02),
    Param("bend", 0.0, 2.0, 0.7, "lin", 0.02),             # the fall starts so many times above
    Param("sweep_s", 0.03, 0.8, 0.3, "exp", 0.02),         # the fall's -60 dB time
    Param("decay_s", 0.1, 2.5, 0.7, "exp", 0.02),          # -60 dB
    Param("tone", 0.0, 1.0, 0.4, "lin", 0.02),             # the octave and the skin's noise
)
STATE = fields("turns", "fall", "env", "skin", "level", "dull", "seed", "keep_count", work=QUANTUM)
SPAN, SKIN_S = f32(QUANTUM), f32(0.12)


@rt
def strike(s, v, p, pitch_hz, level):
    """Start at phase 0: no step, whatever the level."""
    s.turns[v], s.fall[v], s.env[v], s.skin[v] = f32(0), f32(1), f32(1), f32(1)
    s.level[v] = level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    w, level = v * QUANTUM, s.level[v]
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    width_hz = f32(700) * exp2(f32(1.5) * p.tone + level)
    s.dull[v] = dulled(s.work, w, s.dull[v], f32(1) - exp2(f32(-9.0647) * width_hz * dt))
    step, fall = step_of(p.tune_hz, pitch_hz, f32(2), dt), fall_rate(p.sweep_s, dt)
    more = bend_turns(step, p.bend * (f32(0.5) + f32(0.5) * level) * s.fall[v], fall)
    fade, skin = fall_rate(p.decay_s, dt), fall_rate(SKIN_S, dt)
    loud = level * f32(0.52) * s.env[v]
    octave = level * f32(0.3) * p.tone * s.skin[v] * s.env[v]
    rough = level * level * f32(0.4) * p.tone * s.skin[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        turns = vturns(s.turns[v], step, more, fall, t)
        env, short = vexp2(t * fade), vexp2(t * skin)
        body = (vsine(turns) * loud + vsine(turns + turns) * (short * octave)) * env
        add(out, i, body + load(s.work, w + i) * short * rough)
    s.turns[v] = wrap(s.turns[v] + turned(step, more, fall))
    s.fall[v], s.env[v] = after(s.fall[v], fall), after(s.env[v], fade)
    s.skin[v] = after(s.skin[v], skin)


TOM = Voice("tom", PARAMS, STATE, strike, release, render)
