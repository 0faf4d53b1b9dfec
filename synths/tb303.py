"""TB-303: saw or square through a diode ladder, with the circuit's envelope, accent and knob laws.

Many voices side by side at twice the rate. Slides are the rig's: the pitch glides and nothing is
struck again. A strike above level 0.7 is an accent; its capacitor keeps its charge over strikes, so
accents in a row climb. Thread: audio.
source   Open303 (MIT) for the measured laws; R. Whittle's circuit notes for the accent; the ladder
         is an own derivation from the circuit
"""
import math

import numpy as np

from engine.kernels.waves import quiet, vmove_on, vsaw, vtangent
from engine.lanes import (
    add_wide,
    fma,
    load,
    load_wide,
    select,
    splat_wide,
    store,
    vexp2,
    vmax,
    vmin,
    vtanh,
)
from engine.param import Param
from engine.rt import LANE, NARROW, QUANTUM, WIDE, exp2, f32, flush, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("cutoff_hz", 80.0, 6000.0, 520.0, "exp", 0.02),
    Param("resonance", 0.0, 1.0, 0.65, "lin", 0.02),
    Param("env_mod", 0.0, 1.0, 0.45, "lin", 0.02),
    Param("decay_s", 0.1, 3.0, 0.5, "exp", 0.02),          # the filter envelope's time constant
    Param("accent", 0.0, 1.0, 0.6, "lin", 0.02),
    Param("wave", 0.0, 1.0, 0.0, "lin", 0.02),             # 0 saw, 1 square
)
STEP = 16                                 # frames (at twice the rate) between two ladder settings
SUM = 4                                   # memory of the filters on the part's sum
STATE = fields("s1", "s2", "s3", "s4", "slow", "hit", "sweep", "body", "rise", "gate", "loud",
               "level", "force", "keep_turns", "keep_error", "keep_deep", "keep_charge",
               keep_sum=SUM, keep_work=STEP)
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
    """The elimination factors a1 .. a4 of the ladder's tridiagonal system, 1 / (1 + k beta), and
    1 / a4 .. 1 / a1: from its leading minors, by one division."""
    gg, m1 = g * g, g + g + f32(1)
    m2 = fma(m1, m1, -gg)
    m3 = m1 * (m2 - gg)
    m4 = fma(m1, m3, (gg + gg) * -m2)
    fed = fma(k + k, gg * gg, m4)
    m12, m34 = m1 * m2, m3 * m4
    over = f32(1) / (m12 * m34 * fed)
    over12, over34 = over * (m34 * fed), over * (m12 * fed)     # 1 / (m1 m2), 1 / (m3 m4)
    a4, a3, a2, a1 = over12 * m2, over12 * (m1 * m1), over34 * (m2 * m4), over34 * (m3 * m3)
    back = m1, fma(-gg, a4, m1), fma(-gg, a3, m1), fma(gg * f32(-2), a2, m1)
    return a1, a2, a3, a4, over * (m12 * m34) * m4, back


@rt
def scaled(g, a1, a2, a3, a4):
    """What `ladder` multiplies by: from stage to stage, and from a stage to its state."""
    return (g + g) * a1, g * a2, g * a3, g * a4, a1 + a1, a2 + a2, a3 + a3, a4 + a4


@rt
def ladder(x, z1, z2, z3, z4, slow, by, k, loop, lag):
    """One sample of the diode ladder, trapezoidal, no unit delay: the output and the new state.

    The states are those of the capacitors times a1 .. a4. The first capacitor is half size: it
    oscillates at sqrt(2) times the pole rate, at k = 17. slow is a low-pass of the output that
    keeps the feedback from the lowest octaves. What is fed back is limited, not the input: as loud
    a resonance, and a saw's step makes no new harmonics.
    """
    g1, g2, g3, g4, b1, b2, b3, b4 = by
    e3 = fma(g3, z4, z3)
    e2 = fma(g2, e3, z2)
    e1 = fma(g1, e2, z1)
    w4 = fma(g4, fma(g3, fma(g2, e1, e2), e3), z4)
    u = x + vtanh(fma(fma(k, slow - w4, x), loop, -x))
    v1 = fma(g1, u, e1)
    v2 = fma(g2, v1, e2)
    v3 = fma(g3, v2, e3)
    v4 = fma(g4, v3, z4)
    return (v4, fma(b1, v1, -z1), fma(b2, v2, -z2), fma(b3, v3, -z3), fma(b4, v4, -z4),
            fma(lag, v4 - slow, slow))


@rt
def ahead(s1, s2, s3, s4, slow, g, k, a1, a2, a3, a4, lag):
    """What `ladder_ahead` keeps for a setting: the stages' gains, those from the input (twice),
    how the next output hangs on the states; and slow less that output, now."""
    g1, g2, g3, g4 = (g + g) * a1, g * a2, g * a3, g * a4
    p1, p2 = g1, g1 * g2
    p3, p4 = p2 * g3, p2 * g3 * g4
    by3, by2 = g4 * g3, g4 * g3 * g2
    c1, m2 = by2 * a1, fma(by2, g1, by3)
    m3 = fma(m2, g2, g4)
    c2, c3, c4 = m2 * a2, m3 * a3, fma(m3, g3, splat_wide(f32(1))) * a4
    near = fma(c1, p1, c2 * p2) + fma(c3, p3, c4 * p4)
    rest = slow - (fma(c1, s1, c2 * s2) + fma(c3, s3, c4 * s4))
    return (g1, g2, g3, g4, p1 + p1, p2 + p2, p3 + p3, p4, c1, c2, c3, c4,
            fma(p4, lag, -near - near), rest)


@rt
def ladder_ahead(x, s1, s2, s3, s4, slow, rest, ready, k, a1, a2, a3, a4, loop, lag):
    """`ladder` by the shortest way from one sample to the next, at a few more operations.

    All stages come from the input at once, and so does rest, what is fed back into the next sample.
    """
    g1, g2, g3, g4, p1, p2, p3, p4, c1, c2, c3, c4, turn, _ = ready
    e4 = a4 * s4
    e3 = fma(g3, e4, a3 * s3)
    e2 = fma(g2, e3, a2 * s2)
    b1 = fma(g1, e2, a1 * s1)
    b2 = fma(g2, b1, e2)
    b3 = fma(g3, b2, e3)
    b4 = fma(g4, b3, e4)
    r1, r2, r3, r4 = (fma(f32(2), b1, -s1), fma(f32(2), b2, -s2), fma(f32(2), b3, -s3),
                      fma(f32(2), b4, -s4))
    later = fma(lag, b4 - slow, slow)
    u = x + vtanh(fma(k * loop, rest, fma(x, loop, -x)))
    rest = fma(turn, u, later - (fma(c1, r1, c2 * r2) + fma(c3, r3, c4 * r4)))
    return fma(p4, u, b4), fma(p1, u, r1), fma(p2, u, r2), fma(p3, u, r3), fma(
        p4 + p4, u, r4), fma(lag * p4, u, later), rest


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
def share(time_s, step_s):
    """What is left of an exponential after step_s."""
    return exp2(-LOG2E * step_s / time_s)


@rt
def ended(x):
    """An envelope in lanes, exactly 0 once it is below -120 dB."""
    return select(x < f32(1e-6), f32(0), x)


@rt
def accents(s, v, p, hit, force, step_s):
    """The accent capacitors of a group, one step on; returns the octaves they add to the cutoff."""
    drive = vmax(force * hit - f32(0.08), f32(0))           # less the diode
    charge = load_wide(s.keep_charge, v)
    up = charge < drive
    charge = quiet(fma(select(up, drive - charge, -charge),
                       select(up, splat_wide(step_s / CHARGE_S), step_s / DRAIN_S), charge))
    store(s.keep_charge, v, charge)
    return (drive * (f32(1) - p.resonance) + charge * p.resonance) * f32(2)


@rt
def envelopes(s, v, p, step_s):
    """Move a group on by one step; returns (filter envelope, octaves of accent, loudness)."""
    force, soft = load_wide(s.force, v) * p.accent, f32(1) - share(SOFT_S, step_s)
    accented = force > f32(1e-3)
    hit = load_wide(s.hit, v) * select(
        accented, splat_wide(share(ACCENT_S, step_s)), share(p.decay_s, step_s))
    hit = ended(hit)
    sweep = load_wide(s.sweep, v)
    sweep = ended(fma(hit - sweep, soft, sweep))
    shut = select(accented, splat_wide(share(f32(0.012), step_s)), share(f32(0.003), step_s))
    body = load_wide(s.body, v) * select(
        load_wide(s.gate, v) < f32(0.5), shut, share(BODY_S, step_s))
    body, rise = ended(body), load_wide(s.rise, v)
    rise = ended(fma(body - rise, soft, rise))
    store(s.hit, v, hit)
    store(s.sweep, v, sweep)
    store(s.body, v, body)
    store(s.rise, v, rise)
    loud = rise * load_wide(s.level, v) * (f32(0.55) + sweep * (f32(0.45) + f32(0.6) * force))
    return sweep, accents(s, v, p, sweep, force, step_s), loud


@rt
def waves(s, v, p, pitch_hz, dt, at, frame):
    """STEP frames of a lane of voices, from a frame on, into keep_work: saws, or differences of two
    (a pulse of 47 %), less what is below 44.5 Hz."""
    step = turns_a_frame(load(pitch_hz, v), dt)
    per, cut = f32(1) / step, TURN * f32(44.5) * dt
    turns, deep = load(s.keep_turns, v), load(s.keep_deep, v)
    for i in range(STEP):
        now = fma(step, f32(frame + i), turns)
        x = vsaw(now, per)
        if p.wave > f32(1e-4):
            x = x - p.wave * vsaw(now + f32(0.47), per)
        deep = fma(x - deep, cut, deep)
        store(s.keep_work, at + i * WIDE, x - deep)
    store(s.keep_deep, v, quiet(deep))


@rt
def turns_a_frame(hz, dt):
    return vmin(vmax(hz, f32(5)) * dt, f32(0.1))


@rt
def render(s, g, p, pitch_hz, out, dt):
    """Add 64 frames of a group of voices to out, frame by frame; dt is seconds a frame."""
    v = g * WIDE
    wide, below, k, make_up = knobs(p)
    lag, top_hz = TURN * f32(150.0) * dt, min(f32(18000), f32(0.2) / dt)
    slow, loud = load_wide(s.slow, v), load_wide(s.loud, v)
    s1, s2, s3, s4 = (load_wide(s.s1, v), load_wide(s.s2, v), load_wide(s.s3, v),
                      load_wide(s.s4, v))
    for block in range(0, 2 * QUANTUM, STEP):
        env, accent, aim = envelopes(s, v, p, dt * f32(STEP))
        hz = vexp2(fma(env - below, wide, accent)) * p.cutoff_hz
        hz = vmin(vmax(hz, f32(60)), top_hz)
        w = vtangent(hz * (f32(math.pi) * dt)) * f32(0.7071067811865476)
        a1, a2, a3, a4, loop, back = pivots(w, k)
        aim = aim * make_up
        climb = (aim - loud) * f32(1 / STEP)
        for j in range(0, WIDE, LANE):
            waves(s, v + j, p, pitch_hz, dt, v * STEP + j, block)
        if WIDE == NARROW:                  # few voices wait for each other: the shortest way
            ready = ahead(s1, s2, s3, s4, slow, w, k, a1, a2, a3, a4, lag)
            rest = ready[13]
            for i in range(STEP):
                x, loud = load_wide(s.keep_work, v * STEP + i * WIDE), loud + climb
                y, s1, s2, s3, s4, slow, rest = ladder_ahead(
                    x, s1, s2, s3, s4, slow, rest, ready, k, a1, a2, a3, a4, loop, lag)
                add_wide(out, (block + i) * WIDE, y * loud)
        else:
            by = scaled(w, a1, a2, a3, a4)
            s1, s2, s3, s4 = s1 * a1, s2 * a2, s3 * a3, s4 * a4
            for i in range(STEP):
                x, loud = load_wide(s.keep_work, v * STEP + i * WIDE), loud + climb
                y, s1, s2, s3, s4, slow = ladder(x, s1, s2, s3, s4, slow, by, k, loop, lag)
                add_wide(out, (block + i) * WIDE, y * loud)
            s1, s2, s3, s4 = s1 * back[3], s2 * back[2], s3 * back[1], s4 * back[0]
        loud = aim
    turns = turns_a_frame(load_wide(pitch_hz, v), dt) * f32(2 * QUANTUM)
    turns, error = vmove_on(load_wide(s.keep_turns, v), load_wide(s.keep_error, v), turns)
    store(s.keep_turns, v, turns)
    store(s.keep_error, v, error)
    store(s.s1, v, quiet(s1))
    store(s.s2, v, quiet(s2))
    store(s.s3, v, quiet(s3))
    store(s.s4, v, quiet(s4))
    store(s.slow, v, quiet(slow))
    store(s.loud, v, loud)


@rt
def finish(s, p, out, dt):
    """What the output stage does to the sum of all voices, (32,) in place: a high-pass at 24.2 Hz,
    an all-pass at 14 Hz, and a wide notch at 7.5 Hz."""
    sag, turn = TURN * f32(24.2) * dt, f32(math.pi) * dt
    ga, gn, wide = turn * f32(14.0), turn * f32(7.5), f32(4.9)      # of 4.7 octaves: 1 / Q
    over_a, over_n = f32(1) / (f32(1) + ga), f32(1) / (f32(1) + gn * (gn + wide))
    rest, ring = s.keep_sum[0], s.keep_sum[1]
    low, band = s.keep_sum[2], s.keep_sum[3]
    for i in range(QUANTUM):
        x = out[i]
        rest += sag * (x - rest)
        x -= rest
        way = (x - ring) * ga * over_a
        y = way + ring                                      # the low-pass of the all-pass
        ring = y + way
        x = f32(2) * y - x
        high = (x - low - (gn + wide) * band) * over_n
        middle = gn * high + band
        band = gn * high + middle
        low += f32(2) * gn * middle
        out[i] = x - wide * middle
    s.keep_sum[0], s.keep_sum[1] = flush(rest), flush(ring)
    s.keep_sum[2], s.keep_sum[3] = flush(low), flush(band)


TB303 = Voice("tb303", PARAMS, STATE, strike, release, render, "wide", oversample=2, finish=finish)
