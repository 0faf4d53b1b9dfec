"""The audio dialect: lanes and scalar maths against numpy, noise that repeats, guards that hold."""
import platform

import numpy as np
import pytest
from numba import njit

from engine.lanes import (
    add,
    fma,
    largest,
    load,
    noise,
    power,
    ramp,
    select,
    signed,
    splat,
    store,
    total,
    vexp2,
    vfloor,
    vmax,
    vmin,
    vsine,
    vtanh,
)
from engine.rt import (
    aligned_frame,
    decay_per_sample,
    exp2,
    f32,
    flush,
    from_db,
    lag_per_step,
    rt_host,
    sine,
    tangent,
    wrap,
)


@rt_host
def lane_maths(x, y, out):
    a, b = load(x, 0), load(y, 0)
    store(out, 0, a + b)
    store(out, 16, a * b - b / f32(2))
    store(out, 32, fma(a, b, splat(f32(1))))
    store(out, 48, vsine(a))
    store(out, 64, vexp2(a))
    store(out, 80, select(a < b, a, -b))
    store(out, 96, vmin(a, b) + vmax(a, b))
    store(out, 112, vfloor(a) + ramp(3))
    store(out, 128, vtanh(a))
    store(out, 144, signed(a, b))
    add(out, 0, splat(f32(0.5)))
    return total(a), largest(a)


@pytest.fixture(scope="module")
def lanes():
    x = np.linspace(-5, 5, 16).astype(np.float32)
    y = np.linspace(2, -1, 16).astype(np.float32) ** 3
    out = np.zeros(160, np.float32)
    sums = lane_maths(x, y, out)
    return x.astype(float), y.astype(float), out.reshape(10, 16), sums


def test_arithmetic_of_sixteen(lanes):
    x, y, out, (summed, top) = lanes
    assert np.allclose(out[0], x + y + 0.5, atol=1e-5)
    assert np.allclose(out[1], x * y - y / 2, atol=1e-5)
    assert np.allclose(out[2], x * y + 1, atol=1e-5)
    assert np.allclose(out[5], np.where(x < y, x, -y), atol=1e-6)
    assert np.allclose(out[6], x + y, atol=1e-5)
    assert np.array_equal(out[9], x * np.copysign(1, y))
    assert np.allclose(out[7], np.floor(x) + 3 + np.arange(16))
    assert summed == pytest.approx(x.sum(), abs=1e-5) and top == 5.0


def test_functions_of_sixteen(lanes):
    x, _, out, _ = lanes
    assert np.abs(out[3] - np.sin(2 * np.pi * x)).max() < 2e-6
    assert np.abs(out[4] / 2.0 ** x - 1).max() < 4e-7
    assert np.abs(out[8]).max() == 1.0 and np.all(np.diff(out[8]) >= 0)


@rt_host
def hashed(out, seed, start):
    for i in range(0, out.size, 16):
        store(out, i, noise(seed, start + i))


def test_noise_is_white_repeats_and_differs_by_seed():
    long, again, other = (np.zeros(1 << 16, np.float32) for _ in range(3))
    hashed(long, 5, 0)
    hashed(again[1600:3200], 5, 1600)
    hashed(other, 6, 0)
    assert np.array_equal(long[1600:3200], again[1600:3200])
    assert abs(long.mean()) < 0.01 and abs(long.std() - 3 ** -0.5) < 0.01
    assert np.abs(long).max() <= 1.0 and abs(np.corrcoef(long, other)[0, 1]) < 0.02
    spectrum = np.abs(np.fft.rfft(long)) ** 2
    bands = spectrum[1:].reshape(16, -1).mean(1)
    assert bands.max() / bands.min() < 1.2


@rt_host
def powers(out, base):
    store(out, 0, power(base, ramp(0)))


def test_power_of_a_decay():
    out = np.zeros(16, np.float32)
    powers(out, f32(0.97))
    assert np.allclose(out, 0.97 ** np.arange(16), rtol=1e-6)


def called(function, *words):
    """What a function of the dialect gives, by a compiled caller."""
    return njit(lambda *given: function(*given))(*words)


def test_a_frame_that_vectors_lie_in_is_aligned():
    framed = njit(lambda: aligned_frame())                  # from no cache: those keep no listing
    assert framed() % 64 == 0
    code = next(iter(framed.inspect_asm().values()))
    assert platform.machine() != "x86_64" or "andq\t$-64, %rsp" in code


def test_python_may_not_call_the_dialect():
    with pytest.raises(TypeError, match="exp2 is called by compiled code alone"):
        exp2(f32(1))


@pytest.mark.parametrize("x", [-20.5, -1.0, 0.0, 0.3, 3.7, 60.0])
def test_scalar_maths(x):
    assert called(exp2, f32(x)) == pytest.approx(2.0 ** x, rel=5e-7)
    assert called(sine, f32(x)) == pytest.approx(np.sin(2 * np.pi * x), abs=2e-5)
    assert called(wrap, f32(x)) == pytest.approx(x % 1.0, abs=1e-5)


def test_gains_decays_and_lags():
    assert called(from_db, f32(-20)) == pytest.approx(0.1, rel=1e-6)
    assert called(from_db, f32(-120)) == 0.0
    share = called(decay_per_sample, f32(2), f32(1 / 48000))
    assert share ** 96000 == pytest.approx(1e-3, rel=0.02)
    assert called(lag_per_step, f32(0), f32(1)) == 1.0
    assert called(lag_per_step, f32(1), f32(1)) == pytest.approx(1 - np.exp(-1), rel=1e-5)
    assert called(tangent, f32(1.2)) == pytest.approx(np.tan(1.2), rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e-20, 1e-40])
def test_flush_lets_no_bad_number_through(bad):
    assert called(flush, f32(bad)) == 0.0 and called(flush, f32(0.25)) == 0.25
