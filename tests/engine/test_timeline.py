"""Samples over monotonic time: wobble goes, drift is followed, steps are taken over whole."""
import time

import numpy as np
import pytest

from engine import stream_callback as layout
from engine.timeline import NewestBlock, Timeline
from engine.wires.board import Board

RATE_HZ, BLOCK = 48000, 128
NOMINAL_NS = 1e9 / RATE_HZ


def feed(line, blocks, ns_of, jitter_ns=0.0, first=0, seed=1, every=1):
    """Feeds blocks at their true time plus a uniform error; returns the line's errors, ns."""
    random, errors = np.random.default_rng(seed), []
    for k in range(first, first + blocks, every):
        sample = k * BLOCK
        line.feed(sample, ns_of(sample) + random.uniform(-jitter_ns, jitter_ns))
        errors.append(line.ns_of(sample) - ns_of(sample))
    return np.array(errors)


def test_a_wobble_of_two_ms_leaves_a_twentieth():
    errors = feed(Timeline(RATE_HZ), 20_000, lambda s: 5e9 + s * NOMINAL_NS, 2e6)
    late = errors[8000:]
    assert np.sqrt(np.mean(late ** 2)) < 0.06e6 and np.abs(late).max() < 0.25e6


@pytest.mark.parametrize("drift", [1e-4, -1e-4])
def test_a_clock_that_drifts_is_followed(drift):
    line = Timeline(RATE_HZ)
    errors = feed(line, 20_000, lambda s: s * NOMINAL_NS * (1 + drift), 0.2e6)
    assert abs(errors[8000:].mean()) < 0.01e6
    assert line.ns_per_sample == pytest.approx(NOMINAL_NS * (1 + drift), rel=2e-5)
    assert line.steps == 0


def test_missed_blocks_change_nothing():
    errors = feed(Timeline(RATE_HZ), 20_000, lambda s: s * NOMINAL_NS, 0.2e6, every=7)
    assert np.abs(errors[1000:]).max() < 0.1e6
    line = Timeline(RATE_HZ)
    assert line.feed(0, 0) and line.feed(128, 1000) and not line.feed(128, 2000)


@pytest.mark.parametrize("moved_ns", [2.67e6, 300e6, -2.67e6])
def test_a_step_is_taken_over_within_a_few_blocks(moved_ns):
    line = Timeline(RATE_HZ)
    feed(line, 4000, lambda s: s * NOMINAL_NS, 0.1e6)
    last = line.ns_of(4000 * BLOCK)
    errors = feed(line, 400, lambda s: s * NOMINAL_NS + moved_ns, 0.1e6, first=4000, seed=2)
    assert line.steps == 1 and np.abs(errors[12:]).max() < 0.2e6
    assert line.ns_per_sample == pytest.approx(NOMINAL_NS, rel=1e-4)
    assert line.ns_of(4000 * BLOCK) > last + 2e6 or moved_ns < 0


def test_one_block_that_comes_late_is_no_step():
    line = Timeline(RATE_HZ)
    feed(line, 4000, lambda s: s * NOMINAL_NS, 0.1e6)
    late = feed(line, 1, lambda s: s * NOMINAL_NS + 20e6, first=4000)
    assert line.steps == 0 and abs(late[0] + 20e6) < 0.5e6


def test_newer_samples_are_never_earlier():
    line, random, newest = Timeline(RATE_HZ), np.random.default_rng(5), -1.0
    for k in range(3000):
        jump = -30e6 if k > 1500 else 0.0
        line.feed(k * BLOCK, k * BLOCK * NOMINAL_NS + jump + random.uniform(-2e6, 2e6))
        assert line.ns_of(k * BLOCK) > newest
        newest = line.ns_of(k * BLOCK)


def test_there_and_back_and_the_board_says_what_is_heard():
    line, board = Timeline(RATE_HZ), Board(None)
    assert line.ns_of(0) is None and line.heard_ns(0) is None
    line.publish(board, 0.0, 120.0, True, 0.01)
    assert board.ns_of(0) is None
    feed(line, 100, lambda s: s * NOMINAL_NS)
    line.publish(board, 17.5, 128.0, True, 0.01)
    assert line.sample_of(line.ns_of(12345)) == pytest.approx(12345, abs=1e-3)
    assert line.sample_heard(line.heard_ns(12345)) == pytest.approx(12345, abs=1e-3)
    assert line.heard_ns(480) == pytest.approx(20e6, abs=1000)
    assert board.ns_of(480) == pytest.approx(20e6, abs=1000)
    assert board.read(9, "STEP", "BPM", "PLAYING", "LATENCY_S") == [17.5, 128.0, 1.0, 0.01]


def test_the_newest_block_is_read_whole_or_not_at_all():
    words = np.zeros(layout.WORDS, np.int64)
    words[layout.RATE_HZ] = RATE_HZ
    newest = NewestBlock(words, origin_sample=2048)
    assert newest.read() is None
    for start in (5_000_000, 7_666_666):
        layout.account(words, 0, start, start + 1000, BLOCK, 0)
    begin, due = newest.read()
    assert begin == 2048 + BLOCK and due == words[layout.DUE_NS] > 5_000_000
    words[layout.TURN] = 1                    # somebody is writing
    assert newest.read() is None


def test_a_stream_without_a_device_keeps_time():
    import ctypes

    from engine.stream import open_stream
    calls = []
    process = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(lambda *a: calls.append(a[2]))
    stream = open_stream(ctypes.cast(process, ctypes.c_void_p).value, 0, 2, RATE_HZ, "null", BLOCK)
    newest, line = NewestBlock(stream.words), Timeline(RATE_HZ)
    stream.start()
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        if (block := newest.read()) is not None:
            line.feed(*block)
        time.sleep(0.001)
    behind = time.monotonic_ns() - line.ns_of(sum(calls))
    stream.close()
    assert len(calls) > 50 and abs(behind) < 0.1e9
    assert line.ns_per_sample == pytest.approx(NOMINAL_NS, rel=1e-3)
