"""Delay: echoes at their places and levels, side to side, no pitch jump, bounded. Thread: any."""
import numpy as np
import pytest

from synths.delay import DELAY
from tests.synths.harness import Chain, db
from tests.synths.reference import close_db, tanh_like

FLAT = dict(tone_hz=20000.0, low_hz=10.0)


@pytest.mark.parametrize(("bpm", "beats"), ((124.0, 0.75), (90.0, 0.5), (174.0, 1 / 3)))
def test_echoes_come_in_time_each_softer_by_the_feedback(bpm, beats):
    x = np.zeros(96000)
    x[100] = 1.0
    y = Chain(DELAY, bpm=bpm, beats=beats, feedback=0.5, pingpong=0.0, **FLAT).play(x)[:, 0]
    for n in range(1, 5):
        at = 100 + n * 60 / bpm * beats * 48000
        found = np.argmax(np.abs(y[int(at) - 200:int(at) + 200])) + int(at) - 200
        assert abs(found - at) <= 0.5 * n + 1e-6
        assert abs(db(y[found]) - db(0.5 ** (n - 1))) < 0.1


def test_pingpong_goes_from_side_to_side():
    x = np.zeros(96000)
    x[0] = 1.0
    y = Chain(DELAY, bpm=120.0, beats=0.5, feedback=0.5, pingpong=1.0, **FLAT).play(x, x)
    for n, side in ((1, 0), (2, 1), (3, 0)):
        at = n * 12000
        assert y[at, side] == pytest.approx(0.5 ** (n - 1), rel=1e-4)
        assert y[at, 1 - side] == 0


def test_every_round_is_filtered():
    x = np.zeros(48000)
    x[0] = 1.0
    y = Chain(DELAY, bpm=300.0, beats=0.5, feedback=0.9, tone_hz=2000.0, low_hz=200.0).play(x, x)
    levels = []
    for n in (1, 3, 5):
        spectrum = np.abs(np.fft.rfft(y[n * 4800 - 50:n * 4800 + 4000, 0], 48000))
        levels.append(db(spectrum[[50, 700, 8000]]))
    low, middle, high = np.diff(levels, axis=0).T
    assert (low < middle - 3).all() and (high < middle - 6).all()


def test_a_new_tempo_fades_in_without_a_change_of_pitch():
    t = np.arange(96000)
    x = np.sin(2 * np.pi * 500 / 48000 * t)
    delay = Chain(DELAY, bpm=120.0, beats=0.5, feedback=0.0, pingpong=0.0, **FLAT)
    before = delay.play(x[:48000])
    delay.set(bpm=133.0)
    y = np.concatenate((before, delay.play(x[48000:])))[20000:, 0]
    inside = y[27900:30500] * np.exp(-2j * np.pi * 500 / 48000 * np.arange(2600))
    turned = np.unwrap(np.angle(np.convolve(inside, np.hanning(288), "valid")))
    assert np.ptp(turned) < 2 * np.pi                       # one phase to another, no glide
    assert np.abs(np.diff(y, 2)).max() < 1.3 * (2 * np.pi * 500 / 48000) ** 2
    assert np.abs(y[35000:]).max() == pytest.approx(1.0, abs=0.01)


def test_bounded_at_full_feedback_and_with_bad_input():
    delay = Chain(DELAY, bpm=300.0, beats=0.0625, feedback=0.95)
    x = np.random.default_rng(3).uniform(-1, 1, 48000)
    x[100], x[200] = np.nan, np.inf
    y = delay.play(x)
    assert np.isfinite(y).all() and np.abs(y).max() < 20
    delay.play(np.zeros(480000))
    assert not delay.play(np.zeros(4800)).any()


def scalar(x, delay, feedback, pingpong, tone_hz, low_hz):
    """One sample after the other, at one time."""
    high, low = (1 - np.exp(-2 * np.pi * hz / 48000) for hz in (tone_hz, low_hz))
    line, bright, deep, out = np.zeros((2, len(x))), np.zeros(2), np.zeros(2), np.zeros((len(x), 2))
    for t in range(len(x)):
        wet = line[:, t - delay].copy() if t >= delay else np.zeros(2)
        out[t], swapped = wet, wet + pingpong * (wet[::-1] - wet)
        into = (1 - pingpong) * x[t] + feedback * swapped
        into[0] += pingpong * x[t].mean()
        size = np.abs(into)
        soft = np.minimum(size, 1) + [tanh_like(max(a - 1, 0)) for a in size]
        bright += high * (np.sign(into) * soft - bright)
        deep += low * (bright - deep)
        line[:, t] = bright - deep
    return out


def test_lanes_match_the_scalar_loop():
    x = np.random.default_rng(8).uniform(-1.5, 1.5, (9600, 2))
    x[4800:] = 0
    y = Chain(DELAY, bpm=300.0, beats=0.0625, feedback=0.9, pingpong=0.3).play(x[:, 0], x[:, 1])
    assert close_db(y, scalar(x, 600, 0.9, 0.3, 3800.0, 180.0)) < -100


@pytest.mark.parametrize(("beats", "then"), ((1.0, 0.5), (0.5, 0.9)))
def test_a_tape_glides_to_the_new_time(beats, then):
    t = np.arange(240000) / 48000
    tape = Chain(DELAY, bpm=120.0, beats=beats, feedback=0.0, pingpong=0.0, mode=1.0, **FLAT)
    before = tape.play(np.sin(2 * np.pi * 500 * t[:96000]))
    tape.set(beats=then)
    y = np.concatenate((before, tape.play(np.sin(2 * np.pi * 500 * t[96000:]))))[96000:, 0]
    after = t[96000:]
    delay = 0.5 * then + 0.5 * (beats - then) * np.exp(-(after - 2) / 0.2)
    assert close_db(y, np.sin(2 * np.pi * 500 * (after - delay))) < -50
    settled = y[-9600:] - np.sin(2 * np.pi * 500 * (after[-9600:] - 0.5 * then))
    assert np.abs(settled).max() < 1e-3


def test_sings_by_itself_but_stays_bounded():
    delay = Chain(DELAY, bpm=240.0, beats=0.25, feedback=1.1, tone_hz=20000.0, low_hz=10.0)
    delay.play(np.random.default_rng(9).uniform(-0.1, 0.1, 4800))
    y = delay.play(np.zeros(480000))
    assert 0.3 < np.abs(y[-48000:]).max() < 2.0
    delay.set(feedback=0.3)
    delay.play(np.zeros(96000))
    assert not delay.play(np.zeros(4800)).any()


def test_echoes_duck_under_what_comes_in():
    x = np.zeros(96000)
    x[:48000] = 0.5 * np.sin(2 * np.pi * 500 / 48000 * np.arange(48000))
    still, low = (Chain(DELAY, bpm=120.0, beats=1.0, feedback=0.0, pingpong=0.0, duck_db=duck_db,
                        **FLAT).play(x)[:, 0] for duck_db in (0.0, 12.0))
    ratio = [db(low[a:a + 2400].std() / still[a:a + 2400].std()) for a in (40000, 69500)]
    assert ratio[0] == pytest.approx(-12, abs=0.1) and ratio[1] > -1.5
    assert np.abs(np.diff(low, 2)).max() < 1.2 * np.abs(np.diff(still, 2)).max()


def test_a_time_over_four_seconds_is_halved_until_it_fits():
    x = np.zeros(240000)
    x[0] = 1.0
    y = Chain(DELAY, bpm=30.0, beats=4.0, feedback=0.0, pingpong=0.0, **FLAT).play(x)[:, 0]
    assert np.flatnonzero(np.abs(y) > 0.1).tolist() == [192000]
