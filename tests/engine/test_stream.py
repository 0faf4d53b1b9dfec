"""Streams: blocks without an interpreter, and a transport that never stops."""
import ctypes
import threading
import time

import numpy as np
import pytest

from engine import stream_portaudio as portaudio
from engine.errors import DeviceError
from engine.stream import open_stream
from tests.counting import BLOCK, RATE_HZ, call, count_up, rig, stream, until


@pytest.fixture
def listed(jack):
    """The server, seen by the PortAudio of this process."""
    portaudio.devices(fresh=True)
    return jack


# ---- no interpreter
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
    assert sound.counters()["null_blocks"] == sound.counters()["blocks"] == state[3]
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
    recorder.connect(b"hiddenstage:out_1")
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


def test_open_refuses(listed):
    state = rig()
    with pytest.raises(DeviceError, match="did you mean 'system'"):
        stream(state, device="sistem")
    with pytest.raises(DeviceError, match="its own rate is 48000 Hz"):
        open_stream(count_up.address, state.ctypes.data, 2, 44100)
