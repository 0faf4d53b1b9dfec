"""Controls told from what they send, in the manners of real devices. Thread: any.

The streams are written after the devices' published MIDI charts: nanoKONTROL2 (knobs and faders cc,
buttons 127 and 0), BCR2000 (relative 1, 2, 3; 14 bits; NRPN), APC (pads as notes), Mackie Control
(a touch note, then bend), MIDI keyboards, sustain pedals.
"""
import random

import pytest

from engine.errors import SetError
from engine.formats.controls import RELATIVE, Message, Row
from engine.surface import Entry
from engine.wires.bound import places
from engine.wires.hearing import Hearing
from engine.wires.recognise import Recogniser, learned, row_for, style_of

MS = 1_000_000
KNOWN = places([Entry("/temperature", "value", "f", 0.0, 2.0), Entry("/panic", "trigger", ""),
                Entry("/mute/kick", "trigger", "i"), Entry("/play/bass", "trigger", "ff", 0, 127),
                Entry("/scene", "trigger", "s", choices=("intro", "drop"))])


def told(messages, gap_ms=15, keys=False, wait_ms=3000, port="p"):
    """(message, style) of what a stream is taken for, and how many messages it took."""
    hearing, recogniser, now = Hearing(), Recogniser(keys), 10 ** 12
    for count, data in enumerate(messages, start=1):
        now += gap_ms * MS
        if found := recogniser.hear(port, hearing.moves(port, bytes(data)), now):
            return str(found.message), found.style, count
    for _ in range(wait_ms // 100):
        now += 100 * MS
        if found := recogniser.found(now):
            return str(found.message), found.style, len(messages)
    return None


def cc(number, raws, channel=0):
    return [(0xB0 | channel, number, raw) for raw in raws]


@pytest.mark.parametrize("raws", [
    range(40, 60), range(3), (64, 63, 61, 58, 50), (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    (127, 126, 124, 121, 117, 112), range(100, 0, -7), range(58, 76)])
def test_an_absolute_knob(raws):
    found = told(cc(16, raws))
    if len(raws) < 4:
        assert found is None
    else:
        assert found[:2] == ("cc 16", "absolute")


def test_a_trembling_pot_is_no_hand():
    noise = [cc(40, [63 + k % 2])[0] for k in range(200)]
    assert told(noise) is None
    mixed = [m for pair in zip(noise, cc(16, range(20, 60)), strict=False) for m in pair]
    assert told(mixed)[:2] == ("cc 16", "absolute")


def test_a_button_with_and_without_release():
    assert told(cc(41, (127, 0)))[:2] == ("cc 41", "button")
    assert told(cc(41, (127,)))[:2] == ("cc 41", "button")


@pytest.mark.parametrize(("mode", "up", "down"), [
    (RELATIVE[0], (1, 2, 3), (127, 126, 125)), (RELATIVE[1], (65, 66, 67), (63, 62, 61)),
    (RELATIVE[2], (1, 2, 3), (65, 66, 67))])
def test_an_endless_encoder_turned_both_ways(mode, up, down):
    for seed in range(300):
        chance = random.Random(seed)
        run = [[chance.choices(way, (8, 2, 1))[0] for _ in range(chance.randrange(4, 12))]
               for way in (up, down, up, down)]
        chance.shuffle(run)
        found = told(cc(1, [raw for way in run for raw in way]))
        assert found and found[:2] == ("cc 1", mode), (seed, run, found)
    slow = [up[0]] * 4 + [down[0]] * 4
    assert told(cc(1, slow))[:2] == ("cc 1", mode)


def test_an_encoder_turned_one_way_is_the_likelier_kind_after_a_while():
    assert told(cc(1, [1] * 8))[:2] == ("cc 1", RELATIVE[0])
    assert told(cc(1, [127] * 8))[:2] == ("cc 1", RELATIVE[0])
    assert told(cc(1, [63] * 8))[:2] == ("cc 1", RELATIVE[1])
    assert told(cc(1, [65] * 8))[:2] == ("cc 1", RELATIVE[1])


def test_pads_keys_and_programs():
    assert told([(0x90, 36, 99), (0x80, 36, 0)])[:2] == ("note 36", "note")
    assert told([(0x90, 36, 99)])[:2] == ("note 36", "note"), "held down"
    pressed = [(0x90, 36, 99), *[(0xD0, k) for k in range(40)], (0x90, 36, 0)]
    assert told(pressed)[0] == "note 36", "a pad with aftertouch"
    assert told([(0x90, 36, 99)], keys=True)[:2] == ("notes", "notes")
    assert told([(0xC3, 7)])[:2] == ("program 7", "program")


def test_a_fader_with_a_touch_note_is_a_fader():
    touch = [(0x90, 104, 127), *[(0xE0, 0, v) for v in range(40, 60)], (0x90, 104, 0)]
    assert told(touch)[:2] == ("bend", "absolute")
    assert told([touch[0], *touch[1:4], touch[-1]]) is None, "hardly moved: neither, yet"


def test_a_fine_knob_and_a_registered_number():
    fine = [m for raw in range(5000, 5600, 40) for m in (*cc(2, [raw >> 7]), *cc(34, [raw & 127]))]
    assert told(fine)[:2] == ("cc 2/34", "absolute")
    nrpn = [m for raw in range(5000, 5600, 40) for n, v in (
        (99, 2), (98, 44), (6, raw >> 7), (38, raw & 127)) for m in cc(n, [v])]
    assert told(nrpn)[:2] == ("nrpn 300", "absolute")


def test_two_knobs_that_could_be_halves_are_two():
    assert told([*cc(16, [60]), *cc(48, range(30, 70))])[:2] != ("cc 16/48", "absolute")


def test_style_is_open_as_long_as_it_can_be_two():
    assert style_of([1, 1, 1, 1, 1, 1], False) is None
    assert style_of([1, 1, 1, 1, 1, 1], True) == RELATIVE[0]
    assert style_of([64], True) is None and style_of([127, 0, 127], False) is None


def found_of(messages, port="nano SLIDER 24:0"):
    hearing, recogniser, now = Hearing(), Recogniser(), 10 ** 12
    for data in messages:
        now += 10 * MS
        if found := recogniser.hear(port, hearing.moves(port, bytes(data)), now):
            return found
    return None


def test_a_row_says_only_what_is_not_as_usual():
    knob, button = found_of(cc(16, range(40, 60), 2)), found_of(cc(41, (127, 0)))
    assert row_for(knob, "/temperature", KNOWN) == Row(
        Message("cc", 16), "/temperature", "nano SLIDER", 3), "ALSA's numbers change every day"
    assert row_for(button, "/temperature", KNOWN).mode == "toggle"
    assert row_for(button, "/mute/kick", KNOWN).mode == ""
    assert row_for(button, "/panic", KNOWN).mode == ""
    endless = found_of(cc(1, [1, 1, 1, 127, 127, 127, 127]))
    assert row_for(endless, "/temperature", KNOWN).mode == RELATIVE[0]
    with pytest.raises(SetError, match="'/scene' must be told which"):
        row_for(knob, "/scene", KNOWN)


def test_a_learned_row_replaces_its_control_and_its_target():
    rows = [Row(Message("cc", 16), "/panic"), Row(Message("cc", 17), "/temperature", "nano"),
            Row(Message("cc", 16), "/mute/kick", "other"), Row(Message("cc", 18), "/mute/kick")]
    new = Row(Message("cc", 16), "/temperature", "nano", 1)
    assert learned(rows, new) == [rows[2], rows[3], new]
