"""Reverb: sixteen delay lines in a lossless loop, each damped so that the decay times are exact.

Stereo in and out, all wet; low frequencies are kept out, so the bass stays in the middle. Frozen,
it lets nothing in and what is in rings for ever. Reading, smearing and scattering go 16 samples at
a time; the damping, which recurs, 16 lines at a time. Each line has a ring of its own length.
Thread: audio.
source   Jot 1991; J. O. Smith, PASP (feedback delay networks); a shelf and one pole a line
"""
import numpy as np

from engine.kernels import lines
from engine.kernels.lines import GUARD, POLE, lagrange, mirror, one_pole
from engine.kernels.waves import fall_rate, quiet
from engine.lanes import (
    fence,
    fma,
    largest,
    last,
    load,
    ramp,
    select,
    soon_read,
    soon_written,
    splat,
    store,
    turned,
    vabs,
    vexp2,
    vmax,
    vmin,
    vrint,
    vsine,
)
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt, rt_inlined, wrap
from engine.voice import Effect, fields

PARAMS = (
    Param("decay_s", 0.2, 12.0, 2.2, "exp", 0.1),          # -60 dB in the middle
    Param("high_s", 0.1, 12.0, 0.9, "exp", 0.1),           # -60 dB at the highest
    Param("size", 0.5, 2.0, 1.0, "exp", 0.1),
    Param("predelay_s", 0.0, 0.2, 0.012, "lin", 0.0),
    Param("motion", 0.0, 1.0, 0.4, "lin", 0.1),            # wandering of the lines, up to 6 samples
    Param("low_hz", 10.0, 1000.0, 190.0, "exp", 0.05),     # what is below does not come in
    Param("low_ratio", 0.25, 2.0, 1.0, "exp", 0.1),        # decay below 200 Hz, of decay_s
    Param("freeze", 0.0, 1.0, 0.0, "lin", 0.1),
)
LINES, RING, AHEAD, SMEAR = 16, 8192, 16384, 1024
# samples at 48 kHz: primes, nearly geometric; a second's decay needs about 0.15 of a second of line
LENGTHS = np.array((887, 977, 1069, 1171, 1283, 1409, 1543, 1693, 1861, 2039, 2237, 2447, 2687,
                    2939, 3229, 3541), np.float32)
SHELF_HZ, LOUD = f32(200), f32(0.35)
STRIDE, SMEARED = RING + GUARD, SMEAR + GUARD
ASLEEP = f32((AHEAD + 4 * SMEAR + RING) // QUANTUM)      # quanta that anything lasts
STATE = fields("place", "turns", "shut", "loud", "still", deep=4 * LINES, known=7, pole=LINES + 1,
               cut=POLE, length=LINES, base=LINES, at=LINES, ring=LINES, late=LINES, gain=LINES,
               shelf=LINES, low=LINES, last=LINES, near=4 * LINES, slope=4 * LINES,
               mix=LINES * QUANTUM, side=LINES * QUANTUM, feed=2 * QUANTUM,
               before=2 * (AHEAD + GUARD), spread=8 * SMEARED, line=LINES * STRIDE)
SPAN, SLOW = f32(QUANTUM), f32(0.5)       # a line's length moves at most half a sample a quantum


@rt_inlined
def changed(s, p, hold, dt):
    """Whether anything is not as it was when the damping was computed; keeps what it is now."""
    same = (s.known[0] == p.decay_s and s.known[1] == p.high_s and s.known[2] == p.size
            and s.known[3] == p.low_ratio and s.known[4] == p.low_hz and s.known[5] == hold
            and s.known[6] == dt)
    s.known[0], s.known[1], s.known[2], s.known[3] = p.decay_s, p.high_s, p.size, p.low_ratio
    s.known[4], s.known[5], s.known[6] = p.low_hz, hold, dt
    return not same


@rt
def tune(s, p, hold, dt):
    """Each line's length at rest, a whole number, and its damping: gain, shelf and pole."""
    base = vrint(load(LENGTHS, 0) * (p.size / (dt * f32(48000))))
    base = vmin(base, f32(RING - 3 * QUANTUM))
    lossy = f32(1) - hold
    middle = vexp2(base * (lossy * fall_rate(p.decay_s, dt)))
    low = vexp2(base * (lossy * fall_rate(p.decay_s * p.low_ratio, dt)))
    high = vexp2(base * (lossy * fall_rate(min(p.high_s, p.decay_s), dt)))
    pole = (middle - high) / (middle + high)
    deep = exp2(f32(-9.0647) * dt * SHELF_HZ)
    store(s.base, 0, base)
    store(s.gain, 0, middle * (f32(1) - pole))
    store(s.shelf, 0, (low / middle - f32(1)) * (f32(1) - deep))
    store(s.pole, 0, pole)
    s.pole[LINES] = deep
    lines.pole_of(exp2(f32(-9.0647) * dt * p.low_hz), s.cut, 0)
    lengthen(s)


@rt
def lengthen(s):
    """Rings hardly longer than their lines: they stay in the cache. The oldest moves to the end."""
    for n in range(LINES):
        o, at, ring, least = n * STRIDE, int(s.at[n]), int(s.ring[n]), int(s.base[n]) + 40
        if least > ring:
            longer = min((least + (least >> 3) + QUANTUM) & -QUANTUM, RING)
            for i in range(ring - LANE, at - LANE, -LANE):
                store(s.line, o + longer - ring + i, load(s.line, o + i))
            for i in range(0, GUARD, LANE):
                store(s.line, o + longer + i, load(s.line, o + i))
            s.ring[n] = f32(longer)


@rt_inlined
def wander(s, p, hold, asleep, dt):
    """Where in its ring each line is read, by four weights and their slope a sample."""
    n, drift = ramp(0), f32(6) * p.motion * (f32(1) - hold)
    rate = fma(n, f32(0.07), f32(1))          # fma: the same bits on any processor
    sway = vsine(fma(rate, s.turns[0], n * f32(0.618034)))
    aim, old = fma(sway, drift, load(s.base, 0)), load(s.length, 0)
    if s.length[0] == f32(0):
        old = aim
    aim = vmax(vmin(aim, old + SLOW), old - SLOW)
    whole = vrint((aim + old) * f32(0.5) + f32(0.5))
    store(s.length, 0, aim)
    late = load(s.at, 0) - whole - f32(1)
    store(s.late, 0, select(late < f32(0), late + load(s.ring, 0), late))
    gain = splat(f32(0)) if asleep else load(s.gain, 0)
    first, then = lagrange(whole - old), lagrange(whole - aim)
    for k in range(4):
        store(s.near, k * LINES, first[k] * gain)
        store(s.slope, k * LINES, (then[k] - first[k]) * (gain * f32(1 / QUANTUM)))
    s.turns[0] = f32(100) * wrap((s.turns[0] + f32(0.6) * dt * SPAN) * f32(0.01))  # whole for all


@rt_inlined
def fallen_asleep(s, left, right):
    """Whether nothing came in and nothing over -240 dB went out for as long as anything lasts:
    then nothing goes on, and all ends in exact zeros."""
    x = splat(f32(0))
    for i in range(0, QUANTUM, LANE):
        x = vmax(vabs(load(right, i)), vmax(vabs(load(left, i)), x))    # passes over a NaN
    still = s.loud[0] < f32(1e-12) and largest(x) == f32(0)
    s.still[0] = min(s.still[0] + f32(1), ASLEEP) if still else f32(0)
    return s.still[0] == ASLEEP


@rt_inlined
def smeared(s, n, at, length, x, g):
    """One all-pass: it smears a click before the loop repeats it."""
    o = n * SMEARED
    old = load(s.spread, o + ((at - length) & (SMEAR - 1)))
    x = x - old * g
    store(s.spread, o + (at & (SMEAR - 1)), x)
    return fma(x, g, old)


@rt_inlined
def diffuse(s, place, late, open, slope, asleep):
    """Both sides from the predelay through four all-passes each, into feed."""
    back, g = (place - late) & (AHEAD - 1), f32(0) if asleep else f32(0.6)
    for i in range(0, QUANTUM, LANE):
        at, loud = place + i, fma(ramp(i), slope, open)
        x = load(s.before, back + i)
        x = smeared(s, 1, at, 173, smeared(s, 0, at, 229, x, g), g)
        x = smeared(s, 3, at, 447, smeared(s, 2, at, 612, x, g), g)
        store(s.feed, i, x * loud)
        x = load(s.before, AHEAD + GUARD + back + i)
        x = smeared(s, 5, at, 181, smeared(s, 4, at, 241, x, g), g)
        x = smeared(s, 7, at, 457, smeared(s, 6, at, 601, x, g), g)
        store(s.feed, QUANTUM + i, x * loud)


@rt_inlined
def weigh(line, at, near, slope, t):
    """Sixteen samples of a line by four weights that move; t: where in the quantum they are."""
    x = load(line, at) * fma(t, slope[0], near[0])
    x = fma(load(line, at + 1), fma(t, slope[1], near[1]), x)
    x = fma(load(line, at + 2), fma(t, slope[2], near[2]), x)
    return fma(load(line, at + 3), fma(t, slope[3], near[3]), x)


@rt_inlined
def weights(run, n):
    """A line's four weights, each in all lanes."""
    return (splat(run[n]), splat(run[n + LINES]), splat(run[n + 2 * LINES]),
            splat(run[n + 3 * LINES]))


@rt_inlined
def ask(s, place):
    """Calls what is read next into the cache, and what the input goes into, well before that."""
    for n in range(LINES):
        late = n * STRIDE + int(s.late[n])
        for i in range(0, 3 * LANE, LANE):
            soon_read(s.line, late + i)
    for i in range(0, QUANTUM, LANE):
        soon_written(s.before, place + i)
        soon_written(s.before, AHEAD + GUARD + place + i)


@rt_inlined
def read(s):
    """A quantum of every line into mix, at its moving length, by cubic Lagrange; loud as damped."""
    for n in range(LINES):
        at = n * STRIDE + int(s.late[n])
        near, slope = weights(s.near, n), weights(s.slope, n)
        for i in range(0, QUANTUM, LANE):
            store(s.mix, n * QUANTUM + i, weigh(s.line, at + i, near, slope, ramp(i)))


@rt_inlined
def enter(s, side, x, y, to):
    """A quantum of a side, x and y, without its lows, 12 dB an octave, into the predelay."""
    share, pole = f32(1) - s.cut[4 * LANE], lines.pole_at(s.cut, 0)
    x, y = quiet(x), quiet(y)                              # only numbers come in
    for n in range(2):
        at = (2 * side + n) * LINES
        low = one_pole(x * share, quiet(load(s.deep, at)), pole)
        then = one_pole(y * share, last(low), pole)
        store(s.deep, at, last(then))
        x, y = x - low, y - then
    store(s.before, to, x)
    store(s.before, to + LANE, y)


@rt_inlined
def damp(s):
    """Lows and highs of the lines, two samples a step, a line a lane."""
    for i in range(0, QUANTUM, LANE):
        turned(s.mix, i, QUANTUM, s.side, i * LINES, LINES)
    low, y = quiet(load(s.low, 0)), quiet(load(s.last, 0))
    shelf, pole, deep = load(s.shelf, 0), load(s.pole, 0), s.pole[LINES]
    deeper, further = deep * deep, pole * pole
    for i in range(0, QUANTUM, 2):
        x, z = load(s.side, i * LINES), load(s.side, (i + 1) * LINES)
        first, low = fma(low, deep, x), fma(low, deeper, fma(x, deep, z))
        x, z = fma(first, shelf, x), fma(low, shelf, z)
        store(s.side, i * LINES, fma(y, pole, x))
        y = fma(y, further, fma(x, pole, z))
        store(s.side, (i + 1) * LINES, y)
    store(s.low, 0, low)
    store(s.last, 0, y)
    for i in range(0, QUANTUM, LANE):
        turned(s.side, i * LINES, LINES, s.mix, i, QUANTUM)


@rt_inlined
def four(x):
    """Four lines through a 4 x 4 Hadamard matrix."""
    e, f, g, h = x[0] + x[1], x[0] - x[1], x[2] + x[3], x[2] - x[3]
    return e + g, f + h, e - g, f - h


@rt_inlined
def fetch(s, n, step, i):
    """Sixteen samples of four lines from mix: n, n + step and so on."""
    at, step = n * QUANTUM + i, step * QUANTUM
    return (load(s.mix, at), load(s.mix, at + step), load(s.mix, at + 2 * step),
            load(s.mix, at + 3 * step))


@rt_inlined
def scatter(s, n, i):
    """Lines n to n + 3 halfway through a 16 x 16 Hadamard matrix; returns what they were."""
    x, at = fetch(s, n, 1, i), n * QUANTUM + i
    a, b, c, d = four(x)
    store(s.mix, at, a)
    store(s.mix, at + QUANTUM, b)
    store(s.mix, at + 2 * QUANTUM, c)
    store(s.mix, at + 3 * QUANTUM, d)
    return x


@rt_inlined
def give(s, left, right):
    """Out to left and right; remembers how loud that is at most."""
    loud = splat(f32(0))
    for i in range(0, QUANTUM, LANE):
        x = scatter(s, 0, i)
        y, z = x[0] + x[2], x[1] - x[3]
        x = scatter(s, 4, i)
        y, z = y + (x[0] - x[2]), z + (x[1] + x[3])
        x = scatter(s, 8, i)
        y, z = y + (x[0] - x[2]), z + (x[3] - x[1])
        x = scatter(s, 12, i)
        y, z = (y + (x[2] - x[0])) * LOUD, (z + (x[3] - x[1])) * LOUD
        store(left, i, y)
        store(right, i, z)
        loud = vmax(vabs(z), vmax(vabs(y), loud))
    s.loud[0] = largest(loud)


@rt_inlined
def write(s, n, side, sign):
    """Lines n, n + 4, n + 8 and n + 12 through the rest of the matrix, and with what comes in into
    their rings."""
    a, b, c, d = int(s.at[n]), int(s.at[n + 4]), int(s.at[n + 8]), int(s.at[n + 12])
    o = n * STRIDE
    a, b, c, d = o + a, o + 4 * STRIDE + b, o + 8 * STRIDE + c, o + 12 * STRIDE + d
    for i in range(0, QUANTUM, LANE):
        x, feed = four(fetch(s, n, 4, i)), load(s.feed, side + i) * sign
        store(s.line, a + i, fma(x[0], f32(0.25), feed))
        store(s.line, b + i, fma(x[1], f32(0.25), feed))
        store(s.line, c + i, fma(x[2], f32(0.25), feed))
        store(s.line, d + i, fma(x[3], f32(0.25), feed))


@rt_inlined
def go_on(s):
    """Every ring a quantum on; its first GUARD samples stand behind its end, too."""
    for n in range(LINES):
        if s.at[n] < f32(GUARD):
            at, ring = n * STRIDE + int(s.at[n]), int(s.ring[n])
            for i in range(0, QUANTUM, LANE):
                store(s.line, at + ring + i, load(s.line, at + i))
    at = load(s.at, 0) + f32(QUANTUM)
    store(s.at, 0, select(at < load(s.ring, 0), at, f32(0)))


@rt
def render(s, p, left, right, key, dt):
    """Write a quantum of reverberation over left and right."""
    place, hold = int(s.place[0]), f32(1) if p.freeze > f32(0.999) else p.freeze
    if changed(s, p, hold, dt):
        tune(s, p, hold, dt)
    asleep = fallen_asleep(s, left, right)
    wander(s, p, hold, asleep, dt)
    ask(s, place)
    enter(s, 0, load(left, 0), load(left, LANE), place)
    enter(s, 1, load(right, 0), load(right, LANE), AHEAD + GUARD + place)
    read(s)
    damp(s)
    mirror(s.before, 2, AHEAD, place)
    open, s.shut[0] = f32(1) - s.shut[0], hold
    late = min(int(p.predelay_s / dt), AHEAD - 2 * QUANTUM)
    diffuse(s, place, late, open, (f32(1) - hold - open) * f32(1 / QUANTUM), asleep)
    mirror(s.spread, 8, SMEAR, place & (SMEAR - 1))
    give(s, left, right)
    fence()
    write(s, 0, 0, f32(0.5))
    write(s, 1, QUANTUM, f32(0.5))
    write(s, 2, 0, f32(-0.5))
    write(s, 3, QUANTUM, f32(-0.5))
    go_on(s)
    s.place[0] = f32((place + QUANTUM) & (AHEAD - 1))


REVERB = Effect("reverb", PARAMS, STATE, render)
