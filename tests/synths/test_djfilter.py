"""DJ filter: untouched in the middle, low-pass to the left, high-pass to the right, no click.

Thread: any.
"""
import numpy as np
import pytest

from synths.djfilter import DJFILTER
from tests.synths.harness import Chain, db


def response_db(position, **params):
    x = np.zeros(48000)
    x[0] = 1.0
    return db(np.fft.rfft(Chain(DJFILTER, position=position, **params).play(x)[:, 0]))


@pytest.mark.parametrize("position", (-0.02, 0.0, 0.02))
def test_the_middle_changes_no_bit(position):
    x = np.random.default_rng(4).standard_normal(4800).astype(np.float32)
    y = Chain(DJFILTER, position=position).play(x, -x)
    assert np.array_equal(y[:, 0], x) and np.array_equal(y[:, 1], -x)


def test_left_takes_the_highs_and_right_the_lows():
    left, right = response_db(-0.5, resonance=0.0), response_db(0.5, resonance=0.0)
    assert abs(left[50]) < 0.5 and left[8000] < -40
    assert abs(right[10000]) < 0.5 and right[60] < -40
    assert left[2200] - left[4400] == pytest.approx(24, abs=2)      # an octave
    assert (np.diff([response_db(p)[3000] for p in (-0.4, -0.6, -0.8, -1.0)]) < -6).all()


def test_a_sweep_does_not_click():
    chain, y = Chain(DJFILTER, resonance=0.5), []
    x = np.sin(2 * np.pi * 300 / 48000 * np.arange(48000))
    for n in range(1500):
        chain.set(position=np.sin(2 * np.pi * n / 1500))
        y.append(chain.play(x[32 * n:32 * n + 32]))
    bends = np.abs(np.diff(np.concatenate(y)[:, 0], 2))
    assert bends.max() < 4 * (2 * np.pi * 300 / 48000) ** 2


def test_bad_input_passes_on():
    x = np.full(3200, 0.1)
    x[100] = np.nan
    y = Chain(DJFILTER, position=-0.5).play(x)
    assert np.isfinite(y).all() and y[-1, 0] == pytest.approx(0.1, abs=0.001)
