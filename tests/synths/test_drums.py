"""What every drum promises: it sounds at the struck sample, repeats, ends, and is loud enough.

Thread: any.
"""
import numpy as np
import pytest

from synths.clap import CLAP
from synths.cowbell import COWBELL
from synths.cymbal import CRASH, RIDE
from synths.hat import HAT, HAT808
from synths.kick import KICK
from synths.kick808 import KICK808
from synths.maracas import MARACAS
from synths.rim import CLAVE, RIM
from synths.snare import SNARE
from synths.snare808 import SNARE808
from synths.tom import TOM
from synths.tom808 import CONGA, TOM808
from tests.synths.harness import Player, db

DRUMS = (KICK, SNARE, RIM, TOM, CLAP, HAT, RIDE, CRASH,
         KICK808, SNARE808, TOM808, CLAVE, HAT808, COWBELL, MARACAS)
each = pytest.mark.parametrize("drum", DRUMS, ids=lambda d: d.name)


def longest_s(drum):
    """The longest decay of the defaults, with the time that it is held."""
    defaults = {p.name: p.default for p in drum.params}
    return max(defaults["decay_s"], defaults.get("snap_s", 0.0)) + defaults.get("hold_s", 0.02)


@each
def test_sounds_at_the_struck_sample_repeats_and_ends_in_exact_silence(drum):
    one, two = Player(drum), Player(drum)
    y = one.note(2.1 * longest_s(drum) + 0.1)
    assert np.array_equal(y, two.note(len(y) / 48000))
    assert y[0] != 0.0
    assert not y[-1600:].any()


@each
def test_every_voice_sounds_at_its_sample_whatever_the_settings(drum):
    for params in ({p.name: p.low for p in drum.params}, {p.name: p.high for p in drum.params}):
        assert Player(drum, **params).note(0.01)[0] != 0.0


@each
def test_is_loud_and_softer_when_struck_softly(drum):
    y = Player(drum).note(0.5)
    assert 0.3 < np.abs(y).max() < 0.75
    assert -18 < db(np.abs(Player(drum).note(0.5, level=0.3)).max() / np.abs(y).max()) < -8


@each
def test_a_harder_strike_is_another_sound_not_only_louder(drum):
    hard, soft = Player(drum).note(0.1), Player(drum).note(0.1, level=0.4) / 0.4
    assert db(np.sqrt(np.mean((hard - soft) ** 2) / np.mean(hard ** 2))) > -40


@each
def test_energy_is_gone_after_six_time_constants(drum):
    power = np.cumsum(Player(drum).note(2 * longest_s(drum)) ** 2)
    gone = int(6 * longest_s(drum) / np.log(1000.0) * 48000)
    assert power[gone] > 0.95 * power[-1]


@pytest.mark.parametrize("drum", [d for d in DRUMS if d is not CLAVE], ids=lambda d: d.name)
def test_successive_hits_differ_and_renders_repeat(drum):
    one, two = Player(drum), Player(drum)
    hits = [player.note(0.1) for player in (one, one, two, two)]
    assert np.array_equal(hits[0], hits[2]) and np.array_equal(hits[1], hits[3])
    assert not np.array_equal(hits[0], hits[1])


@each
def test_is_as_long_and_as_loud_at_another_rate(drum):
    def heard(rate_hz):
        y = Player(drum, rate_hz=rate_hz).note(1.0)
        power = np.cumsum(y ** 2) / rate_hz
        return np.sqrt(power[-1]), np.searchsorted(power, 0.9 * power[-1]) / rate_hz
    (loud, long), (other, longer) = heard(48000), heard(96000)
    assert abs(db(other / loud)) < 3.5 and 0.7 < longer / long < 1.4


def test_the_conga_is_a_setting_of_the_tom():
    y = Player(TOM808, **CONGA).note(0.8)
    assert 0.3 < np.abs(y).max() < 0.75
