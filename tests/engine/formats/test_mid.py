"""MIDI files in: what is read from good ones, and one line for every bad one."""
import io
import random
import struct
import time

import mido
import pytest

from engine.errors import SetError
from engine.formats import mid


def made(notes=((0, 480, 60, 100, 0),), ticks=480, kind=1, name="Lead"):
    """A file's bytes by mido: (tick, length, key, velocity, channel) each."""
    file, track = mido.MidiFile(type=kind, ticks_per_beat=ticks), mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("track_name", name=name, time=0))
    track.append(mido.MetaMessage("set_tempo", tempo=500000, time=0))
    events = [(at, 1, mido.Message("note_on", channel=c, note=k, velocity=v))
              for at, length, k, v, c in notes]
    events += [(at + length, 0, mido.Message("note_off", channel=c, note=k))
               for at, length, k, v, c in notes]
    now = 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def test_notes_come_back_in_beats():
    tracks = mid.parse(made([(0, 480, 60, 100, 0), (240, 120, 64, 127, 9)]), "x.mid")
    assert [t.name for t in tracks] == ["Lead"]
    assert tracks[0].notes == [mid.Heard(0.0, 1.0, 60, 100 / 127, 1),
                               mid.Heard(0.5, 0.25, 64, 1.0, 10)]


def test_what_is_written_is_read_again():
    track = [(0, mid.words(mid.NAME, "日本")), (10, (0x91, 60, 5)), (970, (0x81, 60, 0)),
             (970, (0x91, 60, 9)), (1 << 21, (0x91, 60, 0))]
    tracks = mid.parse(mid.packed([[(0, mid.tempo(128.37))], track]), "x.mid")
    assert tracks[1].name == "日本"
    assert [(round(n.beat * 960), round(n.beats * 960), n.channel) for n in tracks[1].notes] == [
        (10, 960, 2), (970, (1 << 21) - 970, 2)]
    assert mido.MidiFile(file=io.BytesIO(mid.packed([[(0, mid.tempo(128.37))]]))).tracks[0][
        0].tempo == round(60e6 / 128.37)


def test_running_status_sysex_and_notes_without_an_end():
    body = bytes.fromhex("00 90 3c 40 60 3e 41 00 f0 03 01 02 f7 60 3c 00 60 c0 05 00 ff 2f 00")
    data = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(
        ">I", len(body)) + body
    track = mid.parse(data, "x.mid")[0]
    assert [(n.beat, n.beats, n.key) for n in track.notes] == [(0.0, 2.0, 60), (1.0, 2.0, 62)]


def test_a_foreign_chunk_is_passed_over():
    good = made()
    data = good[:14] + b"XFIH" + struct.pack(">I", 3) + b"abc" + good[14:]
    assert len(mid.parse(data, "x.mid")[0].notes) == 1


@pytest.mark.parametrize(("data", "said"), [
    (b"", "does not begin with MThd"), (b"RIFF1234", "does not begin with MThd"),
    (b"MThd\0\0", "ends at byte 6"), (made()[:40], "bytes are left|are left|ends at byte"),
    (made()[:12] + b"\xe8\x28" + made()[14:], "in frames"),
    (made()[:12] + b"\0\0" + made()[14:], "in frames"),
    (made()[:8] + b"\0\7" + made()[10:], "type 7"),
    (made()[:-8] + b"\xff\xff\xff\xff\xff\xff\xff\xff", "no sound MIDI file")])
def test_a_broken_file_is_one_line_that_names_it(data, said):
    with pytest.raises(SetError, match=said) as caught:
        mid.parse(data, "riff.mid")
    assert str(caught.value).startswith("riff.mid: ") and "\n" not in str(caught.value)


def test_sizes_have_an_end(tmp_path, monkeypatch):
    for path in (tmp_path, tmp_path / "none.mid", "a\0b"):
        with pytest.raises(SetError, match="cannot be read"):
            mid.read(path)
    monkeypatch.setattr(mid, "MOST_BYTES", 1000)
    (tmp_path / "big.mid").write_bytes(made() + bytes(2000))
    with pytest.raises(SetError, match="big.mid: .* MB"):
        mid.read(tmp_path / "big.mid", "big.mid")
    monkeypatch.setattr(mid, "MOST_NOTES", 3)
    with pytest.raises(SetError, match="more than 3 notes"):
        mid.parse(made([(i * 10, 5, 60, 9, 0) for i in range(4)]), "x.mid")
    monkeypatch.setattr(mid, "MOST_EVENTS", 3)
    with pytest.raises(SetError, match="more than 3 events"):
        mid.parse(made(), "x.mid")


def test_the_longest_file_of_events_is_read_or_refused_in_time():
    body = b"\0\xb0\1\1" + b"\0\1\1" * 2_700_000
    data = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(
        ">I", len(body)) + body
    began = time.monotonic()
    with pytest.raises(SetError, match="events"):
        mid.parse(data, "x.mid")
    assert time.monotonic() - began < 30.0


def test_mutated_files_are_read_or_refused_and_nothing_else():
    """4000 seeded mutations of good files: bits, cuts, repeats, lengths."""
    lots, refused = random.Random(5), 0
    seeds = [made([(i * 120, 100, 40 + i % 40, 1 + i % 127, i % 16) for i in range(60)]),
             made(kind=0), mid.packed([[(0, mid.words(mid.MARKER, "x" * 300))]])]
    for _ in range(4000):
        data = bytearray(lots.choice(seeds))
        for _ in range(lots.randrange(1, 8)):
            at = lots.randrange(len(data))
            what = lots.randrange(5)
            if what == 0:
                data[at] ^= 1 << lots.randrange(8)
            elif what == 1:
                data[at] = lots.choice((0, 0x7F, 0x80, 0xFF))
            elif what == 2 and at > 1:
                del data[at:]
            elif what == 3:
                data[at:at] = data[at:at + lots.randrange(40)]
            else:
                data[at:at + 4] = b"\xff\xff\xff\xff"
        try:
            tracks = mid.parse(bytes(data), "x.mid")
            assert all(n.beats >= 0.0 and 0 <= n.key <= 127 and 0.0 < n.level <= 1.0
                       for track in tracks for n in track.notes)
        except SetError as fault:
            refused += 1
            assert "\n" not in str(fault) and str(fault).startswith("x.mid: ")
    assert 500 < refused < 4000
