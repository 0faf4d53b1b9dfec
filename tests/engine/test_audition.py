"""One sound alone: the right pitch at the right time, any sound found, mistakes told."""
import json

import numpy as np
import pytest
import soundfile

from engine import cli
from engine.audition import Audition, render, values_of
from engine.errors import EngineError
from engine.plot import spectrogram_db
from engine.sounds import sound, sounds
from tests.synths.harness import cents, pitch_hz


def test_a_string_plays_its_notes_in_tune_and_in_time(tmp_path):
    out = tmp_path / "a.wav"
    samples, report = render(Audition("string", "A3 - 300hz", bpm=60, tail_s=1.0), out)
    written, rate_hz = soundfile.read(out)
    assert rate_hz == 48000 and len(written) == len(samples) == 4 * 48000
    assert np.abs(written - samples).max() < 1e-6 and report["strikes"] == 2
    mono = samples.mean(1).astype(float)
    late = np.flatnonzero(mono[1000:100_000] == 0)          # the limiter's delay, not a sample more
    assert np.flatnonzero(mono)[0] < 100 and late.size < 90_000
    assert abs(cents(pitch_hz(mono[4800:40_000], 220.0), 220.0)) < 0.5
    assert abs(cents(pitch_hz(mono[100_800:136_000], 300.0), 300.0)) < 0.5


def test_an_effect_is_heard_behind_a_voice():
    dry, _ = render(Audition("string", tail_s=0.5))
    wet, _ = render(Audition("reverb", tail_s=0.5))
    assert wet.any() and not np.array_equal(dry, wet)
    with pytest.raises(EngineError, match="behind a voice"):
        render(Audition("reverb", source="delay"))


def test_values_are_checked():
    assert values_of(["cutoff_hz=400"], sound("tb303")) == {"cutoff_hz": 400.0}
    for word, said in (("cutof=4", "did you mean"), ("cutoff_hz=x", "NUMBER"),
                       ("cutoff_hz=nan", "must be a number"), ("cutoff_hz=1e9", "outside")):
        with pytest.raises(EngineError, match=said):
            values_of([word], sound("tb303"))


OWN = '''"""Hum: a sine."""
from engine.lanes import add, ramp, vsine
from engine.rt import LANE, QUANTUM, f32, rt, wrap
from engine.voice import Voice, fields

@rt
def strike(s, v, p, pitch_hz, level):
    s.level[v] = level

@rt
def release(s, v, p):
    s.level[v] = f32(0)

@rt
def render(s, v, p, pitch_hz, out, dt):
    for i in range(0, QUANTUM, LANE):
        add(out, i, vsine(ramp(i) * (pitch_hz * dt) + s.phase[v]) * (s.level[v] * f32(0.5)))
    s.phase[v] = wrap(s.phase[v] + pitch_hz * dt * f32(QUANTUM))

HUM = Voice("hum", (), fields("level", "phase"), strike, release, render)
'''


def test_a_voice_in_a_file_of_ones_own(tmp_path):
    path = tmp_path / "hum_voice.py"
    path.write_text(OWN)
    samples, _ = render(Audition(str(path), "A4", bpm=60, tail_s=0.1))
    assert abs(cents(pitch_hz(samples[4800:40_000, 0].astype(float), 440.0), 440.0)) < 0.1
    path.write_text("X = 1\n")
    with pytest.raises(EngineError, match="no Voice"):
        sound(str(path))
    with pytest.raises(EngineError, match="check the path"):
        sound(str(tmp_path / "none.py"))


def test_the_command_writes_sound_and_picture(tmp_path, capsys):
    out, picture = tmp_path / "x.wav", tmp_path / "x.png"
    with pytest.raises(SystemExit) as left:
        cli.main(["audition", "tb303", "resonance=0.9", "--notes", "C2 C2! G2 C3~", "--out",
                  str(out), "--plot", str(picture), "--json"])
    assert left.value.code in (0, None)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["strikes"] == 3 and report["notes"] == 4, "what is slid into is not struck"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and out.stat().st_size > 100_000


def test_the_list_names_every_sound(capsys):
    with pytest.raises(SystemExit):
        cli.main(["synths", "--json"])
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])["synths"]
    assert set(listed) == set(sounds())
    assert listed["tb303"]["parameters"][0]["name"] == "cutoff_hz"


def test_a_spectrogram_shows_the_line_where_it_is():
    level, hz = spectrogram_db(np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000), 48000)
    assert abs(hz[level[:, 200].argmax()] - 1000) < 12 and level.max() == 0
