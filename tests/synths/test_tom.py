"""Tom: pitch track, transposition, decay, skin; equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.tom import TOM
from tests.synths.harness import Player, crossings_hz, t60_s
from tests.synths.reference import bent_turns, close_db, fall, step_of, white


@pytest.mark.parametrize("hz", (261.6256, 349.2282, 523.2511))
def test_falls_to_its_pitch_low_mid_and_high(hz):
    note_hz = 100.0 * hz / 261.6256
    times, track = crossings_hz(Player(TOM, tone=0.0, decay_s=2.0, bend=1.0).note(0.8, hz))
    early, late = np.interp(0.005, times, track), np.interp(0.1, times, track)
    assert 1.5 < np.interp(0.005, times, track) / note_hz < 2.1
    assert early > late
    assert (np.diff(track[times < 0.5]) < 0.05).all()
    assert track[times > 0.6].mean() == pytest.approx(note_hz, rel=0.002)


def test_a_deep_bend_meets_the_bass_drums_pitch_track():
    times, track = crossings_hz(Player(TOM, tone=0.0, bend=2.0, sweep_s=0.15).note(0.3))
    assert 1.5 < np.interp(0.005, times, track) / np.interp(0.1, times, track) < 4.5


@pytest.mark.parametrize("long_s", (0.3, 1.5))
def test_decays_as_set(long_s):
    y = Player(TOM, tone=0.0, decay_s=long_s, bend=0.0).note(long_s)
    assert t60_s(y, 100.0, 0.0, long_s) == pytest.approx(long_s, rel=0.03)


def test_tone_and_level_bring_the_octave_and_the_skin():
    def above(level=1.0, **params):
        power = np.abs(np.fft.rfft(Player(TOM, bend=0.0, **params).note(0.5, level=level))) ** 2
        return power[80:].sum() / power.sum()               # above 160 Hz
    assert above(tone=1.0) > 5 * above(tone=0.0)
    assert above(tone=1.0) > above(tone=1.0, level=0.3)
    bent, straight = (crossings_hz(Player(TOM, tone=0.0).note(0.05, level=x))[1][0]
                      for x in (1.0, 0.3))
    assert bent > 1.05 * straight


def test_tom_matches_a_plain_loop():
    level, tone, bend = 0.8, 0.6, 0.9
    y = Player(TOM, tone=tone, bend=bend).note(0.1, level=level)
    t, dull, skin = np.arange(len(y)), 0.0, np.zeros(len(y))
    share = 1 - 2 ** (-9.0647 * 700 * 2 ** (1.5 * tone + level) / 48000)
    for i, x in enumerate(white(1, 0, len(y))):
        dull += share * (x - dull)
        skin[i] = dull
    turns = math.tau * bent_turns(t, step_of(100.0), bend * (0.5 + 0.5 * level), 0.3)
    wanted = np.sin(turns) * 0.52 + 0.3 * tone * np.sin(2 * turns) * fall(t, 0.12)
    wanted = level * wanted * fall(t, 0.7) + 0.4 * level ** 2 * tone * skin * fall(t, 0.12)
    assert close_db(y, wanted) < -100
