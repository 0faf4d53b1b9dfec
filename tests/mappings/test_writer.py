"""Cells: inside the grammar's windows, decided by the frames, stable where they should be."""
from dataclasses import replace

import pytest
import texts

from mappings.house import HOUSE_GRAMMARS
from mappings.memory import Memory
from mappings.music import STEPS
from mappings.writer import varied, write

GRAMMARS = {grammar.role: grammar for grammar in HOUSE_GRAMMARS if grammar.kind != "pad"}


def memory_of(seed, count=96):
    memory = Memory(8)
    for i, frame in enumerate(texts.frames(seed, count)):
        memory.hear(2 * i, [frame], False, True)
    return memory


def cells(role, density=0.6, seeds=range(12)):
    return [write(GRAMMARS[role], memory_of(seed), density, "a1") for seed in seeds]


@pytest.mark.parametrize("role", GRAMMARS)
def test_cells_strike_only_where_and_as_often_as_the_grammar_allows(role):
    grammar = GRAMMARS[role]
    for cell in cells(role, 0.0) + cells(role, 1.0):
        assert len(cell.bars) == len(grammar.form)
        for bar in cell.bars:
            steps = [mark.step for mark in bar]
            assert grammar.hits[0] <= len(steps) <= grammar.hits[1]
            assert steps == sorted(set(steps)) and all(grammar.weights[s] > 0 for s in steps)
            assert all(mark.cause.startswith(role) for mark in bar)
            assert all(0.0 < mark.level <= 1.0 for mark in bar)


@pytest.mark.parametrize("role", GRAMMARS)
def test_the_same_letter_is_the_same_bar_and_other_texts_write_other_cells(role):
    found = cells(role)
    form = GRAMMARS[role].form
    for cell in found:
        first = dict(reversed(list(zip(form, cell.bars, strict=True))))
        assert all(first[letter] == bar for letter, bar in zip(form, cell.bars, strict=True))
    assert len({tuple((m.step, m.place) for m in c.bars[0]) for c in found}) >= 4
    assert write(GRAMMARS[role], memory_of(3), 0.6, "a1") == found[3]


def test_density_adds_strikes():
    thin, full = cells("bass", 0.1), cells("bass", 0.9)
    assert all(len(a.bars[0]) < len(b.bars[0]) for a, b in zip(thin, full, strict=True))


def test_a_bass_slides_between_near_notes_that_overlap():
    marks = [bar for cell in cells("bass") for bar in cell.bars]
    share = sum(m.slide for bar in marks for m in bar) / sum(map(len, marks))
    assert 0.15 <= share <= 0.35
    for bar in marks:
        for one, other in zip(bar, bar[1:], strict=False):
            if other.slide:
                assert other.step - one.step <= 2
                assert one.step + one.length_steps > other.step
            else:
                assert one.step + one.length_steps <= other.step


def test_about_a_third_is_accented():
    levels = [m.level for cell in cells("bass") for m in cell.bars[0]]
    assert 0.2 <= sum(level > 0.8 for level in levels) / len(levels) <= 0.4


def test_a_variation_keeps_what_it_does_not_rewrite():
    grammar, memory = GRAMMARS["bass"], memory_of(1)
    cell = write(grammar, memory, 0.6, "a1")
    other = varied(cell, grammar, memory_of(2), 0.6, "a2")
    assert other.bars[:-1] == cell.bars[:-1] and other.bars[-1] != cell.bars[-1]
    short = replace(grammar, form="a")
    cell = write(short, memory, 0.6, "a1")
    other = varied(cell, short, memory_of(2), 0.6, "a2")
    half = [[(m.step, m.place) for m in c.bars[0] if m.step < STEPS // 2] for c in (cell, other)]
    assert half[0] == half[1] and cell != other
