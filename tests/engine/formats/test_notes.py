"""A line of notes: names, chords, rests, accents, slides; every mistake names its word."""
import pytest

from engine.errors import EngineError
from engine.formats.notes import parse


def test_names_numbers_and_frequencies():
    notes, steps = parse("C4 Eb3 f#2 61.5 440hz")
    assert steps == 5
    assert [n.pitch_st for n in notes] == [60.0, 51.0, 42.0, 61.5, None]
    assert notes[4].pitch_hz == 440.0 and [n.step for n in notes] == [0, 1, 2, 3, 4]


def test_chords_rests_and_how_a_note_is_played():
    notes, steps = parse("C3+E3+G3__ - C2! C3~")
    assert steps == 6
    assert [(n.step, n.steps) for n in notes] == [(0, 3)] * 3 + [(4, 1), (5, 1)]
    assert [n.slide for n in notes] == [False] * 4 + [True]
    assert notes[3].level > 0.7 > notes[0].level


@pytest.mark.parametrize("text", ("H9", "C2 X", "C99", "0hz", "nan", "-1", "C2+", "inf"))
def test_a_mistake_names_its_word(text):
    with pytest.raises(EngineError, match=text.split()[-1].replace("+", r"\+")):
        parse(text)


@pytest.mark.parametrize("text", ("", "  ", "- -"))
def test_nothing_to_play_is_said(text):
    with pytest.raises(EngineError, match="no notes"):
        parse(text)
