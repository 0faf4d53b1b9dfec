"""TB-303: the ladder's tuning, the knobs' and the accent's laws, no folding back. Thread: any."""
import math

import numpy as np
import pytest

from engine.lanes import splat, store
from engine.parts import Part
from engine.records import NOTE
from engine.rt import WIDE, f32, rt_host
from engine.table import Rig, Table
from synths.tb303 import TB303, ladder, pivots, scaled
from tests.engine.toys import play
from tests.synths.harness import Player, aliasing_db, cents, db, pitch_hz
from tests.synths.reference import Halve, close_db, saw, tanh_like

FULL = 17.0 * 0.95


@rt_host
def filtered(x, y, g, gain):
    """x through lane 0 of the ladder, without the high-pass in its loop, into y (16 a sample)."""
    zero, g, k = splat(f32(0)), splat(f32(g)), splat(f32(gain))
    a1, a2, a3, a4, loop, _ = pivots(g, k)
    by = scaled(g, a1, a2, a3, a4)
    s1, s2, s3, s4, slow = zero, zero, zero, zero, zero
    for i in range(x.size):
        out, s1, s2, s3, s4, slow = ladder(
            splat(x[i]), s1, s2, s3, s4, slow, by, k, loop, zero)
        store(y, i * 16, out)


def ring(hz, gain, seconds=1.0, size=1e-3):
    x, y = np.zeros(int(96000 * seconds), f32), np.zeros(int(96000 * seconds) * 16, f32)
    x[0] = size
    filtered(x, y, math.tan(math.pi * hz / 96000) / math.sqrt(2), gain)
    return y[::16].astype(float)


@pytest.mark.parametrize("hz", (100, 200, 400, 800, 1600, 3200, 8000))
def test_the_ladder_rings_at_its_cutoff(hz):
    y = ring(hz, 16.95)
    start = int(96000 * 8 / hz)
    assert abs(cents(pitch_hz(y[start:start + int(96000 * 60 / hz)], hz, 96000), hz)) < 3


def test_it_oscillates_above_17_and_dies_below():
    for gain, grows in ((16.95, False), (17.05, True)):
        y = np.abs(ring(1000.0, gain))
        assert (y[40000:44000].max() > y[4000:8000].max()) == grows


@pytest.mark.parametrize("gain", (0.0, 6.0, 14.0))
def test_small_signals_follow_the_circuit(gain):
    hz = 500.0
    h = np.fft.rfft(ring(hz, gain, size=1e-4)) / 1e-4
    f = np.fft.rfftfreq(96000, 1 / 96000)[20:2000]
    s = 1j * np.tan(np.pi * f / 96000) / math.tan(math.pi * hz / 96000) * math.sqrt(2)
    q = s ** 4 + 8 * s ** 3 + 20 * s ** 2 + 16 * s + 2
    assert np.abs(db(h[20:2000]) - db(2 / (q + 2 * gain))).max() < 0.2


@pytest.mark.parametrize("resonance", (0.0, 0.6))
@pytest.mark.parametrize("hz", (1046.5, 2093.0, 4186.0))
def test_a_held_note_does_not_fold_back(hz, resonance):
    player = Player(TB303, cutoff_hz=6000, env_mod=0, resonance=resonance, decay_s=3, accent=0)
    assert aliasing_db(player.note(1.2, hz, 0.7)[19200:], hz) < -80


@pytest.mark.parametrize("hz", (41.2, 110.0, 440.0))
def test_in_tune(hz):
    y = Player(TB303, resonance=0.2, wave=0.3).note(2.0, hz)
    assert abs(cents(pitch_hz(y, hz), hz)) < 1


def cutoffs(player, seconds):
    """(quanta,) the filter envelope of voice 0."""
    return np.array([player.runs["sweep"][0] for _ in range(int(seconds * 1500))
                     if player.play(32 / 48000) is not None])


@pytest.mark.parametrize("decay_s", (0.2, 2.0))
def test_the_filter_envelope_falls_as_set_and_an_accent_falls_faster(decay_s):
    for level, wanted_s in ((0.6, decay_s), (1.0, 0.2)):
        player = Player(TB303, decay_s=decay_s, accent=1.0)
        player.strike(55.0, level)
        env = cutoffs(player, 0.5)[30:]
        found_s = -1 / np.polyfit(np.arange(len(env)) / 1500, np.log(env), 1)[0]
        assert found_s == pytest.approx(wanted_s, rel=0.01)


def test_accents_in_a_row_climb_and_converge():
    player, peaks = Player(TB303, accent=1.0, resonance=0.9), []
    for _ in range(12):
        player.strike(55.0, 1.0)
        peak = 0.0
        for _ in range(int(60 / 130 / 4 * 1500)):
            player.play(32 / 48000)
            peak = max(peak, player.runs["keep_charge"][0])
        peaks.append(peak)
    steps = np.diff(peaks)
    assert (steps[:3] > 0).all() and steps[0] > steps[1] > steps[2]
    assert abs(steps[-1]) < 0.01 * peaks[-1]


def test_an_accent_is_louder_and_no_accent_is_none():
    loud = [np.abs(Player(TB303, accent=accent).note(0.2, 55.0, 1.0)).max() for accent in (0, 1)]
    assert 3 < db(loud[1] / loud[0]) < 12


def test_no_dc_and_silence_after_the_gate():
    player = Player(TB303, resonance=0.9, wave=0.5)
    y = player.note(1.0, 55.0, 0.6)
    cycles = y[24000:24000 + round(20 * 48000 / 55)]
    assert db(cycles.mean()) < -60
    player.release()
    y = player.play(5.0)[:, 0]                              # the notch at 7.5 Hz is slow
    assert np.abs(y[1440:]).max() < 1e-3 and not y[-4800:].any()


@pytest.mark.parametrize("voices", [8, 16, 64])
def test_lanes_do_not_hear_each_other(voices):
    alone, crowd = Player(TB303, voices), Player(TB303, voices)
    for v in range(1, voices):
        crowd.strike(100.0 + v, 1.0, v)
    assert np.array_equal(alone.note(0.05, 55.0), crowd.note(0.05, 55.0))


def knobs(cutoff_hz, resonance, env_mod):
    c = min(max(math.log2(cutoff_hz / 314) / math.log2(2394 / 314), 0), 1)
    wide = (1 - c) * (0.737 + 3.774 * env_mod) + c * (0.864 + 4.195 * env_mod)
    k = FULL * (1 - math.exp(-3 * resonance)) / (1 - math.exp(-3))
    return wide, 0.294 + 0.048 * c, k, 0.8 * (1 + 0.3 * k)


def eliminated(g, k):
    q = 1 + 2 * g
    a4 = 1 / q
    a3 = 1 / (q - g * g * a4)
    a2 = 1 / (q - g * g * a3)
    a1 = 1 / (q - 2 * g * g * a2)
    return a1, a2, a3, a4, 1 / (1 + k * 2 * g ** 4 * a1 * a2 * a3 * a4)


def plain(count, hz, level, cutoff_hz, resonance, env_mod, decay_s):
    """One unaccented saw note, a sample at a time, float64."""
    half, out = 0.5 / 48000, np.zeros(count)
    wide, below, k, make_up = knobs(cutoff_hz, resonance, env_mod)
    cut, lag = 2 * math.pi * 44.5 * half, 2 * math.pi * 150 * half
    soft = 1 - math.exp(-16 * half / 0.001)
    hit = body = 1.0
    s1 = s2 = s3 = s4 = slow = sweep = rise = loud = turns = deep = 0.0
    halve, stage = Halve(), Stage()
    for block in range(0, count, 8):
        hit *= math.exp(-16 * half / decay_s)
        sweep += soft * (hit - sweep)
        body *= math.exp(-16 * half / 1.23)
        rise += soft * (body - rise)
        aim = rise * level * (0.55 + 0.45 * sweep) * make_up
        cutoff = min(max(cutoff_hz * 2 ** (wide * (sweep - below)), 60), 18000)
        g = math.tan(math.pi * cutoff * half) / math.sqrt(2)
        a1, a2, a3, a4, loop = eliminated(g, k)
        for i in range(block, block + 8):
            pair = []
            for frame in (2 * (i - block), 2 * (i - block) + 1):
                x = saw(turns, hz * half)
                deep += cut * (x - deep)
                x = 0.5 * (x - deep)
                e4 = a4 * s4
                e3 = a3 * (s3 + g * e4)
                e2 = a2 * (s2 + g * e3)
                e1 = a1 * (s1 + 2 * g * e2)
                w4 = e4 + g * a4 * (e3 + g * a3 * (e2 + g * a2 * e1))
                u = x + tanh_like((x + k * (slow - w4)) * loop - x)
                v1 = e1 + 2 * g * a1 * u
                v2 = e2 + g * a2 * v1
                v3 = e3 + g * a3 * v2
                v4 = e4 + g * a4 * v3
                slow += lag * (v4 - slow)
                s1, s2, s3, s4 = 2 * v1 - s1, 2 * v2 - s2, 2 * v3 - s3, 2 * v4 - s4
                pair.append(v4 * (loud + (aim - loud) * (frame + 1) / 16))
                turns += hz * half
            out[i] = stage(halve(*pair))
        loud = aim
    return out


class Stage:
    """The output stage: high-pass 24.2 Hz, all-pass 14 Hz, notch 7.5 Hz."""

    def __init__(self):
        self.rest = self.ring = self.low = self.band = 0.0

    def __call__(self, x):
        turn, wide = math.pi / 48000, 4.9
        self.rest += 2 * turn * 24.2 * (x - self.rest)
        x -= self.rest
        g = 14 * turn
        y = (g * x + self.ring) / (1 + g)
        self.ring = 2 * y - self.ring
        x, g = 2 * y - x, 7.5 * turn
        high = (x - self.low - (g + wide) * self.band) / (1 + g * (g + wide))
        middle = g * high + self.band
        self.band = g * high + middle
        self.low += 2 * g * middle
        return x - wide * middle


def test_lanes_match_a_plain_loop():
    hz = float(f32(110.0))
    player = Player(TB303, cutoff_hz=700, resonance=0.8, env_mod=0.6, decay_s=0.3, accent=0)
    y = player.note(0.1, hz, 0.6)
    assert close_db(y, plain(len(y), hz, 0.6, 700, 0.8, 0.6, 0.3)) < -100


@pytest.mark.parametrize("resonance", (0.3, 1.0))
def test_one_of_many_sounds_as_one_alone(resonance):
    alone, many = (Player(TB303, n, resonance=resonance, cutoff_hz=900.0) for n in (1, 40))
    assert (alone.group, many.group) == (8, WIDE)
    wanted = alone.note(0.3, 55.0, 1.0)
    many.strike(55.0, 1.0, v=33)
    assert close_db(many.play(0.3)[:, 33].astype(float), wanted) < -90


@pytest.mark.parametrize("voices", (3, 12, 20))
def test_a_chord_is_the_sum_of_its_notes(voices):
    """One narrow group, two of them, a wide one; each at its own sample of a quantum, because an
    oscillator runs as long as another one of its group does."""
    notes = [(64 + k, 55.0 * 2 ** (k / 12)) for k in range(voices)]
    chord, lines = (Table({f"p{k}": Part(TB303, voices=size, cutoff_hz=900.0, level_db=-20.0)
                           for k in range(count)}) for size, count in ((voices, 1), (1, voices)))
    heard = []
    for table in (chord, lines):
        rig = Rig(48000, 2)
        rig.load(table)
        for k, (sample, hz) in enumerate(notes):
            rig.push(sample, NOTE, part=k % len(table.parts), pitch_hz=hz, level=0.6, length=9600)
        heard.append(play(rig, 24000)[:, 0].astype(float))
    assert np.abs(heard[0][:9600]).max() > 0.01
    assert close_db(heard[0], heard[1]) < -90
