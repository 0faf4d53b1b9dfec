"""Snare: pitch fall, both decays, balance, brightness; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.snare import SNARE
from tests.synths.harness import Player, crossings_hz, decay_s, t60_s
from tests.synths.reference import Svf, bent_turns, close_db, fall, step_of, tanh_like, white


def test_the_shells_fall_to_their_notes():
    y = Player(SNARE, snap=0.0, decay_s=1.0, bend=2.0).note(0.6)
    spectrum = np.abs(np.fft.rfft(y[9600:] * np.hanning(len(y) - 9600), 480000)) ** 2
    for hz in (180.0, 180.0 * 1.47):
        near = slice(int(10 * hz * 0.97), int(10 * hz * 1.03))
        assert (near.start + np.argmax(spectrum[near])) / 10 == pytest.approx(hz, rel=0.002)
    times, hz = crossings_hz(y)
    assert 1.3 < np.interp(0.004, times, hz) / 180.0 < 3.5
    straight = crossings_hz(Player(SNARE, snap=0.0, bend=0.0).note(0.02))[1]
    assert np.interp(0.004, times, hz) > 1.2 * straight[0]


@pytest.mark.parametrize("long_s", (0.15, 0.6))
def test_the_shells_decay_as_set(long_s):
    y = Player(SNARE, snap=0.0, decay_s=long_s, bend=0.0).note(long_s)
    for hz in (180.0, 180.0 * 1.47):
        assert t60_s(y, hz, 0.0, long_s) == pytest.approx(long_s, rel=0.03)


@pytest.mark.parametrize("long_s", (0.15, 0.6))
def test_the_noise_decays_as_set(long_s):
    found = decay_s(SNARE, 0.05, 0.02 + 0.8 * long_s, 64, snap=1.0, decay_s=0.04, snap_s=long_s)
    assert found == pytest.approx(long_s, rel=0.03)


def share_above(y, hz):
    power = np.abs(np.fft.rfft(y)) ** 2
    return power[np.fft.rfftfreq(len(y), 1 / 48000) > hz].sum() / power.sum()


def test_snap_tone_and_level_brighten():
    dull, bright = (share_above(Player(SNARE, snap=x).note(0.3), 1500) for x in (0.1, 0.9))
    assert dull < 0.15 and bright > 0.7
    low, high = (share_above(Player(SNARE, tone=x).note(0.3), 6000) for x in (0.0, 1.0))
    assert high > 3 * low
    soft, hard = (share_above(Player(SNARE).note(0.3, level=x), 1500) for x in (0.3, 1.0))
    assert hard > 1.2 * soft


def test_snare_matches_a_plain_loop():
    level, snap, tone, bend = 0.8, 0.4, 0.6, 1.5
    y = Player(SNARE, snap=snap, tone=tone, bend=bend).note(0.1, level=level)
    t = np.arange(len(y))
    step, times = step_of(180.0), bend * (0.6 + 0.4 * level)
    turns = bent_turns(t, step, times, 0.048)
    low = np.array([tanh_like(1.5 * x) for x in np.sin(math.tau * turns)])
    body = (0.75 * low + 0.35 * np.sin(math.tau * 1.47 * turns)) * fall(t, 0.19)
    first, second = Svf(1000, 1.2), Svf(3000 * 2 ** (2 * tone + 0.6 * level - 0.6), 1.2)
    rough = np.array([second(first(x)[0])[2] for x in white(1, 0, len(y))])
    rough *= fall(np.maximum(t - 0.015 * 48000, 0), 0.22)
    wanted = level * (0.42 * math.sqrt(1 - 0.9 * snap) * body
                      + (0.3 + 0.2 * level) * math.sqrt(snap) * rough)
    assert close_db(y, wanted) < -100
