"""String: a plucked string, one delay and one five-tap filter, in tune at any brightness and decay.

The loop is y[n] = sum c[k] y[n - delay - k]: cubic Lagrange (the fraction of the period) times a
two-point loss, scaled to the wanted decay at the fundamental. A lane of it is all feed-forward, so
it runs 16 samples at a time while the delay has 16, one at a time above 2.6 kHz. Thread: audio.
source   Jaffe & Smith, CMJ 7(2), 1983; J. O. Smith, PASP; pick position and level as there
"""
import math

import numpy as np

from engine.lanes import add, fma, load, noise, ramp, select, splat, store
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, flush, rt
from engine.voice import Voice, fields
from engine.waves import advance, quiet

PARAMS = (
    Param("decay_s", 0.05, 12.0, 2.5, "exp", 0.05),        # -60 dB; halves each octave over C4
    Param("brightness", 0.0, 1.0, 0.6, "lin", 0.05),
    Param("pick_position", 0.02, 0.5, 0.13, "exp", 0.0),
    Param("release_s", 0.02, 4.0, 0.3, "exp", 0.02),       # -60 dB once let go
)
SIZE, MARGIN, TAPS = 4096, 8, 5
SPACE = 2 * (QUANTUM + MARGIN)             # of the line that no period may fill
STATE = fields("level", "struck", "let_go", "place", "delay", "at_hz", "at_s", "at_bright", "seed",
               "keep_count", taps=2 * TAPS, line=SIZE)
SPAN, MIDDLE_HZ, NIBBLE = f32(QUANTUM), f32(261.6255653), f32(0.4)


@rt
def strike(s, v, p, pitch_hz, level):
    """The string is bent in the next quantum, where the rate is known."""
    s.level[v], s.struck[v] = level, f32(1)


@rt
def release(s, v, p):
    """A finger on the string: it falls in release_s."""
    s.let_go[v] = f32(1)


@rt
def losses(hz, time_s, brightness):
    """The loop gain wanted at the fundamental, and the loss that keeps the gain at DC under one."""
    gain = math.exp(-6.907755278982137 / (hz * time_s))
    return gain, 0.5 * (1.0 - brightness), 0.98 * (1.0 - gain * gain)


@rt
def design(taps, at, hz, time_s, brightness, dt):
    """Five taps into taps[at:]; returns the whole delay. float64, once a change.

    source   period minus the loss's phase delay; one Newton step on the real filter's phase
    """
    w = 2.0 * math.pi * hz * dt
    gain, soft, room = losses(hz, time_s, brightness)
    half = math.sin(0.5 * w)
    soft = min(soft, 0.5 - 0.5 * math.sqrt(1.0 - min(room / (half * half), 1.0)))
    co, si, bulk, size = math.cos(w), math.sin(w), 0, 1.0
    delay = 2.0 * math.pi / w - math.atan2(soft * si, 1.0 - soft + soft * co) / w
    for turn in range(2):
        bulk = int(math.floor(delay)) - 1
        x = delay - bulk                                    # 1 to 2, the middle of four points
        a, b, c, d = x, x - 1.0, x - 2.0, x - 3.0
        h0, h1, h2, h3 = -b * c * d / 6.0, 0.5 * a * c * d, -0.5 * a * b * d, a * b * c / 6.0
        keep = 1.0 - soft
        t0, t1, t2 = keep * h0, keep * h1 + soft * h0, keep * h2 + soft * h1
        t3, t4 = keep * h3 + soft * h2, soft * h3
        c2, s2 = co * co - si * si, 2.0 * co * si
        c3, s3 = c2 * co - s2 * si, s2 * co + c2 * si
        re = t0 + t1 * co + t2 * c2 + t3 * c3 + t4 * (c2 * c2 - s2 * s2)
        im = t1 * si + t2 * s2 + t3 * s3 + t4 * 2.0 * c2 * s2
        size = math.sqrt(re * re + im * im)
        if turn == 0:
            delay += (2.0 * math.pi - w * bulk - math.atan2(im, re)) / w
    scale = min(gain / size, 1.0 / (t0 + t1 + t2 + t3 + t4))
    taps[at], taps[at + 1], taps[at + 2] = t0 * scale, t1 * scale, t2 * scale
    taps[at + 3], taps[at + 4] = t3 * scale, t4 * scale
    return bulk


@rt
def excite(s, v, p, hz, dt):
    """One period of saw and noise, combed by the pick's place, dulled for a soft touch, peak 0.5.

    The comb and the low-pass go round the period: exact nulls, and a mean of zero.
    """
    count = max(min(int(np.rint(f32(1) / (hz * dt))), SIZE - SPACE), 2)
    pick = max(min(int(np.rint(p.pick_position * f32(count))), count - 1), 1)
    start, seed, first = v * SIZE + MARGIN, s.seed[v], np.int64(s.keep_count[v])
    for i in range(0, count, LANE):
        n = ramp(i)
        early = n < f32(pick)
        saw = select(early, splat(f32(count)), splat(f32(0))) - f32(pick)
        back = select(early, noise(seed, first + i - pick + count), noise(seed, first + i - pick))
        rough = (noise(seed, first + i) - back) * NIBBLE
        store(s.line, start + i, saw * (f32(-2.0) / f32(count)) + rough)
    s.keep_count[v] = advance(s.keep_count[v], f32(count))
    width_hz = f32(900.0) * exp2(f32(1.5) * p.brightness + f32(2.5) * s.level[v])
    share, y, peak = f32(1) - exp2(f32(-9.0647) * width_hz * dt), f32(0), f32(1e-9)
    for i in range(max(count - 256, 0), count):
        y += share * (s.line[start + i] - y)
    for i in range(count):
        y += share * (s.line[start + i] - y)
        s.line[start + i] = y
        peak = max(peak, abs(y))
    for i in range(count):
        s.line[start + i] *= f32(0.5) * s.level[v] / peak
    s.place[v] = f32(MARGIN + count)


@rt
def balance(s, v, delay):
    """Take out what would ring on at DC: the line, each sample weighed by the taps it meets."""
    count, o, at = int(s.place[v]) - MARGIN, v * SIZE + MARGIN, v * 2 * TAPS
    weight, whole, held = f32(0), f32(0), f32(0)
    for k in range(TAPS):
        whole += s.taps[at + k]
    tail = whole
    for age in range(count):                                # age 0 is the newest sample
        if age >= delay and age - delay < TAPS:
            tail -= s.taps[at + age - delay]
        share = tail if age - delay < TAPS else f32(0)
        held += share * s.line[o + count - 1 - age]
        weight += share
    for i in range(count):
        s.line[o + i] -= held / weight


@rt
def make_room(s, v, delay):
    """Move what the loop still needs to the start of the line when its end is near."""
    place, o = int(s.place[v]), v * SIZE
    if place + QUANTUM > SIZE:
        kept = min((max(delay, int(s.delay[v])) + 2 * MARGIN + LANE) & -LANE, place & -LANE)
        for i in range(0, kept, LANE):
            store(s.line, o + i, load(s.line, o + place - kept + i))
        s.place[v] = f32(kept)


@rt
def tap5(line, j, c, at):
    """Sixteen outputs of the loop filter whose newest input is line[j]."""
    y = splat(c[at]) * load(line, j)
    y = fma(splat(c[at + 1]), load(line, j - 1), y)
    y = fma(splat(c[at + 2]), load(line, j - 2), y)
    y = fma(splat(c[at + 3]), load(line, j - 3), y)
    return fma(splat(c[at + 4]), load(line, j - 4), y)


@rt
def tap1(line, j, c, at):
    """One output of the same."""
    return (c[at] * line[j] + c[at + 1] * line[j - 1] + c[at + 2] * line[j - 2]
            + c[at + 3] * line[j - 3] + c[at + 4] * line[j - 4])


@rt
def turn(s, v, delay, old, moves, out):
    """One quantum of the loop; while the filter moves, from the old one over to the new one."""
    now, was = v * 2 * TAPS, v * 2 * TAPS + TAPS
    w = v * SIZE + int(s.place[v])
    if min(delay, old) >= LANE:
        for i in range(0, QUANTUM, LANE):
            y = tap5(s.line, w + i - delay, s.taps, now)
            if moves:
                before = tap5(s.line, w + i - old, s.taps, was)
                y = fma(y - before, ramp(i) * f32(1 / QUANTUM), before)
            y = quiet(y)
            store(s.line, w + i, y)
            add(out, i, y)
    else:
        for i in range(QUANTUM):
            y = tap1(s.line, w + i - delay, s.taps, now)
            if moves:
                before = tap1(s.line, w + i - old, s.taps, was)
                y = before + (y - before) * (f32(i) * f32(1 / QUANTUM))
            y = flush(y)
            s.line[w + i] = y
            out[i] += y
    s.place[v] += SPAN


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    hz = min(max(pitch_hz, f32(1) / (dt * f32(SIZE - SPACE - 4))), f32(0.12) / dt)
    time_s = p.decay_s * min(f32(1), MIDDLE_HZ / hz)
    if s.let_go[v] > f32(0):
        time_s = min(time_s, p.release_s)
    new = s.struck[v] > f32(0)
    moves = hz != s.at_hz[v] or time_s != s.at_s[v] or p.brightness != s.at_bright[v]
    if new:
        excite(s, v, p, hz, dt)
        s.struck[v] = f32(0)
    old, delay = int(s.delay[v]), int(s.delay[v])
    if moves:
        at = v * 2 * TAPS
        for k in range(TAPS):
            s.taps[at + TAPS + k] = s.taps[at + k]
        delay = design(s.taps, at, hz, time_s, p.brightness, dt)
        s.at_hz[v], s.at_s[v], s.at_bright[v] = hz, time_s, p.brightness
    if new:
        old = delay
        balance(s, v, delay)
    make_room(s, v, delay)
    reach = int(s.place[v]) - TAPS
    delay = min(delay, reach)
    turn(s, v, delay, min(old, reach), moves and not new, out)
    s.delay[v] = f32(delay)


STRING = Voice("string", PARAMS, STATE, strike, release, render)
