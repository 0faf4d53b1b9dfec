"""Rotary speaker: pitch, level and speed of what turns, its inertia, no click. Thread: any."""
import numpy as np
import pytest

from synths.rotary import ROTARY
from tests.synths.harness import Chain, db
from tests.synths.reference import close_db

T = np.arange(96000) / 48000
HORN_S, DRUM_S = 0.19 / 343, 0.14 / 343


def one_pole(x, hz):
    y, k = 0.0, 1 - np.exp(-2 * np.pi * hz / 48000)
    out = np.zeros(len(x))
    for n, one in enumerate(x):
        y += k * (one - y)
        out[n] = y
    return out


def read(x, away):
    """x as much later as away says, each sample alone, by cubic Lagrange; groups of 16 share
    their whole samples."""
    n = np.arange(len(x))
    line = np.concatenate((np.zeros(200), x, np.zeros(2)))
    back = np.repeat(np.floor(away.reshape(-1, 16)[:, 8:9]) + 1, 16)
    at, u = 200 + n - 48 - back.astype(int), back - away
    return (line[at - 1] * -u * (u - 1) * (u - 2) / 6
            + line[at] * (u + 1) * (u - 1) * (u - 2) / 2
            - line[at + 1] * (u + 1) * u * (u - 2) / 2
            + line[at + 2] * (u + 1) * u * (u - 1) / 6)


def scalar(x, horn_hz, drum_hz, depth, width, mix):
    """At a steady speed."""
    n, mono = np.arange(len(x)), x.mean(1)
    low = one_pole(mono, 800)
    high = mono - low
    high, low = high - one_pole(high, 800), one_pole(low, 800)
    top, out = high - one_pole(high, 3000), x.copy()
    horn_turn, drum_turn = (n * float(np.float32(hz) * np.float32(1 / 48000))
                            for hz in (horn_hz, drum_hz))
    for side, off in ((0, -0.25 * width), (1, 0.25 * width)):
        toward = np.cos(2 * np.pi * (horn_turn + off))
        horn = (high + depth * 0.3 * (toward - 1) * top) * (1 + depth * 0.45 * (toward - 0.5))
        horn = read(horn, -depth * HORN_S * 48000 * toward)
        toward = np.cos(2 * np.pi * (off - drum_turn))
        drum = read(low * (1 + depth * 0.3 * (toward - 0.5)), -depth * DRUM_S * 48000 * toward)
        out[:, side] += mix * (drum - horn - x[:, side])
    return out


@pytest.mark.parametrize(("speed", "hz"), ((0.0, (0.8, 0.67)), (1.0, (6.7, 5.7))))
def test_lanes_match_the_scalar_loop(speed, hz):
    x = np.random.default_rng(1).uniform(-1, 1, (19200, 2)).astype(np.float32).astype(float)
    y = Chain(ROTARY, speed=speed, depth=0.9, width=0.6, mix=0.8).play(*x.T)
    assert close_db(y, scalar(x, *hz, 0.9, 0.6, 0.8)) < -100


def phase(y, hz):
    """Level and unwrapped turns of the tone at hz."""
    turned = np.convolve(y * np.exp(-2j * np.pi * hz * np.arange(len(y)) / 48000),
                         np.hanning(481) / 240, "valid")
    return np.abs(turned), np.unwrap(np.angle(turned)) / 2 / np.pi


def test_the_horn_bends_the_pitch_and_is_louder_when_it_faces_you():
    x = np.sin(2 * np.pi * 2000 * T)
    y = Chain(ROTARY, speed=1.0, depth=1.0, width=1.0, balance=1.0).play(x)
    for side in range(2):
        level, turns = phase(y[9600:, side], 2000.0)
        bend_hz = np.gradient(turns) * 48000
        assert np.abs(bend_hz).max() == pytest.approx(2000 * 2 * np.pi * 6.7 * HORN_S, rel=0.02)
        assert db(level.max() / level.min()) > 10
        rate = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)), 480000))
        assert np.argmax(rate) / 10 == pytest.approx(6.7, abs=0.05)
    left, right = (phase(y[9600:, side], 2000.0)[0] for side in range(2))
    assert np.corrcoef(left, right)[0, 1] < -0.95


def test_the_drum_turns_slower_and_less_deep():
    y = Chain(ROTARY, speed=1.0, depth=1.0, balance=-1.0).play(np.sin(2 * np.pi * 200 * T))
    level, _ = phase(y[9600:, 0], 200.0)
    assert 3 < db(level.max() / level.min()) < 10


def test_speed_has_inertia_the_drum_more_than_the_horn():
    chain = Chain(ROTARY)
    chain.play(np.zeros(4800))
    slow = chain.runs["speed"].copy()
    assert np.allclose(slow, (0.8, 0.67))
    chain.set(speed=1.0)
    chain.play(np.zeros(int(0.35 * 48000)))
    assert chain.runs["speed"][0] == pytest.approx(0.8 + 5.9 * (1 - np.exp(-1)), rel=0.01)
    assert chain.runs["speed"][1] < 2
    chain.play(np.zeros(480000))
    assert np.allclose(chain.runs["speed"], (6.7, 5.7), rtol=0.01)
    chain.set(brake=1.0, inertia=0.1)
    chain.play(np.zeros(480000))
    assert np.abs(chain.runs["speed"]).max() < 1e-3


def test_standing_still_it_is_flat_within_a_decibel_to_10_khz():
    x = np.zeros(96000)
    x[0] = 1.0
    level = db(np.fft.rfft(Chain(ROTARY, depth=0.0).play(x)[:, 0]))
    assert np.abs(level[40:20000]).max() < 1.0


def test_knobs_and_speed_do_not_click():
    chain, y = Chain(ROTARY), []
    x = np.sin(2 * np.pi * 300 * T[:48000])
    for n in range(1500):
        turn = np.sin(2 * np.pi * n / 500)
        chain.set(depth=0.5 + 0.5 * turn, width=0.5 - 0.5 * turn, balance=turn,
                  mix=0.5 + 0.5 * turn, speed=float(turn > 0), brake=float(turn < -0.5))
        y.append(chain.play(x[32 * n:32 * n + 32]))
    bends = np.abs(np.diff(np.concatenate(y)[960:], 2, axis=0))
    assert bends.max() < 2 * (2 * np.pi * 300 / 48000) ** 2


def test_silent_after_silence_and_bad_input_passes():
    x = np.random.default_rng(4).uniform(-1, 1, 4800)
    x[100], x[200], x[300] = np.nan, np.inf, 1e30
    chain = Chain(ROTARY)
    assert np.isfinite(chain.play(x)).all()
    chain.play(np.zeros(24000))
    assert not chain.play(np.zeros(480)).any()
    assert np.abs(chain.play(0.5 * np.sin(2 * np.pi * 300 * T)))[-480:].max() > 0.2
