"""MIDI out of the rig: what leaves, at which sample, and that what begins ends. Offline: the rings
are read between blocks."""
import types

import numpy as np
import pytest
from toys import BELL, STEADY
from toys import play as run

from engine import rig_words as R
from engine.clock import Clock
from engine.formats.scl import EQUAL
from engine.midi_out import CLOCK_CONTINUE, CLOCK_START, CLOCK_STOP, MidiOut, Port
from engine.parts import Midi, Part
from engine.records import CHOKE, NOTE, OFF, PANIC, SLIDE, TARGET
from engine.table import Rig, Table
from engine.wires.board import Board

RATE = 48000


def stage(parts=None, ports=1, bpm=120.0, origin=0, **port):
    """A rig with its MIDI, and what its ports sent: play(frames) -> [(port, sample, bytes)]."""
    parts = parts or {"a": Part(BELL, midi=Midi(channel=1)), "b": Part(BELL, midi=Midi(channel=2))}
    table, rig = Table(parts), Rig(RATE, 2)
    rig.load(table)
    clock = Clock(RATE, bpm, origin)
    midi = MidiOut(rig, clock, [Port(f"port {k}", **port) for k in range(ports)])
    made = types.SimpleNamespace(parts=parts, tuning=EQUAL, sends={})

    def play(frames, block=64):
        found = []
        for start in range(0, frames, block):
            run(rig, min(block, frames - start))
            found += taken(midi)
        return found
    return types.SimpleNamespace(rig=rig, table=table, midi=midi, clock=clock, made=made, play=play)


def taken(midi):
    found = []
    for number, port in enumerate(midi.ports):
        while (row := port.ring.front()) is not None:
            assert row["port"] == number
            found.append((number, int(row["sample"]), tuple(row["data"][:row["size"]].tolist())))
            port.ring.pop()
    return found


def routed(**more):
    s = stage(**more)
    s.midi.route(0, s.made, s.table)
    s.play(64)                            # the programs
    return s


def note(s, sample, part=0, length=1000, hz=440.0, level=1.0, flags=0):
    assert s.rig.push(sample, NOTE, 0, part, length=length, pitch_hz=hz, level=level, flags=flags)


def notes(found):
    return [(sample, data) for _, sample, data in found if data[0] & 0xE0 == 0x80]


@pytest.mark.parametrize("block", [16, 64, 441, 1024])
def test_a_note_leaves_at_its_sample_and_ends_at_its_own(block):
    s = routed()
    note(s, 1001, length=777, level=0.5)
    assert notes(s.play(4096, block)) == [(1001, (0x90, 69, 64)), (1778, (0x80, 69, 64))]
    assert s.midi.sounding == 0 and not s.midi.held.any()


def test_an_offset_moves_a_port_both_ways():
    for ms, samples in ((10.0, 480), (-5.0, -240)):
        s = routed(offset_ms=ms)
        note(s, 2000, length=100)
        assert notes(s.play(4096)) == [(2000 + samples, (0x90, 69, 127)),
                                       (2100 + samples, (0x80, 69, 64))]


def test_the_same_key_ends_before_it_begins_again_and_a_slide_overlaps():
    s = routed()
    note(s, 500, length=5000)
    note(s, 900, length=300)
    note(s, 1100, length=300, hz=880.0, flags=SLIDE)
    assert notes(s.play(8192)) == [
        (500, (0x90, 69, 127)), (900, (0x80, 69, 64)), (900, (0x90, 69, 127)),
        (1100, (0x90, 81, 127)), (1100, (0x80, 69, 64)), (1400, (0x80, 81, 64))]


def test_a_tie_lasts_longer_and_is_not_struck_again():
    s = routed()
    note(s, 500, length=1000)
    note(s, 1400, length=1000, flags=SLIDE)
    assert notes(s.play(8192)) == [(500, (0x90, 69, 127)), (2400, (0x80, 69, 64))]


def test_the_ledger_shows_what_sounds():
    s = routed()
    note(s, 100, length=10000)
    s.play(2048)
    assert np.flatnonzero(s.midi.held[0]).tolist() == [69]
    s.play(16384)
    assert not s.midi.held.any()


def test_mute_ends_a_note_and_lets_none_out():
    s = routed()
    mute = s.table.registry.index["a.mute"]
    note(s, 100, length=48000)
    s.play(1024)
    s.rig.push(0, TARGET, 0, mute, level=1.0)
    note(s, 3000)
    ended = notes(s.play(8192))
    assert [data for _, data in ended] == [(0x80, 69, 64)] and ended[0][0] < 1024 + 96
    s.rig.push(0, TARGET, 0, mute, level=0.0)
    s.play(64)
    note(s, 12000)
    assert len(notes(s.play(8192))) == 2


@pytest.mark.parametrize("kind", [OFF, CHOKE])
def test_off_and_choke_end_a_part(kind):
    s = routed()
    note(s, 100, length=48000)
    note(s, 100, part=1, length=3000)
    s.rig.push(2000, kind, 0, 0)
    assert notes(s.play(8192))[2:] == [(2000, (0x80, 69, 64)), (3100, (0x81, 69, 64))]


def test_panic_ends_everything_and_what_was_to_come():
    s = routed()
    note(s, 100, length=48000)
    note(s, 4000)
    s.play(1024)
    s.rig.push(0, PANIC, 0)
    found = s.play(8192)
    assert notes(found) == [(1088, (0x80, 69, 64))] and s.midi.sounding == 0
    assert {data for _, _, data in found if data[0] & 0xF0 == 0xB0} == {
        (0xB0 | c, n, 0) for c in (0, 1) for n in (64, 120, 123)}


def test_panic_on_the_board_needs_nobody_else():
    s, board = routed(), Board(None)
    s.rig.header[R.PANIC_WORD] = board.words.ctypes.data
    note(s, 100, length=48000)
    note(s, 4000)
    s.play(1024)
    board.panic()
    assert [d for _, d in notes(s.play(8192))] == [(0x80, 69, 64)]
    note(s, 0, length=100)
    assert len(notes(s.play(1024))) == 2                # it is over when it is over


def test_nothing_is_louder_or_lower_than_midi_knows():
    s = routed()
    for hz, level in ((7.0, 1.0), (13001.0, 1.0), (float("nan"), 1.0), (440.0, 0.0),
                      (440.0, float("nan")), (440.0, -1.0)):
        note(s, 0, hz=hz, level=level)
    assert notes(s.play(2048)) == []
    note(s, 0, level=9.0, length=10)
    note(s, 0, level=1e-6, length=10, part=1)
    assert [d for _, d in notes(s.play(2048))][:2] == [(0x90, 69, 127), (0x91, 69, 1)]


def test_mpe_bends_each_note_on_a_channel_of_its_own():
    s = routed(parts={"a": Part(BELL, midi=Midi(mpe=True))})
    cents = 35.0
    for k in range(3):
        note(s, 200 + k, hz=440.0 * 2 ** ((4 * k + cents / 100) / 12), length=4000)
    found = [data for _, _, data in s.play(8192)]
    ons = [d for d in found if d[0] & 0xF0 == 0x90]
    bends = {d[0] & 15: d[1] + (d[2] << 7) for d in found if d[0] & 0xF0 == 0xE0}
    assert [d[1] for d in ons] == [69, 73, 77] and len({d[0] for d in ons}) == 3
    assert all(abs((bends[d[0] & 15] - 8192) / 8192 * 4800 - cents) < 0.6 for d in ons)
    assert all(d[0] & 15 for d in ons)                  # the master channel plays nothing


def test_the_clock_is_on_the_tempo_map_to_the_sample():
    s = routed(bpm=128.37, origin=1000, clock=True)
    s.clock.ramp(140.0, 8, 4)
    found = [sample for _, sample, data in s.play(5 * RATE) if data == (0xF8,)]
    wanted = [s.clock.sample_of(k / 6) for k in range(len(found))]
    assert found == wanted and len(found) > 240


def test_the_transport_stands_and_the_clock_with_it():
    s = routed(clock=True)
    s.clock.stop(2)
    s.midi.transport(s.clock.sample_of(2), CLOCK_STOP)
    first = s.play(RATE)
    ticks = [sample for _, sample, data in first if data == (0xF8,)]
    assert ticks == [k * 1000 for k in range(1, 12)] and (0, 12000, (0xFC,)) in first
    s.clock.go_on(16, 60000)
    s.midi.transport(60000, CLOCK_CONTINUE, 16)
    then = s.play(RATE)
    assert [(sample, data) for _, sample, data in then][:4] == [
        (60000, (0xF2, 16, 0)), (60000, (0xFB,)), (60000, (0xF8,)), (61000, (0xF8,))]


def test_start_comes_before_its_tick_and_only_on_ports_with_a_clock():
    s = routed(ports=2, origin=5000, clock=True)
    s.midi.ports[1].clock = False
    s.midi.transport(5000, CLOCK_START)
    found = [(port, data) for port, sample, data in s.play(8192) if sample == 5000]
    assert found == [(0, (0xFA,)), (0, (0xF8,)), (1, (0xF8,))]


def test_time_code_counts_seconds():
    s = routed(frames_s=25)
    s.midi.transport(4800, CLOCK_START)
    quarters = [(sample, data[1]) for _, sample, data in s.play(RATE * 3 + 9600)
                if data[0] == 0xF1]
    assert [sample - 4800 for sample, _ in quarters[:4]] == [0, 480, 960, 1440]
    eight = [q for _, q in quarters[288:296]]           # 2.88 s later: frame 72
    frame, second = (eight[0] & 15) | (eight[1] & 1) << 4, (eight[2] & 15) | (eight[3] & 3) << 4
    assert [q >> 4 for q in eight] == list(range(8))
    assert (second, frame) == (2, 22) and (eight[7] & 15) >> 1 == 1     # 25 frames a second


def test_time_code_stands_and_goes_on_where_the_song_is():
    s = routed(frames_s=30)
    s.midi.transport(0, CLOCK_STOP)
    assert not [d for *_, d in s.play(RATE) if d[0] == 0xF1]
    s.midi.transport(s.rig.sample, CLOCK_CONTINUE, 80, seconds=10.0)
    first = [d[1] for *_, d in s.play(RATE) if d[0] == 0xF1][:8]
    assert [q >> 4 for q in first] == list(range(8))
    assert (first[2] & 15) | (first[3] & 3) << 4 == 10 and (first[0] & 15, first[1] & 15) == (0, 0)
    assert (first[7] & 15) >> 1 == 3                    # 30 frames a second


def test_notes_leave_at_the_sample_at_which_they_sound():
    s = routed(parts={"a": Part(STEADY, midi=Midi(channel=1))})
    first, rng = s.rig.sample, np.random.default_rng(5)
    begins = np.cumsum(rng.integers(300, 3000, 40)) + first
    for begin in begins.tolist():
        note(s, begin, length=200)
    heard, sent = [], []
    while s.rig.sample < begins[-1] + 4096:
        heard.append(run(s.rig, 64)[:, 0])
        sent += [sample for _, sample, data in taken(s.midi) if data[0] == 0x90]
    sound = np.concatenate(heard) > 1e-4
    onsets = np.flatnonzero(sound[1:] & ~sound[:-1]) + 1 + first
    assert sent == begins.tolist() and np.abs(onsets - begins).max() <= 1


def test_a_controller_follows_its_parameter():
    parts = {"a": Part(BELL, midi=Midi(channel=3, cc={74: "bright"}))}
    s = routed(parts=parts)
    s.play(1024)
    index = s.table.registry.index["a.bright"]
    s.rig.push(0, TARGET, 0, index, level=1.0, rise_s=0.05, fall_s=0.05)
    values = [data[2] for _, _, data in s.play(RATE) if data[:2] == (0xB2, 74)]
    assert values == sorted(values) and values[-1] == 127 and len(values) > 20


def test_a_port_that_nobody_reads_loses_note_ons_and_never_an_end():
    s = routed()
    s.midi.ports[0].clock = False
    for k in range(3000):
        note(s, 0, hz=440.0 * 2 ** (k % 24 / 12), length=40)
        if k % 50 == 49:
            run(s.rig, 64)
    assert s.midi.counters()["midi_dropped"] > 500 and s.midi.ports[0].ring.slots == 1024
    data = [d for _, d in notes(taken(s.midi) + s.play(4096))]
    ons, offs = (sum(d[0] & 0xF0 == kind for d in data) for kind in (0x90, 0x80))
    assert ons == offs > 100 and s.midi.sounding == 0 and not s.midi.held.any()


def test_ten_thousand_random_switches_end_what_they_began():
    rng = np.random.default_rng(4)
    s = routed(ports=2, parts={
        "a": Part(BELL, midi=Midi(channel=1)), "b": Part(STEADY, midi=Midi(channel=1)),
        "c": Part(BELL, midi=Midi(mpe=True, port=1))})
    sounding, ons = {}, 0
    mutes = [s.table.registry.index[f"{name}.mute"] for name in "abc"]
    for turn in range(10_000):
        at = s.rig.sample + int(rng.integers(0, 600))
        kind = rng.random()
        if kind < 0.7:
            note(s, at, int(rng.integers(0, 3)), int(rng.integers(1, 3000)),
                 float(rng.uniform(20, 8000)), float(rng.random()), int(rng.integers(0, 2)))
        elif kind < 0.9:
            s.rig.push(at, TARGET, 0, mutes[rng.integers(0, 3)], level=float(rng.integers(0, 2)))
        else:
            s.rig.push(0, (PANIC, OFF, CHOKE)[rng.integers(0, 3)], 0, int(rng.integers(0, 3)))
        if turn % 4 == 0:
            ons += count(s.play(64), sounding)
    s.rig.push(0, PANIC, 0)
    count(s.play(8192), sounding)
    assert ons > 2000 and not any(sounding.values()) and not s.midi.held.any()


def count(found, sounding):
    """Plays what came out on a keyboard; a key is never struck twice nor let go twice."""
    ons = 0
    for port, _, data in found:
        place = port, data[0] & 15, data[1] if len(data) > 1 else 0
        if data[0] & 0xF0 == 0x90:
            assert not sounding.get(place)
            sounding[place], ons = True, ons + 1
        elif data[0] & 0xF0 == 0x80:
            assert sounding.get(place)
            sounding[place] = False
    return ons
