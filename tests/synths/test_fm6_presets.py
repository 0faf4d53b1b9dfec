"""FM6's own sounds: complete, in tune, within one, and each what its name says. Thread: any."""
import numpy as np
import pytest

from engine.parts import Part
from engine.sounds import sounds
from engine.table import Table
from synths import fm6_presets
from synths.fm6 import FM6
from synths.fm6_presets import PRESETS
from tests.synths.harness import Player, cents, db, pitch_hz

ROWS = {p.name: p for p in FM6.params}
STRUCK = {"electric_piano", "bell", "marimba", "pluck", "log_drum", "clav", "harp"}
SLOW = {"strings": 0.1, "glass": 0.02, "brass": 0.02}        # s to half of the peak, at least
each = pytest.mark.parametrize("name", PRESETS)


LATE = {"strings": 24000, "brass": 9600}                   # samples until they are open


def rms_db(y):
    return db(np.sqrt(np.mean(y ** 2)))


def centre(y, hz):
    """The spectrum's centre of gravity in multiples of hz."""
    power = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    return power @ np.fft.rfftfreq(len(y), 1 / 48000) / power.sum() / hz


def test_there_are_a_dozen_and_none_is_mistaken_for_a_sound():
    assert len(PRESETS) == 12
    assert [thing.name for thing in sounds().values() if "fm6" in thing.name] == ["fm6"]
    assert fm6_presets.BELL is PRESETS["bell"]


@each
def test_a_preset_holds_every_parameter_in_its_range(name):
    assert set(ROWS) - set(PRESETS[name]) == {"bright_db", "speed", "touch"}
    for parameter, value in PRESETS[name].items():
        ROWS[parameter].check(value, name)
    table = Table({"keys": Part(FM6, preset=PRESETS[name], bright_db=-3.0)})
    assert table.registry.values[table.registry.index["keys.bright_db"]] == -3.0


@each
def test_a_preset_is_loud_within_one_and_as_loud_as_the_others(name):
    for hz in (65.4064, 130.8128, 261.6256, 523.2511):
        player = Player(FM6, **PRESETS[name])
        y = player.note(1.0, hz)
        assert 0.3 < np.abs(y).max() < 0.85
        loudest = max(rms_db(y[i:i + 9600]) for i in range(0, 38400, 4800))
        assert -24 < loudest < -8
        player.release()
        assert not player.play(8.0)[-48000:].any()          # it ends


@each
def test_a_preset_is_in_tune(name):
    y = Player(FM6, **PRESETS[name]).note(3.0, 261.6256)[4800:]
    assert abs(cents(pitch_hz(y, 261.6256), 261.6256)) < 8


@pytest.mark.slow
@each
def test_a_struck_one_dies_away_and_a_held_one_holds(name):
    player = Player(FM6, **PRESETS[name])
    y = player.note(6.0)
    early = max(rms_db(y[i:i + 24000]) for i in range(0, 48000, 12000))
    fallen = early - rms_db(y[-48000:])
    assert fallen > 15 if name in STRUCK else fallen < 10
    if name in STRUCK:
        assert not np.abs(player.play(60.0)[-4800:]).max() > 1e-4


@each
def test_a_slow_one_swells_and_the_others_are_there_at_once(name):
    y = np.abs(Player(FM6, **PRESETS[name]).note(1.0))
    half = np.flatnonzero(y > y.max() / 2)[0] / 48000
    assert half > SLOW[name] if name in SLOW else half < 0.02


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"organ"}))
def test_a_harder_strike_is_brighter(name):
    count = LATE.get(name, 2400)
    hard, soft = (centre(Player(FM6, **PRESETS[name]).note(0.5, 110.0, level)[:count], 110.0)
                  for level in (1.0, 0.25))
    assert hard > 1.02 * soft


def test_partials_of_organ_and_bell():
    y = Player(FM6, **PRESETS["organ"]).note(1.2, 220.0)[9600:]
    line = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18)))
    level = [db(line[int(round(220 * n * len(y) / 48000)) + np.arange(-9, 10)].max())
             for n in (0.5, 1, 1.5, 2, 4, 1.25)]
    assert max(level[:5]) - min(level[:5]) < 16 and level[5] < level[1] - 60
    bell = Player(FM6, **PRESETS["bell"]).note(1.0, 220.0)
    assert centre(bell[:4800], 220.0) > 3                    # inharmonic lines far above


def test_no_two_are_alike():
    spectra = {}
    for name in PRESETS:
        y = Player(FM6, **PRESETS[name]).note(0.5, 130.8128)[:24000]
        frames = np.abs(np.fft.rfft(y.reshape(10, 2400)))
        spectra[name] = frames / np.linalg.norm(frames)
    names = list(spectra)
    for i, one in enumerate(names):
        for other in names[:i]:
            assert np.sum(spectra[one] * spectra[other]) < 0.99, (one, other)
