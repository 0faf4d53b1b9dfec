"""Multiband: flat while it does nothing, its curve and times, bands apart, a plain loop.

Thread: any.
"""
import numpy as np
import pytest

from synths.multiband import MULTIBAND
from tests.synths.harness import RATE_HZ, Chain, db

OFF = {"low_ratio": 1.0, "middle_ratio": 1.0, "high_ratio": 1.0}
BANDS = {"low": (45, 500, 8000), "middle": (566, 40, 8000), "high": (12000, 500, 1000)}
T = np.arange(3 * RATE_HZ)
NOISE = np.random.default_rng(8).standard_normal((2, 9600))


def tone(hz, level_db):
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * hz / RATE_HZ * T[:len(T) - len(T) % 32])


def power_db(y):
    """Level of a sine of this power on both sides."""
    return 10 * np.log10(2 * (y ** 2).mean())


def response_db(low_hz=150.0, high_hz=2500.0, **more):
    chain = Chain(MULTIBAND, low_hz=low_hz, high_hz=high_hz, **(OFF | more))
    chain.play(np.zeros(64))              # makeup stands
    y = chain.play(np.eye(1, RATE_HZ)[0])[:, 0]
    return db(np.fft.rfft(y))             # one bin a Hz


@pytest.mark.parametrize(("low_hz", "high_hz"), ((40, 1000), (150, 2500), (500, 1000), (500, 8000)))
def test_flat_when_nothing_is_compressed(low_hz, high_hz):
    assert np.abs(response_db(low_hz, high_hz)[20:20001]).max() < 0.001


def test_bands_meet_in_phase_six_db_down():
    low = response_db(low_makeup_db=6.0)
    assert low[20] == pytest.approx(6, abs=0.05) and abs(low[2500]) < 0.01
    half = 20 * np.log10((10 ** 0.3 + 1) / 2)
    assert low[150] == pytest.approx(half, abs=0.01)
    assert response_db(high_makeup_db=6.0)[2500] == pytest.approx(half, abs=0.01)
    middle = response_db(middle_makeup_db=6.0)
    assert middle[150] == pytest.approx(half, abs=0.01)
    assert middle[612] == pytest.approx(6, abs=0.05) and abs(middle[20]) < 0.05


@pytest.mark.parametrize("name", BANDS)
@pytest.mark.parametrize(("over_db", "ratio"), (
    (-12, 4), (-3, 4), (0, 4), (3, 4), (12, 4), (12, 1.5), (20, 20)))
def test_static_curve(name, over_db, ratio):
    hz, low_hz, high_hz = BANDS[name]
    wanted = over_db - (1 - 1 / ratio) * (
        max(over_db - 3, 0) + min(max(over_db + 3, 0), 6) ** 2 / 12)
    chain = Chain(MULTIBAND, low_hz=low_hz, high_hz=high_hz, **OFF | {
        f"{name}_ratio": ratio, f"{name}_threshold_db": -24.0, f"{name}_release_s": 0.2,
        f"{name}_attack_s": 0.2})
    y = chain.play(tone(hz, over_db - 24))[-RATE_HZ:, 0]
    assert power_db(y) + 24 == pytest.approx(wanted, abs=0.05)


def test_attack_and_release_are_time_constants():
    """The gain has gone 63 % of its way, in dB, after that time (and the detector's 2 ms)."""
    x = tone(9000, -30.0)
    x[RATE_HZ:2 * RATE_HZ] *= 10 ** 0.5
    gain = {}
    for ratio in (1.0, 20.0):
        y = Chain(MULTIBAND, **OFF | {"high_ratio": ratio, "high_threshold_db": -40.0,
                                      "high_attack_s": 0.1, "high_release_s": 0.2}).play(x)[:, 0]
        gain[ratio] = db(np.sqrt(np.convolve(y ** 2, np.ones(48) / 48, "same") + 1e-12))
    down = gain[20.0] - gain[1.0]
    for start, time_s in ((RATE_HZ, 0.1), (2 * RATE_HZ, 0.2)):
        first, last = down[start - 100], down[start + int(0.95 * RATE_HZ)]
        way = (down[start:start + RATE_HZ - 100] - first) / (last - first)
        assert np.argmax(way > 1 - np.exp(-1)) / RATE_HZ == pytest.approx(time_s, rel=0.03)


def test_a_loud_bass_leaves_the_hats_alone_and_the_image_stays():
    bass, hats = tone(60, 0.0), tone(9000, -40.0)
    chain = Chain(MULTIBAND, low_threshold_db=-30.0, low_ratio=10.0)
    left, right = chain.play(bass + hats, 0.5 * bass + hats).T
    end = slice(-RATE_HZ, None)
    for y, hz, level in ((left, 9000, -40), (right, 9000, -40)):
        line = 2 * abs(np.exp(-2j * np.pi * hz / RATE_HZ * T[end]) @ y[end]) / RATE_HZ
        assert db(line) == pytest.approx(level, abs=0.05)
    lines = [abs(np.exp(-2j * np.pi * 60 / RATE_HZ * T[end]) @ y[end]) for y in (left, right)]
    assert lines[1] / lines[0] == pytest.approx(0.5, rel=1e-3)
    assert 2 * lines[0] / RATE_HZ < 0.1


def test_crossovers_move_without_a_click():
    chain, x = Chain(MULTIBAND, **OFF), tone(200, 0.0)[:RATE_HZ].astype(np.float32)
    y = np.zeros(len(x))
    for q in range(0, len(x), 32):
        chain.set(low_hz=100 * 4 ** (q / len(x)), high_hz=1000 * 8 ** (q / len(x)))
        y[q:q + 32] = chain.play(x[q:q + 32])[:, 0]
    spectrum = np.abs(np.fft.rfft(y[4800:-4800] * np.kaiser(len(y) - 9600, 20)))
    hz = np.fft.rfftfreq(len(y) - 9600, 1 / RATE_HZ)
    assert db(spectrum[hz > 1000].max() / spectrum.max()) < -80
    assert np.abs(np.abs(y[4800:]).reshape(-1, 4800).max(1) - 1).max() < 0.01


def test_silence_ends_at_zero():
    chain = Chain(MULTIBAND)
    chain.play(NOISE[0])
    assert not chain.play(np.zeros(3 * RATE_HZ))[-32:].any()


def plain(left, right, p):
    """The same, sample by sample, in float64."""
    root, out = np.sqrt(2), np.zeros((2, len(left)))
    power, down, times = np.zeros(3), np.zeros(3), (0.01, 0.005, 0.002)
    filters, bands = np.zeros((2, 7, 2)), np.zeros((2, 3, len(left)))

    def poles(z, hz, x):
        g = np.tan(np.pi * hz / RATE_HZ)
        band = (z[0] + g * (x - z[1])) / (1 + g * (g + root))
        low = z[1] + g * band
        z[:] = 2 * band - z[0], 2 * low - z[1]
        return low, x - root * band - low, x - 2 * root * band

    for side, x in enumerate((left, right)):
        z = filters[side]
        for i in range(len(x)):
            low, rest, _ = poles(z[0], p["low_hz"], x[i])
            low = poles(z[1], p["low_hz"], low)[0]
            rest = poles(z[2], p["low_hz"], rest)[1]
            middle, high, _ = poles(z[4], p["high_hz"], rest)
            bands[side, :, i] = (poles(z[3], p["high_hz"], low)[2],
                                 poles(z[5], p["high_hz"], middle)[0],
                                 poles(z[6], p["high_hz"], high)[1])
    for b, name in enumerate(("low", "middle", "high")):
        threshold, ratio, attack, release, makeup = (
            p[f"{name}_{word}"] for word in ("threshold_db", "ratio", "attack_s", "release_s",
                                             "makeup_db"))
        for i in range(0, len(left), 8):
            now = (bands[:, b, i:i + 8] ** 2).sum() / 8
            power[b] += (now - power[b]) * -np.expm1(-8 / RATE_HZ / times[b])
            over = 10 * np.log10(max(power[b], 1e-20)) - threshold
            aim = (1 - 1 / ratio) * (min(max(over + 3, 0), 6) ** 2 / 12 + max(over - 3, 0))
            first, time = down[b], attack if aim > down[b] else release
            down[b] += (aim - down[b]) * -np.expm1(-8 / RATE_HZ / time)
            line = first + (down[b] - first) * np.arange(1, 9) / 8
            out[:, i:i + 8] += bands[:, b, i:i + 8] * 10 ** ((makeup - line) / 20)
    return out


def test_the_lanes_match_a_plain_loop():
    values = {"low_threshold_db": -30.0, "middle_ratio": 8.0, "low_makeup_db": 3.0,
              "high_threshold_db": -36.0, "high_attack_s": 0.001, "middle_release_s": 0.01}
    chain = Chain(MULTIBAND, **values)
    chain.play(np.zeros(64))
    x = np.float32(0.3 * NOISE).astype(float)
    y = chain.play(*x).T
    names = [q.name for q in MULTIBAND.params]
    wanted = plain(*x, dict(zip(names, chain.params.astype(float), strict=True)))
    assert db(np.abs(y - wanted).max() / np.abs(wanted).max()) < -100
