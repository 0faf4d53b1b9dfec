"""What the hooks copy is, bit for bit, what each architecture itself reports. Thread: control."""
import numpy as np
import pytest
import torch

from engine.model.capture import Capture, describe
from engine.model.discover import discover
from tests.engine.model import zoo

PROMPT = [7, 3, 99, 42, 5, 64, 21, 8, 33]
# where `output_hidden_states` itself differs from "embedding, then every block's output":
NO_EMBEDDING = {"mamba", "mamba2", "rwkv"}            # begins with the first block's output
STREAMS = {"gemma3n_text"}                            # four residual streams; the first is read
UNNORMED = {"openai-gpt"}                             # no norm after the last block
# blocks that add something beside attention and MLP, so that neither write is separable:
NOT_SEPARABLE = {"gemma3n_text",                      # streams are mixed
                 "gemma4_text",                       # a third write, from per-layer embeddings
                 "openai-gpt",                        # norms inside the residual stream
                 "zamba2", "mamba", "mamba2"}         # one write a block
torch.set_num_threads(1)


def captured(name):
    """(map, capture, rows of a prompt, its states, the row of one cached step, its states)."""
    model = zoo.tiny(name)
    with torch.inference_mode():
        found = discover(model)
        capture = Capture(found, describe(model, found, name, 64))
        results, kept = [], {}
        for ids in (PROMPT, [77]):
            capture.count = len(ids)
            out = model(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=True,
                        **kept)
            kept = {key: out[key] for key in ("past_key_values", "cache_params", "state")
                    if out.get(key) is not None}
            results += [capture.stage[:len(ids)].copy(), out.hidden_states]
    capture.close()
    return found, capture, *results


@pytest.mark.parametrize("name", zoo.ALL)
def test_rows_are_what_the_model_reports(name):
    found, _, *pairs = captured(name)
    for rows, states in zip(pairs[::2], pairs[1::2], strict=True):
        assert np.isfinite(rows["resid"]).all() and np.ptp(rows["resid"]) > 0
        depth = len(found.blocks)
        first = 1 if name in NO_EMBEDDING else 0
        assert len(states) == depth + 1 - first or name in NO_EMBEDDING
        for i in range(first, depth):     # the last entry of a model's own list is normed
            state = states[i - first]
            state = state[0, 0] if state.dim() > 3 else state[0]
            assert np.array_equal(rows["resid"][:, i], state.numpy()[-len(rows):]), f"row {i}"
        last = torch.from_numpy(rows["resid"][:, depth].copy())
        if name in STREAMS:
            continue
        with torch.inference_mode():
            ending = last if found.final_norm is None else found.final_norm(last[None])[0]
        assert (found.final_norm is None) == (name in UNNORMED)
        assert torch.equal(ending, states[-1][0]), "the final norm read the last block's row"


@pytest.mark.parametrize("name", zoo.ALL)
def test_writes_add_up(name):
    _, capture, rows, _, row, _ = captured(name)
    both = capture.stage["valid"][0, 1] & capture.stage["valid"][0, 2]
    layers = np.flatnonzero(both)
    if name in NOT_SEPARABLE:
        assert len(layers) == 0
        return
    assert len(layers) >= zoo.LAYERS - 1, "attention and MLP are both tapped"
    for rows_ in (rows, row):
        for i in layers:
            write = rows_["resid"][:, i + 1] - rows_["resid"][:, i]
            rest = write - rows_["attn"][:, i] - rows_["mlp"][:, i]
            assert np.abs(rest).max() <= 2e-6 * np.abs(rows_["resid"]).max()
            assert np.abs(rows_["attn"][:, i]).max() > 1e-5 < np.abs(rows_["mlp"][:, i]).max()


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "gemma2", "qwen2_moe", "deepseek_v3"])
def test_activation_is_the_input_of_the_down_projection(name):
    found, capture, _, _, row, _ = captured(name)
    names = {"llama": "mlp", "gpt2": "mlp", "gemma2": "mlp"}
    for i, block in enumerate(found.blocks):
        assert capture.stage["valid"][0, 3, i] == 1 and block.width > 0
        activation = torch.from_numpy(row["act"][0, i, :block.width].copy())
        assert not row["act"][0, i, block.width:].any()
        if name in names and name != "gemma2":        # there the write is the projection's output
            assert np.allclose(block.down(activation[None])[0], row["mlp"][0, i], atol=1e-5)


def test_absent_is_marked_not_zero():
    _, capture, rows, *_ = captured("mixtral")
    assert not capture.stage["valid"][0, 3].any(), "fused experts have no projection to tap"
    assert capture.stage["valid"][0, 1].sum() == zoo.LAYERS


def test_residual_multiplier_is_part_of_the_write():
    plain, scaled = (zoo.tiny("granite", residual_multiplier=m) for m in (1.0, 0.22))
    taps = [discover(m).blocks[0].attention[0] for m in (plain, scaled)]
    assert taps[0].scale == 1.0 and taps[1].scale == pytest.approx(0.22, abs=1e-5)


def test_capture_switched_off_leaves_the_rows_alone():
    model = zoo.tiny("llama")
    with torch.inference_mode():
        found = discover(model)
        capture = Capture(found, describe(model, found, "llama", 64))
        beats = []
        capture.beat = lambda: beats.append(1)
        model(input_ids=torch.tensor([PROMPT]))
    assert not capture.stage["resid"].any()
    assert len(beats) == zoo.LAYERS + 1, "it shows life at every block all the same"


def test_overflow_and_nan_are_seen():
    _, capture, *_ = captured("llama")
    assert capture.finite(0)
    for bad in (np.nan, np.inf, 3e30):
        capture.stage["resid"][0, 2, 5] = bad
        assert not capture.finite(0)
        capture.stage["resid"][0, 2, 5] = 0.0
    assert capture.finite(0)


def test_half_precision_rows_are_exact():
    model = zoo.tiny("llama").to(torch.bfloat16)
    with torch.inference_mode():
        found = discover(model)
        assert all(b.attention and b.mlp for b in found.blocks)
        capture = Capture(found, describe(model, found, "llama", 64))
        capture.count = len(PROMPT)
        states = model(input_ids=torch.tensor([PROMPT]), output_hidden_states=True).hidden_states
    for i in range(zoo.LAYERS):
        assert np.array_equal(capture.stage["resid"][:len(PROMPT), i], states[i][0].float().numpy())


def test_closing_leaves_the_model_as_it_was():
    model = zoo.tiny("llama")
    with torch.inference_mode():
        found = discover(model)
        first = Capture(found, describe(model, found, "llama", 64))
        second = Capture(found, describe(model, found, "llama", 64))
        second.close()
        first.count = 1
        model(input_ids=torch.tensor([[7]]))
        assert first.stage["resid"][0].any() and not second.stage["resid"].any()
        first.close()
    assert not any("forward" in module.__dict__ for module in model.modules())
