"""Clips: which notes of a file a set plays, and what is said of a file that has none."""
import pytest

from engine.clip import Clip, ClipNote
from engine.errors import SetError
from engine.formats import mid
from engine.sets import load, read

SET = '''
from engine.clip import Clip
from engine.sets import Part, Set
from mappings.given import Given
from mappings.music import Cast, Entry, Music, Scene
from synths.fm import FM
SET = Set(parts={"lead": Part(FM)}, music=Music(
    (Scene("all", (4,), (Entry("riff"),), ("all",)),),
    (Given("riff", Clip("riff.mid", track="Lead", bars=2), root_st=57),),
    (Cast("one", {"riff": "lead"}),)))
'''


def song(path, *tracks):
    """A file: each track a name and (beat, beats, key, velocity, channel) notes."""
    packed = [[(0, mid.tempo(100))]]
    for name, notes in tracks:
        track = [(0, mid.words(mid.NAME, name))]
        for beat, beats, key, velocity, channel in notes:
            track += [(round(beat * 960), (0x90 | channel - 1, key, velocity)),
                      (round((beat + beats) * 960), (0x80 | channel - 1, key, 0))]
        packed.append(track)
    mid.write(path, packed)


@pytest.fixture
def riff(tmp_path):
    song(tmp_path / "riff.mid", ("Drums", [(0, 0.1, 36, 127, 10), (1, 0.1, 38, 127, 10)]),
         ("Lead", [(0, 1, 57, 127, 1), (1.125, 0.5, 60, 64, 1), (4.5, 8, 64, 100, 1),
                   (9, 1, 69, 100, 2)]))
    return tmp_path


def test_the_first_track_with_notes_its_bars_and_its_timing(riff):
    clip = Clip("riff.mid", track="Lead", folder=riff)
    assert len(clip.notes) == 3 and clip.pitches == [57.0, 60.0, 64.0, 69.0]
    assert clip.notes[0] == (ClipNote(0, 0.0, 4.0, 57.0, 1.0),
                             ClipNote(4, 0.5, 2.0, 60.0, 64 / 127))
    assert clip.notes[1] == (ClipNote(2, 0.0, 30.0, 64.0, 100 / 127),)
    assert len(Clip("riff.mid", track=3, bars=2, folder=riff).notes) == 2
    assert Clip("riff.mid", track=3, bars=2, folder=riff).notes[1][0].length_steps == 14.0
    assert Clip("riff.mid", track="Lead", start=3, folder=riff).pitches == [69.0]
    assert Clip("riff.mid", track="Lead", channel=2, folder=riff).pitches == [69.0]
    drums = Clip("riff.mid", folder=riff, keys=(36,))
    assert drums.notes == ((ClipNote(0, 0.0, pytest.approx(0.4), 60.0, 1.0),),)


def test_a_note_a_hair_before_its_place_is_on_it(tmp_path):
    song(tmp_path / "a.mid", ("x", [(0.998, 0.5, 60, 99, 1)]))
    note = Clip("a.mid", folder=tmp_path).notes[0][0]
    assert (note.step, note.delay_steps) == (4, 0.0)


@pytest.mark.parametrize(("arguments", "said"), [
    ({"track": "Leed"}, "did you mean 'Lead'"), ({"track": 9}, "no track 9; it has 3"),
    ({"track": 0}, "no track 0"), ({"channel": 7}, "no notes on channel 7"),
    ({"channel": 17}, "channel must be one of 1..16"), ({"bars": 0}, "bars must be"),
    ({"bars": 65}, "bars must be a whole number 1..64"), ({"start": 50}, "no notes in bars 50"),
    ({"keys": 36}, "keys must be a tuple"), ({"keys": (1,)}, "on keys 1"),
    ({"file": "none.mid"}, "none.mid: cannot be read"), ({"file": 3}, "must be a file name")])
def test_what_is_wrong_is_one_line_with_the_file(riff, arguments, said):
    with pytest.raises(SetError, match=said) as caught:
        Clip(**{"file": "riff.mid", "folder": riff} | arguments)
    assert "\n" not in str(caught.value)


def test_an_empty_and_a_long_file_are_said(tmp_path):
    song(tmp_path / "empty.mid", ("x", []))
    with pytest.raises(SetError, match="empty.mid.*no notes.*a file that has notes"):
        Clip("empty.mid", folder=tmp_path)
    song(tmp_path / "long.mid", ("x", [(4 * 70, 1, 60, 99, 1)]))
    with pytest.raises(SetError, match="71 bars long, at most 64.*give bars= and start="):
        Clip("long.mid", folder=tmp_path)
    (tmp_path / "bad.mid").write_bytes(b"MThd\0")
    with pytest.raises(SetError, match="bad.mid: no sound MIDI file"):
        Clip("bad.mid", folder=tmp_path)


def test_a_set_finds_its_clip_beside_it_and_a_take_leaves_it_closed(riff):
    (riff / "mine.py").write_text(SET)
    made = load(str(riff / "mine.py"))
    assert made.music.grammars[0].clip.pitches == [57.0, 60.0, 64.0]
    assert read(SET, "mine.py", None).music.grammars[0].clip.notes == ((),)
    with pytest.raises(SetError, match="mine.py, line 9: .*cannot be read"):
        read(SET, "mine.py", "/nowhere")


def test_another_file_under_the_same_name_is_other_music(riff):
    (riff / "mine.py").write_text(SET)
    first, same = load(str(riff / "mine.py")), load(str(riff / "mine.py"))
    assert first.music == same.music
    song(riff / "riff.mid", ("Lead", [(0, 1, 58, 127, 1)]))
    assert load(str(riff / "mine.py")).music != first.music
