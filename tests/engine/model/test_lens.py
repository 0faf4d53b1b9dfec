"""The lens: what the head reads off earlier layers, and the law at other temperatures."""
import math

import numpy as np
import pytest
import torch

from engine.model.discover import discover
from engine.model.lens import SAMPLED, Lens, committed, divergence_nat, heats, laws, lens_of
from engine.records import HEATS


class Plain(torch.nn.Module):
    """A norm that changes nothing."""

    def forward(self, x):
        return x


def toy(width=48, vocabulary=400, seed=1):
    torch.manual_seed(seed)
    head = torch.nn.Linear(width, vocabulary, bias=False)
    return Lens(Plain(), head), head


def read(lens, head, states, token):
    logits = head(torch.from_numpy(states[-1])).detach()
    return lens.read(states, logits, token)


@pytest.mark.parametrize("first", [1, 4, 8])
def test_states_that_turn_to_a_token_commit_where_they_turn(first):
    lens, head = toy()
    rows = head.weight.detach().numpy()
    states = np.tile(rows[7], (9, 1)).astype(np.float32) * 30.0
    states[first:] = rows[11] * 30.0
    commit, slope, unrest, _ = read(lens, head, states, 11)
    assert commit == first / 8
    assert read(lens, head, states, 5)[0] == 1.0, "not first at the end"
    assert slope > 0.1 if first > 5 else abs(slope) < 1e-9
    assert unrest == pytest.approx(math.log(2.0) if 6 < first <= 8 else 0.0, abs=0.05)
    off = np.concatenate([states[1:], states[-1:]])         # off by one layer
    assert read(lens, head, off, 11)[0] != commit or first == 1


def test_random_states_commit_late():
    lens, head = toy()
    random, found = np.random.default_rng(2), []
    for _ in range(200):
        states = random.normal(size=(13, 48)).astype(np.float32)
        found.append(read(lens, head, states, int(random.integers(400)))[0])
    assert np.mean(np.array(found) > 0.9) >= 0.95


def test_laws_and_their_divergence():
    logs = laws(np.random.default_rng(3).normal(size=(2, 50)))
    assert np.exp(logs).sum(axis=1) == pytest.approx([1.0, 1.0])
    assert divergence_nat(logs[0], logs[0]) == pytest.approx(0.0, abs=1e-12)
    apart = laws(np.where(np.arange(50) < 25, [[0.0], [-1e4]], [[-1e4], [0.0]]))
    assert divergence_nat(*apart) == pytest.approx(math.log(2.0))
    assert committed(np.array([1.0, 0.0, 2.0]), np.array([[0.5], [0.5], [0.5]])) == 1.0


def test_a_scaled_head_is_followed_and_another_head_is_not():
    lens, head = toy()
    states = np.random.default_rng(4).normal(size=(9, 48)).astype(np.float32)
    logits = head(torch.from_numpy(states[-1])).detach()
    plain, scaled = lens.read(states, logits, 3), lens.read(states, 0.25 * logits, 3)
    assert plain[0] == scaled[0] and abs(scaled[1]) < abs(plain[1])
    strange = lens.read(states, torch.randn(400), 3)
    assert all(math.isnan(x) for x in strange[:3]) and np.isfinite(strange[3]).all()


def test_heats_are_those_of_the_tempered_laws():
    logits = torch.from_numpy(np.random.default_rng(5).normal(size=500) * 2.0)
    logs = torch.log_softmax(logits, 0)
    found = heats(logits)
    for k in (0, 7, 15):
        p = torch.softmax(logs / HEATS[k], 0)
        assert found[k] == pytest.approx(float(-(p * logs).sum()), rel=1e-5)
    assert (np.diff(found) > 0).all()
    assert np.isnan(heats(torch.zeros(50000))).all(), "the strongest 1024 hold too little"


def test_a_model_has_a_lens_that_agrees_with_its_head():
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(6)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64)).eval()
    lens = lens_of(model, discover(model))
    assert lens is not None and len(lens.ids) == SAMPLED
    with torch.inference_mode():
        out = model(torch.tensor([[3, 9, 27, 81]]))
        states = []
        handles = [block.register_forward_hook(lambda m, a, o: states.append(
            (o if torch.is_tensor(o) else o[0])[0, -1].numpy())) for block in model.model.layers]
        out = model(torch.tensor([[3, 9, 27, 81]]))
    for handle in handles:
        handle.remove()
    rows = np.stack([states[0], *states]).astype(np.float32)
    logits = out.logits[0, -1]
    commit, slope, unrest, heat = lens.read(rows, logits, int(logits.argmax()))
    assert 0.0 < commit <= 1.0 and math.isfinite(slope) and 0.0 <= unrest <= math.log(2.0)
    assert np.isfinite(heat).all()
    normed = rows.copy()                                    # the trap: an already normed last state
    normed[-1] = model.model.norm(torch.from_numpy(rows[-1])).detach().numpy() + 1.0
    assert math.isnan(lens.read(normed, logits, 3)[0])
