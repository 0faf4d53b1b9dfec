"""String: a plucked string, in tune at any brightness and decay; palm, bends, vibrato.

One loop of `engine.kernels.tuned`. A lane of it is all feed-forward: 16 samples at a time while the
delay has 16, one at a time above 2.6 kHz. While nothing moves, a quantum is one comparison and two
lanes of five taps. Thread: audio.
source   Jaffe & Smith, CMJ 7(2), 1983; J. O. Smith, PASP: pick position and direction, dynamics
"""
import math

import numpy as np

from engine.kernels.tuned import DELAY, TAPS, design, loudest, mean, smooth, tap1, tap5
from engine.kernels.waves import advance, quiet
from engine.lanes import add, fma, load, noise, ramp, select, splat, store
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
SIZE, MARGIN = 4096, 8
STRIDE = SIZE + 80                         # not a power of two, where all voices share cache sets
SPACE = 2 * (QUANTUM + MARGIN)             # of the line that no period may fill
# a voice's loop is one cache line: five taps, the whole delay, where the line is written and ends,
# and what all that was last set for, the pitch first; `was` is what a moving loop leaves;
# the line is written before it is read, so a strike need not clear it
PLACE, END, SEEN, LOOP, WAS = 6, 7, 8, 16, 8
STATE = fields("level", "struck", "let_go", "turns", "seed", "keep_count",
               loop=LOOP, was=WAS, keep_line=STRIDE)
SPAN, MIDDLE_HZ, NIBBLE = f32(QUANTUM), f32(261.6255653), f32(0.4)
SOFT_HZ, LOUDER = f32(500.0), f32(math.log2(24.0))    # the touch: a low-pass of 500 Hz to 12 kHz
LOW_E_HZ = f32(82.4069)


@rt
def strike(s, v, p, pitch_hz, level):
    """The string is bent in the next quantum, where the rate is known."""
    s.level[v], s.struck[v], s.let_go[v], s.loop[v * LOOP + SEEN] = level, f32(1), f32(0), f32(0)


@rt
def release(s, v, p):
    """A finger on the string: it falls in release_s."""
    s.let_go[v], s.loop[v * LOOP + SEEN] = f32(1), f32(0)


@rt
def excite(s, v, p, hz, dt):
    """One period of saw and noise, combed by the pick's place, dulled by its slant and the touch.

    The comb and the low-passes go round the period: exact nulls, and a mean of zero. Peak 0.5.
    """
    count = max(min(int(np.rint(f32(1) / (hz * dt))), SIZE - SPACE), 2)
    pick = max(min(int(np.rint(p.pick_position * f32(count))), count - 1), 1)
    start, seed, first = v * STRIDE + MARGIN, s.seed[v], np.int64(s.keep_count[v])
    for i in range(start - MARGIN, start):                  # of a string that still sounded
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
    s.loop[v * LOOP + PLACE] = f32(MARGIN + count)


@rt
def balance(s, v):
    """Take out what would ring on at DC."""
    at, o = v * LOOP, v * STRIDE + MARGIN
    count = int(s.loop[at + PLACE]) - MARGIN
    less = mean(s.keep_line, o, count, s.loop, at)
    for i in range(0, count, LANE):
        store(s.keep_line, o + i, load(s.keep_line, o + i) - less)


@rt
def make_room(s, v):
    """Move what the loop still needs to the start of its line, once the line is at its end."""
    at, o = v * LOOP, v * STRIDE
    place = int(s.loop[at + PLACE])
    least = int(max(s.loop[at + DELAY], s.was[v * WAS + DELAY])) + 2 * MARGIN + LANE
    end = min(max(4 * least, 1024), SIZE)
    if place + QUANTUM > end:
        kept = min(max(least, min(2 * least, SIZE // 2)) + LANE & -LANE, place & -LANE)
        for i in range(0, kept, LANE):
            store(s.keep_line, o + i, load(s.keep_line, o + place - kept + i))
        s.loop[at + PLACE] = f32(kept)
    s.loop[at + END] = f32(end)


@rt
def turn(s, v, moves, out):
    """One quantum while the loop moves, from the old filter over to the new one, or is short."""
    now, was = v * LOOP, v * WAS
    w = v * STRIDE + int(s.loop[now + PLACE])
    delay, old = int(s.loop[now + DELAY]), int(s.was[was + DELAY])
    if min(delay, old) >= LANE:
        for i in range(0, QUANTUM, LANE):
            y = tap5(s.keep_line, w + i - delay, s.loop, now)
            if moves:
                before = tap5(s.keep_line, w + i - old, s.was, was)
                y = fma(y - before, ramp(i) * f32(1 / QUANTUM), before)
            y = quiet(y)
            store(s.keep_line, w + i, y)
            add(out, i, y)
    else:
        for i in range(QUANTUM):
            y = tap1(s.keep_line, w + i - delay, s.loop, now)
            if moves:
                before = tap1(s.keep_line, w + i - old, s.was, was)
                y = before + (y - before) * (f32(i) * f32(1 / QUANTUM))
            y = flush(y)
            s.keep_line[w + i] = y
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
def follow(s, v, p, pitch_hz, dt):
    """Set the loop anew; True while it has to move there from another one."""
    at, seen = v * LOOP, v * LOOP + SEEN
    for k in range(TAPS):
        s.was[v * WAS + k] = s.loop[at + k]
    s.was[v * WAS + DELAY] = s.loop[at + DELAY]
    hz, time_s, brightness = wanted(s, v, p, pitch_hz, dt)
    design(s.loop, at, hz, time_s, brightness, dt)
    s.loop[seen] = pitch_hz if p.vibrato_cents <= f32(0) else f32(0)
    s.loop[seen + 1], s.loop[seen + 2] = p.decay_s, p.brightness
    s.loop[seen + 3], s.loop[seen + 4] = p.release_s, p.palm
    s.loop[seen + 5], s.loop[seen + 6] = p.stretch, p.bend_st
    new = s.struck[v] > f32(0)
    if new:
        excite(s, v, p, hz, dt)
        balance(s, v)
        s.struck[v], s.loop[at + END] = f32(0), f32(0)
        s.was[v * WAS + DELAY] = s.loop[at + DELAY]
        for k in range(TAPS):
            s.was[v * WAS + k] = s.loop[at + k]
    make_room(s, v)
    reach = s.loop[at + PLACE] - f32(TAPS)
    if s.loop[at + DELAY] > reach:                          # the line is not that long yet
        s.loop[at + DELAY], s.loop[seen] = reach, f32(0)
    s.was[v * WAS + DELAY] = min(s.was[v * WAS + DELAY], reach)
    return not new


@rt
def same(s, v, p, pitch_hz):
    """Whether the loop is still what was asked for."""
    n = v * LOOP + SEEN
    return ((bits(pitch_hz) ^ bits(s.loop[n])) | (bits(p.decay_s) ^ bits(s.loop[n + 1]))
            | (bits(p.brightness) ^ bits(s.loop[n + 2])) | (bits(p.release_s) ^ bits(s.loop[n + 3]))
            | (bits(p.palm) ^ bits(s.loop[n + 4])) | (bits(p.stretch) ^ bits(s.loop[n + 5]))
            | (bits(p.bend_st) ^ bits(s.loop[n + 6])) | bits(p.vibrato_cents)) == 0


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    at, moves = v * LOOP, False
    if not same(s, v, p, pitch_hz):
        moves = follow(s, v, p, pitch_hz, dt)
    elif s.loop[at + PLACE] + SPAN > s.loop[at + END]:
        make_room(s, v)
    place, delay = int(s.loop[at + PLACE]), int(s.loop[at + DELAY])
    w = v * STRIDE + place
    if moves or delay < LANE:
        turn(s, v, moves, out)
    else:
        y = quiet(tap5(s.keep_line, w - delay, s.loop, at))
        store(s.keep_line, w, y)                            # a short loop reads it at once
        z = quiet(tap5(s.keep_line, w + LANE - delay, s.loop, at))
        store(s.keep_line, w + LANE, z)
        add(out, 0, y)
        add(out, LANE, z)
    s.loop[at + PLACE] = f32(place + QUANTUM)


STRING = Voice("string", PARAMS, STATE, strike, release, render)
