"""Sparsity of the MLP activations by Hoyer's measure."""
import numpy as np
import planted
import pytest

from mappings.features import mlp

ONES = np.ones((4, 3), np.uint8)


def sparsity(activations, widths=None):
    act = np.atleast_2d(np.asarray(activations, np.float32))
    out = np.empty(len(act))
    mlp.sparsities(act, ONES, np.array(widths or [act.shape[1]] * len(act)), out)
    return out


def test_one_unit_is_one_and_flat_is_zero():
    one, flat = np.zeros(704), np.ones(704)
    one[17] = -3.0
    assert sparsity([one, flat, -0.01 * flat]) == pytest.approx([1.0, 0.0, 0.0], abs=1e-7)


def test_k_equal_units_give_the_formula_and_scale_does_not_matter():
    k_of = np.zeros(400)
    k_of[:25] = 1.0
    assert sparsity(k_of)[0] == pytest.approx((20.0 - 5.0) / 19.0)
    assert sparsity(k_of * 1e4)[0] == pytest.approx(sparsity(k_of)[0], rel=1e-6)


def test_only_the_layers_own_width_counts():
    """The trap: padding of a narrower layer would look like sparsity."""
    row = np.zeros(64)
    row[:32] = 1.0
    assert sparsity([row, row], [32, 64])[0] == pytest.approx(0.0, abs=1e-7)
    assert sparsity([row, row], [32, 64])[1] > 0.2


def test_nothing_to_measure_is_absent():
    assert np.isnan(sparsity([np.zeros(8), np.full(8, np.nan), np.ones(8)], [8, 8, 0])).all()


def test_sparsity_does_not_touch_the_other_bands():
    meter = planted.calibrated(planted.stream(1, 60))
    row = planted.state(np.random.default_rng(2))
    before = meter.measure(row, planted.token()).raw
    row["act"][0:2] = 0.0
    row["act"][0:2, 3] = 1.0
    after = meter.measure(row, planted.token()).raw
    assert after["mlp.low.sparsity"] == pytest.approx(1.0)
    assert after["mlp.mid.sparsity"] == before["mlp.mid.sparsity"]
