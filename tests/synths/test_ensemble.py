"""Ensemble: three lines in three phases, as long as they should be, no click. Thread: any."""
import numpy as np
import pytest

from synths.ensemble import ENSEMBLE
from tests.synths.harness import Chain, db
from tests.synths.reference import close_db

T = np.arange(96000) / 48000
WET = dict(mix=1.0, tone_hz=16000.0)


def delays_s(t, depth, fast=0.0, slow_hz=0.6, fast_hz=6.0):
    thirds = np.arange(3)[:, None] / 3
    return 0.008 + depth * (0.0025 * np.sin(2 * np.pi * (slow_hz * t + thirds))
                            + 0.00025 * fast * np.sin(2 * np.pi * (fast_hz * t + thirds)))


def filtered(x, tone_hz):
    """Two low-passes and what a third takes away, sample by sample."""
    high, low = (1 - np.exp(-2 * np.pi * hz / 48000) for hz in (tone_hz, 80.0))
    a = b = c = 0.0
    out = np.zeros(len(x))
    for n, one in enumerate(x):
        a += high * (one - a)
        b += high * (a - b)
        c += low * (b - c)
        out[n] = b - c
    return out


def scalar(x, depth, fast, width, mix, tone_hz, slow_hz=0.6, fast_hz=6.0):
    """Each sample read alone, by cubic Lagrange, at the phases of single precision steps."""
    f32, n = np.float32, np.arange(len(x))
    steps = [float(f32(hz) * f32(1 / 48000)) * 48000 for hz in (slow_hz, fast_hz)]
    line = np.concatenate((np.zeros(1000), filtered(x.mean(1), tone_hz), np.zeros(2)))
    heard = []
    for delay in delays_s(n / 48000, depth, fast, *steps) * 48000:
        middle = delay.reshape(-1, 16)[:, 8:9]
        back = np.repeat(np.floor(middle) + 1, 16)
        at, u = 1000 + n - back.astype(int), back - delay
        heard.append(line[at - 1] * -u * (u - 1) * (u - 2) / 6
                     + line[at] * (u + 1) * (u - 1) * (u - 2) / 2
                     - line[at + 1] * (u + 1) * u * (u - 2) / 2
                     + line[at + 2] * (u + 1) * u * (u - 1) / 6)
    middle, both = heard[1] / np.sqrt(2), (heard[0] + heard[2]) / 2
    apart = width * (heard[0] - heard[2]) / 2
    wet = np.array((middle + both + apart, middle + both - apart)).T
    return x + mix * (wet - x)


def test_lanes_match_the_scalar_loop():
    x = np.random.default_rng(1).uniform(-1, 1, (19200, 2)).astype(np.float32).astype(float)
    y = Chain(ENSEMBLE, depth=0.9, fast=0.7, width=0.6, mix=0.7, tone_hz=5000.0).play(*x.T)
    assert close_db(y, scalar(x, 0.9, 0.7, 0.6, 0.7, 5000.0)) < -100


def test_each_line_moves_as_it_should_a_third_of_a_turn_apart():
    x = np.sin(2 * np.pi * 1000 * T)
    y = Chain(ENSEMBLE, depth=1.0, fast=1.0, width=1.0, **WET).play(x)
    late = delays_s(T, 1.0, 1.0)
    gain, angle = tone_gain(1000.0)
    lines = [gain * np.sin(2 * np.pi * 1000 * (T - one) + angle) for one in late]
    for side, one in ((0, lines[0]), (1, lines[2])):
        wanted = one + lines[1] / np.sqrt(2)
        assert close_db(y[4800:, side], wanted[4800:]) < -95
    assert np.abs(late.sum(0) / 3 - 0.008).max() < 1e-9


def tone_gain(hz, tone_hz=16000.0):
    z = np.exp(2j * np.pi * hz / 48000)
    high, low = (np.exp(-2 * np.pi * f / 48000) for f in (tone_hz, 80.0))
    whole = ((1 - high) / (1 - high / z)) ** 2 * (1 - (1 - low) / (1 - low / z))
    return np.abs(whole), np.angle(whole)


def test_a_section_is_wide_and_its_bass_firm():
    x = np.random.default_rng(2).uniform(-1, 1, 96000)
    y = Chain(ENSEMBLE, width=1.0, **WET).play(x)[4800:]
    assert abs(np.corrcoef(y.T)[0, 1]) < 0.5
    mono = Chain(ENSEMBLE, width=0.0, **WET).play(x)
    assert np.array_equal(mono[:, 0], mono[:, 1])
    deep = Chain(ENSEMBLE, **WET).play(np.sin(2 * np.pi * 30 * T))[48000:]
    assert db(deep.std() * np.sqrt(2)) < -4


def test_dry_it_changes_no_bit_and_undeep_it_is_still():
    x = np.random.default_rng(3).uniform(-1, 1, 4800).astype(np.float32)
    assert np.array_equal(Chain(ENSEMBLE, mix=0.0).play(x, -x), np.array((x, -x)).T)
    y = Chain(ENSEMBLE, depth=0.0, **WET).play(np.sin(2 * np.pi * 1000 * T))[4800:, 0]
    assert np.abs(np.fft.rfft(y[:48000] * np.hanning(48000)))[1010:2000].max() < 1e-2


def test_turning_knobs_does_not_click():
    chain, y = Chain(ENSEMBLE), []
    x = np.sin(2 * np.pi * 300 * T[:48000])
    for n in range(1500):
        turn = np.sin(2 * np.pi * n / 500)
        chain.set(depth=0.5 + 0.2 * turn, fast=0.5 - 0.5 * turn, width=0.5 + 0.5 * turn,
                  mix=0.5 + 0.5 * turn, slow_hz=0.6 * 2 ** turn, tone_hz=4000 * 2 ** turn)
        y.append(chain.play(x[32 * n:32 * n + 32]))
    bends = np.abs(np.diff(np.concatenate(y)[960:], 2, axis=0))
    assert bends.max() < 3 * (2 * np.pi * 300 / 48000) ** 2


def test_silent_after_silence_and_bad_input_passes():
    x = np.random.default_rng(4).uniform(-1, 1, 4800)
    x[100], x[200], x[300] = np.nan, np.inf, 1e30
    chain = Chain(ENSEMBLE, depth=1.0)
    assert np.isfinite(chain.play(x)).all()
    chain.play(np.zeros(48000))
    assert not chain.play(np.zeros(480)).any()
    assert np.abs(chain.play(np.sin(2 * np.pi * 300 * T)))[-480:].max() == pytest.approx(1, abs=0.4)
