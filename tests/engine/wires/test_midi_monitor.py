"""`hiddenstage ports` and `midi-monitor`, with a real port at the other end."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.wires import midi_monitor
from tests.engine.wires.midi_peer import Peer

ROOT = Path(__file__).parents[3]


def command(*words, **more):
    return subprocess.Popen([sys.executable, "-m", "engine.cli", *words], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, **more)


def test_ports_lists_both_ways_and_not_our_own(jack):
    keys, synth = Peer("out", "keys"), Peer("in", "synth")
    out, err = command("ports", "--json").communicate(timeout=30)
    assert err == ""
    found = {system["name"]: system for system in json.loads(out)["systems"]}["JACK"]
    assert found == {"name": "JACK", "up": True, "virtual": True, "outputs": ["synth:in"],
                     "inputs": ["keys:out"]}
    out, err = command("ports").communicate(timeout=30)
    assert "JACK: virtual:NAME makes a port\n  outputs  synth:in\n  inputs   keys:out\n" in out
    keys.close()
    synth.close()


@pytest.mark.skipif(os.path.exists("/dev/snd/seq"), reason="this machine has a sequencer")
def test_without_any_port_it_says_what_to_do():
    out, err = command("ports").communicate(timeout=30)
    assert "JACK: does not answer" in out and "modprobe snd-seq" in out and err == ""
    monitor = command("midi-monitor", "keys")
    _, err = monitor.communicate(timeout=30)
    assert monitor.returncode == 2 and err.startswith("hiddenstage: no MIDI on this machine")
    assert err.count("\n") == 1


def test_a_monitor_tells_messages_and_tempo(jack):
    keys = Peer("out", "keys")
    monitor = command("midi-monitor", "KEYS", "--seconds", "2.5", "--json")
    assert monitor.stderr.readline() == "listening to keys:out\n"
    begin_ns = time.monotonic_ns() + 50_000_000
    for tick in range(80):                                # 125 bpm: 20 ms
        if tick % 40 == 0:
            keys.send((0x92, 60 + tick, 64), begin_ns + tick * 20_000_000)
        keys.send((0xF8,), begin_ns + tick * 20_000_000)
    lines = [json.loads(line) for line in monitor.communicate(timeout=30)[0].splitlines()]
    notes = [line for line in lines if line.get("type") == "note_on"]
    assert [(note["channel"], note["note"], note["velocity"], note["port"]) for note in notes] == [
        (3, 60, 64, "keys:out"), (3, 100, 64, "keys:out")]
    assert notes[1]["interval_ms"] == pytest.approx(800, abs=100) and notes[1]["bytes"] == "926440"
    clock = next(line for line in lines if "bpm" in line)
    assert clock["bpm"] == pytest.approx(125, rel=0.1) and clock["jitter_ms"] < 20
    assert lines[-1] == {"messages": 2}
    keys.close()


def test_an_unknown_input_is_one_line(jack):
    keys = Peer("out", "keys")
    monitor = command("midi-monitor", "kays")
    _, err = monitor.communicate(timeout=30)
    assert monitor.returncode == 2
    assert err == ("hiddenstage: no MIDI input fits 'kays'; did you mean 'keys:out'?; there are: "
                   "keys:out\n")
    keys.close()


def test_words_of_messages():
    assert midi_monitor.words(b"\xb0\x07\x40") == ("control_change", {
        "channel": 1, "control": 7, "value": 64})
    assert midi_monitor.words(b"\xf0\x7d\x01\xf7") == ("sysex", {"data": [125, 1]})
    assert midi_monitor.words(b"\xfa") == ("start", {}) and midi_monitor.words(b"\xf4")[1] == {}


def test_a_steady_clock_has_no_jitter():
    clocks = midi_monitor.Clocks()
    for tick in range(49):
        clocks.tick("a", tick * 20_000_000)
    told, = clocks.tell()
    assert told["bpm"] == pytest.approx(125) and told["jitter_ms"] == pytest.approx(0, abs=1e-6)
    assert told["ticks"] == 48 and not list(clocks.tell())
