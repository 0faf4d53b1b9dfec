"""A25, once a model: spectra of weights and states."""
import numpy as np
import pytest

from mappings.features import spectra


def test_a_gaussian_matrix_has_the_edges_of_its_law_and_no_power_law():
    weight = np.random.default_rng(1).normal(size=(1024, 512))
    found = spectra.eigenvalues(weight)
    assert found[-1] == pytest.approx(0.086, rel=0.03)
    assert found[0] == pytest.approx(2.914, rel=0.03)
    exponent, distance = spectra.power_law(found)
    assert np.isnan(exponent) and distance > spectra.POOR
    assert 1.0 < spectra.stable_rank(weight) < 512.0


@pytest.mark.parametrize("seed", range(20))
def test_a_pareto_tail_has_its_exponent(seed):
    values = (1.0 - np.random.default_rng(seed).uniform(size=500)) ** (-1.0 / 1.5)
    exponent, distance = spectra.power_law(values)
    assert exponent == pytest.approx(2.5, abs=0.2) and distance <= 0.03


def test_sparsity_and_participation():
    assert spectra.hoyer(np.eye(64)[3]) == pytest.approx(1.0)
    assert spectra.hoyer(np.ones(64)) == pytest.approx(0.0, abs=1e-12)
    assert spectra.participation(np.ones(20)) == pytest.approx(1.0)
    assert spectra.participation(np.eye(20)[0]) == pytest.approx(1 / 20)
    assert spectra.slope(np.arange(1.0, 50.0) ** -2.0) == pytest.approx(-2.0)
