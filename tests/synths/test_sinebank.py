"""Sinebank: every partial's pitch, level and decay, no drift, nothing above the top.

Thread: any.
"""
import numpy as np
import pytest

from synths.sinebank import NUMBER, SINEBANK, SWING
from tests.synths.harness import Player, cents, db, pitch_hz, t60_s
from tests.synths.reference import close_db, fall, white

HELD = dict(decay_s=120.0, spread=0.0, attack_s=0.002)


def lines_db(y, wanted_hz):
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18))) ** 2
    at = np.rint(np.asarray(wanted_hz) * len(y) / 48000).astype(int)
    return 10 * np.log10([spectrum[i - 12:i + 13].sum() for i in at])


def test_levels_follow_tilt_and_even():
    found = lines_db(Player(SINEBANK, partials=24.0, tilt_db=-9.0, even=0.25, **HELD).note(
        1.1, 400.0)[4800:], 400.0 * NUMBER[:24])
    wanted = -9 * np.log2(NUMBER[:24]) + np.where(NUMBER[:24] % 2, 0, db(0.25))
    assert np.ptp(found - wanted) < 0.01


def test_all_640_are_there():
    found = lines_db(Player(SINEBANK, partials=640.0, tilt_db=-3.0, **HELD).note(4.1, 30.0)[4800:],
                     30.0 * NUMBER)
    assert len(found) == 640 and np.ptp(found + 3 * np.log2(NUMBER)) < 0.01


def test_odd_partials_go_and_the_first_stays():
    found = lines_db(Player(SINEBANK, partials=6.0, tilt_db=0.0, odd=0.0, **HELD).note(
        1.1, 400.0)[4800:], 400.0 * NUMBER[:6])
    assert np.ptp(found[[0, 1, 3, 5]]) < 0.01 and max(found[2], found[4]) < found[0] - 100


@pytest.mark.parametrize("stretch", (0.85, 1.0, 1.02, 1.2))
def test_partials_are_stretched(stretch):
    player = Player(SINEBANK, partials=12.0, stretch=stretch, tilt_db=0.0, **HELD)
    y = player.note(2.1, 110.0)[4800:]
    for n in (1, 2, 5, 12):
        hz = 110.0 * n ** stretch
        assert abs(cents(pitch_hz(y, hz), hz)) < 0.02


def test_morph_swings_each_partial_its_own_way():
    y = Player(SINEBANK, partials=8.0, tilt_db=0.0, morph=0.37, **HELD).note(1.1, 400.0)[4800:]
    found = lines_db(y, 400.0 * NUMBER[:8])
    wanted = db(0.5 + 0.5 * np.cos(2 * np.pi * 0.37 * SWING[:8].astype(float)))
    assert np.ptp((found - wanted)[wanted > -40]) < 0.01


def test_decays_are_spread():
    y = Player(SINEBANK, decay_s=3.0, spread=0.05, tilt_db=0.0, partials=8.0).note(1.5, 300.0)
    for n in (1, 2, 5):
        wanted = 3.0 / (1 + 0.05 * (n * n - 1))
        assert t60_s(y, 300.0 * n, 0.1, min(1.4, wanted / 2)) == pytest.approx(wanted, rel=0.01)


def test_partials_that_come_late_are_where_they_would_be():
    late, early = (Player(SINEBANK, decay_s=4.0, spread=0.0005, tilt_db=0.0, partials=n)
                   for n in (4.0, 300.0))
    for player in late, early:
        player.note(0.5, 55.0)
    late.set(partials=300.0)
    for player in late, early:
        player.play(0.1)
    near, wanted = late.runs["env"][:300], early.runs["env"][:300]
    assert near[100] < 0.5 * near[0] and near == pytest.approx(wanted, rel=2e-4, abs=1e-5)


def test_640_sines_match_a_plain_sum():
    player = Player(SINEBANK, partials=640.0, stretch=0.8, tilt_db=-3.0,
                    **{**HELD, "attack_s": 0.0021})
    y = player.note(1.0, 110.0)[4800:]
    t, loud = np.arange(4800, 48000), NUMBER.astype(float) ** (-0.15 / np.log10(2))
    steps, turns = player.runs["step"].astype(float), white(1, 0, 640) * 0.5 + 0.5
    wanted = sum(a * np.sin(2 * np.pi * (b + t * c))
                 for a, b, c in zip(loud, turns, steps, strict=True))
    wanted *= 0.17 * np.sqrt(2 / np.sum(loud ** 2)) * fall(t - 128, 120.0)
    assert close_db(y, wanted) < -100


@pytest.mark.parametrize("hz", (441.0, 2093.0, 4186.0))
def test_nothing_is_above_the_top_or_folds_back(hz):
    y = Player(SINEBANK, partials=640.0, tilt_db=0.0, **HELD).note(1.1, hz)[4800:]
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18)))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    apart = np.abs(line - np.rint(line / hz) * hz) > 20
    assert db(spectrum[line > 0.4505 * 48000].max() / spectrum.max()) < -110
    assert db(spectrum[apart].max() / spectrum.max()) < -95


def test_loudness_stays_as_partials_come():
    few, many = (np.std(Player(SINEBANK, partials=n, tilt_db=-3.0, **HELD).note(1.0, 110.0)[4800:])
                 for n in (2.0, 640.0))
    assert db(many / few) == pytest.approx(0, abs=0.1)
    assert db(few / 0.17) == pytest.approx(0, abs=0.5)


def test_release_ends_in_silence_and_attack_takes_its_time():
    player = Player(SINEBANK, partials=1.0, attack_s=0.2, decay_s=120.0, release_s=0.3)
    y = player.note(0.3, 1000.0)
    peaks = np.abs(y).reshape(-1, 96).max(1)
    assert peaks[len(peaks) // 3] / peaks[-1] == pytest.approx(0.5, abs=0.02)
    player.release()
    y = player.play(1.2)[:, 0].astype(float)
    assert t60_s(y, 1000.0, 0.0, 0.25) == pytest.approx(0.3, rel=0.01)
    assert not y[-4800:].any()


def test_a_chord_makes_no_click_at_either_end():
    player, y = Player(SINEBANK, 8, attack_s=0.005, release_s=0.05), []
    for v in range(8):
        player.strike(220.0 * 2 ** (v * 3 / 12), 0.9, v=v)
    y.append(player.play(0.5).sum(1))
    for v in range(8):
        player.release(v)
    bends = np.abs(np.diff(np.concatenate((*y, player.play(0.2).sum(1))).astype(float), 2))
    assert bends.max() < 4 * bends[12000:24000].max()


def test_partials_that_leave_at_once_make_no_click():
    player = Player(SINEBANK, partials=64.0, tilt_db=0.0, **HELD)
    y = [player.note(0.5, 27.5)]
    player.set(partials=2.0)
    bends = np.abs(np.diff(np.concatenate((*y, player.play(0.3)[:, 0])), 2))
    assert bends[23900:].max() < 2 * bends[:23900].max()


def test_struck_again_it_goes_on_from_where_it_is():
    player = Player(SINEBANK, attack_s=0.01, decay_s=2.0)
    y = [player.note(0.5, 220.0)]
    player.run(0, 0, 0, 0, 220.0, 1.0)
    bends = np.abs(np.diff(np.concatenate((*y, player.play(0.3)[:, 0])), 2))
    assert bends[23900:].max() < 1.5 * bends[:23900].max()


def test_lanes_match_a_plain_loop_and_do_not_drift():
    seconds, hz, decay_s, spread = 8, 440.0, 40.0, 0.001
    y = Player(SINEBANK, partials=9.5, stretch=1.01, tilt_db=-4.0, even=0.7, attack_s=0.0999,
               decay_s=decay_s, spread=spread).note(seconds, hz, 0.8)
    n = np.arange(1, 11)
    loud = 2.0 ** (np.log2(n) * -4 * 0.16609640474436813) * np.where(n % 2, 1, 0.7)
    loud[9] *= 0.5
    gain = 0.8 * 0.17 * np.sqrt(2 / np.sum(loud ** 2))
    t = np.arange(len(y))
    player = Player(SINEBANK, stretch=1.01, partials=9.5)             # the steps as it rounds them
    player.note(0.001, hz)
    steps, turns = player.runs["step"][:10].astype(float), white(1, 0, 16)[:10] * 0.5 + 0.5
    wanted = np.zeros(len(y))
    for k in range(10):
        assert steps[k] == pytest.approx(hz * n[k] ** 1.01 / 48000, rel=3e-7)
        fall = 10 ** (-3 * 32 / 48000 * (1 + spread * (n[k] ** 2 - 1)) / decay_s)
        rise = np.minimum(np.arange(151) / 149.85, 1)
        env = np.concatenate((rise, fall ** np.arange(1, len(y) // 32)))
        env = np.interp(t, 32 * np.arange(len(y) // 32 + 1), env[:len(y) // 32 + 1])
        wanted += gain * loud[k] * env * np.sin(2 * np.pi * (turns[k] + t * steps[k]))
    assert close_db(y[:48000], wanted[:48000]) < -100
    assert close_db(y[-9600:], wanted[-9600:]) < -100
