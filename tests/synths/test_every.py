"""What every voice and effect promises: its names, its range at every corner, no allocation.

Thread: any.
"""
import re
from collections import namedtuple
from itertools import product

import numpy as np
import pytest
from numba import float32, njit, typeof, types

from engine.rt import SAFE, f32
from engine.sounds import sounds
from engine.voice import Voice
from tests.synths.harness import Chain, Player

VOICES = tuple(thing for thing in sounds().values() if isinstance(thing, Voice))
EFFECTS = tuple(thing for thing in sounds().values() if not isinstance(thing, Voice))
CORNERS = 128                             # of a long table; all low and all high are there
AUTOMATED = {                             # what mapping tables write
    "tb303": "cutoff_hz resonance env_mod decay_s accent wave", "fm": "ratio index decay_s bright",
    "string": "decay_s brightness pick_position", "hat": "decay_s tone", "clap": "decay_s tone",
    "pad": "cutoff_hz attack_s release_s detune_cents", "kick": "pitch tune_hz decay_s click",
    "delay": "bpm beats feedback tone_hz pingpong", "duck": "depth_db hold_s release_s",
    "djfilter": "position",
}


def named(thing):
    return thing.name


def corners(thing):
    names = [p.name for p in thing.params]
    ends = [(p.low, p.high) for p in thing.params]
    if 2 ** len(ends) <= CORNERS:
        every = product(*ends)
    else:
        chance = np.random.default_rng(11)
        picks = chance.integers(0, 2, (CORNERS, len(ends)))
        picks[0], picks[1] = 0, 1
        every = ([pair[k] for pair, k in zip(ends, row, strict=True)] for row in picks)
    for values in every:
        yield dict(zip(names, values, strict=True))


@pytest.mark.parametrize("thing", VOICES + EFFECTS, ids=named)
def test_has_the_parameters_that_sets_write(thing):
    assert set(AUTOMATED.get(thing.name, "").split()) <= {p.name for p in thing.params}


@pytest.mark.parametrize("voice", VOICES, ids=named)
def test_every_corner_is_finite_and_within_one(voice):
    for params in corners(voice):
        for hz in (27.5, 261.6256, 4186.0):
            player = Player(voice, **params)
            y = player.note(0.04, hz)
            player.release()
            y = np.concatenate((y, player.play(0.02)[:, 0]))
            assert np.isfinite(y).all() and np.abs(y).max() <= 1.0, (params, hz)


@pytest.mark.parametrize("voice", VOICES, ids=named)
def test_parameters_may_jump_while_a_note_sounds(voice):
    player, chance = Player(voice), np.random.default_rng(7)
    player.strike(110.0)
    for _ in range(200):
        player.set(**{p.name: p.at(chance.random()) for p in voice.params})
        player.pitch_hz[0] = 20.0 * 2 ** (9 * chance.random())
        y = player.play(32 / 48000)
        assert np.isfinite(y).all() and np.abs(y).max() < 2.0


@pytest.mark.parametrize("voice", VOICES, ids=named)
def test_level_zero_is_silent_and_voices_do_not_mix(voice):
    player = Player(voice, 16)
    player.strike(220.0, 0.0, v=3)
    assert not player.play(0.02).any()
    player.strike(220.0, 1.0, v=5)
    y = player.play(0.02)
    assert np.flatnonzero(np.abs(y).max(0)).tolist() == [5]


FORGETFUL = tuple(v for v in VOICES if not any(f.startswith("keep_") for f in v.state.sizes))


@pytest.mark.parametrize("voice", FORGETFUL, ids=named)
def test_a_strike_beside_a_sounding_voice_is_like_a_first(voice):
    first, later = Player(voice, 16), Player(voice, 16)
    later.strike(330.0, v=3)
    later.play(0.05)
    first.strike(220.0, v=5)
    later.strike(220.0, v=5)
    assert np.array_equal(first.play(0.02)[:, 5], later.play(0.02)[:, 5])


@pytest.mark.parametrize("rate_hz", (22050, 44100, 192000))
@pytest.mark.parametrize("thing", VOICES + EFFECTS, ids=named)
def test_runs_at_any_rate(thing, rate_hz):
    if thing in VOICES:
        y = Player(thing, rate_hz=rate_hz).note(0.05, 55.0)
        assert y.any()
    else:
        y = Chain(thing, rate_hz=rate_hz).play(np.sin(np.arange(4800) * 0.05))
    assert np.isfinite(y).all() and np.abs(y).max() < 1.5


@pytest.mark.parametrize("effect", EFFECTS, ids=named)
def test_every_corner_of_an_effect_is_finite_and_bounded(effect):
    x = np.random.default_rng(6).uniform(-1, 1, (3, 1600))
    x[2] *= x[2] > 0.98
    for params in corners(effect):
        y = Chain(effect, **params).play(x[0], x[1], np.abs(x[2]))
        assert np.isfinite(y).all() and np.abs(y).max() < 8, params


def fresh_llvm(kernel, thing, *rest):
    """The LLVM of a kernel compiled now and whole: a cached one has none."""
    run = typeof(np.zeros(1, f32))
    state = types.NamedTuple((run,) * len(thing.state.sizes),
                             namedtuple("State", list(thing.state.sizes)))
    params = types.NamedTuple((float32,) * len(thing.params),
                              namedtuple("Params", [p.name for p in thing.params]))
    kinds = {"s": state, "p": params, "run": run, "v": types.int64, "x": float32}
    compiled = njit(nogil=True, error_model="numpy", fastmath=SAFE)(kernel.py_func)
    signature = tuple(kinds[kind] for kind in rest)
    compiled.compile(signature)
    return compiled.inspect_llvm(signature)


def allocates(x):
    room = np.zeros(int(x))
    room[0] = x
    return room.sum()


def calls(text):
    """What of the runtime the code calls to get memory."""
    return re.findall(r"call [^@]*@(NRT_Allocate\w*|NRT_MemInfo_\w*alloc\w*)", text)


def test_the_allocation_test_can_fail():
    compiled = njit(allocates)
    compiled.compile((float32,))
    assert calls(compiled.inspect_llvm((float32,)))


# compiled anew takes seconds each: all of them with --slow
COMPILED = ("string", "fm", "tb303", "kick", "hat", "pad", "svf", "duck", "limiter")


@pytest.mark.parametrize("thing", [
    pytest.param(thing, marks=() if named(thing) in COMPILED else pytest.mark.slow)
    for thing in VOICES + EFFECTS], ids=named)
def test_no_allocation_in_the_ir(thing):
    if thing in VOICES:
        pitch = "x" if thing.shape == "time" else "run"
        text = fresh_llvm(thing.render, thing, "s", "v", "p", pitch, "run", "x")
        text += fresh_llvm(thing.strike, thing, "s", "v", "p", "x", "x")
        text += fresh_llvm(thing.release, thing, "s", "v", "p")
        if thing.finish:
            text += fresh_llvm(thing.finish, thing, "s", "p", "run", "x")
    else:
        text = fresh_llvm(thing.render, thing, "s", "p", "run", "run", "run", "x")
    assert "fmul" in text and not calls(text)
