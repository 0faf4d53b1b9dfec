"""A render is a function of set, model, prompt and seeds; a take gives it back bit for bit."""
import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import sets
from engine.errors import EngineError, TakeError
from engine.journal import Recorder, Take
from engine.records import NOTE, PANIC
from engine.render import Files, caller
from engine.rig_words import PANIC_WORD
from engine.session import Options, render, replay
from engine.table import Rig
from engine.wires.board import Board

BARS = 8


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """One short render with take and stems: (options, report)."""
    folder = tmp_path_factory.mktemp("render")
    options = Options(bars=BARS, out=str(folder / "a.wav"), record=str(folder / "a.take"),
                      stems=str(folder / "stems"))
    return options, render(options)


def again(first, tmp_path, **changes):
    options = dataclasses.replace(first[0], out=str(tmp_path / "b.wav"), record=None, stems=None,
                                  **changes)
    return render(options)


def test_it_is_music_of_the_right_length(first):
    report = first[1]
    sound, rate_hz = soundfile.read(first[0].out)
    assert rate_hz == 48000 and len(sound) == report["samples"]
    assert report["samples"] == round(BARS * 240 / 124 * 48000) + 96000
    assert report["notes"] > 100 and report["late_events"] == report["not_finite"] == 0
    assert 0.1 < report["peak"] <= 10 ** (-1 / 20) and len(report["text"]) > 50


def test_twice_is_the_same_and_the_block_does_not_matter(first, tmp_path):
    assert again(first, tmp_path, block=48)["sha256"] == first[1]["sha256"]


@pytest.mark.parametrize("block", [48, 64, 128, 441, 1024])
def test_a_replay_is_the_render(first, tmp_path, block):
    report = replay(first[0].record, str(tmp_path / "r.wav"), Options(block=block))
    assert report["sha256"] == first[1]["sha256"] and report["whole"]


@pytest.mark.slow
def test_another_prompt_or_seed_gives_other_events(first, tmp_path):
    prompt = again(first, tmp_path, prompt="Snow fell on the mountain for seven days.")
    seed = again(first, tmp_path, seed=99)
    assert len({first[1]["events_sha256"], prompt["events_sha256"], seed["events_sha256"]}) == 3


def test_the_noise_seed_colours_and_never_chooses(first, tmp_path):
    noisy = again(first, tmp_path, noise_seed=99)
    assert noisy["events_sha256"] == first[1]["events_sha256"]
    assert noisy["sha256"] != first[1]["sha256"]


def test_stems_sum_to_the_masters_input(first):
    from pathlib import Path
    parts = [soundfile.read(p)[0] for p in sorted(Path(first[0].stems).glob("*.wav"))]
    assert len(parts) == 12
    assert np.abs(sum(parts)).max() > 0.05


def test_the_take_names_every_feature_and_cause(first):
    take = Take(first[0].record)
    features = take.features()
    assert {"token.surprisal_nat", "resid.mid.turn", "mlp.high.sparsity"} <= set(features)
    assert len(features["seq"]) == len(features["text"]) >= BARS * 8 - 1
    assert "".join(features["text"]).strip() == first[1]["text"].strip()
    notes = [note for step in take.steps for note in step["notes"]]
    assert all(note[6] for note in notes), "every note has a cause"


def test_a_cut_take_plays_what_is_whole(first, tmp_path):
    data = open(first[0].record, "rb").read()
    cut = tmp_path / "cut.take"
    cut.write_bytes(data[:len(data) * 2 // 3])
    report = replay(str(cut), str(tmp_path / "c.wav"))
    assert not report["whole"] and 0 < report["samples"] < first[1]["samples"]
    whole, _ = soundfile.read(first[0].out)
    part, _ = soundfile.read(tmp_path / "c.wav")
    known = len(part) - 48000
    assert np.array_equal(part[:known], whole[:known])


@pytest.mark.parametrize("same", ["out", "midi"])
def test_a_replay_never_writes_over_its_take(first, tmp_path, same):
    take = tmp_path / "a.take"
    shutil.copy(first[0].record, take)
    asked = {"out": str(tmp_path / "r.wav")} | {same: str(take)}
    with pytest.raises(EngineError, match="the take and --.* are one file"):
        replay(str(take), asked["out"], Options(**asked))
    assert take.read_bytes() == Path(first[0].record).read_bytes()


@pytest.mark.parametrize("block", [-5, 0, 10_000_000])
def test_a_replays_block_is_checked(first, tmp_path, block):
    with pytest.raises(EngineError, match="block must be 1..65536"):
        replay(first[0].record, str(tmp_path / "r.wav"), Options(block=block))


def test_outputs_that_are_one_file_or_a_folder_are_refused_first(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.render._render", None)
    folder, same = str(tmp_path), str(tmp_path / "same")
    (tmp_path / "link").symlink_to(same)
    for options in (Options(out=same, midi=same), Options(out=same, record=str(tmp_path / "link")),
                    Options(midi=same, project=same)):
        with pytest.raises(EngineError, match="are one file"):
            render(options)
    with pytest.raises(EngineError, match="it is a folder"):
        render(Options(out=same, midi=folder))


def test_a_render_that_fails_leaves_the_take_that_was_there(first, tmp_path):
    take = tmp_path / "a.take"
    shutil.copy(first[0].record, take)
    with pytest.raises(EngineError, match="it is a folder"):
        render(Options(bars=1, record=str(take), out=str(tmp_path)))
    assert take.read_bytes() == Path(first[0].record).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.take"]


def test_a_take_without_room_costs_no_sound(tmp_path, monkeypatch):
    def full(self, kind, payload):
        if kind == b"EVNT":
            self.fault = "recording stopped: No space left on device"
    monkeypatch.setattr("engine.journal.Recorder.chunk", full)
    with pytest.raises(TakeError, match="No space left on device; the sound is written"):
        render(Options(bars=1, record=str(tmp_path / "a.take"), out=str(tmp_path / "a.wav")))
    assert soundfile.info(str(tmp_path / "a.wav")).frames > 96000


@pytest.mark.parametrize(("frames", "kind"), [(1000, "WAV"), (800_000_000, "RF64")])
def test_what_no_wav_can_hold_is_rf64(frames, kind, tmp_path):
    files = Files({str(tmp_path / "a.wav"): 0}, 48000, frames=frames)
    files.write(np.full((1000, 2), 0.25, np.float32))
    files.finish()
    found = soundfile.info(str(tmp_path / "a.wav"))
    assert found.format == kind and found.frames == 1000


def test_a_file_that_cannot_be_opened_leaves_nothing(tmp_path):
    with pytest.raises(EngineError, match="cannot write"):
        Files({str(tmp_path / "a.wav"): 0}, -1)
    assert not list(tmp_path.iterdir())


# what `stage` records, and sets that take over, in bars of 300 bpm
BAR = 38400
PADS = '''"""x"""
from engine.sets import Part, Set
from mappings.music import Cast, Entry, Grammar, Music, Scene
from synths.kick import KICK
from synths.pad import PAD
BASS = Grammar("pad", "bass", (0, 0, 1, .8, 0, .3, 1, 0, 0, 0, 1, .5, 0, 0, 1, .9), hits=(4, 8))
LOOP = Scene("loop", bars=(8, 16), entries=(Entry("kick"), Entry("pad")), then=("loop",))
SET = Set(bpm=300, prompt="The tide.", parts={"kick": Part(KICK), "pad": Part(PAD, level_db=0.0)},
          music=Music((LOOP,), (BASS,), (Cast("all", {}),)))
'''


class Live:
    """A rig that is played and recorded as a stage does it, 480 samples at a time."""

    def __init__(self, path, *sources):
        self.made = [sets.read(source, "x.py") for source in sources]
        self.tables = [made.table() for made in self.made]
        self.rig = Rig(48000, 4, self.made[0].limiter)
        self.board = Board(None)
        self.rig.header[PANIC_WORD] = self.board.words.ctypes.data
        self.recorder = Recorder(path, {"rate_hz": 48000, "set": "x", "bpm": 300})
        self.play, self.heard = caller(self.rig), []
        self.load(0, 0)

    def load(self, deck, number):
        gain = {"gain": 0.0} if number else {}
        self.rig.load(self.tables[number], deck, **gain)
        self.recorder.table(self.rig.sample, deck, self.made[number].source, "x", 1,
                            self.tables[number])

    def until(self, sample):
        while self.rig.sample < sample:
            out = np.zeros((480, 4), np.float32)
            self.play(out, 480)
            self.heard.append(out[:, :2])
            self.recorder.events(self.rig.collect())

    def end(self):
        self.recorder.close(self.rig.sample)
        return hashlib.sha256(np.concatenate(self.heard).tobytes()).hexdigest()


def test_a_panic_past_the_conductor_is_in_the_take(tmp_path):
    """The board's, ten milliseconds before the conductor's own."""
    live = Live(tmp_path / "a.take", PADS)
    live.rig.push(0, NOTE, 0, 1, length=40000, pitch_hz=220.0, level=0.9)
    live.until(9600)
    live.board.panic()
    live.until(10080)
    live.rig.push(0, PANIC, 0)
    live.rig.fade(0, 0, 0.0, 0.002)
    live.until(24000)
    heard = live.end()
    assert replay(tmp_path / "a.take", str(tmp_path / "a.wav"))["sha256"] == heard


@pytest.mark.parametrize("block", [64, 65536])
def test_a_replay_at_any_block_size_changes_sets_at_their_sample(block, tmp_path):
    """Two sets within one block of the replay."""
    live = Live(tmp_path / "a.take", *(PADS.replace("0.0", f"{db}") for db in (0.0, -3.0, -6.0)))
    live.rig.push(0, NOTE, 0, 1, length=75000, pitch_hz=220.0, level=0.9)
    for number, deck in ((1, 1), (2, 0)):
        bar = (number + 1) * BAR
        live.until(bar - 2400)
        live.load(deck, number)
        live.rig.fade(bar, 1 - deck, 0.0, 0.05)
        live.rig.fade(bar, deck, 1.0, 0.002)
        live.rig.push(bar, NOTE, deck, 1, length=30000, pitch_hz=220.0, level=0.9)
    live.until(4 * BAR)
    heard = live.end()
    report = replay(tmp_path / "a.take", str(tmp_path / "a.wav"), Options(block=block))
    assert report["sha256"] == heard


def test_a_render_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(EngineError, match="cannot write"):
        render(Options(bars=1, out="/dev/null/x.wav"))
    assert not list(tmp_path.iterdir())


def test_an_interrupted_render_leaves_no_file(tmp_path):
    def interrupt(share, text):
        if share > 0.2:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        render(Options(bars=32, out=str(tmp_path / "x.wav")), interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("change", "said"), [
    ({"bpm": 0.0}, "beats per minute"), ({"bpm": float("nan")}, "beats per minute"),
    ({"bars": 0}, "bars must be"), ({"temperature": float("inf")}, "temperature"),
    ({"prompt": " "}, "prompt is empty"), ({"set": "hose"}, "did you mean 'house'"),
    ({"rate_hz": 3}, "rate must be"), ({"tokens_per_bar": 3}, "tokens_per_bar"),
    ({"block": 0}, "block must be"), ({"model": "/nowhere/at/all"}, "nowhere"),
    ({"seed": -1}, "seed must be")])
def test_bad_options_are_one_clear_line(tmp_path, change, said):
    with pytest.raises(EngineError, match=said) as caught:
        render(Options(**{"bars": 1, "out": str(tmp_path / "x.wav")} | change))
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


