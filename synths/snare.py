"""Snare: two shells that fall to their notes under a band of noise: a dry, hard 909 snare.

snap sets noise against shells; a harder strike also opens the noise and bends the shells further.
Thread: audio.
source   the 909 snare drum as modelled in Plaits (MIT): 1 and 1.47 times the note, noise held
         before it falls
"""
from engine.kernels.struck import (
    after,
    bend_turns,
    hiss,
    sections,
    step_of,
    svf,
    turned,
    vturns,
    warped,
)
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, splat, vexp2, vmax, vsine, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt, sqrt, wrap
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 100.0, 400.0, 180.0, "exp", 0.02),
    Param("decay_s", 0.04, 1.0, 0.19, "exp", 0.02),        # the shells' -60 dB time
    Param("snap", 0.0, 1.0, 0.5, "lin", 0.02),             # noise against shells
    Param("snap_s", 0.04, 1.5, 0.22, "exp", 0.02),         # the noise's -60 dB time after its hold
    Param("tone", 0.0, 1.0, 0.5, "lin", 0.02),             # noise up to 3, to 12 kHz
    Param("bend", 0.0, 4.0, 2.0, "lin", 0.02),             # the fall starts so many times above
)
STATE = fields("low_turns", "high_turns", "fall", "body", "noise", "age", "level", "low_1",
               "band_1", "low_2", "band_2", "seed", "keep_count", work=QUANTUM)
SPAN, UPPER, SWEEP_S, HOLD_S = f32(QUANTUM), f32(1.47), f32(0.048), f32(0.015)
FAR, DAMP = f32(2.0 ** 23), f32(1.2)      # of the age; 1 / Q of the noise's filters


@rt
def strike(s, v, p, pitch_hz, level):
    """Both shells start at phase 0: no step, whatever the level."""
    s.low_turns[v], s.high_turns[v], s.fall[v], s.age[v] = f32(0), f32(0), f32(1), f32(0)
    s.body[v], s.noise[v], s.level[v] = f32(1), f32(1), level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def wires(s, v, p, dt):
    """The snares into work: noise above 1 kHz and below where tone and level open it."""
    w = v * QUANTUM
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    octaves = p.tone + p.tone + f32(0.6) * s.level[v] - f32(0.6)
    g1, g2 = warped(f32(1000), dt), warped(f32(3000) * exp2(octaves), dt)
    gk1, bottom1 = sections(g1, DAMP)
    gk2, bottom2 = sections(g2, DAMP)
    low1, band1, low2, band2 = s.low_1[v], s.band_1[v], s.low_2[v], s.band_2[v]
    for i in range(QUANTUM):
        high, _, _, low1, band1 = svf(s.work[w + i], low1, band1, g1, gk1, bottom1)
        _, _, under, low2, band2 = svf(high, low2, band2, g2, gk2, bottom2)
        s.work[w + i] = under
    s.low_1[v], s.band_1[v], s.low_2[v], s.band_2[v] = (
        flush(low1), flush(band1), flush(low2), flush(band2))


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    wires(s, v, p, dt)
    level, w = s.level[v], v * QUANTUM
    step, fall = step_of(p.tune_hz, pitch_hz, UPPER, dt), fall_rate(SWEEP_S, dt)
    times = p.bend * (f32(0.6) + f32(0.4) * level) * s.fall[v]
    more = bend_turns(step, times, fall)
    fade, thin = fall_rate(p.decay_s, dt), fall_rate(p.snap_s, dt)
    late = s.age[v] - HOLD_S / dt                           # samples since the hold ended
    kept = max(late, f32(0))
    shells = level * f32(0.42) * sqrt(f32(1) - f32(0.9) * p.snap) * s.body[v]
    snares = level * (f32(0.3) + f32(0.2) * level) * sqrt(p.snap) * s.noise[v]
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        low = vtanh(vsine(vturns(s.low_turns[v], step, more, fall, t)) * f32(1.5))
        high = vsine(vturns(s.high_turns[v], step * UPPER, more * UPPER, fall, t))
        body = (low * f32(0.75) + high * f32(0.35)) * vexp2(t * fade) * shells
        rest = vexp2((vmax(t + late, splat(f32(0))) - kept) * thin) * snares
        add(out, i, body + load(s.work, w + i) * rest)
    moved, held = turned(step, more, fall), max(late + SPAN, f32(0)) - kept
    s.low_turns[v] = wrap(s.low_turns[v] + moved)
    s.high_turns[v] = wrap(s.high_turns[v] + moved * UPPER)
    s.fall[v], s.body[v] = after(s.fall[v], fall), after(s.body[v], fade)
    s.noise[v] = after(s.noise[v], thin * held / SPAN)
    s.age[v] = min(s.age[v] + SPAN, FAR)


SNARE = Voice("snare", PARAMS, STATE, strike, release, render)
