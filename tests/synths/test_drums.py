"""Kick, clap and hat: pitch track, decay, spectrum, silence; equal to plain loops. Thread: any."""
import math

import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfilt

from synths.clap import CLAP
from synths.hat import HAT, RATIOS
from synths.kick import KICK
from tests.synths.harness import Player, db
from tests.synths.reference import close_db, smooth_step, tanh_like, white

DRUMS = (KICK, CLAP, HAT)


@pytest.mark.parametrize("drum", DRUMS, ids=lambda d: d.name)
def test_sounds_at_once_repeats_and_ends_in_exact_silence(drum):
    one, two = Player(drum), Player(drum)
    y = one.note(2.5)
    assert np.array_equal(y, two.note(2.5))
    assert np.abs(y[:8]).max() > 1e-4
    assert not y[-2400:].any()
    assert 0.3 < np.abs(y).max() < 0.75
    quiet = np.abs(Player(drum).note(0.5, level=0.3)).max()
    assert db(quiet / np.abs(y).max()) < -8


def crossings_hz(y):
    """(times in s, frequency of each half wave)."""
    at = np.flatnonzero(np.diff(np.signbit(y)))
    at = at + y[at] / (y[at] - y[at + 1])
    return (at[1:] + at[:-1]) / 2 / 48000, 24000 / np.diff(at)


def test_kick_falls_to_its_pitch():
    y = Player(KICK, click=0.0, tune_hz=50.0, decay_s=2.0).note(0.6)
    times, hz = crossings_hz(y)
    early, late = np.interp(0.005, times, hz), np.interp(0.1, times, hz)
    assert 1.5 < early / late < 4.5
    assert (np.diff(hz[times < 0.3]) < 0.05).all()
    assert hz[(times > 0.4)].mean() == pytest.approx(50.0, rel=0.002)


def test_kick_transposes_around_middle_c():
    _, hz = crossings_hz(Player(KICK, click=0.0, tune_hz=50.0, decay_s=2.0).note(0.6, 523.2511))
    assert hz[-5:].mean() == pytest.approx(100.0, rel=0.002)


def test_kick_decays_as_set_and_is_mostly_low():
    y = Player(KICK, click=0.0, drive=0.0, decay_s=0.8, hold_s=0.0).note(0.5)
    level = db(np.abs(hilbert(y)))[4800:19200]
    slope = np.polyfit(np.arange(len(level)) / 48000, level, 1)[0]
    assert -60 / slope == pytest.approx(0.8, rel=0.05)      # the soft limit bends it a little
    power = np.abs(np.fft.rfft(Player(KICK).note(0.5))) ** 2
    assert power[:50].sum() > 0.7 * power.sum()             # below 100 Hz


def test_click_adds_treble_and_only_at_the_start():
    with_, without = Player(KICK, click=1.0).note(0.3), Player(KICK, click=0.0).note(0.3)
    click = with_ - without
    assert np.abs(click[:240]).max() > 0.05
    assert np.abs(click[960:]).max() < 1e-3


def test_kick_matches_a_plain_loop():
    t = np.arange(9600)
    y = Player(KICK, tune_hz=50.0).note(0.2, level=0.9)
    defaults = {p.name: p.default for p in KICK.params}
    sweep_s, decay_s, hold = defaults["sweep_s"], defaults["decay_s"], defaults["hold_s"] * 48000
    step = float(np.float32(50.0)) * 261.6256 / 261.6255653 / 48000
    depth = defaults["pitch"] * (0.7 + 0.3 * 0.9) * step * sweep_s * 48000 / math.log(1000)
    turns = step * t + depth * (1 - 10 ** (-3 * t / 48000 / sweep_s))
    env = 10 ** (-3 * np.maximum(t - hold, 0) / 48000 / decay_s)
    push = 0.6 + 2.4 * defaults["drive"]
    body = np.array([tanh_like(x) for x in push * np.sin(2 * np.pi * turns)]) * env
    hiss = 0.81 * defaults["click"] * 0.16 * 10 ** (-3 * t / 48000 / 0.014)
    rough = white(1, 0, 9602)
    wanted = np.minimum(t / 8, 1) * (
        body * 0.9 * 0.46 / tanh_like(push) + (rough[:-2] - rough[2:]) * hiss)
    assert close_db(y, wanted) < -100


def test_clap_claps_three_times_then_fades():
    y = Player(CLAP, spread_s=0.0105, decay_s=0.3).note(0.3)
    level = np.convolve(y ** 2, np.ones(48), "same")
    for n in range(3):                                      # each onset rises well above its eve
        at = int(n * 0.0105 * 48000)
        before = level[max(at - 72, 0):max(at - 24, 1)].max() if n else 0.0
        assert level[at:at + 240].max() > 3 * before
    band = np.abs(np.fft.rfft(y)) ** 2
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    assert 700 < line[np.argmax(np.convolve(band, np.ones(60), "same"))] < 2000


def test_clap_matches_a_plain_loop():
    y = Player(CLAP).note(0.1)
    tone, body, spread = 0.45, 0.6, math.floor(0.0105 * 48000)
    g = math.tan(math.pi * 700 / 48000 * 2 ** (1.5 * tone))
    k, gain, bright = 1.5 - 0.9 * body, 1.15 + 0.6 * body, 0.10 + 0.12 * tone
    env, age, left, low, band, air, wanted = 1.0, 0, 3, 0.0, 0.0, 0.0, np.zeros(len(y))
    for i, x in enumerate(white(1, 0, len(y))):
        if left and age >= spread:
            left, age = left - 1, 0
            env = 1.0 if left else 0.62
        x, age = x * env, age + 1
        env *= 0.001 ** (1 / 48000 / (0.034 if left else 0.28))
        high = (x - low - (g + k) * band) / (1 + g * (g + k))
        middle = g * high + band
        band, low = g * high + middle, low + 2 * g * middle
        air += 0.5 * (x - air)
        wanted[i] = gain * (k * middle + bright * (x - air))
    assert close_db(y, wanted) < -90


@pytest.mark.parametrize("tone", (0.0, 0.5, 1.0))
@pytest.mark.parametrize("metal", (0.0, 1.0))
def test_hat_is_nearly_all_above_5_khz(tone, metal):
    power = np.abs(np.fft.rfft(Player(HAT, tone=tone, metal=metal, decay_s=0.5).note(0.5))) ** 2
    line = np.arange(len(power)) * 2.0
    assert power[line > 5000].sum() > 0.85 * power.sum()


def test_hat_does_not_fold_back_into_the_bass():
    y = Player(HAT, tone=0.0, metal=1.0, tune_hz=621.0, decay_s=3.0).note(1.0)
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 14)))
    assert db(spectrum[:300].max() / spectrum.max()) < -60


def test_hat_opens_with_its_decay():
    for decay_s in (0.1, 0.8):
        y = Player(HAT, metal=0.0, decay_s=decay_s).note(0.6)
        level = 10 * np.log10(np.convolve(y ** 2, np.ones(480) / 480, "valid") + 1e-30)
        start, stop = int(0.3 * decay_s * 48000), int(0.6 * decay_s * 48000)
        slope = np.polyfit(np.arange(stop - start) / 48000, level[start:stop], 1)[0]
        assert -60 / slope == pytest.approx(decay_s, rel=0.15)


def test_hat_matches_a_plain_loop():
    y = Player(HAT, tone=0.3, metal=0.7).note(0.04, level=0.8)
    t = np.arange(len(y))
    x = 0.9 * (1 - 0.7) * white(1, 0, len(y))
    for ratio in RATIOS.astype(float):
        step = 414.0 * ratio / 48000
        for i in t:
            u, d = (step * i) % 1.0, (step * i + 0.5) % 1.0
            x[i] += 0.7 * 0.7 * ((1 if u < 0.5 else -1) + 2 * (
                smooth_step((u - round(u)) / step) - smooth_step((d - round(d)) / step)))
    x *= 10 ** (-3 * t / 48000 / 0.16) + 0.8 * 0.5 * 10 ** (-3 * t / 48000 / 0.02)
    sos = butter(4, 6000 * 2 ** 0.24, "high", fs=48000, output="sos")
    assert close_db(y, sosfilt(sos, x) * 0.8 * (0.34 + 0.14 * 0.3)) < -80
