"""Notes out of the rig: let out at their sample, always ended, written into the guard's ledger.
Thread: audio.

Events are taken as they arrive, ahead of their time, so that a port may be early or late by its own
offset. A note that was let out is in the list of those that sound until its end was let out too.
"""
import numpy as np
from numba import carray

from engine.kernels.logarithm import log2
from engine.records import CHOKE, MIDI, NOTE, OFF, PANIC, SLIDE
from engine.rig_midi_words import (
    BEND_STEPS,
    EVENT_INTS,
    M_DROPPED,
    M_FULL,
    M_PORTS,
    M_ROUTES,
    M_SOUNDING,
    M_WAITING,
    M_WAITING_ROWS,
    MEMBERS,
    P_CHANNELS,
    P_HELD,
    P_LATE,
    P_MEMBER,
    P_OFFSET,
    PARTS_MOST,
    R_CHANNEL,
    R_KEY,
    R_MPE,
    R_MUTE,
    R_PORT,
    ROUTE_WORDS,
    S_CHANNEL,
    S_DECK,
    S_END,
    S_PART,
    S_PITCH,
    S_PORT,
    SOUNDING_MOST,
    SOUNDING_WORDS,
    SPARE,
    WAITING_MOST,
    emit,
    port_of,
    room,
    sounding_of,
)
from engine.rig_words import GOAL, PARAMS, TABLE, TABLE_WORDS, floats, i8, words
from engine.rt import QUANTUM, f32, load_acquire, pointer, rt


@rt
def hold(m, port, channel, key, on):
    """The ledger that the guard reads."""
    p = port_of(m, port)
    if p[P_HELD]:
        carray(pointer(p[P_HELD]), (16 * 128,), np.uint8)[channel * 128 + key] = on


@rt
def let_go(m, k, sample):
    """Ends sounding note k; it stays in the list when its port has no room yet."""
    s = sounding_of(m, k)
    off = (0x80 | s[S_CHANNEL]) + (s[S_PITCH] << 8) + (64 << 16)
    if not emit(m, s[S_PORT], sample, i8(3), off, i8(0)):
        return False
    hold(m, s[S_PORT], s[S_CHANNEL], s[S_PITCH], 0)
    last = sounding_of(m, m[M_SOUNDING] - 1)
    for i in range(SOUNDING_WORDS):
        s[i] = last[i]
    m[M_SOUNDING] -= 1
    return True


@rt
def muted(h, m, deck, part):
    """Whether the strip of a part is, or is about to be, mute."""
    route = words(m[M_ROUTES] + 8 * ROUTE_WORDS * (PARTS_MOST * deck + part), ROUTE_WORDS)
    address = load_acquire(h, TABLE + deck)
    if address == 0 or route[R_MUTE] < 0:
        return False
    t = words(address, TABLE_WORDS)
    return route[R_MUTE] < t[PARAMS] and floats(t[GOAL], t[PARAMS])[route[R_MUTE]] >= f32(0.5)


@rt
def end_notes(h, m, now, end):
    """Lets go of what ends from `now` to before sample `end`, and of what was muted."""
    k = i8(0)
    while k < m[M_SOUNDING]:
        s = sounding_of(m, k)
        if muted(h, m, s[S_DECK], s[S_PART]):
            s[S_END] = min(s[S_END], now)
        if s[S_END] < end and let_go(m, k, max(s[S_END], now)):
            continue
        k += 1


@rt
def end_part(m, deck, part, key, sample):
    """Lets go of the notes of a part with a key; -1 is all keys, all parts, both decks."""
    k = i8(0)
    while k < m[M_SOUNDING]:
        s = sounding_of(m, k)
        if (deck < 0 or s[S_DECK] == deck) and (part < 0 or s[S_PART] == part) and (
                key < 0 or s[S_PITCH] == key):
            s[S_END] = min(s[S_END], sample)
            if let_go(m, k, sample):
                continue
        k += 1


@rt
def move(source, target):
    a, b = words(source, EVENT_INTS), words(target, EVENT_INTS)
    for i in range(EVENT_INTS):
        b[i] = a[i]


@rt
def silence(m, deck, sample):
    """Panic: nothing waits, nothing sounds, and whoever still sounds is told so."""
    kept = i8(0)
    for k in range(m[M_WAITING]):
        row = m[M_WAITING_ROWS] + 48 * k
        short = carray(pointer(row), (12,), np.int32)
        if short[4] == MIDI or (deck >= 0 and short[5] != deck):
            move(row, m[M_WAITING_ROWS] + 48 * kept)
            kept += 1
    m[M_WAITING] = kept
    end_part(m, deck, i8(-1), i8(-1), sample)
    for port in range(m[M_PORTS]):
        p = port_of(m, port)
        for channel in range(16):
            if (p[P_CHANNELS] >> channel) & 1:
                for number in (64, 120, 123):
                    emit(m, i8(port), sample, i8(3), (0xB0 | channel) + (number << 8), i8(0))


@rt
def offer(m, row, now):
    """An event has arrived at the rig: kept until it is time for its port."""
    short = carray(pointer(row), (12,), np.int32)
    kind, deck, part = short[4], i8(short[5]), i8(short[6])
    if kind == PANIC:
        silence(m, deck, now)
        return
    if kind == MIDI:
        if part < 0 or part >= m[M_PORTS]:
            return
    elif kind != NOTE and kind != OFF and kind != CHOKE:
        return
    elif deck < 0 or deck > 1 or part < 0 or part >= PARTS_MOST or words(
            m[M_ROUTES] + 8 * ROUTE_WORDS * (PARTS_MOST * deck + part), ROUTE_WORDS)[R_PORT] < 0:
        return
    if m[M_WAITING] >= WAITING_MOST:
        m[M_FULL] += 1
        return
    move(row, m[M_WAITING_ROWS] + 48 * m[M_WAITING])
    m[M_WAITING] += 1


@rt
def pitch_of(hz):
    """A frequency as a fractional MIDI number."""
    return f32(69) + f32(12) * log2(hz * f32(1.0 / 440.0))


@rt
def key_of(hz):
    """The nearest key."""
    return i8(np.floor(pitch_of(hz) + f32(0.5)))


@rt
def member(m, port):
    """A free channel of the MPE zone, else the next in turn."""
    p = port_of(m, port)
    for turn in range(MEMBERS):
        channel = i8(1) + (p[P_MEMBER] + turn) % MEMBERS
        free = True
        for k in range(m[M_SOUNDING]):
            s = sounding_of(m, k)
            free = free and not (s[S_PORT] == port and s[S_CHANNEL] == channel)
        if free:
            p[P_MEMBER] = (p[P_MEMBER] + turn + 1) % MEMBERS
            return channel
    channel = i8(1) + p[P_MEMBER]
    p[P_MEMBER] = (p[P_MEMBER] + 1) % MEMBERS
    return channel


@rt
def strike(h, m, row, sample):
    """Lets a note out, after ending what it takes the place of."""
    long = words(row, EVENT_INTS)
    short, real = carray(pointer(row), (12,), np.int32), floats(row, 12)
    deck, part = i8(short[5]), i8(short[6])
    route = words(m[M_ROUTES] + 8 * ROUTE_WORDS * (PARTS_MOST * deck + part), ROUTE_WORDS)
    port, hz, level = route[R_PORT], real[8], real[9]
    if not (hz > f32(8) and hz < f32(13000)) or not level > f32(0) or muted(h, m, deck, part):
        return
    pitch = pitch_of(hz)
    key = key_of(hz) if route[R_KEY] < 0 else route[R_KEY]
    if key < 0 or key > 127 or m[M_SOUNDING] >= SOUNDING_MOST:
        m[M_DROPPED] += 1
        return
    p = port_of(m, port)
    if room(p) <= SPARE + m[M_SOUNDING]:
        m[M_DROPPED] += 1
        return
    channel = member(m, port) if route[R_MPE] else route[R_CHANNEL]
    slid, end = short[7] & SLIDE, sample + max(long[1], i8(1))
    k = i8(0)
    while k < m[M_SOUNDING]:
        s = sounding_of(m, k)
        if s[S_PORT] == port and s[S_CHANNEL] == channel and s[S_PITCH] == key:
            if slid and s[S_PART] == part and s[S_DECK] == deck:        # a tie
                s[S_END] = end
                return
            if not let_go(m, k, sample):
                m[M_DROPPED] += 1
                return
            continue
        k += 1
    if route[R_MPE]:
        bend = i8(8192) + i8((pitch - f32(key)) * BEND_STEPS)
        emit(m, port, sample, i8(3),
             (0xE0 | channel) + ((bend & 127) << 8) + ((bend >> 7) << 16), i8(0))
    velocity = min(max(i8(level * f32(127) + f32(0.5)), i8(1)), i8(127))
    emit(m, port, sample, i8(3), (0x90 | channel) + (key << 8) + (velocity << 16), i8(0))
    hold(m, port, channel, key, 1)
    if slid:                              # legato: the old note ends when the new one has begun
        end_part(m, deck, part, i8(-1), sample)
    s = sounding_of(m, m[M_SOUNDING])
    s[S_END], s[S_PORT], s[S_CHANNEL], s[S_PITCH] = end, port, channel, key
    s[S_DECK], s[S_PART] = deck, part
    m[M_SOUNDING] += 1


@rt
def due_of(m, row):
    """When a waiting event's port is to hear of it."""
    long, short = words(row, EVENT_INTS), carray(pointer(row), (12,), np.int32)
    port = i8(short[6])
    if short[4] != MIDI:
        port = words(m[M_ROUTES] + 8 * ROUTE_WORDS * (PARTS_MOST * i8(short[5]) + port),
                     ROUTE_WORDS)[R_PORT]
    return long[0] + port_of(m, max(port, i8(0)))[P_OFFSET]


@rt
def let_out(h, m, now, raw):
    """The waiting events whose time, moved by their port's offset, lies in this quantum, in the
    order of that time: raw messages, or the others."""
    while True:
        first, due = i8(-1), now + QUANTUM
        for k in range(m[M_WAITING]):
            row = m[M_WAITING_ROWS] + 48 * k
            kind, at = carray(pointer(row), (12,), np.int32)[4], max(due_of(m, row), now)
            if at < due and (kind == MIDI) == raw:
                first, due = i8(k), at
        if first < 0:
            return
        row = m[M_WAITING_ROWS] + 48 * first
        if not raw:
            end_notes(h, m, now, due + 1)
        play(h, m, row, due, due_of(m, row) < now)
        for k in range(first + 1, m[M_WAITING]):
            move(m[M_WAITING_ROWS] + 48 * k, m[M_WAITING_ROWS] + 48 * (k - 1))
        m[M_WAITING] -= 1


@rt
def play(h, m, row, sample, late):
    """Carries out one event."""
    long, short = words(row, EVENT_INTS), carray(pointer(row), (12,), np.int32)
    kind, deck, port = short[4], i8(short[5]), i8(short[6])
    if kind == MIDI:
        emit(m, port, sample, long[1] >> 56, long[1] & i8(0xFFFFFFFFFFFFFF), i8(0))
        return
    port = words(m[M_ROUTES] + 8 * ROUTE_WORDS * (PARTS_MOST * deck + i8(short[6])),
                 ROUTE_WORDS)[R_PORT]
    if kind == NOTE and port >= 0:
        if late and long[0] > 0:
            port_of(m, port)[P_LATE] += 1
        strike(h, m, row, sample)
    elif kind != NOTE:
        hz, key = floats(row, 12)[8], i8(-1)
        if kind == OFF and hz > f32(8):
            key = key_of(hz)
        end_part(m, deck, i8(short[6]), key, sample)
