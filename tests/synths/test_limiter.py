"""Limiter: a 16x meter on hostile signals, bit-transparent below, survives what is no number.

Thread: any.
"""
import numpy as np
import pytest
from scipy.signal import resample_poly

from engine.kernels.truepeak import highest, may_reach
from engine.lanes import store
from engine.rt import LANE, f32, rt_host
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
    "a million times over": 1e6 * np.sin(2 * np.pi * 220 / 48000 * T) * ON,
    "a million times noise": 1e6 * RANDOM,
}


def true_peak_db(y):
    return db(np.abs(resample_poly(y, 16, 1, axis=0)).max())


@pytest.mark.parametrize("name", HOSTILE)
def test_no_true_peak_above_minus_one(name):
    loud = np.concatenate((HOSTILE[name], np.zeros(2000)))
    y = Chain(LIMITER).play(loud, 0.01 * np.roll(loud, 7))
    assert -4 < true_peak_db(y) <= -1


def hostile(seconds):
    """Everything bad, both sides, 0.1 to 0.5 s of each at 6 to 120 dB over the ceiling."""
    chance, count = np.random.default_rng(9), seconds * 48000
    t, x = np.arange(count), np.zeros((2, count))
    kinds = (
        lambda n: np.sin(np.pi / 2 * n + np.pi / 4) * ((n // 300) % 2),
        lambda n: np.sin(np.pi / 3 * n + 0.3) * ((n // 700) % 2),
        lambda n: np.sign(np.sin(2 * np.pi * 3001 / 48000 * n)),
        lambda n: chance.standard_normal(len(n)) * ((n // 1000) % 2),
        lambda n: np.sin(2 * np.pi * 55 / 48000 * n) + 0.5 * chance.standard_normal(len(n)),
        lambda n: np.sin(n * np.cumsum(np.full(len(n), 3.0 / len(n)))),
        lambda n: chance.standard_normal(len(n)) * (chance.random(len(n)) > 0.99),
        lambda n: np.full(len(n), 1e-40),
    )
    at = 0
    while at < count:
        n = t[at:at + int(chance.integers(4800, 24000))]
        level = 10 ** (chance.choice((3, 6, 12, 12, 40, 120)) / 20)
        for side in x:
            side[n] = level * kinds[chance.integers(len(kinds))](n)
        at += len(n)
    for value in (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 1e-42):
        x[chance.integers(2, size=40), chance.integers(count, size=40)] = value
    return x


@pytest.mark.parametrize("seconds", (10, pytest.param(60, marks=pytest.mark.slow)))
def test_everything_bad_stays_below_minus_one(seconds):
    """By a 16x meter, a second at a time with its surroundings; no tolerance."""
    y = Chain(LIMITER).play(*hostile(seconds))
    assert np.isfinite(y).all()
    y, edge = np.pad(y, ((64, 64), (0, 0))), 64 * 16
    peaks = [db(np.abs(resample_poly(y[at:at + 48128], 16, 1)[edge:-edge]).max())
             for at in range(0, len(y) - 128, 48000)]
    assert len(peaks) == seconds and np.median(peaks) > -1.3 and max(peaks) <= -1


@rt_host
def worst(line, at):
    """The highest point of 32 samples and after them, and whether may_reach knew."""
    most, room = f32(0), np.zeros(LANE, f32)
    for i in range(at, at + 32, LANE):
        store(room, 0, highest(line, i))
        for k in range(LANE):
            most = max(most, room[k])
    return most, may_reach(line, at, most * f32(0.99999)), may_reach(line, at, most * f32(1.6))


def test_the_detector_is_left_out_only_where_nothing_can_pass():
    chance, skipped = np.random.default_rng(3), 0
    for turn in range(4000):
        x = chance.standard_normal(120)
        if turn % 4:                      # smooth ones, and steps and clicks of them
            n, level = np.arange(120), 10.0 ** chance.integers(9)
            smooth = turn % 4 == 1
            x = np.cumsum(x) * 0.9 ** n if smooth else level * np.sin(n * chance.uniform(0, np.pi))
            x[:chance.integers(60)] *= turn % 3
        _, knew, far = worst(x.astype(np.float32), 40)
        assert knew
        skipped += not far
    assert skipped > 800


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
