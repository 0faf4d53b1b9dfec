"""What six-operator FM is made of: operators that bend each other in 32 ways.
Thread: audio.

Sixteen voices side by side: an operator is FIELDS runs of 16 floats in `ops`; what it plays lies in
`work`, 32 frames of 16. All that bends an operator has a higher number, so six of them run from the
last to the first, each over the whole quantum; only feedback runs frame by frame. Amplitudes are
the turns that they bend by.
source   the algorithms as printed on the DX7
"""
import numpy as np

from engine.kernels.waves import vmove_on
from engine.lanes import fma, load, store, vabs, vrint, vsine
from engine.rt import C1, C3, C5, C7, C9, LANE, QUANTUM, exp2, f32, rt

OPERATORS = 6
# chains of operators, the last of each chain is heard; then what feeds back into what
ALGORITHMS = """
6543 21 66 | 6543 21 22 | 654 321 66 | 654 321 46 | 65 43 21 66 | 65 43 21 56 | 653 43 21 66 |
653 43 21 44 | 653 43 21 22 | 64 54 321 33 | 64 54 321 66 | 63 53 43 21 22 | 63 53 43 21 66 |
643 543 21 66 | 643 543 21 22 | 651 431 21 66 | 651 431 21 22 | 6541 31 21 33 | 65 64 321 66 |
64 54 32 31 33 | 65 64 32 31 33 | 65 64 63 21 66 | 65 64 32 1 66 | 65 64 63 2 1 66 |
65 64 3 2 1 66 | 64 54 32 1 66 | 64 54 32 1 33 | 6 543 21 55 | 65 43 2 1 66 | 6 543 2 1 55 |
65 4 3 2 1 66 | 6 5 4 3 2 1 66
"""


def _routes():
    """(32 * 6) bit masks of who modulates an operator, (32) of carriers, feedback from and to."""
    routes, heard, loops = np.zeros(192, np.int64), np.zeros(32, np.int64), []
    for n, line in enumerate(ALGORITHMS.split("|")):
        *chains, loop = line.split()
        loops.append([int(x) - 1 for x in loop])
        for chain in chains:
            places = [int(x) - 1 for x in chain]
            heard[n] |= 1 << places[-1]
            for above, below in zip(places, places[1:], strict=False):
                routes[n * OPERATORS + below] |= 1 << above
    return routes, heard, *np.array(loops, np.int64).T.copy()

ROUTES, HEARD, LOOP_FROM, LOOP_TO = _routes()
# lanes of an operator: phase and its rounding error, envelope, gain and its slope, turns a frame
PHASE, ERROR, ENV, STAGE, WAIT, GAIN, SLOPE, STEP, SPAN = range(0, 9 * LANE, LANE)
FIELDS = SPAN // LANE


@rt
def forward(ops, at):
    """The phase a quantum later."""
    turns = load(ops, at + STEP) * f32(QUANTUM)
    phase, error = vmove_on(load(ops, at + PHASE), load(ops, at + ERROR), turns)
    store(ops, at + PHASE, phase)
    store(ops, at + ERROR, error)
    store(ops, at + GAIN, load(ops, at + GAIN) + load(ops, at + SLOPE) * f32(QUANTUM))


@rt
def play(ops, at, work, to, inputs, a, b, c):
    """One operator over the quantum; the phases at work[a], [b], [c] bend it."""
    phase, step = load(ops, at + PHASE), load(ops, at + STEP)
    gain, slope = load(ops, at + GAIN), load(ops, at + SLOPE)
    for i in range(QUANTUM):
        x = fma(step, f32(i), phase)
        if inputs > 0:
            x = x + load(work, a + i * LANE)
        if inputs > 1:
            x = x + load(work, b + i * LANE)
        if inputs > 2:
            x = x + load(work, c + i * LANE)
        store(work, to + i * LANE, vsine(x) * fma(slope, f32(i + 1), gain))


@rt
def alone(ops, at, work, to, echo, e, share, climb):
    """An operator that bends itself by share times the sum of its last two frames."""
    phase, step = load(ops, at + PHASE) - f32(0.25), load(ops, at + STEP)
    gain, slope = load(ops, at + GAIN), load(ops, at + SLOPE)
    y, before = load(echo, e), load(echo, e + LANE)
    for i in range(QUANTUM):
        share = share + climb
        x = fma(y, share, fma(before, share, fma(step, f32(i), phase)))
        before = y
        x = x - vrint(x)
        t = f32(0.25) - vabs(x)
        u = t * t
        size = fma(slope, f32(i + 1), gain)
        y = (t * size) * fma(u * u, fma(u * u, C9, fma(u, C7, C5)), fma(u, C3, C1))
        store(work, to + i * LANE, y)
    store(echo, e, y)
    store(echo, e + LANE, before)


@rt
def around(ops, first, last, o, work, w, echo, e, share, climb):
    """Operators `first` down to `last` in a row; the last one bends the first."""
    y, before = load(echo, e), load(echo, e + LANE)
    for i in range(QUANTUM):
        share = share + climb
        x = (y + before) * share
        for n in range(first, last - 1, -1):
            at = o + n * SPAN
            turns = fma(load(ops, at + STEP), f32(i), load(ops, at + PHASE)) + x
            x = vsine(turns) * fma(load(ops, at + SLOPE), f32(i + 1), load(ops, at + GAIN))
            store(work, w + (n * QUANTUM + i) * LANE, x)
        before = y
        y = x
    store(echo, e, y)
    store(echo, e + LANE, before)


@rt
def hear(work, w, out, loud, climb):
    """An operator's quantum into out, 32 frames of 16 voices."""
    for i in range(0, QUANTUM * LANE, LANE):
        loud = loud + climb
        store(out, i, fma(load(work, w + i), loud, load(out, i)))


@rt
def route(algorithm, sounding, ops, o, work, w, echo, e, share, climb, loops, out, loud, rise):
    """All operators of an algorithm (0..31) over a quantum into out; `sounding` masks those that
    are not silent. loops: whether any feedback is on."""
    heard, source = HEARD[algorithm], LOOP_FROM[algorithm]
    target, done = LOOP_TO[algorithm], np.int64(0)
    for n in range(OPERATORS - 1, -1, -1):
        to = w + n * QUANTUM * LANE
        if (sounding >> n) & 1 == 0:
            continue
        if loops and n == target and source == n:
            alone(ops, o + n * SPAN, work, to, echo, e, share, climb)
        elif loops and n == target and (sounding >> source) & 1:
            around(ops, n, source, o, work, w, echo, e, share, climb)
            for m in range(source, n):
                done |= np.int64(1) << m
        elif (done >> n) & 1 == 0:
            by, inputs = ROUTES[algorithm * OPERATORS + n] & sounding, 0
            a, b, c = to, to, to
            for m in range(n + 1, OPERATORS):
                if (by >> m) & 1:
                    a, b, c = w + m * QUANTUM * LANE, a, b
                    inputs += 1
            play(ops, o + n * SPAN, work, to, inputs, a, b, c)
        if (heard >> n) & 1:
            hear(work, to, out, loud, rise)


@rt
def loudness(algorithm):
    """What one carrier of an algorithm may add, so that all together stay within one."""
    count, heard = f32(0), HEARD[algorithm]
    for n in range(OPERATORS):
        count += f32((heard >> n) & 1)
    return min(f32(0.25), f32(0.495) / count)               # an operator at 99 is 2 turns high


@rt
def echoing(feedback):
    """The share of its last two frames that bends an operator, in turns; 0 from feedback 0."""
    return exp2(max(feedback, f32(1)) - f32(9)) * min(max(feedback, f32(0)), f32(1))
