"""The process callback of our own JACK client: sound, MIDI out and MIDI in, in one compiled call.

It works on the stream's words (engine.stream_callback) and on words of its own, which Python wrote
before the activation. Thread: audio.
"""
import functools

import numpy as np
from numba import carray, cfunc, types

from engine.records import MESSAGE
from engine.rig_words import words as row_of
from engine.ring import HEAD, TAIL
from engine.rt import SAFE, address_of, f32, load_acquire, pointer, rt
from engine.rt import store_release as store
from engine.stream_callback import (
    CALLED_NS,
    CHANNELS,
    DUE_NS,
    FIRST,
    PROCESS,
    RATE_HZ,
    RIG,
    RUNNING,
    SCRATCH,
    SCRATCH_FRAMES,
    SECOND_NS,
    end_turn,
    enter,
    heard,
    take_turn,
)
from engine.stream_callback import WORDS as STREAM_WORDS
from engine.stream_calls import (
    call_buffer,
    call_clear,
    call_count,
    call_get,
    call_process,
    call_write,
)

# Written by Python. STREAM is 0 when the client was given up: then it is silent. FLUSH asks for all
# that the rings still hold.
STREAM, GET_BUFFER, CLEAR, WRITE, COUNT_OF, GET, FLUSH = range(7)
SOUNDS, SOUND_ROWS, OUTS, OUT_ROWS, INS, IN_ROWS, RING, RING_ROWS, RING_SLOTS = range(8, 17)
# The process thread alone; EVENT is a C structure of three words. LONG and LOST count messages in
# that do not fit into a record, or into the ring.
EVENT, FLUSHED, SEEN_XRUNS, LONG, LOST = 24, 27, 28, 29, 30
# JACK's own threads: the server's xruns, 1 when it has gone, ports that came or went
XRUNS, DOWN, CHANGES, WORDS = 40, 48, 56, 64
# A port that sounds: the rig's channel it carries
PORT, CHANNEL, BUFFER, SOUND_WORDS = range(4)
# A MIDI port out: what is urgent comes before what the ring holds, each with (words, rows, slots);
# HELD is the ledger of its notes or 0
URGENT, MAIN, LATE, REFUSED, SENT, HELD, AGAIN, OUT_WORDS = 2, 5, 8, 9, 10, 11, 12, 16
# A MIDI port in
INDEX, RECEIVED, IN_WORDS = 1, 2, 4

ROW_BYTES, ROW_TIME, ROW_PORT, ROW_DATA = MESSAGE.itemsize, 8, 16, 24
LONGEST, NEVER = 16, np.int64(1) << 62
NOTE_OFF, NOTE_ON, CLOCK, START, GO_ON = 0x80, 0x90, 0xF8, 0xFA, 0xFB
AGAIN_ROWS, AGAIN_SAMPLES = 128, 16384     # how far back a cycle that was left out may lie


@rt
def spread(j, source, channels, at, frames):
    """Interleaved frames of the rig into the ports' buffers, `at` frames in; 0 is silence."""
    for index in range(j[SOUNDS]):
        sound = row_of(j[SOUND_ROWS] + 8 * SOUND_WORDS * index, SOUND_WORDS)
        target = carray(pointer(sound[BUFFER] + 4 * at), (frames,), np.float32)
        if source == 0:
            for i in range(frames):
                target[i] = f32(0)
            continue
        values = carray(pointer(source + 4 * sound[CHANNEL]), (frames * channels,), np.float32)
        for i in range(frames):
            target[i] = values[i * channels]


@rt
def play(j, words, frames):
    """The rig's next frames into the ports, in as many calls as its scratch needs."""
    done = np.int64(0)
    while done < frames:
        n = min(frames - done, words[SCRATCH_FRAMES])
        call_process(words[PROCESS], words[RIG], words[SCRATCH], n)
        spread(j, words[SCRATCH], words[CHANNELS], done, n)
        done += n


@rt
def begins(data, size):
    """True of a message that starts something: it has no place after the end."""
    status = np.int64(data[0])
    note = status & 0xF0 == NOTE_ON and size > 2 and data[2] > 0
    return note or status == CLOCK or status == START or status == GO_ON


@rt
def pour(j, out, which, buffer, first, frames, place):
    """Writes what a ring holds for these frames, in its order, each at its frame or else at once.

    first    the sample of frame 0; NEVER to write all there is that begins nothing
    place    the frame of the last message written; returns it, or -1 when JACK had no more room
    """
    ring, late, flush = row_of(out[which], 32), np.int64(0), first == NEVER
    head = load_acquire(ring, HEAD)
    while ring[TAIL] < head and place >= 0:
        row = out[which + 1] + ROW_BYTES * (ring[TAIL] & (out[which + 2] - 1))
        sample = row_of(row, 1)[0]
        size = np.int64(carray(pointer(row + ROW_PORT), (2,), np.int32)[1])
        data = carray(pointer(row + ROW_DATA), (LONGEST,), np.uint8)
        if not flush:
            if sample >= first + frames:
                break
            place = max(place, sample - first)
            late = np.int64(sample < first and sample != 0)
        fits = size > 0 and size <= LONGEST
        if fits and not (flush and begins(data, size)):
            if call_write(j[WRITE], buffer, place, row + ROW_DATA, size) != 0:
                out[REFUSED] += 1
                return np.int64(-1)
            out[SENT] += 1
            out[LATE] += late
        store(ring, TAIL, ring[TAIL] + 1)
    return place


@rt
def end_again(j, out, buffer, first):
    """The server left a cycle out: notes that may have ended in it, and sound no more, end again.

    Rows that were taken out lie in the ring until their place is written anew.
    """
    ring, held = row_of(out[MAIN], 32), carray(pointer(out[HELD]), (2048,), np.uint8)
    start = max(ring[TAIL] - AGAIN_ROWS, load_acquire(ring, HEAD) - out[MAIN + 2], 0)
    for number in range(start, ring[TAIL]):
        row = out[MAIN + 1] + ROW_BYTES * (number & (out[MAIN + 2] - 1))
        size = np.int64(carray(pointer(row + ROW_PORT), (2,), np.int32)[1])
        data = carray(pointer(row + ROW_DATA), (LONGEST,), np.uint8)
        status, key = np.int64(data[0]), np.int64(data[1])
        kind = status & 0xF0
        ended = size == 3 and (kind == NOTE_OFF or kind == NOTE_ON and data[2] == 0)
        recent = row_of(row, 1)[0] + AGAIN_SAMPLES > first
        if ended and recent and held[(status & 15) * 128 + (key & 127)] == 0:
            call_write(j[WRITE], buffer, np.int64(0), row + ROW_DATA, size)
            out[AGAIN] += 1


@rt
def send(j, first, frames, broken):
    """Every MIDI port's block; a port without room keeps what it has for the next one."""
    left = np.int64(0)
    for index in range(j[OUTS]):
        out = row_of(j[OUT_ROWS] + 8 * OUT_WORDS * index, OUT_WORDS)
        buffer = call_buffer(j[GET_BUFFER], out[PORT], frames)
        call_clear(j[CLEAR], buffer)
        if first < 0:
            continue
        if broken and first != NEVER and out[HELD]:
            end_again(j, out, buffer, first)
        place = pour(j, out, URGENT, buffer, np.int64(0), frames, np.int64(0))
        place = pour(j, out, MAIN, buffer, first, frames, place)
        left += place < 0
    if first == NEVER and left == 0:
        store(j, FLUSHED, j[FLUSHED] + 1)


@rt
def keep_message(j, index, sample, time_ns):
    """The event that lies at EVENT into the stage's ring."""
    ring, size = row_of(j[RING], 32), j[EVENT + 1]
    if size > LONGEST:
        j[LONG] += 1
        return
    if ring[HEAD] - load_acquire(ring, TAIL) >= j[RING_SLOTS]:
        j[LOST] += 1
        return
    row = j[RING_ROWS] + ROW_BYTES * (ring[HEAD] & (j[RING_SLOTS] - 1))
    times = row_of(row, 2)
    times[0], times[1] = sample, time_ns
    about = carray(pointer(row + ROW_PORT), (2,), np.int32)
    about[0], about[1] = index, size
    source = carray(pointer(j[EVENT + 2]), (size,), np.uint8)
    target = carray(pointer(row + ROW_DATA), (LONGEST,), np.uint8)
    for i in range(LONGEST):
        target[i] = source[i] if i < size else np.uint8(0)
    store(ring, HEAD, ring[HEAD] + 1)


@rt
def receive(j, first, start_ns, rate_hz, frames):
    """Every MIDI port's events, each with its sample and its time."""
    for index in range(j[INS]):
        port = row_of(j[IN_ROWS] + 8 * IN_WORDS * index, IN_WORDS)
        buffer = call_buffer(j[GET_BUFFER], port[PORT], frames)
        for number in range(call_count(j[COUNT_OF], buffer)):
            if call_get(j[GET], address_of(j) + 8 * EVENT, buffer, number) == 0:
                offset = j[EVENT] & 0xFFFFFFFF
                keep_message(j, port[INDEX], first + offset,
                             start_ns + offset * SECOND_NS // rate_hz)
                port[RECEIVED] += 1


@rt
def block(j, words, frames):
    """One cycle of the server."""
    broken = np.int64(j[XRUNS] != j[SEEN_XRUNS])
    j[SEEN_XRUNS] = j[XRUNS]
    start, called = enter(words, broken)
    if take_turn(words):
        play(j, words, frames)
        first = words[FIRST]
        end_turn(words, called, start, frames, broken)
        receive(j, first, words[DUE_NS], words[RATE_HZ], frames)
    else:
        spread(j, np.int64(0), np.int64(1), np.int64(0), frames)
        receive(j, heard(words), words[CALLED_NS], words[RATE_HZ], frames)
        idle = load_acquire(j, FLUSH) and load_acquire(words, RUNNING) == 0
        first = NEVER if idle else np.int64(-1)
    send(j, first, frames, broken)


def _process(frames, user):
    j, count = carray(user, (WORDS,), np.int64), np.int64(frames)
    for index in range(j[SOUNDS]):
        sound = row_of(j[SOUND_ROWS] + 8 * SOUND_WORDS * index, SOUND_WORDS)
        sound[BUFFER] = call_buffer(j[GET_BUFFER], sound[PORT], count)
    if j[STREAM]:
        block(j, carray(pointer(j[STREAM]), (STREAM_WORDS,), np.int64), count)
    else:
        spread(j, np.int64(0), np.int64(1), np.int64(0), count)
        send(j, np.int64(-1), count, np.int64(0))
    return np.int32(0)


def _on_xrun(user):
    carray(user, (WORDS,), np.int64)[XRUNS] += 1
    return np.int32(0)


def _on_shutdown(user):
    carray(user, (WORDS,), np.int64)[DOWN] = 1


def _on_port(port, registered, user):
    carray(user, (WORDS,), np.int64)[CHANGES] += 1


def _on_text(text):
    """JACK's complaints go nowhere: what matters is said in our words."""


VOID = types.voidptr
KINDS = {_process: types.int32(types.uint32, VOID), _on_xrun: types.int32(VOID),
         _on_shutdown: types.void(VOID), _on_port: types.void(types.uint32, types.int32, VOID),
         _on_text: types.void(VOID)}


@functools.cache
def callbacks():
    """The addresses of (process, xrun, shutdown, port, text), compiled."""
    made = [cfunc(kind, cache=True, error_model="numpy", fastmath=SAFE)(function)
            for function, kind in KINDS.items()]
    _KEPT.extend(made)
    return tuple(function.address for function in made)


_KEPT = []                                          # JACK may call them until the process ends
