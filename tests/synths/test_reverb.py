"""Reverb: decay times per octave, density, width, energy; it dies away and survives bad input.

Thread: any.
"""
import numpy as np
import pytest
from scipy.linalg import hadamard
from scipy.signal import butter, sosfiltfilt, sosfreqz

from synths.reverb import LENGTHS, REVERB
from tests.synths.harness import Chain, db
from tests.synths.reference import close_db

DRY = dict(motion=0.0, low_hz=10.0, predelay_s=0.0)


def impulse(seconds, **params):
    x = np.zeros(int(seconds * 48000))
    x[0] = 1.0
    return Chain(REVERB, **params).play(x)


def octave(hz):
    return butter(3, (hz / 2 ** 0.5, min(hz * 2 ** 0.5, 23500)), "band", fs=48000, output="sos")


def slope_s(left, times):
    """The -60 dB time of a Schroeder integral, from -5 to -30 dB."""
    level = 10 * np.log10(left / left[0] + 1e-20)
    start, stop = np.argmax(level < -5), np.argmax(level < -30)
    return -60 / np.polyfit(times[start:stop], level[start:stop], 1)[0]


def decay_s(y, hz):
    left = np.cumsum(sosfiltfilt(octave(hz), y)[::-1] ** 2)[::-1]
    return slope_s(left, np.arange(len(y)) / 48000)


def expected_s(hz, middle_s, high_s, low_s):
    """What an octave band gives whose every frequency decays as the mean line's filter says: a
    shelf and one pole, exact at both ends."""
    length, lines_hz = LENGTHS.mean(), np.geomspace(hz / 3, min(hz * 3, 23500), 200)
    middle, high, low = (10 ** (-3 * length / 48000 / s) for s in (middle_s, high_s, low_s))
    pole, deep = (middle - high) / (middle + high), np.exp(-2 * np.pi * 200 / 48000)
    z = np.exp(-2j * np.pi * lines_hz / 48000)
    gain = middle * (1 - pole) / (1 - pole * z)
    gain *= 1 + (low / middle - 1) * (1 - deep) / (1 - deep * z)
    times_s = -3 * length / 48000 / np.log10(abs(gain))
    weight = abs(sosfreqz(octave(hz), lines_hz, fs=48000)[1]) ** 4 * times_s * lines_hz
    times = np.arange(0, 2 * middle_s, 0.01)
    return slope_s((weight * 10 ** (-6 * times[:, None] / times_s)).sum(1), times)


@pytest.mark.parametrize(("middle_s", "high_s", "ratio"), (
    (3.0, 3.0, 1.0), (3.0, 1.2, 1.0), (1.2, 0.6, 1.0), (1.5, 1.5, 2.0), (3.0, 1.5, 0.4)))
def test_decay_times_per_octave(middle_s, high_s, ratio):
    y = impulse(1.3 * middle_s * max(ratio, 1), decay_s=middle_s, high_s=high_s, low_ratio=ratio,
                **DRY)
    for hz in (62.5, 125, 250, 500, 1000, 2000, 4000):
        found = np.mean([decay_s(y[:, side], hz) for side in (0, 1)])
        wanted = expected_s(hz, middle_s, high_s, middle_s * ratio)
        assert found == pytest.approx(wanted, rel=0.03 if hz > 100 else 0.05), hz


def scalar(x, size, decay_s, high_s, low_s, low_hz):
    """The same network without motion, one sample after the other."""
    lengths = np.rint(LENGTHS.astype(float) * size).astype(int)
    middle, high, low = (10 ** (-3 * lengths / 48000 / s) for s in (decay_s, high_s, low_s))
    pole, deep = (middle - high) / (middle + high), np.exp(-2 * np.pi * 200 / 48000)
    shelf, cut = (low / middle - 1) * (1 - deep), np.exp(-2 * np.pi * low_hz / 48000)
    lines, under, y = np.zeros((16, len(x))), np.zeros(16), np.zeros(16)
    spread, out = np.zeros((2, 4, len(x))), np.zeros((len(x), 2))
    memory, rows = np.zeros((2, 2)), np.arange(16)
    sides, signs = rows % 2, np.where(rows & 2, -0.5, 0.5)
    matrix, smear = hadamard(16) / 4, ((229, 173, 612, 447), (241, 181, 601, 457))
    for t in range(len(x)):
        past = np.where(t >= lengths, lines[rows, t - lengths], 0) * middle * (1 - pole)
        under = deep * under + past
        y = pole * y + past + shelf * under
        feed = x[t].copy()
        for side in (0, 1):
            for k in (0, 1):
                memory[side, k] += (1 - cut) * (feed[side] - memory[side, k])
                feed[side] -= memory[side, k]
            for k, back in enumerate(smear[side]):
                old = spread[side, k, t - back] if t >= back else 0
                spread[side, k, t] = feed[side] - 0.6 * old
                feed[side] = old + 0.6 * spread[side, k, t]
        out[t] = 0.35 * (y[[0, 2, 4, 8, 14]].sum() - y[[6, 10, 12]].sum()), \
            0.35 * (y[[1, 5, 7, 11, 15]].sum() - y[[3, 9, 13]].sum())
        lines[:, t] = matrix @ y + signs * feed[sides]
    return out


def test_lanes_match_the_scalar_loop():
    x = np.random.default_rng(4).uniform(-0.5, 0.5, (9600, 2))
    x[4800:] = 0
    y = Chain(REVERB, size=1.3, decay_s=1.0, high_s=0.4, low_ratio=0.5, motion=0.0,
              predelay_s=0.0, low_hz=190.0).play(x[:, 0], x[:, 1])
    assert close_db(y, scalar(x, 1.3, 1.0, 0.4, 0.5, 190.0)) < -100


def energy(reverb):
    """What is between the ends of the sixteen lines."""
    state = (reverb.runs[name].astype(int) for name in ("at", "ring", "length"))
    lines = reverb.runs["line"].reshape(16, -1).astype(float)
    return sum(np.sum(np.roll(line[:ring], -at)[-length:] ** 2)
               for line, at, ring, length in zip(lines, *state, strict=True))


def test_frozen_it_rings_on_for_a_minute_and_lets_nothing_in():
    reverb, noise = Chain(REVERB, size=0.77, motion=1.0), np.random.default_rng(5)
    reverb.play(noise.uniform(-1, 1, 24000))
    reverb.set(freeze=1.0)
    reverb.play(np.zeros(4800))
    before = energy(reverb)
    for _ in range(6):
        y = reverb.play(noise.uniform(-1, 1, 480000))
        assert np.abs(y).max() < 8
    assert abs(10 * np.log10(energy(reverb) / before)) < 0.1
    reverb.set(freeze=0.0)
    assert reverb.play(np.zeros(240000))[-4800:].std() < 1e-3 * y.std()


def test_dense_wide_and_even():
    y = impulse(2.0, decay_s=2.0, high_s=2.0, motion=0.4, low_hz=10.0)
    for start_s, least in ((0.092, 0.85), (0.16, 0.93)):
        part = y[int(start_s * 48000):][:960, 0]
        assert np.mean(np.abs(part) > part.std()) / 0.3173 > least
    late = y[4800:]
    assert abs(np.corrcoef(late.T)[0, 1]) < 0.2
    assert abs(db(late[:, 0].std() / late[:, 1].std())) < 1
    spectrum = np.abs(np.fft.rfft(late[33600:43200, 0] * np.hanning(9600)))[50:500]
    assert db(spectrum.max() / np.median(spectrum)) < 14    # nothing rings


def test_low_notes_stay_out():
    x = np.sin(2 * np.pi * 50 / 48000 * np.arange(24000))
    y = Chain(REVERB, low_hz=190.0).play(x)[12000:]
    high = Chain(REVERB, low_hz=190.0).play(np.sin(2 * np.pi * 1000 / 48000 * np.arange(24000)))
    assert db(y.std() / high[12000:].std()) < -15


def test_dies_away_to_nothing():
    reverb = Chain(REVERB, decay_s=0.3, high_s=0.2)
    reverb.play(np.random.default_rng(1).standard_normal(9600))
    y = reverb.play(np.zeros(96000))
    assert not y[-4800:].any() and not reverb.runs["line"].any()
    assert not reverb.runs["spread"].any() and not reverb.runs["low"].any()


def test_bad_input_and_moving_parameters_stay_bounded():
    reverb, noise = Chain(REVERB, decay_s=12.0, high_s=12.0), np.random.default_rng(2)
    for size in (0.5, 2.0, 0.7, 1.0):
        reverb.set(size=size, motion=1.0)
        x = noise.standard_normal(9600)
        x[::1000], x[1::1000] = np.nan, np.inf
        y = reverb.play(x)
        assert np.isfinite(y).all() and np.abs(y).max() < 20
    tail = [np.abs(reverb.play(np.zeros(24000))).max() for _ in range(3)]
    assert tail[2] < tail[1] < tail[0]


def test_predelay_shifts_everything():
    early = impulse(0.5, **DRY)[:, 0]
    late = impulse(0.5, **{**DRY, "predelay_s": 0.1})[:, 0]
    assert np.abs(late[4800:] - early[:-4800]).max() < 1e-6 and not late[:4800].any()


def test_a_ring_that_grows_keeps_what_is_in_it():
    small, large = (Chain(REVERB, size=size, motion=0.0, decay_s=9.0) for size in (0.5, 2.0))
    large.play(np.zeros(480))
    large.set(size=0.5)
    large.play(np.zeros(400000))                            # back at 0.5, in rings for 2.0
    noise, heard = np.random.default_rng(6).uniform(-1, 1, 9600), []
    for reverb in (small, large):
        first = reverb.play(noise)
        reverb.set(size=1.4)
        heard.append((first, reverb.play(np.zeros(96000))))
    assert small.runs["ring"][0] < large.runs["ring"][0] and np.abs(heard[0][1]).max() > 0.01
    for before, after in zip(*heard, strict=True):
        assert np.array_equal(before, after)
