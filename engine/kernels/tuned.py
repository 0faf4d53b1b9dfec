"""A loop in tune: a whole delay and five taps that hold its fraction, its loss and its decay.

The loop is y[n] = x[n] + sum c[k] y[n - delay - k]: cubic Lagrange (the fraction of the period)
times a two-point loss, scaled to the wanted decay at the fundamental, and under 1 at every other
frequency. Thread: audio.
source   Jaffe & Smith, CMJ 7(2), 1983; J. O. Smith, PASP (extended Karplus-Strong)
"""
import math

import numpy as np

from engine.kernels.lines import one_pole
from engine.lanes import (
    fma,
    largest,
    last,
    load,
    power,
    ramp,
    select,
    splat,
    store,
    total,
    vabs,
    vmax,
)
from engine.rt import LANE, exp2, f32, rt

TAPS, DELAY = 5, 5                        # in a row: the taps, then the whole delay


@rt
def design(loop, at, hz, time_s, brightness, dt):
    """Delay and five taps into loop[at:]; float64, once a change.

    source   period minus the loss's phase delay; one Newton step on the real filter's phase
    """
    w = 2.0 * math.pi * hz * dt
    gain = math.exp(-6.907755278982137 / (hz * time_s))
    half, cosine, room = math.sin(0.5 * w), math.cos(0.5 * w), 1.0 - gain * gain
    wide_c, wide_s = cosine * (4.0 * cosine * cosine - 3.0), half * (3.0 - 4.0 * half * half)
    dull = gain * 8.0 / (9.0 * cosine - wide_c)             # should the fraction be in the middle
    spare = min(max(0.98 * (1.0 - dull * dull), 0.0) / (half * half), 1.0)
    tilt = math.sqrt(max(brightness * brightness, 1.0 - spare))     # the loss is (1 +- tilt) / 2
    x = 2.0 * math.pi / w - 0.5 + math.atan(tilt * half / cosine) / w
    bulk = math.floor(x) - 1.0
    x -= bulk                                               # 1 to 2, the middle of four points
    h0 = h1 = h2 = h3 = re = im = 0.0
    for turn in range(2):
        a, b, c, d = x, x - 1.0, x - 2.0, x - 3.0
        h0, h1, h2, h3 = -b * c * d / 6.0, 0.5 * a * c * d, -0.5 * a * b * d, a * b * c / 6.0
        re, im = (h0 + h3) * wide_c + (h1 + h2) * cosine, (h3 - h0) * wide_s + (h2 - h1) * half
        if turn == 0:
            aim = w * (x - 1.5)
            x += (math.sin(aim) * re - math.cos(aim) * im) / (re * w)
    loss = 1.0 - (1.0 - tilt * tilt) * half * half
    scale = min(gain / math.sqrt((re * re + im * im) * loss), 1.0 - 0.001 * room)
    keep, give = scale * (0.5 + 0.5 * tilt), scale * (0.5 - 0.5 * tilt)
    loop[at], loop[at + 1] = keep * h0, keep * h1 + give * h0
    loop[at + 2], loop[at + 3] = keep * h2 + give * h1, keep * h3 + give * h2
    loop[at + 4], loop[at + DELAY] = give * h3, bulk


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
def within(line, start, i, count):
    """Sixteen samples of line[start : start + count] from i on; 0 past its end."""
    return select(ramp(i) < splat(f32(count)), load(line, start + i), f32(0))


@rt
def smooth(line, start, count, keep):
    """A one-pole low-pass around a period of the line: as if it had gone round for ever.

    The line past the period is written over, 32 samples of it.
    """
    n, share = ramp(0), f32(1) - keep
    k2, k4 = keep * keep, keep * keep * keep * keep
    pole = (select(n < f32(1), f32(0), splat(keep)), select(n < f32(2), f32(0), splat(k2)),
            select(n < f32(4), f32(0), splat(k4)), select(n < f32(8), f32(0), splat(k4 * k4)),
            power(keep, ramp(1)))
    y, end = splat(f32(0)), start + (count + LANE - 1) // LANE * LANE
    for i in range(0, count, LANE):
        y = one_pole(within(line, start, i, count) * share, last(y), pole)
    store(line, end, y)
    around = line[end + (count - 1) % LANE] / (f32(1) - exp2(f32(count) * f32(np.log2(keep))))
    y = splat(around)
    for i in range(0, count, LANE):
        y = one_pole(load(line, start + i) * share, last(y), pole)
        store(line, start + i, y)


@rt
def loudest(line, start, count):
    """The highest point of a period of the line."""
    top = splat(f32(0))
    for i in range(0, count, LANE):
        top = vmax(top, vabs(within(line, start, i, count)))
    return largest(top)


@rt
def mean(line, start, count, loop, at):
    """What would ring on at DC: the mean of a period, each sample weighed by the taps it meets."""
    delay, whole = min(int(loop[at + DELAY]), count), f32(0)
    for k in range(TAPS):
        whole += loop[at + k]
    sums, first = splat(f32(0)), start + count - delay
    for i in range(0, delay, LANE):
        sums = sums + within(line, first, i, delay)
    held, weight, share = total(sums) * whole, whole * f32(delay), whole
    for age in range(delay, min(delay + TAPS, count)):      # the oldest meet only the last taps
        share -= loop[at + age - delay]
        held += share * line[start + count - 1 - age]
        weight += share
    return held / weight
