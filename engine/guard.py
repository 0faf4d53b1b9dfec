"""Guard: after an edit the bus may grow louder by at most 6 dB in 100 ms. Thread: audio.

Loudness is here the plain (unweighted) mean power of both sides over the last 100 ms. When a person
edits, the largest loudness of the last 4 s is what ears are used to: from there the bus may reach
6 dB more within 100 ms, and 6 dB more in every 100 ms after. A second bound, on the power of single
quanta against the largest single one of those 4 s, keeps a burst from spending it all at once.
Without an edit, and wherever both bounds hold by themselves, samples pass as they are.
"""
import numpy as np

from engine.lanes import load, splat, total
from engine.rt import LANE, QUANTUM, exp2, f32, rt, sqrt

WINDOW_S, MEMORY = f32(0.1), 40           # 40 windows are remembered: 4 s
RING = 640                                # quanta of a window, up to 200 kHz
ROOM = f32(10 ** 0.6)                     # 6 dB of power
FLOOR = f32(10 ** (-30 / 10))             # silence counts as this loud
CREST = f32(4.0)                          # and as this uneven
ENDS = f32(1e6)                           # a bound this far over full scale binds nothing
LARGEST = f32(1e15)
LOUD, BURST = RING, RING + MEMORY         # the largest window and quantum of each 100 ms
GAIN, ACTIVE, PLACE, SLOT, LOUD_CAP, BURST_CAP, AGE = range(RING + 2 * MEMORY, RING + 2 * MEMORY + 7)
FLOATS = RING + 2 * MEMORY + 7


def new_guard():
    """(FLOATS,) float32: a guard's state."""
    return np.zeros(FLOATS, f32)


@rt
def tame(x):
    """x as far as its power can be counted: what is no number is 0."""
    return min(max(x, -LARGEST), LARGEST) if abs(x) < f32(3e38) else f32(0)


@rt
def before(s, window):
    """Power sums: of the other quanta of this window, and the largest window and quantum of 4 s."""
    past, loud, burst = splat(f32(0)), f32(0), f32(0)
    for i in range(0, window, LANE):
        past += load(s, i)
    for k in range(MEMORY):
        loud, burst = max(loud, s[LOUD + k]), max(burst, s[BURST + k])
    return total(past) - s[int(s[PLACE])], loud, burst


@rt
def remember(s, window, loud, power):
    """Put what leaves into the ring and the memory."""
    place, slot = int(s[PLACE]), int(s[SLOT])
    s[place] = power
    s[LOUD + slot], s[BURST + slot] = max(s[LOUD + slot], loud), max(s[BURST + slot], power)
    s[PLACE] = f32(place + 1 if place + 1 < window else 0)
    if place + 1 == window:
        slot = slot + 1 if slot + 1 < MEMORY else 0
        s[SLOT], s[LOUD + slot], s[BURST + slot] = f32(slot), f32(0), f32(0)


@rt
def caps(s, window, edited):
    """The two bounds move on: 6 dB at once, after 100 ms 6 dB more in every 100 ms."""
    past, loud, burst = before(s, window)
    grown = exp2(f32(np.log2(ROOM)) / f32(window))
    if s[ACTIVE] > f32(0):
        s[AGE] += f32(1)
        if s[AGE] > f32(window):
            s[LOUD_CAP], s[BURST_CAP] = s[LOUD_CAP] * grown, s[BURST_CAP] * grown
        if s[LOUD_CAP] > ENDS * f32(window):
            s[ACTIVE] = f32(0)
    return past
