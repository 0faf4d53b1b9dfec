"""The measures measure: known patterns give known numbers, planted failures are caught."""
import json

import mido
import pytest

import bench._bands as bands
import bench.music as music
from bench._patterns import STEPS, bars_of, jaccard, patterns
from bench._performance import Performance, edit_alignment, voice_motion
from engine.mapping import Note, Step
from engine.records import Frame
from engine.sets import load

HOUSE = load("sets/house.py").music


def text(seed, count=1024):
    """Frames without a model: each feature a walk of its own along the golden section."""
    from mappings.memory import NAMES
    found = []
    for n in range(count):
        unit = {name: (n * 0.6180339887 * (1 + 0.1 * ((k + seed) % 7)) + 0.37 * k * seed) % 1.0
                for k, name in enumerate(NAMES)}
        found.append(Frame(n, n, " a", 0, {}, unit, sentence_end=(n * (3 + seed)) % 29 < 2))
    return found


def test_a_loop_of_four_bars_is_wholly_similar_and_has_no_news():
    cells = bars_of([(16 * bar + 4 * (bar % 4), "bass", 40) for bar in range(32)], 32)
    found = patterns(cells)
    assert found["similarity"] == 1.0 and found["repeats"] == 28 / 32
    assert found["novelty"] == pytest.approx(3 / 31)


def test_bars_that_share_nothing_are_all_news():
    found = patterns(bars_of([(16 * bar, "bass", bar) for bar in range(32)], 32))
    assert found == {"similarity": 0.0, "novelty": 1.0, "repeats": 0.0}
    assert jaccard({1, 2}, {2, 3}) == 1 / 3 and jaccard(set(), set()) == 1.0


def test_voices_are_counted_in_semitones_a_voice():
    chords = [(60, 64, 67), (60, 64, 67), (60, 65, 69)]
    steps = [Step([Note("pad", p, 0.5, cause="x") for p in chord], []) for chord in chords]
    assert voice_motion(Performance(steps)) == pytest.approx(1.0)


def test_edits_are_held_against_the_surprisal_of_the_text_as_it_stands():
    frames = [Frame(i, i, "", 0, {}, {"token.surprisal_nat": i / 20}) for i in range(20)]
    heard = [(2 * i, frame) for i, frame in enumerate(frames)]

    def steps(edited):
        return [Step([Note("bass", 30, 0.5, cause="edit token.surprisal_nat 0.9")]
                     if i in edited else [], []) for i in range(40)]
    assert edit_alignment(Performance(steps({39, 37, 34}), heard)) == 1.0
    assert edit_alignment(Performance(steps({0, 3}), heard)) == 0.0


def test_planted_failures_are_caught_each_by_its_own_measures():
    frames = [text(1)]
    plays = [music.perform(HOUSE, f) for f in frames]
    assert not {"similarity", "novelty", "repeats", "edit_alignment"} & set(
        music.outside([music.judge(play) for play in plays]))
    found = music.planted(HOUSE, frames, plays)
    assert all(row["caught"] == row["of"] == 1 for row in found.values()), found


def test_a_slow_model_is_late_and_nothing_comes_in_a_burst():
    play = music.perform(HOUSE, text(2), 8, rate=2.0)
    steps = [step for step, _ in play.heard]
    assert 28 <= len(steps) <= 31 and len(set(steps)) == len(steps)
    fast = music.perform(HOUSE, text(2), 8)
    assert [step for step, _ in fast.heard] == list(range(0, 8 * STEPS, 2))


def test_frames_are_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(music, "frames_of", lambda prompt, tokens, model: text(3, tokens))
    path = tmp_path / "frames.json"
    first = music.kept_frames(path, ("a",), 20, "embedded")
    monkeypatch.setattr(music, "frames_of", None)
    assert music.kept_frames(path, ("a",), 20, "embedded") == first


def test_bands_are_read_from_midi_files_and_what_cannot_be_read_is_counted(tmp_path):
    song = mido.MidiFile(ticks_per_beat=480)
    song.tracks.append(track := mido.MidiTrack())
    for bar in range(32):
        track.append(mido.Message("note_on", note=40 + bar % 2, velocity=90, time=0))
        track.append(mido.Message("note_off", note=40 + bar % 2, time=4 * 480))
    song.save(tmp_path / "loop.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    found = bands.measure(tmp_path)
    assert found["files"] == 1 and found["left_out"] == 1
    assert found["bands"]["similarity"]["0.5"] == 1.0


def test_the_stored_bands_name_no_machine_and_hold_the_limits():
    stored = json.loads((music.Path(music.__file__).parent / "bands.json").read_text())
    assert stored["files"] > 100 and not stored["corpus"].startswith("/")
    for name, (low, high) in music.corpus_bands().items():
        least, most, _ = music.LIMITS[name]
        assert low < most and least < high
