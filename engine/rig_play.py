"""What the units do with the voices of a part, quantum by quantum: releases, glides, fades, sample
offsets, sleep. Thread: audio.

A voice adds itself straight into its part's sum, shifted by its sample offset. The sum is two
quanta long; its second half waits for the next. Every few quanta, and while it fades or is faint,
a voice is rendered aside and looked at.
"""

import numpy as np

from engine.lanes import add, largest, load, select, splat, store, vabs, vmax
from engine.rig_voices import clear, strike
from engine.rig_words import (
    ACTIVE,
    COUNT,
    DT,
    DUE,
    FADE_TOTAL,
    FADING,
    FAINT,
    FAINT_EVERY,
    FAINT_LEVEL,
    FIRST,
    FLOATS,
    GATE,
    GOAL_HZ,
    MONO,
    NOT_FINITE,
    NOW_HZ,
    OFFSET,
    OVER,
    PITCH,
    QUIET,
    QUIET_LEVEL,
    QUIET_SAMPLES,
    RELEASE_AT,
    RIG_FLOATS,
    SAMPLE,
    SLIDE_S,
    STATE,
    SUSPECT,
    TOO_LOUD,
    UNIT,
    VALUE,
    VOICE_FLOATS,
    VOICE_WORDS,
    VOICES,
    WAIT_HZ,
    WAIT_LENGTH,
    WAIT_LEVEL,
    WAIT_OFFSET,
    WAITING,
    WATCH_EVERY,
    call_unit,
    floats,
    i8,
    words,
)
from engine.rt import LANE, QUANTUM, f32, rt, rt_inlined

POSITIVE = 0x7fffffff  # masks an index, so that the compiler knows that it is not below 0
NEVER, QUANTUM_BITS = i8(1) << i8(60), QUANTUM.bit_length() - 1


@rt
def attend(h, t, part, voice, v):
    """A release or a glide that is due; says when the voice needs this again."""
    n = part[COUNT]
    pitch = floats(part[PITCH], n * VOICE_FLOATS)
    if voice[GATE * n + v] and voice[RELEASE_AT * n + v] < h[SAMPLE] + QUANTUM:
        voice[GATE * n + v] = 0
        call_unit(part[UNIT], i8(1), i8(v), n, part[STATE], t[VALUE] + 4 * part[FIRST],
                  part[PITCH], i8(0), f32(0), f32(0))
    voice[DUE * n + v] = voice[RELEASE_AT * n + v] if voice[GATE * n + v] else NEVER
    if pitch[NOW_HZ * n + v] != pitch[GOAL_HZ * n + v]:
        # in float64, so that every processor rounds to the same float32 pitch
        k = 1.0 - np.exp(-np.float64(QUANTUM) * floats(h[FLOATS], RIG_FLOATS)[DT] / SLIDE_S)
        now, goal = np.float64(pitch[NOW_HZ * n + v]), np.float64(pitch[GOAL_HZ * n + v])
        near = abs(goal / now - 1.0) < 1e-5
        pitch[NOW_HZ * n + v] = f32(goal if near else now * np.exp(k * np.log(goal / now)))
        voice[DUE * n + v] = 0


@rt_inlined
def ticks(h, part):
    """The number of this quantum; -1 when the part is suspect and all its voices are watched."""
    return (h[SAMPLE] >> QUANTUM_BITS) if part[SUSPECT] == 0 else i8(-1)


@rt_inlined
def watched(tick, voice, n, v):
    """Whether this voice is rendered aside this quantum."""
    every = FAINT_EVERY if voice[FAINT * n + v] > 0 else WATCH_EVERY
    return ((tick + v) & (every - 1)) == 0 or tick < 0 or voice[FADING * n + v] > 0


@rt_inlined
def clean(block, count):
    for i in range(0, count, LANE):
        store(block, i, f32(0))


@rt
def blank(array, first, count):
    """array[first:first + count] = 0. A loop in the unit itself would take longer to compile."""
    for i in range(first, first + count):
        array[i] = f32(0)


@rt
def peak_of(block, count):
    """The highest point of a block; what is no number counts as far too loud."""
    peak = splat(f32(0))
    for i in range(0, count, LANE):
        size = vabs(load(block, i))
        peak = vmax(select(size < TOO_LOUD, size, f32(1e38)), peak)
    return largest(peak)


@rt
def end_fade(h, t, part, voice, v):
    """One quantum less to fade; in the end the voice is born again, or struck by what waited."""
    n = part[COUNT]
    voice[FADING * n + v] -= 1
    if voice[FADING * n + v] == 0:
        waits = voice[WAITING * n + v]
        at, length = voice[WAIT_OFFSET * n + v], voice[WAIT_LENGTH * n + v]
        clear(t, part, v)
        if waits:
            pitch = floats(part[PITCH], n * VOICE_FLOATS)
            strike(h, t, part, v, pitch[WAIT_HZ * n + v], pitch[WAIT_LEVEL * n + v], at, length)


@rt_inlined
def pour_in(part, voice, v, block, count):
    """A voice's quantum into the part's sum, at its sample offset."""
    mono = floats(part[MONO] + 4 * part[OVER] * voice[OFFSET * part[COUNT] + v], count)
    for i in range(0, count, LANE):
        add(mono, i, load(block, i))


@rt
def settle(h, t, part, voice, v, block, count):
    """A voice that was rendered aside: broken, fading or asleep? Then into the part's sum."""
    n, peak = part[COUNT], peak_of(block, count)
    if peak > TOO_LOUD:
        h[NOT_FINITE] += 1
        clear(t, part, v)
        return
    fading = voice[FADING * n + v]
    if fading > 0:
        left, whole = f32(fading), f32(voice[FADE_TOTAL * n + v])
        for i in range(count):
            block[i] *= max(left - f32(1) - f32(i) / f32(count), f32(0)) / (whole - f32(1))
    pour_in(part, voice, v, block, count)
    long = FAINT_EVERY * QUANTUM
    voice[QUIET * n + v] = voice[QUIET * n + v] + long if peak < QUIET_LEVEL else 0
    voice[FAINT * n + v] = voice[FAINT * n + v] + long if peak < FAINT_LEVEL else 0
    if fading > 0:
        end_fade(h, t, part, voice, v)
    elif voice[QUIET * n + v] >= QUIET_SAMPLES:
        clear(t, part, v)


@rt
def any_active(h, t, part, voice, first, last):
    """Attends to the voices first .. last - 1 of a part; how many sound."""
    n, sounding = part[COUNT] & POSITIVE, 0
    for v in range(first & POSITIVE, last):
        v = v & POSITIVE
        if voice[ACTIVE * n + v]:
            sounding += 1
            if voice[DUE * n + v] < h[SAMPLE] + QUANTUM:
                attend(h, t, part, voice, v)
    return sounding


@rt_inlined
def voices_of(part):
    return words(part[VOICES], part[COUNT] * VOICE_WORDS)
