"""Ports by pattern, against a real JACK server and a process at the other end."""
import os
import subprocess
import sys
import time

import pytest

from engine.errors import EngineError
from engine.port_names import IN, OUT, alternatives, choose, plain, unknown
from engine.wires.binding import Binding
from engine.wires.ports import Ports
from tests.engine.wires.conftest import DIES
from tests.engine.wires.midi_peer import Peer

NAMES = ["Midi Through:Midi Through Port-0 14:0", "nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0",
         "Live:IAC Bus 1", "USB (2x2):out|a", "Live:IAC Bus 10"]


@pytest.mark.parametrize(("pattern", "name"), [
    ("nanokontrol", NAMES[1]), ("^nano.*MIDI 1$", NAMES[1]), ("nothing|IAC", NAMES[2]),
    ("IAC|nano", NAMES[2]), ("(nothing|iac) bus", NAMES[2]), ("Live:IAC Bus 1", NAMES[2]),
    ("IAC Bus 10", NAMES[4]), ("USB (2x2)", NAMES[3]), ("[", None), ("14:0", None), ("0", NAMES[0]),
    ("", None), ("|", None)])
def test_the_first_alternative_that_exists_wins(pattern, name):
    found = [choose(wanted, NAMES) for wanted in alternatives(pattern)]
    assert next((one for one in found if one), None) == name


def test_a_client_number_is_no_part_of_a_name():
    assert plain("X:Y 20:0") == plain("X:Y 131:7") == "X:Y"
    assert plain("Bus 1") == "Bus 1"


@pytest.mark.parametrize("wrong", ["nanoKONTROLL", "nanokontrol3", "nanKONTROL2 MIDI 1"])
def test_a_wrong_name_gets_the_near_one_and_the_list(wrong):
    line = unknown(OUT, wrong, NAMES)
    assert f"no MIDI output fits {wrong!r}" in line and "\n" not in line
    assert "did you mean 'nanoKONTROL2:nanoKONTROL2 MIDI 1'?" in line
    assert "Live:IAC Bus 1" in line and " 20:0" not in line


def test_nothing_like_it_gets_the_list():
    line = unknown(IN, "zzz", NAMES)
    assert "did you mean" not in line and "there are: Live:IAC Bus 1," in line
    assert "none at all" in unknown(IN, "zzz", [])


def wait_for(question, patience_s=3.0):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.02)
    return question()


@pytest.fixture
def ports(jack):
    made = Ports()
    yield made
    made.close()


@DIES
def test_ports_come_and_go_and_ours_are_no_ports(ports):
    assert ports.names(OUT) == ports.names(IN) == []
    ours = Binding(ports, OUT, "virtual:tap", "tap")
    synth = Peer("in", "synth")
    assert wait_for(lambda: ports.names(OUT)) == ["synth:in"] and ports.names(IN) == []
    with pytest.raises(EngineError, match="no MIDI output fits 'tap'"):
        ports.demand(OUT, "tap")
    synth.close()
    assert wait_for(lambda: not ports.names(OUT))
    ours.close()


FLEETING = """
import rtmidi
while True:
    ends = [rtmidi.MidiIn(rtapi=rtmidi.API_UNIX_JACK, name="fleeting") for _ in range(3)]
    for end in ends:
        end.open_virtual_port("in")
    for end in ends:
        end.close_port()
        end.delete()
"""


@DIES
def test_a_port_that_goes_while_they_are_listed(ports):
    """rtmidi asks how many there are, then for each name."""
    child = subprocess.Popen((sys.executable, "-c", FLEETING), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    end, seen = time.monotonic() + 3.0, set()
    while time.monotonic() < end:
        seen.add(len(ports.names(OUT)))
    child.kill()
    child.wait()
    assert len(seen) > 2


def test_a_virtual_port_is_one_that_others_see(ports):
    binding = Binding(ports, OUT, "nothing|virtual:my tap", "tap")
    keys = Peer("in", "keys")
    assert os.system("jack_connect 'hiddenstage-tap:my tap' keys:in >/dev/null 2>&1") == 0
    assert wait_for(lambda: binding.send(b"\x90\x3c\x40") and keys.got)
    assert keys.got[0][1] == b"\x90\x3c\x40"
    keys.close()
    binding.close()


@DIES
def test_a_binding_follows_its_port(ports):
    with pytest.raises(EngineError, match="no MIDI output fits 'synth': there is none at all"):
        Binding(ports, OUT, "synth", "out")
    binding = Binding(ports, OUT, "synth", "out", wait=True)
    assert binding.look() is None and binding.send(b"\xf8") is None
    for _ in range(2):
        synth = Peer("in", "synth")
        assert wait_for(binding.look) == "back" and binding.bound == "synth:in"
        assert binding.send(b"\xf8") and synth.heard(len) == [b"\xf8"]
        synth.pull()
        assert wait_for(binding.look) == "gone"


def test_a_dead_server_neither_hangs_nor_takes_the_process_along(jack, ports):
    """RtMidi waits for room for ever, holding the interpreter, when nobody empties its ring."""
    synth = Peer("in", "synth")
    binding = Binding(ports, OUT, "synth", "out")
    assert binding.send(b"\xf8") and synth.heard(len)
    jack.kill()
    begun = time.monotonic()
    sent = sum(bool(binding.send(b"\x90\x3c\x40")) for _ in range(5000))
    assert 0 < sent < 2400 and time.monotonic() - begun < 2
    assert wait_for(lambda: ports.look() or not ports.systems[-1].up and binding.look() == "gone")
    assert binding.send(b"\xf8") is None
    synth.pull()
    jack.start()
    synth = Peer("in", "synth")
    assert wait_for(lambda: ports.look() or binding.look() == "back")
    assert binding.send(b"\x80\x3c\x40") and synth.heard(len) == [b"\x80\x3c\x40"]
    synth.close()
    binding.close()
