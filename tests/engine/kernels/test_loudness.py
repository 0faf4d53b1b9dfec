"""Loudness: EBU 3341 cases, agreement with pyloudnorm, gates, true peak, what is no number.

Thread: any.
"""
import math

import numpy as np
import pyloudnorm
import pytest
from numba import njit
from scipy.signal import freqz, lfilter

from engine.kernels import loudness
from engine.kernels.loudness import Loudness, meter, new_meter
from engine.kernels.weighting import weighting
from engine.rt import QUANTUM, SAFE, f32

RATE_HZ = 48000
CHANCE = np.random.default_rng(4)


@njit
def through(state, left, right, dt):
    a, b = np.zeros(QUANTUM, f32), np.zeros(QUANTUM, f32)
    for q in range(0, len(left) - QUANTUM + 1, QUANTUM):
        a[:], b[:] = left[q:q + QUANTUM], right[q:q + QUANTUM]
        meter(state, a, b, dt)


def measured(left, right=None, rate_hz=RATE_HZ, state=None):
    state = new_meter(rate_hz) if state is None else state
    right = left if right is None else right
    through(state, left.astype(f32), right.astype(f32), f32(1 / rate_hz))
    return Loudness(state).read()


def sine(hz, seconds, db=0.0, rate_hz=RATE_HZ):
    return 10 ** (db / 20) * np.sin(2 * np.pi * hz / rate_hz * np.arange(int(seconds * rate_hz)))


def pieces(levels_db, seconds):
    return np.concatenate([sine(1000, t, db) for db, t in zip(levels_db, seconds, strict=True)])


def signals():
    n, noise = np.arange(12 * RATE_HZ), CHANCE.standard_normal((2, 12 * RATE_HZ))
    beat = np.exp(-(n % 24000) / 4000)
    kick = np.sin(2 * np.pi * 52 / RATE_HZ * n) * beat
    yield "white", 0.1 * noise[0], 0.1 * noise[1]
    yield "one side", 0.2 * noise[0], 0 * noise[1]
    yield "low", lfilter([0.02], [1, -0.98], noise[0]), lfilter([0.02], [1, -0.98], noise[1])
    yield "bass", 0.5 * np.sin(2 * np.pi * 41 / RATE_HZ * n), 0.4 * np.sin(0.0053 * n)
    yield "kick", 0.9 * kick, 0.9 * kick
    yield "mix", 0.5 * kick + 0.05 * noise[0], 0.5 * kick + 0.05 * noise[1] + 0.1 * np.sin(0.05 * n)
    yield "hats", 0.3 * noise[0] * np.exp(-(n % 6000) / 500), 0.1 * noise[1]
    yield "fade", 0.3 * noise[0] * 10 ** (-n / len(n) * 3), 0.3 * noise[1] * 10 ** (-n / len(n) * 3)
    yield "loud and soft", 0.2 * noise[0] * np.where(n < 5e5, 1, 0.05), 0.1 * noise[1]
    yield "burst and silence", 0.5 * noise[0] * (n < 90000), 0.5 * noise[1] * (n < 90000)


@pytest.mark.parametrize(("name", "left", "right"), tuple(signals()))
@pytest.mark.parametrize("rate_hz", (48000, 44100))
def test_agrees_with_pyloudnorm(name, left, right, rate_hz):
    other = pyloudnorm.Meter(rate_hz, filter_class="DeMan")
    wanted = other.integrated_loudness(np.stack((left, right), 1))
    assert measured(left, right, rate_hz)["integrated_lufs"] == pytest.approx(wanted, abs=0.05)


def test_the_filters_are_those_of_the_standard():
    (shelf, poles), (high, low_poles) = weighting(48000)
    assert shelf == pytest.approx((1.53512485958697, -2.69169618940638, 1.19839281085285))
    assert poles == pytest.approx((-1.69065929318241, 0.73248077421585))
    assert low_poles == pytest.approx((-1.99004745483398, 0.99007225036621))
    for hz in (60, 1000, 8000):           # the same curve at any rate
        gains = []
        for rate_hz in (48000, 96000):
            parts = [freqz(b, (1, *a), [hz], fs=rate_hz)[1] for b, a in weighting(rate_hz)]
            gains.append(abs(parts[0] * parts[1])[0])
        assert gains[0] == pytest.approx(gains[1], rel=0.01)


def test_full_scale_sine_in_one_channel():
    read = measured(sine(997, 20), np.zeros(20 * RATE_HZ))
    for window in ("momentary_lufs", "short_term_lufs", "integrated_lufs"):
        assert read[window] == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize(("levels_db", "seconds", "wanted"), (
    ((-23,), (20,), -23.0), ((-33,), (20,), -33.0), ((-36, -23, -36), (10, 60, 10), -23.0),
    ((-72, -36, -23, -36, -72), (10, 10, 60, 10, 10), -23.0),
    ((-26, -20, -26), (20, 20.1, 20), -23.0)))
def test_ebu_3341_integrated(levels_db, seconds, wanted):
    assert measured(pieces(levels_db, seconds))["integrated_lufs"] == pytest.approx(wanted, abs=0.1)


def test_windows_forget():
    state = new_meter(RATE_HZ)
    read = measured(pieces((-20, -30), (4, 0.4)), state=state)
    assert read["momentary_lufs"] == pytest.approx(-30, abs=0.1)
    wanted = 10 * math.log10((2.6 * 0.01 + 0.4 * 0.001) / 3)
    assert read["short_term_lufs"] == pytest.approx(wanted, abs=0.1)
    assert measured(np.zeros(RATE_HZ), state=state)["momentary_lufs"] < -100


@pytest.mark.parametrize(("turns", "amplitude", "wanted_db"), (
    (np.pi / 4, 0.5, -6.0), (0.0, 0.5, -6.0), (np.pi / 4, 1.41, 3.0)))
def test_true_peak_of_a_quarter_of_the_rate(turns, amplitude, wanted_db):
    n = np.arange(24000)                  # faded in: a hard start is a peak of its own
    x = amplitude * np.sin(np.pi / 2 * n + turns) * np.minimum(n / 4000, 1)
    read = measured(x, 0.1 * x)["true_peak_dbtp"]
    assert wanted_db - 0.4 < read < wanted_db + 0.2


def test_reset_begins_anew():
    state = new_meter(RATE_HZ)
    measured(pieces((-10, -30), (5, 0.05)), state=state)
    Loudness(state).reset()
    read = measured(sine(1000, 5, -30), state=state)
    assert read["integrated_lufs"] == pytest.approx(-30, abs=0.1)
    assert read["true_peak_dbtp"] == pytest.approx(-30, abs=0.1)


def test_survives_what_is_no_number():
    x = sine(1000, 4, -20)
    x[5000], x[6000], x[7000] = np.nan, np.inf, -3e38
    read = measured(x, np.full(len(x), np.nan))
    assert read["momentary_lufs"] == pytest.approx(-23, abs=0.1)
    assert measured(np.zeros(9600))["integrated_lufs"] == -120.0


def test_hours_do_not_drift():
    """A bin's mean stays what it is after more blocks than a float32 could add up."""
    state = new_meter(RATE_HZ)
    state[loudness.COUNTS + 470] = 1e6
    state[loudness.MEANS + 470] = 10 ** ((-23 + 0.691) / 10)
    read = measured(sine(1000, 3, -23), state=state)
    assert read["integrated_lufs"] == pytest.approx(-23, abs=0.01)


def test_it_allocates_nothing():
    run = njit(nogil=True, error_model="numpy", fastmath=SAFE)(meter.py_func)
    run(new_meter(RATE_HZ), np.zeros(QUANTUM, f32), np.zeros(QUANTUM, f32), f32(1 / RATE_HZ))
    text = run.inspect_llvm(run.signatures[0])
    assert "fmul" in text and "NRT_Allocate" not in text
