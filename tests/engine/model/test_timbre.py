"""A25, static: what a model is made of; measured once, from its own states and weights."""
import json

import numpy as np
import pytest
import torch

from engine.model import spectra, timbre
from tests.engine.model import zoo


def test_a_planted_subspace_and_a_planted_spectrum_are_measured():
    random = np.random.default_rng(1)
    few = random.normal(size=(400, 8)) @ np.linalg.qr(random.normal(size=(64, 8)))[0].T
    found = timbre.of_states(few)
    assert found["participation"] == pytest.approx(8 / 64, rel=0.05)
    huge = few.copy()
    huge[:, 5] = 500.0 + 100.0 * random.normal(size=400)    # in every token: no part of the shape
    assert timbre.of_states(huge)["participation"] == pytest.approx(8 / 64, rel=0.1)
    steep = random.normal(size=(4000, 32)) * np.arange(1, 33) ** -1.0
    assert timbre.of_states(steep)["slope"] == pytest.approx(-2.0, abs=0.1)
    weight = torch.from_numpy(random.normal(size=(256, 128)))
    assert timbre.eigenvalues(weight) == pytest.approx(spectra.eigenvalues(weight.numpy()))
    assert timbre.eigenvalues(weight.T) == pytest.approx(2 * timbre.eigenvalues(weight), rel=1e-6)
    assert timbre.of_matrix(weight)["exponent"] is None
    tail = (1.0 - random.uniform(size=128)) ** (-1.0 / 1.5)
    heavy = torch.from_numpy(np.linalg.qr(random.normal(size=(256, 128)))[0] * np.sqrt(tail))
    assert timbre.of_matrix(heavy)["exponent"] == pytest.approx(2.5, abs=0.5)


def test_experts_are_measured_one_by_one():
    names = [name for name, _ in timbre.matrices(zoo.tiny("mixtral").model.layers[0])]
    assert len({name for name in names if "experts" in name}) >= 8


def test_a_model_is_measured_once(checkpoint, monkeypatch, tmp_path):
    monkeypatch.setenv("HIDDENSTAGE_PROFILES", str(tmp_path))
    found = timbre.measure(str(checkpoint))
    assert len(found["layers"]) == 3 and found["tokens"] > timbre.FEWEST_ROWS
    for layer in found["layers"]:
        assert 0.0 < layer["participation"] <= 1.0 and layer["slope"] < 0.0
        assert 0.0 < layer["hoyer"] < 1.0 and len(layer["entropy"]) == 4
        assert all(0.0 < x <= 1.0 for x in layer["entropy"]) and len(layer["matrices"]) == 7
        assert all(1.0 <= m["stable_rank"] <= 32.0 for m in layer["matrices"].values())
    path = tmp_path / f"{found['weight_hash']}.timbre.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(found))
    monkeypatch.setattr(timbre, "heard", None)              # the second time nothing is read
    assert timbre.measure(str(checkpoint)) == json.loads(json.dumps(found))
    assert "no power law" in timbre.table(found)
    path.write_text("{")
    with pytest.raises(TypeError):
        timbre.measure(str(checkpoint))                     # damaged: measured again
