"""A compiled rig that counts its samples, and what calls it. Thread: control."""
import ctypes
import time

import numpy as np
from numba import carray, cfunc, types

from engine import stream_callback as layout
from engine.rt import pointer
from engine.stream import open_stream

RATE_HZ, BLOCK = 48000, 128
I64 = types.int64


@cfunc(types.void(I64, I64, I64), cache=True)
def count_up(rig, out, frames):
    """A rig whose samples are 0, 1, 2, ...; channel c adds c / 4. rig: [next, 0, channels,
    calls], the first two as every rig's."""
    state = carray(pointer(rig), (4,), np.int64)
    channels = state[2]
    target = carray(pointer(out), (frames * channels,), np.float32)
    for i in range(frames):
        for c in range(channels):
            sample = np.float32(state[0] % 65536)
            target[i * channels + c] = sample + np.float32(0.25) * np.float32(c)
        state[0] += 1
    state[3] += 1


def rig(channels=2):
    return np.array([0, 0, channels, 0], np.int64)


def stream(state, **options):
    return open_stream(count_up.address, state.ctypes.data, int(state[2]), RATE_HZ, **options)


def until(condition, seconds=20.0):
    """Waits for what must come; False when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def call(words, frames, width, flags=0):
    """What PortAudio does: one call of the compiled callback, into a fresh buffer."""
    out = np.full(frames * width, np.nan, np.float32)
    call_back = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64,
                                 ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
    function = call_back(layout.device_callback().address)
    assert function(None, out.ctypes.data, frames, None, flags, words.ctypes.data) == 0
    return out.reshape(frames, width)


def running(state, width=None, skips=1):
    scratch = np.zeros(64 * state[2], np.float32)
    words = layout.new_words(count_up.address, state.ctypes.data, int(state[2]), RATE_HZ, scratch)
    words[layout.RUNNING], words[layout.SKIPS] = 1, skips
    words[layout.WIDTH] = width or state[2]
    words[layout.GRACE_NS] = 10 ** 12
    return words, scratch
