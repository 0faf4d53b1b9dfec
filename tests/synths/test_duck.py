"""Duck: depth, hold and release of the curve; no step anywhere. Thread: any."""
import numpy as np
import pytest

from synths.duck import DUCK
from tests.synths.harness import Chain, db


def curve(levels_at, count=48000, **params):
    key = np.zeros(count)
    for at, level in levels_at:
        key[at] = level
    y = Chain(DUCK, **params).play(np.ones(count), key=key)
    assert np.array_equal(y[:, 0], y[:, 1])
    return y[:, 0]


def test_down_held_and_back():
    y = curve([(1000, 1.0)], depth_db=12.0, hold_s=0.05, release_s=0.2)
    assert (y[:1000] == 1).all()
    held = y[1000 + 150:1000 + int(0.052 * 48000)]
    assert db(held) == pytest.approx(-12, abs=0.01)
    back = 1000 + int((0.053 + 0.2) * 48000)
    assert (y[back + 40:] == 1).all() and y[back - 400] < 1
    assert db(y[back - 4800]) == pytest.approx(-6, abs=0.3)
    assert (np.diff(y[1000 + 150:]) >= -1e-6).all()


def test_no_step_even_when_struck_again_on_the_way_back():
    y = curve([(1000, 1.0), (5000, 0.5), (9000, 1.0)], depth_db=24.0, release_s=0.2)
    assert np.abs(np.diff(y)).max() < 0.02
    assert ((y > 0) & (y <= 1)).all()


def test_level_scales_the_depth():
    y = curve([(1000, 0.5)], depth_db=12.0, hold_s=0.05)
    assert db(y.min()) == pytest.approx(-6, abs=0.01)
    assert (curve([], count=3200) == 1).all()
