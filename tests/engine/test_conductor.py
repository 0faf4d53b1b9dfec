"""The conductor: records in order and step-true, misses, hand-overs, links, controls, a new set."""
import dataclasses

import numpy as np
import pytest
from staging import RATE_HZ, STEP, Script, run, stage
from toys import BELL, GAIN, play

from engine.errors import EngineError, MappingError
from engine.formats.scl import Tuning
from engine.journal import Recorder, Take
from engine.mapping import Link, Trigger
from engine.parts import Fx, Part
from engine.records import (
    CAUSE_BIT,
    EDIT,
    FADE,
    HOLD,
    NOTE,
    PANIC,
    PROMPT,
    TARGET,
    TEMPERATURE,
    Frame,
)


def consumed(conductor):
    return [(step, seq) for step, seqs, _ in conductor.player.heard for seq in seqs]


@pytest.mark.parametrize("tokens", [1, 2, 4, 8, 16])
def test_offline_each_record_is_waited_for_and_heard_at_its_step(tokens):
    conductor, source, _ = stage(tokens=tokens, bars=4)
    conductor.advance(10 ** 9)
    assert conductor.finished and conductor.step == 64
    assert consumed(conductor) == [(n * 16 // tokens, n) for n in range(4 * tokens)]
    assert not any(late for _, _, late in conductor.player.heard)
    assert "".join(conductor.text).startswith("w0 w1 ") and conductor.late_records == 0


def test_a_miss_is_counted_once_and_nothing_comes_in_a_burst():
    conductor, source, _ = stage(live=True)
    source.give(0, 1)
    run(conductor, 9)                     # 2 is due at step 4 and does not come
    source.give(2, 3, 4, 5)
    run(conductor, 9)
    assert consumed(conductor) == [(0, 0), (2, 1), (9, 2), (11, 3), (13, 4), (15, 5)]
    assert [step for step, _, late in conductor.player.heard if late] == [4, 5, 6, 7, 8, 17]
    assert conductor.late_records == 2


@pytest.mark.parametrize(("middle", "heard"), [(69, [432.0]), (68, [])])
def test_notes_sound_in_the_set_s_tuning(middle, heard, tmp_path):
    """A fifth up, one key in two left out: the music's note 69 has a key or none."""
    (tmp_path / "a.scl").write_text("fifths\n1\n3/2\n")
    (tmp_path / "a.kbm").write_text(f"2\n0\n127\n{middle}\n{middle}\n432.0\n1\n0\nx\n")
    conductor, _, _ = stage(tuning=Tuning("a.scl", "a.kbm", tmp_path))
    rows = run(conductor, 4)
    assert sorted(set(rows[rows["kind"] == NOTE]["pitch_hz"])) == heard and not conductor.dropped


@pytest.mark.parametrize("rate", [0.5, 2.0, 5.0, 50.0])
def test_a_throttled_model_speaks_and_sounds_at_the_same_step(rate, tmp_path):
    recorder = Recorder(tmp_path / "a.take", {})
    conductor, _, _ = stage(throttle=rate, bars=16, recorder=recorder)
    recorder.table(0, 0, "x", "toy", 1)
    conductor.advance(10 ** 9)
    recorder.close(0)
    take = Take(tmp_path / "a.take")
    steps, seqs = take.features()["step"], take.features()["seq"]
    assert list(zip(steps, seqs, strict=True)) == consumed(conductor)
    assert list(seqs) == list(range(len(seqs))) and np.diff(steps).min() >= 2
    spoken_s = steps * STEP / RATE_HZ - seqs / rate         # after the model had it
    assert spoken_s.min() >= 0.0
    if rate < 4.0:                        # the music asks for 4.2 a second
        assert spoken_s.max() <= STEP / RATE_HZ + 1e-9
    else:
        assert list(steps) == list(range(0, 256, 2))
    assert [s["step"] for s in take.steps] == list(range(256))


def test_a_successor_enters_on_a_bar_line_and_what_was_there_is_played_out():
    conductor, source, _ = stage(live=True)
    source.give(0, 1, 2, 3)
    source.enters = 3
    run(conductor, 20)
    assert consumed(conductor) == [(0, 0), (2, 1), (4, 2), (16, 3)]
    assert source.enters is None
    source.give(4)
    run(conductor, 1)
    assert consumed(conductor)[-1] == (20, 4)


def test_offline_a_successor_is_only_waited_for():
    conductor, source, _ = stage(bars=1)
    source.enters = 3
    conductor.advance(10 ** 9)
    assert consumed(conductor) == [(2 * n, n) for n in range(8)]


LINKS = (Link("token.surprisal_nat", (0.0, 1.0), "bell.bright", (0.0, 1.0)),)


def moves(rows, index):
    found = rows[(rows["kind"] == TARGET) & (rows["part"] == index)]
    return [(int(row["sample"]), round(float(row["level"]), 3)) for row in found]


def test_offline_a_link_acts_where_its_record_is_due():
    conductor, _, rig = stage(links=LINKS)
    index = rig.tables[0].registry.index["bell.bright"]
    assert moves(run(conductor, 5), index) == [(0, 0.0), (2 * STEP, 0.1), (4 * STEP, 0.2)]


def test_live_a_link_acts_when_its_record_arrives():
    conductor, source, rig = stage(live=True, links=LINKS)
    index = rig.tables[0].registry.index["bell.bright"]
    run(conductor, 1)
    source.give(5, 6)
    now = rig.sample
    assert moves(run(conductor, 2), index) == [(now, 0.5), (now, 0.6)]


def test_live_a_link_of_the_state_does_not_wait_for_the_token_and_acts_once():
    table = (*LINKS, Link("resid.mid.speed", (0.0, 1.0), "pad.pan", (0.0, 1.0)))
    conductor, source, rig = stage(live=True, links=table)
    paths = [rig.tables[0].registry.index[path] for path in ("bell.bright", "pad.pan")]
    speed = {"resid.mid.speed": 0.5}
    source.before.append(Frame(0, -1, "", 0, speed, speed))
    first, both = run(conductor, 1), {"token.surprisal_nat": 0.25} | speed
    source.ready.append(Frame(0, 0, "w", 0, both, both))
    second = run(conductor, 1)
    assert [len(moves(first, path)) for path in paths] == [0, 1]
    assert [len(moves(second, path)) for path in paths] == [1, 0]
    assert moves(first, paths[1]) == [(0, 0.5)] and conductor.frame.raw == both


def test_a_trigger_strikes_at_its_records_step():
    table = (Trigger("token.surprisal_nat", 0.15, 0.05, "pad.strike"),)
    conductor, _, _ = stage(links=table)
    rows = run(conductor, 8)
    pads = rows[(rows["kind"] == NOTE) & (rows["part"] == 1)]
    assert list(pads["sample"]) == [4 * STEP]


def test_notes_carry_their_swing_pitch_and_length():
    conductor, _, _ = stage(music=Script(delay_steps=0.25))
    rows = run(conductor, 4)
    notes = rows[rows["kind"] == NOTE]
    assert list(notes["sample"]) == [1440 + STEP * k for k in range(4)]
    assert set(notes["length"]) == {2880} and set(notes["pitch_hz"]) == {440.0}


def test_a_control_drops_what_was_computed_ahead():
    conductor, source, _ = stage(live=True)
    source.give(0, 1, 2, 3)
    run(conductor, 3)
    conductor.prompt("rain")
    conductor.temperature(0.4)
    assert source.controls == [(PROMPT, 0.0, "rain", 1), (TEMPERATURE, 0.4, "", 1)]
    source.give(2, word="rain")
    run(conductor, 2)
    assert "".join(conductor.text) == "w0 w1 rain2 "


def test_a_held_model_is_not_late():
    conductor, source, _ = stage(live=True)
    source.give(0)
    run(conductor, 1)
    conductor.hold(True)
    run(conductor, 8)
    assert source.controls == [(HOLD, 1.0, "", 0)] and conductor.late_records == 0
    conductor.hold(False)
    source.give(1)
    run(conductor, 1)
    assert consumed(conductor) == [(0, 0), (9, 1)]


def test_a_mute_waits_for_the_bar_line_and_comes_back():
    conductor, _, rig = stage(live=True)
    index = rig.tables[0].registry.index["bell.mute"]
    run(conductor, 3)
    conductor.hands.mute("bell")
    assert moves(run(conductor, 20), index) == [(16 * STEP, 1.0)]
    assert conductor.hands.mutes == {"bell"}
    conductor.hands.mute("bell")
    assert moves(run(conductor, 20), index) == [(32 * STEP, 0.0)]
    assert conductor.hands.mutes == set()


def test_panic_is_silence_until_the_next_bar():
    conductor, _, rig = stage(live=True, music=Script(delay_steps=0.25))
    run(conductor, 3)
    conductor.advance(rig.sample + STEP - 100)      # a note is on its way
    conductor.panic()
    sound = np.abs(play(rig, STEP)).max(axis=1)
    assert sound[:64].max() > 1e-3 > sound[300:].max() == 0.0
    rows = run(conductor, 20)
    notes, panics = (rows[rows["kind"] == kind]["sample"] for kind in (NOTE, PANIC))
    assert list(notes[:2] - 1440) == [3 * STEP, 16 * STEP]
    assert list(panics) == [3 * STEP, 3 * STEP + 1440]
    conductor.advance(rig.sample + STEP)
    assert np.abs(play(rig, STEP)).max() > 0.1


def test_a_step_that_fails_is_not_played_again():
    conductor, _, _ = stage(live=True)
    good, calls = conductor.player.step, []

    def bad(step, frames, late):
        calls.append(step)
        if step == 2:
            raise EngineError("planted")
        return good(step, frames, late)
    conductor.player.step = bad
    with pytest.raises(EngineError, match="planted"):
        conductor.advance(10 * STEP)
    conductor.advance(10 * STEP)
    assert calls == list(range(10))


def test_notes_of_a_conductor_that_slept_are_left_out():
    conductor, _, rig = stage(live=True)
    play(rig, 10 * STEP + 32)
    conductor.advance(rig.sample + 2 * STEP)
    play(rig, 3 * STEP)
    rows = rig.collect()
    assert conductor.late_notes == 10 and conductor.step == 13
    assert list(rows[rows["kind"] == NOTE]["sample"]) == [10 * STEP + 32, 11 * STEP, 12 * STEP]


@pytest.mark.parametrize("music", [Script(part="bel"), Script(path="bell.brigt")])
def test_what_the_set_lacks_ends_a_render_and_is_told_once_live(music):
    with pytest.raises(MappingError, match="bel"):
        stage(music=music)[0].advance(STEP)
    conductor, _, _ = stage(live=True, music=music)
    run(conductor, 4)
    assert len(conductor.faults) == 1 and conductor.step == 4


# ---- a saved set
def another(conductor, **changes):
    made = dataclasses.replace(conductor.made, **changes)
    return made, made.table()


def test_a_new_set_takes_over_on_the_bar_and_the_last_one_offered_counts(tmp_path):
    recorder = Recorder(tmp_path / "a.take", {})
    recorder.table(0, 0, "x", "toy", 1)
    conductor, _, rig = stage(live=True, recorder=recorder)
    run(conductor, 3)
    wrong = Part(BELL, level_db=-60.0)
    conductor.adopt(*another(conductor, parts={"bell": wrong}))
    made, table = another(conductor, parts={"bell": Part(BELL, level_db=-6.0)}, name="newer")
    conductor.adopt(made, table)
    rows = run(conductor, 16)
    fades = rows[rows["kind"] == FADE]
    assert [(int(r["sample"]), int(r["deck"]), float(r["level"])) for r in fades] == [
        (16 * STEP, 0, 0.0), (16 * STEP, 1, 1.0)]
    assert list(fades["flags"] % (1 << CAUSE_BIT)) == [0, EDIT], "the guard watches the new table"
    notes = rows[rows["kind"] == NOTE]
    assert all((row["sample"] >= 16 * STEP) == (row["deck"] == 1) for row in notes)
    assert conductor.made is made and rig.tables[1] is table
    steps = [step for step, _, _ in conductor.player.heard]
    assert steps == list(range(19)), "the same music goes on where it was"
    recorder.close(0)
    tables = Take(tmp_path / "a.take").tables
    assert [(t["deck"], t["name"]) for t in tables] == [(0, "toy"), (1, "newer")]
    assert tables[1]["sample"] <= 16 * STEP


def test_tempo_mutes_filter_and_prompt_follow_into_the_new_set():
    conductor, source, rig = stage(live=True, master=(Fx(GAIN, amount=0.9),))
    conductor.hands.mute("bell")
    run(conductor, 3)
    conductor.adopt(*another(conductor, bpm=62.5, prompt="snow", temperature=0.2))
    rows = run(conductor, 17)
    index = rig.tables[1].registry.index["bell.mute"]
    muted = rows[(rows["kind"] == TARGET) & (rows["deck"] == 1) & (rows["part"] == index)]
    assert list(muted["level"]) == [1.0] and list(muted["sample"]) == [16 * STEP]
    assert conductor.clock.bpm_at(16) == 62.5
    assert conductor.clock.sample_of(17) == 16 * STEP + 2 * STEP
    assert [c[:3] for c in source.controls] == [(TEMPERATURE, 0.2, ""), (PROMPT, 0.0, "snow")]


def test_new_music_begins_at_its_own_beginning():
    conductor, _, _ = stage(live=True)
    run(conductor, 5)
    music = Script(part="pad")
    conductor.adopt(*another(conductor, music=music, tokens_per_bar=4))
    run(conductor, 16)
    assert [step for step, _, _ in music.heard] == [0, 1, 2, 3, 4]
    assert conductor.steps_per_token == music.per_token == 4


def test_a_bar_line_is_played_whatever_fails_on_it():
    conductor, _, _ = stage(live=True)
    conductor.at_bar["a"] = lambda step: conductor.rig.target(0, "no.such", 0.0)
    done = []
    conductor.at_bar["b"] = done.append
    rows = run(conductor, 1)
    assert done == [0] and list(conductor.faults) and (rows["kind"] == NOTE).any()
