"""What is usual in every layer: masks, sinks, standardising, places with warm-up and freeze."""
import json

import numpy as np
import planted
import pytest

from engine import records
from mappings.features.common import GRID
from mappings.features.layers import Layers, Standard
from mappings.features.pit import Pit


def fitted(rows):
    """Layers that have learned the states of `rows`."""
    made = Layers(planted.MODEL)
    for row in rows:
        made.learn(row)
    made.fit([None] * len(rows))
    return made


def states(count, seed=1, huge=(3, 5), first=4):
    """States of which layer huge[0] has one coordinate of 300 always."""
    random = np.random.default_rng(seed)
    rows = []
    for seq in range(first, first + count):
        row = planted.state(random, seq)
        row["resid"] *= (1.0 + np.arange(planted.LAYERS + 1))[:, None]    # grows with depth
        row["resid"][huge] = 300.0 + random.normal()
        rows.append(row)
    return rows


def test_massive_coordinates_are_masked_in_their_layer_alone():
    made = fitted(states(200))
    assert np.argwhere(made.huge).tolist() == [[3, 5]]
    assert made.scale[3, 5] == 0.0 and np.count_nonzero(made.scale == 0.0) == 1


def test_nothing_is_masked_in_noise():
    rows = states(200)
    for row in rows:
        row["resid"] = np.random.default_rng(int(row["seq"])).normal(size=row["resid"].shape)
    made = fitted(rows)
    assert not made.huge.any() and made.sinks == (0,)


def test_standardised_states_have_mean_zero_and_spread_one():
    rows = states(400)
    standard = Standard(fitted(rows))
    z = np.array([standard.of(row).copy() for row in rows])
    usual = standard.layers.scale > 0
    assert np.abs(z.mean(axis=0)[usual]).max() < 1e-9
    assert np.allclose(z.std(axis=0)[usual], 1.0) and not z[:, 3, 5].any()
    rows[7]["valid"][0, 2] = 0
    assert np.isnan(standard.of(rows[7])[2]).all() and np.isfinite(standard.of(rows[7])[1]).all()


def test_wrong_axis_and_off_by_one_layer_are_seen():
    """The traps: a mean per layer, not per coordinate; the numbers of the layer above."""
    rows = states(400)
    for row in rows:
        row["resid"] += 5.0 * np.sin(np.arange(planted.WIDTH))[None]
    made = fitted(rows)
    standard = Standard(made)
    right = np.array([standard.of(row).copy() for row in rows])
    assert np.abs(right.mean(axis=0)).max() < 1e-9
    made.mean = np.repeat(made.mean.mean(axis=1, keepdims=True), planted.WIDTH, axis=1)
    wrong = np.array([Standard(made).of(row).copy() for row in rows])
    assert np.abs(wrong.mean(axis=0)).max() > 0.3
    made = fitted(rows)
    made.mean, made.scale = np.roll(made.mean, 1, axis=0), np.roll(made.scale, 1, axis=0)
    shifted = np.array([Standard(made).of(row).copy() for row in rows])
    assert np.abs(shifted.std(axis=0) - 1.0).max() > 0.15


def test_a_loud_token_in_the_text_moves_no_mean():
    """The trap: a sink that is not masked owns every mean."""
    rows = states(200)
    plain = fitted(rows)
    monster = rows[100].copy()
    monster["resid"] = np.abs(monster["resid"]) * 500.0
    with_it = fitted([*rows[:100], monster, *rows[100:]])
    assert np.allclose(with_it.mean, plain.mean) and np.allclose(with_it.spread, plain.spread)
    assert with_it.sinks == (0,), "in the middle of a text it is no place that is always one"


def test_places_that_draw_attention_are_sinks():
    contexts = []
    for seed in range(3):
        rows = states(60, seed, first=1)
        rows[0]["resid"] *= 200.0         # place 1, in every context
        contexts += rows
    assert fitted(contexts).sinks == (0, 1)
    shape = records.Descriptor("r", planted.LAYERS, planted.WIDTH, (planted.UNITS,) * 6, 4, 100, 64,
                               "abc", ("T0", "T1", "T2", "T4"), (), (3,))
    made = Layers(shape)
    for row in states(60):
        wide = np.zeros((), records.state_dtype(shape))
        for name in row.dtype.names:
            wide[name] = row[name]
        wide["row"][0, :4] = (0.3, 0.05, 0.4, 0.0)
        made.learn(wide)
    made.fit([])
    assert made.sinks == (0, 2)


def test_a_profile_is_the_same_layers():
    made, other = fitted(states(100)), Layers(planted.MODEL)
    other.load(json.loads(json.dumps(made.profile())))
    for name in ("mean", "spread", "scale", "huge"):
        assert np.array_equal(getattr(made, name), getattr(other, name))
    assert other.sinks == made.sinks


def test_frozen_stands_still_and_following_follows():
    rows = states(200)
    made = fitted(rows)
    still, moving = Standard(made), Standard(made, frozen=False)
    first = still.of(rows[0]).copy()
    for row in rows[1:]:
        row["resid"] += 40.0
        still.of(row)
        moving.of(row)
    assert np.array_equal(still.of(rows[0]), first)
    assert not np.allclose(moving.of(rows[0]), first)
    moving.forget()
    assert np.array_equal(moving.of(rows[0]), first)


def curve(values):
    return np.quantile(values, np.linspace(0, 1, GRID))[None]


def placed(pit, values):
    out = np.empty(1)
    found = []
    for x in values:
        pit.place(np.array([x]), out)
        found.append(out[0])
    return np.array(found)


def test_places_of_a_stationary_value_are_uniform():
    random = np.random.default_rng(4)
    pit = Pit(curve(random.normal(size=4000)))
    q = np.sort(placed(pit, random.normal(size=6000)))
    steps = np.arange(1, len(q) + 1) / len(q)
    assert np.abs(q - steps).max() < 0.02 and 0.0 < q[0] and q[-1] < 1.0


def test_places_begin_with_the_calibration_and_move_to_what_is_played():
    random = np.random.default_rng(5)
    pit = Pit(curve(random.normal(size=2000)))
    assert placed(pit, [3.0])[0] > 0.95, "high among the calibrated"
    q = placed(pit, 3.0 + 0.1 * random.normal(size=800))
    assert q[:5].mean() > 0.9 and abs(q[-200:].mean() - 0.55) < 0.07
    without = Pit(np.full((1, GRID), np.nan))
    q = placed(without, random.normal(size=20))
    assert np.isnan(q[:8]).all() and np.isfinite(q[8:]).all()


def test_frozen_places_are_the_same_twice_and_nan_is_no_value():
    random = np.random.default_rng(6)
    pit = Pit(curve(random.normal(size=500)))
    placed(pit, random.normal(size=100))
    pit.frozen = True
    played = random.normal(size=50)
    first = placed(pit, played)
    assert np.isnan(placed(pit, [np.nan, np.inf])).all()
    assert np.array_equal(placed(pit, played), first)
    pit.frozen = False
    placed(pit, played)
    assert not np.array_equal(placed(pit, played), first)


@pytest.mark.parametrize("tier", ["T1", "T2"])
def test_a_missing_tier_has_no_key(tier):
    from mappings.features import Meter
    from mappings.features.meter import FAMILIES
    shape = records.Descriptor(*planted.MODEL.data().values())
    less = records.Descriptor(**shape.data() | {
        "tiers": tuple(t for t in shape.tiers if t != tier)})
    meter = Meter(less)
    for state, token in planted.stream(1, 60):
        meter.learn(state, token)
    meter.freeze()
    frame = meter.measure(*planted.stream(2, 1)[0])
    gone = {n for f in FAMILIES.values() if f.tier == tier for n in f.names}
    assert gone and not gone & set(frame.raw) and not gone & set(frame.unit)
    assert "token.surprisal_nat" in frame.raw
    assert Meter.tiers(["mlp.mid.write", "token.surprisal"]) == {"T2", "T0"}
