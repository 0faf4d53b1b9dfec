"""Clock, time code and controllers out of the rig. Thread: audio.

source   MIDI 1.0: F8 is 24 a quarter; MIDI Time Code: eight quarter frames carry one time
"""
import numpy as np
from numba import carray

from engine.clock import BPM, COLUMNS, COUNTS, END, HALF, MAP_WORDS, ROWS, STEP
from engine.clock import SAMPLE as MAP_SAMPLE
from engine.kernels.logarithm import log2
from engine.rig_midi_words import (
    C_CHANNEL,
    C_CURVE,
    C_DECK,
    C_LAST,
    C_NUMBER,
    C_PARAM,
    C_PORT,
    CONTROL_WORDS,
    M_CONTROL_ROWS,
    M_CONTROLS,
    M_HALVES,
    M_MAP,
    M_RATE_HZ,
    P_FRAMES_S,
    P_LATE,
    P_OFFSET,
    P_ORIGIN,
    P_QUARTER,
    P_TICK,
    SPARE,
    emit,
    port_of,
)
from engine.rig_words import HIGH, LOW, PARAMS, TABLE, TABLE_WORDS, VALUE, floats, i8, words
from engine.rt import QUANTUM, f32, load_acquire, pointer, rt

TICKS_PER_STEP, f64 = 6.0, np.float64


@rt
def row_of(rows, count, step):
    """The last row of the tempo map that begins at or before a step."""
    low, high = i8(0), count
    while high - low > 1:
        middle = (low + high) >> 1
        if rows[middle * COLUMNS + STEP] <= step:
            low = middle
        else:
            high = middle
    return low


@rt
def tick(m, port, now):
    """The clock's ticks of this quantum, 24 a quarter, on the tempo map."""
    p, heads = port_of(m, port), words(m[M_MAP], MAP_WORDS)
    half = load_acquire(heads, HALF) - 1
    if half < 0:
        return
    count = heads[COUNTS + half]
    rows = carray(pointer(m[M_HALVES] + 8 * COLUMNS * ROWS * half), (ROWS * COLUMNS,), f64)
    while True:
        at = row_of(rows, count, p[P_TICK] / TICKS_PER_STEP + 1e-9)
        base = at * COLUMNS
        if p[P_TICK] / TICKS_PER_STEP >= rows[base + END] - 1e-9:
            if at + 1 >= count:           # the transport stands
                return
            p[P_TICK] = i8(np.ceil(rows[base + COLUMNS + STEP] * TICKS_PER_STEP - 1e-6))
            continue
        length = m[M_RATE_HZ] * 15.0 / rows[base + BPM]
        place = rows[base + MAP_SAMPLE] + (p[P_TICK] / TICKS_PER_STEP - rows[base + STEP]) * length
        sample = i8(np.rint(place)) + p[P_OFFSET]
        if sample >= now + QUANTUM:
            return
        if sample < now - m[M_RATE_HZ]:   # far behind: a stream that begins late owes nothing
            p[P_TICK] += 1
            continue
        if sample < now:
            p[P_LATE] += 1
        emit(m, port, max(sample, now), i8(1), i8(0xF8), i8(SPARE))
        p[P_TICK] += 1


@rt
def quarter(m, port, now):
    """MIDI time code: the quarter frames of this quantum, counted from the port's origin."""
    p = port_of(m, port)
    fps = p[P_FRAMES_S]
    while True:
        sample = p[P_ORIGIN] + p[P_OFFSET] + p[P_QUARTER] * m[M_RATE_HZ] // (4 * fps)
        if sample >= now + QUANTUM:
            return
        piece = p[P_QUARTER] & 7
        frame = (p[P_QUARTER] - piece) >> 2         # the time of piece 0
        second = frame // fps
        part = frame % fps
        if piece >= 2:
            part = second % 60
        if piece >= 4:
            part = second // 60 % 60
        if piece >= 6:
            part = second // 3600 % 24 + ((96 if fps == 30 else 32 if fps == 25 else 0))
        nibble = (part >> 4) if piece & 1 else (part & 15)
        if sample >= now:
            emit(m, port, sample, i8(2), 0xF1 + ((piece << 4 | nibble) << 8), i8(SPARE))
        p[P_QUARTER] += 1


@rt
def controllers(h, m, now):
    """Parameters that are followed by a controller, when their step of 128 has changed."""
    for k in range(m[M_CONTROLS]):
        c = words(m[M_CONTROL_ROWS] + 8 * CONTROL_WORDS * k, CONTROL_WORDS)
        address = load_acquire(h, TABLE + c[C_DECK])
        if address == 0:
            continue
        t = words(address, TABLE_WORDS)
        if c[C_PARAM] >= t[PARAMS]:
            continue
        low, high = floats(t[LOW], t[PARAMS])[c[C_PARAM]], floats(t[HIGH], t[PARAMS])[c[C_PARAM]]
        value = min(max(floats(t[VALUE], t[PARAMS])[c[C_PARAM]], low), high)
        if not high > low:
            continue
        share = (value - low) / (high - low)
        if c[C_CURVE]:
            share = log2(value / low) / log2(high / low)
        step = min(max(i8(share * f32(127) + f32(0.5)), i8(0)), i8(127))
        if step != c[C_LAST] and emit(
                m, c[C_PORT], now, i8(3),
                (0xB0 | c[C_CHANNEL]) + (c[C_NUMBER] << 8) + (step << 16), i8(SPARE)):
            c[C_LAST] = step
