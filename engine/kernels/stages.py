"""What moves six-operator FM: envelopes of rates and levels, keyboard scaling, the low oscillator.
Thread: audio.

Parameters lie in `rows`, six of a kind, in the DX7's units. Levels are counted in octaves of
amplitude: 15 is an operator at 99, which bends by two turns.
source   the units as published for Plaits (MIT) and in the wiki of msfa (Apache)
"""
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from engine.kernels.operators import ENV, GAIN, OPERATORS, SLOPE, STAGE, STEP, WAIT
from engine.lanes import (
    fma,
    largest,
    load,
    load_row,
    noise,
    select,
    splat,
    store,
    vabs,
    vexp2,
    vfloor,
    vmax,
    vmin,
    vsine,
)
from engine.rt import QUANTUM, data_of, exp2, f32, rt

# kinds of parameters, six rows of each; then what is worked out of them once a quantum
(RATE, _, _, _, LEVEL, _, _, _, OUTPUT, RATIO, FIXED, DETUNE, BREAK, LEFT, RIGHT, LEFT_CURVE,
 RIGHT_CURVE, RATE_SCALING, TREMOLO, VELOCITY, OWN) = range(0, 21 * OPERATORS, OPERATORS)
FOUND = 144
SPEED_OF, LEVEL_OF, OUTPUT_OF, TURN_OF = FOUND, FOUND + 24, FOUND + 48, FOUND + 54
ROWS = FOUND + 80                         # floats of a group of voices
STRONGEST = f32(14)                       # the octave whose operator bends by one turn
FULL, LOWEST = f32(16.625), f32(0.0625)   # what brings 99 and 99 to 15; where an envelope ends
JUMP, CEILING = f32(6.703), f32(16.5)     # attacks start here and head for there
PLATEAU, PAUSE = f32(1 / 0.6), f32(1 / 12)   # octaves that a level held for a stage counts as
OCTAVES_PER_S = f32(49096 / 2 ** 20)      # of rate 0: one of 256 steps in 4096 samples


@intrinsic
def spilled(tc, table, out, at):
    """out[at + k] = table[k] for every number of a table of parameters."""
    def gen(cg, b, s, a):
        data = data_of(cg, b, s.args[1], a[1])
        for k in range(len(s.args[0])):
            place = b.gep(data, [b.add(a[2], ir.Constant(ir.IntType(64), k))])
            b.store(b.extract_value(a[0], k), place, align=4)
        return cgutils.get_null_value(ir.IntType(64))

    return types.int64(table, out, types.int64), gen


@rt
def vscale(level):
    """A level 0..99 in steps of 0.7526 dB, bent below 20."""
    bent = select(level < f32(15), level * (f32(36) - level) * f32(1 / 8), level + f32(27))
    return select(level < f32(20), bent, level + f32(28))


@rt
def prepare(rows, r):
    """What the operators' rows mean, the same for all voices: rates, octaves, ratios or Hz."""
    for i in (0, 8):
        store(rows, r + SPEED_OF + i, vfloor(load_row(rows, r + RATE + i) * f32(41 / 64)))
    for i in (0, 8):
        octaves = vscale(load_row(rows, r + LEVEL + i)) * f32(126 / 127 / 8)
        store(rows, r + LEVEL_OF + i, octaves)
    fixed = load_row(rows, r + FIXED)
    hz = select(fixed > f32(0), fixed, load_row(rows, r + RATIO))
    turn = hz * vexp2(load_row(rows, r + DETUNE) * f32(1 / 1200))
    store(rows, r + OUTPUT_OF, vscale(load_row(rows, r + OUTPUT)))
    store(rows, r + TURN_OF, turn)


@rt
def curved(groups, bend):
    """Keyboard scaling over groups of three keys: a line (bend 0) or doubling each octave (1)."""
    steep = select(groups < f32(8), groups,
                   f32(2.0625) * vexp2(vmin(groups, f32(23)) * f32(0.25)))
    steep = (steep + f32(16) * vmax(groups - f32(23), f32(0))) * f32(1 / 8)
    return (groups + (steep - groups) * bend) * f32(329 / 4096)


@rt
def output(rows, k, note, force, bright):
    """The octaves over an envelope: output level, key and strike; rows[k] is the operator's."""
    steps = rows[k + OUTPUT_OF] + bright
    steps = splat(steps) + (force - f32(0.918)) * (f32(16) * rows[k + VELOCITY])
    left, right = rows[k + LEFT], rows[k + RIGHT]
    if left != f32(0) or right != f32(0):
        keys = note - (rows[k + BREAK] - f32(4))            # the first group starts there
        above = curved(vmax(keys - f32(1), f32(0)) * f32(1 / 3), rows[k + RIGHT_CURVE])
        below = curved(vmax(-keys - f32(1), f32(0)) * f32(1 / 3), rows[k + LEFT_CURVE])
        steps = steps + above * right + below * left
    return vmin(vmax(steps, f32(0)), f32(127)) * f32(1 / 8) - FULL


@rt
def of_stage(stage, rows, k, last):
    """One of four rows by stage; the last one is given."""
    early = select(stage < f32(0.5), rows[k], rows[k + OPERATORS])
    late = select(stage < f32(2.5), splat(rows[k + 2 * OPERATORS]), last)
    return select(stage < f32(1.5), early, late)


@rt
def walk(ops, at, rows, k, rest, out, quick, left, octaves):
    """Envelopes through one stage at most; returns the share of the quantum that is left where
    the next one begins, else 0.

    Down is a line in dB, up is exponential towards the ceiling, and a stage that holds a level
    waits. octaves: what rate 0 does in a whole quantum.
    """
    env, stage, wait = load(ops, at + ENV), load(ops, at + STAGE), load(ops, at + WAIT)
    last = splat(rows[k + SPEED_OF + 3 * OPERATORS])
    rate = vmin(of_stage(stage, rows, k + SPEED_OF, last) + quick, f32(63)) * f32(0.25)
    whole = vfloor(rate)
    move = vexp2(whole) * (f32(1) + rate - whole) * octaves * left
    bottom = LOWEST - out
    aim = vmax(of_stage(stage, rows, k + LEVEL_OF, rest), bottom)
    base = vmax(env, JUMP - out)
    m = vmin(move, f32(3.4))                                # 1 - exp(-m), to a part in a thousand
    rise = (CEILING - out - base) * m / (f32(1) + m * (f32(0.5) + m * f32(1 / 12)))
    upward, waits = aim > env, wait > f32(0)
    way = select(waits, wait, select(upward, vmax(aim - base, f32(0)), env - aim))
    go = select(waits, move, select(upward, rise, move))
    env = select(upward, vmin(base + rise, aim), vmax(env - move, aim))
    then = select(way > go, stage, select(stage < f32(1.5), stage + f32(1), stage))
    after = vmax(of_stage(then, rows, k + LEVEL_OF, rest), bottom)
    flat = select(vabs(after - env) < LOWEST, PLATEAU, splat(f32(0)))
    wait = select(way > go, vmax(wait - move, f32(0)), select(then > stage, flat, f32(0)))
    store(ops, at + ENV, env)
    store(ops, at + STAGE, then)
    store(ops, at + WAIT, wait)
    unused = left * (f32(1) - vmin(way / vmax(go, f32(1e-9)), f32(1)))
    return select(then > stage, unused, f32(0))


@rt
def begin(ops, at, rows, k, out, fresh, struck):
    """A struck envelope starts in its first stage, at its last level unless it still sounds."""
    bottom = LOWEST - out
    env = select(fresh > f32(0), vmax(splat(rows[k + LEVEL_OF + 3 * OPERATORS]), bottom),
                 load(ops, at + ENV))
    first = vmax(splat(rows[k + LEVEL_OF]), bottom)
    flat = select(env - bottom < LOWEST, PAUSE, splat(PLATEAU))
    flat = select(vabs(first - env) < LOWEST, flat, f32(0))
    store(ops, at + ENV, env)
    store(ops, at + WAIT, select(struck > f32(0), flat, load(ops, at + WAIT)))


@rt
def strength(ops, at, out, dim):
    """The amplitude in turns of an envelope; dim 0..1 takes it away, softly first."""
    total = load(ops, at + ENV) + out
    loss = (vexp2(dim * f32(6.4) - f32(6.4)) - f32(0.011841537)) * f32(1.0119834)
    floor = f32(0.5 ** 13.9375)
    return vmax(vexp2(total - total * loss - STRONGEST) - floor, f32(0))


@rt
def near(step, base):
    """The bend in turns up to which a sideband over 0.47 of the rate stays under -40 dB.

    room + 1 sidebands fit; a fit of where the Bessel function of the next one is 0.01
    """
    room = vmax((f32(0.47) - base) / vmax(step, f32(1e-7)) - f32(1), f32(0))
    few, many = f32(0.15) * room * room, f32(0.78) * room - f32(0.97)
    return select(room < f32(2.6), few, many) * f32(0.15915494309189535)


@rt
def cube_root(x):
    """The cube root of a float32 0..1."""
    return f32(0) if x <= f32(0) else exp2(np.log2(x) * f32(1 / 3))


@rt
def operator(ops, at, rows, k, carries, alive, note, force, hz, dt, dim, bright, time_s, new):
    """One operator's quantum: envelope, gain and step; whether any voice hears it.

    carries  heard itself;  new  (1 if any voice was struck, those born, those struck)
    """
    octaves = OCTAVES_PER_S * time_s
    high = output(rows, k, note, force, f32(0) if carries else bright)
    rest = splat(f32(0) if carries else rows[k + LEVEL_OF + 3 * OPERATORS])
    keys = vmin(vmax(vfloor(note * f32(1 / 3)) - f32(7), f32(0)), f32(31))
    quick = vfloor(keys * (rows[k + RATE_SCALING] * f32(1 / 8)))
    if new[0] > f32(0):
        begin(ops, at, rows, k, high, new[1], new[2])
    left = walk(ops, at, rows, k, rest, high, quick, splat(f32(1)), octaves)
    if largest(left) > f32(0):
        walk(ops, at, rows, k, rest, high, quick, left, octaves)
    gain = select(alive > f32(0), strength(ops, at, high, dim * rows[k + TREMOLO]), f32(0))
    turn = rows[k + TURN_OF]
    step = vmin((splat(f32(1)) if rows[k + FIXED] > f32(0) else hz) * (turn * dt), f32(0.5))
    if carries:
        gain = gain * vmin((f32(0.5) - step) * f32(50), f32(1))
    else:
        gain = vmin(gain, near(step, hz * dt))
    before = load(ops, at + GAIN)
    store(ops, at + STEP, step)
    store(ops, at + SLOPE, (gain - before) * (f32(1) / QUANTUM))
    return largest(vmax(gain, before)) > f32(0)


@rt
def lfo(turn, wave, chance):
    """The low oscillator, 0..1."""
    if wave < f32(0.5):
        return vabs(f32(1) - f32(2) * turn)
    if wave < f32(1.5):
        return f32(1) - turn
    if wave < f32(2.5):
        return turn
    if wave < f32(3.5):
        return select(turn < f32(0.5), splat(f32(0)), splat(f32(1)))
    if wave < f32(4.5):
        return fma(vsine(turn), f32(-0.5), f32(0.5))
    return chance


@rt
def wobble(turns, chances, count, seed, age, v, p, time_s):
    """(-1..1 for the pitch, 0..1 for what tremolo takes), after the delay of each note."""
    turn, chance = load(turns, v) + p.lfo_hz * time_s, load(chances, v)
    around = vfloor(turn)
    chance = select(around > f32(0), noise(seed, np.int64(count)) * f32(0.5) + f32(0.5), chance)
    turn = turn - around
    store(turns, v, turn)
    store(chances, v, chance)
    since = load(age, v)
    store(age, v, vmin(since + time_s, f32(1000)))
    share = (since - p.lfo_delay_s) / max(p.lfo_fade_s, f32(1e-3))
    share = vmin(vmax(share, f32(0)), f32(1))
    value = lfo(turn, p.lfo_wave, chance)
    return (value + value - f32(1)) * share, (f32(1) - value) * share


@rt
def octaves_per_s(rate):
    """How fast the pitch's envelope moves. source: a fit published for Plaits (MIT)"""
    r = rate * f32(0.01)
    return (f32(1) + f32(192) * r * (r * r * r * r + f32(0.3333))) * f32(1 / 21.3)


@rt
def by_stage(stage, a, b, c, d):
    return select(stage < f32(1.5), select(stage < f32(0.5), splat(a), splat(b)),
                  select(stage < f32(2.5), splat(c), splat(d)))


@rt
def slide(pitch, stages, v, p, time_s):
    """The pitch's envelope, octaves."""
    now, stage = load(pitch, v), load(stages, v)
    aim = by_stage(stage, p.pitch_level1_st, p.pitch_level2_st, p.pitch_level3_st,
                   p.pitch_level4_st) * f32(1 / 12)
    move = by_stage(stage, octaves_per_s(p.pitch_rate1), octaves_per_s(p.pitch_rate2),
                    octaves_per_s(p.pitch_rate3), octaves_per_s(p.pitch_rate4)) * time_s
    then = vmin(vmax(aim, now - move), now + move)
    store(pitch, v, then)
    there = select(stage < f32(1.5), stage + f32(1), stage)
    store(stages, v, select(vabs(aim - then) > f32(1e-6), stage, there))
    return then
