"""Rim and clave: their notes, decay, aliases; equal to plain loops. Thread: any."""
import math

import numpy as np
import pytest

from synths.rim import CLAVE, RIM
from tests.synths.harness import Player, db, pitch_hz, t60_s
from tests.synths.reference import close_db, fall, step_of, tanh_like, white


def test_the_rim_has_two_notes():
    y = Player(RIM, decay_s=0.4, drive=0.0).note(0.4)[960:]
    assert pitch_hz(y, 455.0) == pytest.approx(455.0, rel=0.003)
    assert pitch_hz(y, 1667.0) == pytest.approx(455.0 * 3.664, rel=0.003)


@pytest.mark.parametrize("drive", (0.0, 1.0))
def test_the_rim_decays_as_set_also_when_driven(drive):
    y = Player(RIM, decay_s=0.4, drive=drive).note(0.4)
    assert t60_s(y, 455.0, 0.03, 0.35) == pytest.approx(0.4, rel=0.03)
    assert t60_s(y, 455.0 * 3.664, 0.03, 0.35) == pytest.approx(0.4, rel=0.03)


def test_the_clave_is_a_short_note():
    y = Player(CLAVE, decay_s=0.3).note(0.3)
    assert pitch_hz(y[2400:], 2500.0) == pytest.approx(2500.0, rel=0.001)
    assert t60_s(y, 2500.0, 0.08, 0.28) == pytest.approx(0.3, rel=0.03)


def folded_db(voice, top_hz, seconds=0.4, start_s=0.02, **params):
    """What the spectrum below top_hz differs from that at four times the rate, against its peak."""
    found = []
    for times in (1, 4):
        y = Player(voice, rate_hz=times * 48000, **params).note(seconds)
        y = y[int(start_s * 48000) * times:int(seconds * 48000) * times]
        spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 14))) / times
        found.append(spectrum[:int(top_hz * (seconds - start_s))])
    return db(np.abs(found[0] - found[1]).max() / found[1].max())


def test_a_driven_rim_does_not_fold_back():
    assert folded_db(RIM, 16000.0, decay_s=0.4, drive=1.0, tune_hz=682.5) < -60


def test_drive_and_level_add_overtones():
    def above(y):
        power = np.abs(np.fft.rfft(y[240:] * np.hanning(len(y) - 240))) ** 2
        return power[int(2500 * (len(y) - 240) / 48000):].sum() / power.sum()
    clean, driven = (above(Player(RIM, drive=x).note(0.1)) for x in (0.0, 1.0))
    assert driven > 3 * clean
    assert above(Player(RIM).note(0.1)) > 1.5 * above(Player(RIM).note(0.1, level=0.3))


def test_rim_matches_a_plain_loop():
    level, tone, drive = 0.8, 0.6, 0.7
    y = Player(RIM, tone=tone, drive=drive).note(0.06, level=level)
    t = np.arange(len(y))
    turns = math.tau * float(step_of(455.0)) * (t + 1)
    push = (0.6 + 2 * drive) * (0.5 + 0.5 * level)
    body = push * (1 - 0.75 * tone) * np.sin(turns)
    body += push * (0.4 + 0.6 * tone) * (0.6 + 0.4 * level) * np.sin(3.664 * turns)
    loud, rough = 0.42 * level / (0.55 + 0.35 * drive), white(1, 0, len(y) + 1)
    wanted = loud * np.array([tanh_like(x) for x in body]) * fall(t, 0.06)
    wanted += 0.25 * level ** 2 * (rough[:-1] - rough[1:]) * fall(t, 0.006)
    assert close_db(y, wanted) < -100


def test_clave_matches_a_plain_loop():
    level, tone = 0.8, 0.6
    y = Player(CLAVE, tone=tone).note(0.04, level=level)
    t = np.arange(len(y))
    turns = math.tau * float(step_of(2500.0)) * (t + 1)
    wanted = 0.5 * level * np.sin(turns) * fall(t, 0.09)
    wanted += level * (0.1 + 0.35 * level) * tone * np.sin(0.437 * turns) * fall(t, 0.09 / 4)
    assert close_db(y, wanted) < -100
