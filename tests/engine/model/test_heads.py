"""Writes of heads add up to what attention wrote; their norms are theirs. Thread: control."""
import numpy as np
import pytest
import torch

from engine.model.capture import Capture, describe
from engine.model.discover import discover
from engine.model.heads import axes
from engine.model.tiers import extras_of
from engine.records import HEADS
from tests.engine.model import zoo

TEXT = [7, 3, 99, 42, 5, 64, 21, 8, 33]
MODELS = ["llama", "qwen2", "gpt2", "gemma2", "gemma3_text", "olmo2", "granite", "gpt_neox", "phi",
          "cohere", "mixtral", "deepseek_v3", "gptj", "falcon", "bitnet", "opt"]
torch.set_num_threads(1)


def captured(name, model=None, half=False, **more):
    """(descriptor, Heads, rows of a chunk and of one more token)."""
    model = model or zoo.tiny(name)
    model = model.to(torch.bfloat16) if half else model
    with torch.inference_mode():
        found = discover(model)
        extras = extras_of(model, found, ("T3",), chosen=range(len(found.blocks)), **more)
        shape = describe(model, found, name, 64, extras=extras)
        capture = Capture(found, shape, extras=extras)
        rows, kept = [], {}
        for ids in (TEXT, [77]):
            capture.count = len(ids)
            out = model(input_ids=torch.tensor([ids]), use_cache=True, **kept)
            kept = {k: out[k] for k in ("past_key_values", "cache_params") if k in out}
            rows.append(capture.stage[:len(ids)].copy())
        capture.close()
    return shape, capture.of_heads, np.concatenate(rows)


@pytest.mark.parametrize("name", MODELS)
def test_heads_add_up_to_what_attention_wrote(name):
    shape, heads, rows = captured(name)
    layers = np.flatnonzero(rows["valid"][0, HEADS])
    assert "T3" in shape.tiers and len(layers) >= zoo.LAYERS - 1
    for layer in layers:
        _, offset = heads.found[layer].parts()
        whole = rows["heads"][:, layer].sum(axis=1)
        if bool(offset.any()):            # a bias is nobody's write
            continue
        write = rows["attn"][:, layer]
        assert np.abs(whole - write).max() < 2e-4 * np.abs(write).max()
        one_less = rows["heads"][:, layer, 1:].sum(axis=1)
        assert np.abs(one_less - write).max() > 1e-2 * np.abs(write).max()


@pytest.mark.parametrize("name", MODELS)
def test_norm_and_place_are_those_of_the_write_itself(name):
    shape, _, rows = captured(name)
    directions = axes(shape.layers, shape.width)
    for layer in np.flatnonzero(rows["valid"][0, HEADS]):
        norms = np.linalg.norm(rows["heads"][:, layer], axis=2)
        assert np.allclose(rows["head_norm"][:, layer], norms, rtol=1e-3, atol=1e-6)
        on_axis = rows["heads"][:, layer] @ directions[layer]
        assert np.allclose(rows["head_axis"][:, layer], on_axis, rtol=1e-3, atol=1e-5 + 1e-4 *
                           norms.max())


def test_one_planted_head_writes_alone():
    """Head 2 of layer 1 keeps its slice of the projection, the others lose theirs."""
    model = zoo.tiny("llama")
    with torch.no_grad():
        weight = model.model.layers[1].self_attn.o_proj.weight
        kept = torch.zeros_like(weight)
        kept[:, 16:24] = weight[:, 16:24]
        weight.copy_(kept)
    _, _, rows = captured("llama", model)
    norms = rows["head_norm"][:, 1]
    assert (norms[:, 2] > 1e-3).all() and not norms[:, [0, 1, 3]].any()
    assert np.allclose(norms[:, 2], np.linalg.norm(rows["attn"][:, 1], axis=1), rtol=1e-3)
    assert (rows["head_norm"][:, 2] > 0).all(), "the layer above is its own"


def test_half_precision_still_closes():
    shape, _, rows = captured("llama", half=True)
    assert "T3" in shape.tiers
    whole = rows["heads"].sum(axis=2)
    assert np.abs(whole - rows["attn"]).max() < 3e-2 * np.abs(rows["attn"]).max()


def test_what_does_not_add_up_is_absent():
    """A projection whose output is altered on its way has no heads: never a guess."""
    model = zoo.tiny("llama")
    attention = type(model.model.layers[1].self_attn)
    inner = model.model.layers[1].self_attn

    class Bent(attention):
        def forward(self, *args, **kwargs):
            out, weights = super().forward(*args, **kwargs)
            return torch.tanh(3.0 * out), weights
    inner.__class__ = Bent
    _, _, rows = captured("llama", model)
    assert rows["valid"][0, HEADS].tolist() == [1, 0, 1, 1, 0]
