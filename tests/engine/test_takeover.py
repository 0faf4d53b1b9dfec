"""What is on its way when something takes over: a set, a panic, a jump, a flood of wishes. Thread:
control."""
import dataclasses

import numpy as np
import pytest
from staging import STEP, Script, run, stage
from toys import BELL, STEADY, play

from engine.actions import Actions
from engine.errors import EngineError, SetError
from engine.journal import Recorder, Take
from engine.mapping import Step
from engine.midi_out import MidiOut, Port
from engine.parts import Midi, Part
from engine.records import NOTE

START, CONTINUE, STOP, TICK = 0xFA, 0xFB, 0xFC, 0xF8


class Nothing(Script):
    """A music that plays nothing."""

    def step(self, step, frames, late):
        return Step([], [], "scene")


class Heard:
    """A live stage with a port, and what leaves through it: [(sample, bytes)]."""

    def __init__(self, clock=True, **more):
        self.conductor, _, self.rig = stage(live=True, **more)
        c, self.heard, self.notes = self.conductor, [], []
        self.actions = Actions(c, print)
        c.midi = MidiOut(self.rig, c.clock, [Port("p", clock=clock)])
        c.midi.route(0, c.made, self.rig.tables[0])
        c.lead = 2656
        if clock:
            c.midi.transport(0, START)

    def until(self, sample):
        while self.rig.sample < sample:
            self.conductor.arrive()
            self.conductor.advance(self.rig.sample + self.conductor.lead)
            play(self.rig, 48)
            rows = self.rig.collect()
            self.notes += rows["sample"][rows["kind"] == NOTE].tolist()
            ring = self.conductor.midi.ports[0].ring
            while (row := ring.front()) is not None:
                self.heard.append((int(row["sample"]), tuple(row["data"][:row["size"]].tolist())))
                ring.pop()
        return self

    def after(self, seconds):
        return self.until(self.rig.sample + round(seconds * 48000))

    def act(self, address, *values):
        self.actions.act(address, values)
        return self

    def ticks(self, since=0):
        return [s for s, data in self.heard if data == (TICK,) and s >= since]

    def transport(self, since):
        return [data[0] for s, data in self.heard if data[0] in (START, CONTINUE, STOP)
                and s >= since]


PORTS = {"bell": Part(BELL, voices=4, midi=Midi(channel=1, cc={74: "bright"}), bright=0.1),
         "pad": Part(STEADY, voices=4, midi=Midi(channel=2))}


def test_a_new_set_ends_what_the_old_one_plays_outside():
    """A key that is held, and a note of eight bars."""
    stage_ = Heard(clock=False, parts=PORTS, music=Nothing())
    stage_.after(0.3).act("/play/pad", 60.0, 0.8)
    stage_.rig.push(0, NOTE, 0, 1, length=8 * 16 * STEP, pitch_hz=330.0, level=0.8)
    stage_.after(0.3)
    c = stage_.conductor
    assert c.midi.held[0].sum() == 2
    made = dataclasses.replace(c.made, name="new")
    c.adopt(made, made.table())
    stage_.after(3.0)
    assert c.deck == 1 and not c.midi.held[0].any()
    assert [data[0] >> 4 for _, data in stage_.heard if data[0] & 15 == 1
            and data[0] < 0xA0] == [9, 9, 8, 8]


def test_a_controller_is_that_of_the_set_that_plays():
    stage_ = Heard(clock=False, parts=PORTS, music=Nothing())
    c = stage_.after(1.0).conductor
    stage_.rig.target(0, "bell.bright", 1.0, 2.0, 2.0, 0)      # slow, and of the old set
    parts = {**PORTS, "bell": Part(BELL, voices=4, midi=Midi(channel=1, cc={74: "bright"}),
                                   bright=0.3)}
    made = dataclasses.replace(c.made, name="new", parts=parts)
    c.adopt(made, made.table())
    stage_.after(4.0)
    assert c.deck == 1 and [m for _, m in stage_.heard if m[0] == 0xB0][-1][2] == 38


@pytest.mark.parametrize("verb", ["/start", "/continue"])
@pytest.mark.parametrize("pause_s", [0.0, 0.04, 0.1])
def test_a_start_comes_after_the_stop_before_it(verb, pause_s):
    stage_ = Heard().until(100000).act("/stop")
    stage_.after(pause_s).act(verb).until(300000)
    assert stage_.transport(99000) == [STOP, {"/start": START, "/continue": CONTINUE}[verb]]
    near = np.diff([at for at in sorted(stage_.notes) if at > 80000])
    assert near.min() >= STEP - 1 and stage_.conductor.midi.counters()["midi_late"] == 0


@pytest.mark.parametrize("standing", [False, True])
def test_a_tempo_at_a_jump_brings_no_ticks_of_what_was_jumped_over(standing):
    stage_ = Heard().until(110000)
    if standing:
        stage_.act("/stop").after(0.5)
    before = stage_.rig.sample
    stage_.act("/start").act("/tempo", 130.0).after(2.0)
    begun = next(s for s, data in stage_.heard if data == (START,) and s >= before)
    ticks = np.array(stage_.ticks(begun))
    assert np.abs(np.diff(ticks) - 48000 * 60 / 130 / 24).max() <= 1
    assert stage_.conductor.midi.counters()["midi_late"] == 0


def test_no_clock_runs_while_the_music_stands():
    stage_ = Heard().until(48000).act("/stop").after(0.5)
    stage_.act("/ramp", 90.0, 4.0)
    with pytest.raises(SetError, match="stands"):
        stage_.act("/nudge", 30.0)
    before = stage_.rig.sample
    stage_.after(5.0)
    assert not stage_.ticks(before)
    stage_.act("/start").after(2.0)
    begun = next(s for s, data in stage_.heard if data == (START,) and s >= before)
    ticks = stage_.ticks(begun)
    assert ticks[0] == begun and np.abs(np.diff(ticks) - 48000 * 60 / 90 / 24).max() <= 1


def test_what_is_struck_in_a_panics_silence_does_not_sound_after_it():
    conductor, _, rig = stage(live=True, music=Nothing(),
                              parts={"bell": Part(BELL, voices=4, fade_s=4.0)})
    actions = Actions(conductor, print)
    run(conductor, 2)
    actions.act("/panic")
    run(conductor, 3)
    actions.act("/play/bell", (69.0, 0.8))
    run(conductor, 12)
    assert np.abs(play(rig, STEP)).max() == 0.0
    actions.act("/play/bell", (69.0, 0.8))
    assert np.abs(play(rig, STEP)).max() > 0.1                # and after the bar line it does


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_panic_while_the_music_stands_leaves_the_keys_alive(stop_first):
    conductor, _, rig = stage(live=True, music=Nothing())
    actions = Actions(conductor, print)
    run(conductor, 2)
    for verb in ("/stop", "/panic") if stop_first else ("/panic", "/stop"):
        actions.act(verb)
    conductor.advance(0)
    play(rig, 9600)
    actions.act("/play/bell", (69.0, 0.8))
    assert np.abs(play(rig, 4800)).max() > 0.1


def test_after_a_panic_a_jump_past_the_bar_line_is_heard():
    conductor, _, rig = stage(live=True)
    actions = Actions(conductor, print)
    run(conductor, 3)
    actions.act("/panic")
    conductor.transport.go_on(rig.sample + 2656, 2)
    assert conductor.step == 18
    run(conductor, 4)
    conductor.advance(conductor.clock.sample_of(conductor.step) + 1)
    assert np.abs(play(rig, STEP)).max() > 0.1


def test_mute_takes_a_part_back_from_a_hand():
    conductor, _, rig = stage(live=True)
    actions = Actions(conductor, print)
    run(conductor, 3)
    actions.act("/a/bell/mute", (0.0,))
    run(conductor, 2)
    actions.act("/mute/bell", (1.0,))
    run(conductor, 30)
    assert conductor.hands.mutes == {"bell"} and np.abs(play(rig, STEP)).max() < 1e-5


def test_a_flood_of_wishes_is_one_wish_a_part():
    conductor, _, _ = stage(live=True)
    actions = Actions(conductor, print)
    run(conductor, 3)
    for number in range(9000):
        actions.act(f"/mute/{('bell', 'pad')[number % 2]}", (float(number % 4 < 2),))
    assert len(conductor.at_bar) <= 3
    run(conductor, 16)
    assert conductor.dropped == 0 and conductor.hands.mutes == set()
    for _ in range(2):
        actions.act("/mute/bell")                            # turned over twice: as it was
    run(conductor, 16)
    assert conductor.hands.mutes == set()


def test_keys_go_on_from_the_temperature_of_a_saved_set():
    conductor, source, _ = stage(live=True, temperature=0.9)
    actions = Actions(conductor, print)
    run(conductor, 3)
    made = dataclasses.replace(conductor.made, temperature=0.3, name="new")
    conductor.adopt(made, made.table())
    run(conductor, 16)
    assert actions.temperature == 0.3
    actions.warm(0.1)
    assert source.controls[-1][1] == pytest.approx(0.4)


def test_a_control_without_room_changes_nothing():
    conductor, source, _ = stage(live=True)

    def full(*_):
        raise EngineError("full")
    source.control = full
    for asked in (lambda: conductor.hold(True), lambda: conductor.temperature(0.1)):
        with pytest.raises(EngineError):
            asked()
    assert not conductor.held and conductor.warmth == conductor.made.temperature


@pytest.mark.parametrize("script", [
    [(10, "/tempo", (100.0,)), (10, "/tempo", (150.0,))],
    [(16, "/ramp", (140.0, 8.0)), (32, "/nudge", (100.0,))],
    [(16, "/ramp", (160.0, 8.0)), (64, "/ramp", (90.0, 4.0))],
    [(16, "/ramp", (200.0, 16.0)), (16, "/ramp", (60.0, 20.0))]])
def test_the_takes_tempo_map_is_the_clocks(script, tmp_path):
    recorder = Recorder(tmp_path / "t.take", {"bpm": 125.0, "rate_hz": 48000})
    recorder.table(0, 0, "x", "toy", 1)
    conductor, _, _ = stage(live=True, recorder=recorder)
    actions = Actions(conductor, print)

    def steps(count):
        for _ in range(count):
            conductor.arrive()
            conductor.advance(conductor.clock.sample_of(conductor.step) + 1)
    for count, address, values in script:
        steps(count)
        actions.act(address, values)
    steps(20)
    recorder.close(0)
    assert np.array_equal(Take(tmp_path / "t.take").tempo(), conductor.clock.rows)


def test_a_long_ramp_and_a_nudge_in_it_are_published_once_each():
    conductor, _, _ = stage(live=True)
    run(conductor, 3)
    before = conductor.clock.changes
    conductor.transport.tempo(140.0, 64.0)
    assert conductor.clock.changes == before + 1
    Actions(conductor, print).act("/nudge", (5.0,))
    assert conductor.clock.changes == before + 2 and len(conductor.clock.rows) > 1000
