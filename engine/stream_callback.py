"""What runs between sound device and rig: a compiled callback, and a keeper without a device.

Both work on one array of int64 `words`: addresses and sizes that Python wrote before the start,
then counters that only the compiled side writes. Whoever asks the rig for a block holds TURN, and
nobody waits for it. Thread: audio.
"""
import ctypes
import functools
import sys

import numpy as np
from numba import carray, cfunc, types

from engine.rig_words import FIFO_LEFT, SAMPLE
from engine.rt import SAFE, address_of, bits, call_clock, f32, load_acquire, pointer, rt, rt_host
from engine.rt import store_release as store
from engine.stream_calls import (
    call_process,
    call_sleep_for,
    call_sleep_until,
    call_thread,
    exchange_if,
)

# Written by Python before the start. WIDTH is the device's own channels.
PROCESS, RIG, CHANNELS, WIDTH, RATE_HZ = 0, 1, 2, 3, 4
CLOCK, CLOCK_ID, SLEEP, SLEEP_KIND, THREAD_OF = 5, 6, 7, 8, 9
SCRATCH, SCRATCH_FRAMES, NULL_FRAMES, GRACE_NS = 10, 11, 12, 13
SLACK_NS, SKIPS, RUNNING, STOP = 14, 15, 16, 17
# Shared by both threads: written only by the one that holds TURN. DUE, LENGTH and FINISH are of the
# newest block: when its time began, how long it sounds, when it was done.
TURN, FRAMES, BLOCKS, LATE, MAX_COST_NS, MAX_LATE_NS = 24, 25, 26, 27, 28, 29
DUE_NS, LENGTH_NS, FINISH_NS, NULL_BLOCKS, TAKEOVERS = 30, 31, 32, 33, 34
FIRST = 35                                # the rig's sample at which the newest device block began
# The device's thread alone; a C timespec lies at each TIME
CALLED_NS, CALLS, BROKEN, SILENT, THREAD, DEVICE_TIME = 40, 41, 42, 43, 44, 46
# The keeper's thread alone
KEEPER_TIME = 56
HISTOGRAM, BINS = 64, 400                 # blocks by cost: 16 bins an octave from 1024 ns
WORDS = HISTOGRAM + BINS

SECOND_NS, LOOK_NS = 1_000_000_000, 10_000_000
ABSOLUTE, RELATIVE = 0, 1                 # clock_nanosleep; nanosleep (macOS)


@rt
def _now(words, at):
    """The monotonic clock, ns; words[at] and the next hold the C structure meanwhile."""
    call_clock(words[CLOCK], words[CLOCK_ID], address_of(words) + np.int64(8 * at))
    return words[at] * SECOND_NS + words[at + 1]


@rt
def _sleep_until(words, until, now):
    """Sleeps to the time `until`, ns."""
    absolute = words[SLEEP_KIND] == ABSOLUTE
    span = until if absolute else max(until - now, 0)
    words[KEEPER_TIME], words[KEEPER_TIME + 1] = span // SECOND_NS, span % SECOND_NS
    time = address_of(words) + np.int64(8 * KEEPER_TIME)
    if absolute:
        call_sleep_until(words[SLEEP], words[CLOCK_ID], time)
    else:
        call_sleep_for(words[SLEEP], time)


@rt
def _serve(words, out, frames):
    """Fills the device's interleaved floats at `out`: the rig's first channels, silence beyond."""
    channels, width, done = words[CHANNELS], words[WIDTH], np.int64(0)
    if width == channels:
        call_process(words[PROCESS], words[RIG], out, frames)
        return
    while done < frames:
        n = min(frames - done, words[SCRATCH_FRAMES])
        call_process(words[PROCESS], words[RIG], words[SCRATCH], n)
        source = carray(pointer(words[SCRATCH]), (n * channels,), np.float32)
        target = carray(pointer(out + done * width * 4), (n * width,), np.float32)
        for i in range(n):
            for c in range(width):
                target[i * width + c] = source[i * channels + c] if c < channels else f32(0)
            if width == 1:                          # one loudspeaker hears both sides
                target[i] = (source[i * channels] + source[i * channels + 1]) * f32(0.5)
        done += n


@rt
def _silence(words, out, frames):
    target = carray(pointer(out), (frames * words[WIDTH],), np.float32)
    for i in range(target.size):
        target[i] = f32(0)


@rt
def _count(words, start, finish, due, deadline, frames, length):
    """The one accounting: a block's cost; it is late when it was finished after its deadline."""
    cost = finish - start
    place = (np.int64(bits(f32(cost))) - np.int64(bits(f32(1024.0)))) >> 19
    words[HISTOGRAM + min(max(place, 0), BINS - 1)] += 1
    words[MAX_COST_NS] = max(words[MAX_COST_NS], cost)
    if finish > deadline:
        words[LATE] += 1
        words[MAX_LATE_NS] = max(words[MAX_LATE_NS], finish - deadline)
    words[DUE_NS], words[LENGTH_NS], words[FINISH_NS] = due, length, finish
    words[FRAMES] += frames
    words[BLOCKS] += 1


@rt
def _due(words, called, start, broken):
    """When the time of the device's block began, ns: an even grid, moved by the earliest calls.

    A device that waits for nobody (SKIPS, JACK) calls a client that was late at its next whole
    block; any other device, and one that says its own time broke, begins a new grid now.
    """
    last, length = words[DUE_NS], words[LENGTH_NS]
    over = words[FINISH_NS] - last - length
    late = over > max(words[SLACK_NS] - length, 0)
    if length == 0 or start - called > words[GRACE_NS]:
        return start
    if late and words[SKIPS]:
        due = last + length * ((over + length - 1) // length + 1)
    elif late or broken:
        return start
    else:
        due = last + length
    lead = start - due
    return start if lead < 0 else due + (lead >> 8)     # its clock may be 0.01 % slow


@rt_host
def account(words, called, start, finish, frames, broken):
    """Counts a block of the device: called last at `called`, now from start to finish, ns."""
    due = _due(words, called, start, broken != 0)
    length = frames * SECOND_NS // words[RATE_HZ]
    _count(words, start, finish, due, due + max(length, words[SLACK_NS]), frames, length)


@rt
def enter(words, broken):
    """A call of the device begins; returns its time and that of the one before, ns."""
    start, called = _now(words, DEVICE_TIME), words[CALLED_NS]
    if words[THREAD] == 0 and words[THREAD_OF] != 0:
        words[THREAD] = call_thread(words[THREAD_OF])
    words[CALLS] += 1
    words[BROKEN] += broken
    store(words, CALLED_NS, start)
    return start, called


@rt_host
def heard(words):
    """The rig's sample that its next frame is."""
    header = carray(pointer(words[RIG]), (2,), np.int64)
    return header[SAMPLE] - header[FIFO_LEFT]


@rt
def take_turn(words):
    """True when the rig is the caller's until `end_turn`; false when stopped, or the keeper's."""
    if load_acquire(words, RUNNING) and exchange_if(words, TURN, np.int64(0), np.int64(1)):
        words[FIRST] = heard(words)
        return True
    words[SILENT] += 1
    return False


@rt
def end_turn(words, called, start, frames, broken):
    account(words, called, start, _now(words, DEVICE_TIME), frames, broken)
    store(words, TURN, np.int64(0))


@rt
def device_block(words, out, frames, broken):
    """One call of the device: the rig's block, or silence if stopped or the keeper has the turn."""
    start, called = enter(words, broken)
    if take_turn(words):
        _serve(words, out, frames)
        end_turn(words, called, start, frames, broken)
    else:
        _silence(words, out, frames)


@rt
def _null_block(words, due, taken):
    """One block that nobody hears; one that was due before the keeper took over is never late."""
    frames = words[NULL_FRAMES]
    length = frames * SECOND_NS // words[RATE_HZ]
    start = _now(words, KEEPER_TIME)
    call_process(words[PROCESS], words[RIG], words[SCRATCH], frames)
    finish = _now(words, KEEPER_TIME)
    _count(words, start, finish, due, max(due, taken) + length, frames, length)
    words[NULL_BLOCKS] += 1


@rt_host
def keep(words):
    """Runs until STOP: while no device has called for GRACE_NS, calls the rig at wall rate."""
    taken = np.int64(0)                             # since when the keeper plays, or 0
    while load_acquire(words, STOP) == 0:
        now = _now(words, KEEPER_TIME)
        if words[RUNNING] == 0 or now - load_acquire(words, CALLED_NS) < words[GRACE_NS]:
            taken = 0
            _sleep_until(words, now + LOOK_NS, now)
            continue
        due = words[DUE_NS] + words[LENGTH_NS]
        if now - due > SECOND_NS:                   # nothing to catch up with: a new grid
            due = now
        if taken == 0:
            taken = now
            words[TAKEOVERS] += 1
        if now < due:
            _sleep_until(words, min(due, now + LOOK_NS), now)
        elif exchange_if(words, TURN, np.int64(0), np.int64(1)):
            _null_block(words, due, taken)
            store(words, TURN, np.int64(0))
        else:
            _sleep_until(words, now + LOOK_NS, now)


def _device_call(unused, out, frames, times, flags, user):
    words = carray(user, (WORDS,), np.int64)
    device_block(words, np.int64(out), np.int64(frames), np.int64((flags & np.uint64(12)) != 0))
    return np.int32(0)


@functools.cache
def device_callback():
    """The PaStreamCallback, compiled; PortAudio calls its `.address`, the words as user data."""
    void = types.voidptr
    kind = types.int32(void, types.int64, types.uint64, void, types.uint64, void)
    return cfunc(kind, cache=True, error_model="numpy", fastmath=SAFE)(_device_call)


def _address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def new_words(process_address, rig_pointer, channels, rate_hz, scratch):
    """The words of one stream.

    scratch  (frames * channels,) float32, at least one block; the caller keeps it alive
    """
    libc = ctypes.CDLL(None)
    words = np.zeros(WORDS, np.int64)
    mac = sys.platform == "darwin"
    words[[PROCESS, RIG]] = process_address, rig_pointer
    words[[CHANNELS, WIDTH, RATE_HZ]] = channels, channels, rate_hz
    words[CLOCK] = _address(libc.clock_gettime)
    words[CLOCK_ID] = 8 if mac else 1               # what time.monotonic reads
    words[SLEEP] = _address(libc.nanosleep if mac else libc.clock_nanosleep)
    words[SLEEP_KIND] = RELATIVE if mac else ABSOLUTE
    words[THREAD_OF] = _address(libc.gettid) if hasattr(libc, "gettid") else 0
    words[SCRATCH], words[SCRATCH_FRAMES] = scratch.ctypes.data, scratch.size // channels
    return words


def percentile_ns(histogram, percent):
    """The cost, ns, that this percentage of the blocks did not exceed; at most 6 % high."""
    total = int(histogram.sum())
    if not total:
        return 0.0
    place = int(np.searchsorted(np.cumsum(histogram), np.ceil(total * percent / 100.0)))
    octave, part = divmod(place + 1, 16)
    return 1024.0 * 2.0 ** octave * (1 + part / 16)
