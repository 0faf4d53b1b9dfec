"""Hats: share above 5 kHz, no bass from aliases, decay; equal to plain loops. Thread: any."""
import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from synths.hat import HAT, HAT808, RATIOS, RATIOS_808
from tests.synths.harness import Player, db, decay_s
from tests.synths.reference import Svf, close_db, fall, squares, white

both = pytest.mark.parametrize("hat", (HAT, HAT808), ids=lambda h: h.name)


@both
@pytest.mark.parametrize("tone", (0.0, 0.5, 1.0))
@pytest.mark.parametrize("metal", (0.0, 1.0))
def test_is_nearly_all_above_5_khz(hat, tone, metal):
    power = np.abs(np.fft.rfft(Player(hat, tone=tone, metal=metal, decay_s=0.5).note(0.5))) ** 2
    line = np.arange(len(power)) * 2.0
    assert power[line > 5000].sum() > 0.85 * power.sum()


@both
def test_does_not_fold_back_into_the_bass(hat):
    own_hz = {p.name: p.default for p in hat.params}["tune_hz"]
    y = Player(hat, tone=0.0, metal=1.0, tune_hz=1.5 * own_hz, decay_s=3.0).note(1.0)
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 14)))
    assert db(spectrum[:300].max() / spectrum.max()) < -60


@both
@pytest.mark.parametrize("long_s", (0.1, 0.8))
def test_opens_with_its_decay(hat, long_s):
    found = decay_s(hat, 0.04 + 0.2 * long_s, 0.04 + 0.8 * long_s, metal=0.0, decay_s=long_s)
    assert found == pytest.approx(long_s, rel=0.03)


def test_the_808_has_denser_metal():
    def lines(hat):
        y = Player(hat, metal=1.0, decay_s=3.0, tone=0.0).note(2.0)[4800:]
        spectrum = db(np.abs(np.fft.rfft(y * np.hanning(len(y)))))[int(12000 * 1.9):]
        inner = spectrum[1:-1]
        peaks = (inner > spectrum[:-2]) & (inner > spectrum[2:]) & (inner > spectrum.max() - 40)
        return peaks[:int(4000 * 1.9)].sum()
    assert lines(HAT808) > 1.5 * lines(HAT)


def source(y, metal, ratios, hz, level):
    t = np.arange(len(y))
    x = 0.9 * (1 - metal) * white(1, 0, len(y))
    x += 0.7 * metal * squares(ratios, np.float32(hz) * np.float32(1 / 48000), len(y))
    return x, t, fall(t, 0.16) + level * 0.5 * fall(t, 0.02)


def test_hat_matches_a_plain_loop():
    y = Player(HAT, tone=0.3, metal=0.7).note(0.04, level=0.8)
    x, _, env = source(y, 0.7, RATIOS, 414.0, 0.8)
    sos = butter(4, 6000 * 2 ** 0.24, "high", fs=48000, output="sos")
    assert close_db(y, sosfilt(sos, x) * env * 0.8 * (0.34 + 0.14 * 0.3)) < -100


def test_hat808_matches_a_plain_loop():
    y = Player(HAT808, tone=0.3, metal=0.7, decay_s=0.16).note(0.04, level=0.8)
    x, _, env = source(y, 0.7, RATIOS_808, 205.3, 0.8)
    first, second = Svf(6200 * 2 ** 0.18, 1.8478), Svf(6200 * 2 ** 0.18, 0.4)
    wanted = np.array([second(first(u)[0])[0] for u in x])
    assert close_db(y, wanted * env * 0.8 * (0.46 + 0.1 * 0.3)) < -100
