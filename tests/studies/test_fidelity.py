"""What is in the sound is read back, what is not is not; a domain is told only by what differs."""
import json

import numpy as np
import pytest
import soundfile

from engine.errors import EngineError
from engine.mapping import Link
from engine.records import Frame
from engine.sets import load
from studies.prove import abx, audio, fidelity

RATE_HZ, SLOT, SLOTS, TAKES = 8000, 2000, 64, 8
NAMES = ("planted", "absent", "placed", "moved")


def takes(seed=1):
    """Noise in which a band at 1.5 kHz stands as high as a feature says, and rises along each bar
    for any feature; another feature is nowhere, a third is the place in the bar with a little
    chance on top."""
    random, found = np.random.default_rng(seed), []
    edges, t = np.arange(SLOTS + 1) * SLOT, np.arange(SLOTS * SLOT) / RATE_HZ
    for _ in range(TAKES):
        planted, absent = random.random((2, SLOTS))
        bar = np.arange(SLOTS) % 8 / 8.0
        high = np.repeat(10 ** ((12 * planted + 6 * bar - 30) / 20), SLOT)
        tone = np.sin(2 * np.pi * 1500.0 * t) * high
        sound = 0.003 * random.normal(size=(len(t), 2)) + tone[:, None]
        values = np.stack([planted, absent, bar + 0.01 * random.random(SLOTS),
                           np.roll(planted, 3)], 1)
        values[:5, 1] = np.nan            # a prompt: not yet there
        found.append(fidelity.Told(audio.describe(sound.astype(np.float32), RATE_HZ, edges), values,
                                   [("a", k // 8) for k in range(SLOTS)]))
    return found


@pytest.fixture(scope="module")
def told():
    return {row["name"]: row for row in fidelity.features_told(takes(), NAMES, 8)}


def test_a_planted_feature_is_read_back_and_one_that_is_not_in_the_sound_is_not(told):
    assert told["planted"]["r2"] > 0.9 and told["planted"]["scale"] == "token"
    assert told["planted"]["shuffled"] < 0.05
    assert told["absent"]["r2"] < 0.05


def test_what_the_place_in_the_bar_says_is_no_evidence(told):
    assert told["placed"]["r2"] < 0.05


def test_a_slot_and_the_next_are_listened_to_and_none_before(told):
    assert told["moved"]["r2"] < 0.1


def test_one_take_is_read_in_blocks():
    random = np.random.default_rng(2)
    sound = random.normal(size=(400, 12))
    values = np.stack([sound[:, 3] + 0.1 * random.normal(size=400), random.normal(size=400)], 1)
    one = fidelity.Told(sound, values, [("a", k // 8) for k in range(400)])
    found = {row["name"]: row for row in fidelity.features_told([one], ("in", "out"), 8)}
    assert found["in"]["r2"] > 0.9 and found["out"]["r2"] < 0.05
    assert found["in"]["shuffled"] < 0.1


def test_a_feature_that_is_never_there_has_no_number():
    sound = np.random.default_rng(1).normal(size=(200, 4))
    one = fidelity.Told(sound, np.full((200, 1), np.nan), [("a", k // 8) for k in range(200)])
    assert fidelity.features_told([one], ("never",), 8)[0]["r2"] is None


def test_a_latched_value_is_held_against_the_bar_that_begins_with_it():
    sound, values = np.zeros((24, 1)), np.arange(24.0)[:, None]
    one = fidelity.Told(sound, values, [("a", k // 8) for k in range(24)])
    _, line, _ = fidelity.windows(one, "line", 8, 8)
    _, bar, _ = fidelity.windows(one, "bar", 8, 8)
    assert line[:, 0].tolist() == [0.0, 8.0, 16.0]
    assert bar[:, 0].tolist() == [3.5, 11.5, 19.5]


def test_domains_are_told_and_exchanged_labels_are_at_chance(monkeypatch):
    monkeypatch.setattr(fidelity, "PERMUTATIONS", 19)
    random = np.random.default_rng(3)
    labels = [name for name in "abcdefgh" for _ in range(8)]
    tables = random.normal(size=(64, 120))
    nothing = fidelity.domains_told(tables, labels)
    assert nothing["accuracy"] < 0.3 and nothing["p"] > 0.1
    assert 0.05 < nothing["permuted"] < 0.15
    tables[:, :8] += 4.0 * np.repeat(np.eye(8), 8, axis=0)
    found = fidelity.domains_told(tables, labels)
    assert found["accuracy"] > 0.7 and found["p"] <= 0.05
    assert np.trace(found["confusion"]) == round(found["accuracy"] * 64)


def test_a_band_a_side_and_a_pitch_are_where_they_are():
    t = np.arange(2 * 48000) / 48000
    sound = np.zeros((len(t), 2), np.float32)
    sound[:48000, 0] = 0.1 * np.sin(2 * np.pi * 440.0 * t[:48000])
    sound[48000:] = (0.1 * np.sin(2 * np.pi * 5000.0 * t[48000:]))[:, None]
    first, second = audio.describe(sound, 48000, np.arange(0, 96001, 12000))[[1, 6]]
    at = {name: k for k, name in enumerate(audio.NAMES)}
    levels = [k for name, k in at.items() if name.startswith("level.")]
    assert audio.NAMES[levels[int(first[levels].argmax())]] == "level.403_db"
    assert first[at["balance.250_db"]] > 30 and abs(second[at["balance.4000_db"]]) < 1e-3
    assert first[at["side.250_db"]] == pytest.approx(0.0, abs=0.1)
    assert first[at["pitch.9"]] > 0.9
    assert first[at["level.403_db"]] == pytest.approx(20 * np.log10(0.05) + 1.76, abs=0.3)


def test_long_sounds_are_described_in_pieces_that_fit():
    sound = np.random.default_rng(5).normal(size=(200 * 2048, 2)).astype(np.float32)
    edges = np.arange(201) * 2048
    whole = audio.describe(sound, 48000, edges)
    start = 64 * 2048 - audio.LONG
    part = audio.describe(sound[start:], 48000, edges[64:] - start)
    assert whole.shape == (200, len(audio.NAMES))
    assert np.allclose(whole[66:], part[2:], atol=1e-3)


def test_the_shipped_prompts_are_eight_by_eight_and_held_out_ones_are_others():
    found, others = fidelity.domains(), fidelity.domains(fidelity.DOMAINS.parent / "held_out.json")
    assert list(found) == list(others) and len(found) == 8
    everything = [text for one in (found, others) for texts in one.values() for text in texts]
    assert len(set(everything)) == len(everything) == 128
    assert all(20 < len(text.split()) for text in everything)


@pytest.mark.parametrize("text, said", [
    (None, "cannot be read"), ("{", "cannot be read"), ('["a", "b"]', "two domains"),
    ('{"a": ["x", "y"]}', "two domains"), ('{"a": ["x", "y"], "b": ["x"]}', "'b' needs a list"),
    ('{"a": ["x", "y"], "b": ["x", " "]}', "none empty"), ('{"a": "xy", "b": ["x"]}', "'a' needs")])
def test_prompts_that_are_none_are_one_line(tmp_path, text, said):
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EngineError, match=said) as raised:
        fidelity.domains(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_features_value_is_what_the_set_reads():
    house = load("sets/house.py")
    house.links = (Link("token.entropy_nat", (0.0, 1.0), "bass.cutoff_hz", (200, 300)),
                   Link("token.surprisal", (0.0, 1.0), "bass.level_db", (-6, 0)))
    house.music = type("Music", (), {"features": ("token.surprisal", "rhythm.steps")})
    readings = fidelity.readings_of(house, ("token.entropy_nat", "token.surprisal_nat"))
    assert list(readings) == ["token.entropy_nat", "token.surprisal"]
    frames = [Frame(0, 0, "", 0, {"token.entropy_nat": 3.0, "token.surprisal_nat": 9.0},
                    {"token.entropy_nat": 0.5, "token.surprisal_nat": 0.25}), Frame(1, 0, "", 0)]
    assert fidelity.values_of(frames, readings.values())[0].tolist() == [3.0, 0.25]
    assert np.isnan(fidelity.values_of(frames, readings.values())[1]).all()


@pytest.mark.parametrize("trials, level, count", [(12, 0.05, 10), (12, 0.01, 11), (16, 0.05, 12),
                                                  (4, 0.05, None), (5, 0.05, 5)])
def test_how_many_must_be_right_is_exact(trials, level, count):
    assert abx.needed(trials, level) == count


def test_the_answers_of_a_kit_are_those_of_its_files(tmp_path, monkeypatch):
    made, heard = load("sets/house.py"), []

    def hear(made, frames, names, bars, noise_seed, heard_bars):
        """A sound that says which order its frames had."""
        tokens = [frame.token for frame in frames]
        straight = tokens == sorted(tokens)
        heard.append(straight)
        hz = 300.0 if straight else 900.0
        t = np.arange(bars * 1600) / abx.RATE_HZ
        sound = np.stack([np.sin(2 * np.pi * hz * t)] * 2, 1) + 0.01 * noise_seed
        return type("Heard", (), {"sound": sound, "edges": np.arange(bars * 8 + 1) * 200})
    monkeypatch.setattr(abx, "hear", hear)
    frames = [Frame(k, k, "", 0) for k in range(128)]
    found = abx.write(tmp_path / "kit", made, (), lambda text, count: frames[:count],
                      ["one", "two"], trials=6, seed=3)

    def peak_hz(path):
        sound, rate_hz = soundfile.read(path)
        return np.abs(np.fft.rfft(sound[:, 0])).argmax() * rate_hz / len(sound)
    stored = json.loads((tmp_path / "kit" / "answers.json").read_text())
    assert stored == found and {row["x"] for row in found["trials"]} == {"A", "B"}
    for row in found["trials"]:
        files = {x: tmp_path / "kit" / f"{row['trial']:02d}{x}.wav" for x in "ABX"}
        is_model = {x: peak_hz(path) < 500 for x, path in files.items()}
        assert is_model["A"] == (row["A"] == "model") and is_model["A"] != is_model["B"]
        assert is_model["X"] == is_model[row["x"]]
        assert files["X"].read_bytes() != files[row["x"]].read_bytes()
    text = (tmp_path / "kit" / "README.txt").read_text()
    assert "6 trials" in text and "model" not in text.lower().replace("the model plays", "")
    with pytest.raises(EngineError, match="is there already"):
        abx.write(tmp_path / "kit", made, (), None, ["one"])
