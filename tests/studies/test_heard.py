"""What is listened to is what a render writes."""
import numpy as np
import pytest
import soundfile

from engine.journal import Take
from engine.performance import Options, meter_class
from engine.records import Frame
from engine.render import render
from engine.sets import load
from studies.prove.heard import RATE_HZ, hear

BARS = 2


@pytest.mark.slow
def test_frames_of_a_take_sound_as_its_render_did(tmp_path):
    report = render(Options(set="sets/house.py", bars=BARS, out=str(tmp_path / "a.wav"),
                            record=str(tmp_path / "a.take")))
    made, take = load("sets/house.py"), Take(tmp_path / "a.take")
    frames = [Frame(f["seq"], f["token"], f["text"], f["flags"], f["raw"], f["unit"], *f["marks"])
              for f in take.frames]
    heard = hear(made, frames, meter_class().names, BARS)
    sound, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert report["set"] == "house" and rate_hz == RATE_HZ
    assert np.abs(sound[:len(heard.sound)] - heard.sound).max() < 2.0 ** -22
    assert len(heard.places) == len(heard.frames) == len(heard.edges) - 1 == 8 * BARS
    steps = [step for step in take.steps if step["step"] % 2 == 0]
    assert heard.edges[:-1].tolist() == [step["sample"] for step in steps]
    assert heard.places == [(step["section"], step["bar"]) for step in steps]
