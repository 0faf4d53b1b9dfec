"""String: exact pitch and decay at every note, the pick's nulls, glides, repeats. Thread: any."""
import numpy as np
import pytest

from synths.string import STRING
from tests.synths.harness import Player, cents, db, pitch_hz, t60_s
from tests.synths.reference import close_db, white

MIDDLE_HZ = 261.6255653


def hz_of(midi):
    return 440.0 * 2 ** ((midi - 69) / 12)


@pytest.mark.parametrize("midi", range(28, 97, 4))
@pytest.mark.parametrize("brightness", (0.2, 0.9))
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


@pytest.mark.parametrize("midi", (28, 64, 88, 96, 103))
def test_never_grows(midi):
    y = Player(STRING, decay_s=12.0, brightness=midi % 3 / 2).note(6.0, hz_of(midi))
    peaks = np.abs(y[:14 * 19200]).reshape(-1, 19200).max(1)
    assert (np.diff(peaks) <= 0.001 * peaks[0]).all()


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
    assert not y[-4800:].any() and not player.runs["line"].any()
