"""Isolator: bands that add up flat, are killed whole, and move without a click. Thread: any."""
import numpy as np
import pytest

from synths.isolator import ISOLATOR
from tests.synths.harness import Chain, db
from tests.synths.reference import Svf, close_db

HZ = np.fft.rfftfreq(48000, 1 / 48000)
HEARD = slice(20, 20001)


def response(**params):
    x = np.zeros(48000)
    x[0] = 1.0
    return np.fft.rfft(Chain(ISOLATOR, **params).play(x)[:, 0])


@pytest.mark.parametrize("low_hz", (60.0, 220.0, 600.0))
@pytest.mark.parametrize("high_hz", (1000.0, 2500.0, 8000.0))
def test_left_alone_it_is_flat(low_hz, high_hz):
    assert np.abs(db(response(low_hz=low_hz, high_hz=high_hz))[HEARD]).max() < 0.01


@pytest.mark.parametrize(("band", "inside_hz", "slope_at_hz", "slope_db"), (
    ("low", 40, 880, -24), ("middle", 1300, 27, 24), ("high", 19000, 1000, 24)))
def test_a_band_alone_falls_by_24_db_an_octave(band, inside_hz, slope_at_hz, slope_db):
    gains = {name: float(name == band) for name in ("low", "middle", "high")}
    level = db(response(high_hz=8000.0, **gains))
    assert abs(level[inside_hz]) < 0.3
    assert level[2 * slope_at_hz] - level[slope_at_hz] == pytest.approx(slope_db, abs=0.8)
    for cut_hz in {"low": (220,), "middle": (220, 8000), "high": (8000,)}[band]:
        assert level[cut_hz] == pytest.approx(-6.02, abs=0.02)


def test_a_killed_band_is_gone_and_its_neighbours_are_not():
    level = db(response(low=0.0))
    assert level[30] < -65 and abs(level[1000]) < 0.1 and abs(level[12000]) < 0.01
    level = db(response(high=0.0))
    assert level[16000] < -60 and abs(level[60]) < 0.01
    noise = np.random.default_rng(1).uniform(-1, 1, 4800)
    assert not Chain(ISOLATOR, low=0.0, middle=0.0, high=0.0).play(noise).any()


def test_two_is_six_decibels():
    assert np.abs(db(response(low=2.0, middle=2.0, high=2.0))[HEARD] - 6.0206).max() < 0.01


def scalar(x, low, middle, high, low_hz=220.0, high_hz=2500.0):
    k = np.sqrt(2.0)
    first, above, below, upper, over, under, turn = (
        Svf(hz, k) for hz in (low_hz, low_hz, low_hz, high_hz, high_hz, high_hz, high_hz))
    out = np.zeros(len(x))
    for n, one in enumerate(x):
        up, _, down = first(one)
        up, down = above(up)[0], below(down)[2]
        top, _, mid = upper(up)
        band = turn(down)[1]
        out[n] = (low * (down - 2 * k * band) + middle * under(mid)[2] + high * over(top)[0])
    return out


def test_lanes_match_the_scalar_loop_on_both_sides():
    x = np.random.default_rng(2).uniform(-1, 1, (9600, 2)).astype(np.float32)
    y = Chain(ISOLATOR, low=0.3, middle=1.7, high=0.8).play(x[:, 0], x[:, 1])
    for side in range(2):
        assert close_db(y[:, side], scalar(x[:, side], 0.3, 1.7, 0.8)) < -100


def test_neither_gains_nor_cuts_click():
    chain, y = Chain(ISOLATOR), []
    x = np.sin(2 * np.pi * 300 / 48000 * np.arange(48000))
    for n in range(1500):
        turn = np.sin(2 * np.pi * n / 500)
        chain.set(low=1 + turn, middle=1 - turn, low_hz=220.0 * 2.5 ** turn,
                  high_hz=2500.0 * 2.5 ** turn)
        y.append(chain.play(x[32 * n:32 * n + 32]))
    bends = np.abs(np.diff(np.concatenate(y)[480:, 0], 2))
    assert bends.max() < 3 * (2 * np.pi * 300 / 48000) ** 2


def test_silent_after_silence_and_bad_input_passes():
    x = np.random.default_rng(3).uniform(-1, 1, 4800)
    x[100], x[200], x[300] = np.nan, np.inf, 1e30
    chain = Chain(ISOLATOR)
    assert np.isfinite(chain.play(x)).all()
    chain.play(np.zeros(48000))
    assert not chain.play(np.zeros(480)).any()
    assert chain.play(np.full(24000, 0.1))[-1, 0] == pytest.approx(0.1, abs=1e-4)
