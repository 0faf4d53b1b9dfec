"""Reverb: sixteen delay lines in a lossless loop, each damped so that the decay times are exact.

Stereo in and out, all wet; low frequencies are kept out, so the bass stays in the middle.
Thread: audio.
source   Jot 1991; J. O. Smith, PASP (feedback delay networks); one pole a line, exact at both ends
"""
import numpy as np

from engine.lanes import (
    fma,
    load,
    ramp,
    shift1,
    shift2,
    shift4,
    shift8,
    splat,
    store,
    vexp2,
    vmax,
    vmin,
    vsine,
)
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, floor, flush, rt, wrap
from engine.voice import Effect, fields
from engine.waves import fall_rate, quiet

PARAMS = (
    Param("decay_s", 0.2, 12.0, 2.2, "exp", 0.1),          # -60 dB at low frequencies
    Param("high_s", 0.1, 12.0, 0.9, "exp", 0.1),           # -60 dB at the highest
    Param("size", 0.5, 2.0, 1.0, "exp", 0.1),
    Param("predelay_s", 0.0, 0.2, 0.012, "lin", 0.0),
    Param("motion", 0.0, 1.0, 0.4, "lin", 0.1),            # wandering of the lines, up to 6 samples
    Param("low_hz", 10.0, 1000.0, 190.0, "exp", 0.05),
)
LINES, RING, GUARD = 16, 8192, 64
# samples at 48 kHz: primes, nearly geometric; a second's decay needs about 0.15 of a second of line
LENGTHS = np.array((887, 977, 1069, 1171, 1283, 1409, 1543, 1693, 1861, 2039, 2237, 2447, 2687,
                    2939, 3229, 3541), np.float32)
SPREAD_L = np.array((229, 173, 612, 447), np.int64)
SPREAD_R = np.array((241, 181, 601, 457), np.int64)
OUT_L = np.array((1, 0, 1, 0, 1, 0, -1, 0, 1, 0, -1, 0, -1, 0, 1, 0), np.float32) * np.float32(0.35)
OUT_R = np.array((0, 1, 0, -1, 0, 1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1), np.float32) * np.float32(0.35)
FIRST = np.array([1] + [0] * 15, np.float32)
STRIDE = RING + GUARD
STATE = fields("place", "turns", "deep_l", "deep_r", "deeper_l", "deeper_r",
               length=LINES, last=LINES, aim=LINES, pole=LINES, gain=LINES, mix=LINES * QUANTUM,
               feed=2 * QUANTUM, before=2 * STRIDE, spread=8 * STRIDE, line=LINES * STRIDE)
SPAN, SLOW = f32(QUANTUM), f32(0.5)       # a line's length moves at most half a sample a quantum


@rt
def enter(s, p, left, right, dt):
    """High-passed input into feed through the predelay; nothing that is not a number comes in."""
    place, cut = int(s.place[0]), f32(1) - exp2(f32(-9.0647) * dt * p.low_hz)
    dl, dr, el, er = s.deep_l[0], s.deep_r[0], s.deeper_l[0], s.deeper_r[0]
    for i in range(QUANTUM):
        x, y = flush(left[i]), flush(right[i])
        dl += cut * (x - dl)
        dr += cut * (y - dr)
        x, y = x - dl, y - dr
        el += cut * (x - el)
        er += cut * (y - er)
        s.before[place + i], s.before[STRIDE + place + i] = x - el, y - er
    s.deep_l[0], s.deep_r[0] = flush(dl), flush(dr)
    s.deeper_l[0], s.deeper_r[0] = flush(el), flush(er)
    late = min(int(p.predelay_s / dt), RING - 2 * QUANTUM)
    for i in range(QUANTUM):
        at = (place + i - late) & (RING - 1)
        s.feed[i], s.feed[QUANTUM + i] = s.before[at], s.before[STRIDE + at]


@rt
def diffuse(s, at, lengths, first, place):
    """Four all-passes in a row over feed[at:]: they smear a click before the loop repeats it."""
    for n in range(4):
        o = (first + n) * STRIDE
        back = (place - lengths[n]) & (RING - 1)
        for i in range(0, QUANTUM, LANE):
            old = load(s.spread, o + back + i)
            x = quiet(load(s.feed, at + i) - old * f32(0.6))
            store(s.spread, o + place + i, x)
            if place < GUARD:
                store(s.spread, o + RING + place + i, x)
            store(s.feed, at + i, fma(x, splat(f32(0.6)), old))


@rt
def lengths(s, p, dt):
    """Each line's length now and at the quantum's end, and its damping: gain and pole."""
    scale, drift = p.size / (dt * f32(48000)), f32(6) * p.motion
    n = ramp(0)
    rate = fma(n, splat(f32(0.07)), splat(f32(1)))          # fma: the same bits on any processor
    wander = vsine(fma(rate, splat(s.turns[0]), n * f32(0.618034))) * drift
    aim = fma(load(LENGTHS, 0), splat(scale), wander)
    aim = vmin(aim, splat(f32(RING - 3 * QUANTUM)))
    old = load(s.length, 0)
    if s.length[0] == f32(0):
        old = aim
    aim = vmax(vmin(aim, old + SLOW), old - SLOW)
    low = vexp2(aim * fall_rate(p.decay_s, dt))
    high = vexp2(aim * fall_rate(min(p.high_s, p.decay_s), dt))
    pole = (low - high) / (low + high)
    store(s.length, 0, old)
    store(s.aim, 0, aim)
    store(s.pole, 0, pole)
    store(s.gain, 0, low * (f32(1) - pole))
    s.turns[0] = f32(100) * wrap((s.turns[0] + f32(0.6) * dt * SPAN) * f32(0.01))  # whole for all


@rt
def read(s, n, place):
    """One line's quantum, read at its moving length by cubic Lagrange, then damped, into mix."""
    move = (s.aim[n] - s.length[n]) * f32(1 / QUANTUM)
    whole = int(floor((s.aim[n] + s.length[n]) * f32(0.5)))
    rest = s.length[n] - f32(whole)
    o = n * STRIDE + ((place - whole - 2) & (RING - 1))
    a, gain, y = s.pole[n], s.gain[n], s.last[n]
    a2, a4, a8 = a * a, a * a * a * a, a * a * a * a * a * a * a * a
    for i in range(0, QUANTUM, LANE):
        x = ramp(i) * move + rest                           # around 0 to 1
        b, c, d = x + f32(1), x - f32(1), x - f32(2)
        v = load(s.line, o + i) * (b * x * c) * f32(1 / 6)
        v = fma(load(s.line, o + i + 1) * f32(-0.5), b * x * d, v)
        v = fma(load(s.line, o + i + 2) * f32(0.5), b * c * d, v)
        v = fma(load(s.line, o + i + 3) * f32(-1 / 6), x * c * d, v)
        v = fma(load(FIRST, 0), splat(a * y), v * gain)     # the one pole as a prefix sum
        v = fma(shift1(v), splat(a), v)
        v = fma(shift2(v), splat(a2), v)
        v = fma(shift4(v), splat(a4), v)
        v = quiet(fma(shift8(v), splat(a8), v))
        store(s.mix, n * QUANTUM + i, v)
        y = s.mix[n * QUANTUM + i + LANE - 1]
    s.last[n] = y


@rt
def scatter(s, left, right, place):
    """Out to left and right, through a Hadamard matrix, and into the lines with the input."""
    for i in range(0, QUANTUM, LANE):
        x, y = splat(f32(0)), splat(f32(0))
        for n in range(LINES):
            v = load(s.mix, n * QUANTUM + i)
            x, y = fma(v, splat(OUT_L[n]), x), fma(v, splat(OUT_R[n]), y)
        store(left, i, x)
        store(right, i, y)
    for level in range(4):
        h = 1 << level
        for n in range(LINES):
            if n & h == 0:
                for i in range(0, QUANTUM, LANE):
                    u, v = load(s.mix, n * QUANTUM + i), load(s.mix, (n + h) * QUANTUM + i)
                    store(s.mix, n * QUANTUM + i, u + v)
                    store(s.mix, (n + h) * QUANTUM + i, u - v)
    for n in range(LINES):
        sign = f32(0.5) if n & 2 == 0 else f32(-0.5)
        for i in range(0, QUANTUM, LANE):
            u = load(s.feed, (n & 1) * QUANTUM + i)
            v = quiet(fma(u, splat(sign), load(s.mix, n * QUANTUM + i) * f32(0.25)))
            store(s.line, n * STRIDE + place + i, v)
            if place < GUARD:
                store(s.line, n * STRIDE + RING + place + i, v)


@rt
def render(s, p, left, right, key, dt):
    """Write a quantum of reverberation over left and right."""
    place = int(s.place[0])
    enter(s, p, left, right, dt)
    diffuse(s, 0, SPREAD_L, 0, place)
    diffuse(s, QUANTUM, SPREAD_R, 4, place)
    lengths(s, p, dt)
    for n in range(LINES):
        read(s, n, place)
        s.length[n] = s.aim[n]
    scatter(s, left, right, place)
    s.place[0] = f32((place + QUANTUM) & (RING - 1))


REVERB = Effect("reverb", PARAMS, STATE, render)
