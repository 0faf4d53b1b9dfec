"""Limiter: a 16x meter on hostile signals, bit-transparent below, survives what is no number.

Thread: any.
"""
import numpy as np
import pytest
from scipy.signal import resample_poly

from synths.limiter import LATENCY, LIMITER
from tests.synths.harness import Chain, db

COUNT = 16000
T = np.arange(COUNT)
RANDOM = np.random.default_rng(5).standard_normal(COUNT)
ON = (T // 600) % 2
HOSTILE = {
    "quarter": 2 * np.sin(np.pi / 2 * T + np.pi / 4),
    "sixth in bursts": 3 * np.sin(np.pi / 3 * T + 0.3) * ON,
    "random signs": 1.5 * np.sign(RANDOM),
    "every other sample": np.where(T % 2, 2.0, -2.0) * ON,
    "square": 4 * np.sign(np.sin(2 * np.pi * 997 / 48000 * T)),
    "noise": 2 * RANDOM,
    "clicks": 10.0 * (RANDOM > 2.3),
    "noise bursts": np.where((T // 2000) % 2, 8 * RANDOM, 0.1 * np.sin(T * 0.05)),
    "high sine": 3 * np.sin(2 * np.pi * 20000 / 48000 * T),
    "step": np.where(T > 5000, 5.0, 0.0),
    "60 dB over": 1000 * np.sin(2 * np.pi * 60 / 48000 * T) * ON,
}


def true_peak_db(y):
    return db(np.abs(resample_poly(y, 16, 1, axis=0)).max())


@pytest.mark.parametrize("name", HOSTILE)
def test_no_true_peak_above_minus_one(name):
    loud = np.concatenate((HOSTILE[name], np.zeros(2000)))
    y = Chain(LIMITER).play(loud, 0.01 * np.roll(loud, 7))
    assert -4 < true_peak_db(y) <= -1


def test_below_the_ceiling_it_is_a_delay_and_nothing_else():
    x = (0.4 * np.sin(T * 0.05) + 0.3 * np.sin(T * 0.9)).astype(np.float32)
    y = Chain(LIMITER).play(x, -x)
    assert np.array_equal(y[LATENCY:, 0], x[:COUNT - LATENCY])
    assert np.array_equal(y[LATENCY:, 1], -x[:COUNT - LATENCY])


def test_afterwards_it_is_transparent_again():
    x = (0.5 * np.sin(T * 0.05)).astype(np.float32)
    x[1000:1200] *= 8
    y = Chain(LIMITER, release_s=0.02).play(x)
    assert np.array_equal(y[-2000:, 0], x[COUNT - 2000 - LATENCY:COUNT - LATENCY])


def test_what_is_no_number_is_silence_and_it_recovers():
    x = (0.5 * np.sin(T * 0.05)).astype(np.float32)
    x[1000], x[1500:1540], x[2000] = np.nan, np.inf, -np.inf
    y = Chain(LIMITER, release_s=0.02).play(x, np.full(COUNT, np.nan, np.float32))
    assert np.isfinite(y).all() and np.abs(y).max() <= 0.5
    assert np.array_equal(y[-8000:, 0], x[COUNT - 8000 - LATENCY:COUNT - LATENCY])
    x[3000] = 3e38
    y = Chain(LIMITER, release_s=0.02).play(x)
    assert np.isfinite(y).all() and np.abs(y).max() < 0.9
    assert np.array_equal(y[-4000:, 0], x[COUNT - 4000 - LATENCY:COUNT - LATENCY])


def test_both_sides_get_the_same_gain():
    x = 3 * np.sin(T * 0.05)
    y = Chain(LIMITER).play(x, 0.5 * x)
    assert np.abs(y[:, 1] - 0.5 * y[:, 0]).max() < 1e-6


def test_distortion_of_a_low_sine_is_small():
    n = 96000
    y = Chain(LIMITER).play(1.23 * np.sin(2 * np.pi * 60 / 48000 * np.arange(n)))[n // 2:, 0]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    power = [spectrum[60 * k - 3:60 * k + 4].sum() for k in range(1, 40)]
    assert np.sqrt(sum(power[1:]) / power[0]) < 0.01
