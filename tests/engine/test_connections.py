"""A session and what it is connected to: real sockets, a real JACK server, other processes."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from playing import HOUSE, ROOT, started, until
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from bench.jack import JackServer
from bench.jack_peer import Peer
from engine import rig_words as R
from engine import session
from engine.connections import MOST_LATER
from engine.errors import EngineError
from engine.jack import ports
from engine.journal import Take
from engine.records import NOTE, SLIDE
from tests.engine.model.conftest import make


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make(tmp_path_factory.mktemp("checkpoint"))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Ear:
    """A socket that keeps what OSC it hears."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(0.0)
        self.port, self.heard = self.sock.getsockname()[1], {}

    def listen(self):
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                return self.heard
            for message in self._messages(data):
                self.heard.setdefault(message.address, []).append(message.params)

    def _messages(self, data):
        if not OscBundle.dgram_is_bundle(data):
            return [OscMessage(data)]
        return [m for m in OscBundle(data) if isinstance(m, OscMessage)]


@pytest.fixture(scope="module")
def live(tmp_path_factory, checkpoint):
    """A session with OSC, for the tests that leave it playing."""
    ear, port = Ear(), free_port()
    with started(tmp_path_factory.mktemp("osc"), checkpoint, osc=("127.0.0.1", port),
                 osc_to=(("127.0.0.1", ear.port),)) as playing:
        playing.ear, playing.client = ear, SimpleUDPClient("127.0.0.1", port)
        until(lambda: "/beat" in ear.listen(), "the first beat")
        yield playing
    ear.sock.close()


def value(live, path):
    table = live.rig.tables[live.conductor.deck]
    return float(table.value[table.registry.index[path]])


def test_a_fader_moves_its_parameter_and_the_others_see_it(live):
    live.client.send_message("/a/bass/resonance", 0.25)
    until(lambda: abs(value(live, "bass.resonance") - 0.25) < 1e-3, "the fader")
    until(lambda: any(abs(v[0] - 0.25) < 1e-3 for v in live.ear.listen().get(
        "/a/bass/resonance", [])), "the echo")


def test_a_mute_and_a_hold_are_told_to_the_others(live):
    for address in ("/mute/kick", "/hold"):
        for on in (1, 0):
            live.ear.heard.pop(address, None)
            live.client.send_message(address, on)
            until(lambda address=address, on=on: live.ear.listen().get(address, [None])[-1] == [on],
                  f"{address} {on}")


def test_what_is_heard_goes_out(live):
    until(lambda: {"/beat", "/token", "/note"} <= set(live.ear.listen()), "beat, token and note")
    bar, beat = live.ear.heard["/beat"][-1]
    assert bar >= 1 and 1 <= beat <= 4
    part, pitch, level = live.ear.heard["/note"][-1]
    assert part in live.rig.tables[live.conductor.deck].parts and 0 < level <= 1 and pitch > 20
    assert any(a.startswith("/feature/resid/") for a in live.ear.heard)


def test_a_wrong_message_is_one_line_and_the_music_goes_on(live):
    step = live.conductor.step
    live.client.send_message("/scene", "nowhere")
    live.client.send_message("/tempo", 140.0)
    until(lambda: live.status().bpm == 140.0, "the tempo")
    live.client.send_message("/tempo", 240.0)
    until(lambda: live.conductor.step > step + 8, "the music")
    assert not any("Traceback" in text for _, text in live.messages)


def test_a_bundle_that_is_timed_waits_for_its_time(live):
    before, ahead_s = value(live, "bass.decay_s"), 1.2
    bundle = OscBundleBuilder(time.time() + ahead_s)
    message = OscMessageBuilder("/a/bass/decay_s")
    message.add_arg(1.75)
    bundle.add_content(message.build())
    live.client.send(bundle.build())
    sent_s = time.monotonic()
    until(lambda: live.conductor.hands.held.get("bass.decay_s") == 1.75, "the bundle's time")
    assert before != 1.75 and time.monotonic() - sent_s > ahead_s - 0.05


def test_timed_commands_are_bounded_and_a_turn_ends_in_time(live):
    """3,000 for one moment."""
    due, step = time.time() + 1.9, live.conductor.step
    message = OscMessageBuilder("/a/bass/accent")
    message.add_arg(0.375)
    for _ in range(30):
        bundle = OscBundleBuilder(due)
        for _ in range(100):
            bundle.add_content(message.build())
        live.client.send(bundle.build())
        time.sleep(0.04)
    until(lambda: any("commands wait for their time" in text for _, text in live.messages),
          "the refusal")
    assert len(live.connections._later) <= MOST_LATER
    until(lambda: not live.connections._later, "their time")
    until(lambda: abs(value(live, "bass.accent") - 0.375) < 1e-3, "the value")
    until(lambda: live.conductor.step > step + 16, "the music")


def test_panic_reaches_the_rig_past_a_conductor_that_is_stuck(live):
    free, before = [], int(live.rig.header[R.PANIC_SEEN])
    live.ask(lambda: until(lambda: free, "the end of the test"))
    step = live.conductor.step
    try:
        live.client.send_message("/panic", [])
        until(lambda: int(live.rig.header[R.PANIC_SEEN]) > before, "the panic")
        before = int(live.rig.header[R.PANIC_SEEN])
        live.key("panic")
        until(lambda: int(live.rig.header[R.PANIC_SEEN]) > before, "the key's panic")
        assert live.conductor.step == step
    finally:
        free.append(True)
    until(lambda: live.conductor.step > step + 16, "the music")


def test_a_taken_port_is_one_line(tmp_path, checkpoint, live):
    taken = live.connections.settings["osc"]["port"]
    with pytest.raises(EngineError, match="taken") as fault:
        started(tmp_path, checkpoint, osc=("127.0.0.1", taken))
    assert "\n" not in str(fault.value)


def ledger(events):
    """What is left sounding, and how many notes began."""
    held, ons = set(), 0
    for row in events:
        kind, place = int(row["data"][0]) & 0xF0, (int(row["data"][0]) & 15, int(row["data"][1]))
        if kind == 0x90 and row["data"][2]:
            held.add((int(row["port"]), *place))
            ons += 1
        elif kind in (0x80, 0x90):
            held.discard((int(row["port"]), *place))
    return held, ons


@pytest.mark.parametrize("audio", ["jack", pytest.param("null", marks=pytest.mark.slow)])
def test_whatever_is_pressed_leaves_nothing_sounding(jack, tmp_path, checkpoint, audio):
    """Through our own JACK client, and through the wires process."""
    peer, rng = Peer("synth", 200, midi=["-"]), np.random.default_rng(3)
    with started(tmp_path, checkpoint, midi_out=("synth:midi_1",), clock=True) if audio == "null" \
            else started_on(jack, tmp_path, checkpoint) as live:
        names = ["/next", "/panic", *(f"/mute/{part}" for part in live.rig.tables[0].parts)]
        for _ in range(60):
            address = names[rng.integers(0, len(names))]
            live.ask(lambda address=address: live.actions.act(address))
            time.sleep(0.05)
        until(lambda: live.connections.counters()["midi_messages"] > 200, "messages")
        counters = live.connections.counters()
    held, ons = ledger(peer.finish()["events"])
    assert not held and ons > 10
    assert counters["midi_dropped"] == counters["midi_lost"] == 0


def started_on(jack, folder, checkpoint):

    path = folder / "mine.py"
    path.write_text(HOUSE)
    return session.play(session.Options(set=str(path), model=str(checkpoint), audio="jack",
                                        midi_out=("synth:midi_1",), clock=True))


@pytest.mark.parametrize("audio, times", [
    ("jack", 1), *(pytest.param(audio, 10, marks=pytest.mark.slow) for audio in ("jack", "null"))])
def test_a_killed_stage_leaves_nothing_sounding(jack, checkpoint, audio, times):
    for _ in range(times):
        peer = Peer("synth", 200, midi=["-"])
        line = [sys.executable, "-m", "engine.cli", "play", "house", "--model", str(checkpoint),
                "--audio", audio, "--midi-out", "synth:midi_1"]
        stage = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
                                 env={**os.environ, "PYTHONPATH": str(ROOT)})
        try:
            until(lambda stage=stage: b"bar 2." in stage.stdout.readline(), "the second bar")
        finally:
            stage.send_signal(signal.SIGKILL)
            stage.wait()
        time.sleep(3.0)                   # the guard's last word comes after 1.2 s
        events = peer.finish()["events"]
        stage.stdout.close()
        held, ons = ledger(events)
        assert not held and ons > 3


def test_the_clock_that_is_followed_moves_the_tempo(jack, tmp_path, checkpoint):
    """A peer sends a clock of 150 to a house set of 240."""
    rows = np.zeros(4000, dtype=[("frame", "i8"), ("port", "i4"), ("size", "i4"),
                                 ("data", "u1", 16)])
    rows["frame"] = np.arange(4000) * 48000 * 60 // (150 * 24)
    rows["size"], rows["data"][:, 0] = 1, 0xF8
    path = tmp_path / "mine.py"
    path.write_text(HOUSE)
    peer = Peer("sender", 200, sends=[(rows, "-")])
    try:
        with session.play(session.Options(
                set=str(path), model=str(checkpoint), audio="jack", follow=True,
                midi_in=("sender:out_1",))) as live:
            until(lambda: abs(live.status().bpm - 150.0) < 0.5, "the sender's tempo")
            assert live.connections.follower.state in ("locked", "holding")
    finally:
        peer.kill()


FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
FOREIGN = ("foreign:midi", "mclk_in")     # ports of other programs
STRUCK = re.compile(r"noteon\t(\d+)\t(\d+)\t(\d+)")


@pytest.fixture
def foreign():
    """FluidSynth as a JACK synthesizer that writes down what it is played, and a reader of clocks
    (Debian: fluidsynth, jack-midi-clock). Long periods: a busy machine's server leaves out none."""
    if reason := JackServer.missing():
        pytest.skip(reason)
    for tool in ("fluidsynth", "jack_mclk_dump", "stdbuf"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed (apt-get install fluidsynth jack-midi-clock)")
    if not FONT.exists():
        pytest.skip(f"{FONT} is not there (apt-get install timgm6mb-soundfont)")
    lines = (["fluidsynth", "-a", "jack", "-m", "jack", "-v", "-i", "-s", "-o",
              "midi.jack.id=foreign", str(FONT)], ["stdbuf", "-oL", "jack_mclk_dump"])
    server = JackServer(block=2048).start()
    programs = [subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True) for line in lines]
    try:
        until(lambda: all(any(name in port.name for port in ports()) for name in FOREIGN),
              "the ports of the programs")
        yield programs
    finally:
        for program in programs:
            program.kill()
            program.communicate()
        server.close()


def test_programs_of_others_hear_the_notes_and_the_clock(foreign, tmp_path, checkpoint):
    """What FluidSynth was played is the take, note for note; the clock that another reads is the
    set's tempo."""
    path, take = tmp_path / "mine.py", tmp_path / "a.take"
    path.write_text(HOUSE)
    synth, reader = foreign
    with session.play(session.Options(
            set=str(path), model=str(checkpoint), audio="jack", clock=True, bars=4,
            record=str(take), midi_out=FOREIGN)) as live:
        live.wait()
        routes = live.connections.midi.routes[0]
    for program in foreign:
        program.terminate()
    heard = [tuple(map(int, found)) for found in STRUCK.findall(synth.communicate()[0])]
    notes = Take(take).events
    notes = notes[notes["kind"] == NOTE]
    wanted, last = [], {}
    for row in notes:
        _, channel, key, *_ = routes[row["part"]]
        pitch = round(69 + 12 * np.log2(row["pitch_hz"] / 440)) if key < 0 else int(key)
        before, end = last.get(row["part"], (None, 0))
        last[row["part"]] = pitch, row["sample"] + row["length"]
        if not (row["flags"] & SLIDE and before == pitch and end > row["sample"]):      # a tie
            wanted.append((int(channel), pitch, round(float(row["level"]) * 127)))
    lost = Counter(wanted) - Counter(heard)
    assert len(heard) > 50 and not Counter(heard) - Counter(wanted)
    assert lost.total() <= len(wanted) // 50                # the server may have lost a cycle
    clock = reader.communicate()[0]
    gaps = [int(gap) for gap in re.findall(r"dt: +(\d+)\[sm\]", clock)]
    assert len(gaps) > 24 * 4 * 3
    assert np.isin(gaps, (499, 500, 501)).mean() > 0.99     # the server may have lost a cycle
    assert "start" in clock and "stop" in clock


def test_a_wires_process_that_dies_is_followed_by_another(live):
    before = live.connections.wires.process
    before.kill()
    until(lambda: live.connections.wires.process is not before
          and (live.connections.wires.folder / "ready").exists(), "another process")
    live.ear.heard.clear()
    until(lambda: "/beat" in live.ear.listen(), "the beat through it")
    live.client.send_message("/a/bass/accent", 0.125)
    until(lambda: abs(value(live, "bass.accent") - 0.125) < 1e-3, "a fader through it")
    assert any("starting another" in text for _, text in live.messages)


def test_a_wrong_control_file_is_refused_before_anything_opens(tmp_path, checkpoint):
    path = tmp_path / "a.controls.toml"
    path.write_text('controls = [{ message = "cc 1", target = "/a/bass/cutof_hz" }]')
    with pytest.raises(EngineError, match="cutoff_hz") as fault:
        started(tmp_path, checkpoint, midi_in=("x",), controls=str(path))
    assert "\n" not in str(fault.value) and "a.controls.toml" in str(fault.value)


def test_a_saved_set_whose_parts_do_not_fit_on_the_channels_leaves_the_old_one(tmp_path,
                                                                               checkpoint):
    with started(tmp_path, checkpoint) as live:
        wrong = HOUSE.replace('"bass":    Part(TB303, ', '"bass":    Part(TB303, midi=Midi('
                              'mpe=True, port=0), ').replace(
            '"lead":    Part(STRING, ', '"lead":    Part(STRING, midi=Midi(channel=1, port=0), '
        ).replace("import Fx, Part, Set", "import Fx, Midi, Part, Set")
        (tmp_path / "mine.py").write_text(wrong)
        until(lambda: any("the saved set is wrong" in text and "channel" in text
                          for _, text in live.messages), "the refusal")
        step = live.conductor.step
        until(lambda: live.conductor.step > step + 16, "the old set")
