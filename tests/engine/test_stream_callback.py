"""The compiled callback: what the device hears, when a block is late, nothing but our own code."""
import re

import numpy as np
import pytest
from numba import carray, cfunc, njit, types

from engine import stream_callback as layout
from engine.rt import pointer
from tests.counting import BLOCK, I64, RATE_HZ, call, rig, running

PERIOD_NS = BLOCK * 1_000_000_000 // RATE_HZ
TIMES = np.zeros(4096, np.int64)          # the scripted clock: [0] counts, the rest are answers
TIMES_AT = TIMES.ctypes.data


@cfunc(types.int32(types.int32, I64))
def scripted_clock(clock, out):
    script = carray(pointer(TIMES_AT), (4096,), np.int64)
    target = carray(pointer(out), (2,), np.int64)
    script[0] += 1
    target[0], target[1] = script[script[0]] // 1_000_000_000, script[script[0]] % 1_000_000_000
    return np.int32(0)


# ---- what the device hears
@pytest.mark.parametrize("width", [1, 2, 4, 6])
def test_device_channels(width):
    """Fewer, as many, or more channels than the rig's four; blocks longer than the scratch."""
    state = rig(4)
    words, _scratch = running(state, width)
    got = np.concatenate([call(words, frames, width) for frames in (128, 1, 441)])
    ramp = np.arange(570, dtype=np.float32)
    assert state[0] == 570
    if width == 1:
        np.testing.assert_array_equal(got[:, 0], ramp + 0.125)      # both sides of the master
        return
    for c in range(min(width, 4)):
        np.testing.assert_array_equal(got[:, c], ramp + 0.25 * c)
    assert not got[:, 4:].any()


def test_silence_when_stopped_or_busy():
    """The device never hears garbage, and never enters a rig that the keeper is in."""
    state = rig()
    words, _scratch = running(state)
    words[layout.RUNNING] = 0
    assert not call(words, 128, 2).any()
    words[layout.RUNNING], words[layout.TURN] = 1, 1
    assert not call(words, 128, 2).any()
    assert state[3] == 0 and words[layout.SILENT] == 2 and words[layout.BLOCKS] == 0
    words[layout.TURN] = 0
    call(words, 128, 2)
    assert state[3] == 1 and words[layout.BLOCKS] == 1 and words[layout.TURN] == 0


# ---- the accounting, on a scripted clock
def late(blocks, skips=1, slack_ns=0, flags=()):
    """Late blocks after calls at [(start, finish)], in periods."""
    state = rig()
    words, _scratch = running(state, skips=skips)
    words[layout.CLOCK] = scripted_clock.address
    words[layout.SLACK_NS] = slack_ns
    TIMES[:] = 0
    for k, (start, finish) in enumerate(blocks):
        TIMES[1 + 2 * k:3 + 2 * k] = [round(10 ** 12 + t * PERIOD_NS) for t in (start, finish)]
    for k in range(len(blocks)):
        call(words, BLOCK, 2, 4 if k in flags else 0)
    assert words[layout.BLOCKS] == len(blocks) == words[layout.HISTOGRAM:].sum()
    assert words[layout.FRAMES] == len(blocks) * BLOCK
    return int(words[layout.LATE])


def test_late_on_time():
    """Jitter of half a block is not lateness; nor is a device that runs 0.01 % slow."""
    jitter = np.random.default_rng(1).uniform(0, 0.5, 1000)
    assert late([(k + j, k + j + 0.2) for k, j in enumerate(jitter)]) == 0
    assert late([(k * 1.0001, k * 1.0001 + 0.95) for k in range(1000)]) == 0


def test_late_once():
    assert late([(0, 0.1), (1, 2.2), (3, 3.1), (4, 4.1)]) == 1          # took too long
    assert late([(0, 0.1), (2.3, 2.4), (3, 3.1), (4, 4.1)]) == 1        # woke too late
    assert late([(0, 0.1), (1, 1.99), (2, 2.1)]) == 0


def test_late_every_time():
    """Each block woke 1.5 blocks after its cycle; the server skipped one, and counts as we do."""
    blocks = [(0, 0.1)] + [(1 + 2 * k + 1.5, 1 + 2 * k + 1.6) for k in range(50)]
    assert late(blocks) == 50


def test_late_server_stumbles():
    """The server's own xrun moves its time; that is not our lateness."""
    blocks = [(k, k + 0.3) for k in range(20)] + [(k + 5.9, k + 6.2) for k in range(20, 40)]
    assert late(blocks, flags={20}) == 0
    assert late(blocks) > 0                                             # were it not said


def test_late_with_buffer():
    """A device with four blocks of buffer calls in bursts, and is late only beyond its buffer."""
    burst = [(4 * (k // 4), 4 * (k // 4) + 0.2 * (k % 4) + 0.1) for k in range(40)]
    assert late(burst, skips=0, slack_ns=5 * PERIOD_NS) == 0
    assert late(burst[:20] + [(20, 27)], skips=0, slack_ns=5 * PERIOD_NS) == 1


def test_histogram_percentiles():
    state = rig()
    words, _scratch = running(state)
    words[layout.CLOCK] = scripted_clock.address
    costs_ns = np.r_[np.full(98, 20_000), [1_000_000, 2_000_000]]
    TIMES[:] = 0
    for k, cost_ns in enumerate(costs_ns):
        TIMES[1 + 2 * k:3 + 2 * k] = 10 ** 12 + k * PERIOD_NS, 10 ** 12 + k * PERIOD_NS + cost_ns
    for _ in costs_ns:
        call(words, BLOCK, 2)
    histogram = words[layout.HISTOGRAM:]
    assert layout.percentile_ns(histogram, 50) == pytest.approx(20_000, rel=0.07)
    assert layout.percentile_ns(histogram, 99) == pytest.approx(1_000_000, rel=0.07)
    assert words[layout.MAX_COST_NS] == 2_000_000
    assert layout.percentile_ns(np.zeros(400, np.int64), 99) == 0


# ---- no interpreter
def called(text):
    """The named functions that our own functions in an LLVM module call."""
    ours = False
    for line in text.splitlines():
        if line.startswith("define"):
            ours = "@_ZN6engine" in line
        name = re.search(r"call [^@]*@([\w.]+)\(", line)
        if ours and name and not name[1].startswith(("llvm.", "_ZN6engine")):
            yield name[1]


def test_compiled_path_calls_nobody():
    """Compiled fresh (a cached one has no text): no allocation, no exception, nothing of Python.

    The two counts of references are of arrays without an owner, and do nothing.
    """
    void = types.voidptr
    kind = types.int32(void, I64, types.uint64, void, types.uint64, void)
    text = cfunc(kind, error_model="numpy")(layout._device_call).inspect_llvm()
    keeper = njit(error_model="numpy")(layout.keep.py_func)
    keeper.compile((types.int64[::1],))
    text += "".join(keeper.inspect_llvm().values())
    assert "device_block" in text and "null_block" in text
    assert set(called(text)) <= {"NRT_incref", "NRT_decref"}
