"""TB-303: saw or square through a diode ladder, with the circuit's envelope, accent and knob laws.

Sixteen voices side by side at twice the rate. Slides are the rig's: the pitch glides and nothing is
struck again. A strike above level 0.7 is an accent; its capacitor keeps its charge over strikes, so
accents in a row climb. Thread: audio.
source   Open303 (MIT) for the measured laws; R. Whittle's circuit notes for the accent; the ladder
         is an own derivation from the circuit
"""
import math

import numpy as np

from engine.lanes import add, fma, load, select, splat, store, vexp2, vmax, vmin, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt
from engine.voice import Voice, fields
from engine.waves import HALVE, halve, quiet, vmove_on, vsaw, vtangent

PARAMS = (
    Param("cutoff_hz", 80.0, 6000.0, 520.0, "exp", 0.02),
    Param("resonance", 0.0, 1.0, 0.65, "lin", 0.02),
    Param("env_mod", 0.0, 1.0, 0.45, "lin", 0.02),
    Param("decay_s", 0.1, 3.0, 0.5, "exp", 0.02),          # the filter envelope's time constant
    Param("accent", 0.0, 1.0, 0.6, "lin", 0.02),
    Param("wave", 0.0, 1.0, 0.0, "lin", 0.02),             # 0 saw, 1 square
)
STATE = fields("s1", "s2", "s3", "s4", "slow", "hit", "sweep", "body", "rise", "gate", "loud",
               "level", "force", "keep_turns", "keep_error", "keep_deep", "keep_rest",
               "keep_charge", keep_half=HALVE)
STEP = 8                                  # samples between two settings of the ladder
SELF = f32(17.0)                          # loop gain at which the ladder oscillates
ACCENT_S, BODY_S = f32(0.2), f32(1.23)    # filter decay of an accent; amplitude decay
CHARGE_S, DRAIN_S = f32(0.147), f32(0.1)  # 47 k and 100 k into 1 uF
LOG2E, TURN = f32(1.4426950408889634), f32(2 * math.pi)
SOFT_S = f32(0.001)                       # every envelope is smoothed, as the circuit does


@rt
def strike(s, v, p, pitch_hz, level):
    """Both envelopes start; the oscillator runs on, and so does the accent's charge."""
    s.hit[v], s.body[v], s.gate[v], s.level[v] = f32(1), f32(1), f32(1), level
    s.force[v] = min(max((level - f32(0.7)) * f32(1 / 0.3), f32(0)), f32(1))


@rt
def release(s, v, p):
    """The gate falls: silence within some 15 ms, 50 ms after an accent."""
    s.gate[v] = f32(0)


@rt
def pivots(g, k):
    """The elimination factors of the ladder's tridiagonal system, and 1 / (1 + k beta)."""
    one, q, gg = splat(f32(1)), g + g + f32(1), g * g
    a4 = one / q
    a3 = one / (q - gg * a4)
    a2 = one / (q - gg * a3)
    a1 = one / (q - f32(2) * gg * a2)
    return a1, a2, a3, a4, one / (f32(1) + k * (f32(2) * (gg * gg) * (a1 * a2) * (a3 * a4)))


@rt
def ladder(x, s1, s2, s3, s4, slow, g, k, a1, a2, a3, a4, loop, lag):
    """One sample of the diode ladder, trapezoidal, no unit delay: the output and the new state.

    The first capacitor is half size: it oscillates at sqrt(2) times the pole rate, at k = 17.
    slow is a low-pass of the output that keeps the feedback from the lowest octaves. What is fed
    back is limited, not the input: as loud a resonance, and a saw's step makes no new harmonics.
    """
    g2 = g + g
    e4 = a4 * s4
    e3 = a3 * fma(g, e4, s3)
    e2 = a2 * fma(g, e3, s2)
    e1 = a1 * fma(g2, e2, s1)
    w2 = fma(g * a2, e1, e2)
    w3 = fma(g * a3, w2, e3)
    w4 = fma(g * a4, w3, e4)
    u = x + vtanh(fma(k, slow - w4, x) * loop - x)
    v1 = fma(g2 * a1, u, e1)
    v2 = fma(g * a2, v1, e2)
    v3 = fma(g * a3, v2, e3)
    v4 = fma(g * a4, v3, e4)
    slow = fma(lag, v4 - slow, slow)
    return v4, v1 + v1 - s1, v2 + v2 - s2, v3 + v3 - s3, v4 + v4 - s4, slow


@rt
def knobs(p):
    """Octaves the envelope opens; what it rests below the knob; the loop gain; make-up gain."""
    c = (np.log2(p.cutoff_hz) - f32(8.2946)) * f32(1 / 2.9306)       # 314 to 2394 Hz: 0 to 1
    c = min(max(c, f32(0)), f32(1))
    shut, open_ = f32(0.737) + f32(3.774) * p.env_mod, f32(0.864) + f32(4.195) * p.env_mod
    k = f32(0.95) * SELF * (f32(1) - exp2(f32(-3) * LOG2E * p.resonance)) * f32(1 / 0.950213)
    make_up = (f32(0.8) - f32(0.22) * p.wave) * (f32(1) + f32(0.3) * k)
    return shut + c * (open_ - shut), f32(0.294) + f32(0.048) * c, k, make_up


@rt
def falling(time_s, step_s):
    """The share left of an exponential after step_s, in lanes."""
    return vexp2(splat(-LOG2E * step_s) / time_s)


@rt
def ended(x):
    """An envelope in lanes, exactly 0 once it is below -120 dB."""
    return select(x < splat(f32(1e-6)), splat(f32(0)), x)


@rt
def accents(s, v, p, hit, force, step_s):
    """The accent capacitor of 16 voices, one step on; returns the octaves it adds to the cutoff."""
    drive = vmax(force * hit - f32(0.08), splat(f32(0)))    # less the diode
    charge = load(s.keep_charge, v)
    up = splat(f32(0)) < drive - charge
    rate = select(up, splat(step_s / CHARGE_S), splat(step_s / DRAIN_S))
    charge = quiet(fma(select(up, drive - charge, -charge), rate, charge))
    store(s.keep_charge, v, charge)
    return (drive * (f32(1) - p.resonance) + charge * p.resonance) * f32(2)


@rt
def envelopes(s, v, p, step_s):
    """Move 16 voices on by one step; returns (filter envelope, octaves of accent, loudness)."""
    force, soft = load(s.force, v) * p.accent, f32(1) - exp2(-LOG2E * step_s / SOFT_S)
    accented = splat(f32(1e-3)) < force
    hit_s = select(accented, splat(ACCENT_S), splat(p.decay_s))
    hit = ended(load(s.hit, v) * falling(hit_s, step_s))
    sweep = ended(fma(hit - load(s.sweep, v), splat(soft), load(s.sweep, v)))
    gate_s = select(accented, splat(f32(0.012)), splat(f32(0.003)))
    body_s = select(load(s.gate, v) < splat(f32(0.5)), gate_s, splat(BODY_S))
    body = ended(load(s.body, v) * falling(body_s, step_s))
    rise = ended(fma(body - load(s.rise, v), splat(soft), load(s.rise, v)))
    store(s.hit, v, hit)
    store(s.sweep, v, sweep)
    store(s.body, v, body)
    store(s.rise, v, rise)
    loud = rise * load(s.level, v) * (f32(0.55) + sweep * (f32(0.45) + f32(0.6) * force))
    return sweep, accents(s, v, p, sweep, force, step_s), loud


@rt
def wave(turns, per, p, deep, cut):
    """A saw, or the difference of two (a pulse of 47 %), less what is below 44.5 Hz."""
    x = vsaw(turns, per) - p.wave * vsaw(turns + f32(0.47), per)
    deep = fma(x - deep, splat(cut), deep)
    return (x - deep) * f32(0.5), deep


@rt
def keep(s, v, s1, s2, s3, s4, slow, deep):
    """The filters' memory, until the next quantum."""
    store(s.s1, v, quiet(s1))
    store(s.s2, v, quiet(s2))
    store(s.s3, v, quiet(s3))
    store(s.s4, v, quiet(s4))
    store(s.slow, v, quiet(slow))
    store(s.keep_deep, v, quiet(deep))


@rt
def render(s, g, p, pitch_hz, out, dt):
    """Add 32 frames of voices 16 g .. 16 g + 15 to out, frame by frame; dt is seconds a sample."""
    v, half = g * LANE, f32(0.5) * dt
    step = vmin(vmax(load(pitch_hz, v), splat(f32(5))) * half, splat(f32(0.1)))
    per, cut, sag = splat(f32(1)) / step, TURN * f32(44.5) * half, splat(TURN * f32(24.2) * dt)
    wide, below, gain, make_up = knobs(p)
    k, lag = splat(gain), splat(TURN * f32(150.0) * half)
    turns, deep, rest = load(s.keep_turns, v), load(s.keep_deep, v), load(s.keep_rest, v)
    slow, loud = load(s.slow, v), load(s.loud, v)
    s1, s2, s3, s4 = load(s.s1, v), load(s.s2, v), load(s.s3, v), load(s.s4, v)
    top_hz = min(f32(18000), f32(0.2) / half)
    for block in range(0, QUANTUM, STEP):
        env, accent, aim = envelopes(s, v, p, dt * f32(STEP))
        octaves = fma(env - below, splat(wide), accent)
        hz = vmin(vmax(vexp2(octaves) * p.cutoff_hz, splat(f32(60))), splat(top_hz))
        w = vtangent(hz * (f32(math.pi) * half)) * f32(0.7071067811865476)
        a1, a2, a3, a4, loop = pivots(w, k)
        climb = (aim - loud) * f32(1 / STEP)
        for i in range(block, block + STEP):
            at = fma(step, splat(f32(2 * i)), turns)
            x, deep = wave(at, per, p, deep, cut)
            first, s1, s2, s3, s4, slow = ladder(
                x, s1, s2, s3, s4, slow, w, k, a1, a2, a3, a4, loop, lag)
            x, deep = wave(at + step, per, p, deep, cut)
            second, s1, s2, s3, s4, slow = ladder(
                x, s1, s2, s3, s4, slow, w, k, a1, a2, a3, a4, loop, lag)
            loud = loud + climb
            y = halve(first, second, s.keep_half, v * HALVE) * loud * make_up
            rest = fma(y - rest, sag, rest)
            add(out, i * LANE, y - rest)
        loud = aim
    turns, error = vmove_on(turns, load(s.keep_error, v), step * f32(2 * QUANTUM))
    store(s.keep_turns, v, turns)
    store(s.keep_error, v, error)
    keep(s, v, s1, s2, s3, s4, slow, deep)
    store(s.keep_rest, v, quiet(rest))
    store(s.loud, v, loud)


TB303 = Voice("tb303", PARAMS, STATE, strike, release, render, shape="lanes")
