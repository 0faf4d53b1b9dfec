"""State-variable filter: the analytic response at every shape, stable at any sweep. Thread: any.
"""
import numpy as np
import pytest

from synths.svf import SVF
from tests.synths.harness import Chain, db
from tests.synths.reference import close_db

LINE_HZ = np.fft.rfftfreq(96000, 1 / 48000)
HEARD = slice(40, 40000)


def measured(**params):
    x = np.zeros(96000)
    x[0] = 1.0
    return np.fft.rfft(Chain(SVF, **params).play(x)[:, 0])


def analytic(hz, resonance, shape):
    """The analogue filter at the frequencies that the bilinear map gives."""
    s = 1j * np.tan(np.pi * LINE_HZ / 48000) / np.tan(np.pi * hz / 48000)
    k = 2 * 2.0 ** (-4 * resonance)
    low, band, high = np.array((1 + 0 * s, k * s, s * s)) / (s * s + k * s + 1)
    corner = [low, band, high, low + high]
    n = min(int(shape), 2)
    return corner[n] + (shape - n) * (corner[n + 1] - corner[n])


@pytest.mark.parametrize("hz", (60.0, 1000.0, 12000.0))
@pytest.mark.parametrize("resonance", (0.0, 0.5, 1.0))
@pytest.mark.parametrize("shape", (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0))
def test_the_response_is_the_analytic_one(hz, resonance, shape):
    wanted = analytic(hz, resonance, shape)
    found = measured(cutoff_hz=hz, resonance=resonance, shape=shape)
    assert close_db(np.abs(found[HEARD]), np.abs(wanted[HEARD])) < -85
    near = np.abs(wanted) > 0.01
    assert np.abs(db(found[near]) - db(wanted[near])).max() < 0.02


def test_the_peak_is_q_and_a_notch_is_deep():
    assert db(measured(cutoff_hz=1000.0, resonance=1.0)[2000]) == pytest.approx(18.06, abs=0.02)
    assert db(measured(cutoff_hz=1000.0, resonance=0.5, shape=1.0)[2000]) == pytest.approx(
        0, abs=0.01)
    assert db(measured(cutoff_hz=1000.0, resonance=0.2, shape=3.0)[2000]) < -60


def scalar(x, hz, k, sweep_octaves, sweep_hz):
    """Low-pass, one sample after the other, with the states of the two integrators."""
    a, b, out = 0.0, 0.0, np.zeros(len(x))
    step = float(np.float32(sweep_hz) * np.float32(1 / 48000))
    for n, one in enumerate(x):
        now = hz * 2 ** (sweep_octaves * np.sin(2 * np.pi * step * n))
        g = np.tan(np.pi * min(now / 48000, 0.45))
        high = (one - b - (g + k) * a) / (1 + g * (g + k))
        band = a + g * high
        low = b + g * band
        a, b = band + g * high, low + g * band
        out[n] = low
    return out


@pytest.mark.parametrize("sweep_hz", (3.0, 1000.0))
def test_lanes_match_the_scalar_loop_at_any_sweep(sweep_hz):
    x = np.random.default_rng(1).uniform(-1, 1, (9600, 2)).astype(np.float32)
    y = Chain(SVF, cutoff_hz=900.0, resonance=0.8, sweep_st=30.0, sweep_hz=sweep_hz).play(
        x[:, 0], x[:, 1])
    for side in range(2):
        wanted = scalar(x[:, side], 900.0, 2 * 2.0 ** -3.2, 2.5, sweep_hz)
        assert close_db(y[:, side], wanted) < -100


def test_no_sweep_feeds_it_energy():
    """What is in rings out monotonically, though the cutoff moves four octaves either way."""
    chain = Chain(SVF, cutoff_hz=1000.0, resonance=1.0, sweep_st=48.0, sweep_hz=777.0)
    chain.play(np.random.default_rng(2).uniform(-1, 1, 4800))
    energy = []
    for _ in range(300):
        energy.append(np.sum(chain.runs["z"][:2].astype(float) ** 2))
        chain.play(np.zeros(32))
    assert (np.diff(energy) <= 1e-6 * energy[0]).all() and energy[-1] < 1e-3 * energy[0]
    chain.play(np.zeros(192000))
    assert not chain.play(np.zeros(480)).any()


def test_turning_knobs_does_not_click():
    chain, y = Chain(SVF, resonance=0.3), []
    x = np.sin(2 * np.pi * 300 / 48000 * np.arange(48000))
    for n in range(1500):
        turn = np.sin(2 * np.pi * n / 500)
        chain.set(cutoff_hz=600.0 * 4 ** turn, shape=1.5 + 1.5 * turn, resonance=0.3 + 0.2 * turn)
        y.append(chain.play(x[32 * n:32 * n + 32]))
    bends = np.abs(np.diff(np.concatenate(y)[480:, 0], 2))
    assert bends.max() < 2.5 * (2 * np.pi * 300 / 48000) ** 2


def test_bad_input_passes_on():
    x = np.full(9600, 0.1)
    x[100], x[200], x[300] = np.nan, np.inf, 1e30
    y = Chain(SVF).play(x)
    assert np.isfinite(y).all() and y[-1, 0] == pytest.approx(0.1, abs=1e-3)
