"""Who plays on which port, channel and key; how levels, pans and pitches are written."""
import pytest

from engine.errors import SetError
from engine.formats.scl import Tuning
from engine.midi_parts import (
    bend_of,
    controller_of,
    key_of,
    midi_of,
    on_keys,
    opening,
    pan_of,
    velocity_of,
    volume_of,
)
from engine.param import Param
from engine.parts import Midi, Part
from engine.sets import load
from synths.fm import FM
from synths.hat import HAT
from synths.kick import KICK
from synths.soundfont import SOUNDFONT
from synths.tb303 import TB303


def test_the_house_has_drums_on_ten_and_the_rest_beside_them():
    found = midi_of(load("house").parts)
    assert list(found) == list(load("house").parts)
    assert {n: found[n].key for n in ("kick", "clap", "hat", "openhat")} == {
        "kick": 36, "clap": 39, "hat": 42, "openhat": 46}
    assert {found[n].channel for n in ("kick", "clap", "hat", "openhat")} == {10}
    assert [found[n].channel for n in ("bass", "chords", "lead", "pad", "perc")] == [1, 2, 3, 4, 5]
    assert found["bass"].program == 38 and found["chords"].program == 5
    assert {m.port for m in found.values()} == {0} and not any(m.mpe for m in found.values())


def test_what_the_set_says_is_kept_and_the_others_go_round_it():
    found = midi_of({"bass": Part(TB303), "lead": Part(FM, midi=Midi(channel=1, program=3, bank=5)),
                     "knock": Part(FM, midi=Midi(key=61)), "two": Part(FM, midi=Midi(port=2))})
    assert found["lead"] == Midi(1, None, 3, 5, False, 0, {})
    assert found["bass"].channel == 2
    assert (found["knock"].channel, found["knock"].key, found["knock"].program) == (10, 61, None)
    assert (found["two"].port, found["two"].channel) == (2, 1)


def test_equal_drums_have_keys_of_their_own():
    found = midi_of({"a": Part(KICK), "b": Part(KICK), "hat": Part(HAT), "open": Part(HAT)})
    assert [m.key for m in found.values()] == [36, 35, 42, 44]


def test_more_than_fifteen_parts_go_on_with_the_next_port():
    found = midi_of({f"p{i}": Part(FM) for i in range(20)})
    places = [(m.port, m.channel) for m in found.values()]
    assert len(set(places)) == 20 and places[15] == (1, 1) and (0, 10) not in places


def test_exact_pitches_have_a_port_of_their_own():
    parts = {"kick": Part(KICK), "bass": Part(TB303), "lead": Part(FM)}
    found = midi_of(parts, microtonal=("lead",))
    assert (found["lead"].port, found["lead"].mpe, found["bass"].port) == (1, True, 0)
    assert midi_of(parts | {"pad": Part(FM, midi=Midi(mpe=True, port=0))})["bass"].port == 1


def test_a_tuning_off_the_keys_bends_all_but_drums(tmp_path):
    (tmp_path / "19.scl").write_text("19\n 19\n" + "".join(
        f" {1200 * i / 19:.4f}\n" for i in range(1, 19)) + " 2/1\n")
    (tmp_path / "12.scl").write_text("12\n 12\n" + "".join(
        f" {100 * i}.0\n" for i in range(1, 12)) + " 2/1\n")
    tuning = Tuning("19.scl", folder=tmp_path)
    assert not on_keys(tuning) and on_keys(Tuning("12.scl", folder=tmp_path))
    found = midi_of({"kick": Part(KICK), "lead": Part(FM)}, tuning)
    assert found["lead"].mpe and not found["kick"].mpe


def test_a_soundfont_says_its_own_program_and_a_kit_is_channel_ten():
    found = midi_of({"flute": Part(SOUNDFONT, program=73, bank=8),
                     "kit": Part(SOUNDFONT, program=25, bank=128)})
    assert (found["flute"].program, found["flute"].bank) == (73, 1024)
    assert (found["kit"].program, found["kit"].channel, found["kit"].key) == (25, 10, None)


@pytest.mark.parametrize(("midi", "said"), [
    ({"channel": 0}, "channel must be 1..16"), ({"channel": 17}, "channel must be 1..16"),
    ({"key": 128}, "key must be"), ({"program": -1}, "program must be"),
    ({"channel": True}, "channel must be"), ({"bank": 1 << 14}, "bank must be"),
    ({"port": 1.0}, "port must be"), ({"mpe": True, "channel": 3}, "mpe begins at channel 1"),
    ({"mpe": True, "key": 3}, "no fixed key"), ({"cc": 3}, "cc must be a dict"),
    ({"cc": {7: "cutoff_hz"}}, "cc 7"), ({"cc": {"x": "cutoff_hz"}}, "cc 'x'")])
def test_what_no_midi_can_be_is_one_line(midi, said):
    with pytest.raises(SetError, match=said):
        Midi(**midi)


def test_parts_that_cannot_go_together_are_said():
    with pytest.raises(SetError, match="'b'.*port 0; give it another port"):
        midi_of({"a": Part(FM, midi=Midi(channel=4, port=0)),
                 "b": Part(FM, midi=Midi(mpe=True, port=0))})
    with pytest.raises(SetError, match="did you mean 'cutoff_hz'"):
        midi_of({"a": Part(TB303, midi=Midi(cc={74: "cutof_hz"}))})
    with pytest.raises(SetError, match="leave the channel out"):
        midi_of({"a": Part(FM, midi=Midi(channel=4))}, microtonal=("a",))
    with pytest.raises(SetError, match="must be a Midi"):
        Part(FM, midi=3)


def test_levels_pans_and_pitches():
    assert [volume_of(x) for x in (12, 0, -12, -120)] == [127, 64, 32, 0]
    assert volume_of(0, mute=1.0) == 0
    assert [pan_of(x) for x in (-1, 0, 1)] == [0, 64, 127]
    assert [velocity_of(x) for x in (0.0, 0.5, 1.0)] == [1, 64, 127]
    assert key_of(440.0) == (69, 0.0) and key_of(1e-3)[0] == 0
    assert [bend_of(x) for x in (0, 48, -48, 24)] == [8192, 16383, 0, 12288]
    assert controller_of(Param("x_hz", 20.0, 20000.0, 100.0, "exp"), 640.0) == 64
    assert [controller_of(Param("x", 0.0, 2.0, 1.0), v) for v in (-1, 0, 2, 5)] == [0, 0, 127, 127]


def test_a_channel_is_opened_with_zone_bank_and_program():
    plain = opening(Midi(3, None, 38, 130, False, 0, {}))
    assert plain == [(0xB2, 0, 1), (0xB2, 32, 2), (0xC2, 38)]
    zone = opening(Midi(1, None, None, None, True, 0, {}))
    assert zone[:3] == [(0xB0, 101, 0), (0xB0, 100, 6), (0xB0, 6, 15)]
    assert [m for m in zone if m[1] == 6][1:] == [(0xB0 | c, 6, 48) for c in range(1, 16)]
