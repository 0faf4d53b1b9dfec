"""Reverb: decay times per octave, density, width, energy; it dies away and survives bad input.

Thread: any.
"""
import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from synths.reverb import LENGTHS, REVERB
from tests.synths.harness import Chain, db

DRY = dict(motion=0.0, low_hz=10.0, predelay_s=0.0)


def impulse(seconds, **params):
    x = np.zeros(int(seconds * 48000))
    x[0] = 1.0
    return Chain(REVERB, **params).play(x)


def decay_s(y, hz):
    """Schroeder's integral of an octave band, from -5 to -30 dB."""
    band = butter(3, (hz / 2 ** 0.5, min(hz * 2 ** 0.5, 23500)), "band", fs=48000, output="sos")
    left = np.cumsum(sosfiltfilt(band, y)[::-1] ** 2)[::-1]
    level = 10 * np.log10(left / left[0] + 1e-20)
    start, stop = np.argmax(level < -5), np.argmax(level < -30)
    slope = np.polyfit(np.arange(start, stop) / 48000, level[start:stop], 1)[0]
    return -60 / slope


def expected_s(hz, low_s, high_s):
    """One pole a line, exact at 0 Hz and at half the rate: what the mean line gives between."""
    length = LENGTHS.mean()
    low, high = (10 ** (-3 * length / 48000 / s) for s in (low_s, high_s))
    pole = (low - high) / (low + high)
    gain = abs(low * (1 - pole) / (1 - pole * np.exp(-2j * np.pi * hz / 48000)))
    return -3 * length / 48000 / np.log10(gain)


@pytest.mark.parametrize(("low_s", "high_s"), ((3.0, 3.0), (3.0, 1.2), (1.2, 0.6)))
def test_decay_times_per_octave(low_s, high_s):
    y = impulse(1.3 * low_s, decay_s=low_s, high_s=high_s, **DRY)
    for hz in (250, 500, 1000, 2000, 4000):
        found = np.mean([decay_s(y[:, side], hz) for side in (0, 1)])
        assert found == pytest.approx(expected_s(hz, low_s, high_s), rel=0.05)


def test_dense_wide_and_even():
    y = impulse(2.0, decay_s=2.0, high_s=2.0, motion=0.4, low_hz=10.0)
    for start_s, least in ((0.092, 0.85), (0.16, 0.93)):
        part = y[int(start_s * 48000):][:960, 0]
        assert np.mean(np.abs(part) > part.std()) / 0.3173 > least
    late = y[4800:]
    assert abs(np.corrcoef(late.T)[0, 1]) < 0.2
    assert abs(db(late[:, 0].std() / late[:, 1].std())) < 1
    spectrum = np.abs(np.fft.rfft(late[33600:43200, 0] * np.hanning(9600)))[50:500]
    assert db(spectrum.max() / np.median(spectrum)) < 14    # nothing rings


def test_low_notes_stay_out():
    x = np.sin(2 * np.pi * 50 / 48000 * np.arange(24000))
    y = Chain(REVERB, low_hz=190.0).play(x)[12000:]
    high = Chain(REVERB, low_hz=190.0).play(np.sin(2 * np.pi * 1000 / 48000 * np.arange(24000)))
    assert db(y.std() / high[12000:].std()) < -15


def test_dies_away_to_nothing():
    reverb = Chain(REVERB, decay_s=0.3, high_s=0.2)
    reverb.play(np.random.default_rng(1).standard_normal(9600))
    y = reverb.play(np.zeros(96000))
    assert not y[-4800:].any() and not reverb.runs["line"].any()


def test_bad_input_and_moving_parameters_stay_bounded():
    reverb, noise = Chain(REVERB, decay_s=12.0, high_s=12.0), np.random.default_rng(2)
    for size in (0.5, 2.0, 0.7, 1.0):
        reverb.set(size=size, motion=1.0)
        x = noise.standard_normal(9600)
        x[::1000], x[1::1000] = np.nan, np.inf
        y = reverb.play(x)
        assert np.isfinite(y).all() and np.abs(y).max() < 20
    tail = [np.abs(reverb.play(np.zeros(24000))).max() for _ in range(3)]
    assert tail[2] < tail[1] < tail[0]


def test_predelay_shifts_everything():
    early = impulse(0.5, **DRY)[:, 0]
    late = impulse(0.5, **{**DRY, "predelay_s": 0.1})[:, 0]
    assert np.abs(late[4800:] - early[:-4800]).max() < 1e-6 and not late[:4800].any()
