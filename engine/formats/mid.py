"""Standard MIDI files, out and in. Thread: control.

Written: type 1, 960 ticks a quarter note, text in UTF-8. A tempo is a whole number of microseconds
a quarter note, the format's own unit: at most half a microsecond a beat beside the exact one.
Read: any type, ticks counted in quarter notes; whatever is wrong in a file is one SetError.

source  Standard MIDI Files 1.0 (MIDI Manufacturers Association, 1996)
"""
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import EngineError, SetError

TICKS = 960                               # a quarter note
STEP_TICKS = TICKS // 4
TEXT, NAME, LYRIC, MARKER, CUE = 1, 3, 5, 6, 7
MOST_BYTES, MOST_NOTES, MOST_EVENTS = 8 << 20, 100_000, 1_000_000


# ---- out
def words(kind, text):
    """A text event: TEXT, NAME, LYRIC, MARKER or CUE."""
    return _meta(kind, text.encode("utf-8", "replace"))


def tempo(bpm):
    """A tempo, rounded to the microsecond; never outside what three bytes hold."""
    return _meta(0x51, min(max(round(60e6 / bpm), 1), (1 << 24) - 1).to_bytes(3, "big"))


def signature(sixteenths):
    """A bar of so many sixteenths, in quarter notes where it can be."""
    whole = sixteenths % 4 == 0
    return _meta(0x58, bytes((sixteenths // 4 if whole else sixteenths, 2 if whole else 4, 24, 8)))


def port(number):
    return _meta(0x21, bytes((number,)))


def _meta(kind, data):
    return bytes((0xFF, kind)) + _length(len(data)) + data


def _length(value):
    """A variable-length quantity."""
    out = [value & 127]
    while value := value >> 7:
        out.append(128 | value & 127)
    return bytes(reversed(out))


def packed(tracks):
    """The bytes of a file; a track is (tick, message bytes) pairs in any order of ticks."""
    out = [b"MThd", struct.pack(">IHHH", 6, 1, len(tracks), TICKS)]
    for track in tracks:
        body, before = [], 0
        for tick, message in sorted(track, key=lambda pair: pair[0]):
            body += _length(tick - before), bytes(message)
            before = tick
        body += _length(0), _meta(0x2F, b"")
        data = b"".join(body)
        out += b"MTrk", struct.pack(">I", len(data)), data
    return b"".join(out)


def write(path, tracks):
    """A file, written aside and put in place when whole."""
    aside = f"{path}.part"
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(aside).write_bytes(packed(tracks))
        os.replace(aside, path)
    except OSError as fault:
        if Path(aside).is_file():
            Path(aside).unlink()
        raise EngineError(f"cannot write {path}: {fault.strerror or fault}") from fault


# ---- in
@dataclass(frozen=True)
class Heard:
    """One note of a file, in quarter notes from its beginning; level 0..1."""
    beat: float
    beats: float
    key: int
    level: float
    channel: int


@dataclass
class Track:
    name: str = ""
    notes: list = field(default_factory=list)


class _Bytes:
    """A file's bytes, read one after the other; the end of them is a fault."""

    def __init__(self, data, where):
        self.data, self.where, self.at, self.events, self.notes = data, where, 0, 0, 0

    def fault(self, text):
        return SetError(f"{self.where}: no sound MIDI file: {text}; export it again")

    def take(self, count):
        if self.at + count > len(self.data):
            raise self.fault(f"it ends at byte {len(self.data)}, inside an event")
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def length(self):
        value = 0
        for _ in range(4):
            byte = self.byte()
            value = value << 7 | byte & 127
            if byte < 128:
                return value
        raise self.fault(f"a number of more than four bytes at byte {self.at}")


def read(path, where=None):
    """The tracks of a file; SetError says what is wrong with it."""
    where = where or str(path)
    try:
        size = os.path.getsize(path)
        if size > MOST_BYTES:
            raise SetError(f"{where}: {size >> 20} MB are no MIDI file of ours, at most "
                           f"{MOST_BYTES >> 20} MB; cut out what is needed")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as fault:
        raise SetError(f"{where}: cannot be read: {getattr(fault, 'strerror', None) or fault}"
                       ) from fault
    return parse(data, where)


def parse(data, where):
    """The tracks in the bytes of a file."""
    source = _Bytes(data, where)
    if data[:4] != b"MThd":
        raise source.fault("it does not begin with MThd")
    source.at = 4
    size, kind, count, division = struct.unpack(">IHHH", source.take(10))
    if size < 6 or kind > 2:
        raise source.fault(f"a header of {size} bytes and type {kind}")
    if division & 0x8000 or not division:
        raise SetError(f"{where}: its time is in frames, not in beats; export it with ticks a "
                       "quarter note")
    source.take(size - 6)
    tracks = []
    while source.at < len(data) and len(tracks) < count:
        name, size = source.take(4), struct.unpack(">I", source.take(4))[0]
        if source.at + size > len(data):
            raise source.fault(f"a part of {size} bytes where {len(data) - source.at} are left")
        end = source.at + size
        if name == b"MTrk":
            tracks.append(_track(source, end, division))
        source.at = end
    return tracks


def _track(source, end, division):
    track, tick, status, sounding = Track(), 0, 0, {}
    while source.at < end:
        source.events += 1
        if source.events > MOST_EVENTS:
            raise SetError(f"{source.where}: more than {MOST_EVENTS} events; cut out what is "
                           "needed")
        tick += source.length()
        first = source.byte()
        if first == 0xFF:
            kind, data = source.byte(), source.take(source.length())
            if kind == NAME and not track.name:
                track.name = data.decode("utf-8", "replace").strip("\0 ")
            if kind == 0x2F:
                break
            continue
        if first in (0xF0, 0xF7):
            source.take(source.length())
            continue
        status, first = (first, source.byte()) if first >= 0x80 else (status, first)
        if status < 0x80 or status >= 0xF0 or first >= 0x80:
            raise source.fault(f"byte {source.at} is no event")
        second = 0 if status & 0xE0 == 0xC0 else source.byte()
        if status & 0xE0 == 0x80:
            _note(source, track, sounding, (status, first, second), tick, division)
    for place, (start, velocity) in sounding.items():       # without an end: until the track's
        _heard(track, place, start, tick, velocity, division)
    track.notes.sort(key=lambda note: (note.beat, note.key))
    return track


def _note(source, track, sounding, message, tick, division):
    """A note-on or note-off; a key struck again ends before it begins."""
    status, key, velocity = message
    place = status & 15, key
    if place in sounding:
        start, struck = sounding.pop(place)
        _heard(track, place, start, tick, struck, division)
    if status & 0xF0 == 0x90 and velocity:
        source.notes += 1
        if source.notes > MOST_NOTES:
            raise SetError(f"{source.where}: more than {MOST_NOTES} notes; cut out what is needed")
        sounding[place] = tick, velocity


def _heard(track, place, start, tick, velocity, division):
    channel, key = place
    track.notes.append(Heard(start / division, (tick - start) / division, key & 127,
                             min(velocity, 127) / 127, channel + 1))
