"""Drive: harmonics as the curve says, next to nothing between them, no click. Thread: any."""
import numpy as np
import pytest

from synths.drive import DRIVE
from tests.synths.harness import Chain, aliasing_db, db
from tests.synths.reference import HALF, Halve, close_db, tanh_like

T = np.arange(96000) / 48000


def tone(hz, **params):
    return Chain(DRIVE, level_db=0.0, **params).play(np.sin(2 * np.pi * hz * T))[48000:, 0]


@pytest.mark.parametrize(("drive_db", "worst_db"), (
    (12.0, (-140, -125, -110)), (24.0, (-110, -98, -86)), (30.0, (-100, -87, -57))))
def test_nothing_between_the_harmonics(drive_db, worst_db):
    """Worst line below 16 kHz at three notes, against the fundamental."""
    for hz, wanted in zip((1046.5, 2093.0, 4186.0), worst_db, strict=True):
        assert aliasing_db(tone(hz, drive_db=drive_db), hz) < wanted
    assert aliasing_db(tone(2093.0, drive_db=drive_db, bias=1.0), 2093.0) < worst_db[1] + 6


def test_the_harmonics_are_those_of_the_curve():
    y = np.abs(np.fft.rfft(tone(200.0, drive_db=18.0, bias=0.5)))[200:10001:200] / 24000
    turn = np.sin(2 * np.pi * np.arange(4096) / 4096)
    curve = np.array([tanh_like(10 ** 0.9 * x + 0.4) for x in turn])
    wanted = np.abs(np.fft.rfft(curve))[1:51] / 2048
    assert np.abs(db(y[:12]) - db(wanted[:12])).max() < 0.05
    assert np.abs(y - wanted).max() < 2e-3


def test_even_harmonics_come_with_bias_and_no_offset_stays():
    even = [db(np.abs(np.fft.rfft(y))[400] / np.abs(np.fft.rfft(y))[200]) for y in
            (tone(200.0, bias=0.0), tone(200.0, bias=1.0))]
    assert even[0] < -100 and even[1] > -20
    assert abs(tone(200.0, bias=1.0).mean()) < 1e-4


def test_dry_it_is_flat_and_soft_it_is_clean():
    x = np.zeros(96000)
    x[0] = 1.0
    level = db(np.fft.rfft(Chain(DRIVE, mix=0.0, level_db=0.0).play(x)[:, 0]))
    assert np.abs(level[80:40000]).max() < 0.1 and np.abs(level[1000:40000]).max() < 0.02
    y = Chain(DRIVE, drive_db=6.0, level_db=0.0).play(1e-3 * np.sin(2 * np.pi * 1000 * T))
    assert y[48000:, 0].std() / (1e-3 / np.sqrt(2)) == pytest.approx(10 ** 0.3, rel=1e-3)


def test_tone_takes_the_top():
    bright, dark = (np.abs(np.fft.rfft(tone(500.0, tone_hz=hz)))[[500, 4500]]
                    for hz in (20000.0, 1000.0))
    assert db(dark / bright) == pytest.approx((-1.0, -13.3), abs=0.4)


def raised(x):
    """Eight times the rate: all-pass chains, then a windowed sinc between zeros."""
    double = []
    for gains in HALF:
        y = x
        for gain in gains:
            before, out = 0.0, np.zeros(len(y))
            for n, one in enumerate(y):
                out[n] = gain * one + before
                before = one - gain * out[n]
            y = out
        double.append(y)
    stuffed = np.zeros(8 * len(x))
    stuffed[::8], stuffed[4::8] = double
    return np.convolve(stuffed, SINC)[:len(stuffed)]


SINC = np.sinc(np.arange(-20, 21) / 4) * np.kaiser(41, 7.5)


def scalar(x, gain, bias, mix):
    wide = raised(x)
    bent = np.array([tanh_like(gain * one + bias) - tanh_like(bias) for one in wide])
    wide += mix * (bent - wide)
    double = 0.25 * np.convolve(wide, SINC)[:len(wide):4]
    halve, deep, out = Halve(), 0.0, np.zeros(len(x))
    pole = np.exp(-2 * np.pi * 5 / 48000)
    for n in range(len(x)):
        y = halve(double[2 * n], double[2 * n + 1])
        deep = pole * deep + (1 - pole) * y
        out[n] = y - deep
    return out


def test_lanes_match_the_scalar_loop_on_both_sides():
    x = np.random.default_rng(1).uniform(-1, 1, (4800, 2)).astype(np.float32)
    y = Chain(DRIVE, drive_db=20.0, bias=0.5, mix=0.7, level_db=0.0).play(x[:, 0], x[:, 1])
    for side in range(2):
        assert close_db(y[:, side], scalar(x[:, side].astype(float), 10.0, 0.4, 0.7)) < -100


def test_turning_knobs_does_not_click():
    chain, y = Chain(DRIVE), []
    x = 0.2 * np.sin(2 * np.pi * 300 * T[:48000])
    for n in range(1500):
        turn = np.sin(2 * np.pi * n / 500)
        chain.set(drive_db=6 + 6 * turn, bias=0.5 - 0.5 * turn, mix=0.5 + 0.5 * turn,
                  level_db=-6 + 6 * turn)
        y.append(chain.play(x[32 * n:32 * n + 32]))
    bends = np.abs(np.diff(np.concatenate(y)[480:, 0], 2))
    assert bends.max() < 1.5 * (2 * np.pi * 300 / 48000) ** 2


def test_silent_after_silence_and_bad_input_passes():
    x = np.random.default_rng(3).uniform(-1, 1, 4800)
    x[100], x[200], x[300] = np.nan, np.inf, 1e30
    chain = Chain(DRIVE, bias=1.0)
    assert np.isfinite(chain.play(x)).all()
    chain.play(np.zeros(192000))
    assert not chain.play(np.zeros(480)).any()
    assert np.abs(chain.play(0.1 * np.sin(2 * np.pi * 300 * T)))[-480:, 0].max() > 0.1
