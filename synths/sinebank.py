"""Sinebank: up to 640 sines a voice, each with its own pitch, level, decay: glass, bells, drones.

Partials lie side by side in lanes; over a quantum each runs as a staggered rotation (an add and a
product a sample) that starts anew from its exact phase, so nothing drifts and nothing grows. The
loudness stays as partials come and go. Thread: audio.
source   the magic circle (J. O. Smith, PASP, digital sinusoid generators); decays as of a string
"""
import numpy as np

from engine.kernels.tones import TOP, row_sums, vfaded, vfallen, vheard
from engine.kernels.waves import advance, fall_rate, vmove_on
from engine.lanes import (
    add,
    fma,
    largest,
    load,
    noise,
    ramp,
    splat,
    store,
    total,
    vexp2,
    vmax,
    vmin,
    vsine,
)
from engine.param import Param
from engine.rt import C1, C3, C5, C7, C9, LANE, QUANTUM, exp2, f32, rt, sqrt
from engine.voice import Voice, fields

PARAMS = (
    Param("partials", 1.0, 640.0, 32.0, "exp", 0.05),      # those below half the rate
    Param("stretch", 0.5, 1.25, 1.0, "lin", 0.05),         # partial n is n**stretch times the pitch
    Param("tilt_db", -18.0, 0.0, -6.0, "lin", 0.05),       # an octave
    Param("even", 0.0, 1.0, 1.0, "lin", 0.05),             # the share of the even partials
    Param("odd", 0.0, 1.0, 1.0, "lin", 0.05),              # of the odd ones above the first
    Param("morph", 0.0, 1.0, 0.0, "lin", 0.05),            # each above the first swings its own way
    Param("spread", 0.0, 0.1, 0.002, "lin", 0.05),         # decay over 1 + spread (n n - 1)
    Param("attack_s", 0.002, 8.0, 0.01, "exp", 0.05),
    Param("decay_s", 0.05, 120.0, 6.0, "exp", 0.05),       # -60 dB of the first
    Param("release_s", 0.02, 12.0, 0.6, "exp", 0.05),      # -60 dB of all, once let go
)
MOST, SPAN, PAIR = 640, f32(QUANTUM), 2 * LANE
NUMBER = np.arange(1, MOST + 1, dtype=np.float32)
OCTAVE = np.log2(np.arange(1, MOST + 1)).astype(np.float32)
SWING = (3 * (np.arange(MOST) * 0.6180339887 % 1)).astype(np.float32)
EVEN = (np.arange(MOST) % 2).astype(np.float32)
FIRST = (np.arange(MOST) == 0).astype(np.float32)
RMS = f32(0.17)                           # hundreds of sines are a bell curve: 1 is 5.9 of these
STATE = fields("rise", "level", "let_go", "used", "reach", "seed", "keep_count", env=MOST,
               loud=MOST, turns=MOST, error=MOST, step=MOST, aim=MOST, keep_sum=QUANTUM * LANE)


@rt
def strike(s, v, p, pitch_hz, level):
    """Every partial rises from where it is; a new note's start at chance phases, each strike's."""
    if s.rise[v] == f32(0):
        for k in range(0, MOST, LANE):
            chance = noise(s.seed[v], np.int64(s.keep_count[v]) + k)
            store(s.turns, v * MOST + k, fma(chance, f32(0.5), f32(0.5)))
        s.keep_count[v] = advance(s.keep_count[v], f32(MOST))
    s.level[v], s.rise[v], s.let_go[v] = level, f32(0), f32(0)


@rt
def release(s, v, p):
    """From here every partial falls in release_s, if that is sooner."""
    s.let_go[v] = f32(1)


@rt
def spectrum(s, v, p, count, hz, dt):
    """Turns a sample and level of `count` partials into step and aim; returns the gain they need.

    The gain brings the sum to one RMS, but never lifts it to more than the first partial alone.
    """
    power, tilt = splat(f32(0)), p.tilt_db * f32(0.16609640474436813)
    for k in range(0, count, LANE):
        octave, even = load(OCTAVE, k), load(EVEN, k)
        step = load(NUMBER, k) * vexp2(octave * (p.stretch - f32(1))) * (hz * dt)
        share = fma(even, p.even - p.odd, fma(load(FIRST, k), f32(1) - p.odd, p.odd))
        swing = vsine(fma(load(SWING, k), p.morph, f32(0.25)))
        loud = vexp2(octave * tilt) * vmin(vmax(p.partials - ramp(k), f32(0)), f32(1))
        loud = loud * share * fma(swing, f32(0.5), f32(0.5)) * vheard(step)
        store(s.step, v * MOST + k, step)
        store(s.aim, v * MOST + k, loud)
        power = fma(loud, loud, power)
    return RMS * sqrt(f32(2) / max(total(power), f32(1)))


@rt
def counted(p, hz, dt):
    """How many partials are wanted and below the top, in whole pairs of lanes."""
    heard = exp2(np.log2(TOP / (max(hz, f32(1)) * dt)) / p.stretch)
    return min((int(min(p.partials, heard)) + PAIR) & -PAIR, MOST)


@rt
def grow(s, v, p, count):
    """Partials that come in while a note sounds are where their decay would have taken them."""
    first, reach = s.env[v * MOST], int(s.reach[v])
    fallen = np.log2(max(first, f32(1e-30)))
    for k in range(reach, count, LANE):
        n = load(NUMBER, k)
        env = vexp2(fma(fma(n, n, f32(-1)), p.spread * fallen, fallen))
        store(s.env, v * MOST + k, vfaded(env) if s.rise[v] == f32(1) else splat(first))
    s.reach[v] = f32(max(reach, count))


@rt
def envelopes(s, v, p, dt):
    """Move all partials on by a quantum: up to 1 in attack_s, then down, the higher the faster."""
    reach = int(s.reach[v])
    was, free, rate = s.rise[v], s.let_go[v] > f32(0), fall_rate(p.decay_s, dt) * SPAN
    s.rise[v] = f32(1) if free else min(was + dt * SPAN / p.attack_s, f32(1))
    if was < f32(1) and not free:
        up = (s.rise[v] - was) / (f32(1) - was)
        for at in range(v * MOST, v * MOST + reach, LANE):
            env = load(s.env, at)
            store(s.env, at, fma(f32(1) - env, up, env))
    else:
        least = fall_rate(p.release_s, dt) * SPAN if free else f32(0)
        for k in range(0, reach, LANE):
            n, at = load(NUMBER, k), v * MOST + k
            rates = vmin(fma(fma(n, n, f32(-1)), p.spread * rate, rate), least)
            store(s.env, at, vfaded(vfallen(load(s.env, at), rates)))


@rt
def sine_inside(turns):
    """sin(2 pi turns) for 0 <= turns <= 1/4 in lanes, to the last bits also near 0."""
    u = turns * turns
    return turns * fma(u, fma(u, fma(u, fma(u, C9, C7), C5), C3), C1)


@rt
def start(s, at):
    """A group's rotation: height, its rise to the next sample, and what bends that each sample."""
    turns, half = load(s.turns, at), vmin(load(s.step, at) * f32(0.5), f32(0.24))
    slim = sine_inside(half) * f32(2)                       # kept off half the rate, where it grows
    return vsine(turns), vsine(turns + half + f32(0.25)) * slim, slim * slim


@rt
def turn(s, at, to):
    """Add one quantum of 32 partials to the 16 sums a sample, their levels on straight lines."""
    y, rise, bend = start(s, at)
    z, lift, curl = start(s, at + LANE)
    loud, soft = load(s.loud, at), load(s.loud, at + LANE)
    climb = (load(s.aim, at) - loud) * f32(1 / QUANTUM)
    slope = (load(s.aim, at + LANE) - soft) * f32(1 / QUANTUM)
    for i in range(to, to + QUANTUM * LANE, LANE):
        store(s.keep_sum, i, fma(y, loud, fma(z, soft, load(s.keep_sum, i))))
        y, z = y + rise, z + lift
        rise, lift = fma(-bend, y, rise), fma(-curl, z, lift)
        loud, soft = loud + climb, soft + slope


@rt
def move(s, at):
    turns, error = vmove_on(load(s.turns, at), load(s.error, at), load(s.step, at) * SPAN)
    store(s.turns, at, turns)
    store(s.error, at, error)
    store(s.loud, at, load(s.aim, at))


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    wanted, w = counted(p, pitch_hz, dt), v * QUANTUM * LANE
    count = max(wanted, int(s.used[v]))
    s.used[v] = f32(wanted)
    grow(s, v, p, count)
    gain = spectrum(s, v, p, count, pitch_hz, dt) * s.level[v]
    envelopes(s, v, p, dt)
    for i in range(w, w + QUANTUM * LANE, LANE):
        store(s.keep_sum, i, f32(0))
    for at in range(v * MOST, v * MOST + count, PAIR):
        one, two = load(s.aim, at) * load(s.env, at), load(s.aim, at + LANE)
        one, two = one * gain, two * load(s.env, at + LANE) * gain
        store(s.aim, at, one)
        store(s.aim, at + LANE, two)
        if largest(one + two + load(s.loud, at) + load(s.loud, at + LANE)) > f32(0):
            turn(s, at, w)
        move(s, at)
        move(s, at + LANE)
    for i in range(0, QUANTUM, LANE):
        add(out, i, row_sums(s.keep_sum, w + i * LANE))


SINEBANK = Voice("sinebank", PARAMS, STATE, strike, release, render)
