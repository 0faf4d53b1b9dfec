"""A23, A29, A30, A31 on the side of the music."""
import math

import numpy as np
import planted
import pytest

from engine.records import HEATS
from mappings.features import certainty


def laws(random, count, size=400):
    """Random laws (count, size), their logs."""
    logits = random.normal(size=(count, size)) * random.uniform(1.0, 3.0, (count, 1))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def usual(logs):
    """E[-log p] at each of HEATS."""
    tempered = np.exp(logs[None] / np.array(HEATS)[:, None])
    return -(tempered @ logs) / tempered.sum(axis=1)


def heard(temperature, seed=1, count=2000):
    """(mean excess, temperatures) of text sampled from random laws."""
    random = np.random.default_rng(seed)
    heat, _ = planted.streaming(certainty.Heat)
    plain, _ = planted.streaming(certainty.Certainty)
    a, b, excess, found = np.empty(1), np.empty(2), [], []
    for logs in laws(random, count):
        p = np.exp(logs / temperature)
        nat = -logs[random.choice(len(p), p=p / p.sum())]
        heat.step(nat, usual(logs), a)
        plain.step(nat, float(-(np.exp(logs) * logs).sum()), b)
        excess.append(b[0])
        found.append(a[0])
    return np.mean(excess), np.array(found)


@pytest.mark.parametrize("temperature, sign", [(1.0, 0), (0.5, -1), (1.5, 1)])
def test_the_temperature_is_heard(temperature, sign):
    excess, found = heard(temperature)
    assert np.isnan(found[:15]).all() and np.isfinite(found[16:]).all()
    assert np.mean(found[64:]) == pytest.approx(temperature, abs=0.05)
    assert abs(excess) < 0.1 if not sign else sign * excess > 0.4


def test_a_law_of_too_little_mass_has_no_temperature():
    family, _ = planted.streaming(certainty.Heat)
    out = np.empty(1)
    for _ in range(40):
        family.step(2.0, np.full(len(HEATS), np.nan), out)
    assert np.isnan(out[0])


def test_repeated_text_is_familiar_and_noise_is_not():
    random = np.random.default_rng(2)
    family, _ = planted.streaming(certainty.Certainty)
    out, rehearsed = np.empty(2), []
    for nat in random.exponential(2.5, 2000):
        family.step(nat, 2.5, out)
        rehearsed.append(out[1])
    family.forget()
    for nat in random.exponential(0.4, 200):
        family.step(nat, 2.5, out)
    assert np.mean(np.array(rehearsed) < out[1]) < 0.05
    for nat in random.exponential(0.4, 200) + 9.0:          # uniform over 30,000 tokens
        family.step(nat, 2.5, out)
    assert np.mean(np.array(rehearsed) < out[1]) > 0.95
    before = out[1]
    family.step(math.nan, math.nan, out)
    assert np.isnan(out[0]) and out[1] == before


def test_straight_and_zigzag_ways():
    family, sight = planted.streaming(certainty.Turning)
    step = np.random.default_rng(3).normal(size=32)
    sight.see(planted.written(sight, np.tile(step, (6, 1))), planted.token(), None)
    assert planted.valued(family, sight)["turning.total_deg"] == pytest.approx(0.0, abs=0.2)
    signs = np.array([1, -1, 1, -1, 1, -1.0])[:, None]
    sight.see(planted.written(sight, signs * step), planted.token(), None)
    found = planted.valued(family, sight)
    assert found["turning.mean_deg"] == pytest.approx(180.0, abs=0.2)
    assert found["turning.total_deg"] == pytest.approx(5 * 180.0, abs=1.0)
    noise = np.random.default_rng(4).normal(size=(6, 32))
    sight.see(planted.written(sight, noise), planted.token(), None)
    assert planted.valued(family, sight)["turning.mean_deg"] == pytest.approx(90.0, abs=12.0)
    one = planted.written(sight, np.concatenate([noise[:3], noise[:1], noise[:1], noise[:1]]))
    sight.see(one, planted.token(), None)
    assert sight.turn[4] == pytest.approx(1.0, abs=1e-5), "of block 5 to block 4"
    assert abs(sight.turn[3]) < 0.999 and np.isnan(sight.turn[0])


def test_what_the_model_read_is_passed_on():
    family, sight = planted.streaming(certainty.Lens)
    token = planted.token()
    token["commit"], token["slope_nat"], token["unrest_nat"] = 0.5, 1.25, np.nan
    sight.see(planted.blank(sight), token, None)
    found = planted.valued(family, sight)
    assert found["crescendo.commit"] == 0.5 and found["crescendo.slope_nat"] == 1.25
    assert math.isnan(found["turning.unrest_nat"])
