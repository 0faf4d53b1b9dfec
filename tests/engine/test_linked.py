"""Links that wait: for their record's step, for a bar, for a phrase; and what links tell the music.
"""
from dataclasses import dataclass

import pytest
from staging import STEP, Script, run, stage
from toys import BELL

from engine.errors import MappingError
from engine.journal import Recorder, Take
from engine.mapping import STRIKE, Link, Param, Step, Trigger
from engine.parts import Part
from engine.records import CAUSE_BIT, NOTE, TARGET

BAR = 16


@dataclass
class Asked(Script):
    """A music of eight-bar sections that lets a link decide, and keeps what it decided."""
    section_bars: int = 8

    @property
    def targets(self):
        return {"music.scene": Param("scene", 0.0, 1.0, 0.0)}

    def player(self, steps_per_token, bars):
        self.told, self.skips, self.now = [], [], 0
        return super().player(steps_per_token, bars)

    def turn(self, path, value):
        self.told.append((self.now, path, round(value, 3)))

    def next_section(self):
        self.skips.append(self.now)

    def step(self, step, frames, late):
        self.now = step + 1
        made, bar = super().step(step, frames, late), step // BAR
        return Step(made.notes, made.targets, f"s{bar // self.section_bars}",
                    bar % self.section_bars, self.section_bars)


def bright(latch, **more):
    return (Link("token.surprisal_nat", (0.0, 1.0), "bell.bright", (0.0, 1.0), latch=latch,
                 **more),)


def moves(rows, rig, path="bell.bright"):
    found = rows[(rows["kind"] == TARGET) & (rows["part"] == rig.tables[0].registry.index[path])]
    return [(int(row["sample"]) / STEP, round(float(row["level"]), 3)) for row in found]


def test_live_a_link_latched_to_the_step_waits_for_its_records_step():
    conductor, source, rig = stage(live=True, links=bright("step"))
    source.give(0, 1, 2)                  # all are there at once
    assert moves(run(conductor, 6), rig) == [(0, 0.0), (2, 0.1), (4, 0.2)]
    conductor, source, rig = stage(live=True, links=bright(""))
    source.give(0, 1, 2)
    assert moves(run(conductor, 6), rig) == [(0, 0.0), (0, 0.1), (0, 0.2)]


@pytest.mark.parametrize("live", [False, True])
def test_a_link_latched_to_the_bar_takes_the_newest_record_heard(live):
    conductor, source, rig = stage(live=live, links=bright("bar"))
    source.give(*range(30) if live else ())
    assert moves(run(conductor, 40), rig) == [(0, 0.0), (16, 0.8), (32, 0.6)]


def test_a_link_latched_to_the_phrase_waits_for_four_bars_of_its_section():
    conductor, _, rig = stage(links=bright("phrase"), music=Asked(), tokens=1)
    assert moves(run(conductor, 9 * BAR), rig) == [(0, 0.0), (4 * BAR, 0.4), (8 * BAR, 0.8)]
    conductor, _, rig = stage(links=bright("phrase"), music=Asked(section_bars=3), tokens=1)
    found = moves(run(conductor, 7 * BAR), rig)
    assert [place for place, _ in found] == [0, 3 * BAR, 6 * BAR], "a section begins a phrase"


def test_a_section_s_beginning_releases_what_waits_once():
    conductor, source, rig = stage(live=True, links=bright("phrase"),
                                   music=Asked(section_bars=3), tokens=1)
    source.give(0, 1)
    assert moves(run(conductor, 7 * BAR), rig) == [(0, 0.0), (3 * BAR, 0.1)]


def test_a_music_is_told_before_it_plays_the_step_and_the_take_says_so(tmp_path):
    table = (Link("token.surprisal_nat", (0.0, 1.0), "music.scene", (0.0, 1.0), latch="bar"),)
    music, recorder = Asked(), Recorder(tmp_path / "a.take", {})
    recorder.table(0, 0, "x", "toy", 1)
    conductor, _, _ = stage(links=table, music=music, recorder=recorder)
    rows = run(conductor, 20)
    assert music.told == [(0, "music.scene", 0.0), (BAR, "music.scene", 0.8)]
    assert not (rows["kind"] == TARGET).any()
    recorder.close(0)
    turns = Take(tmp_path / "a.take").turns
    assert [(turn["sample"], turn["seq"]) for turn in turns] == [(0, 0), (BAR * STEP, 8)]


def test_a_trigger_may_end_the_section():
    music = Asked()
    table = (Trigger("token.surprisal_nat", 0.45, 0.2, "music.next"),)
    rows = run(stage(links=table, music=music)[0], 20)
    assert music.skips == [10] and len(rows[rows["kind"] == NOTE]) == 20


def test_what_the_music_does_not_offer_is_refused():
    link = Link("token.surprisal_nat", (0.0, 1.0), "music.scen", (0.0, 1.0), latch="bar")
    with pytest.raises(MappingError, match="did you mean 'music.scene'"):
        stage(links=(link,), music=Asked())
    with pytest.raises(MappingError, match="no such target"):
        stage(links=(Trigger("token.surprisal_nat", 0.5, 0.2, "music.next"),))
    with pytest.raises(MappingError, match="needs a latch"):
        stage(links=(Link("token.surprisal_nat", (0, 1), "music.scene", (0, 1)),), music=Asked())


def test_a_part_called_music_keeps_its_own_parameters():
    parts = {"bell": Part(BELL), "music": Part(BELL)}
    table = (Link("token.surprisal_nat", (0.0, 1.0), "music.pan", (0.0, 1.0)),)
    conductor, _, rig = stage(links=table, music=Asked(), parts=parts)
    assert moves(run(conductor, 3), rig, "music.pan") == [(0, 0.0), (2, 0.1)]


def test_events_tell_their_link_and_their_record(tmp_path):
    recorder = Recorder(tmp_path / "a.take", {})
    recorder.table(0, 0, "x", "toy", 1)
    conductor, _, _ = stage(links=bright("bar"), recorder=recorder)
    rows = run(conductor, 20)
    recorder.close(0)
    causes = {cause["number"]: cause for cause in Take(tmp_path / "a.take").causes}
    targets = rows[rows["kind"] == TARGET]
    assert [int(row["length"]) - 1 for row in targets] == [0, 8]
    assert {causes[int(row["flags"]) >> CAUSE_BIT]["link"]["latch"] for row in targets} == {"bar"}


def test_a_record_that_is_thrown_away_is_kept_in_the_take(tmp_path):
    recorder = Recorder(tmp_path / "a.take", {})
    recorder.table(0, 0, "x", "toy", 1)
    conductor, source, _ = stage(live=True, links=bright(""), recorder=recorder)
    source.give(0, 1, 2, 3)
    run(conductor, 3)
    conductor.prompt("rain")
    source.give(2, word="rain")
    run(conductor, 3)
    recorder.close(0)
    take = Take(tmp_path / "a.take")
    assert [frame["text"] for frame in take.lost] == ["w2 ", "w3 "]
    assert [frame["text"] for frame in take.frames] == ["w0 ", "w1 ", "rain2 "]


def test_the_registry_knows_a_strike_from_a_parameter():
    assert Param("strike", 0.0, 1.0, 1.0) == STRIKE
