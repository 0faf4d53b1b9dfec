"""Chords by degree, progressions, voice leading."""
import itertools

import pytest

from mappings import harmony


def test_chords_stand_on_degrees_of_the_mode():
    names = [harmony.chord_at(33, "aeolian", d).name for d in range(1, 8)]
    assert names == ["Am7", "Bdim7", "Cmaj7", "Dm7", "Em7", "Fmaj7", "G7"]
    assert harmony.chord_at(33, "dorian", 4).name == "D7"
    assert harmony.chord_at(33, "aeolian", 1).tones == (9, 0, 4, 7)


@pytest.mark.parametrize("mode", harmony.MODES)
def test_a_chord_is_known_by_its_name(mode):
    for tonic, degree in itertools.product(range(24, 36), range(1, 8)):
        chord = harmony.chord_at(tonic, mode, degree)
        assert harmony.chord_named(chord.name)[:3] == chord.tones[:3]


@pytest.mark.parametrize("mode", harmony.MODES)
def test_every_choice_gives_a_progression_of_three_roots_or_more_that_moves(mode):
    for picks in itertools.product(range(3), repeat=5):
        def choose(index, options, picks=picks):
            return options[picks[index] % len(options)]
        found = harmony.progression(mode, choose)
        assert len(found) == 8 and len(set(found)) >= 3
        assert all(a != b for a, b in zip(found, found[1:], strict=False))
        assert found[:3] == found[4:7] and found[3] != found[7]
        other = harmony.progression(mode, choose, (found,))
        assert other != found and len(set(other)) >= 3


def test_voices_move_no_further_than_they_must():
    low, high = 52, 74
    before = harmony.lead_voices((9, 0, 4, 7), None, low, high)
    for degree in (6, 3, 7, 1, 4, 5, 2):
        chord = harmony.chord_at(33, "aeolian", degree)
        after = harmony.lead_voices(chord.tones, before, low, high)
        assert {p % 12 for p in after} == set(chord.tones)
        assert low <= after[0] and after[-1] <= high and list(after) == sorted(after)
        least = min(harmony.motion_st(before, v)
                    for v in harmony.voicings(chord.tones, low, high))
        assert harmony.motion_st(before, after) <= least + 0.15
        before = after


def test_the_nearest_chord_tone_is_taken_the_lower_of_two():
    assert harmony.nearest(61, {0, 4, 7}, 48, 72) == 60
    assert harmony.nearest(62, {0, 4, 7}, 48, 72) == 60
    assert harmony.nearest(63, {0, 4, 7}, 48, 72) == 64
