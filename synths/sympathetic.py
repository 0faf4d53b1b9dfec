"""Sympathetic: twelve strings nobody plays, that ring with what comes in and where it is in tune.

Loops of `engine.kernels.tuned`, side by side in the stereo picture; added to what comes in, or
alone. Whatever comes in, what rings stays within 1; up to a half it is not bent. Thread: audio.
source   J. O. Smith, PASP (sympathetic strings); here no string drives another
"""
import math

import numpy as np

from engine.kernels.tuned import DELAY, design, tap5
from engine.kernels.waves import quiet
from engine.lanes import fma, load, ramp, splat, store, vmax, vmin, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, bits, exp2, f32, flush, rt, sqrt
from engine.voice import Effect, fields

PARAMS = (
    Param("root_hz", 40.0, 440.0, 110.0, "exp", 0.05),     # the lowest string
    Param("tuning", 0.0, 3.0, 0.0, "lin", 0.0),            # fifths, major, minor, every semitone
    Param("decay_s", 0.1, 12.0, 4.0, "exp", 0.05),         # -60 dB of each string's fundamental
    Param("brightness", 0.0, 1.0, 0.7, "lin", 0.05),       # how slowly the high partials fade
    Param("amount", 0.0, 4.0, 0.5, "lin", 0.02),           # 1: noise rings as loud as it came in
    Param("dry", 0.0, 1.0, 1.0, "lin", 0.02),              # of what came in; 0 on a send
)
STRINGS, RING, GUARD = 12, 8192, 64
STRIDE, LOOP = RING + GUARD, 16           # a loop: five taps, the delay, then those it moves from
WAS = 8
TUNINGS = np.array(((0, 7, 12, 19, 24, 31, 0.06, 7.05, 11.96, 19.04, 24.03, 30.98),
                    (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 24),
                    (0, 2, 3, 5, 7, 8, 10, 12, 14, 15, 19, 24),
                    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)), np.float32)
PLACES = (np.arange(STRINGS) * 5 % STRINGS + 0.5) / STRINGS * math.pi / 2     # left to right
LEFT, RIGHT = np.cos(PLACES).astype(np.float32), np.sin(PLACES).astype(np.float32)
SHARE = f32(math.sqrt(2.0 / STRINGS))
STATE = fields("place", "before", "high", "amount", "dry", seen=4, loop=STRINGS * LOOP,
               drive=STRINGS, feed=QUANTUM, line=STRINGS * STRIDE)


@rt
def same(s, p):
    """Whether the strings are still tuned as they are asked to be."""
    return ((bits(p.root_hz) ^ bits(s.seen[0])) | (bits(p.tuning) ^ bits(s.seen[1]))
            | (bits(p.decay_s) ^ bits(s.seen[2])) | (bits(p.brightness) ^ bits(s.seen[3]))) == 0


@rt
def tune(s, p, dt):
    """Set every loop anew and keep the one it moves from; what is too high sounds octaves lower."""
    new, row = s.seen[0] == f32(0), int(np.rint(p.tuning))
    s.seen[0], s.seen[1], s.seen[2], s.seen[3] = p.root_hz, p.tuning, p.decay_s, p.brightness
    for n in range(STRINGS):
        at, hz = n * LOOP, p.root_hz * exp2(TUNINGS[row, n] * f32(1 / 12))
        for _ in range(8):
            hz = hz * f32(0.5) if hz * dt > f32(1 / (LANE + 8)) else hz
        for k in range(DELAY + 1):
            s.loop[at + WAS + k] = s.loop[at + k]
        design(s.loop, at, hz, p.decay_s, p.brightness, dt)
        gain = exp2(f32(-9.965784284662087) / (hz * p.decay_s))
        s.drive[n] = SHARE * sqrt(f32(1) - gain * gain)
        if new:
            for k in range(DELAY + 1):
                s.loop[at + WAS + k] = s.loop[at + k]
    return not new


@rt
def enter(s, left, right, dt):
    """The middle of left and right into feed, without the DC that the loops would keep."""
    keep = exp2(f32(-9.0647) * f32(30.0) * dt)
    before, high = s.before[0], s.high[0]
    for i in range(QUANTUM):
        x = flush(f32(0.5) * (left[i] + right[i]))
        high = flush(x - before + keep * high)
        before = x
        s.feed[i] = high
    s.before[0], s.high[0] = before, high


@rt
def limited(x):
    """x up to a half, from there bent to stay under 1."""
    half = vmin(vmax(x, f32(-0.5)), f32(0.5))
    return fma(vtanh((x - half) * f32(2)), f32(0.5), half)


@rt
def ring(s, n, i, moves):
    """Sixteen samples of string n, from its line and the feed, and into its line."""
    at, o, place = n * LOOP, n * STRIDE, int(s.place[0]) + i
    back = (place - int(s.loop[at + DELAY]) - DELAY) & (RING - 1)
    y = tap5(s.line, o + back + DELAY, s.loop, at)
    if moves:
        back = (place - int(s.loop[at + WAS + DELAY]) - DELAY) & (RING - 1)
        old = tap5(s.line, o + back + DELAY, s.loop, at + WAS)
        y = fma(y - old, ramp(i) * f32(1 / QUANTUM), old)
    y = quiet(fma(load(s.feed, i), splat(s.drive[n]), y))
    store(s.line, o + place, y)
    if place < GUARD:
        store(s.line, o + RING + place, y)
    return y


@rt
def render(s, p, left, right, key, dt):
    """Add a quantum of the strings to left and right, in place."""
    moves = False
    if not same(s, p):
        fresh = s.seen[0] == f32(0)
        moves = tune(s, p, dt)
        if fresh:
            s.amount[0], s.dry[0] = p.amount, p.dry
    enter(s, left, right, dt)
    part = f32(1 / QUANTUM)
    drier, wetter = (p.dry - s.dry[0]) * part, (p.amount - s.amount[0]) * part
    for i in range(0, QUANTUM, LANE):
        x, y = splat(f32(0)), splat(f32(0))
        for n in range(STRINGS):
            z = ring(s, n, i, moves)
            x, y = fma(z, splat(LEFT[n]), x), fma(z, splat(RIGHT[n]), y)
        dry, wet = fma(ramp(i), drier, s.dry[0]), fma(ramp(i), wetter, s.amount[0])
        store(left, i, fma(load(left, i), dry, limited(x * wet)))
        store(right, i, fma(load(right, i), dry, limited(y * wet)))
    s.amount[0], s.dry[0] = p.amount, p.dry
    s.place[0] = f32((int(s.place[0]) + QUANTUM) & (RING - 1))


SYMPATHETIC = Effect("sympathetic", PARAMS, STATE, render)
