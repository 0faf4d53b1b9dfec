"""A8, the latent side: consonance of simultaneous writes."""
import numpy as np
import planted
import pytest

from mappings.features import harmony


def test_equal_opposed_and_orthogonal_writes():
    a = np.random.default_rng(1).normal(size=64)
    assert harmony.agreement(np.array([a, a])) == pytest.approx(1.0)
    assert harmony.agreement(np.array([a, -a])) == pytest.approx(-1.0)
    assert harmony.agreement(np.eye(5)) == pytest.approx(0.0)
    assert harmony.agreement(np.array([a] * 5)) == pytest.approx(1.0)
    assert np.isnan(harmony.agreement(np.zeros((2, 4))))


def test_unrelated_writes_are_neutral():
    random = np.random.default_rng(2)
    for n in (2, 5):
        x = random.normal(size=(4000, n, 256))
        x /= np.linalg.norm(x, axis=2, keepdims=True)
        kappa = np.array([harmony.agreement(rows) for rows in x])
        spread = np.sqrt(2 * (n - 1) / (n * 256)) / (n - 1)
        assert kappa.std() == pytest.approx(spread, rel=0.06)
        assert (np.abs(kappa) < harmony.neutral_width(n, 256)).mean() == pytest.approx(.95, abs=.02)


def test_the_blocks_of_a_record():
    family, sight = planted.streaming(harmony.Consonance, width=64)
    random = np.random.default_rng(3)
    row = planted.blank(sight)
    row["attn"] = random.normal(size=(6, 64))
    row["mlp"] = row["attn"]
    sight.see(row, planted.token(), None)
    assert planted.valued(family, sight)["consonance.latent"] == pytest.approx(1.0)
    row["mlp"] = np.roll(row["attn"], 1, axis=0)            # off by one block
    sight.see(row, planted.token(), None)
    found = planted.valued(family, sight)
    assert abs(found["consonance.latent"]) < 0.3 and found["consonance.neutral"] > 0.5
    sight._usable[:, 7] = 0.0
    row["mlp"] = row["attn"]
    row["mlp"][:, 7] = 1e4                                  # a masked coordinate says nothing
    sight.see(row, planted.token(), None)
    assert planted.valued(family, sight)["consonance.latent"] == pytest.approx(1.0, abs=1e-5)
    sight._usable[:, 7] = 1.0
    sight.see(row, planted.token(), None)
    assert planted.valued(family, sight)["consonance.latent"] < 0.5, "not masked, it decides all"


def test_tension_is_high_where_writes_oppose_each_other():
    family, sight = planted.streaming(harmony.Consonance, width=64)
    random = np.random.default_rng(4)
    for t in range(60):
        row = planted.blank(sight)
        row["attn"] = random.normal(size=(6, 64))
        row["mlp"] = -row["attn"] if t == 59 else random.normal(size=(6, 64))
        sight.see(row, planted.token(), None)
        tension = planted.valued(family, sight)["consonance.tension"]
    assert tension > 0.97


def test_the_heads_of_the_lead_layer():
    family, sight = planted.streaming(harmony.HeadConsonance)
    row = planted.blank(sight)
    row["heads"] = np.random.default_rng(5).normal(size=32)
    sight.see(row, planted.token(), None)
    assert planted.valued(family, sight)["consonance.heads"] == pytest.approx(1.0)
    row["valid"][4] = 0
    sight.see(row, planted.token(), None)
    assert np.isnan(planted.valued(family, sight)["consonance.heads"])
