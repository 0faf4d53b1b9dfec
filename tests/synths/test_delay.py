"""Delay: echoes at their places and levels, side to side, no pitch jump, bounded. Thread: any."""
import numpy as np
import pytest

from synths.delay import DELAY
from tests.synths.harness import Chain, db

FLAT = dict(tone_hz=20000.0, low_hz=10.0)


@pytest.mark.parametrize(("bpm", "beats"), ((124.0, 0.75), (90.0, 0.5), (174.0, 1 / 3)))
def test_echoes_come_in_time_each_softer_by_the_feedback(bpm, beats):
    x = np.zeros(96000)
    x[100] = 1.0
    y = Chain(DELAY, bpm=bpm, beats=beats, feedback=0.5, pingpong=0.0, **FLAT).play(x)[:, 0]
    for n in range(1, 5):
        at = 100 + n * 60 / bpm * beats * 48000
        found = np.argmax(np.abs(y[int(at) - 200:int(at) + 200])) + int(at) - 200
        assert abs(found - at) <= 0.5 * n + 1e-6
        assert abs(db(y[found]) - db(0.5 ** (n - 1))) < 0.1


def test_pingpong_goes_from_side_to_side():
    x = np.zeros(96000)
    x[0] = 1.0
    y = Chain(DELAY, bpm=120.0, beats=0.5, feedback=0.5, pingpong=1.0, **FLAT).play(x, x)
    for n, side in ((1, 0), (2, 1), (3, 0)):
        at = n * 12000
        assert y[at, side] == pytest.approx(0.5 ** (n - 1), rel=1e-4)
        assert y[at, 1 - side] == 0


def test_every_round_is_filtered():
    x = np.zeros(48000)
    x[0] = 1.0
    y = Chain(DELAY, bpm=300.0, beats=0.5, feedback=0.9, tone_hz=2000.0, low_hz=200.0).play(x, x)
    levels = []
    for n in (1, 3, 5):
        spectrum = np.abs(np.fft.rfft(y[n * 4800 - 50:n * 4800 + 4000, 0], 48000))
        levels.append(db(spectrum[[50, 700, 8000]]))
    low, middle, high = np.diff(levels, axis=0).T
    assert (low < middle - 3).all() and (high < middle - 6).all()


def test_a_new_tempo_fades_in_without_a_change_of_pitch():
    t = np.arange(96000)
    x = np.sin(2 * np.pi * 500 / 48000 * t)
    delay = Chain(DELAY, bpm=120.0, beats=0.5, feedback=0.0, pingpong=0.0, **FLAT)
    before = delay.play(x[:48000])
    delay.set(bpm=133.0)
    y = np.concatenate((before, delay.play(x[48000:])))[20000:, 0]
    inside = y[27900:30500] * np.exp(-2j * np.pi * 500 / 48000 * np.arange(2600))
    turned = np.unwrap(np.angle(np.convolve(inside, np.hanning(288), "valid")))
    assert np.ptp(turned) < 2 * np.pi                       # one phase to another, no glide
    assert np.abs(np.diff(y, 2)).max() < 1.3 * (2 * np.pi * 500 / 48000) ** 2
    assert np.abs(y[35000:]).max() == pytest.approx(1.0, abs=0.01)


def test_bounded_at_full_feedback_and_with_bad_input():
    delay = Chain(DELAY, bpm=300.0, beats=0.0625, feedback=0.95)
    x = np.random.default_rng(3).uniform(-1, 1, 48000)
    x[100], x[200] = np.nan, np.inf
    y = delay.play(x)
    assert np.isfinite(y).all() and np.abs(y).max() < 20
    delay.play(np.zeros(480000))
    assert not delay.play(np.zeros(4800)).any()
