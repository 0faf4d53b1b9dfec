"""Tom 808: note, bend, decay, room; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.tom808 import CONGA, TOM808
from tests.synths.harness import Player, crossings_hz, db, t60_s
from tests.synths.reference import close_db, fall, step_of, white


@pytest.mark.parametrize("hz", (261.6256, 523.2511))
def test_falls_to_its_note(hz):
    y = Player(TOM808, tone=0.0, decay_s=3.0, bend=1.0).note(2.5, hz)
    _, half = crossings_hz(y)
    track = 2 / (1 / half[1:] + 1 / half[:-1])              # of whole waves: halves differ
    assert (np.diff(track) < 0.05).all()
    assert track[0] > 1.05 * track[-1]
    assert track[-5:].mean() == pytest.approx(100.0 * hz / 261.6256, rel=0.005)


@pytest.mark.parametrize("long_s", (0.3, 1.5))
def test_decays_as_set(long_s):
    y = Player(TOM808, tone=0.0, decay_s=long_s, bend=0.0).note(long_s)
    assert t60_s(y, 100.0, 0.005, long_s) == pytest.approx(long_s, rel=0.03)


def test_the_conga_is_higher_shorter_and_dry():
    y = Player(TOM808, **CONGA).note(0.3)
    _, hz = crossings_hz(y[2400:9600])
    assert np.median(hz) == pytest.approx(210.0, rel=0.03)
    power = np.abs(np.fft.rfft(y)) ** 2
    assert power[450:].sum() < 1e-3 * power.sum()           # above 1.5 kHz


def test_a_hard_strike_has_more_room():
    def room(level):
        with_, without = (Player(TOM808, tone=x).note(0.2, level=level) for x in (1.0, 0.0))
        return db(np.std(with_ - without) / np.std(without))
    assert -36 < room(0.3) < room(1.0) - 6 < -10


def test_tom808_matches_a_plain_loop():
    level, bend, tone, f32 = 0.8, 0.6, 0.7, np.float32
    y = Player(TOM808, bend=bend, tone=tone).note(0.1, level=level)
    angle, damp = math.tau * float(step_of(100.0)), float(f32(4) * f32(1 / 48000) / f32(0.001))
    share, state, dull = 1 - 2 ** (-9.0647 * 600 * 2 ** level / 48000), 0j, 0.0
    wanted = np.zeros(len(y))
    for i, x in enumerate(white(1, 0, len(y))):
        state *= np.exp(1j * angle * (1 + bend * max(state.real, 0)))
        state *= 1 - damp if i < 48 else 0.001 ** (1 / 48000 / 0.6)
        state += level * damp / (1 - math.exp(-4)) if i < 48 else 0
        dull += share * (x - dull)
        wanted[i] = 0.58 * state.real + level ** 2 * 0.5 * tone * fall(i, 0.25) * dull
    assert close_db(y, wanted) < -100
