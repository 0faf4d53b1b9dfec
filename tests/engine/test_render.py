"""A render is a function of set, model, prompt and seeds; a take gives it back bit for bit."""
import dataclasses

import numpy as np
import pytest
import soundfile

from engine.errors import EngineError
from engine.journal import Take
from engine.session import Options, render, replay

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


