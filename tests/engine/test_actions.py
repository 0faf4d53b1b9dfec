"""What surfaces ask for: carried out by address, refused in one line, nothing half done."""
import math
from types import SimpleNamespace

import numpy as np
import pytest
from staging import RATE_HZ, STEP, Script, run, stage
from toys import GAIN, play

from engine import actions as module
from engine.actions import Actions
from engine.errors import EngineError
from engine.mapping import Target
from engine.parts import Fx
from engine.records import EDIT, NOTE, OFF, PANIC, PROMPT, TARGET, TEMPERATURE


class Scenes(Script):
    """A music with scenes, that keeps the wishes."""
    scenes = tuple(SimpleNamespace(name=name) for name in ("intro", "drop"))
    section = "intro"

    def step(self, step, frames, late):
        made = super().step(step, frames, late)
        return type(made)(made.notes, made.targets, self.section)

    def next_section(self):
        self.wish = "next"

    def go_to(self, scene):
        if scene not in ("intro", "drop"):
            raise EngineError(f"no scene {scene!r}")
        self.wish = scene


@pytest.fixture
def acting():
    conductor, source, rig = stage(live=True, music=Scenes(), master=(GAIN,))
    said = []
    actions = Actions(conductor, said.append)
    conductor.lead = 2400
    source.give(*range(40))
    run(conductor, 3)
    return SimpleNamespace(act=actions.act, actions=actions, conductor=conductor, rig=rig,
                           source=source, said=said)


def value(a, path):
    table = a.rig.tables[a.conductor.deck]
    return float(table.value[table.registry.index[path]])


def test_a_parameter_belongs_to_the_hand_until_the_section_is_over(acting):
    acting.act("/a/toygain/amount", [0.25])
    row = run(acting.conductor, 1)
    moved = row[row["kind"] == TARGET]
    assert len(moved) == 1 and moved[0]["flags"] == EDIT
    acting.conductor.target(0, Target("toygain.amount", 0.9))       # a link of the set
    run(acting.conductor, 2)
    assert value(acting, "toygain.amount") == pytest.approx(0.25, abs=1e-3)
    acting.conductor.player.section = "drop"
    run(acting.conductor, 1)
    acting.conductor.target(0, Target("toygain.amount", 0.9))
    run(acting.conductor, 4)
    assert value(acting, "toygain.amount") == pytest.approx(0.9, abs=1e-3)


def test_release_gives_a_parameter_back(acting):
    acting.act("/a/toygain/amount", [0.25])
    acting.act("/a/bell/level_db", [-9.0])
    acting.act("/release", text="toygain.amount")
    assert set(acting.conductor.hands.held) == {"bell.level_db"}
    with pytest.raises(EngineError, match="no hand holds 'toygain.amount'"):
        acting.act("/release", text="toygain.amount")
    acting.act("/release")
    assert not acting.conductor.hands.held


def test_a_value_beyond_its_range_goes_to_its_end(acting):
    acting.act("/a/toygain/amount", [7.0])
    run(acting.conductor, 4)
    assert value(acting, "toygain.amount") == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("address, values, text, words", [
    ("/a/bell/nope", [1.0], "", "did you mean|known"),
    ("/b/bell/level_db", [1.0], "", "no such address"),
    ("/nothing", [], "", "no such address"),
    ("", [], "", "no such address"),
    ("/a/toygain/amount", [math.nan], "", "needs numbers"),
    ("/a/toygain/amount", [], "", "needs a number"),
    ("/mute/nobody", [1], "", "no part 'nobody'"),
    ("/play/nobody", [60, 1], "", "no part 'nobody'"),
    ("/tempo", [10.0], "", "20..400"),
    ("/tempo", [], "", "20..400"),
    ("/ramp", [140.0, 0.0], "", "bars must be"),
    ("/temperature", [3.0], "", "0..2"),
    ("/scene", [9.0], "", "scenes 0 to 1"),
    ("/scene", [], "nope", "no scene"),
    ("/prompt", [], " ", "prompt is empty"),
    ("/position", [-1.0], "", "0 to 16383"),
])
def test_what_is_wrong_is_one_line_and_changes_nothing(acting, address, values, text, words):
    before = acting.conductor.clock.rows.copy(), dict(acting.conductor.hands.held)
    with pytest.raises(EngineError, match=words) as fault:
        acting.act(address, values, text)
    assert "\n" not in str(fault.value)
    assert np.array_equal(acting.conductor.clock.rows, before[0])
    assert acting.conductor.hands.held == before[1] and not acting.conductor.at_bar
    assert len(run(acting.conductor, 1)) == 1                # the bell plays on


def test_scenes_by_name_and_by_number(acting):
    acting.act("/scene", text="drop")
    assert acting.conductor.player.wish == "drop" and acting.actions.pending == "scene drop"
    acting.act("/scene", [0.0])
    assert acting.conductor.player.wish == "intro"
    acting.act("/next")
    assert acting.conductor.player.wish == "next"


def test_mute_says_what_it_wants_or_turns_over(acting):
    for values, muted in (([1], True), ([1], True), ([0], False), ([], True)):
        acting.act("/mute/bell", values)
        run(acting.conductor, 17)
        assert ("bell" in acting.conductor.hands.mutes) == muted


def test_a_played_note_sounds_until_it_is_let_go(acting):
    acting.act("/mute/bell", [1])
    acting.act("/play/pad", [64.0, 0.5])
    acting.act("/play/pad", [67.0, 0.25])
    rows = run(acting.conductor, 1)
    held = rows[(rows["kind"] == NOTE) & (rows["part"] == 1)]
    assert held["pitch_hz"].tolist() == pytest.approx([329.628, 391.995], abs=1e-2)
    both = play(acting.rig, 32)[-1, 0]
    acting.act("/let_go/pad", [64.0])
    rows = run(acting.conductor, 1)
    assert rows[rows["kind"] == OFF]["pitch_hz"].tolist() == pytest.approx([329.628], abs=1e-2)
    assert both > 0.2 and play(acting.rig, 64)[-1, 0] == pytest.approx(both / 3, rel=0.03)


def test_the_model_is_asked_no_more_often_than_it_can_bear(acting, monkeypatch):
    monkeypatch.setattr(module, "TEMPERATURE_S", 1000.0)
    for k in range(100):
        acting.act("/temperature", [0.5 + k / 100])
        acting.actions.attend()
    told = [c[1] for c in acting.source.controls if c[0] == TEMPERATURE]
    assert told == [0.5]
    monkeypatch.setattr(module, "TEMPERATURE_S", 0.0)
    acting.actions.attend()
    assert [c[1] for c in acting.source.controls if c[0] == TEMPERATURE] == [0.5, 1.49]


def test_prompt_hold_and_panic(acting):
    acting.act("/prompt", text="the sea")
    assert acting.source.controls[-1][:3] == (PROMPT, 0.0, "the sea")
    acting.act("/hold", [1])
    acting.act("/hold", [1])
    assert acting.conductor.held and len(acting.said) == 1
    called = []
    acting.actions.panics = (lambda: called.append(1),)
    acting.act("/panic")
    rows = run(acting.conductor, 1)
    assert called and (rows["kind"] == PANIC).any()


def test_tempo_from_the_next_step_and_over_bars(acting):
    conductor, step = acting.conductor, acting.conductor.step
    placed = conductor.clock.sample_of(step)
    acting.act("/tempo", [62.5])
    assert conductor.clock.sample_of(step) == placed
    assert conductor.clock.sample_of(step + 1) - placed == 2 * STEP
    acting.act("/ramp", [125.0, 1.0])
    assert conductor.clock.bpm_at(step + 16) == 125.0 and conductor.clock.bpm_at(step) == 62.5


def test_taps_count_when_the_finger_came(acting):
    for k in range(4):
        acting.act("/tap", time_ns=10 ** 12 + k * 480_000_000)
    assert acting.conductor.clock.bpm_at(acting.conductor.step) == pytest.approx(125.0)
    acting.act("/nudge", [10.0])
    later = acting.conductor.step + 8
    assert acting.conductor.clock.place_of(later) == pytest.approx(
        later * STEP + 480, abs=1)


def test_stop_lets_go_and_continue_goes_on_in_the_bar(acting):
    conductor = acting.conductor
    step = conductor.step
    acting.act("/stop")
    rows = run_time(acting, 20)
    assert conductor.step == step and (rows["kind"] == OFF).sum() == 2
    assert not (rows["kind"] == NOTE).any()
    acting.act("/position", [32 + 5])
    acting.act("/continue")
    assert conductor.step % 16 == 5 and conductor.step + conductor.transport.shift == 37
    played = len(conductor.player.heard)
    rows = run_time(acting, 4)
    notes = rows[rows["kind"] == NOTE]["sample"]
    assert len(notes) >= 3 and set(np.diff(notes)) == {STEP}
    assert len(conductor.player.heard) - played == len(notes)
    acting.act("/start")
    assert (conductor.step + conductor.transport.shift) == 0 and conductor.step % 16 == 0


def run_time(acting, steps):
    """Plays the time of so many steps, whether the transport rolls or stands."""
    rows = []
    for _ in range(steps * 8):
        acting.conductor.arrive()
        acting.conductor.advance(acting.rig.sample + STEP // 8 + 64)
        play(acting.rig, STEP // 8)
        rows.append(acting.rig.collect())
    return np.concatenate(rows)


def test_the_seconds_of_the_clock_do_not_move_what_was_sent(acting):
    """A tempo change reaches no step that is sent already."""
    conductor = acting.conductor
    conductor.advance(acting.rig.sample + RATE_HZ // 2)
    step, before = conductor.step, [conductor.clock.sample_of(s) for s in range(conductor.step + 1)]
    acting.act("/tempo", [200.0])
    assert [conductor.clock.sample_of(s) for s in range(step + 1)] == before


def test_a_fader_of_the_effects_is_a_parameter_too():
    conductor, source, _ = stage(live=True, master=(Fx(GAIN, amount=0.5),))
    Actions(conductor, print).act("/a/out/level_db", [-6.0])
    assert conductor.hands.held == {"out.level_db": -6.0}
