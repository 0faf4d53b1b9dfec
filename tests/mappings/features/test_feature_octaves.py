"""A2: notes that different depths write together."""
import numpy as np
import planted
import pytest

from mappings.features import octaves


def heard(bands, count=4000, seed=1):
    """The last values of a family that was given bands(random) (4, 12) each record."""
    family, _ = planted.streaming(octaves.Octaves)
    random, out, found = np.random.default_rng(seed), np.empty(3), []
    for _ in range(count):
        family.step(bands(random), out)
        found.append(out.copy())
    return family, np.array(found)


def test_independent_writes_do_not_resonate():
    family, found = heard(lambda random: random.normal(size=(4, 12)))
    assert abs(found[-1, 0]) < 0.05 and np.abs(found[1000:, 1]).max() < 6.0
    assert np.isnan(found[:100]).all()


def test_a_planted_coupling_is_found_where_it_is():
    def coupled(random):
        x = random.normal(size=(4, 12))
        x[2] = 0.8 * x[0] + 0.6 * x[2]
        return x
    family, _ = heard(coupled)
    pair = octaves.PAIRS.index((0, 2))
    assert family.found[pair].mean() == pytest.approx(0.8, abs=0.03)
    others = np.delete(family.found, pair, axis=0)
    assert np.abs(others.mean(axis=1)).max() < 0.08, "wrong axis: another pair"


def test_a_slow_drift_that_all_share_is_taken_off():
    """The trap: what is correlated at every lag is no resonance."""
    level, heard_so_far = np.zeros(1), []

    def drifting(random):
        level[0] = 0.999 * level[0] + 0.05 * random.normal()
        heard_so_far.append(random.normal(size=(4, 12)) + 3.0 * level[0])
        return heard_so_far[-1]
    _, found = heard(drifting)
    plain = [np.corrcoef(np.array(heard_so_far[k - 256:k])[:, 0, 0],
                         np.array(heard_so_far[k - 256:k])[:, 1, 0])[0, 1]
             for k in range(512, 4000, 64)]
    assert np.median(np.abs(found[500:, 0])) < 0.4 * np.median(plain)


def test_states_correlate_by_addition_and_writes_do_not():
    """The trap of the specification: depths 2 and 6 of independent unit writes, sqrt(2 / 6)."""
    random = np.random.default_rng(3)
    writes = random.normal(size=(6, 20000))
    states = np.cumsum(writes, axis=0)
    assert np.corrcoef(states[1], states[5])[0, 1] == pytest.approx(0.577, abs=0.02)
    assert abs(np.corrcoef(writes[1], writes[5])[0, 1]) < 0.02
    _, summed = heard(lambda random: np.cumsum(random.normal(size=(4, 12)), axis=0))
    assert summed[-1, 0] > 0.5, "on states the feature would report it"
