"""Guard: for two seconds after an edit the bus grows louder by at most 6 dB in 100 ms.

What ears are used to is the loudest 100 ms of the last 4 s (K-weighted, as it left the guard, and
heard 100 ms ago or longer). While the guard watches, any 100 ms hold at most 2.5 times that energy,
and once they are full as much as before still passes, so there is never a hole: together 5.4 dB. A
quantum may be as loud as the loudest before, and 4 dB more while there is room, so that a burst
does not spend it all at once. Gain falls at once and comes back at 5.4 dB in 100 ms. Without an
edit, and wherever all this holds by itself, samples pass as they are. Thread: audio.
"""
import numpy as np

from engine.kernels.logarithm import log2
from engine.kernels.weighting import ROW_FLOATS, block_response, weigh
from engine.lanes import fma, load, ramp, select, splat, store, total, vabs
from engine.rt import LANE, QUANTUM, exp2, f32, rt

WATCH_S = f32(2.0)
SLOT_S, SLOTS, MEMORY = 0.02, 5, 200      # 100 ms are 5 slots, of which 200 are remembered: 4 s
RING = 640                                # quanta of 100 ms, up to 200 kHz
ROOM, SHARE = f32(2.5), f32(6)            # of what was heard; of the room left, in 100 ms
FLOOR = f32(1e-3)                         # silence counts as -30 dB, from where nothing startles
OCTAVES_PER_S = f32(9.0)                  # of gain, on its way back: 5.4 dB in 100 ms
ROWS, IN = 0, ROW_FLOATS                  # the filters; their states for what comes in, goes out
OUT = IN + 2 * LANE
LEFT, RIGHT = OUT + 2 * LANE, OUT + 2 * LANE + QUANTUM
PAST = RIGHT + QUANTUM                    # energy of each quantum of the last 100 ms
LOUD, BURST = PAST + RING, PAST + RING + MEMORY            # the most of each slot
SIZE, PLACE, QUANTA, SLOT, HEARD, CREST, DOWN, WATCH = range(BURST + MEMORY, BURST + MEMORY + 8)
FLOATS = BURST + MEMORY + 8


def new_guard(rate_hz):
    """(FLOATS,) float32: a guard's state."""
    state = np.zeros(FLOATS, f32)
    state[ROWS:ROWS + ROW_FLOATS] = block_response(rate_hz)
    state[QUANTA] = max(1, round(SLOT_S * rate_hz / QUANTUM))
    state[SIZE] = SLOTS * state[QUANTA]
    listen.py_func(state)                 # here, by the interpreter
    return state


@rt
def energy(s, states, left, right):
    """The K-weighted energy of a quantum; what is no number, or absurd, is silence here."""
    for i in range(0, QUANTUM, LANE):
        x, y = load(left, i), load(right, i)
        store(s, LEFT + i, select(vabs(x) < splat(f32(1e15)), x, splat(f32(0))))
        store(s, RIGHT + i, select(vabs(y) < splat(f32(1e15)), y, splat(f32(0))))
    first = weigh(s, ROWS, states, LEFT, RIGHT)
    return first + weigh(s, ROWS, states, LEFT + LANE, RIGHT + LANE)


@rt
def others(s):
    """The energy of this window's quanta without the one that leaves it now."""
    past = splat(f32(0))
    for i in range(PAST, PAST + int(s[SIZE]), LANE):       # the ring ends in zeros
        past = past + load(s, i)
    return max(total(past) - s[PAST + int(s[PLACE])], f32(0))


@rt
def listen(s):
    """What was heard: the most of every slot but the last five, and how uneven that was."""
    slot, loud, burst = int(s[SLOT]), FLOOR * f32(QUANTUM) * s[SIZE], FLOOR * f32(QUANTUM)
    for k in range(MEMORY):
        ago = slot - k if k <= slot else slot - k + MEMORY
        if ago >= SLOTS:
            loud, burst = max(loud, s[LOUD + k]), max(burst, s[BURST + k])
    s[HEARD] = loud
    if s[DOWN] == f32(0):                 # what is held back is no measure
        s[CREST] = burst / loud


@rt
def remember(s, past, power):
    """Put the energy of what leaves into the window and the memory."""
    place, slot = int(s[PLACE]), int(s[SLOT])
    s[PAST + place] = power
    s[PLACE] = f32(place + 1) if f32(place + 1) < s[SIZE] else f32(0)
    s[LOUD + slot], s[BURST + slot] = max(s[LOUD + slot], past + power), max(s[BURST + slot], power)
    s[QUANTA] -= f32(1)
    if s[QUANTA] < f32(0.5):
        listen(s)
        slot = slot + 1 if slot + 1 < MEMORY else 0
        s[SLOT], s[LOUD + slot], s[BURST + slot] = f32(slot), f32(0), f32(0)
        s[QUANTA] = s[SIZE] / f32(SLOTS)


@rt
def fall(s, power, past):
    """The octaves that this quantum must come down, so that both bounds hold."""
    free, even, burst = ROOM * s[HEARD] - past, s[HEARD] / s[SIZE], s[HEARD] * s[CREST]
    most = min(max(even + max(free, f32(0)) * (SHARE / s[SIZE]), min(free, burst)), ROOM * burst)
    return f32(0.5) * log2(power / most) if power > most else f32(0)


@rt
def turn_down(s, before, left, right):
    """Down at once, up along a line; returns the energy of what leaves."""
    gain = exp2(-s[DOWN])
    first = min(exp2(-before), gain)
    slope = (gain - first) * f32(1 / QUANTUM)
    for i in range(0, QUANTUM, LANE):
        line = fma(ramp(i + 1), slope, first)
        store(left, i, load(left, i) * line)
        store(right, i, load(right, i) * line)
    return energy(s, OUT, left, right)


@rt
def hold_back(s, left, right, edited, dt):
    """Guard a quantum of left and right in place; edited: a person changed something in it."""
    power, past, before = energy(s, IN, left, right), others(s), s[DOWN]
    if edited:
        s[WATCH] = WATCH_S
    s[DOWN] = max(before - OCTAVES_PER_S * f32(QUANTUM) * dt, f32(0))
    if s[WATCH] > f32(0):
        s[WATCH] -= f32(QUANTUM) * dt
        s[DOWN] = max(s[DOWN], fall(s, power, past))
    if before > f32(0) or s[DOWN] > f32(0):
        power = turn_down(s, before, left, right)
    else:
        store(s, OUT, load(s, IN))
        store(s, OUT + LANE, load(s, IN + LANE))
    remember(s, past, power)
