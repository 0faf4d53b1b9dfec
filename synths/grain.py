"""Grain: a cloud of short grains of one slowly changing sound, all at the note's pitch.

A grain is a Hann window over one wave of a table of sixteen: `position` says which, `spread` how
far grains stray from it. All grains read at one phase, so the pitch is exact and overlapping grains
add up to a steady tone whose colour shimmers; few of them are heard one by one. The sum is computed
as sixteen weights, one a wave: many grains cost what one costs. Thread: audio.
source   Roads, Microsound (2001): synchronous grains; the table is our own
"""
import numpy as np

from engine.kernels.lines import lagrange
from engine.kernels.waves import advance, faded, fall_rate, move_on
from engine.lanes import (
    add,
    fma,
    load,
    noise,
    ramp,
    select,
    splat,
    store,
    turned,
    vabs,
    vfloor,
    vmax,
    vmin,
    vsine,
)
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("density_hz", 2.0, 200.0, 40.0, "exp", 0.05),    # grains a second
    Param("size_ms", 10.0, 250.0, 90.0, "exp", 0.0),       # a grain's whole length
    Param("position", 0.0, 1.0, 0.3, "lin", 0.02),         # in the table: dark and hollow to bright
    Param("spread", 0.0, 1.0, 0.35, "lin", 0.02),          # how far grains stray from it
    Param("attack_s", 0.001, 4.0, 0.08, "exp", 0.0),       # of the cloud, to full
    Param("release_s", 0.02, 8.0, 0.6, "exp", 0.02),       # -60 dB once let go
)
GRAINS, WAVES, POINTS, LEVELS = 64, LANE, 512, 7
ROWS = POINTS + 3                         # a wave with its neighbours' ends, 16 waves side by side
MIX = 2 * LANE * LANE                     # sixteen samples of the waves, a row each, then a column
READ = 5 * LANE                           # sixteen points to read at, and the weights around them
STATE = fields("gate", "level", "rise", "env", "clock", "next", "turns", "slip", "mip", "seed",
               "keep_count", age=GRAINS, pace=GRAINS, where=GRAINS, gain=GRAINS, heard=GRAINS,
               now=WAVES, mix=MIX, read=READ)
SPAN, CALM_S = f32(QUANTUM), f32(0.2)     # a softer note struck into the cloud: 60 dB in this


def made_table():
    """(LEVELS, ROWS, WAVES) float32: sixteen waves, each level with half as many partials.

    Partial h: h^-1.5 to 1/h, lifted around a formant that climbs from the 2nd to the 30th, even
    ones weaker in the first waves. All waves have the same phases, so neighbours blend; peak 0.9.
    On a grid of 2^-20, so that the same floats come from any sine.
    """
    k, h = np.arange(WAVES) / (WAVES - 1), np.arange(1, 65)
    centre = 2 * 15 ** k[:, None]
    lift = 1 + 5 * np.exp(-0.5 * (np.log2(h / centre) / 0.45) ** 2)
    hollow = np.where(h % 2 == 0, 0.4 + 0.6 * k[:, None], 1)
    strength = lift * hollow / h ** (1.5 - 0.5 * k[:, None])
    turns = np.arange(-1, ROWS - 1)[:, None] * h / POINTS + 0.38 * (h - 1) ** 2 % 1
    partials = np.sin(2 * np.pi * turns)
    waves = np.stack([partials[:, :64 >> n] @ strength.T[:64 >> n] for n in range(LEVELS)])
    waves *= 0.9 * 2 ** 20 / np.abs(waves).max((0, 1))
    return (np.rint(waves) / 2 ** 20).astype(np.float32)


TABLE = made_table().ravel()


@rt
def strike(s, v, p, pitch_hz, level):
    """The first grain starts with the note."""
    s.level[v], s.gate[v], s.rise[v], s.clock[v] = level, f32(1), f32(0), f32(1)


@rt
def release(s, v, p):
    """The cloud fades; grains go on meanwhile."""
    s.gate[v] = f32(0)


@rt
def envelope(s, v, p, dt):
    """What the quantum ends at: a straight rise to the level, or a fall of 60 dB in release_s."""
    if s.gate[v] > f32(0):
        s.rise[v] = min(s.rise[v] + dt * SPAN / p.attack_s, f32(1))
        calmer = s.env[v] * exp2(fall_rate(CALM_S, dt) * SPAN)
        s.env[v] = max(calmer, s.level[v] * s.rise[v])
    else:
        s.env[v] = faded(s.env[v] * exp2(fall_rate(p.release_s, dt) * SPAN))
    return s.env[v]


@rt
def breed(s, v, p, dt):
    """All grains a quantum older, and one more where it is due, at its moment between samples."""
    for i in range(v * GRAINS, v * GRAINS + GRAINS, LANE):
        store(s.age, i, vmin(load(s.age, i) + SPAN, f32(1e6)))
    step = p.density_hz * dt
    s.clock[v] += step * SPAN
    if s.clock[v] >= f32(1):
        s.clock[v] = min(s.clock[v] - f32(1), step * SPAN)
        at = v * GRAINS + int(s.next[v])
        s.next[v] = s.next[v] + f32(1) if s.next[v] < f32(GRAINS - 1) else f32(0)
        store(s.mix, v * MIX, noise(s.seed[v], np.int64(s.keep_count[v])))
        s.keep_count[v] = advance(s.keep_count[v], f32(1))
        where = p.position + f32(0.5) * p.spread * s.mix[v * MIX]
        s.where[at] = f32(WAVES - 1) * min(max(where, f32(0)), f32(1))
        s.age[at], s.pace[at] = s.clock[v] / step, f32(1000) * dt / p.size_ms
        s.gain[at] = min(f32(2000) / (p.density_hz * p.size_ms), f32(1))


@rt
def weigh(s, v, env):
    """The weight of each wave at the quantum's end: every grain's window there, to two waves."""
    first, waves = v * GRAINS, splat(f32(0))
    for i in range(first, first + GRAINS, LANE):
        t = load(s.age, i) * load(s.pace, i)
        window = vsine(vmin(t, f32(1)) * f32(0.5))
        store(s.heard, i, select(t < f32(1), window * window * load(s.gain, i), f32(0)))
    for g in range(first, first + GRAINS):
        if s.heard[g] > f32(0):
            near = vmax(f32(1) - vabs(ramp(0) - s.where[g]), f32(0))
            waves = fma(near, splat(s.heard[g] * env), waves)
    return waves


@rt
def sound(s, v, mip, step, start, more, out):
    """Add 32 samples of the waves at one level; start: their weights, more: what these grow by."""
    mix, table, read = v * MIX, mip * ROWS * WAVES, v * READ
    for half in range(0, QUANTUM, LANE):
        x = fma(ramp(half), step, s.turns[v])
        x = (x - vfloor(x)) * f32(POINTS)
        point = vfloor(x)
        w0, w1, w2, w3 = lagrange(x - point)
        store(s.read, read, point)
        store(s.read, read + LANE, w0)
        store(s.read, read + 2 * LANE, w1)
        store(s.read, read + 3 * LANE, w2)
        store(s.read, read + 4 * LANE, w3)
        for i in range(read, read + LANE):
            at = table + int(s.read[i]) * WAVES
            y = load(TABLE, at) * splat(s.read[i + LANE])
            y = fma(load(TABLE, at + WAVES), splat(s.read[i + 2 * LANE]), y)
            y = fma(load(TABLE, at + 2 * WAVES), splat(s.read[i + 3 * LANE]), y)
            y = fma(load(TABLE, at + 3 * WAVES), splat(s.read[i + 4 * LANE]), y)
            late = f32(half + i - read) * f32(1 / QUANTUM)
            store(s.mix, mix + (i - read) * LANE, y * fma(more, splat(late), start))
        turned(s.mix, mix, LANE, s.mix, mix + LANE * LANE, LANE)
        y = splat(f32(0))
        for k in range(WAVES):
            y = y + load(s.mix, mix + (LANE + k) * LANE)
        add(out, half, y)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    breed(s, v, p, dt)
    now, end = load(s.now, v * WAVES), weigh(s, v, envelope(s, v, p, dt))
    step = min(pitch_hz * dt, f32(0.46))
    mip = 0
    while mip < LEVELS - 1 and f32(64 >> mip) * step > f32(0.46):
        mip += 1
    before = int(s.mip[v]) - 1
    if before >= 0 and before != mip:                       # from one level over to the other
        sound(s, v, before, step, now, -now, out)
        sound(s, v, mip, step, splat(f32(0)), end, out)
    else:
        sound(s, v, mip, step, now, end - now, out)
    s.mip[v] = f32(mip + 1)
    store(s.now, v * WAVES, end)
    s.turns[v], s.slip[v] = move_on(s.turns[v], s.slip[v], step * SPAN)


GRAIN = Voice("grain", PARAMS, STATE, strike, release, render)
