"""Clap: bursts, band, tail; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.clap import CLAP
from tests.synths.harness import Player, decay_s
from tests.synths.reference import Svf, close_db, white


def test_clap_claps_three_times_then_fades():
    y = Player(CLAP, spread_s=0.0105, decay_s=0.3).note(0.3)
    level = np.convolve(y ** 2, np.ones(48), "same")
    for n in range(3):                                      # each onset rises well above its eve
        at = int(n * 0.0105 * 48000)
        before = level[max(at - 72, 0):max(at - 24, 1)].max() if n else 0.0
        assert level[at:at + 240].max() > 3 * before
    band = np.abs(np.fft.rfft(y)) ** 2
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    assert 700 < line[np.argmax(np.convolve(band, np.ones(60), "same"))] < 2000


@pytest.mark.parametrize("long_s", (0.15, 0.6))
def test_the_tail_falls_as_set(long_s):
    assert decay_s(CLAP, 0.05, 0.05 + 0.6 * long_s, 64, decay_s=long_s) == pytest.approx(
        long_s, rel=0.03)


@pytest.mark.parametrize("spread_s", (0.0105, 0.0041))
def test_clap_matches_a_plain_loop(spread_s):
    y = Player(CLAP, spread_s=spread_s).note(0.1)
    tone, body, spread = 0.45, 0.6, math.floor(spread_s * 48000)
    band, gain, bright = Svf(700 * 2 ** (1.5 * tone), 1.5 - 0.9 * body), 1.15 + 0.6 * body, 0.1
    env, age, left, air, wanted = 1.0, 0, 3, 0.0, np.zeros(len(y))
    for i, x in enumerate(white(1, 0, len(y))):
        if left and age >= spread:
            left, age = left - 1, 0
            env = 1.0 if left else 0.62
        x, age = x * env, age + 1
        env *= 0.001 ** (1 / 48000 / (0.034 if left else 0.28))
        air += 0.5 * (x - air)
        wanted[i] = gain * (band.k * band(x)[1] + (bright + 0.12 * tone) * (x - air))
    assert close_db(y, wanted) < -100
