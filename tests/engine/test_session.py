"""Live, without a device: what a performer does, and what the model does to itself, while it plays.

Nothing is timed: what happened is read from the journal and from the stream's counters.
"""
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playing import HOUSE, Kept, started, until

from engine.errors import EngineError, SetError
from engine.records import FADE, PANIC, PREFILL, PROMPT, TARGET
from engine.session import Session
from tests.engine.model.conftest import make

ROOT = Path(__file__).resolve().parents[2]
BAR = 16
WORDS = "Rain fell on the roofs of the town and on the river and on the empty road. "
PLANTED = '''"""Raises in a model process that finds the file named in PLANT."""
import os
import sys

if any("engine.model.worker" in word for word in sys.orig_argv):
    from engine.model.publish import Rings
    beat = Rings.beat

    def planted(self):
        if os.path.exists(os.environ["PLANT"]):
            os.unlink(os.environ["PLANT"])
            raise RuntimeError("planted")
        beat(self)
    Rings.beat = planted
'''


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def live(tmp_path_factory, checkpoint):
    """One session for the tests that leave it playing as it was."""
    with started(tmp_path_factory.mktemp("live"), checkpoint) as playing:
        yield playing


@pytest.fixture
def kept(live):
    """A fresh journal of the session."""
    live.conductor.recorder = live.performance.recorder = Kept()
    until(lambda: live.conductor.recorder.of(b"FRAM"), "a record")
    return live.conductor.recorder


def bars_later(live, bars=1):
    step = live.conductor.step + bars * BAR
    until(lambda: live.conductor.step > step, "the next bar")


def on_a_bar(live, sample):
    step = live.conductor.clock.step_of(int(sample))
    return abs(step / BAR - round(step / BAR)) * BAR < 1e-3


# ---- the performer
def test_next_goes_to_another_section_on_the_bar(live, kept):
    live.key("next")
    until(lambda: live.status().pending.startswith("next section in "), "the countdown")
    until(lambda: not live.status().pending, "the bar line")
    bars_later(live)
    rows = kept.of(b"STEP")
    new = [b["step"] for a, b in zip(rows, rows[1:], strict=False) if b["section"] != a["section"]]
    assert new and new[0] % BAR == 0


def test_a_mute_falls_on_the_bar_and_shows(live, kept):
    index = live.rig.tables[live.conductor.deck].registry.index["kick.mute"]
    for muted in (1.0, 0.0):
        live.key("mute:1")
        until(lambda want=muted: ("kick" in live.status().mutes) == want, "the mute")
        moved = until(lambda: [row for row in kept.applied if row["kind"] == TARGET
                               and row["part"] == index], "the target")
        assert moved[-1]["level"] == muted and on_a_bar(live, moved[-1]["sample"])
        kept.applied.clear()


def test_a_held_model_says_nothing_and_the_music_goes_on(live, kept):
    live.key("hold")
    until(lambda: live.status().model_state == "held", "the hold")
    seq, step = live.conductor.source.next_seq, live.conductor.step
    bars_later(live, 2)
    assert live.conductor.source.next_seq == seq
    assert all(kept.notes(*(live.conductor.clock.sample_of(at) for at in (bar, bar + BAR)))
               for bar in range(-(-step // BAR) * BAR, live.conductor.step - 2 * BAR, BAR))
    live.key("hold")
    until(lambda: live.conductor.source.next_seq > seq + 8, "the model")
    assert live.status().model_state in ("ready", "late")


def test_warmer_and_cooler_reach_the_model(live, kept):
    warm, seen = live.performance.made.temperature, []
    for key, told in (("warmer", warm + 0.1), ("cooler", warm)):
        live.key(key)
        until(lambda want=told: f"temperature {want:.1f}" == live.messages[-1][1], "the message")
        generation = live.performance.supervised.worker.generation
        seq = live.conductor.source.next_seq
        until(lambda after=seq: live.conductor.source.next_seq > after + 2, "records under it")
        seen.append(generation)
    assert seen[0] < seen[1]
    assert [c["value"] for c in kept.of(b"CTRL")] == pytest.approx([warm + 0.1, warm])


def test_a_prompt_enters_at_once_after_what_was_heard(live, kept):
    live.prompt(WORDS)
    until(lambda: WORDS[:30] in "".join(f["text"] for f in kept.of(b"FRAM")), "its words")
    kinds = [(kind, row) for kind, row in kept.rows if kind in (b"FRAM", b"CTRL")]
    at = next(i for i, (kind, _) in enumerate(kinds) if kind == b"CTRL")
    before, after = kinds[at - 1][1], kinds[at + 1][1]
    assert kinds[at][1]["kind"] == PROMPT
    assert after["flags"] & PREFILL and after["seq"] == before["seq"] + 1


def test_panic_is_silence_until_the_bar(live, kept):
    until(lambda: 2 < live.conductor.step % BAR < 8, "the middle of a bar")
    live.key("panic")
    def back():
        return [row for row in kept.applied if row["kind"] == FADE and row["level"] == 1.0]
    until(back, "the music")
    bars_later(live)
    panics = [row["sample"] for row in kept.applied if row["kind"] == PANIC]
    out, into = min(panics), back()[0]["sample"]
    assert on_a_bar(live, into)
    assert len(kept.notes(out + 4000, into)) == 0 and kept.notes(into, into + 200000)


@pytest.mark.parametrize("key", ["nxet", "mute:0", "mute:99", "mute:x", "mute:", ""])
def test_a_wrong_key_is_refused_and_nothing_stops(live, kept, key):
    with pytest.raises(SetError):
        live.key(key)
    bars_later(live)
    assert not kept.of(b"CTRL")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_prompt_is_refused_and_the_old_one_goes_on(live, kept, text):
    with pytest.raises(EngineError, match="empty"):
        live.prompt(text)
    assert not kept.of(b"CTRL")


def test_a_wrong_set_is_told_and_the_old_one_plays_on(live, kept):
    path, made = Path(live.options.set), live.conductor.made
    path.write_text(HOUSE.replace("cutoff_hz", "cutof_hz"), encoding="utf-8")
    said = until(lambda: [m for _, m in live.messages if "the saved set is wrong" in m], "a word")
    assert "did you mean 'bass.cutoff_hz'" in said[-1] and "\n" not in said[-1]
    bars_later(live)
    assert live.conductor.made is made


def test_what_was_saved_while_the_stage_started_takes_over_too(tmp_path, checkpoint, monkeypatch):
    watch = Session._watch

    def late(self):
        Path(self.options.set).write_text(HOUSE.replace("bpm=240", "bpm=200"), encoding="utf-8")
        watch(self)
    monkeypatch.setattr(Session, "_watch", late)
    with started(tmp_path, checkpoint) as live:
        until(lambda: live.conductor.made.bpm == 200, "the set of the file")


def test_parts_keep_their_ports_when_a_saved_set_has_others(tmp_path, checkpoint):
    """The first part goes, one comes: what stays is given out where it was, what is new nowhere."""
    with started(tmp_path, checkpoint) as live:
        before = {name: int(word[0]) for name, word in live.rig.tables[0]._places.items()}
        (tmp_path / "mine.py").write_text(HOUSE.replace('"kick', '"thud'), encoding="utf-8")
        until(lambda: live.conductor.deck == 1, "the saved set")
        after = {name: int(word[0]) for name, word in live.rig.tables[1]._places.items()}
        assert after.pop("thud") == len(before)
        assert after == {name: place for name, place in before.items() if name != "kick"}


def test_a_saved_set_takes_over_on_the_bar(live, kept):
    deck, step = live.conductor.deck, live.conductor.step
    Path(live.options.set).write_text(HOUSE.replace("bpm=240", "bpm=200"), encoding="utf-8")
    until(lambda: live.conductor.deck != deck, "the new set")
    bars_later(live)
    clock, fades = live.conductor.clock, [r for r in kept.applied if r["kind"] == FADE]
    assert all(on_a_bar(live, row["sample"]) for row in fades)
    assert sorted((row["deck"], row["level"]) for row in fades) == sorted(
        [(deck, 0.0), (1 - deck, 1.0)])
    assert clock.bpm_at(step) == 240.0 and live.status().bpm == 200.0
    assert len(kept.of(b"TABL")) == 1
    steps = [row["step"] for row in kept.of(b"STEP")]
    assert steps == list(range(steps[0], steps[0] + len(steps)))


@pytest.mark.slow
def test_two_at_once_a_full_disk_and_a_slow_model(live, kept, tmp_path, checkpoint):
    """A second session beside the first, its model throttled, its take on a full disk."""
    with started(tmp_path, checkpoint, record="/dev/full", throttle=3.0) as other:
        said = until(lambda: [m for _, m in other.messages if "recording" in m], "the fault")
        assert "/dev/full stopped" in said[0] and not other.status().recording
        other.conductor.recorder = Kept()
        until(lambda: len(other.conductor.recorder.of(b"FRAM")) >= 8, "a few words")
        frames = other.conductor.recorder.of(b"FRAM")
        assert np.diff([f["seq"] for f in frames]).tolist() == [1] * (len(frames) - 1)
        assert np.diff([f["step"] for f in frames]).min() >= 2
        assert "".join(f["text"] for f in frames) in other.status().text
        assert other.performance.supervised.worker.folder != \
            live.performance.supervised.worker.folder
    seq = live.conductor.source.next_seq
    until(lambda: live.conductor.source.next_seq > seq + 4, "the first one")


# ---- the model
def whole(live):
    """(blocks, ns from the first block's time to the newest's) of one consistent reading."""
    while True:
        first, second = live.stream.counters(), live.stream.counters()
        if first["blocks"] == second["blocks"] and first["due_ns"] == second["due_ns"]:
            return first


def fault(live, kind, plant):
    process = live.performance.supervised.worker.process
    if kind == "raise":
        plant.touch()
    else:
        os.kill(process.pid, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[kind])


def recovered(live, restarts):
    """Waits until so many workers were lost, and records of a new one are played."""
    until(lambda: live.performance.supervised.restarts >= restarts, "the loss")
    seq = live.conductor.source.next_seq
    until(lambda: live.conductor.source.enters is None
          and live.conductor.source.next_seq > seq + 2, "the successor")


@pytest.mark.parametrize("kinds", [
    ("kill", "stop", "raise"),
    pytest.param(("stop", "raise", "kill"), marks=pytest.mark.slow),
    pytest.param(("raise", "kill", "stop"), marks=pytest.mark.slow)])
def test_the_music_outlives_the_model(tmp_path, checkpoint, monkeypatch, kinds):
    """One fault in the first bar, one while a prompt is read, one during the hand-over."""
    plant = tmp_path / "plant"
    (tmp_path / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setenv("PLANT", str(plant))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started(tmp_path, checkpoint) as live:
        journal, began, supervised = live.conductor.recorder, whole(live), \
            live.performance.supervised
        fault(live, kinds[0], plant)
        recovered(live, 1)
        generation = supervised.worker.generation
        live.prompt(WORDS * 3)
        until(lambda: supervised.worker.generation > generation, "the prompt's way")
        fault(live, kinds[1], plant)
        until(lambda: supervised.restarts >= 2 and supervised.worker
              and supervised.worker.state is not None, "a successor")
        fault(live, kinds[2], plant)
        recovered(live, 3)
        until(lambda: WORDS[:20] in live.status().text, "the prompt")
        ended, told = whole(live), [m for _, m in live.messages]
    blocks = ended["blocks"] - began["blocks"]
    assert ended["due_ns"] - began["due_ns"] == blocks * (128 * 10 ** 9 // 48000)
    assert ended["silent_blocks"] == 0 and ended["takeovers"] == began["takeovers"]
    assert sum("another takes over" in m for m in told) == 3 and "the model is back" in told
    assert any("planted" in m for m in told) and any("no life" in m for m in told)
    check(journal, live.performance.clock)


def check(journal, clock):
    """The beat is whole, words are whole, they come back on a bar line, no bar is empty."""
    steps, frames = journal.of(b"STEP"), journal.of(b"FRAM")
    assert [(s["step"], s["sample"]) for s in steps] == [
        (n, clock.sample_of(n)) for n in range(steps[0]["step"], steps[-1]["step"] + 1)]
    seqs, at = np.array([f["seq"] for f in frames]), np.array([f["step"] for f in frames])
    assert (np.diff(seqs) == 1).all() and np.diff(at).min() >= 2
    back = [int(b) for a, b in zip(at, at[1:], strict=False) if b - a > BAR]
    assert back and all(step % BAR == 0 for step in back)
    bars = [[tuple(note[:2]) for s in steps[n:n + BAR] for note in s["notes"]]
            for n in range(0, len(steps) - BAR, BAR)]
    late = [all(s["late"] for s in steps[n:n + BAR]) for n in range(0, len(steps) - BAR, BAR)]
    alone = [tuple(bar) for bar, missed in zip(bars, late, strict=True) if missed]
    assert len(alone) >= 3 and all(alone) and len(set(alone)) > 1


@pytest.mark.slow
def test_the_stage_is_small_and_knows_no_torch(checkpoint):
    script = f"""
import os, sys
from engine import session
with session.play(session.Options(model={str(checkpoint)!r}, audio="null", bars=1)) as live:
    live.wait()
    live.status()
pages = int(open("/proc/self/statm").read().split()[1]) if os.path.exists("/proc") else 0
sys.stdout.write(f"{{'torch' in sys.modules}} {{pages * os.sysconf('SC_PAGE_SIZE') / 1e6}}")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT,
                          timeout=300, check=True)
    torch, megabytes = done.stdout.split()
    assert torch == "False" and float(megabytes) < 600.0
