"""Our own JACK client: at the far ends, in other processes, every sample and message in its frame.

The rig's samples count up, so what a peer records at a frame says which sample that frame was.
"""
import ctypes
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numba import carray, cfunc, types

from bench.jack import JackServer
from bench.jack_peer import EVENT, Peer
from engine import jack as library
from engine import stream as streams
from engine import stream_jack_callback as layout
from engine.errors import DeviceError
from engine.port_names import alternatives, choose, unknown
from engine.records import MESSAGE
from engine.ring import Ring
from engine.rt import pointer
from engine.stream import open_stream
from engine.stream_portaudio import devices
from engine.stream_wires import Backlog, Wires, sound_names
from tests.counting import until

RATE_HZ, I64 = 48000, types.int64
SECOND = RATE_HZ


def in_a_process_of_its_own(test):
    """libjack may lose a thread that holds its lock when a client is closed while the server hangs;
    whoever asks it for a client in that process then waits for ever."""
    name = test.__name__
    if os.environ.get("HIDDENSTAGE_TEST_ALONE") == name:
        return test

    def alone():
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                               f"{__file__}::{name}"], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "HIDDENSTAGE_TEST_ALONE": name})
        assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
    return alone


@cfunc(types.void(I64, I64, I64), cache=True)
def count_quanta(rig, out, frames):
    """Counts in quanta of 32, like the rig: [sample, frames in hand, channels]; + c / 4."""
    h = carray(pointer(rig), (3,), np.int64)
    target = carray(pointer(out), (frames * h[2],), np.float32)
    for i in range(frames):
        if h[1] == 0:
            h[0] += 32
            h[1] = 32
        for c in range(h[2]):
            target[i * h[2] + c] = np.float32((h[0] - h[1]) % 65536) + np.float32(0.25 * c)
        h[1] -= 1


def rig(channels=2):
    return np.array([0, 0, channels], np.int64)


OPENED = []


def stage(state, device="jack", rate_hz=RATE_HZ, **wires):
    OPENED.append(open_stream(count_quanta.address, state.ctypes.data, int(state[2]), rate_hz,
                              device, **wires))
    return OPENED[-1]


def serve(**options):
    if reason := JackServer.missing():
        pytest.skip(reason)
    server = JackServer(real_time=True, **options).start()
    yield server
    while OPENED:                         # a test that failed leaves no client of a server gone
        OPENED.pop().close()
    server.close()


@pytest.fixture
def server():
    """A JACK server, with real-time priority where it is given; a late client misses a cycle."""
    yield from serve()


@pytest.fixture
def patient(request):
    """A JACK server that waits for its clients, to compare them to the sample on a busy machine;
    its period is the test's parameter."""
    yield from serve(block=getattr(request, "param", 128), waits=True)


def fill(ring, rows):
    """[(sample, bytes)] into a ring."""
    for sample, data in rows:
        slot = ring.slot()
        slot["sample"], slot["size"] = sample, len(data)
        slot["data"][:min(len(data), 16)] = list(data[:16])
        ring.publish()


def ring(rows=(), slots=4096):
    made = Ring(None, MESSAGE, slots)
    fill(made, rows)
    return made


def data_of(event):
    return bytes(event["data"][:event["size"]])


def messages(heard, port=0):
    """The messages of one input of a peer, in their order."""
    return [data_of(event) for event in heard["events"] if event["port"] == port]


def samples_at(heard, frames, channel=0):
    """Which sample of the rig was heard at these frames of JACK, modulo 65536."""
    return heard["sound"][channel][np.asarray(frames) - heard["first_frame"]]


def in_their_frames(heard, port, score, server):
    """True when one input of a peer heard these rows, each with the sample it was for.

    On a busy machine the server leaves out a cycle of a peer, or stops for a moment, while the
    stage goes on alone: what was due then is excused, and may come later.
    """
    excused = heard["gaps"] or "XRun" in server.log
    sound = heard["sound"][0]
    sound = sound[sound >= 0].astype(int)
    there = set(sound + 65536 * np.cumsum(np.diff(sound, prepend=sound[0]) < 0))
    missed = [row for row in score if row[0] not in there]
    events = heard["events"][heard["events"]["port"] == port]
    got = list(zip(samples_at(heard, events["frame"]), map(data_of, events), strict=True))
    assert len(missed) < len(score) / 5 and bool(missed) <= bool(excused)
    late = {data for _, data in missed}
    return [row for row in got if row[1] not in late] == [
        (sample % 65536, data) for sample, data in score if data not in late]


def played_as_numbered(heard, notes):
    """Whether notes of `steady` were heard each with its sample, and their numbers; in a cycle that
    the server left out for the peer it cannot tell."""
    number = np.array([int(data[1]) - 1 + 127 * (int(data[2]) - 1) for data in notes["data"]])
    right = samples_at(heard, notes["frame"]) == number * 480 % 65536
    return len(notes) > 20 and (right.all() or heard["gaps"] and right.mean() > 0.9), number


def telling(sound, text, seconds=20.0):
    """Waits until a line of the stream holds this text."""
    return until(lambda: any(text in line for _, line in sound.messages), seconds)


def counted(sound, text):
    return sum(text in line for _, line in sound.messages)


# ---- sound
PERIODS = pytest.mark.parametrize("patient", [
    64, 1024, *(pytest.param(period, marks=pytest.mark.slow) for period in (100, 256))],
    indirect=True)


@PERIODS
def test_sound_arrives_as_computed_offline(patient):
    """Every port carries its channel, from the first block on, sample for sample."""
    peer = Peer("ear", audio=[f"hiddenstage:{name}$" for name in ("out_1", "cue_2", "bass_1",
                                                                  "big-hall_2")], record=True)
    state = rig(8)
    sound = stage(state, part_names=("bass", "big:hall"))
    sound.start()
    assert until(lambda: state[0] > SECOND)
    time.sleep(0.2)
    sound.close()
    heard = peer.finish()
    offline = np.zeros((int(state[0]), 8), np.float32)
    again = rig(8)
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(count_quanta.address)(
        again.ctypes.data, offline.ctypes.data, len(offline))
    for port, channel in enumerate((0, 3, 4, 7)):
        played = heard["sound"][port]
        played = played[np.nan_to_num(played) >= 2]             # after the silence
        samples = np.round(played - 0.25 * channel).astype(int)
        np.testing.assert_array_equal(played, offline[samples, channel])
        least = 0.6 if "XRun" in patient.log else 0.9           # it stopped for a moment
        assert (np.diff(samples) > 0).all() and len(samples) > least * SECOND
        assert heard["gaps"] or (np.diff(samples) == 1).all()
    assert sound.counters()["frames"] == state[0] - state[1]


@pytest.mark.parametrize("status, refusals, tries", [(0x21, 1, 2), (0x21, 9, 3), (0x11, 1, 1)])
def test_a_server_without_time_is_asked_again(server, monkeypatch, status, refusals, tries):
    real, asked = library.library(), []

    class Busy:
        def __getattr__(self, name):
            return getattr(real, name)

        def client_open(self, name, options, address):
            asked.append(name)
            if len(asked) > refusals:
                return real.client_open(name, options, address)
            ctypes.c_int.from_address(address).value = status
            return 0

    monkeypatch.setattr(library, "library", Busy)
    monkeypatch.setattr(library, "BUSY_S", (0.0, 0.01))
    if tries > refusals:
        real.client_close(library.open_client("look"))
    else:
        with pytest.raises(DeviceError, match=f"JACK's status {status:#x}"):
            library.open_client("look")
    assert len(asked) == tries


def test_master_goes_to_the_loudspeakers(server):
    peer = Peer("loudspeaker", audio=["-"])
    sound = stage(rig(4))
    sound.start()
    client = library.open_client("look")
    for side in (1, 2):
        port = library.library().port_by_name(client, b"system:playback_%d" % side)
        assert until(lambda: library.library().port_connected_to(
            port, b"hiddenstage:out_%d" % side))                              # noqa: B023
        assert not library.library().port_connected_to(port, b"hiddenstage:cue_%d" % side)
    library.library().client_close(client)
    assert sound.device_name == "jack" and sound.on_device and sound.latency_s >= 128 / RATE_HZ
    assert sound.block == 128 and not sound.carries_midi
    sound.close()
    peer.kill()
    sound = stage(rig(), device="system")
    assert sound.device_name == "system" and isinstance(sound._output, streams.JackOutput)
    sound.close()


def test_a_device_that_came_after_the_first_look_is_found(server, monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    assert "system" not in [device.name for device in devices(fresh=True)]
    monkeypatch.undo()
    sound = stage(rig(), device="system")
    assert sound.device_name == "system"
    sound.close()
    with pytest.raises(DeviceError, match="no sound device 'sistem'; did you mean 'system'"):
        stage(rig(), device="sistem")


def test_period_may_change_while_playing(server):
    """Longer than the scratch, too: then the rig is called twice a block."""
    state = rig()
    peer = Peer("ear", audio=["hiddenstage:out_1"], record=True)
    sound = stage(state)
    sound.start()
    change = ctypes.CDLL("libjack.so.0").jack_set_buffer_size
    change.argtypes = ctypes.c_size_t, ctypes.c_uint32
    assert until(lambda: state[0] > SECOND // 4)
    for frames in (8192, 64):
        assert change(sound._output.client, frames) == 0
        goal = state[0] + SECOND
        assert until(lambda: state[0] > goal)                                 # noqa: B023
    sound.close()
    heard = peer.finish()["sound"][0]
    steps = np.diff(heard[heard >= 2])
    assert (steps == 1).mean() > 0.999 and len(steps) > SECOND


def test_names_of_the_ports():
    assert sound_names(2) == ["out_1", "out_2"]
    assert sound_names(8, ("bass",)) == ["out_1", "out_2", "cue_1", "cue_2", "bass_1", "bass_2",
                                         "more_1_1", "more_1_2"]
    assert sound_names(8, ("cue", "a:b"))[4:] == ["cue+_1", "cue+_2", "a-b_1", "a-b_2"]


# ---- MIDI out
def melody(seed, count, channel):
    """Rows at random samples of two seconds, several at one sample among them."""
    random = np.random.default_rng(seed)
    samples = np.sort(random.integers(SECOND // 2, 5 * SECOND // 2, count))
    samples[1::7] = samples[::7][:len(samples[1::7])]
    return [(int(sample), bytes((0x90 | channel, 1 + k % 127, k // 127 + 1)))
            for k, sample in enumerate(np.sort(samples))]


@PERIODS
def test_every_message_in_its_frame(patient):
    scores = [melody(port, 600, port) for port in range(3)]
    peer = Peer("synth", midi=["-"] * 3, audio=["hiddenstage:out_1"], record=True)
    state = rig()
    sound = stage(state, midi_outs=[(f"part {port}", ring(score), f"synth:midi_{port + 1}")
                                    for port, score in enumerate(scores)])
    sound.start()
    assert sound.carries_midi
    assert until(lambda: state[0] > 3 * SECOND)
    found = sound.counters()
    sound.close()
    heard = peer.finish()
    assert all(in_their_frames(heard, port, score, patient) for port, score in enumerate(scores))
    assert (found["midi_sent"], found["midi_refused"]) == (1800, 0)
    assert found["midi_late"] == 0 or "XRun" in patient.log


def test_a_port_without_room_loses_nothing_and_holds_up_nobody(patient):
    """Ten thousand messages for one frame: JACK has no room, they follow; the other port is on
    time."""
    flood = [(SECOND, bytes((0x80 if k % 2 else 0x90, k // 2 % 128, 1 + k // 256)))
             for k in range(10000)]
    other = [(SECOND + 3 * k, bytes((0xB1, k % 128, 1))) for k in range(500)]
    peer = Peer("synth", midi=["-", "-"], audio=["hiddenstage:out_1"], record=True)
    state = rig()
    sound = stage(state, midi_outs=[("flood", ring(flood, 16384), "synth:midi_1"),
                                    ("other", ring(other), "synth:midi_2")])
    sound.start()
    assert until(lambda: sound.counters()["midi_sent"] == 10500)
    found = sound.counters()
    sound.close()
    heard = peer.finish()
    assert messages(heard) == [data for _, data in flood]
    assert found["midi_refused"] > 0 and found["midi_late"] > 0
    assert in_their_frames(heard, 1, other, patient)


def test_late_and_now_and_nonsense(server):
    rows = [(0, b"\x90\x01\x01"), (5, b""), (6, bytes(17)), (7, b"\x90\x02\x01")]
    peer = Peer("synth", midi=["-"])
    state, wire = rig(), ring()
    sound = stage(state, midi_outs=[("notes", wire, "synth:")])
    sound.start()
    assert until(lambda: state[0] > SECOND // 2)
    fill(wire, rows)
    assert until(lambda: len(wire) == 0)
    found = sound.counters()
    sound.close()
    assert messages(peer.finish()) == [b"\x90\x01\x01", b"\x90\x02\x01"]
    assert (found["midi_sent"], found["midi_late"]) == (2, 1)


def test_closing_ends_every_note(server):
    """What waits is sent, what would begin is not, what the ledger holds ends."""
    held = np.zeros((2, 2048), np.uint8)
    held[0, 3 * 128 + 60], held[1, 9 * 128 + 12] = 1, 1
    waiting = [(1 << 40, b"\x80\x40\x00"), (1 << 40, b"\x90\x41\x50"), (1 << 40, b"\x90\x42\x00"),
               (1 << 40, b"\xfc"), (1 << 40, b"\xf8"), (1 << 40, b"\xb0\x07\x10")]
    peer = Peer("synth", midi=["-", "-"])
    state = rig()
    sound = stage(state, held=held, midi_outs=[("a", ring(waiting), "synth:midi_1"),
                                               ("b", ring(), "synth:midi_2")])
    sound.start()
    assert until(lambda: state[0] > SECOND // 2)
    begun = time.monotonic()
    sound.close()
    assert time.monotonic() - begun < 2.0
    heard = peer.finish()
    ends = [[bytes((0x80 | channel, key, 0)), *(bytes((0xB0 | channel, number, 0))
            for number in (64, 120, 123))] for channel, key in ((3, 60), (9, 12))]
    assert messages(heard, 0) == [b"\x80\x40\x00", b"\x90\x42\x00", b"\xfc", b"\xb0\x07\x10",
                                  *ends[0]]
    assert messages(heard, 1) == ends[1]
    assert not held.any()


def test_an_xrun_leaves_no_note_hanging(server):
    """A cycle that JACK left out took an end with it: ends are said again, never of what sounds."""
    held = np.zeros((1, 2048), np.uint8)
    held[0, 61] = 1
    rows = [(k, b"\x80\x3c\x00") for k in (10, 20)] + [
        (SECOND // 2, bytes((status, key, level))) for status, key, level in (
            (0x90, 60, 9), (0x80, 60, 0), (0x90, 62, 9), (0x90, 62, 0), (0x80, 61, 0))]
    peer = Peer("synth", midi=["-"])
    state = rig()
    sound = stage(state, held=held, midi_outs=[("notes", ring(rows), "synth")])
    sound.start()
    assert until(lambda: sound.counters()["midi_sent"] == 7)
    before = sound.counters()["midi_again"]
    sound._output.words[layout.XRUNS] += 1                       # as JACK's own thread does
    assert until(lambda: sound.counters()["midi_again"] == before + 2)
    held[:] = 0
    sound.close()
    heard = messages(peer.finish())
    assert heard[-2:] == [b"\x80\x3c\x00", b"\x90\x3e\x00"]
    assert heard[-7:-2] == [data for _, data in rows[2:]] or before


def test_a_held_interpreter_delays_no_message(patient):
    """Half a second in which no Python thread of the stage runs."""
    score = melody(5, 500, 2)
    peer = Peer("synth", midi=["-"], audio=["hiddenstage:out_1"], record=True)
    state = rig()
    sound = stage(state, midi_outs=[("notes", ring(score), "synth")])
    sound.start()
    assert until(lambda: state[0] > SECOND)
    ctypes.PyDLL(None).usleep(500_000)
    assert until(lambda: state[0] > 3 * SECOND)
    sound.close()
    assert in_their_frames(peer.finish(), 0, score, patient)


# ---- MIDI in
@PERIODS
def test_what_comes_in_has_its_sample(patient):
    """Any status, real-time bytes too; a long message is skipped and counted."""
    kinds = [b"\x90\x3c\x40", b"\xf8", b"\xfa", b"\xfb", b"\xfc", b"\xfe", b"\xff", b"\xc5\x07",
             b"\xe2\x01\x02", b"\xf0\x7e\x7f\x06\x01\xf7"]
    rows = np.zeros(401, EVENT)
    rows["frame"] = SECOND + np.sort(np.random.default_rng(3).integers(0, SECOND, 401))
    for k, row in enumerate(rows):
        data = kinds[k % len(kinds)]
        row["size"], row["data"][:len(data)] = len(data), list(data)
    rows["size"][200] = 20
    ear = Peer("ear", audio=["hiddenstage:out_1"], record=True)
    state, arrived = rig(), Ring(None, MESSAGE, 1024)
    sound = stage(state, midi_in=arrived, midi_ins=[("knobs", None), ("keys", "KEYBOARD")])
    sound.start()
    keyboard = Peer("keyboard", sends=[(rows[:-1], "hiddenstage:keys")], wait=True)
    assert until(lambda: len(arrived) == 399)
    time.sleep(0.1)
    found = sound.counters()
    sound.close()
    sent, heard = keyboard.finish(), ear.finish()
    expected = np.delete(rows[:-1], 200)
    got = arrived.rows[:399]
    np.testing.assert_array_equal(got["size"], expected["size"])
    np.testing.assert_array_equal(got["data"], expected["data"])
    frames = sent["start_frame"] + expected["frame"]
    samples = samples_at(heard, frames)
    there = ~np.isnan(samples)
    assert there.mean() > 0.9 and (there.all() or heard["gaps"])
    np.testing.assert_array_equal(samples[there], got["sample"][there] % 65536)
    assert (got["port"] == 1).all()
    assert (found["midi_received"], found["midi_too_long"], found["midi_in_lost"]) == (400, 1, 0)
    wander_s = np.diff(got["time_ns"]) / 1e9 - np.diff(got["sample"]) / RATE_HZ
    assert (abs(wander_s) < 0.05).mean() > 0.99      # a server that stopped is seen once or twice
    assert abs(got["time_ns"][-1] / 1e9 - time.monotonic()) < 10


def test_full_ring_in_counts_what_is_lost(server):
    rows = np.zeros(40, EVENT)
    rows["frame"], rows["size"], rows["data"][:, 0] = 100, 1, 0xF8
    arrived = Ring(None, MESSAGE, 16)
    sound = stage(rig(), midi_in=arrived, midi_ins=[("clock", "master:")])
    sound.start()
    master = Peer("master", sends=[(rows, "hiddenstage:clock")], wait=True)
    assert until(lambda: sound.counters()["midi_in_lost"] == 24)
    assert len(arrived) == 16
    sound.close()
    master.kill()


# ---- ports and servers come and go
def steady(seconds, step=480):
    return [(k * step, bytes((0x90, 1 + k % 127, 1 + k // 127)))
            for k in range(1, seconds * SECOND // step)]


def test_a_port_that_returns_is_bound_again(server):
    state = rig()
    sound = stage(state, midi_outs=[("notes", ring(steady(30)), "nothing|SYNTH")])
    sound.start()
    assert telling(sound, "no MIDI output fits 'nothing|SYNTH'")
    for times in range(3):
        peer = Peer("synth", midi=["-"], audio=["hiddenstage:out_1"], record=True)
        assert telling(sound, "plays to 'synth:midi_1'" if times == 0 else "is back")
        time.sleep(0.5)
        if times < 2:
            peer.kill()
            assert until(lambda: counted(sound, "is gone") > times)           # noqa: B023
    assert counted(sound, "is gone") == counted(sound, "is back") == 2
    heard = peer.finish()
    sound.close()
    events = heard["events"]
    assert events["frame"][0] - heard["first_frame"] < SECOND
    assert played_as_numbered(heard, events)[0]


def test_patterns():
    """Parts of names, regular expressions, aliases; brackets are no trouble; no loop to ourselves.
    """
    names = ["Big Synth:in", "a2j:usb (2)", "synth", "x"]
    def meant(pattern, **more):
        return next(filter(None, (choose(one, names, **more) for one in alternatives(pattern))), "")
    assert meant("IAC|synth") == "synth" and meant("big|synth") == "Big Synth:in"
    assert meant("USB (2") == "a2j:usb (2)" and meant("^x$") == "x" and meant("| ") == ""
    assert meant("desk", aliases={"a2j:usb (2)": ("Desk 1",)}) == "a2j:usb (2)"
    assert "did you mean 'synth:in'?" in unknown("out", "sinth", ["synth:in", "other:in"])
    assert unknown("out", "zzz", ["b:in", "a:in"]).endswith("there are: a:in, b:in")


def test_the_first_alternative_that_exists_is_the_one_port_that_is_played(server):
    peer, state = Peer("synth", midi=["-", "-"]), rig()
    notes = ring([(SECOND, b"\x90\x40\x40")])
    sound = stage(state, midi_outs=[("notes", notes, "gone|synth:midi|rec")])
    sound.start()
    assert telling(sound, "plays to 'synth:midi_1'") and counted(sound, "plays to") == 1
    assert until(lambda: sound.counters()["midi_sent"])
    sound.close()
    assert {int(port) for port in peer.finish()["events"]["port"]} == {0}


def test_virtual_ports_and_our_own(server):
    sound = stage(rig(), midi_outs=[("a", ring(), "virtual:To Them"), ("b", ring(), "hidden")],
                  midi_ins=[("c", "virtual:From Them"), ("d", "hidden|midi")],
                  midi_in=Ring(None, MESSAGE, 16))
    sound.start()
    time.sleep(0.5)
    names = {port.name for port in library.ports()}
    assert {"hiddenstage:To Them", "hiddenstage:From Them", "hiddenstage:b"} <= names
    wishes = sound._output._connections.wishes
    assert len(wishes) == 4 and not any(wish.bound for wish in wishes if wish.midi)
    sound.close()


def test_a_cable_pulled_by_hand_stays_pulled(server):
    peer = Peer("synth", midi=["-"])
    sound = stage(rig(), midi_outs=[("notes", ring(), "synth")])
    sound.start()
    assert telling(sound, "plays to")
    pull = ctypes.CDLL("libjack.so.0").jack_disconnect
    pull.argtypes = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_char_p
    client = sound._output.client
    assert pull(client, b"hiddenstage:notes", b"synth:midi_1") == 0
    time.sleep(0.6)
    port = library.library().port_by_name(client, b"hiddenstage:notes")
    assert not library.library().port_connected_to(port, b"synth:midi_1")
    sound.close()
    peer.kill()


def test_server_dies_and_returns(server):
    """The transport goes on; on the new server: notes end, settings are said again, then on time.
    """
    rows = sorted([*steady(40), (SECOND // 4 * 3, b"\xc0\x11"), (2 * SECOND, b"\xc0\x22"),
                   (2 * SECOND + 1, b"\xb0\x07\x63")])
    peer = Peer("synth", midi=["-"])
    state = rig()
    sound = stage(state, midi_outs=[("notes", ring(rows), "synth")])
    sound.start()
    assert until(lambda: state[0] > SECOND)
    server.kill()
    peer.kill()
    assert telling(sound, "'jack' is gone")
    assert until(lambda: state[0] > 3 * SECOND) and not sound.on_device
    server.start()
    peer = Peer("synth", midi=["-"], audio=["hiddenstage:out_1"], record=True)
    ready = time.monotonic()
    assert telling(sound, "'jack' is back")
    assert time.monotonic() - ready < 2.0 and sound.returns == 1
    assert until(lambda: len(sound._output._connections.wishes[2].bound) == 1)
    time.sleep(0.5)
    sound.close()
    heard = peer.finish()
    notes = heard["events"][heard["events"]["data"][:, 0] == 0x90][5:]
    right, number = played_as_numbered(heard, notes)
    assert right and (np.diff(number) == 1).all()
    others = [m for m in messages(heard) if m[0] != 0x90]
    assert len(others) == 50 and others[:2] == [b"\xb0\x40\x00", b"\xb0\x78\x00"]
    assert others[-2:] == [b"\xc0\x22", b"\xb0\x07\x63"]


def test_what_a_gap_leaves():
    """Notes and clocks pass, the last of each setting is said again after the silence."""
    wire = ring([(0, b"\xc0\x01"), (10, b"\x90\x30\x40"), (20, b"\xb0\x07\x01"), (30, b"\xf8"),
                 (40, b"\xb0\x07\x02"), (41, b"\xb1\x07\x03"), (42, b"\xe0\x01\x02"),
                 (43, b"\xfa"), (44, b"\xc0\x05"), (200, b"\x80\x30\x00")])
    backlog = Backlog(Wires(midi_outs=(("notes", wire, None),)))
    backlog.pass_by(100)
    assert len(wire) == 1

    class Output:
        greetings = [[]]

    backlog.hand_over(Output)
    rows = Output.greetings[0]
    assert rows[:48] == [bytes((0xB0 | channel, number, 0)) for channel in range(16)
                         for number in (64, 120, 123)]
    assert rows[48:] == [b"\xb0\x07\x02", b"\xb1\x07\x03", b"\xe0\x01\x02", b"\xc0\x05"]


@in_a_process_of_its_own
def test_frozen_server(server):
    """Its process hangs: the keeper plays on, closing comes back, and so does the server."""
    state = rig()
    sound = stage(state, midi_outs=[("notes", ring(), None)])
    sound.start()
    assert until(lambda: state[0] > SECOND // 4)
    server._process.send_signal(signal.SIGSTOP)
    try:
        assert telling(sound, "is gone")
        before = int(state[0])
        assert until(lambda: state[0] > before + SECOND)
    finally:
        server._process.send_signal(signal.SIGCONT)
    assert telling(sound, "is back")
    assert until(lambda: sound.on_device)
    server._process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    sound.close()
    server._process.send_signal(signal.SIGCONT)
    assert time.monotonic() - begun < 12.0


# ---- what is refused
def test_refuses(server):
    with pytest.raises(DeviceError, match="44100 Hz; its own rate is 48000 Hz"):
        stage(rig(), rate_hz=44100)
    with pytest.raises(DeviceError, match="'notes': is the name there twice"):
        stage(rig(), midi_outs=[("notes", ring(), None), ("notes", ring(), None)])
    with pytest.raises(ValueError, match="power of two"):
        stage(rig(), midi_outs=[("notes", Ring(None, MESSAGE, 100), None)])
    assert not [port for port in library.ports() if port.name.startswith("hiddenstage:")]


def test_no_server_is_one_line(server):
    """Nothing of JACK's own complaints reaches the terminal, and no server is started."""
    server.kill()
    program = ("from engine.stream import open_stream; from engine.errors import DeviceError\n"
               "try: open_stream(0, 0, 2, 48000, 'jack')\n"
               "except DeviceError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("no JACK server named 'hiddenstage-") and not done.stderr
    assert done.stdout.count("\n") == 1
    server.start()


def test_without_libjack_portaudio_plays(server, monkeypatch):
    from engine import stream_portaudio
    stream_portaudio.devices(fresh=True)
    monkeypatch.setattr(streams, "library", lambda: None)
    state = rig()
    sound = stage(state, midi_outs=[("notes", ring(), None)])
    assert isinstance(sound._output, stream_portaudio.Output) and not sound.carries_midi
    sound.start()
    assert until(lambda: sound.on_device and state[0] > SECOND // 4)
    sound.close()


def test_lists_the_ports(server):
    peer = Peer("synth", midi=["-"])
    found = {port.name: port for port in library.ports()}
    assert found["synth:midi_1"].midi and found["synth:midi_1"].takes
    assert found["system:playback_1"].physical and not found["system:playback_1"].midi
    assert not found["system:capture_1"].takes
    peer.kill()


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
    """Compiled fresh: nothing that allocates, raises or is Python's; JACK is called by address."""
    text = "".join(cfunc(kind, error_model="numpy")(function).inspect_llvm()
                   for function, kind in layout.KINDS.items())
    for part in ("block", "pour", "receive", "keep_message", "spread"):
        assert part in text
    assert set(called(text)) <= {"NRT_incref", "NRT_decref"}


def test_left_client_is_silent(server):
    """A client that was given up writes silence: a server that wakes up must not hear old sound."""
    peer = Peer("ear", audio=["hiddenstage:out_1"], record=True)
    state = rig()
    sound = stage(state)
    sound.start()
    assert until(lambda: state[0] > SECOND // 4)
    sound._output.words[layout.STREAM] = 0
    time.sleep(0.3)
    heard = peer.finish()
    assert not np.nan_to_num(heard["sound"][0])[-SECOND // 20:].any()
    assert heard["sound"][0][heard["sound"][0] >= 2].size > SECOND // 8
    sound.close()
