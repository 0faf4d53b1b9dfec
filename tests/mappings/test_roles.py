"""Marks to rows: registers, chord tones, loops that keep their voicings."""
from mappings.harmony import motion_st
from mappings.house import HOUSE_GRAMMARS
from mappings.roles import Harmony, Theme, held, rows_of
from mappings.writer import Mark

GRAMMARS = {grammar.role: grammar for grammar in HOUSE_GRAMMARS}


def here(tonic=33, degrees=(1, 6, 3, 7, 1, 6, 3, 5)):
    made = Harmony(tonic, "aeolian")
    made.theme = Theme("a", degrees)
    made.turn_to(0)
    return made


def mark(step=0, place=0, level=0.5):
    return Mark(step, 1.0, place, level, False, "x")


def test_bass_tones_lie_in_the_register_whatever_the_key():
    for tonic in range(28, 40):
        at = here(tonic)
        for bar in range(8):
            at.turn_to(bar)
            for place in range(8):
                pitch = at.tone_st(GRAMMARS["bass"], place)
                assert 28 <= pitch <= 48 and pitch % 12 == at.chord.tones[place % 4]


def test_hooks_take_chord_tones_on_strong_steps_and_scale_tones_elsewhere():
    at, scale = here(), {9, 11, 0, 2, 4, 5, 7}
    for place in range(-5, 6):
        strong = rows_of(GRAMMARS["hook"], "lead", mark(4, place), at)[0].pitch_st
        weak = rows_of(GRAMMARS["hook"], "lead", mark(3, place), at)[0].pitch_st
        assert strong % 12 in at.chord.tones and weak % 12 in scale and 67 <= weak <= 86


def test_a_loop_keeps_its_voicings_and_the_next_theme_is_led_from_them():
    at = here()
    voices = []
    for bar in range(16):
        at.turn_to(bar)
        voices.append(at.voicing(GRAMMARS["stab"]))
    assert voices[:8] == voices[8:] and voices[0] == voices[4]
    at.theme = Theme("b", (4, 7, 3, 6, 4, 7, 3, 5))
    at.turn_to(0)
    assert motion_st(voices[-1], at.voicing(GRAMMARS["stab"])) <= 2.0


def test_a_stab_is_four_notes_the_top_ones_softer_and_a_pad_lasts_the_bar():
    at = here()
    rows = rows_of(GRAMMARS["stab"], "chords", mark(3), at)
    assert len(rows) == 4 and rows[0].level > rows[3].level and {r.step for r in rows} == {3}
    pad = held(GRAMMARS["pad"], "pad", at)
    assert len(pad) == 4 and all(15.0 <= row.length_steps <= 16.0 for row in pad)
