"""A18 to A21: cadence, metre, syncopation, rubato."""
import numpy as np
import planted
import pytest

from mappings.features import rhythm


def test_the_blocks_that_are_boosted_are_hit():
    family, sight = planted.streaming(rhythm.Cadence, layers=16)
    random, growth = np.random.default_rng(1), np.linspace(1.0, 8.0, 16)
    for t in range(120):
        sight.write = growth * (1.0 + 0.1 * random.normal(size=16))
        if t == 119:
            sight.write[[4, 12]] += growth[[4, 12]] * 0.5
        planted.valued(family, sight)
    steps = sight.rows["rhythm.steps"]
    assert set(np.argsort(-steps)[:2]) == {4, 12} and np.sort(steps)[-3] < 3.2 < steps[4]
    assert set(np.argsort(-sight.write)[:4]) != {4, 12}
    assert set(np.argsort(-sight.write)[:3]) & {13, 14, 15}, "the trap: raw, the last are loudest"


def planted_period(random, blocks=24, period=6, tokens=32):
    x = np.zeros(blocks)
    x[::period] = 1.0
    x = (x - x.mean()) / x.std()
    return (x + random.normal(size=(tokens, blocks))).mean(axis=0)


def test_a_planted_period_is_found_and_noise_is_free():
    random = np.random.default_rng(2)
    orders = np.array([random.permutation(24) for _ in range(rhythm.SHUFFLES)])

    def told(x):
        x = x - x.mean()
        return rhythm.period(x, rhythm.shuffled(x, orders))[0]
    assert np.mean([told(planted_period(random)) == 6 for _ in range(200)]) >= 0.90
    assert np.mean([np.isnan(told(random.normal(size=24))) for _ in range(1000)]) >= 0.95


def test_the_period_is_over_depth_and_not_over_records():
    """Wrong axis: the same numbers, shuffled over the blocks, have none."""
    random = np.random.default_rng(3)
    family, sight = planted.streaming(rhythm.Cadence, layers=24)
    mixed, other = planted.streaming(rhythm.Cadence, layers=24)
    order, a, b = random.permutation(24), np.empty(3), np.empty(3)
    for _ in range(64 + rhythm.PARTS):
        beats = planted_period(random, tokens=1)
        family.step(beats, sight, a)
        mixed.step(beats[order], other, b)
    assert a[1] == 6 and b[1] != 6
    assert np.isfinite(a[0]) and a[0] > 0.2


def test_syncopation_is_signed():
    assert rhythm.balance(1.0, 2.0) == pytest.approx(1 / 3)
    assert rhythm.balance(3.0, 5.0) == -rhythm.balance(5.0, 3.0)
    family, sight = planted.streaming(rhythm.Syncopation)
    for _ in range(20):
        sight.parts = np.tile([4.0, 9.0, 0.0], (6, 1)) * np.arange(1, 7)[:, None]
        assert planted.valued(family, sight)
    assert planted.valued(family, sight)["syncopation.balance"] == pytest.approx(0.0, abs=1e-9)
    sight.parts = sight.parts * [1.0, 4.0, 1.0]             # the MLP twice as loud
    twice = planted.valued(family, sight)["syncopation.balance"]
    assert twice == pytest.approx(1 / 3)
    sight.parts = sight.parts[:, [1, 0, 2]] * [4 / 9 / 4 * 4, 9 / 4, 1.0]
    assert sight.rows["syncopation.accents"].shape == (6, 2)
    swapped = np.array([[4.0 * 4, 9.0, 0.0]]) * np.arange(1, 7)[:, None]
    sight.parts = swapped                                   # attention instead
    assert planted.valued(family, sight)["syncopation.balance"] == pytest.approx(-1 / 3)


def test_constant_work_keeps_the_tempo_and_stolen_time_comes_back():
    family, sight = planted.streaming(rhythm.Rubato)
    out, random = np.empty(3), np.random.default_rng(4)
    for _ in range(40):
        family.step(6.0, sight, out)
    assert out[0] == 1.0
    family, sight = planted.streaming(rhythm.Rubato)
    for _ in range(300):
        family.step(6.0 + 0.1 * random.normal(), sight, out)
    family._stolen, seconds = 0.0, 0.0
    for k in range(4):
        family.step(60.0, sight, out)
        seconds += 1.0 / out[0]
        if k == 0:
            assert out[0] == pytest.approx(2.0 ** -0.25)
    assert seconds > 4.5
    row = sight.scores.names["rubato"].start
    n = min(int(sight.scores.counts[row]), 512)
    usual = float(np.median(sight.scores.rising[row, :n]))
    for _ in range(64):
        family.step(usual, sight, out)
        seconds += 1.0 / out[0]
    assert seconds == pytest.approx(68.0, rel=0.01)
    family.step(np.nan, sight, out)
    assert np.isnan(out).all()
