"""The fixed grammar and the fills."""
import pytest

from mappings import drums

ROLES = {"kick": 1, "clap": 1, "openhat": 1, "hat": 1, "perc": 1}


def steps(strikes, role):
    return [step for name, step, _, _ in strikes if name == role]


def test_four_on_the_floor_clap_on_two_and_four_open_hat_off_the_beat():
    bar = drums.groove(ROLES)
    assert steps(bar, "kick") == [0, 4, 8, 12] and steps(bar, "clap") == [4, 12]
    assert steps(bar, "openhat") == [2, 6, 10, 14]
    assert steps(drums.groove({"kick": 1}), "clap") == []


@pytest.mark.parametrize("name", drums.FILLS)
def test_a_fill_changes_the_second_half_only_and_strikes_nothing_twice(name):
    bar = drums.groove(ROLES)
    filled = drums.fill(bar, name, "x")
    assert [s for s in filled if s[1] < 8] == [s for s in bar if s[1] < 8] and filled != bar
    places = [(role, step) for role, step, _, _ in filled]
    assert len(set(places)) == len(places)
    assert any(cause.startswith("fill") for _, _, _, cause in filled)


def test_before_the_line_the_kick_takes_a_breath():
    bar = drums.groove(ROLES)
    rests = {name: steps(drums.fill(bar, name, "x"), "kick") for name in drums.FILLS}
    assert rests["gap"] == [0, 4, 8] and rests["stutter"] == [0, 4, 8, 12]


def test_fills_use_only_parts_that_play():
    assert drums.fills_for({"hat": 1}) == ["stutter"] and drums.fills_for({"pad": 1}) == []
    assert set(drums.fills_for(ROLES)) == set(drums.FILLS)


def test_a_build_rolls_ever_faster_and_loses_its_kick_at_the_end():
    counts = [len(steps(drums.roll(drums.groove(ROLES), bar), "clap")) for bar in range(8)]
    assert counts == sorted(counts) and counts[0] == 2 and counts[7] == 16
    assert steps(drums.roll(drums.groove(ROLES), 7), "kick") == [0, 4]
    assert steps(drums.roll(drums.groove(ROLES), 6), "kick") == [0, 4, 8, 12]
