"""hiddenstage.listen: a model held by a program is played from a copy, and gives its features."""
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import AutoModelForCausalLM, AutoTokenizer

import hiddenstage
from engine.errors import ModelError, ParamError, SetError
from tests.engine.model.conftest import make

PROMPT = "The house stood at the end of the road."


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("held"))
    return hiddenstage.listen(AutoModelForCausalLM.from_pretrained(folder),
                              AutoTokenizer.from_pretrained(folder))


def test_it_renders_and_names_what_was_heard(listener, tmp_path):
    out = str(tmp_path / "a.wav")
    before = {name: weight.clone() for name, weight in listener.model.state_dict().items()}
    take = listener.play(PROMPT, bars=4, out=out)
    features = take.features()
    assert take.sound == out and soundfile.info(out).frames == take.samples
    assert "".join(features["text"]).startswith(PROMPT)
    assert list(features["seq"]) == list(range(len(features["seq"])))
    assert np.isfinite(features["resid.mid.speed"][1:]).all()
    assert all(len(values) == len(features["seq"]) for values in features.values())
    assert all((before[name] == weight).all()
               for name, weight in listener.model.state_dict().items())


def test_it_plays_live_from_another_process_and_cleans_up(listener, monkeypatch):
    from engine.model import process
    started = []
    start = process.Worker.start
    monkeypatch.setattr(process.Worker, "start",
                        lambda self: (started.append(self), start(self))[1])
    take = listener.play(PROMPT, bars=1, bpm=240, audio="null")
    folder = Path(started[0].settings["model"])
    assert take.sound is None and take.whole and len(take.steps) == 16 and take.path.exists()
    assert folder.parent == take.path.parent and not folder.exists()
    path = take.path
    del take
    assert not path.exists()


@pytest.mark.parametrize(("options", "fault", "said"), [
    ({"brs": 4}, ParamError, "did you mean 'bars'"), ({"bpm": 0}, SetError, "beats per minute"),
    ({"model": "x"}, ParamError, "no option 'model'"), ({"prompt": " "}, SetError, "empty")])
def test_wrong_options_are_refused_before_anything_is_written(listener, monkeypatch, options, fault,
                                                              said):
    monkeypatch.setattr(type(listener.model), "save_pretrained", None)
    with pytest.raises(fault, match=said):
        listener.play(**options)


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelError, match="not a Thread"):
        hiddenstage.listen(threading.Thread(), None).play(bars=1)


def test_importing_it_imports_next_to_nothing():
    script = "import hiddenstage, sys; print({'torch', 'numba', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          cwd=Path(hiddenstage.__file__).parent, check=True)
    assert done.stdout.strip() == "set()"
