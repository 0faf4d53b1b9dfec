"""Cowbell: its two notes, aliases, two slopes; equal to a plain loop. Thread: any."""
import numpy as np
import pytest

from synths.cowbell import COWBELL, RATIOS
from tests.synths.harness import Player, db, pitch_hz, t60_s
from tests.synths.reference import Svf, close_db, fall, squares, step_of


@pytest.mark.parametrize("hz", (261.6256, 392.0))
def test_rings_at_its_two_notes(hz):
    y = Player(COWBELL, decay_s=2.0).note(1.0, hz)[4800:]
    for note_hz in (540.0, 800.0):
        wanted = note_hz * hz / 261.6256
        assert pitch_hz(y, wanted) == pytest.approx(wanted, rel=0.001)


def test_falls_twice():
    y = Player(COWBELL, decay_s=1.0).note(1.0)
    assert t60_s(y, 540.0, 0.15, 0.9) == pytest.approx(1.0, rel=0.03)
    assert t60_s(y, 540.0, 0.0, 0.07) < 0.5


def test_does_not_fold_back():
    y = Player(COWBELL, decay_s=2.0).note(2.0)[9600:]
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 20)))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    near = np.zeros(len(line), bool)
    for hz in 540.0 * RATIOS:
        near |= np.abs(line - np.rint(line / hz) * hz) < 30
    assert db(spectrum[~near & (line < 16000)].max() / spectrum.max()) < -70


def test_cowbell_matches_a_plain_loop():
    level, tone = 0.8, 0.4
    y = Player(COWBELL, tone=tone).note(0.05, level=level)
    t, band = np.arange(len(y)), Svf(1300 * 2 ** (1.5 * tone), 0.9)
    x = 0.5 * squares(RATIOS, step_of(540.0), len(y))
    env = 0.36 * fall(t, 0.45) + (0.18 + 0.36 * level) * fall(t, 0.05)
    assert close_db(y, level * env * np.array([0.9 * band(u)[1] for u in x])) < -100
