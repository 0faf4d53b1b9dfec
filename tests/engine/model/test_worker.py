"""The model as a real process: started, steered, stopped, killed, replaced. Thread: control."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ModelError
from engine.model import directions, process, supervisor
from engine.model.load import fingerprint
from engine.model.process import Worker
from engine.model.publish import token_text
from engine.model.supervisor import Supervised
from engine.records import CALIBRATION, HOLD, PREFILL, PROMPT, RENEWED, SKIP, STEER, TEMPERATURE
from engine.wires import process as wires

PATIENCE_S = 120.0                        # only against hanging; nothing here is timed
PROMPT_TEXT = "The house stood at the end of the road."


def until(test, what):
    """Waits for test() to be true and returns it."""
    end = time.monotonic() + PATIENCE_S
    while not (found := test()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.002)
    return found


def front(worker):
    """The next record of the worker's present generation, or None; old ones are dropped."""
    while (token := worker.token.front()) is not None:
        state = worker.state.front()
        assert state["seq"] == token["seq"]
        if state["seq"] < 0 or state["generation"] == worker.generation:
            return state, token
        worker.state.pop()
        worker.token.pop()
    return None


def take(worker, count):
    """The next `count` records, copied."""
    found = []
    while len(found) < count:
        state, token = until(lambda: front(worker), "a record")
        found.append((state.copy(), token.copy()))
        worker.state.pop()
        worker.token.pop()
    return found


def seqs(records):
    return [int(state["seq"]) for state, _ in records]


def said(records):
    return "".join(token_text(token) for _, token in records)


@pytest.fixture
def worker(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("HIDDENSTAGE_PROFILES", str(tmp_path))
    vector = np.random.default_rng(1).normal(size=32).astype(np.float32)
    vector /= np.linalg.norm(vector)
    directions.save(directions.Direction(
        "calm", 2, vector, vector, 0.0, np.linspace(-1.0, 1.0, directions.POINTS), 1.0, "tiny",
        fingerprint(checkpoint)))
    worker = Worker({"model": str(checkpoint), "prompt": PROMPT_TEXT, "temperature": 1.0,
                     "limit": 8, "directions": ["calm"], "steering": {"ablate.calm": 0.0}}).start()
    until(lambda: worker.poll() != "starting", "a start")
    assert worker.poll() == "ready", worker.error
    yield worker
    worker.kill()


def test_a_performance(worker):
    calibration = take(worker, 192)
    assert seqs(calibration) == list(range(-192, 0))
    assert all(state["flags"] & CALIBRATION for state, _ in calibration)
    first = take(worker, 60)
    assert seqs(first) == list(range(60)) and said(first).startswith(PROMPT_TEXT)

    generation = worker.control(TEMPERATURE, 0.3, after_seq=59)
    cooler = take(worker, 20)
    assert seqs(cooler) == list(range(60, 80)) and generation == 1
    assert all(abs(token["temperature"] - 0.3) < 1e-6 for _, token in cooler)
    assert cooler[0][0]["token"] == first[-1][1]["token"]

    assert all(np.isnan(token["steer_nat"]) for _, token in first + cooler)
    for amount in (1.0, 0.0):
        generation = worker.control(STEER, amount, "steer.calm", after_seq=79)
        steered = take(worker, 3)
        assert seqs(steered) == [80, 81, 82] and steered[0][0]["generation"] == generation
        assert all((token["steer_nat"] > 0.0) == (amount > 0.0) for _, token in steered)

    worker.control(PROMPT, text="Somebody knocked. 🎷", after_seq=79)
    knocked = take(worker, 40)
    assert seqs(knocked) == list(range(80, 120)) and "\n\nSomebody knocked. 🎷" in said(knocked)
    assert knocked[0][0]["flags"] & PREFILL and knocked[0][0]["generation"] == 4

    worker.control(HOLD, 1.0, after_seq=119)
    until(lambda: not len(worker.control_ring), "the control to be read")
    assert front(worker) is None
    beat = int(worker.state.words[1])
    until(lambda: int(worker.state.words[1]) > beat, "a sign of life while held")
    assert front(worker) is None
    worker.control(HOLD, 0.0, after_seq=119)
    assert seqs(take(worker, 5)) == list(range(120, 125))

    worker.control(SKIP, after_seq=124)
    skipped = take(worker, 5)
    assert seqs(skipped) == list(range(125, 130)) and skipped[0][0]["flags"] & RENEWED
    with pytest.raises(ModelError, match="prompt is empty"):
        worker.control(PROMPT, text=" ")

    folder, process = worker.folder, worker.process
    worker.stop()
    assert process.returncode == 0 and not folder.exists() and worker.poll() == "dead"


def test_the_end_of_standard_input_ends_it(worker):
    worker.process.stdin.close()
    assert worker.process.wait(PATIENCE_S) == 0
    assert worker.poll() == "dead"


def test_a_parent_that_is_killed_leaves_no_worker(checkpoint):
    script = ("import sys, time; from engine.model.process import Worker\n"
              "w = Worker({'model': sys.argv[1]}).start()\n"
              "while w.poll() == 'starting': time.sleep(0.01)\n"
              "sys.stdout.write(f'{w.process.pid} {w.folder}\\n'); sys.stdout.flush()\n"
              "time.sleep(600)")
    parent = subprocess.Popen([sys.executable, "-c", script, str(checkpoint)],
                              stdout=subprocess.PIPE, text=True)
    pid, folder = parent.stdout.readline().split()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not running(int(pid)), "the orphan to end")
    assert not os.path.exists(folder)


def test_what_a_killed_stage_left_is_swept_and_what_is_in_use_is_not(tmp_path, checkpoint,
                                                                           monkeypatch):
    monkeypatch.setattr(process, "YOUNG_S", -1.0)
    monkeypatch.setattr(process, "shared_folder", lambda: tmp_path)
    used, left = (Worker({"model": str(checkpoint)}).start() for _ in range(2))
    line = Path(f"/proc/{left.process.pid}/cmdline")
    until(line.read_bytes, "the program to be loaded")
    os.kill(left.process.pid, signal.SIGSTOP)         # it does not see that its stage is gone
    left._lock.close()
    process.sweep()
    assert used.folder.exists() and used.process.poll() is None
    assert not left.folder.exists() and left.process.wait(PATIENCE_S) == -signal.SIGKILL
    used.stop()
    left.stop()


def test_a_models_folder_is_found_from_where_the_command_was_given(checkpoint, monkeypatch):
    """The worker itself runs in the project's folder."""
    monkeypatch.chdir(checkpoint.parent)
    for given, meant in ((checkpoint.name, str(checkpoint)), ("embedded", "embedded"),
                         ("someone/some-model", "someone/some-model")):
        worker = Worker({"model": given})
        assert worker.settings["model"] == meant
        worker.kill()


def test_wires_of_a_killed_stage_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "YOUNG_S", -1.0)
    for module in (process, wires):
        monkeypatch.setattr(module, "shared_folder", lambda: tmp_path)
    used, left = wires.Wires({}), wires.Wires({})
    left._lock.close()
    another = wires.Wires({})
    assert used.folder.exists() and another.folder.exists() and not left.folder.exists()
    for one in (used, another):
        one.close()
    assert not list(tmp_path.iterdir())


def test_no_room_for_a_worker_is_told_and_tried_again(checkpoint, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")
    stage = Supervised({"model": str(checkpoint)}, reserve=False)
    monkeypatch.setattr(process, "Ring", full)
    with pytest.raises(OSError, match="No space left"):
        stage.start()
    assert stage.poll() == stage.poll() == "recovering"
    assert len(stage.messages) == 1 and "No space left" in stage.messages[0]
    stage.stop()


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")")[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_stage_side_imports_no_torch():
    script = "import sys, engine.model.supervisor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_process_that_dies_while_loading_says_how(checkpoint, monkeypatch):
    worker = Worker({"model": str(checkpoint), "threads": "many"}).start()
    until(lambda: worker.poll() != "starting", "an end")
    assert worker.poll() == "failed" and "many" in worker.error and "\n" not in worker.error
    worker.stop()


def play(stage, count, found):
    """Takes `count` more records through the supervisor, whatever happens meanwhile."""
    goal = len(found) + count

    def one():
        assert stage.poll() != "failed", stage.error
        return stage.front()
    while len(found) < goal:
        state, token = until(one, "a record")
        if state["seq"] >= 0:
            found.append((state.copy(), token.copy()))
        stage.pop()


@pytest.mark.slow
def test_a_killed_model_comes_back_where_it_was(checkpoint):
    settings = {"model": str(checkpoint), "prompt": PROMPT_TEXT, "temperature": 1.0, "limit": 8}
    whole, found = Worker(settings).start(), []
    until(lambda: whole.poll() == "ready", "a start")
    expected = take(whole, 192 + 90)[192:]
    whole.stop()
    stage = Supervised(settings, reserve=False).start()
    try:
        play(stage, 6, found)             # inside the prompt
        os.kill(stage.worker.process.pid, signal.SIGKILL)
        play(stage, 40, found)
        assert stage.restarts == 1 and "another takes over" in stage.messages[0]
        assert seqs(found) == list(range(46))
        assert said(found) == said(expected[:46]), "the same text, as if nothing had happened"
        stage.control(STEER, 0.5, "steer.calm")
        assert stage.settings["steering"] == {"steer.calm": 0.5}, "a successor is told"
        stage.control(TEMPERATURE, 0.5)
        play(stage, 20, found)
        assert seqs(found) == list(range(66))
        assert abs(found[-1][1]["temperature"] - 0.5) < 1e-6
    finally:
        stage.stop()


@pytest.mark.slow
def test_a_frozen_model_is_replaced_by_the_one_in_reserve(checkpoint, monkeypatch):
    monkeypatch.setattr(supervisor, "RESERVE_AFTER_S", 0.0)
    stage = Supervised({"model": str(checkpoint), "prompt": PROMPT_TEXT, "limit": 8}).start()
    found = []
    try:
        play(stage, 30, found)
        until(lambda: stage.poll() and stage.reserve and stage.reserve.poll() == "ready",
              "a reserve")
        frozen, reserve = stage.worker.process, stage.reserve
        os.kill(frozen.pid, signal.SIGSTOP)
        play(stage, 40, found)
        assert stage.worker is reserve and frozen.returncode is not None
        assert seqs(found) == list(range(70))
        assert json.loads((reserve.folder / "takeover.json").read_text())["history"]
    finally:
        stage.stop()


@pytest.mark.slow
def test_memory_is_flat(checkpoint):
    worker = Worker({"model": str(checkpoint), "prompt": PROMPT_TEXT, "calibrate": False}).start()
    until(lambda: worker.poll() == "ready", "a start")

    def resident():
        with open(f"/proc/{worker.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    take(worker, 1500)
    before = resident()
    take(worker, 5000)
    assert resident() - before < 6 << 20
    worker.stop()
