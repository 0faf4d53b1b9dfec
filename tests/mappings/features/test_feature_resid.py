"""Speeds, turn and axes of the residual state: planted answers, nulls and the traps."""
import math

import numpy as np
import planted
import pytest

from engine import records
from mappings.features import resid


def walk(speeds):
    """A STATE row whose layer l moves by exactly speeds[l] times its norm."""
    row = planted.state(np.random.default_rng(3))
    for layer, speed in enumerate(speeds):
        here = row["resid"][layer]
        side = np.roll(here, 1) - here * (np.roll(here, 1) @ here) / (here @ here)
        row["resid"][layer + 1] = here + speed * side * np.linalg.norm(here) / np.linalg.norm(side)
    return row


def test_planted_speeds_are_measured_per_band():
    meter = planted.calibrated(planted.stream(1, 40))
    raw = meter.measure(walk((0.5, 0.5, 0.1, 0.4, 2.0, 2.0)), planted.token()).raw
    assert raw["resid.low.speed"] == pytest.approx(0.5, rel=1e-5)
    assert raw["resid.mid.speed"] == pytest.approx(0.2, rel=1e-5)          # the geometric mean
    assert raw["resid.high.speed"] == pytest.approx(2.0, rel=1e-5)


def test_speed_knows_no_scale():
    meter = planted.calibrated(planted.stream(1, 40))
    row = planted.state(np.random.default_rng(3))
    plain = meter.measure(row, planted.token()).raw
    row["resid"] *= 8.0
    loud = meter.measure(row, planted.token()).raw
    assert plain["resid.low.speed"] == pytest.approx(loud["resid.low.speed"], rel=1e-12)


def test_turn_is_zero_for_the_same_state_one_for_unrelated_two_for_the_opposite():
    rows = planted.stream(1, 400)
    meter = planted.calibrated(rows)
    family = meter.families["resid"]
    row = planted.state(np.random.default_rng(4))
    assert "resid.mid.turn" not in meter.measure(row, planted.token()).raw
    assert meter.measure(row, planted.token()).raw["resid.mid.turn"] == pytest.approx(0.0, abs=1e-9)
    middle = row["resid"][family.middle]
    middle[:] = (2.0 * family.mean - middle).astype(np.float32)
    assert meter.measure(row, planted.token()).raw["resid.mid.turn"] == pytest.approx(2.0, abs=1e-5)
    turns = [f.raw["resid.mid.turn"] for f in planted.frames(meter, planted.stream(5, 300))]
    assert np.mean(turns) == pytest.approx(1.0, abs=0.05)


def test_a_common_offset_does_not_hide_the_turn():
    """The trap: with a large mean in every state, plain cosines are all near 1."""
    rows, moved = planted.stream(1, 300), planted.stream(2, 300)
    for state, _ in (*rows, *moved):
        state["resid"] += 50.0
    turns = [f.raw["resid.mid.turn"] for f in planted.frames(planted.calibrated(rows), moved)[1:]]
    assert np.mean(turns) == pytest.approx(1.0, abs=0.05)


def test_massive_coordinates_are_left_out():
    """The trap: one huge coordinate would decide every cosine and the first axis."""
    random, rows = np.random.default_rng(6), planted.stream(1, 300)
    for state, _ in rows:
        state["resid"][:, 5] = 1000.0 + 300.0 * random.normal()
    family = planted.calibrated(rows).families["resid"]
    assert family.scale[5] == 0.0 and (family.scale[6:] > 0.0).all()
    assert np.all(family.axes[:, 5] == 0.0)


def test_axes_are_orthonormal_and_find_a_planted_direction():
    random, rows = np.random.default_rng(7), planted.stream(1, 400)
    direction = np.repeat((1.0, -1.0), planted.WIDTH // 2) / math.sqrt(planted.WIDTH)
    strength = random.normal(size=len(rows))
    for k, (state, _) in enumerate(rows):
        noise = random.normal(size=state["resid"].shape)
        state["resid"][:] = noise + 12.0 * strength[k] * direction
    meter = planted.calibrated(rows)
    axes = meter.families["resid"].axes
    assert np.allclose(axes @ axes.T, np.eye(resid.AXES), atol=1e-9)
    found = [f.raw["resid.axis.1"] for f in planted.frames(meter, rows)]
    assert abs(np.corrcoef(found, strength)[0, 1]) > 0.95
    others = [f.raw["resid.axis.2"] for f in planted.frames(meter, rows)]
    assert abs(np.corrcoef(others, strength)[0, 1]) < 0.2


def test_a_missing_or_broken_row_takes_only_its_own_features():
    meter = planted.calibrated(planted.stream(1, 60))
    row = planted.state(np.random.default_rng(8))
    row["valid"][0, 6] = 0
    assert "resid.high.speed" in meter.measure(row, planted.token()).raw, "layer 4 is still there"
    row["resid"][5] = np.nan
    raw = meter.measure(row, planted.token()).raw
    assert "resid.high.speed" not in raw and "resid.low.speed" in raw and "resid.axis.1" in raw
    row["resid"][3] = np.inf
    raw = meter.measure(row, planted.token()).raw
    assert not {"resid.axis.1", "resid.mid.turn", "resid.mid.speed"} & set(raw)
    whole = meter.measure(planted.state(np.random.default_rng(9)), planted.token()).raw
    assert math.isfinite(whole["resid.mid.turn"]), "a broken state must not poison the next"


def test_a_shallow_model_shares_its_layers():
    model = records.Descriptor("shallow", 1, 16, (8,), 2)
    row = np.zeros((), records.state_dtype(model))
    row["valid"] = 1
    row["resid"] = np.random.default_rng(1).normal(size=(2, 16))
    raw = planted.Meter(model).measure(row, planted.token()).raw
    assert raw["resid.low.speed"] == raw["resid.high.speed"] > 0.0


def test_axes_are_those_of_a_linear_algebra_library_and_end_with_the_rank():
    random = np.random.default_rng(10)
    rows = random.normal(size=(60, 20)) * np.geomspace(8.0, 0.1, 20)
    exact = np.linalg.svd(rows - rows.mean(axis=0))[2][:resid.AXES]
    found = resid.principal_axes(rows)
    assert np.abs(np.sum(found * exact, axis=1)) == pytest.approx(np.ones(resid.AXES), abs=1e-6)
    few = resid.principal_axes(rows[:4])
    assert np.isfinite(few[:3]).all() and np.isnan(few[3:]).all()
