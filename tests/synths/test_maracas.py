"""Maracas: swell, decay, brightness; equal to a plain loop. Thread: any."""
import numpy as np
import pytest

from synths.maracas import MARACAS
from tests.synths.harness import Player, decay_s
from tests.synths.reference import Svf, close_db, fall, white


def test_swells_before_it_falls():
    player, power = Player(MARACAS, attack_s=0.03, decay_s=0.6), 0.0
    for _ in range(64):
        power = power + player.note(0.3) ** 2
    level = np.convolve(power, np.ones(96), "valid")
    assert 0.02 < np.argmax(level) / 48000 < 0.04
    assert level[240] < 0.1 * level.max()


def test_decays_as_set():
    assert decay_s(MARACAS, 0.05, 0.25, 64, decay_s=0.3) == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("tone", (0.0, 0.5, 1.0))
def test_is_high_and_higher_when_shaken_hard(tone):
    def centre_hz(level):
        power = np.abs(np.fft.rfft(Player(MARACAS, tone=tone).note(0.2, level=level))) ** 2
        line = np.fft.rfftfreq(9600, 1 / 48000)
        assert power[line > 3000].sum() > 0.85 * power.sum()
        return (power * line).sum() / power.sum()
    assert centre_hz(1.0) > 1.02 * centre_hz(0.3)


def test_maracas_match_a_plain_loop():
    level, tone = 0.8, 0.3
    y = Player(MARACAS, tone=tone).note(0.06, level=level)
    t, high = np.arange(len(y)), Svf(4000 * 2 ** (1.17 * tone + 0.4 * level - 0.4), 0.9)
    swell = np.minimum((t + 1) / 48000 / (0.012 * (1.5 - 0.5 * level)), 1)
    rough = np.array([high(x)[0] for x in white(1, 0, len(y))])
    assert close_db(y, level * (0.6 + 0.12 * tone) * rough * swell * fall(t, 0.08)) < -100
