"""Voices to strips: rendering, fades, offsets, sleep, level, pan, duck, sends. Thread: audio."""

import numpy as np

from engine.rig_voices import clear, strike
from engine.rig_words import (
    ACTIVE,
    BUS,
    CARRY,
    CHANNELS,
    COUNT,
    CUE,
    DT,
    DUCK,
    FADE_TOTAL,
    FADING,
    FAINT,
    FAINT_LEVEL,
    FALL,
    FIRST,
    FLOATS,
    GATE,
    GOAL,
    GOAL_HZ,
    LANES,
    LAST,
    LAST_LEFT,
    LAST_RIGHT,
    LAST_SENDS,
    LEVEL_DB,
    METER,
    METER_FALL,
    MUTE,
    NOT_FINITE,
    NOW_HZ,
    OFFSET,
    OUT,
    PAN,
    PARAMS,
    PART_FLOATS,
    PITCH,
    POLYPHONY,
    QUIET,
    QUIET_LEVEL,
    QUIET_SAMPLES,
    RELEASE_AT,
    RIG_FLOATS,
    RISE,
    S_LEFT,
    S_MONO,
    S_RIGHT,
    S_VOICE,
    SAMPLE,
    SCRATCH,
    SENDS,
    SLIDE_S,
    STATE,
    STRIP,
    STRIP_SENDS,
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
    call_unit,
    finite,
    floats,
    i8,
    words,
)
from engine.rt import LANE, QUANTUM, f32, from_db, rt, sine


@rt
def glide(t):
    """Every parameter one step nearer to its goal."""
    n = t[PARAMS]
    value, goal = floats(t[VALUE], n), floats(t[GOAL], n)
    rise, fall = floats(t[RISE], n), floats(t[FALL], n)
    for i in range(n):
        way = goal[i] - value[i]
        value[i] += way * (rise[i] if way > f32(0) else fall[i])


@rt
def settle(h, t, part, v, block, mono, voice, carry):
    """One voice's quantum into the part: fade, sample offset, sleep."""
    n = part[COUNT]
    peak = f32(0)
    for i in range(QUANTUM):
        peak = max(peak, abs(block[i])) if finite(block[i]) else f32(1e38)
    if peak > f32(1e6):
        h[NOT_FINITE] += 1
        clear(t, part, v)
        return
    if voice[FADING * n + v] > 0:
        left, whole = f32(voice[FADING * n + v]), f32(voice[FADE_TOTAL * n + v])
        for i in range(QUANTUM):
            block[i] *= max(left - f32(1) - f32(i) * f32(1 / QUANTUM), f32(0)) / (whole - f32(1))
    offset = voice[OFFSET * n + v]
    if offset == 0:
        for i in range(QUANTUM):
            mono[i] += block[i]
    else:
        for i in range(offset):
            mono[i] += carry[v * QUANTUM + i]
            carry[v * QUANTUM + i] = block[QUANTUM - offset + i]
        for i in range(offset, QUANTUM):
            mono[i] += block[i - offset]
    voice[QUIET * n + v] = voice[QUIET * n + v] + QUANTUM if peak < QUIET_LEVEL else 0
    voice[FAINT * n + v] = voice[FAINT * n + v] + QUANTUM if peak < FAINT_LEVEL else 0
    if voice[FADING * n + v] > 0:
        voice[FADING * n + v] -= 1
        if voice[FADING * n + v] == 0:
            waits = voice[WAITING * n + v]
            at, length = voice[WAIT_OFFSET * n + v], voice[WAIT_LENGTH * n + v]
            clear(t, part, v)
            if waits:
                pitch = floats(part[PITCH], n * VOICE_FLOATS)
                strike(h, t, part, v, pitch[WAIT_HZ * n + v], pitch[WAIT_LEVEL * n + v], at, length)
    elif voice[QUIET * n + v] >= QUIET_SAMPLES:
        clear(t, part, v)


@rt
def held(h, t, part, voice):
    """Releases and glides of a part's voices; how many lane groups hold a sounding one."""
    n, groups = part[COUNT], i8(0)
    pitch = floats(part[PITCH], n * VOICE_FLOATS)
    # in float64, so that every processor rounds to the same float32 pitch
    k = 1.0 - np.exp(-np.float64(QUANTUM) * floats(h[FLOATS], RIG_FLOATS)[DT] / SLIDE_S)
    for v in range(part[POLYPHONY]):
        if voice[ACTIVE * n + v]:
            groups = v // LANE + 1
            if voice[GATE * n + v] and voice[RELEASE_AT * n + v] < h[SAMPLE] + QUANTUM:
                voice[GATE * n + v] = 0
                call_unit(part[UNIT], i8(1), v, n, part[STATE], t[VALUE] + 4 * part[FIRST],
                          part[PITCH], i8(0), f32(0), f32(0))
            if pitch[NOW_HZ * n + v] != pitch[GOAL_HZ * n + v]:
                now, goal = np.float64(pitch[NOW_HZ * n + v]), np.float64(pitch[GOAL_HZ * n + v])
                near = abs(goal / now - 1.0) < 1e-5
                pitch[NOW_HZ * n + v] = f32(goal if near else now * np.exp(k * np.log(goal / now)))
    return groups


@rt
def play_part(h, t, part, dt):
    """Renders a part's voices into the mono scratch; False when all are silent."""
    n = part[COUNT]
    scratch = h[SCRATCH]
    mono = floats(scratch + 4 * S_MONO, QUANTUM)
    voice, carry = words(part[VOICES], n * VOICE_WORDS), floats(part[CARRY], n * QUANTUM)
    for i in range(QUANTUM):
        mono[i] = f32(0)
    groups = held(h, t, part, voice)
    if groups == 0:
        return False
    params = t[VALUE] + 4 * part[FIRST]
    if part[LANES] == 0:
        block = floats(scratch + 4 * S_VOICE, QUANTUM)
        for v in range(part[POLYPHONY]):
            if voice[ACTIVE * n + v]:
                for i in range(QUANTUM):
                    block[i] = f32(0)
                call_unit(part[UNIT], i8(2), v, n, part[STATE], params, part[PITCH],
                          scratch + 4 * S_VOICE, dt, f32(0))
                settle(h, t, part, v, block, mono, voice, carry)
        return True
    wide = floats(scratch + 4 * S_VOICE, QUANTUM * LANE)
    block = floats(scratch + 4 * S_LEFT, QUANTUM)
    for g in range(groups):
        for i in range(QUANTUM * LANE):
            wide[i] = f32(0)
        call_unit(part[UNIT], i8(2), g, n, part[STATE], params, part[PITCH], scratch + 4 * S_VOICE,
                  dt, f32(0))
        for lane in range(LANE):
            if g * LANE + lane < part[POLYPHONY] and voice[ACTIVE * n + g * LANE + lane]:
                for i in range(QUANTUM):
                    block[i] = wide[i * LANE + lane]
                settle(h, t, part, g * LANE + lane, block, mono, voice, carry)
    return True


@rt
def pour(source, target, at):
    """target[at : at + 32] += source: sums are formed here alone, so that whether stems are taken
    does not change how the compiler rounds the master."""
    for i in range(QUANTUM):
        target[at + i] += source[i]


@rt
def strip(h, t, part, index, curve):
    """A part's mono quantum through level, pan, duck and sends into buses and outputs."""
    value = floats(t[VALUE], t[PARAMS])
    mono = floats(h[SCRATCH] + 4 * S_MONO, QUANTUM)
    last = floats(part[LAST], PART_FLOATS)
    bus = floats(t[BUS], (1 + t[SENDS]) * 2 * QUANTUM)
    out, channels = floats(h[OUT], h[CHANNELS] * QUANTUM), h[CHANNELS]
    first = part[STRIP]
    opened = f32(1) - min(max(value[first + MUTE], f32(0)), f32(1))
    gain = from_db(value[first + LEVEL_DB]) * opened
    angle = (value[first + PAN] + f32(1)) * f32(0.125)
    left, right = gain * sine(angle + f32(0.25)), gain * sine(angle)
    from_left, from_right, step = last[LAST_LEFT], last[LAST_RIGHT], f32(1 / QUANTUM)
    slope_left, slope_right = (left - from_left) * step, (right - from_right) * step
    depth, cue, meter = value[first + DUCK], value[first + CUE] > f32(0.5), last[METER] * METER_FALL
    a = floats(h[SCRATCH] + 4 * S_LEFT, QUANTUM)
    b = floats(h[SCRATCH] + 4 * S_RIGHT, QUANTUM)
    for i in range(QUANTUM):
        x = mono[i] * (f32(1) - depth * (f32(1) - curve[i]))
        a[i] = x * (from_left + slope_left * f32(i + 1))
        b[i] = x * (from_right + slope_right * f32(i + 1))
        meter = max(meter, max(abs(a[i]), abs(b[i])))
    pour(a, bus, 0)
    pour(b, bus, QUANTUM)
    if cue and channels >= 4:
        pour(mono, out, 2 * QUANTUM)
        pour(mono, out, 3 * QUANTUM)
    own = 4 + 2 * index
    if own + 1 < channels:
        pour(a, out, own * QUANTUM)
        pour(b, out, (own + 1) * QUANTUM)
    for s in range(t[SENDS]):
        start = last[LAST_SENDS + s]
        slope = (value[first + STRIP_SENDS + s] - start) * step
        for i in range(QUANTUM):
            bus[(2 + 2 * s) * QUANTUM + i] += a[i] * (start + slope * f32(i + 1))
            bus[(3 + 2 * s) * QUANTUM + i] += b[i] * (start + slope * f32(i + 1))
    last[LAST_LEFT], last[LAST_RIGHT], last[METER] = left, right, meter
    for s in range(t[SENDS]):
        last[LAST_SENDS + s] = value[first + STRIP_SENDS + s]
