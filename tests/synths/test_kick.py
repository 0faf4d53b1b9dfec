"""Kick: pitch track, decay, click; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest
from scipy.signal import hilbert

from synths.kick import KICK
from tests.synths.harness import Player, crossings_hz, db
from tests.synths.reference import bent_turns, close_db, fall, step_of, tanh_like, white


def test_kick_falls_to_its_pitch():
    y = Player(KICK, click=0.0, tune_hz=50.0, decay_s=2.0).note(0.6)
    times, hz = crossings_hz(y)
    early, late = np.interp(0.005, times, hz), np.interp(0.1, times, hz)
    assert 1.5 < early / late < 4.5
    assert (np.diff(hz[times < 0.3]) < 0.05).all()
    assert hz[(times > 0.4)].mean() == pytest.approx(50.0, rel=0.002)


def test_kick_transposes_around_middle_c():
    _, hz = crossings_hz(Player(KICK, click=0.0, tune_hz=50.0, decay_s=2.0).note(0.6, 523.2511))
    assert hz[-5:].mean() == pytest.approx(100.0, rel=0.002)


def test_kick_decays_as_set_and_is_mostly_low():
    y = Player(KICK, click=0.0, drive=0.0, decay_s=0.8, hold_s=0.0).note(0.8)
    level = db(np.abs(hilbert(y)))[9600:28800]
    slope = np.polyfit(np.arange(len(level)) / 48000, level, 1)[0]
    assert -60 / slope == pytest.approx(0.8, rel=0.03)
    power = np.abs(np.fft.rfft(Player(KICK).note(0.5))) ** 2
    assert power[:50].sum() > 0.7 * power.sum()             # below 100 Hz


def test_click_adds_treble_and_only_at_the_start():
    with_, without = Player(KICK, click=1.0).note(0.3), Player(KICK, click=0.0).note(0.3)
    click = with_ - without
    assert np.abs(click[:240]).max() > 0.05
    assert np.abs(click[960:]).max() < 1e-3


def test_kick_matches_a_plain_loop():
    t = np.arange(9600)
    y = Player(KICK, tune_hz=50.0).note(0.2, level=0.9)
    defaults = {p.name: p.default for p in KICK.params}
    turns = bent_turns(t, step_of(50.0), defaults["pitch"] * (0.7 + 0.3 * 0.9),
                       defaults["sweep_s"])
    env = fall(np.maximum(t - defaults["hold_s"] * 48000, 0), defaults["decay_s"])
    push = 0.6 + 2.4 * defaults["drive"]
    body = np.array([tanh_like(x) for x in push * np.sin(math.tau * turns)]) * env
    hiss = 0.81 * defaults["click"] * 0.16 * fall(t, 0.014)
    rough = white(1, 0, 9602)
    wanted = np.minimum((t + 1) / 8, 1) * (
        body * 0.9 * 0.46 / tanh_like(push) + (rough[:-2] - rough[2:]) * hiss)
    assert close_db(y, wanted) < -100
