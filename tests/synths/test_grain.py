"""Grain: in tune, as many grains as asked, its colours, no aliases, a plain loop. Thread: any."""
import numpy as np
import pytest

from synths.grain import GRAIN, TABLE, WAVES
from tests.synths.harness import Player, aliasing_db, cents, db, pitch_hz
from tests.synths.reference import close_db, white


def centre_hz(y):
    power = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    return power @ np.fft.rfftfreq(len(y), 1 / 48000) / power.sum()


def envelope(y, hz):
    """The level of the fundamental, sample by sample."""
    size = int(2 * 48000 / hz)
    turned = y * np.exp(-2j * np.pi * hz * np.arange(len(y)) / 48000)
    return np.abs(np.convolve(turned, np.hanning(size), "same"))


@pytest.mark.parametrize("hz", (41.2, 110.0, 440.0, 1760.0, 4186.0))
@pytest.mark.parametrize("density_hz", (5.0, 60.0))
def test_in_tune(hz, density_hz):
    y = Player(GRAIN, density_hz=density_hz, spread=0.0).note(3.0, hz)[24000:]
    assert abs(cents(pitch_hz(y, hz), hz)) < 0.1


@pytest.mark.parametrize("density_hz, size_ms", ((7.0, 60.0), (20.0, 30.0), (11.0, 25.0)))
def test_as_many_grains_as_asked_and_as_long(density_hz, size_ms):
    player = Player(GRAIN, density_hz=density_hz, size_ms=size_ms, attack_s=0.001, spread=0.0)
    loud = envelope(player.note(2.0, 880.0), 880.0)
    heard = loud > 0.5 * loud.max()
    starts = np.flatnonzero(np.diff(heard.astype(int)) > 0)
    assert np.diff(starts) / 48000 == pytest.approx(1 / density_hz, abs=1e-4)
    assert heard.sum() / len(starts) / 48 == pytest.approx(0.5 * size_ms, rel=0.06)


def test_many_grains_are_steady_and_few_are_not():
    def swing_db(density_hz):
        loud = envelope(Player(GRAIN, density_hz=density_hz, size_ms=100.0, spread=0.0,
                               attack_s=0.001).note(1.0, 440.0), 440.0)[12000:-4800]
        return db(loud.max() / max(loud.min(), 1e-9))
    assert swing_db(40.0) < 0.05 and swing_db(5.0) > 60


def test_position_brightens_and_spread_makes_the_colour_wander():
    dark, middle, bright = (centre_hz(Player(GRAIN, position=x, spread=0.0).note(1.0, 110.0))
                            for x in (0.0, 0.5, 1.0))
    assert dark * 1.5 < middle and middle * 1.5 < bright

    def wander(spread):
        y = Player(GRAIN, density_hz=10.0, position=0.5, spread=spread).note(3.0, 220.0)[9600:]
        return np.std([centre_hz(part) for part in y[:24 * 4800].reshape(24, 4800)])
    assert wander(0.0) < 5 and wander(1.0) > 100


@pytest.mark.parametrize("hz", (110.3, 443.0, 689.3, 1377.7, 2755.0))
def test_no_aliases(hz):
    y = Player(GRAIN, density_hz=50.0, size_ms=200.0, position=1.0, spread=0.0,
               attack_s=0.001).note(1.5, hz)[24000:]
    assert aliasing_db(y, hz) < -80


def test_it_rises_in_attack_and_falls_in_release_to_exact_silence():
    player = Player(GRAIN, attack_s=0.5, release_s=0.3, density_hz=100.0, spread=0.0)
    loud = envelope(player.note(1.0, 880.0), 880.0)
    assert loud[12000] / loud[36000] == pytest.approx(0.5, abs=0.02)
    player.release()
    y = player.play(1.0)[:, 0].astype(float)
    loud = envelope(y, 880.0)
    assert db(loud[9600] / loud[2400]) == pytest.approx(-60 * 0.15 / 0.3, abs=0.5)
    assert not y[-9600:].any()


@pytest.mark.parametrize("hz", (345.0, 690.0, 1380.0))
def test_fewer_partials_are_faded_to(hz):
    """Where the table's level changes, the quantum begins as it would have without."""
    y = []
    for factor in (0.999, 1.001):
        player = Player(GRAIN, position=1.0, spread=0.0)
        player.note(0.5, 0.999 * hz)
        player.pitch_hz[0] = factor * hz
        y.append(player.play(32 / 48000)[:, 0])
    assert abs(y[0][0] - y[1][0]) < 1e-6 and abs(y[0][31] - y[1][31]) > 1e-3


def test_two_first_strikes_are_equal_and_the_next_is_not():
    one, two = Player(GRAIN), Player(GRAIN)
    assert np.array_equal(one.note(0.3), two.note(0.3))
    assert not np.array_equal(one.note(0.3), Player(GRAIN).note(0.3))


def test_lanes_match_a_plain_loop():
    hz, density_hz, size_ms, position, spread = 220.0, 37.0, 80.0, 0.4, 0.8
    y = Player(GRAIN, density_hz=density_hz, size_ms=size_ms, position=position, spread=spread,
               attack_s=0.001).note(0.4, hz, 0.7)
    table, size = TABLE.reshape(7, -1, WAVES).astype(float)[0], 0.001 * size_ms * 48000
    edges, wanted = np.arange(0, len(y) + 1, 32), np.zeros(len(y))
    weights = np.zeros((len(edges), WAVES))
    for n in range(int(0.4 * density_hz) + 1):
        t = (edges - n * 48000 / density_hz) / size
        window = np.where((t > 0) & (t < 1), np.sin(np.pi * t) ** 2, 0)
        where = 15 * np.clip(position + 0.5 * spread * white(1, n, 1)[0], 0, 1)
        weights += window[:, None] * np.maximum(1 - np.abs(np.arange(WAVES) - where), 0)
    weights *= 0.7 * min(1, 2000 / density_hz / size_ms) * np.minimum(edges / 48, 1)[:, None]
    for i in range(len(y)):
        x = float(np.float32(hz) * np.float32(1 / 48000)) * i % 1 * 512
        k, x = int(x), x % 1
        a, b, c = x + 1, x - 1, x - 2
        wave = (-x * b * c / 6 * table[k] + a * b * c / 2 * table[k + 1]
                - a * x * c / 2 * table[k + 2] + a * x * b / 6 * table[k + 3])
        q, late = i // 32, i % 32 / 32
        wanted[i] = wave @ (weights[q] + late * (weights[q + 1] - weights[q]))
    assert close_db(y, wanted) < -100
