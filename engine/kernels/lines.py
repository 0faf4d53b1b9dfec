"""Delay lines and one-pole filters sixteen samples at a time, for effects that share them.

A line is a ring with its first GUARD samples again behind its end (`mirror`), so that no read
wraps. Thread: audio.
"""
from numba.extending import intrinsic

from engine.lanes import fma, load, select, splat, store, vabs
from engine.lanes_type import INT, constant, lanes
from engine.rt import LANE, QUANTUM, f32, flush, rt, rt_inlined

GUARD = 64
POLE = 5 * LANE                           # floats that `pole_of` fills


def _turned(n):
    @intrinsic
    def f(tc, x):
        def gen(cg, b, s, a):
            places = [(i - n) % LANE for i in range(LANE)]
            return b.shuffle_vector(a[0], a[0], constant(places, INT))

        return lanes(x), gen

    return f


turn1, turn2, turn4, turn8 = (_turned(n) for n in (1, 2, 4, 8))     # lane i is lane i - n of x


@rt_inlined
def alive(x):
    """x, or exactly 0 where it is below -240 dB or not a number."""
    return select(vabs(x) > f32(1e-12), x, f32(0))


@rt_inlined
def mirror(run, count, ring, place):
    """After a quantum is written at place: the start of each of count rings behind its end."""
    if place < GUARD:
        for n in range(count):
            at = n * (ring + GUARD) + place
            for i in range(0, QUANTUM, LANE):
                store(run, at + ring + i, load(run, at + i))


@rt_inlined
def lagrange(x):
    """Weights of four samples in a row, to read x after the second (numbers or lanes)."""
    a, b, c = x + f32(1), x - f32(1), x - f32(2)
    ab, xc = a * b, x * c
    return xc * b * f32(-1 / 6), ab * c * f32(0.5), xc * a * f32(-0.5), ab * x * f32(1 / 6)


@rt_inlined
def between(line, at, x):
    """Sixteen samples, x (lanes, 0..1) after line[at + 1] and those that follow it."""
    p, q, r, t = lagrange(x)
    y = fma(load(line, at + 1), q, load(line, at) * p)
    return fma(load(line, at + 2), r, fma(load(line, at + 3), t, y))


@rt
def pole_of(pole, table, at):
    """table[at : at + 80]: what `one_pole` wants to know of a pole."""
    y = f32(1)
    for i in range(LANE):
        y *= pole
        table[at + 4 * LANE + i] = y
    for k in range(4):
        n = 1 << k
        for i in range(LANE):
            table[at + k * LANE + i] = table[at + 4 * LANE + n - 1] if i >= n else f32(0)


@rt_inlined
def pole_at(table, at):
    """What `pole_of` wrote, for `one_pole`."""
    return (load(table, at), load(table, at + LANE), load(table, at + 2 * LANE),
            load(table, at + 3 * LANE), load(table, at + 4 * LANE))


@rt_inlined
def one_pole(x, before, pole):
    """y[i] = x[i] + pole * y[i-1] in 16 samples at once; before: y just before them, in all lanes.

    Lanes that come round the end weigh nothing: cheaper than a shift that lets zeros in.
    source   prefix sum (Hillis and Steele 1986) weighted by the pole's powers
    """
    x = fma(turn1(x), pole[0], x)
    x = fma(turn2(x), pole[1], x)
    x = fma(turn4(x), pole[2], x)
    x = fma(turn8(x), pole[3], x)
    return fma(pole[4], before, x)


@rt_inlined
def low_pass(x, memory, n, table, scratch, at):
    """Sixteen samples through the pole of a table; memory[n] is the filter's, scratch[at:] free."""
    y = one_pole(x * (f32(1) - table[4 * LANE]), splat(memory[n]), pole_at(table, 0))
    store(scratch, at, y)
    memory[n] = flush(scratch[at + LANE - 1])
    return y
