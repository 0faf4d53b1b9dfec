"""String: a plucked string, in tune at any brightness and decay; palm, bends, vibrato.

One loop of `engine.kernels.tuned` in a ring a little longer than its period: many strings fit the
processor's cache. A lane of it is all feed-forward: 16 samples at a time while the delay has 16,
one at a time above 2.6 kHz. While nothing moves, a quantum is two lanes of five taps.
Thread: audio.
source   Jaffe & Smith, CMJ 7(2), 1983; J. O. Smith, PASP: pick position and direction, dynamics
"""
import math

import numpy as np

from engine.kernels.tuned import DELAY, TAPS, design, loudest, mean, smooth, tap1, tap5
from engine.kernels.waves import advance, quiet
from engine.lanes import add, fma, load, noise, ramp, select, soon_read, soon_written, splat, store
from engine.param import Param
from engine.rt import LANE, QUANTUM, bits, exp2, f32, flush, rt, sine, wrap
from engine.voice import Voice, fields

PARAMS = (
    Param("decay_s", 0.05, 12.0, 2.5, "exp", 0.05),        # -60 dB; halves each octave over C4
    Param("brightness", 0.0, 1.0, 0.6, "lin", 0.05),       # how slowly the high partials fade
    Param("pick_position", 0.02, 0.5, 0.13, "exp", 0.0),   # from the bridge, of the string
    Param("pick_direction", 0.0, 0.9, 0.0, "lin", 0.0),    # across the string 0, along it 0.9
    Param("release_s", 0.02, 4.0, 0.3, "exp", 0.02),       # -60 dB once let go
    Param("palm", 0.0, 1.0, 0.0, "lin", 0.02),             # 1: muted by it, 0.1 to 0.3 s
    Param("stretch", 0.0, 1.0, 0.0, "lin", 0.05),          # 1: the treble rings as long as C4
    Param("bend_st", -12.0, 12.0, 0.0, "lin", 0.02),       # while it sounds
    Param("vibrato_cents", 0.0, 100.0, 0.0, "lin", 0.05),  # as far up as down
    Param("vibrato_hz", 0.1, 12.0, 5.2, "exp", 0.05),      # swings a second
)
SIZE, MARGIN, GUARD = 4096, 8, 64          # the longest ring; silence before a strike; see `put`
STRIDE = SIZE + 80                         # not a power of two, where all voices share cache sets
SPACE = 2 * (QUANTUM + MARGIN)             # of the ring that no period may fill
# a voice's loop: five taps, the whole delay, where the ring is written and how long it is; `was` is
# what a moving loop leaves. A ring is written in whole lanes, and what is read of it was: `held`
# samples, so a strike need not clear it
PLACE, RING, LOOP, WAS = 6, 7, 8, 8
STATE = fields("level", "struck", "let_go", "turns", "seed", "stale", "seen_hz", "held",
               "keep_count", "keep_known", loop=LOOP, was=WAS, keep_line=STRIDE)
SPAN, MIDDLE_HZ, NIBBLE = f32(QUANTUM), f32(261.6255653), f32(0.4)
SOFT_HZ, LOUDER = f32(500.0), f32(math.log2(24.0))    # the touch: a low-pass of 500 Hz to 12 kHz
LOW_E_HZ = f32(82.4069)


@rt
def strike(s, v, p, pitch_hz, level):
    """The string is bent in the next quantum, where the rate is known."""
    s.level[v], s.struck[v], s.let_go[v], s.stale[v] = level, f32(1), f32(0), f32(1)


@rt
def release(s, v, p):
    """A finger on the string: it falls in release_s."""
    s.let_go[v], s.stale[v] = f32(1), f32(1)


@rt
def ring_for(least):
    """The length of a ring that must hold so many samples: whole quanta, with room for a bend."""
    return min((least + (least >> 3) + 2 * QUANTUM - 1) & -QUANTUM, SIZE)


@rt
def excite(s, v, p, hz, dt):
    """One period of saw and noise, combed by the pick's place, dulled by its slant and the touch.

    The comb and the low-passes go round the period: exact nulls, and a mean of zero. Peak 0.5.
    """
    count = max(min(int(np.rint(f32(1) / (hz * dt))), SIZE - SPACE), 2)
    pick = max(min(int(np.rint(p.pick_position * f32(count))), count - 1), 1)
    place = (count + MARGIN + QUANTUM - 1) & -QUANTUM
    start, seed, first = v * STRIDE + place - count, s.seed[v], np.int64(s.keep_count[v])
    for i in range(v * STRIDE, start):                      # of a string that still sounded
        s.keep_line[i] = f32(0)
    for i in range(0, count, LANE):
        n = ramp(i)
        early = n < f32(pick)
        saw = select(early, splat(f32(count)), splat(f32(0))) - f32(pick)
        back = select(early, noise(seed, first + i - pick + count), noise(seed, first + i - pick))
        rough = (noise(seed, first + i) - back) * NIBBLE
        store(s.keep_line, start + i, saw * (f32(-2.0) / f32(count)) + rough)
    s.keep_count[v] = advance(s.keep_count[v], f32(count))
    touch_hz = SOFT_HZ * exp2(LOUDER * s.level[v] - f32(2) * p.palm)
    smooth(s.keep_line, start, count, exp2(f32(-9.0647203) * touch_hz * dt))
    if p.pick_direction > f32(0):
        smooth(s.keep_line, start, count, p.pick_direction)
    gain = f32(0.5) * s.level[v] / max(loudest(s.keep_line, start, count), f32(1e-9))
    for i in range(0, count, LANE):
        store(s.keep_line, start + i, load(s.keep_line, start + i) * gain)
    less = mean(s.keep_line, start, count, s.loop, v * LOOP)        # it would ring on at DC
    for i in range(0, count, LANE):
        store(s.keep_line, start + i, load(s.keep_line, start + i) - less)
    s.loop[v * LOOP + PLACE], s.held[v] = f32(place), f32(count + MARGIN)
    s.loop[v * LOOP + RING] = f32(ring_for(place))


@rt
def make_room(s, v):
    """Make the ring longer where the loop needs it: what is oldest in it moves to its new end."""
    at, o = v * LOOP, v * STRIDE
    place, ring = int(s.loop[at + PLACE]), int(s.loop[at + RING])
    least = int(max(s.loop[at + DELAY], s.was[v * WAS + DELAY])) + TAPS + QUANTUM
    if least > ring and ring < SIZE:
        longer = ring_for(least)
        for i in range(ring - LANE, place - LANE, -LANE):
            store(s.keep_line, o + longer - ring + i, load(s.keep_line, o + i))
        for i in range(0, GUARD, LANE):
            store(s.keep_line, o + longer + i, load(s.keep_line, o + i))
        s.loop[at + RING] = f32(longer)


@rt
def put(line, o, place, ring, y):
    """Write a lane; the ring's first GUARD samples stand behind its end, too: no read wraps."""
    store(line, o + place, y)
    store(line, o + (place + ring if place < GUARD else place), y)


@rt
def back(place, delay, ring):
    """Where the newest tap of what is written at a place reads."""
    oldest = place - delay - (TAPS - 1)
    return (oldest if oldest >= 0 else oldest + ring) + (TAPS - 1)


@rt
def turn(s, v, moves, out):
    """One quantum while the loop moves, from the old filter over to the new one, or is short."""
    now, was, o = v * LOOP, v * WAS, v * STRIDE
    place, ring = int(s.loop[now + PLACE]), int(s.loop[now + RING])
    delay, old = int(s.loop[now + DELAY]), int(s.was[was + DELAY])
    if min(delay, old) >= LANE:
        for i in range(0, QUANTUM, LANE):
            y = tap5(s.keep_line, o + back(place + i, delay, ring), s.loop, now)
            if moves:
                before = tap5(s.keep_line, o + back(place + i, old, ring), s.was, was)
                y = fma(y - before, ramp(i) * f32(1 / QUANTUM), before)
            y = quiet(y)
            put(s.keep_line, o, place + i, ring, y)
            add(out, i, y)
    else:
        for i in range(QUANTUM):
            y = tap1(s.keep_line, o + back(place + i, delay, ring), s.loop, now)
            if moves:
                before = tap1(s.keep_line, o + back(place + i, old, ring), s.was, was)
                y = before + (y - before) * (f32(i) * f32(1 / QUANTUM))
            y = flush(y)
            s.keep_line[o + place + i] = y
            s.keep_line[o + place + i + (ring if place < GUARD else 0)] = y
            out[i] += y


@rt
def wanted(s, v, p, pitch_hz, dt):
    """Pitch, -60 dB time and brightness of the loop now; the vibrato moves on."""
    bend = p.bend_st * f32(1 / 12)
    if p.vibrato_cents > f32(0):
        bend += p.vibrato_cents * sine(s.turns[v]) * f32(1 / 1200)
        s.turns[v] = wrap(s.turns[v] + p.vibrato_hz * dt * SPAN)
    hz = pitch_hz * exp2(bend)
    hz = min(max(hz, f32(1) / (dt * f32(SIZE - SPACE - 4))), f32(0.12) / dt)
    high = min(MIDDLE_HZ / hz, f32(1))
    time_s = p.decay_s * exp2((f32(1) - p.stretch) * np.log2(high))
    if p.palm > f32(0):
        palm_s = f32(0.3) * min(max(np.sqrt(LOW_E_HZ / hz), f32(1 / 3)), f32(1))
        time_s *= exp2(p.palm * np.log2(min(palm_s / time_s, f32(1))))
    if s.let_go[v] > f32(0):
        time_s = min(time_s, p.release_s)
    return hz, time_s, p.brightness * (f32(1) - f32(0.8) * p.palm)


@rt
def remember(s, v):
    """What the loop is, before it moves."""
    for k in range(TAPS + 1):
        s.was[v * WAS + k] = s.loop[v * LOOP + k]


@rt
def follow(s, v, p, pitch_hz, dt):
    """Set the loop anew; True while it has to move there from another one."""
    at, new = v * LOOP, s.struck[v] > f32(0)
    remember(s, v)
    hz, time_s, brightness = wanted(s, v, p, pitch_hz, dt)
    design(s.loop, at, hz, time_s, brightness, dt)
    s.seen_hz[v], s.stale[v] = pitch_hz, f32(1) if p.vibrato_cents > f32(0) else f32(0)
    if new:
        excite(s, v, p, hz, dt)
        s.struck[v] = f32(0)
        remember(s, v)
    else:
        s.held[v] = min(s.held[v] + SPAN, s.loop[at + RING])
    make_room(s, v)
    reach = s.held[v] - f32(TAPS)
    if s.loop[at + DELAY] > reach:                          # the line is not that long yet
        s.loop[at + DELAY], s.stale[v] = reach, f32(1)
    s.was[v * WAS + DELAY] = min(s.was[v * WAS + DELAY], reach)
    return not new


@rt
def moved(value, known, at):
    """What of a number's bits is not as it was; keeps what it is now."""
    other = bits(value) ^ bits(known[at])
    known[at] = value
    return other


@rt
def fetch(s, v):
    """Calls what a string reads and writes next into the cache, well before it is its turn."""
    at, o = v * LOOP, v * STRIDE
    place, delay, ring = int(s.loop[at + PLACE]), int(s.loop[at + DELAY]), int(s.loop[at + RING])
    j = o + back(place, delay, ring)
    soon_read(s.keep_line, j - TAPS + 1)
    soon_read(s.keep_line, j + LANE - TAPS)
    soon_read(s.keep_line, j + QUANTUM - 1)
    soon_written(s.keep_line, o + place)
    soon_written(s.keep_line, o + place + LANE)


@rt
def prepare(s, v, p, pitch_hz, dt):
    """Which of sixteen strings are no longer what is asked for."""
    for k in range(LANE):
        if s.held[v + k] > f32(0):
            fetch(s, v + k)
    known = s.keep_known
    other = (moved(p.decay_s, known, v) | moved(p.brightness, known, v + 1)
             | moved(p.release_s, known, v + 2) | moved(p.palm, known, v + 3)
             | moved(p.stretch, known, v + 4) | moved(p.bend_st, known, v + 5)
             | moved(p.vibrato_cents, known, v + 6))
    hz, seen_hz = load(pitch_hz, v), load(s.seen_hz, v)
    stale = splat(f32(1)) if other else load(s.stale, v)
    store(s.stale, v, select(hz < seen_hz, f32(1), select(seen_hz < hz, f32(1), stale)))


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    at, o, moves = v * LOOP, v * STRIDE, False
    if s.stale[v] > f32(0):
        moves = follow(s, v, p, pitch_hz, dt)
    place, delay, ring = int(s.loop[at + PLACE]), int(s.loop[at + DELAY]), int(s.loop[at + RING])
    if moves or delay < LANE:
        turn(s, v, moves, out)
    else:
        j = o + back(place, delay, ring)
        y = quiet(tap5(s.keep_line, j, s.loop, at))
        put(s.keep_line, o, place, ring, y)                 # a short loop reads it at once
        z = quiet(tap5(s.keep_line, j + LANE, s.loop, at))
        put(s.keep_line, o, place + LANE, ring, z)
        add(out, 0, y)
        add(out, LANE, z)
    s.loop[at + PLACE] = f32(place + QUANTUM if place + QUANTUM < ring else 0)


STRING = Voice("string", PARAMS, STATE, strike, release, render, prepare=prepare)
