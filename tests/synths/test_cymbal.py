"""Ride and crash: bands, decays, stick, aliases; equal to plain loops. Thread: any."""
import numpy as np
import pytest

from synths.cymbal import CRASH, RATIOS, RIDE
from tests.synths.harness import Player, db, decay_s
from tests.synths.reference import Svf, close_db, fall, squares, step_of, white

both = pytest.mark.parametrize("cymbal", (RIDE, CRASH), ids=lambda c: c.name)
HEARD = {"ride": (0.62, 0.4, 1.0, 0.4, 0.05), "crash": (0.7, 0.24, 0.5, 1.0, 0.25)}


def shares(y, high_hz=5000):
    """Of the energy: below 500 Hz, above high_hz."""
    power = np.abs(np.fft.rfft(y)) ** 2
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    return power[line < 500].sum() / power.sum(), power[line > high_hz].sum() / power.sum()


@both
def test_is_metal_without_bass(cymbal):
    deep, high = shares(Player(cymbal).note(1.0))
    assert deep < 0.001 and high > 0.3
    assert shares(Player(cymbal, tone=1.0).note(1.0))[1] > high
    assert shares(Player(cymbal).note(1.0, level=0.3))[1] < high


def test_a_crash_washes_and_a_ride_rings():
    (_, ride), (_, crash) = (shares(Player(c, decay_s=4.0).note(1.0)) for c in (RIDE, CRASH))
    assert crash > 1.5 * ride
    early, late = (shares(Player(RIDE, decay_s=4.0).note(3.0)[a:a + 24000], 9000)[1]
                   for a in (2400, 96000))
    assert late < 0.6 * early


@both
def test_the_longer_band_decays_as_set(cymbal):
    found = decay_s(cymbal, 1.2, 2.4, 24, decay_s=2.0, metal=0.0, ping=0.0)
    assert found == pytest.approx(2.0, rel=0.03)


@both
def test_the_stick_is_heard_at_the_start_only(cymbal):
    with_, without = (Player(cymbal, ping=x).note(0.8) for x in (1.0, 0.0))
    ping = with_ - without
    assert np.abs(ping[:480]).max() > 0.1
    assert np.abs(ping[24000:]).max() < 1e-3


@both
def test_does_not_fold_back_into_the_bass(cymbal):
    y = Player(cymbal, tone=0.0, metal=1.0, tune_hz=555.0, decay_s=15.0).note(1.0)[4800:]
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 14)))
    assert db(spectrum[:270].max() / spectrum.max()) < -60


@both
def test_matches_a_plain_loop(cymbal):
    level, tone, metal, tune_hz, ping = 0.8, 0.6, 0.6, 400.0, 0.7
    y = Player(cymbal, tone=tone, metal=metal, tune_hz=tune_hz, ping=ping, decay_s=2.0).note(
        0.04, level=level)
    t = np.arange(len(y))
    x = (1 - metal) * white(1, 0, len(y))
    x += 0.21 * metal * squares(RATIOS, step_of(tune_hz), len(y))
    band, air = Svf(4800 * 2 ** (tone - 0.5), 0.5), Svf(7500 * 2 ** (tone - 0.5), 1.0)
    low, high = np.array([(0.5 * band(u)[1], air(u)[0]) for u in x]).T
    body_gain, air_gain, body_s, air_s, stick_s = HEARD[cymbal.name]
    hit = level ** 2 * 0.4 * ping * fall(t, stick_s)
    wanted = low * (level * body_gain * fall(t, 2.0 * body_s) + hit)
    wanted += high * (level * air_gain * (0.5 + 0.5 * level) * fall(t, 2.0 * air_s) + hit)
    assert close_db(y, wanted) < -100
