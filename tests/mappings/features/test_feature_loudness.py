"""A22, A24, A25 (live), A26: dynamics, sforzando, kurtosis, orchestra."""
import numpy as np
import planted
import pytest

from mappings.features import loudness


def test_louder_states_are_louder_notes():
    family, sight = planted.streaming(loudness.Dynamics, layers=8)
    random, found, level = np.random.default_rng(1), [], []
    direction = random.normal(size=32)
    for _ in range(200):
        row = planted.blank(sight)
        level.append(random.lognormal(0.0, 0.5))
        row["resid"] = level[-1] * direction
        row["resid"][1:3] = direction                       # the bass stays as it is
        sight.see(row, planted.token(), None)
        found.append(planted.valued(family, sight))
    high = np.array([f["dynamics.soprano"] for f in found])[100:]
    order = np.argsort(np.argsort(level[100:]))
    assert np.corrcoef(np.argsort(np.argsort(high)), order)[0, 1] > 0.99
    assert high.min() >= 20.0 and high.max() <= 120.0
    assert np.std([f["dynamics.bass"] for f in found[100:]]) == 0.0, "off by one layer"


def test_a_masked_coordinate_changes_nothing():
    random = np.random.default_rng(2)
    rows = random.normal(size=(60, 7, 32))
    levels = []
    for huge in (1.0, 1000.0):
        family, sight = planted.streaming(loudness.Dynamics)
        sight._scale[:, 5] = sight._usable[:, 5] = 0.0
        for states in rows:
            row = planted.blank(sight)
            row["resid"] = states
            row["resid"][:, 5] *= huge
            sight.see(row, planted.token(), None)
            last = planted.valued(family, sight)
        levels.append(last)
    assert levels[0] == levels[1]


def fired(channels, seed=3):
    family, sight = planted.streaming(loudness.Sforzando)
    out, found = np.empty(1), []
    for t, row in enumerate(channels):
        sight.events = []
        family.step(row, sight, out)
        found += [t for _ in sight.events]
    return found


def test_one_spike_is_one_accent():
    random = np.random.default_rng(4)
    for channel in range(3):
        rows = 0.5 * random.uniform(-1, 1, (200, 3))
        rows[150, channel] += 9.0
        rows[151, channel] += 9.0         # refractory
        assert fired(rows) == [150]


def test_noise_has_hardly_any():
    rows = np.random.default_rng(5).normal(size=(12000, 3))
    assert len([t for t in fired(rows) if t > 600]) <= 3 * 12000 / 2000
    assert not fired(np.full((300, 3), np.nan))


def test_what_the_lead_layer_looks_at_counts_without_its_sinks():
    """The trap: a sink that is not masked hides the move."""
    row, moved = np.zeros(8), np.zeros(8)
    row[0] = moved[0] = 0.98
    row[2], moved[5] = 0.02, 0.02
    sinks = np.array([1, 0, 0, 0, 0, 0, 0, 0], np.uint8)
    assert loudness.difference_nat(row, moved, sinks) == pytest.approx(np.log(2.0))
    assert loudness.difference_nat(row, moved, 0 * sinks) < 0.02
    assert loudness.difference_nat(row, row, sinks) == 0.0
    family, sight = planted.streaming(loudness.Sforzando)
    sight.layers.sinks, found = (0, 1), []
    random = np.random.default_rng(6)
    for t in range(120):
        state = planted.blank(sight)
        state["resid"] = 1.0
        state["row"][0, :8] = (0.9, 0.05, *(0.05 / 6 + 1e-4 * random.uniform(size=6)))
        if t == 100:
            state["row"][0, 2:8] = (0.05, 0, 0, 0, 0, 0)
        sight.see(state, planted.token(), None)
        planted.valued(family, sight)
        found += [t for name, *_ in sight.events]
    assert found == [100]


def test_who_plays():
    family, sight = planted.streaming(loudness.Orchestra, width=64)
    random, row = np.random.default_rng(7), planted.blank(sight)
    row["resid"] = random.normal(size=(7, 64))
    row["attn"] = random.normal(size=64)
    row["mlp"] = 2.0 * row["attn"]
    for _ in range(3):
        sight.see(row, planted.token(), None)
        found = planted.valued(family, sight)
    assert found["orchestra.pedal"] == pytest.approx(1.0, abs=1e-6)
    assert found["orchestra.strings"] == pytest.approx(0.2, abs=1e-6)
    assert found["orchestra.percussion"] == pytest.approx(0.8, abs=1e-6)
    family, sight = planted.streaming(loudness.Orchestra, width=64)
    pedal = []
    for _ in range(400):
        row["resid"] = random.normal(size=(7, 64))
        sight.see(row, planted.token(), None)
        pedal.append(planted.valued(family, sight)["orchestra.pedal"])
    assert np.isnan(pedal[0]) and np.mean(pedal[1:]) <= 3 / 64


def test_kurtosis_is_scipys():
    from scipy.stats import kurtosis
    family, sight = planted.streaming(loudness.Timbre)
    random, row = np.random.default_rng(8), planted.blank(sight)
    row["act"] = random.normal(size=row["act"].shape) ** 3
    sight.see(row, planted.token(), None)
    found = planted.valued(family, sight)
    wanted = kurtosis(row["act"].astype(float), axis=1)
    assert found["timbre.low.kurtosis"] == pytest.approx(wanted[:2].mean(), rel=1e-4)
    assert found["timbre.high.kurtosis"] == pytest.approx(wanted[4:].mean(), rel=1e-4)
    row["valid"][3, 4:6] = 0
    sight.see(row, planted.token(), None)
    assert np.isnan(planted.valued(family, sight)["timbre.high.kurtosis"])
