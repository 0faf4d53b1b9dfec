"""Sections end on lines, with the text where it allows it, and the whole on its last bar."""
import pytest

from mappings.form import Form
from mappings.house import HOUSE_SCENES

LENGTHS = (1, 2, 3, 5, 8, 15, 16, 17, 20, 31, 32, 37, 63, 64, 65, 90, 128, 200, 333)


def sections(bars, ended=lambda bar: True, skip=(), choose=lambda options: options[0], limit=0):
    """[(name, first bar, bars, cycle)] of a form."""
    form, found = Form(HOUSE_SCENES, bars), [["", 0, 0, 0]]
    found[0][0] = form.name
    for bar in range(1, (limit or bars) + 1):
        found[-1][2] += 1
        form.skip = form.skip or bar in skip
        if form.advance(ended(bar), choose):
            found.append([form.name, bar, 0, form.cycle])
    return found, form


@pytest.mark.parametrize("bars", LENGTHS)
@pytest.mark.parametrize("every", (1, 3, 10 ** 9))
def test_a_form_of_any_length_ends_on_its_last_bar(bars, every):
    found, form = sections(bars, lambda bar: bar // 4 % every == 0)
    assert form.done and sum(row[2] for row in found) == bars
    assert bars < 4 or found[-1][0] == "outro" and found[0][0] == "intro"
    assert bars >= 4 or [row[0] for row in found] == ["drop"]
    if bars >= 64:
        assert all(row[1] % 8 == 0 for row in found)
    elif bars >= 16:
        assert all(row[1] % 4 == 0 for row in found)


def test_the_text_decides_how_long_a_section_is():
    early, _ = sections(None, lambda bar: True, limit=128)
    late, _ = sections(None, lambda bar: False, limit=128)
    assert [row[:2] for row in early[:3]] == [["intro", 0], ["build", 8], ["drop", 16]]
    assert [row[:2] for row in late[:3]] == [["intro", 0], ["build", 24], ["drop", 40]]
    third, _ = sections(None, lambda bar: bar == 32 + 16 or bar < 32, limit=128)
    assert third[2][1:3] == [16, 32]


def test_a_hundred_and_twenty_eight_bars_have_a_break_and_two_drops():
    for every in (1, 2, 3, 5):
        names = [row[0] for row in sections(128, lambda bar, e=every: bar // 8 % e == 0)[0]]
        assert names.count("drop") >= 2 and "break" in names and names.count("intro") == 1


def test_without_an_end_cycle_follows_cycle():
    found, form = sections(None, limit=600, choose=lambda options: options[-1])
    assert form.cycle >= 3
    for one, other in zip(found, found[1:], strict=False):
        assert (one[0] == "outro") == (other[3] == one[3] + 1)
    assert all(sum(r[0] == "drop" for r in found if r[3] == c) >= 2 for c in range(form.cycle))


def test_the_performer_ends_a_section_at_the_next_bar_and_the_form_still_closes():
    found, form = sections(128, skip=(5, 11))
    assert [row[1] for row in found[:3]] == [0, 5, 11] and form.done
    assert sum(row[2] for row in found) == 128
    endless, form = sections(None, skip=(3,), limit=40)
    assert endless[1][1] == 3 and form.anchor == 3


def test_pressed_in_the_last_section_nothing_breaks():
    found, form = sections(64, skip=(62,))
    assert form.done and found[-1][0] == "outro"
