"""A controller on a real port: what it sends is a command of the stage, what moves elsewhere comes
back to it, and `learn` writes its row. Thread: any."""
import json
import os
import subprocess
import sys
import time

import pytest

from engine.errors import EngineError
from engine.records import SAY
from engine.wires.control_file import ControlFile
from engine.wires.process import Wires
from tests.engine.wires.midi_peer import Peer
from tests.engine.wires.test_controls import ENTRIES, PLACE

ROWS = """controls = [
    { port = "nano", message = "cc 16", target = "/temperature" },
    { port = "nano", message = "note 36", target = "/scene drop" },
]
"""


@pytest.fixture
def nano(jack):
    """A controller: a port that sends, and one that takes what its lights show."""
    ends = Peer("out", "nano"), Peer("in", "nano-lights")
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def stage(nano, tmp_path):
    path = tmp_path / "house.controls.toml"
    path.write_text(ROWS)
    wires = Wires({"midi_in": [{"pattern": "nano"}], "controls": str(path)})
    wires.start()
    wires.register(ENTRIES, [entry.default for entry in ENTRIES])
    list(wires.asked())                   # compiles the ring's reader
    time.sleep(0.5)
    yield wires, path
    wires.close()


def asked(wires, wanted, patience_s=3.0):
    """What the stage is asked until `wanted(commands)`; said lines are ("", text)."""
    end, found = time.monotonic() + patience_s, []
    while time.monotonic() < end and not wanted(found):
        found += [("" if kind == SAY else address, values or text)
                  for address, values, text, kind, _ in wires.asked()]
        time.sleep(0.005)
    return found


def test_a_knob_and_a_pad_reach_the_stage_and_a_saved_file_takes_over(nano, stage):
    (plays, lights), (wires, path) = nano, stage
    shown = lights.heard(len)
    assert shown and set(shown) == {bytes((0xB0, 16, 64))}, "what it is when it is plugged in"
    plays.send((0xB0, 16, 62))
    time.sleep(0.1)
    plays.send((0xB0, 16, 66))
    found = asked(wires, len)
    plays.send((0x90, 36, 100))
    found += asked(wires, len)
    assert found == [("/temperature", [pytest.approx(66 / 63.5)]), ("/scene", "drop")]
    wires.values[PLACE["/temperature"]] = 2.0
    assert lights.heard(lambda got: bytes((0xB0, 16, 127)) in got)[-1] == bytes((0xB0, 16, 127))
    path.write_text(ROWS.replace("cc 16", "cc 17"))
    assert asked(wires, len, 2.5) == [("", "house.controls.toml: 2 controls")]
    plays.send((0xB0, 17, 127))
    assert asked(wires, len) == [("/temperature", [2.0])]


def test_a_controller_that_comes_back_is_heard_again(nano, stage):
    (plays, _), (wires, _) = nano, stage
    plays.pull()
    assert any("is gone" in str(text) for _, text in asked(wires, len))
    again = Peer("out", "nano")
    try:
        found = []
        for raw in (10, 20, 30, 40, 50, 60, 70, 80, 90, 100) * 3:   # the name is free after a while
            again.send((0xB0, 16, raw))
            found += [what for what in asked(wires, len, 0.3) if what[0]]
            if found:
                break
        assert found and found[0][0] == "/temperature"
    finally:
        again.close()


def test_a_file_that_is_not_readable_ends_the_start_with_one_line(nano, tmp_path):
    path = tmp_path / "house.controls.toml"
    path.write_text("controls = [\n{")
    wires = Wires({"midi_in": [{"pattern": "nano"}], "controls": str(path)})
    try:
        with pytest.raises(EngineError, match="house.controls.toml, line 2: not readable"):
            wires.start()
    finally:
        wires.close()


def learn(*arguments, answers=""):
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "learn", *arguments, "--json"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"})
    process.stdin.write(answers)
    process.stdin.flush()
    return process


def told(process, words):
    for line in process.stderr:
        if words in line:
            return line
    return ""


def test_learn_writes_the_row_of_a_knob(nano, tmp_path):
    path = tmp_path / "mine.controls.toml"
    process = learn("house", "/a/bass/cutoff_hz", "--midi-in", "nano", "--controls", str(path))
    assert told(process, "move what shall move /a/bass/cutoff_hz")
    for raw in range(30, 60):
        nano[0].send((0xB2, 21, raw))
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["learned"] == 1
    assert path.read_text().endswith(
        'controls = [\n    { port = "nano:out", channel = 3, message = "cc 21", '
        'target = "/a/bass/cutoff_hz" },\n]\n')
    process = learn("house", "/temperature", "--midi-in", "nanno")
    assert "no MIDI input fits 'nanno'" in process.communicate(timeout=30)[1]
    assert process.returncode == 2


def test_learn_asks_for_what_each_control_moves_until_there_is_no_more(nano, tmp_path):
    path = tmp_path / "mine.controls.toml"
    process = learn("house", "--midi-in", "nano", "--controls", str(path),
                    answers="tempratur\n/temperature\n/mute/kick\n")
    assert told(process, "turn a knob")
    for raw in (1, 1, 1, 1, 127, 127, 127):
        nano[0].send((0xB0, 1, raw))
    assert "/temperature" in told(process, "which?")
    assert told(process, "turn a knob")
    nano[0].send((0x90, 36, 99))
    nano[0].send((0x80, 36, 0))
    assert told(process, "note 36 on channel 1 of nano:out moves /mute/kick")
    assert told(process, "turn a knob")
    process.stdin.close()
    nano[0].send((0xB0, 30, 127))
    nano[0].send((0xB0, 30, 0))
    assert process.wait(20) == 0
    rows = ControlFile(path).read()
    assert [(str(r.message), r.target, r.mode) for r in rows] == [
        ("cc 1", "/temperature", "relative two's complement"), ("note 36", "/mute/kick", "")]


@pytest.mark.parametrize(("arguments", "said"), [
    (("house", "/a/bass/cutof_hz"), "which? /a/bass/cutoff_hz"),
    (("hous",), "no set 'hous'; did you mean 'house'?")])
def test_what_is_wrong_is_one_line(arguments, said):
    process = learn(*arguments)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and said in errors and errors.count("\n") == 1
