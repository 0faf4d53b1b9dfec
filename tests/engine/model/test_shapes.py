"""A model of another shape plays with every tier it has, from its forward pass to the features."""
import numpy as np
import planted
import pytest
import torch

from engine.model.capture import CHUNK, Capture, describe
from engine.model.decode import Context
from engine.model.discover import discover
from engine.model.tiers import extras_of
from engine.records import CALIBRATION, DEARER, TIERS
from mappings.features import NAMES, Meter
from tests.engine.model import zoo

SHAPES = {"llama": {"tie_word_embeddings": True},     # grouped queries, a tied head
          "gpt_neox": {"use_parallel_residual": True},                # attention and MLP abreast
          "gemma3_text": {}, "mixtral": {}}           # a sliding window and post-norms; experts
EXPERTS = {"mixtral"}                                 # no one activation to look at: said, not zero
RARE = {"meter.period_blocks", "fugue.lag_tokens", "fugue.sign", "form.likeness", "form.section",
        "modulation.abruptness", "modulation.pivots", "variation.amount", "contour.slope",
        "contour.shape", "crescendo.rise", "octave.resonance", "octave.strongest",
        "octave.surprise"}                            # need an event, or a longer text


def rows_of(model, capture, context, seed, flags=0):
    """(STATE, TOKEN) rows of 90 random tokens, read as the worker reads a prompt."""
    ids = np.random.default_rng(seed).integers(3, 128, 91).tolist()
    context.reset()
    for first in range(0, 90, CHUNK):
        part = ids[first:min(first + CHUNK, 90)]
        with torch.inference_mode():
            logits = context.feed(part, keep=-1)
        for k in range(len(part)):
            state = capture.stage[k].copy()
            state["position"] = state["seq"] = first + k
            state["flags"] = flags
            token = planted.token(". " if (first + k) % 11 == 0 else " a", first + k, flags)
            token["token"] = ids[first + k + 1]
            token["commit"], token["slope_nat"], token["unrest_nat"], token["heat_nat"] = (
                capture.lens.read(state["resid"], logits[k], ids[first + k + 1]))
            yield state, token


@pytest.mark.parametrize("name", SHAPES)
def test_it_plays_with_all_its_tiers(name):
    model = zoo.tiny(name, **SHAPES[name])
    with torch.inference_mode():
        found = discover(model)
    extras = extras_of(model, found, DEARER)
    shape = describe(model, found, name, 96, "abc", extras)
    assert set(shape.tiers) == set(TIERS) and bool(shape.notes) == (name in EXPERTS)
    capture = Capture(found, shape, extras=extras)
    with torch.inference_mode():
        context = Context(model, capture)
    meter = Meter(shape)
    for seed in (1, 2):
        for state, token in rows_of(model, capture, context, seed, CALIBRATION):
            meter.learn(state, token)
    meter.freeze()
    frames = [meter.measure(*pair) for pair in rows_of(model, capture, context, 3)]
    capture.close()
    heard = {name for frame in frames for name in frame.unit}
    needed = {n for n in NAMES if not (name in EXPERTS and n.endswith(("sparsity", "kurtosis")))}
    assert heard - RARE == needed - RARE
    assert {meter.tier_of[n] for n in heard} == set(meter.tier_of.values())
    assert all(np.isfinite(x) for frame in frames for x in frame.raw.values())
