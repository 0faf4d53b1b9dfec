"""Going back in a context is the same as having read only what came before. Thread: control."""
import pytest
import torch

from engine.errors import ModelError
from engine.model.capture import Capture, describe
from engine.model.decode import Context
from engine.model.discover import discover
from tests.engine.model import zoo

IDS = [7, 3, 99, 42, 5, 64, 21, 8, 33, 80, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24]
CROPS = set(zoo.DENSE + zoo.PARALLEL + zoo.POST_NORM + zoo.EXPERTS)
torch.set_num_threads(1)


def context_of(model, name="x"):
    found = discover(model)
    return Context(model, Capture(found, describe(model, found, name, 96)))


@pytest.mark.parametrize("name", zoo.ALL)
def test_going_back_is_reading_again(name):
    """Beyond the sliding window of 16 too, where a cache can refuse to be cropped."""
    model = zoo.tiny(name)
    with torch.inference_mode():
        context = context_of(model, name)
        assert context.ways.crops or name not in CROPS
        context.read(IDS[:18])
        context.feed([90], keep=1)
        context.feed([91], keep=1)
        context.feed([92], keep=1)
        context.back(17)
        assert context.tokens == IDS[:17]
        found = context.feed(IDS[17:20], keep=1)[-1]
        found = torch.stack([found, context.feed(IDS[20:21], keep=1)[-1]])
        whole = model(input_ids=torch.tensor([IDS[:21]]), use_cache=False).logits[0, 19:]
        spread = float(whole.abs().max())
        assert torch.allclose(found, whole, atol=2e-3 * spread)


def test_a_cropped_cache_repeats_itself_bit_for_bit():
    with torch.inference_mode():
        context = context_of(zoo.tiny("llama"))
        context.read(IDS)
        first = [context.feed([t], keep=1)[-1].clone() for t in (5, 6, 7, 8)]
        context.back(len(IDS) + 1)
        again = [context.feed([t], keep=1)[-1].clone() for t in (6, 7, 8)]
    assert all(torch.equal(a, b) for a, b in zip(first[1:], again, strict=True))


def test_rows_of_logits_are_those_asked_for():
    with torch.inference_mode():
        context = context_of(zoo.tiny("llama"))
        assert context.feed(IDS[:5], keep=0) is None
        assert context.feed(IDS[5:9], keep=1).shape == (1, 128)
        assert context.feed(IDS[9:12], keep=-1).shape == (3, 128)


def test_a_model_that_sees_the_future_is_refused():
    model = zoo.tiny("llama")
    for block in model.model.layers:
        block.self_attn.is_causal = False
        block.self_attn.forward = both_ways(block.self_attn.forward)
    with torch.inference_mode(), pytest.raises(ModelError, match="causal"):
        context_of(model)


def both_ways(forward):
    """An attention whose every position also sees the mean of all."""
    def call(hidden_states, *args, **kwargs):
        out, weights = forward(hidden_states, *args, **kwargs)
        return out + hidden_states.mean(1, keepdim=True), weights
    return call
