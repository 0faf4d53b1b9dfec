"""FM against the formula: a pure sine, Bessel sidebands, decay, no drift. Thread: any."""
import numpy as np
import pytest
from scipy.special import jv

from synths.fm import FM
from tests.synths.harness import Player, cents, db, pitch_hz, t60_s
from tests.synths.reference import close_db

LONG = dict(decay_s=12.0, bright=1.0)


def lines_db(y, wanted_hz):
    """Level of each line, summed over the window's main lobe."""
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18))) ** 2
    step = 48000 / len(y)
    at = np.rint(np.array(wanted_hz) / step).astype(int)
    return 10 * np.log10([spectrum[max(i - 12, 0):i + 13].sum() for i in at])


def test_without_index_it_is_a_pure_sine():
    y = Player(FM, index=0.0, **LONG).note(1.2, 440.0)[4800:]
    carrier, *others = lines_db(y, 440.0 * np.arange(1, 20))
    assert max(others) - carrier < -110
    assert abs(cents(pitch_hz(y, 440.0), 440.0)) < 0.01


@pytest.mark.parametrize("index", (1.0, 2.405, 6.0))
def test_sidebands_are_bessel_functions(index):
    y = Player(FM, index=index, ratio=1.5, **LONG).note(1.2, 400.0)[4800:]
    orders = np.arange(0, 8)
    wanted = np.abs([jv(n, index) for n in orders])
    found = lines_db(y, 400.0 + 600.0 * orders)
    loud = wanted > 0.02
    known = db(wanted)[loud]
    assert np.ptp(found[loud] - known) < 0.05
    if index == 2.405:
        assert found[0] - found[1] < -50                    # the carrier's zero


@pytest.mark.parametrize("hz", (41.2, 261.6256, 1760.0, 4186.0))
def test_pitch_and_decay(hz):
    y = Player(FM, index=0.0, decay_s=1.0).note(1.5, hz)
    assert abs(cents(pitch_hz(y, hz), hz)) < 0.1
    assert t60_s(y, hz, 0.1, 0.7) == pytest.approx(1.0, rel=0.01)


def test_lanes_match_a_plain_loop_for_ten_seconds():
    hz, index, ratio, decay_s, bright = 440.0, 5.0, 1.41, 12.0, 0.6
    player = Player(FM, index=index, ratio=ratio, decay_s=decay_s, bright=bright, attack_s=0.01)
    y = player.note(10, hz)
    n, t = np.arange(len(y)), np.arange(len(y)) / 48000
    f32 = np.float32                                        # the steps as the kernel rounds them
    step, turn = float(f32(hz) * f32(1 / 48000)), float(f32(ratio) * f32(hz) * f32(1 / 48000))
    env = 10 ** (-3 * t / decay_s)
    bend = index * 10 ** (-3 * t * 3 * (1 - bright) / decay_s)
    wanted = 0.5 * env * np.minimum(t / 0.01, 1) * np.sin(
        2 * np.pi * step * n + bend * np.sin(2 * np.pi * turn * n))
    assert close_db(y[-48000:], wanted[-48000:]) < -65      # rounding of the two envelopes
    assert close_db(y[:9600], wanted[:9600]) < -100
    assert close_db(y[:48000], wanted[:48000]) < -80


def test_release_falls_in_release_s_and_ends_in_silence():
    player = Player(FM, decay_s=10.0, release_s=0.3, index=0.0)
    player.note(0.1, 440.0)
    player.release()
    y = player.play(1.0)[:, 0].astype(float)
    assert t60_s(y, 440.0, 0.0, 0.25) == pytest.approx(0.3, rel=0.02)
    assert not y[-4800:].any()


def test_bend_is_limited_so_that_nothing_folds_back():
    y = Player(FM, index=12.0, ratio=7.0, **LONG).note(0.6, 2000.0)
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18)))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    folded = np.abs((line - 2000.0) / 14000 - np.rint((line - 2000.0) / 14000)) * 14000 > 60
    mirrored = np.abs((line + 2000.0) / 14000 - np.rint((line + 2000.0) / 14000)) * 14000 > 60
    assert db(spectrum[folded & mirrored].max() / spectrum.max()) < -60
