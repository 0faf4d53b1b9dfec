"""Pad: no saw folds back, the envelope's times, equal to a plain loop. Thread: any."""
import math

import numpy as np
import pytest

from synths.pad import LOUDS, PAD, PLACES
from tests.synths.harness import Player, aliasing_db, cents, db, pitch_hz
from tests.synths.reference import Halve, close_db, saw, white

SHARP = dict(detune_cents=0.0, cutoff_hz=12000.0, attack_s=0.005)


@pytest.mark.parametrize("hz", (1046.5, 2093.0, 4186.0))
def test_saws_do_not_fold_back(hz):
    assert aliasing_db(Player(PAD, **SHARP).note(1.2, hz)[9600:], hz) < -80


@pytest.mark.parametrize("hz", (55.0, 220.0, 880.0))
def test_in_tune(hz):
    y = Player(PAD, **SHARP).note(2.0, hz)[4800:]
    assert abs(cents(pitch_hz(y, hz), hz)) < 1


def test_detune_spreads_over_its_cents():
    y = Player(PAD, detune_cents=50.0, attack_s=0.005).note(4.0, 440.0)[9600:]
    spectrum = np.abs(np.fft.rfft(y * np.blackman(len(y))))
    line = np.arange(len(spectrum)) * 48000 / len(y)
    inside = np.abs(1200 * np.log2(np.maximum(line, 1) / 440.0)) < 100
    strong = line[inside & (spectrum > 0.2 * spectrum[inside].max())]
    assert cents(strong.min(), 440.0) == pytest.approx(-50, abs=2)
    assert cents(strong.max(), 440.0) == pytest.approx(50, abs=2)


def test_thin_takes_the_fundamental_down():
    levels = []
    for thin in (0.0, 1.0):
        y = Player(PAD, **SHARP, thin=thin).note(2.0, 300.0)[48000:]
        spectrum = db(np.fft.rfft(y * np.blackman(len(y))))
        levels.append(spectrum[[300, 600, 1500, 3000]])
    away = 1 + (300 / np.array((300, 600, 1500, 3000))) ** 2
    assert np.abs(levels[1] - levels[0] + 10 * np.log10(away)).max() < 0.2


def envelope(player, seconds):
    return np.array([player.runs["env"][0] for _ in range(int(seconds * 1500))
                     if player.play(32 / 48000) is not None])


def test_attack_and_release_take_their_times():
    player = Player(PAD, attack_s=0.3, release_s=0.6)
    player.strike()
    env = envelope(player, 2.0)
    assert env[int(0.3 * 1500) - 1] == pytest.approx(0.95, abs=0.003)
    player.release()
    env = envelope(player, 1.5) / env[-1]
    assert db(env[int(0.3 * 1500) - 1]) == pytest.approx(-30, abs=0.2)
    assert env[-1] == 0 and not player.play(0.05).any()


def test_no_click_at_either_end():
    player = Player(PAD, attack_s=0.02, release_s=0.05, cutoff_hz=600.0)
    y = np.concatenate((player.note(0.5, 110.0), (player.release(), player.play(0.2)[:, 0])[1]))
    bends = np.abs(np.diff(y, 2))
    assert bends.max() < 1.5 * bends[12000:24000].max()


def test_each_strike_has_its_own_phases_and_each_render_the_same():
    one, two = Player(PAD), Player(PAD)
    first = one.note(0.05)
    assert np.array_equal(first, two.note(0.05))
    assert not np.array_equal(first, one.note(0.05))


def test_lanes_match_a_plain_loop():
    f32, count = np.float32, 2400
    hz, cutoff_hz, resonance, attack_s, detune = 220.0, 900.0, 0.4, 0.02, 20.0
    y = Player(PAD, cutoff_hz=cutoff_hz, resonance=resonance, attack_s=attack_s,
               detune_cents=detune).note(count / 48000, hz, 0.7)
    turns = 0.5 + 0.5 * white(1, 0, 16)[:7]
    steps = hz * 2.0 ** (detune * PLACES.astype(float) / 1200) / 96000
    g, k = math.tan(math.pi * cutoff_hz / 96000), 1.5 - 1.3 * resonance
    made_up = min(k / 1.305, 1) ** 0.5
    rise, halve = 1 - 0.001 ** (32 / 48000 / (attack_s * 2.3059)), Halve()
    env, low, band, deep, wanted, pair = 0.0, 0.0, 0.0, 0.0, np.zeros(count), []
    for i in range(2 * count):
        if i % 64 == 0:
            start, env = env, env + rise * (1 - env)
        x = sum(float(loud) * saw(t + i * step, step)
                for loud, t, step in zip(LOUDS, turns, steps, strict=True))
        deep += float(f32(6.2832) * 30 / 96000) * (x - deep)
        high = (x - deep - low - (g + k) * band) / (1 + g * (g + k))
        middle = g * high + band
        band = g * high + middle
        out = g * middle + low
        low = g * middle + out
        pair.append(made_up * out * 0.7 * 0.14 * (start + (env - start) * (i % 64) / 64))
        if i % 2:
            wanted[i // 2], pair = halve(*pair), []
    assert close_db(y, wanted) < -90


def test_full_resonance_on_the_note_stays_within_one():
    player = Player(PAD, 16, resonance=1.0, cutoff_hz=220.0, attack_s=0.005, detune_cents=0.0)
    for v in range(16):
        player.strike(220.0, 1.0, v)
    assert 0.3 < np.abs(player.play(1.0)).max() <= 1.0
