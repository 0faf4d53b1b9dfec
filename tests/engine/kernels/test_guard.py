"""Guard: 40 dB more after an edit come 6 dB at a time; without an edit nothing changes at all.

Thread: any.
"""
import numpy as np
import pytest
from numba import njit
from scipy.signal import lfilter

from engine.kernels.guard import hold_back, new_guard
from engine.kernels.weighting import weighting
from engine.rt import QUANTUM, SAFE, f32

RATE_HZ = 48000
N = np.arange(12 * RATE_HZ)
EDIT = 5 * RATE_HZ                        # the sample of the edit, and of what it does
WATCHED = EDIT + 2 * RATE_HZ
NOISE = np.random.default_rng(2).standard_normal(len(N))
BEAT = N % 24000
KICK = np.sin(2 * np.pi * (52 * BEAT / RATE_HZ + 3 * (1 - np.exp(-BEAT / 600)))) * np.exp(
    -BEAT / 3000)
TONE = np.sin(2 * np.pi * 440 / RATE_HZ * N)


@njit
def through(state, left, right, edits, dt):
    for q in range(0, len(left), QUANTUM):
        hold_back(state, left[q:q + QUANTUM], right[q:q + QUANTUM], edits[q // QUANTUM], dt)


def sides(x):
    return np.stack((x, x)).astype(f32)


def guarded(left, edit_at=EDIT, right=None, rate_hz=RATE_HZ):
    """(2, samples) float32: what leaves the guard, with edits at these samples."""
    out = np.stack((left, left if right is None else right)).astype(f32)
    edits = np.zeros(out.shape[1] // QUANTUM, bool)
    edits[np.atleast_1d(edit_at).astype(int) // QUANTUM] = True
    through(new_guard(rate_hz), *out, edits, f32(1 / rate_hz))
    return out


def loudness(y, window_s=0.1, rate_hz=RATE_HZ):
    """dB of the K-weighted power of every window that ends at a sample, by scipy."""
    power = 0.0
    for side in y.astype(float):
        for b, a in weighting(rate_hz):
            side = lfilter(b, (1, *a), side)
        power = power + side ** 2
    total = np.cumsum(np.concatenate((np.zeros(1), power)))
    size = round(window_s * rate_hz)
    return 10 * np.log10((total[size:] - total[:-size]) / size + 1e-12)


def jump(x, by_db, quiet_db=-28.0):
    return x * 10 ** (quiet_db / 20) * np.where(N < EDIT, 1.0, 10 ** (by_db / 20))


STEADY = {"tone": TONE, "bass": np.sin(2 * np.pi * 41 / RATE_HZ * N), "noise": 0.5 * NOISE,
          "high": np.sin(2 * np.pi * 9000 / RATE_HZ * N)}
UNEVEN = {"kick": KICK, "clicks": NOISE * np.exp(-BEAT / 200), "kick and pad": KICK + 0.03 * TONE,
          "bursts": 0.3 * NOISE * (N % 31000 < 9000)}


def far_rise_db(y, until=WATCHED):
    """How far the loudest 100 ms lie above all that was heard 100 ms before or longer."""
    level = np.maximum(loudness(y), -30.0)
    rise = level[4800:] - np.maximum.accumulate(level)[:-4800]
    return rise[EDIT - 9600:until - 9600].max()


@pytest.mark.parametrize("window_s", (0.05, 0.1, 0.4))
@pytest.mark.parametrize("name", STEADY)
def test_forty_db_more_rise_six_in_a_tenth_of_a_second(name, window_s):
    level = loudness(guarded(jump(STEADY[name], 40)), window_s)[RATE_HZ:]
    assert (level[4800:] - level[:-4800]).max() <= 6.0
    assert level[-1] - level[0] > 39.5    # and in the end they are there
    wild = loudness(sides(jump(STEADY[name], 40)), window_s)[RATE_HZ:]
    assert (wild[4800:] - wild[:-4800]).max() > 20


@pytest.mark.parametrize("name", [*STEADY, *UNEVEN])
def test_whatever_plays_is_at_most_six_db_above_what_was_heard(name):
    x = jump((STEADY | UNEVEN)[name], 40)
    y = guarded(x)
    assert far_rise_db(sides(x)) > 15
    assert far_rise_db(y) <= 6.0
    loud = np.abs(x) > np.abs(x).max() / 100               # and what comes back comes slowly
    gain = 20 * np.log10(np.abs(y[0][loud] / x[loud]))
    at = np.arange(len(x))[loud]
    back = np.interp(at + 4800, at, gain) - gain
    assert back[at >= EDIT].max() <= 6.0
    assert np.array_equal(y[:, -RATE_HZ:], sides(x)[:, -RATE_HZ:])


@pytest.mark.parametrize("name", [*STEADY, *UNEVEN])
def test_a_hand_that_goes_on_gets_no_more_at_once(name):
    """Sixty edits in 3 s, most of them after the loud one."""
    x = jump((STEADY | UNEVEN)[name], 40)
    y = guarded(x, EDIT - 9600 + 2400 * np.arange(60))
    assert far_rise_db(y, WATCHED + 2 * RATE_HZ) <= 6.0
    assert np.array_equal(y[:, -RATE_HZ:], sides(x)[:, -RATE_HZ:])


def test_another_sound_bursts_in_after_the_edit():
    x = np.where(N < EDIT, jump(KICK, 0), 0.5 * NOISE)
    assert far_rise_db(guarded(x, EDIT)) <= 6.0
    late = np.where(N < EDIT + RATE_HZ, jump(KICK, 0), 0.5 * NOISE)      # a bar after the edit
    assert far_rise_db(guarded(late, EDIT)) <= 6.0


@pytest.mark.parametrize("name", [*STEADY, *UNEVEN])
def test_without_an_edit_every_sample_passes(name):
    x = jump((STEADY | UNEVEN)[name], 60)
    x[5 * RATE_HZ + 7], x[6 * RATE_HZ] = np.nan, 1e30
    assert np.array_equal(guarded(x, ()), sides(x), equal_nan=True)


@pytest.mark.parametrize("name", [*STEADY, *UNEVEN])
def test_an_edit_that_makes_nothing_louder_changes_no_sample(name):
    x = jump((STEADY | UNEVEN)[name], 0)
    assert np.array_equal(guarded(x), sides(x))
    if name in STEADY:
        x = jump(STEADY[name], 2)         # nor one that is only a little louder
        assert np.array_equal(guarded(x), sides(x))


def test_a_kick_after_a_quiet_gap_is_as_loud_as_it_was_played():
    x = np.where(N < EDIT, 0.01 * TONE, KICK)
    assert np.array_equal(guarded(x, EDIT - 2 * RATE_HZ - 640), sides(x))
    soon = guarded(x, EDIT - RATE_HZ)     # with an edit a second ago it is held back
    end = EDIT + 9600
    assert loudness(soon[:, :end]).max() < loudness(sides(x[:end])).max() - 6
    assert np.array_equal(soon[0, :EDIT], x[:EDIT].astype(f32))


@pytest.mark.parametrize("rate_hz", (8000, 44100, 192000))
def test_any_rate(rate_hz):
    n = np.arange(round(5 * rate_hz / QUANTUM) * QUANTUM)
    x = 0.05 * np.sin(2 * np.pi * 440 / rate_hz * n) * np.where(n < 3 * rate_hz, 1, 100)
    level = loudness(guarded(x, 3 * rate_hz, rate_hz=rate_hz), rate_hz=rate_hz)[rate_hz:]
    size = rate_hz // 10
    assert (level[size:] - level[:-size]).max() <= 6.0 and level[-1] - level[0] > 20


def test_what_is_no_number_does_not_stay():
    x = jump(TONE, 20)
    x[EDIT + 99], x[EDIT + 9999], x[EDIT + 20000:EDIT + 20032] = np.nan, np.inf, 3e38
    y = guarded(x)
    assert np.isfinite(y).sum() >= y.size - 4
    assert np.array_equal(y[:, -RATE_HZ:], sides(x)[:, -RATE_HZ:])


def test_sides_stay_where_they_are():
    x, y = jump(TONE, 40), 0.25 * jump(TONE, 40)
    left, right = guarded(x, right=y)
    assert np.abs(right - 0.25 * left).max() < 1e-6


def test_it_allocates_nothing():
    run = njit(nogil=True, error_model="numpy", fastmath=SAFE)(hold_back.py_func)
    sides = np.zeros(QUANTUM, f32), np.zeros(QUANTUM, f32)
    run(new_guard(RATE_HZ), *sides, True, f32(1 / RATE_HZ))
    text = run.inspect_llvm(run.signatures[0])
    assert "fmul" in text and "NRT_Allocate" not in text
