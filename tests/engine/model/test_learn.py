"""Learning a direction: what was planted is found, in a model's own states; others' tensors."""
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine import cli
from engine.errors import ModelError
from engine.model import contrast, directions
from engine.model.learn import DEVIATIONS, fitted, take_in, usual_in
from engine.model.reading import Reading
from tests.engine.model.test_evidence import EACH, LAYERS, WIDTH, planted

HUGE = 3                                  # a coordinate with massive activations


def twin():
    """A Reading of noise, and what is usual in it: one coordinate is huge, and masked."""
    neutral = np.random.default_rng(9).normal(size=(200, LAYERS + 1, WIDTH)).astype("f4")
    rows = [{"resid": row, "position": k} for k, row in enumerate(neutral)]
    scale = np.ones((LAYERS + 1, WIDTH))
    scale[:, HUGE] = 0.0
    shape = SimpleNamespace(name="planted", weight_hash="abc", layers=LAYERS, width=WIDTH)
    return (SimpleNamespace(neutral=lambda: iter(rows), shape=shape),
            SimpleNamespace(mean=np.zeros(scale.shape), scale=scale, sinks=(0,)))


def test_a_planted_shift_is_recovered_where_pca_of_the_pairs_is_blind():
    states, contrast, truth = planted(1, 30.0, paired=True, spread=12.0)
    states = np.concatenate([states[:, :1], states], axis=1)
    states[:, :, HUGE] += 1e4 * contrast.positive[:, None]       # and a trap
    reading, usual = twin()
    found = fitted("x", lambda: states[:, None], contrast, usual, None, reading)
    rows = np.delete(states[:, 2], HUGE, axis=1)
    truth = np.delete(truth, HUGE) / np.linalg.norm(np.delete(truth, HUGE))
    pairs = rows[:EACH] - rows[EACH:]
    first = np.linalg.svd(pairs - pairs.mean(axis=0))[2][0]
    assert found.layer == 2 and found.vector[HUGE] == 0.0 == found.reader[HUGE]
    assert np.delete(found.vector, HUGE) @ truth >= 0.99
    assert abs(first @ truth) < 0.1
    effects = np.array([found.effect(x.astype("f4")) for x in states[contrast.positive, 2]])
    assert abs(effects.mean() - 1.0) < 1e-3 and found.scale == pytest.approx(30.0, rel=0.02)


@pytest.fixture(scope="module")
def reading(checkpoint):
    found = Reading(str(checkpoint))
    yield found
    found.close()


def test_a_text_is_read_as_one_forward_reads_it(reading):
    """Every layer's rows, without the hooks: an off-by-one or a wrong token would show."""
    text = contrast.read(contrast.shipped_file("calm")).texts[0]
    ids = reading.ids(text)
    with torch.inference_mode():
        out = reading.loaded.model.model(torch.tensor([ids]), output_hidden_states=True)
    rows = np.stack([x[0].numpy() for x in out.hidden_states[:-1]], axis=1)      # (tokens, L, d)
    found = reading.states(text)
    assert found.shape == (len(ids) - 1, reading.shape.layers + 1, reading.shape.width)
    assert len(ids) > 32, "more than one chunk"
    np.testing.assert_allclose(found[:, :-1], rows[1:], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(reading.states(text, last=True)[0], found[-1])
    with pytest.raises(ModelError, match="no chat template"):
        reading.states(text, chat=True)


def test_learning_from_the_command_line(checkpoint, reading, tmp_path, capsys, monkeypatch):
    """The file holds the difference of the means; its effect is that of the standardised states."""
    monkeypatch.setenv("HIDDENSTAGE_PROFILES", str(tmp_path))
    texts = contrast.read(contrast.shipped_file("formal"))
    with pytest.raises(SystemExit) as left:
        cli.main(["directions", "learn", "formal", "--model", str(checkpoint), "--layer", "2",
                  "--json"])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)
    found = directions.load("formal", reading.shape.weight_hash)
    assert told["path"] == str(directions.known(reading.shape.weight_hash)["formal"])
    assert told["layer"] == found.layer == 2 and told["aucs"] == found.report["aucs"]
    usual = usual_in(reading)
    rows = np.array([reading.states(text)[:, 2].mean(axis=0) for text in texts.texts])
    sides = [rows[side].mean(axis=0) * (usual.scale[2] > 0)
             for side in (texts.positive, ~texts.positive)]
    wanted = (sides[0] - sides[1]) / np.linalg.norm(sides[0] - sides[1])
    assert found.vector @ wanted > 0.99999
    assert found.scale == pytest.approx((sides[0] - sides[1]) @ found.vector, rel=1e-3)
    neutral = np.array([state["resid"][2].copy() for state in reading.neutral()][1:])
    axis = wanted * usual.scale[2] / np.linalg.norm(wanted * usual.scale[2])
    project = ((np.vstack([neutral, rows]) - usual.mean[2]) * usual.scale[2]) @ axis
    effects = [found.effect(x.astype("f4")) for x in np.vstack([neutral, rows])]
    np.testing.assert_allclose(np.corrcoef(project, effects)[0, 1], 1.0, atol=1e-6)
    assert abs(np.mean(effects[:len(neutral)])) < 1e-4, "0: the neutral text"
    assert (np.diff(found.places) >= 0).all()
    assert np.median(effects[:len(neutral)]) == pytest.approx(found.places[32], abs=1e-3)


def test_the_embedded_model_s_directions_are_shipped():
    for name in contrast.shipped():
        path = directions.profile.SHIPPED.glob(f"directions/*/{name}.safetensors")
        told = directions.read(next(path)).report
        assert told["auc"] >= 0.85 and abs(told["control_auc"] - 0.5) < 0.1 and told["p"] < 0.05
        assert told["cosine"] >= 0.9 and told["token_auc"] > 0.6, name


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Another tool's file."""
    random = torch.Generator().manual_seed(3)
    rows = torch.randn(5, 32, generator=random)
    path = tmp_path_factory.mktemp("foreign") / "sae.safetensors"
    save_file({"W_dec": rows.to(torch.bfloat16), "decoder.weight": rows.T.contiguous(),
               "probe": rows[1].clone(), "narrow": torch.ones(5, 31), "counts": torch.ones(
                   32, dtype=torch.int64), "none": torch.zeros(32)}, path)
    return path, rows.numpy()


def test_rows_columns_and_probes_are_taken_over(checkpoint, reading, foreign, tmp_path):
    path, rows = foreign
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    neutral = np.array([state["resid"][3].copy() for state in reading.neutral()][1:])
    for tensor, row, at in (("W_dec", 4, 4), ("decoder.weight", 4, 4), ("probe", None, 1)):
        found, where = take_in("one", str(checkpoint), path, tensor, 3, row,
                               probe=tensor == "probe", out=tmp_path)
        assert found.layer == 3 and found.vector @ unit[at] > 0.9999
        effects = neutral @ found.reader - found.origin
        assert abs(effects.mean()) < 1e-4
        assert effects.std() == pytest.approx(1.0 / DEVIATIONS, rel=1e-3)
        read = directions.read(where)
        assert (read.reader == found.reader).all() and read.report["row"] == (row or 0)
    assert np.corrcoef(effects, neutral @ rows[1])[0, 1] > 0.99999, "a probe reads raw states"


@pytest.mark.parametrize("tensor, layer, row, said", [
    ("W_enc", 2, 0, "no tensor 'W_enc'; it holds .*W_dec 5x32"),
    ("narrow", 2, 0, "is 5x31, the model is 32 wide; the file holds .*W_dec 5x32"),
    ("counts", 2, None, "holds int64, not floating-point"),
    ("none", 2, None, "is all zero or not finite"),
    ("W_dec", 2, None, "rows 0 to 4: choose one with --row"),
    ("W_dec", 2, 5, "rows 0 to 4"), ("W_dec", 4, 0, "layers 1 to 3"),
])
def test_a_wrong_tensor_is_refused_in_one_line(checkpoint, foreign, tmp_path, tensor, layer, row,
                                               said):
    with pytest.raises(ModelError, match=said) as fault:
        take_in("one", str(checkpoint), foreign[0], tensor, layer, row, out=tmp_path)
    assert "\n" not in str(fault.value) and not list(tmp_path.iterdir())


def test_what_is_no_safetensors_file_is_refused(checkpoint, tmp_path):
    (tmp_path / "x.safetensors").write_text("no")
    for path in (tmp_path / "x.safetensors", tmp_path / "none.safetensors"):
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            take_in("one", str(checkpoint), path, "W_dec", 1, out=tmp_path)
