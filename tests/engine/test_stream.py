"""Streams: blocks without an interpreter, one account of lateness, a transport that never stops."""
import ctypes
import re
import sys
import threading
import time

import numpy as np
import pytest
from numba import carray, cfunc, njit, types

from engine import stream_callback as layout
from engine import stream_portaudio as portaudio
from engine.errors import DeviceError
from engine.rt import pointer
from engine.stream import open_stream

RATE_HZ, BLOCK = 48000, 128
I64 = types.int64
PERIOD_NS = BLOCK * 1_000_000_000 // RATE_HZ
TIMES = np.zeros(4096, np.int64)          # the scripted clock: [0] counts, the rest are answers
TIMES_AT = TIMES.ctypes.data


@cfunc(types.void(I64, I64, I64), cache=True)
def count_up(rig, out, frames):
    """A rig whose samples are 0, 1, 2, ...; channel c adds c / 4. rig: [next, channels, calls]."""
    state = carray(pointer(rig), (3,), np.int64)
    channels = state[1]
    target = carray(pointer(out), (frames * channels,), np.float32)
    for i in range(frames):
        for c in range(channels):
            sample = np.float32(state[0] % 65536)
            target[i * channels + c] = sample + np.float32(0.25) * np.float32(c)
        state[0] += 1
    state[2] += 1


@cfunc(types.int32(types.int32, I64))
def scripted_clock(clock, out):
    script = carray(pointer(TIMES_AT), (4096,), np.int64)
    target = carray(pointer(out), (2,), np.int64)
    script[0] += 1
    target[0], target[1] = script[script[0]] // 1_000_000_000, script[script[0]] % 1_000_000_000
    return np.int32(0)


def rig(channels=2):
    return np.array([0, channels, 0], np.int64)


def stream(state, **options):
    return open_stream(count_up.address, state.ctypes.data, int(state[1]), RATE_HZ, **options)


def until(condition, seconds=20.0):
    """Waits for what must come; False when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def listed(jack):
    """The server, seen by the PortAudio of this process."""
    portaudio.devices(fresh=True)
    return jack


def call(words, frames, width, flags=0):
    """What PortAudio does: one call of the compiled callback, into a fresh buffer."""
    out = np.full(frames * width, np.nan, np.float32)
    call_back = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64,
                                 ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
    function = call_back(layout.device_callback().address)
    assert function(None, out.ctypes.data, frames, None, flags, words.ctypes.data) == 0
    return out.reshape(frames, width)


def running(state, width=None, skips=1):
    scratch = np.zeros(64 * state[1], np.float32)
    words = layout.new_words(count_up.address, state.ctypes.data, int(state[1]), RATE_HZ, scratch)
    words[layout.RUNNING], words[layout.SKIPS] = 1, skips
    words[layout.WIDTH] = width or state[1]
    words[layout.GRACE_NS] = 10 ** 12
    return words, scratch


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
    assert state[2] == 0 and words[layout.SILENT] == 2 and words[layout.BLOCKS] == 0
    words[layout.TURN] = 0
    call(words, 128, 2)
    assert state[2] == 1 and words[layout.BLOCKS] == 1 and words[layout.TURN] == 0


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


def hold_interpreter(seconds):
    """Keeps every Python thread of this process from running (a C call that does not let go)."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


@pytest.mark.parametrize("device", ["null", "system"])
def test_blocks_need_no_interpreter(device, request):
    if device == "system":
        request.getfixturevalue("listed")
    state = rig()
    sound = stream(state, device=device)
    sound.start()
    assert until(lambda: state[0] > 4 * BLOCK)
    before = int(state[0])
    hold_interpreter(0.6)
    during = int(state[0]) - before
    sound.close()
    assert during > 0.3 * RATE_HZ


def test_busy_thread_makes_no_flood(listed):
    """Beside a busy Python thread a Python callback misses every second block."""
    state, stop = rig(), threading.Event()

    def burn():
        while not stop.is_set():
            sum(range(1000))

    sound = stream(state)
    sound.start()
    thread = threading.Thread(target=burn)
    thread.start()
    assert until(lambda: sound.counters()["blocks"] > 400)
    stop.set()
    thread.join()
    found = sound.counters()
    sound.close()
    assert found["late_blocks"] < found["blocks"] / 8


# ---- Null
def test_null_keeps_wall_rate():
    state = rig()
    sound = stream(state, device="null")
    assert sound.device_name == "null" and not sound.on_device
    sound.start()
    assert until(lambda: state[0])
    first, since = int(state[0]), time.monotonic()
    time.sleep(0.5)
    frames, seconds = int(state[0]) - first, time.monotonic() - since
    sound.close()
    assert abs(frames / RATE_HZ - seconds) < 0.2
    assert sound.counters()["null_blocks"] == sound.counters()["blocks"] == state[2]
    assert sound.counters()["frames"] == state[0]


def test_stop_and_close_again():
    state = rig()
    sound = stream(state, device="null", block=64)
    sound.stop()
    sound.start()
    sound.start()
    assert until(lambda: state[0] > 0)
    sound.stop()
    sound.stop()
    rested = int(state[0])
    time.sleep(0.05)
    assert state[0] == rested and rested % 64 == 0
    assert not call(sound.words, 64, 2).any() and state[0] == rested
    sound.start()
    assert until(lambda: state[0] > rested)
    sound.close()
    sound.close()
    with pytest.raises(DeviceError, match="closed"):
        sound.start()


# ---- a device comes and goes
def test_device_plays_every_sample(listed, recorder):
    """At the far end of the wire the samples are the rig's, one after the other."""
    state = rig()
    sound = stream(state)
    sound.start()
    assert sound.device_name == "system" and sound.latency_s > 0
    recorder.connect(b"PortAudio.*out_")
    assert until(lambda: len(recorder.heard()) > 300)
    assert until(lambda: sound.scheduling != "not started") and sound.on_device
    sound.stop()
    sound.close()
    blocks = recorder.heard()
    starts = blocks[:, 0]
    assert len(blocks) > 200
    within = np.tile(np.arange(BLOCK), (len(blocks), 1))
    np.testing.assert_array_equal(blocks - starts[:, None], within)
    steps = np.diff(starts) % 65536
    assert (steps == BLOCK).mean() > 0.8 and not (steps % BLOCK).any()


def test_fall_over_and_return(listed):
    state = rig()
    sound = stream(state)
    sound.start()
    assert until(lambda: sound.on_device and state[0])
    first, since = int(state[0]), time.monotonic()
    listed.kill()
    assert until(lambda: sound.counters()["null_blocks"] > 100)
    lost_s = time.monotonic() - since - (int(state[0]) - first) / RATE_HZ
    assert lost_s < 0.5                                 # the transport caught up
    assert until(lambda: any("is gone" in text for _, text in sound.messages))
    assert not sound.on_device and sound.counters()["takeovers"] == 1
    before = sound.counters()["null_blocks"]
    assert until(lambda: sound.counters()["null_blocks"] > before + 100)
    listed.start()
    assert until(lambda: any("is back" in text for _, text in sound.messages))
    assert until(lambda: sound.on_device)
    found = sound.counters()
    assert until(lambda: sound.counters()["blocks"] - sound.counters()["null_blocks"]
                 > found["blocks"] - found["null_blocks"] + 50)
    sound.close()
    assert sound.counters()["frames"] == state[0]


def test_closing_a_dead_device(listed):
    """PortAudio would wait ten minutes for a JACK server that has died."""
    state = rig()
    sound = stream(state)
    sound.start()
    assert until(lambda: state[0])
    listed.kill()
    sound.close()
    rested = int(state[0])
    time.sleep(0.05)
    assert state[0] == rested


def test_two_at_once(listed):
    states = [rig(), rig(3)]
    streams = [stream(states[0], device="syst"), stream(states[1], device="null")]
    streams.append(stream(third := rig(), device="JACK"))
    for sound in streams:
        sound.start()
    assert until(lambda: all(state[0] > 20 * BLOCK for state in (*states, third)))
    for sound in streams:
        sound.close()
    for sound, state in zip(streams, (*states, third), strict=True):
        assert sound.counters()["frames"] == state[0]


# ---- names
FOUND = [portaudio.Device(k, name, host, 2, 48000.0, 0.01, k == 1) for k, (name, host) in enumerate(
    [("HDMI 0", "ALSA"), ("default", "ALSA"), ("Scarlett 2i2 USB", "ALSA"),
     ("system", portaudio.JACK)])]


@pytest.mark.parametrize(("name", "index"), [(None, 1), ("scarlett", 2), ("HDMI 0", 0), ("2", 2),
                                             ("jack", 3)])
def test_choose(name, index):
    assert portaudio.choose(name, FOUND).index == index


def test_choose_refuses():
    with pytest.raises(DeviceError, match="did you mean 'Scarlett 2i2 USB'"):
        portaudio.choose("Scarlet 2i2 UBS", FOUND)
    with pytest.raises(DeviceError, match="no sound device found"):
        portaudio.choose(None, [])
    with pytest.raises(DeviceError, match="no sound device ''"):
        portaudio.choose("", FOUND)


def test_open_refuses(listed):
    state = rig()
    with pytest.raises(DeviceError, match="did you mean 'system'"):
        stream(state, device="sistem")
    with pytest.raises(DeviceError, match="its own rate is 48000 Hz"):
        open_stream(count_up.address, state.ctypes.data, 2, 44100)


def test_without_portaudio(monkeypatch):
    portaudio._sounddevice.cache_clear()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="PortAudio library is missing"):
        portaudio.House().instance()
    monkeypatch.undo()
    portaudio._sounddevice.cache_clear()
