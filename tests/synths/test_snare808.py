"""Snare 808: two shells at their notes, decays, balance; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.snare808 import SNARE808
from tests.synths.harness import Player, decay_s, pitch_hz, t60_s
from tests.synths.reference import Svf, close_db, fall, step_of, white


def test_two_shells_ring_at_their_notes_and_decay_as_set():
    y = Player(SNARE808, snap=0.0, decay_s=1.0, tone=0.5, tune_hz=180.0).note(1.0)
    assert pitch_hz(y[2400:], 180.0) == pytest.approx(180.0, rel=0.002)
    assert pitch_hz(y[2400:], 329.9) == pytest.approx(329.9, rel=0.002)
    assert t60_s(y, 180.0, 0.05, 0.8) == pytest.approx(1.0, rel=0.03)
    assert t60_s(y, 329.94, 0.05, 0.5) == pytest.approx(1.0 / 1.6, rel=0.03)


@pytest.mark.parametrize("long_s", (0.15, 0.6))
def test_the_noise_decays_as_set(long_s):
    found = decay_s(SNARE808, 0.06, 0.8 * long_s, 64, snap=1.0, decay_s=0.05, snap_s=long_s)
    assert found == pytest.approx(long_s, rel=0.03)


def lines(**params):
    level = params.pop("level", 1.0)
    power = np.abs(np.fft.rfft(Player(SNARE808, **params).note(0.5, level=level))) ** 2
    return power[70:120].sum(), power[145:185].sum(), power[750:].sum()     # 2 Hz a line


def test_tone_balances_the_shells_and_level_opens():
    low, high, _ = lines(tone=0.0)
    assert low > 20 * high
    low, high, _ = lines(tone=1.0)
    assert high > 2 * low
    soft, hard = lines(level=0.3), lines(level=1.0)
    assert hard[2] / hard[0] > 1.3 * soft[2] / soft[0]
    assert hard[1] / hard[0] > 1.3 * soft[1] / soft[0]


def test_snare808_matches_a_plain_loop():
    level, snap, tone = 0.8, 0.4, 0.6
    y = Player(SNARE808, snap=snap, tone=tone).note(0.1, level=level)
    t, high = np.arange(len(y)), Svf(2600 * 2 ** (-0.5 * level), 1.2)
    turns = math.tau * float(step_of(182.0)) * (t + 1)
    shells = (1 - 0.8 * tone) * np.sin(turns) * fall(t, 0.26)
    shells += (0.2 + 0.8 * tone) * (0.5 + 0.5 * level) * np.sin(1.833 * turns) * fall(t, 0.26 / 1.6)
    rough = np.array([high(x)[0] for x in white(1, 0, len(y))]) * fall(t, 0.3)
    wanted = level * (0.48 * math.sqrt(1 - 0.9 * snap) * shells
                      + (0.18 + 0.18 * level) * math.sqrt(snap) * rough)
    assert close_db(y, wanted) < -100
