"""String: exact pitch and decay at every note, no growth, the pick, the palm, bends, repeats.

Thread: any.
"""
from itertools import product

import numpy as np
import pytest

from engine.unit import STRIKE
from synths.string import STRING
from tests.synths.harness import Player, cents, db, pitch_hz, t60_s
from tests.synths.reference import close_db, white

MIDDLE_HZ = 261.6255653


def hz_of(midi):
    return 440.0 * 2 ** ((midi - 69) / 12)


@pytest.mark.parametrize("brightness, midi", [
    pytest.param(brightness, midi, marks=() if midi % 3 == 1 else pytest.mark.slow)
    for brightness in (0.2, 0.9) for midi in range(28, 97, 4)])
def test_in_tune_within_a_tenth_of_a_cent_and_decays_as_asked(midi, brightness):
    hz = hz_of(midi)
    wanted_s = 6.0 * min(1.0, MIDDLE_HZ / hz)
    y = Player(STRING, decay_s=6.0, brightness=brightness).note(2.8, hz)
    assert abs(cents(pitch_hz(y, hz), hz)) < 0.1
    assert t60_s(y, hz, 0.05, min(2.6, 1.2 * wanted_s)) == pytest.approx(wanted_s, rel=0.01)


@pytest.mark.parametrize("hz", (2600.0, 3300.0, 5000.0))
def test_periods_shorter_than_a_lane(hz):
    y = Player(STRING, decay_s=12.0, brightness=0.8).note(1.0, hz)
    assert abs(cents(pitch_hz(y, hz), hz)) < 1
    assert 0.3 < t60_s(y, hz, 0.02, 0.3) / (12.0 * MIDDLE_HZ / hz) < 1.01      # at most as asked


@pytest.mark.parametrize("rate_hz", (44100, 96000))
def test_in_tune_at_other_rates(rate_hz):
    y = Player(STRING, rate_hz=rate_hz, decay_s=6.0).note(2.0, 110.0)
    assert abs(cents(pitch_hz(y, 110.0, rate_hz), 110.0)) < 0.1


@pytest.mark.parametrize("brightness", (0.1, 0.9))
def test_each_partial_decays_as_the_loop_says(brightness):
    player, hz = Player(STRING, decay_s=4.0, brightness=brightness, pick_position=0.07), 110.0
    y = player.note(1.2, hz)
    taps, delay = player.runs["loop"][:5], player.runs["loop"][5]
    for k in (1, 2, 3, 5, 8, 12):
        gain = abs(taps @ np.exp(-2j * np.pi * k * hz * (np.arange(5) + delay) / 48000))
        assert t60_s(y, k * hz, 0.1, 1.1) == pytest.approx(-60 / (db(gain) * hz), rel=0.01)


@pytest.mark.parametrize("midi", (64, 103, *(
    pytest.param(midi, marks=pytest.mark.slow) for midi in (28, 52, 76, 88, 96))))
def test_never_grows(midi):
    y = Player(STRING, decay_s=12.0, brightness=midi % 3 / 2, stretch=1.0).note(12, hz_of(midi))
    peaks = np.abs(y[:29 * 19200]).reshape(-1, 19200).max(1)
    assert (np.diff(peaks) <= 0.001 * peaks[0]).all()


@pytest.mark.parametrize("rate_hz", (22050, 48000, 192000))
def test_no_legal_loop_grows_at_any_frequency(rate_hz):
    """The gain of one round is under 1 everywhere: then nothing that is in the loop can grow."""
    player = Player(STRING, rate_hz=rate_hz)
    turns = np.exp(-1j * np.outer(np.linspace(0, np.pi, 256), np.arange(5)))
    corners = product((0.05, 2.5, 12.0), (0.0, 0.3, 0.7, 1.0), (0.0, 1.0), (0.0, 1.0),
                      (-12.0, 0.0, 12.0))
    for decay_s, brightness, stretch, palm, bend_st in corners:
        player.set(decay_s=decay_s, brightness=brightness, stretch=stretch, palm=palm,
                   bend_st=bend_st)
        for midi in range(16, 128, 3):
            player.note(0.0001, hz_of(midi), 0.0)
            gain = np.abs(turns @ player.runs["loop"][:5].astype(float)).max()
            assert gain < 1, (decay_s, brightness, stretch, palm, bend_st, midi)


def test_pick_position_takes_out_its_partials():
    y = Player(STRING, pick_position=0.25, decay_s=8.0, brightness=1.0).note(1.0, 100.0)
    spectrum = np.abs(np.fft.rfft(y * np.blackman(len(y))))
    step = 48000 / len(y)
    at = [int(100 * k / step) for k in range(1, 10)]
    level = db([spectrum[i - 6:i + 7].max() for i in at])
    for k in (4, 8):
        assert level[k - 1] < min(level[k - 2], level[k]) - 20


def excitation(hz, pick_position, level, seed):
    """The line at the start: saw and noise, combed and low-passed around a period."""
    count = round(48000 / hz)
    pick = round(pick_position * count)
    n = np.arange(count)
    early = n < pick
    rough = white(seed, -count, 3 * count)
    rough = rough[count + n] - rough[count + n - pick + early * count]
    x = (early * count - pick) * -2.0 / count + 0.4 * rough
    keep = np.exp(-2 * np.pi * 500 * 24 ** level / 48000)
    y, last = np.zeros(count), 0.0
    for i in [*range(count)] * 8:
        last = keep * last + (1 - keep) * x[i]
        y[i] = last
    return y * 0.5 * level / np.abs(y).max()


def test_lanes_match_a_plain_loop():
    hz, time_s, brightness = 196.0, 2.0, 0.5
    player = Player(STRING, decay_s=time_s, brightness=brightness, pick_position=0.2)
    y = player.note(0.3, hz, 0.8)
    taps, delay = player.runs["loop"][:5].astype(float), int(player.runs["loop"][5])
    start = excitation(hz, 0.2, 0.8, 1)
    weight = np.array([sum(t for k, t in enumerate(taps) if age < delay + k)
                       for age in range(len(start))])[::-1]
    start -= (start * weight).sum() / weight.sum()
    line = np.concatenate((np.zeros(8), start, np.zeros(len(y))))
    for i in range(8 + len(start), len(line)):
        line[i] = taps @ line[i - delay - 4:i - delay + 1][::-1]
    assert close_db(y, line[8 + len(start):]) < -100


def test_a_glide_is_smooth_and_arrives_in_tune():
    player = Player(STRING, decay_s=8.0, brightness=0.7)
    y = [player.note(0.2, 220.0)]
    for hz in np.geomspace(220.0, 330.0, 60):
        player.pitch_hz[0] = hz
        y.append(player.play(32 / 48000)[:, 0])
    glide = np.abs(np.diff(np.concatenate(y), 2))
    assert glide[9600:].max() < 1.5 * glide[7000:9600].max()
    after = player.play(1.5)[:, 0].astype(float)
    assert abs(cents(pitch_hz(after, 330.0), 330.0)) < 0.1


def test_two_first_strikes_are_equal_and_the_next_is_not():
    one, two = Player(STRING), Player(STRING)
    assert np.array_equal(one.note(0.2), two.note(0.2))
    assert not np.array_equal(one.note(0.2), Player(STRING).note(0.2))


def test_let_go_it_falls_silent_to_the_last_bit():
    player = Player(STRING, release_s=0.2)
    player.note(0.1, 220.0)
    player.release()
    y = player.play(2.0)[:, 0]
    assert t60_s(y.astype(float), 220.0, 0.0, 0.15) == pytest.approx(0.2, rel=0.03)
    assert not y[-4800:].any() and not player.runs["keep_line"].any()


def test_a_hard_touch_and_a_pick_across_the_string_are_brighter():
    def centre_hz(level=1.0, **params):
        y = Player(STRING, **params).note(0.3, 110.0, level)
        power = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
        return power @ np.fft.rfftfreq(len(y), 1 / 48000) / power.sum()
    soft, middle, hard = (centre_hz(level) for level in (0.1, 0.5, 1.0))
    assert soft * 1.3 < middle and middle * 1.3 < hard
    assert centre_hz(pick_direction=0.9) * 1.3 < centre_hz(pick_direction=0.0)


@pytest.mark.parametrize("hz, wanted_s", ((82.41, 0.3), (329.6, 0.15), (1318.5, 0.1)))
def test_the_palm_leaves_a_tenth_to_three_tenths_of_a_second(hz, wanted_s):
    y = Player(STRING, decay_s=6.0, palm=1.0).note(0.5, hz)
    assert t60_s(y, hz, 0.02, 0.35 if hz < 100 else 0.15) == pytest.approx(wanted_s, rel=0.02)
    assert abs(cents(pitch_hz(y, hz), hz)) < 1


@pytest.mark.parametrize("stretch, share", ((0.0, 0.25), (0.5, 0.5), (1.0, 1.0)))
def test_stretch_lets_the_treble_ring(stretch, share):
    y = Player(STRING, decay_s=4.0, stretch=stretch, brightness=0.9).note(1.5, 4 * MIDDLE_HZ)
    assert t60_s(y, 4 * MIDDLE_HZ, 0.05, 0.9) == pytest.approx(4.0 * share, rel=0.01)


@pytest.mark.parametrize("bend_st", (-12.0, -0.5, 7.0, 12.0))
def test_a_bent_string_is_in_tune(bend_st):
    player, hz = Player(STRING, decay_s=12.0), 220.0 * 2 ** (bend_st / 12)
    player.note(0.1, 220.0)
    for k in range(1, 101):
        player.set(bend_st=bend_st * k / 100)
        player.play(32 / 48000)
    assert abs(cents(pitch_hz(player.play(1.5)[:, 0].astype(float), hz), hz)) < 0.1


def test_vibrato_swings_as_far_and_as_often_as_asked():
    y = Player(STRING, decay_s=12.0, brightness=0.0, vibrato_cents=40.0, vibrato_hz=6.0,
               pick_position=0.5, pick_direction=0.9).note(2.4, 440.0)
    t = np.arange(len(y)) / 48000
    low = np.convolve(y * np.exp(-2j * np.pi * 440 * t), np.hanning(960), "valid")
    swing = cents(440 + np.diff(np.unwrap(np.angle(low))) * 48000 / 2 / np.pi, 440)[9600:105600]
    lines = np.abs(np.fft.rfft(swing)) * 2 / len(swing)
    assert np.argmax(lines[1:]) + 1 == 12                   # times in two seconds
    assert lines[12] == pytest.approx(40, rel=0.05) and abs(swing.mean()) < 0.5


def test_growing_is_out_of_the_question_while_it_is_bent():
    player = Player(STRING, decay_s=12.0, stretch=1.0, brightness=1.0, vibrato_cents=100.0,
                    vibrato_hz=12.0)
    player.strike(880.0)
    peaks = []
    for k in range(40):
        player.set(bend_st=12.0 * (k % 3 - 1))
        peaks.append(np.abs(player.play(0.1)).max())
    assert max(peaks[1:]) < 1.1 * peaks[0] and peaks[-1] < peaks[0]


def test_struck_again_before_it_is_silent_it_is_a_new_string():
    one, two = (Player(STRING, decay_s=6.0) for _ in range(2))
    one.note(0.2, 110.0)
    one.release()
    one.play(0.05)
    one.pitch_hz[0] = 220.0
    one.run(STRIKE, 0, 0, 0, 220.0, 0.7)                    # as in a part of one voice
    two.runs["keep_count"][:] = one.runs["keep_count"]
    two.strike(220.0, 0.7)
    assert np.array_equal(one.play(0.5), two.play(0.5))
