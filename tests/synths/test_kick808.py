"""Kick 808: note, fall, length, its own bend; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.kick808 import KICK808
from tests.synths.harness import Player, crossings_hz, db
from tests.synths.reference import close_db, fall, step_of, white

PLAIN = dict(tone=0.0, decay_s=4.0)


def test_falls_to_its_note_and_stays():
    times, half = crossings_hz(Player(KICK808, **PLAIN, tune_hz=50.0).note(4.0))
    hz = 2 / (1 / half[1:] + 1 / half[:-1])                 # of whole waves: halves differ
    assert (np.diff(hz) < 0.02).all()
    assert hz[0] > 1.08 * hz[-1]
    assert hz[times[1:] > 2.5].mean() == pytest.approx(50.0, rel=0.005)


def test_its_own_output_bends_it_more_when_struck_hard():
    def first_hz(level, punch):
        return crossings_hz(Player(KICK808, **PLAIN, punch=punch, attack=0.0).note(
            0.1, level=level))[1][1:3].mean()
    assert first_hz(1.0, 1.0) > 1.03 * first_hz(0.4, 1.0)
    assert first_hz(1.0, 0.0) == pytest.approx(first_hz(0.4, 0.0), rel=1e-3)


@pytest.mark.parametrize("long_s", (0.6, 4.0))
@pytest.mark.parametrize("punch", (0.0, 1.0))
def test_decays_as_set_whatever_bends_it(long_s, punch):
    y = Player(KICK808, tone=0.0, decay_s=long_s, punch=punch).note(long_s)
    peaks = np.array([np.abs(y[i:i + 2000]).max() for i in range(2000, len(y) - 2000, 2000)])
    slope = np.polyfit(np.arange(len(peaks)) / 24, db(peaks), 1)[0]
    assert -60 / slope == pytest.approx(long_s, rel=0.03)


def test_is_all_bass_and_the_beater_adds_treble_at_the_start():
    power = np.abs(np.fft.rfft(Player(KICK808).note(1.0))) ** 2
    assert power[:100].sum() > 0.95 * power.sum()
    click = Player(KICK808, tone=1.0).note(0.2) - Player(KICK808, tone=0.0).note(0.2)
    assert np.abs(click[:240]).max() > 0.05 and np.abs(click[960:]).max() < 1e-3


@pytest.mark.parametrize("later_s", np.arange(0.2, 0.221, 0.0027))
def test_a_strike_on_a_sounding_ring_neither_adds_up_nor_cancels(later_s):
    player = Player(KICK808, **PLAIN)
    player.note(later_s)
    player.run(0, 0, 0, 0, 261.6256, 1.0)                   # struck in place, as the rig does
    again = np.abs(player.play(0.1)[480:, 0]).max()
    assert again == pytest.approx(np.abs(Player(KICK808, **PLAIN).note(0.1)[480:]).max(), rel=0.05)


@pytest.mark.parametrize("rate_hz", (44100, 48000, 96000))
def test_kick808_matches_a_plain_loop(rate_hz):
    level, punch, attack, tone, f32 = 0.8, 0.6, 0.7, 0.5, np.float32
    y = Player(KICK808, rate_hz=rate_hz, punch=punch, attack=attack, tone=tone).note(
        0.1, level=level)
    t = np.arange(len(y))
    angles = math.tau * float(step_of(48.0, rate_hz)) * (1 + 1.5 * attack * fall(t, 0.018, rate_hz))
    damp = float(f32(4) * f32(1 / rate_hz) / f32(0.001))
    state, out = 0j, np.zeros(len(y))
    for i in t:
        struck = i < round(rate_hz / 1000)
        state *= np.exp(1j * angles[i] * (1 + punch * max(state.real, 0)))
        state *= 1 - damp if struck else 0.001 ** (1 / rate_hz / 1.6)
        state += level * damp / (1 - math.exp(-4)) if struck else 0
        out[i] = state.real
    rough = white(1, 0, len(y) + 1)
    click = (rough[:-1] + rough[1:]) * np.minimum((t + 1) / 16, 1) * fall(t, 0.008, rate_hz)
    assert close_db(y, 0.6 * out + level ** 2 * tone * 0.25 * click) < -100
