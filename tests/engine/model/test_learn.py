"""Learning a direction: what was planted is found, in a model's own states; others' tensors."""
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.engine.model.test_evidence import EACH, LAYERS, WIDTH, planted

from engine.errors import ModelError
from engine.model import contrast as contrasts
from engine.model import directions
from engine.model.learn import fitted, learn, take_in, usual_in
from engine.model.reading import Reading

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
    found = fitted("x", states, contrast, usual, None, reading)
    rows = np.delete(states[:, 2], HUGE, axis=1)
    truth = np.delete(truth, HUGE) / np.linalg.norm(np.delete(truth, HUGE))
    pairs = rows[:EACH] - rows[EACH:]
    first = np.linalg.svd(pairs - pairs.mean(axis=0))[2][0]
    assert found.layer == 2 and found.vector[HUGE] == 0.0 == found.reader[HUGE]
    assert np.delete(found.vector, HUGE) @ truth >= 0.99
    assert abs(first @ truth) < 0.1
    effects = np.array([found.effect(x.astype("f4")) for x in states[contrast.positive, 2]])
    assert abs(effects.mean() - 1.0) < 1e-3 and found.scale == pytest.approx(30.0, rel=0.02)
