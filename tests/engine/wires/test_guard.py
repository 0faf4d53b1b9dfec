"""The guard against real deaths: SIGKILL of a process that has wires and a guard as a stage has."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.wires import guard as guards
from engine.wires.guard import Guard
from tests.engine.wires.guarded_stage import NOTES
from tests.engine.wires.midi_peer import Peer

ROOT, ALLOWED_S = Path(__file__).parents[3], 0.4


class Stage:
    """The stand-in, its folder, and the processes it started."""

    def __init__(self, pattern="synth", port="synth:in"):
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("guarded_stage.py")), pattern, port],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)})
        folder, *self.pids = self.process.stdout.readline().split()
        self.folder = Path(folder)

    def kill(self):
        self.process.kill()
        self.process.wait()
        return time.monotonic_ns()

    def gone(self, pid, patience_s=3.0):
        """Whether a process of it has left."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            try:
                if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                    return True           # its parent is dead, and the new one takes its time
            except OSError:
                return True
            time.sleep(0.01)
        return False

    def close(self):
        self.process.kill()
        self.process.wait()
        left = [self.gone(pid) for pid in self.pids]
        shutil.rmtree(self.folder, ignore_errors=True)
        assert all(left)


@pytest.fixture
def synth(jack):
    made = Peer("in", "synth")
    yield made
    made.close()


def silent_after_s(synth, killed_ns):
    """Seconds from the death to the note-off of the last note."""
    offs = {}
    for ns, data in synth.got:
        if data[0] & 0xF0 == 0x80:
            offs.setdefault((data[0] & 15, data[1]), (ns - killed_ns) * 1e-9)
    return max(offs[note] for note in NOTES)


@pytest.mark.parametrize("turn", [0, *(pytest.param(k, marks=pytest.mark.slow)
                                     for k in range(1, 10))])
def test_a_killed_stage_leaves_nothing_sounding(synth, turn):
    stage = Stage()
    synth.heard(lambda got: len(got) == 3)
    assert synth.sounding() == set(NOTES)
    killed_ns = stage.kill()
    synth.heard(lambda got: not synth.sounding())
    assert not synth.sounding() and silent_after_s(synth, killed_ns) < ALLOWED_S
    stage.close()


def test_the_guard_does_it_alone_in_four_rounds(synth):
    stage = Stage("-")
    assert not synth.got                                   # silent while the stage lives
    killed_ns = stage.kill()
    assert stage.gone(stage.pids[1])
    offs = [(ns - killed_ns) * 1e-9 for ns, data in synth.got if data == b"\x80\x3c\x00"]
    assert len(offs) == 4 and offs[0] < ALLOWED_S and 1.0 < offs[3] < 2.0
    first = [data for ns, data in synth.got if (ns - killed_ns) * 1e-9 < offs[1] - 0.02]
    assert set(first) == {bytes((0x80 | channel, key, 0)) for channel, key in NOTES} | {
        bytes((0xB0 | channel, controller, 0)) for channel in (0, 9) for controller in
        (64, 120, 123)}
    last = [data for ns, data in synth.got if (ns - killed_ns) * 1e-9 > 0.9]
    assert {data[0] & 15 for data in last if data[0] & 0xF0 == 0xB0} == set(range(16))
    stage.close()


def test_a_goodbye_is_silent_and_signals_do_not_end_it(synth):
    stage = Stage("-")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(int(stage.pids[1]), number)
    time.sleep(0.1)
    assert not stage.gone(stage.pids[1], 0.1)
    stage.process.stdin.write("leave\n")
    stage.process.stdin.close()
    assert stage.gone(stage.pids[1]) and not synth.got
    stage.process.wait(3)
    stage.close()


def test_it_follows_ports_that_come_later_and_other_plans(jack, tmp_path):
    guard = Guard(tmp_path, [{"pattern": "synth|virtual:x"}, {"jack": ["pad (2):in"]}]).start()
    synth, pad, other = Peer("in", "synth"), Peer("in", "pad (2)"), Peer("in", "drums")
    time.sleep(1.0)
    guard.held[0, 60] = guard.held[1, 128 + 61] = 1
    guard.send_to([{"pattern": "drums"}, {"jack": ["pad (2):in"]}])
    time.sleep(1.0)
    guard.process.stdin.close()
    assert other.heard(len)[0] == b"\x80\x3c\x00" and pad.heard(len)[0] == b"\x81\x3d\x00"
    assert not synth.got
    guard.process.wait(5)
    for peer in (synth, pad, other):
        peer.close()


def test_without_any_midi_it_says_so_and_stays(tmp_path):
    guard = Guard(tmp_path, [{"pattern": "synth"}])
    os.environ["JACK_NO_START_SERVER"], before = "1", os.environ.get("JACK_NO_START_SERVER")
    try:
        guard.start()
        end = time.monotonic() + 5
        while not guard.said and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        if before is None:
            del os.environ["JACK_NO_START_SERVER"]
    assert guard.alive
    assert guard.said == guards.NONE if not os.path.exists("/dev/snd/seq") else guard.said
    guard.goodbye()


def test_a_spoiled_plan_leaves_the_old_one(tmp_path):
    Guard(tmp_path, [{"pattern": "virtual:x|a|b"}, {"jack": ["a:b"]}])
    watch = guards.Watch(tmp_path)
    watch.look()
    assert set(watch.bindings) == {(0, "a|b"), (1, "^a:b$")}
    for text in ("{", json.dumps("no plan"), json.dumps([3]), json.dumps({"a": 1})):
        (tmp_path / guards.PLAN).write_text(text)
        watch.look()
        assert set(watch.bindings) == {(0, "a|b"), (1, "^a:b$")}
