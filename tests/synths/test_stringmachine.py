"""String machine: feet at their levels, nothing folds back, filters, times; equal to a plain loop.

Thread: any.
"""
import numpy as np
import pytest

from engine.unit import FINISH
from synths.stringmachine import STRINGMACHINE
from tests.synths.harness import Player, aliasing_db, cents, db, pitch_hz
from tests.synths.reference import Halve, close_db, saw, white

FEET = ("foot16", "foot8", "foot4", "foot2")
OPEN = dict(cutoff_hz=16000.0, body_hz=10.0, attack_s=0.005)


def feet(*levels, **params):
    """One rank with these feet, filters open."""
    return Player(STRINGMACHINE, **{**OPEN, "rank": 0.0, "detune_cents": 0.0, **params},
                  **dict(zip(FEET, levels, strict=True)))


def line_db(y, hz):
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18))) ** 2
    at = np.rint(np.asarray(hz) * len(y) / 48000).astype(int)
    return 10 * np.log10([spectrum[i - 12:i + 13].sum() for i in at])


@pytest.mark.parametrize("n", range(4))
@pytest.mark.parametrize("hz", (261.6256, 1046.5, 2093.0, 4186.0))
def test_no_foot_folds_back(hz, n):
    y = feet(*np.eye(4)[n]).note(1.2, hz)[9600:]
    base = hz * 2.0 ** (n - 1)
    if base > 10000:
        assert not y.any()                                  # too high for its saw: silent
    else:
        assert aliasing_db(y, base) < -80


@pytest.mark.parametrize("hz", (261.6256, 1046.5, 4186.0))
def test_all_feet_share_one_correction_and_none_folds_back(hz):
    assert aliasing_db(feet(1.0, 1.0, 0.7, 0.5).note(1.2, hz)[9600:], hz / 2) < -80


@pytest.mark.parametrize("hz", (27.5, 220.0, 3520.0))
def test_in_tune(hz):
    y = feet(0.0, 1.0, 0.0, 0.0).note(2.0, hz)[4800:]
    assert abs(cents(pitch_hz(y, hz), hz)) < 0.01


def test_feet_have_their_levels_and_phase():
    w = np.array((0.4, 1.0, 0.6, 0.1))
    found = line_db(feet(*w).note(1.2, 400.0)[9600:], 200.0 * np.arange(1, 9))
    wanted = [sum(w[k] * 2 ** k / n for k in range(4) if n % 2 ** k == 0) for n in range(1, 9)]
    assert np.ptp(found - db(wanted)) < 0.05


def test_loudness_stays_as_feet_come():
    one, all_ = (np.std(feet(*w).note(1.0, 110.0)[9600:]) for w in (
        (0.0, 1.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0)))
    assert -0.5 < db(all_ / one) < 4                       # octaves add up: they share their phase


def test_the_ranks_lie_apart():
    y = Player(STRINGMACHINE, **OPEN, rank=1.0, detune_cents=30.0, foot16=0.0, foot4=0.0,
               foot2=0.0).note(6.0, 440.0)[9600:]
    spectrum = np.abs(np.fft.rfft(y * np.blackman(len(y))))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    inside = np.abs(cents(np.maximum(line, 1), 440.0)) < 60
    strong = line[inside & (spectrum > 0.7 * spectrum[inside].max())]
    assert cents(strong.min(), 440.0) == pytest.approx(-15, abs=1)
    assert cents(strong.max(), 440.0) == pytest.approx(15, abs=1)


def test_the_filters_are_first_order_at_their_frequencies():
    hz, n = 100.0, np.arange(1, 160)
    open_, shut = (line_db(feet(0.0, 1.0, 0.0, 0.0, cutoff_hz=c, body_hz=b).note(1.2, hz)[9600:],
                           hz * n) for c, b in ((16000.0, 10.0), (3000.0, 400.0)))

    def drops_db(cutoff_hz, body_hz):
        low, high, x = (np.tan(np.pi * f / 48000) for f in (cutoff_hz, body_hz, hz * n))
        return -10 * np.log10((1 + (x / low) ** 2) * (1 + (high / x) ** 2))
    assert np.abs(shut - open_ - drops_db(3000, 400) + drops_db(16000, 10)).max() < 0.05


def test_attack_and_release_take_their_times_and_end_in_silence():
    player = Player(STRINGMACHINE, attack_s=0.3, release_s=0.6)
    player.strike()
    env = np.array([player.runs["env"][0] for _ in range(3000)
                    if player.play(32 / 48000) is not None])
    assert env[449] == pytest.approx(0.95, abs=0.003)
    player.release()
    player.play(0.3)
    assert db(player.runs["env"][0] / env[-1]) == pytest.approx(-30, abs=0.2)
    player.play(2.0)
    assert player.runs["env"][0] == 0 and not player.play(0.05).any()


def test_a_chord_makes_no_click_at_either_end():
    player = Player(STRINGMACHINE, 8, cutoff_hz=3000.0, attack_s=0.06, release_s=0.1)
    for v in range(8):
        player.strike(110.0 * 2 ** (v * 4 / 12), v=v)
    first = player.play(0.5)[:, :8].sum(1)
    for v in range(8):
        player.release(v)
    bends = np.diff(np.concatenate((first, player.play(0.3)[:, :8].sum(1))).astype(float), 2)
    assert np.abs(bends).max() < 1.5 * np.abs(bends[12000:24000]).max()


def test_feet_and_filters_may_jump_without_a_click():
    player = feet(0.0, 1.0, 0.0, 0.0, cutoff_hz=500.0, body_hz=1000.0)
    y = [player.note(0.5, 55.0)]
    player.set(foot16=1.0, foot8=0.0, cutoff_hz=3000.0, body_hz=20.0)
    y = np.concatenate((*y, player.play(0.5)[:, 0]))
    bends = np.abs(np.diff(y, 2))
    assert bends[23900:25000].max() < 1.5 * bends[30000:].max()


def test_a_cutoff_that_jumps_glides_over_a_quantum():
    player = feet(0.0, 1.0, 0.0, 0.0, cutoff_hz=500.0)
    y = np.sin(2 * np.pi * np.arange(3200) / 48).astype(np.float32)
    for at in range(0, len(y), 32):
        player.set(cutoff_hz=500.0 if at < 1600 else 3000.0)
        player.call(FINISH, 0, player.count, player.state.ctypes.data, player.params.ctypes.data,
                    0, y[at:].ctypes.data, player.dt, 0.0)
    bends = np.abs(np.diff(y.astype(float), 2))
    assert bends[1500:1700].max() < 1.5 * bends[2400:].max()


def test_a_key_finds_the_divider_running():
    player = feet(0.0, 1.0, 0.0, 0.0)
    player.note(0.5, 220.0)
    before = player.runs["keep_turns"][0]
    player.strike(220.0)
    assert player.runs["keep_turns"][0] == before


def plain_loop(count, steps, level, w, second, cutoff_hz, body_hz, attack_s):
    """Four saws, each with its own correction, on two ranks; decimated; two one-poles."""
    halve, pair, y = Halve(), [], np.zeros(count)
    turns = 0.5 + 0.5 * white(1, 0, 16)[:2]
    gain = 0.15 / np.sqrt(np.sum(np.square(w)) * (1 + second ** 2))
    rise, env, low, deep = 1 - 0.001 ** (32 / 48000 / (attack_s * 2.3059)), 0.0, 0.0, 0.0
    g, b = np.tan(np.pi * np.array((cutoff_hz, body_hz)) / 48000)
    for i in range(2 * count):
        if i % 64 == 0:
            start, env = env, env + rise * (1 - env)
            settled = i > 0
        x = 0.0
        for rank, step in enumerate(steps):
            near = 1 if settled else i / 64                # the feet come in a first quantum
            x += near * (1, second)[rank] * sum(
                share * saw((turns[rank] + i * step) * 2 ** k, step * 2 ** k)
                for k, share in enumerate(w))
        pair.append(x * gain * level * (start + (env - start) * (i % 64) / 64))
        if i % 2:
            way = (halve(*pair) - low) * g / (1 + g)
            x, low, pair = low + way, low + 2 * way, []
            way = (x - deep) * b / (1 + b)
            y[i // 2], deep = x - deep - way, deep + 2 * way
    return y


def test_lanes_match_a_plain_loop():
    w = (0.4, 1.0, 0.6, 0.3)
    player = feet(*w, rank=0.5, detune_cents=20.0, cutoff_hz=4000.0, body_hz=100.0, attack_s=0.02)
    y = player.note(0.05, 440.0, 0.7)
    steps = player.runs["keep_step"][::16].astype(float)             # as the kernel rounds them
    assert steps * 192000 == pytest.approx(440.0 * 2 ** (np.array((10, -10)) / 1200), rel=1e-6)
    wanted = plain_loop(len(y), steps, 0.7, w, 0.5, 4000.0, 100.0, 0.02)
    assert close_db(y, wanted) < -100
