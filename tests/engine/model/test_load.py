"""Every model that cannot be played says so in one line. Thread: control."""
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from engine.errors import ModelError
from engine.model import load as loading
from engine.model.load import load
from engine.model.worker import attempt


def copy(checkpoint, folder):
    return shutil.copytree(checkpoint, folder / "model")


def truncated(checkpoint, folder):
    path = copy(checkpoint, folder) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    return path.parent, "cut short"


def garbled(checkpoint, folder):
    path = copy(checkpoint, folder) / "model.safetensors"
    path.write_bytes(b"not safetensors at all, but long enough to have a header")
    return path.parent, "not a safetensors file"


def pickled(checkpoint, folder):
    path = copy(checkpoint, folder)
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    return path, "no safetensors weights"


def lacking(checkpoint, folder):
    from safetensors.torch import load_file, save_file
    path = copy(checkpoint, folder)
    weights = load_file(path / "model.safetensors")
    weights.pop("model.layers.1.mlp.down_proj.weight")
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    return path, "lack 1 tensors, model.layers.1.mlp.down_proj.weight"


def mute(checkpoint, folder):
    path = copy(checkpoint, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (path / name).unlink()
    return path, "no tokenizer"


def masked(checkpoint, folder):
    BertForMaskedLM(BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2,
                               num_attention_heads=2, intermediate_size=32)).save_pretrained(folder)
    return folder, "not a causal language model"


def foreign(checkpoint, folder):
    path = copy(checkpoint, folder)
    config = json.loads((path / "config.json").read_text())
    config |= {"model_type": "unheard_of", "auto_map": {"AutoConfig": "code.Config"}}
    (path / "config.json").write_text(json.dumps(config))
    return path, "code of its own"


def empty(checkpoint, folder):
    return folder, "no config.json"


def a_file(checkpoint, folder):
    (folder / "weights").write_text("")
    return folder / "weights", "is a file"


def missing(checkpoint, folder):
    return folder / "nowhere", "no such folder"


def not_finite(checkpoint, folder):
    path = copy(checkpoint, folder)
    [file] = path.glob("*.safetensors")
    weights = load_file(file)
    weights["model.layers.1.mlp.down_proj.weight"][3, 5] = float("nan")
    save_file(weights, file, {"format": "pt"})
    return path, "no finite number, in model.layers.1.mlp.down_proj.weight"


def headless(checkpoint, folder):
    path = copy(checkpoint, folder)
    config = json.loads((path / "config.json").read_text()) | {"num_attention_heads": 0}
    (path / "config.json").write_text(json.dumps(config))
    return path, "cannot be loaded"


CASES = [not_finite, headless, truncated, garbled, pickled, lacking, mute, masked, foreign, empty,
         a_file, missing]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_models_are_one_line(checkpoint, tmp_path, case):
    path, words = case(checkpoint, tmp_path)
    with pytest.raises(ModelError) as caught:
        load(str(path))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert ": " in str(caught.value), "what is wrong: what to do"


def test_unknown_id_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(loading, "reachable", lambda: False)
    with pytest.raises(ModelError, match="not found on the hub, or there is no network"):
        load("nobody/no-such-model-here")


def test_embedded_model_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("HIDDENSTAGE_EMBEDDED", str(tmp_path))
    with pytest.raises(ModelError, match="embedded model is missing"):
        load("embedded")


def test_a_good_one(checkpoint, monkeypatch):
    monkeypatch.setenv("HIDDENSTAGE_EMBEDDED", str(checkpoint))
    loaded, again = load("embedded"), load(str(checkpoint))
    assert loaded.name == "embedded" and again.name == checkpoint.name
    assert loaded.weight_hash == again.weight_hash != "" and loaded.context == 192
    assert loaded.ends == {0} and loaded.model.dtype == torch.float32
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.mark.parametrize(("settings", "words"), [
    ({"prompt": "   "}, "prompt is empty"),
    ({"temperature": float("nan")}, "temperature is nan"),
    ({"top_p": 0.0}, "top_p is 0.0"),
    ({"model": "/no/such/folder"}, "no such folder"),
    ({"chat": True}, "no chat template"),
    ({"directions": ["nobody"]}, "no direction 'nobody'"),
])
def test_a_worker_that_cannot_start_says_why(checkpoint, tmp_path, settings, words):
    from engine.records import CONTROL
    from engine.ring import Ring
    Ring(tmp_path / "control", CONTROL, slots=16)
    assert attempt(tmp_path, {"model": str(checkpoint)} | settings) == 1
    message = json.loads((tmp_path / "error.json").read_text())["message"]
    assert words in message and "\n" not in message
    assert not (tmp_path / "ready.json").exists()
