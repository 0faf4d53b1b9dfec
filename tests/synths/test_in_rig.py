"""Every sound inside the real rig: the same samples at any block size, no storm breaks it.

Thread: any.
"""
import numpy as np
import pytest
from numba import njit

from engine.parts import Fx, Part
from engine.records import NOTE, PANIC
from engine.render import caller
from engine.rig import run
from engine.rig_events import aim
from engine.rt import f32
from engine.sounds import sound, sounds
from engine.table import Rig, Table
from engine.voice import Voice

VOICES = tuple(thing for thing in sounds().values() if isinstance(thing, Voice))
EFFECTS = tuple(thing for thing in sounds().values() if not isinstance(thing, Voice))
SETS = 1_000_000 // len(VOICES + EFFECTS)  # random parameter sets for each: a million in all
WORST = np.array((0.0, -0.0, np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -1e-40), np.float32)
FRAMES = 32


def everything(channels=2):
    """One deck with every voice as a part, every effect somewhere, a limiter."""
    inserts = [Fx(effect) for effect in EFFECTS if effect.name not in ("limiter", "duck")]
    parts = {}
    for number, voice in enumerate(VOICES):
        parts[voice.name] = Part(voice, voices=3, level_db=-24, room_send=0.3,
                                 inserts=inserts[number::len(VOICES)])
    rig = Rig(48000, channels, sound("limiter"))
    rig.load(Table(parts, {"room": Fx(sound("reverb"))}, duck=Fx(sound("duck")), key_part="kick"))
    return rig


def played(rig, frames, block):
    out, play = np.zeros((frames, rig.channels), np.float32), caller(rig)
    for at in range(0, frames, block):
        play(out[at:at + block], min(block, frames - at))
    return out


def busy(rig):
    for k, voice in enumerate(VOICES * 2):
        rig.push(211 * k, NOTE, part=k % len(VOICES), pitch_hz=110.0 * 2 ** (k % 7 / 4), level=0.7,
                 length=3000)
        first = voice.params[0]
        rig.target(4001 + 97 * k, f"{voice.name}.{first.name}", first.at(0.7))
    return rig


@pytest.fixture(scope="module")
def by_the_quantum():
    return played(busy(everything()), 24000, 32)


@pytest.mark.parametrize("block", [16, 48, 64, 128, 441, 1024])
def test_the_same_samples_at_any_block_size(block, by_the_quantum):
    assert np.abs(by_the_quantum).max() > 0.03
    assert np.array_equal(by_the_quantum, played(busy(everything()), 24000, block))


@pytest.mark.parametrize("notes", (8, 9))
@pytest.mark.parametrize("voice", [v for v in VOICES if v.narrow], ids=lambda v: v.name)
def test_a_part_of_eight_sounds_as_a_larger_one(voice, notes):
    """With fewer lanes, where that is quicker: the same samples, while its parameters move."""
    heard = []
    for size in (notes, 16):
        rig, chance = Rig(48000, 2), np.random.default_rng(3)
        rig.load(Table({"own": Part(voice, voices=size, level_db=-12.0)}))
        for k in range(notes):
            rig.push(97 * k, NOTE, part=0, pitch_hz=55.0 * 1.4 ** k, level=0.6, length=6000)
        for k, param in enumerate(voice.params):
            rig.target(40 * k, f"own.{param.name}", param.at(chance.random()))
        heard.append(played(rig, 12000, 256))
    assert np.abs(heard[0]).max() > 1e-3
    np.testing.assert_array_equal(*heard)


@njit(nogil=True)
def storm(rig, out, table, first, low, high, worst, sets, seed):
    """`sets` random parameter sets, one a quantum: most in range, some at a worst value.

    Returns the largest magnitude heard, or -1 when something was no number.
    """
    np.random.seed(seed)
    peak = f32(0)
    for _ in range(sets):
        for i in range(len(low)):
            kind = np.random.random()
            value = low[i] + (high[i] - low[i]) * f32(np.random.random())
            if kind < 0.1:
                value = low[i] if kind < 0.05 else high[i]
            elif kind < 0.2:
                value = worst[np.random.randint(len(worst))]
            aim(table, first + i, value, f32(0), f32(0), f32(1))
        run(rig, out.ctypes.data, FRAMES)
        for c in range(FRAMES):
            x = abs(out[c, 0])
            if not x < f32(1e30):
                return f32(-1)
            peak = max(peak, x)
    return peak


def stormy(thing):
    """A rig that plays one sound for itself, all its voices struck now and then."""
    if isinstance(thing, Voice):
        part, owner = Part(thing, voices=4, level_db=-12), "it."
    else:
        part, owner = Part(sound("string"), voices=4, inserts=(Fx(thing),)), f"it_{thing.name}."
    rig = Rig(48000, 2)
    rig.load(Table({"it": part}))
    return rig, owner


@pytest.mark.parametrize("thing", VOICES + EFFECTS, ids=lambda thing: thing.name)
def test_a_storm_of_parameters_leaves_the_next_note_clean(thing):
    rig, owner = stormy(thing)
    table, out = rig.tables[0], np.zeros((FRAMES, 2), np.float32)
    first = table.registry.index[owner + thing.params[0].name]
    low = np.array([p.low for p in thing.params], np.float32)
    high = np.array([p.high for p in thing.params], np.float32)
    start = table.goal.copy()
    hz, peak, rounds = 20.0, 0.0, 32
    for k in range(rounds):
        hz = hz * 1.9 % 9000 + 20
        rig.push(0, NOTE, pitch_hz=hz, level=1.0, length=SETS // rounds * FRAMES // 2)
        peak = max(peak, storm(rig.pointer, out, table.words, first, low, high, WORST,
                               SETS // rounds, k))
        assert peak >= 0, f"no number in round {k}"
        rig.collect()
    assert peak < 16.0 and rig.counters()["not_finite"] == 0
    for index, path in enumerate(table.registry.paths):
        rig.target(0, path, float(start[index]))
    rig.push(0, PANIC)
    played(rig, 48000, 1024)
    rig.collect()
    np.testing.assert_allclose(table.value, start, rtol=1e-3, atol=1e-4)
    clean, _ = stormy(thing)
    played(clean, rig.sample, 1024)
    for one in (rig, clean):
        one.push(0, NOTE, pitch_hz=220.0, level=0.8, length=43000)
    heard, wanted = played(rig, 72000, 1024), played(clean, 72000, 1024)
    assert np.isfinite(heard).all()
    loud = 20 * np.log10(np.sqrt(np.mean(heard ** 2)) / np.sqrt(np.mean(wanted ** 2)))
    assert abs(loud) < 4.0, "the next note sounds as if nothing had been"
