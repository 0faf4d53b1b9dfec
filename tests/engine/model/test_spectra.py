"""A25, once a model: spectra of weights and states."""
import numpy as np
import pytest

from engine.model import spectra


def test_a_gaussian_matrix_has_the_edges_of_its_law_and_no_power_law():
    weight = np.random.default_rng(1).normal(size=(1024, 512))
    found = spectra.eigenvalues(weight)
    assert found[-1] == pytest.approx(0.086, rel=0.03)
    assert found[0] == pytest.approx(2.914, rel=0.03)
    exponent, distance = spectra.power_law(found)
    assert np.isnan(exponent) and distance > spectra.POOR
    assert 1.0 < spectra.stable_rank(weight) < 512.0


def test_a_pareto_tail_has_its_exponent():
    """Of 20 samples of 500: the exponent within 0.2 in 19, the distance 0.03 in the middle."""
    found = np.array([spectra.power_law((1.0 - np.random.default_rng(seed).uniform(size=500))
                                        ** (-1.0 / 1.5)) for seed in range(20)])
    assert (np.abs(found[:, 0] - 2.5) <= 0.2).sum() >= 19
    assert np.median(found[:, 1]) <= 0.03 and found[:, 1].max() < spectra.POOR


def test_sparsity_and_participation():
    assert spectra.hoyer(np.eye(64)[3]) == pytest.approx(1.0)
    assert spectra.hoyer(np.ones(64)) == pytest.approx(0.0, abs=1e-12)
    assert spectra.participation(np.ones(20)) == pytest.approx(1.0)
    assert spectra.participation(np.eye(20)[0]) == pytest.approx(1 / 20)
    assert spectra.slope(np.arange(1.0, 50.0) ** -2.0) == pytest.approx(-2.0)
