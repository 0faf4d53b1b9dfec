"""Clips as cells: they return, the text thins, varies and edits them."""
import dataclasses

import pytest

from engine.errors import MappingError
from engine.records import Frame
from mappings.given import Given, cell_bars, varied_bar
from mappings.memory import NAMES, Memory
from mappings.music import Cast, Entry, Music, Scene
from mappings.player import Player
from mappings.writer import Mark


@dataclasses.dataclass(frozen=True)
class Written:
    """What stands in for a note of `engine.clip`."""
    step: int
    delay_steps: float = 0.0
    length_steps: float = 1.0
    pitch_st: float = 60.0
    level: float = 0.8


@dataclasses.dataclass(frozen=True)
class Riff:
    notes: tuple
    file: str = "riff.mid"

    @property
    def pitches(self):
        return sorted({note.pitch_st for bar in self.notes for note in bar})


RIFF = Riff((tuple(Written(step, 0.25 if step == 3 else 0.0, 1.5, 57.0 + step) for step in
                   (0, 3, 6, 8, 11, 14)), (Written(4, pitch_st=69.0), Written(10))))


def frame(seq, **places):
    unit = {name: ((seq * 0.37 + k * 0.61) % 1.0) for k, name in enumerate(NAMES)}
    return Frame(seq, seq, " word", 0, {}, unit | places, sentence_end=seq % 16 == 15)


def music(**changes):
    given = Given("riff", RIFF, **{"root_st": None} | changes.pop("given", {}))
    return Music((Scene("all", (32,), (Entry("riff", density=changes.pop("density", 0.8)),),
                        ("all",)),), (given,), (Cast("one", {"riff": "lead"}),), tonics=(45, 45),
                 **changes)


def play(made, bars, **places):
    """The notes of so many bars, (16th, note), eight frames a bar."""
    player, found = Player(made), []
    for step in range(16 * bars):
        frames = [frame(step // 2, **places)] if step % 2 == 0 else []
        found += [(step, note) for note in player.step(step, frames, False).notes]
    return found


CALM = {"token.surprisal_nat": 0.0, "resid.mid.turn": 0.0}


def test_the_clip_returns_as_it_was_written_with_its_own_timing():
    made = play(music(edits=0, edit_above=1.0), 4, **CALM)
    assert {note.part for _, note in made} == {"lead"}
    for bar in range(4):
        here = [(step % 16, n.delay_steps, n.length_steps, n.pitch_st, round(n.level, 6))
                for step, n in made if step // 16 == bar]
        assert here == [(n.step, n.delay_steps, n.length_steps, n.pitch_st, n.level)
                        for n in RIFF.notes[bar % 2]]
    assert all("clip riff.mid bar" in note.cause for _, note in made)


def test_it_moves_to_the_key_of_the_cycle_by_six_semitones_at_most():
    made = play(music(given={"root_st": 57}, edits=0, edit_above=1.0), 1, **CALM)
    assert [n.pitch_st for _, n in made] == [57.0 + n.step for n in RIFF.notes[0]]
    given = Given("riff", RIFF, root_st=57)
    assert [given.shift_st(57 + k) for k in range(12)] == [0, 1, 2, 3, 4, 5, -6, -5, -4, -3, -2, -1]
    assert Given("riff", RIFF).shift_st(33) == 0


def test_a_thin_section_plays_the_half_that_matters():
    thin = play(music(density=0.2, edits=0, edit_above=1.0), 2, **CALM)
    assert len(thin) == 4 and {step % 16 for step, _ in thin} < {0, 3, 4, 6, 8, 10, 11, 14}
    assert {0, 8} <= {step for step, _ in thin if step < 16}


def test_a_turning_text_varies_the_last_bar_and_keeps_the_first():
    memory = Memory(8)
    for seq in range(40):
        memory.hear(2 * seq, [frame(seq)], False, True)
    given = Given("riff", RIFF)
    bars = cell_bars(given, memory, 0.8, Mark)
    fresh = varied_bar(given, bars[0], memory, 0)
    assert fresh != bars[0] and 1 <= len(fresh) <= len(bars[0])
    assert {m.place - 57.0 - m.step for m in fresh} <= {-12.0, 0.0, 12.0}
    late = varied_bar(given, bars[0], memory, 8)
    assert [m for m in late if m.step < 8] == [m for m in bars[0] if m.step < 8]
    turned = play(music(edits=0, edit_above=1.0), 48, **{"token.surprisal_nat": 0.0})
    by_bar = [tuple((s % 16, n.pitch_st) for s, n in turned if s // 16 == bar)
              for bar in range(48)]
    assert len(set(by_bar)) > 2 and len({tuple(by_bar[bar]) for bar in range(0, 48, 2)}) == 1


def test_a_surprise_edits_it():
    calm = play(music(), 16, **CALM)
    wild = play(music(edit_above=0.5, edits=3), 16, **{"resid.mid.turn": 0.0})
    edited = [note for _, note in wild if note.cause.startswith("edit")]
    assert edited and not [note for _, note in calm if note.cause.startswith("edit")]


def test_a_given_drum_takes_the_place_of_the_fixed_one():
    made = Music((Scene("all", (8,), (Entry("kick"),), ("all",)),),
                 (Given("kick", Riff(((Written(3), Written(7)),))),), (Cast("one", {}),), edits=0,
                 edit_above=1.0)
    assert [(step, n.part) for step, n in play(made, 1, **CALM)] == [(3, "kick"), (7, "kick")]
    assert made.grammars[0].register == (60.0, 60.0)


@pytest.mark.parametrize(("arguments", "said"), [
    (("riff", "riff.mid"), "needs a Clip"), (("riff", RIFF, 200), "root_st must be"),
    (("riff", RIFF, 1.5), "root_st must be")])
def test_what_is_wrong_is_said(arguments, said):
    with pytest.raises(MappingError, match=said):
        Given(*arguments)
