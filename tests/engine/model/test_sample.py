"""The sampler: order of its steps, its numbers, its memory. Thread: any."""
import math

import numpy as np
import pytest
import torch

from engine.model.sample import LONGEST, Guard, pick, sample, statistics, uniform


def logits(seed=0, size=500, spread=3.0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * spread


def test_numbers_are_those_of_the_whole_distribution():
    row = logits()
    p = torch.log_softmax(row.double(), 0)
    choice = sample(row, 0.7, 0.9, Guard(0.0), 0.3)
    assert choice.surprisal_nat == pytest.approx(-float(p[choice.token]), abs=1e-4)
    assert choice.entropy_nat == pytest.approx(-float((p.exp() * p).sum()), abs=1e-4)
    top = p.sort(descending=True).values
    assert choice.margin_nat == pytest.approx(float(top[0] - top[1]), abs=1e-4)
    assert np.allclose(choice.top, top[:8], atol=1e-4)


def test_masked_entries_have_no_share_of_the_entropy():
    row = torch.full((100,), -math.inf)
    row[:4] = 1.0
    assert statistics(row)[1] == pytest.approx(math.log(4), abs=1e-5)


def test_frequencies_follow_the_distribution():
    row = torch.tensor([2.0, 1.0, 0.0, -1.0])
    counts = np.zeros(4)
    for n in range(4000):
        counts[sample(row, 1.0, 1.0, Guard(0.0), uniform(7, n)).token] += 1
    assert np.abs(counts / 4000 - torch.softmax(row, 0).numpy()).max() < 0.03


def test_only_the_top_64_and_top_p_are_chosen():
    row = logits(size=1000, spread=0.1)
    best = set(row.topk(64).indices.tolist())
    chosen = {sample(row, 2.0, 1.0, Guard(0.0), uniform(1, n)).token for n in range(2000)}
    assert len(chosen) > 50 and chosen <= best
    values = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    assert {pick(values, 1.0, 0.7, u) for u in np.linspace(0, 0.999, 200)} == {0, 1}
    assert pick(values, 0.0, 1.0, 0.999) == 0, "temperature 0 takes the likeliest"


def test_uniform_depends_on_both_numbers_and_nothing_else():
    values = np.array([[uniform(s, n) for n in range(500)] for s in range(8)])
    assert values.min() >= 0.0 and values.max() < 1.0
    assert len(np.unique(values)) == values.size
    assert abs(values.mean() - 0.5) < 0.02
    assert np.abs(np.corrcoef(values) - np.eye(8)).max() < 0.2
    assert uniform(3, 17) == uniform(3, 17) == values[3, 17]


def test_guard_keeps_eight_grams_from_repeating():
    guard, row = Guard(0.3), torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0])
    for n in range(600):
        guard.push(sample(row, 0.5, 1.0, guard, uniform(1, n)).token)
    grams = [tuple(guard.tokens[i:i + LONGEST + 1]) for i in range(len(guard.tokens) - LONGEST)]
    assert len(set(grams)) == len(grams)
    free = Guard(0.0)
    for n in range(600):
        free.push(sample(row, 0.5, 1.0, free, uniform(1, n)).token)
    grams = [tuple(free.tokens[i:i + LONGEST + 1]) for i in range(len(free.tokens) - LONGEST)]
    assert len(set(grams)) < 0.8 * len(grams), "without the guard this source repeats itself"


def test_guard_rewinds_to_what_it_was(monkeypatch):
    monkeypatch.setattr("engine.model.sample.WINDOW", 50)
    stream = np.random.default_rng(3).integers(0, 4, 130).tolist()
    for length in (0, 5, 51, 60, 100, 130):
        straight, back = Guard(1.0), Guard(1.0)
        for token in stream[:length]:
            straight.push(token)
        for token in stream:
            back.push(token)
        back.rewind(length)
        assert len(back) == len(straight) == length
        if length <= 130 - 50:
            continue                      # what left the window for good is not brought back
        assert back._places == straight._places


def test_guard_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("engine.model.sample.WINDOW", 40)
    guard = Guard(1.0)
    for token in np.random.default_rng(1).integers(0, 1000, 1000):
        guard.push(token)
    assert len(guard) == 1000 and len(guard.tokens) <= 121
    assert sum(len(places) for places in guard._places.values()) <= 40


def test_nothing_finite_still_gives_a_token():
    for row in (torch.full((300,), math.nan), torch.full((300,), -math.inf)):
        choice = sample(row, 0.8, 0.9, Guard(0.5), 0.5)
        assert 0 <= choice.token < 300 and math.isnan(choice.surprisal_nat)
    row = logits(size=300)
    row[5] = math.nan
    assert sample(row, 0.8, 0.9, Guard(0.5), 0.5).token != 5
    row[5] = math.inf
    assert sample(row, 0.8, 0.9, Guard(0.5), 0.5).token == 5
