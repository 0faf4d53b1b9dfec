"""The take: a performance as data, written as it happens, rendered again without the model.
Thread: control.

A take is a magic line and chunks: kind (4 letters), length, CRC-32, payload. A take that was cut
short is whole up to its last good chunk. Rows of EVNT are what the rig applied, each with the
sample at which it did: fed to a new rig they give the same audio.
"""
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from engine.errors import TakeError
from engine.records import EVENT, MEASURED

MAGIC = b"hiddenstage take 1\n"
HEADER = struct.Struct("<4sII")
LONGEST_CHUNK = 64 << 20
LISTED = 512                              # events kept back before a chunk is written


def to_bf16(values):
    """float32 rounded to the nearest bfloat16, as its upper 16 bits (uint16)."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(upper):
    """The float32 values of uint16 bfloat16 patterns."""
    return (np.asarray(upper, np.uint16).astype(np.uint32) << 16).view(np.float32)


class Recorder:
    """Writes a take. A write that fails closes it and keeps the reason in `.fault`; the music goes
    on.

    whole   in place only once it is closed, so that a render that fails leaves what was there;
            else (on a stage, which may be killed) at once: what was there becomes NAME.before
    """

    _aside = None

    def __init__(self, path, head, whole=False):
        self.path, self.fault, self.states, self._events = Path(path), "", False, []
        if whole:
            self._aside = Path(f"{path}.part")
        try:
            if not whole and self.path.is_file():
                os.replace(self.path, f"{path}.before")
            if self.path.is_dir():
                raise IsADirectoryError(0, "it is a folder; give a file's name")
            self._file = open(self._aside or self.path, "wb")
            self._file.write(MAGIC)
        except OSError as fault:
            raise TakeError(f"cannot write the take {path}: {fault.strerror or fault}") from fault
        self.chunk(b"HEAD", head)
        if self.fault:
            raise TakeError(self.fault)

    def chunk(self, kind, payload):
        """One chunk: bytes, or something JSON can hold."""
        if self._file is None:
            return
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        try:
            self._file.write(HEADER.pack(kind, len(data), zlib.crc32(kind + data)) + data)
        except OSError as fault:
            self.fault = f"recording {self.path} stopped: {fault.strerror or fault}"
            self.shut()

    def events(self, rows):
        """Applied EVENT rows, gathered into chunks."""
        if len(rows):
            self._events.append(rows.tobytes())
        if sum(map(len, self._events)) > LISTED * EVENT.itemsize:
            self.flush()

    def table(self, sample, deck, source, name, noise_seed, table=None, directions=()):
        """A set that took over a deck; with its rig table, what its events' numbers stand for, and
        the Directions that its features read."""
        self.flush()
        self.chunk(b"TABL", {"sample": sample, "deck": deck, "source": source, "name": name,
                             "noise_seed": noise_seed} | ({} if table is None else {
                                 "parts": list(table.parts), "paths": table.registry.paths}) | ({
                                     "directions": {d.name: d.layer for d in directions}}
                                     if directions else {}))

    def state(self, row):
        """A STATE row in bf16, its tiers' fields in the order of MEASURED; returns the row rounded
        to what was written."""
        parts = [np.int64(row["seq"]).tobytes()]
        for name in (name for name in MEASURED if name in row.dtype.names):
            upper = to_bf16(row[name])
            row[name] = from_bf16(upper).reshape(row[name].shape)
            parts.append(upper.tobytes())
        self.chunk(b"STAT", b"".join(parts))
        return row

    def flush(self):
        if self._events:
            self.chunk(b"EVNT", b"".join(self._events))
            self._events.clear()
        if self._file:
            try:
                self._file.flush()
            except OSError as fault:
                self.fault = f"recording {self.path} stopped: {fault.strerror or fault}"
                self.shut()

    def shut(self):
        """Closes the file as it is; again does nothing."""
        file, self._file = self._file, None
        try:
            if file:
                file.close()
        except OSError:
            self.fault = self.fault or f"recording {self.path}: the last part was not written"
        if self._aside:
            self._aside.unlink(missing_ok=True)

    def close(self, samples):
        """The end: how many samples were played."""
        self.flush()
        self.chunk(b"DONE", {"samples": int(samples)})
        if self._file and self._aside:
            self._file.close()
            os.replace(self._aside, self.path)
            self._file = self._aside = None
        if self._file:
            self.shut()


def frame_data(frame):
    """A frame as JSON data."""
    return {"seq": frame.seq, "token": frame.token, "text": frame.text, "flags": frame.flags,
            "raw": frame.raw, "unit": frame.unit,
            "marks": [frame.sentence_end, frame.punctuation, frame.paragraph_end]} | (
                {"steered": frame.steered} if frame.steered else {})


def write_step(recorder, step, sample, late, made, frames, notes=(), first=0):
    """What one 16th brought (a `Step`), and the records that were heard in it.

    notes  those of the step and of its triggers;  first  the number of the first one's cause
    """
    recorder.chunk(b"STEP", {
        "step": step, "sample": sample, "late": late, "section": made.section,
        "bar": made.section_bar, "chord": made.chord, "first": first,
        "notes": [[n.part, n.pitch_st, round(n.level, 4), n.delay_steps, n.length_steps,
                   int(n.slide), n.cause, n.seq] for n in notes or made.notes]})
    for frame in frames:
        recorder.chunk(b"FRAM", {"step": step, **frame_data(frame)})


def _chunks(file, size):
    """(kind, payload) of each whole chunk; ends quietly at the first broken one."""
    while len(head := file.read(HEADER.size)) == HEADER.size:
        kind, length, crc = HEADER.unpack(head)
        if length > min(LONGEST_CHUNK, size):
            return
        data = file.read(length)
        if len(data) < length or zlib.crc32(kind + data) != crc:
            return
        yield kind, data


class Take:
    """A take read back.

    head      what was played: set, model, seeds, rate
    events    (n,) EVENT rows in the order the rig applied them
    samples   how long it is; whole  False when it was cut short
    causes    what the numbers in the events' flags mean;  turns  what links moved in the music
    lost      records that links acted on and that were never heard
    sound     the file that it was rendered to, None for a live one
    """
    sound = None

    def __init__(self, path):
        self.path, self.head, self.tables, self.frames, self.steps = Path(path), None, [], [], []
        self.controls, self.changes, self.whole, self.samples, rows = [], [], False, 0, []
        self.causes, self.turns, self.lost = [], [], []
        keep = {b"STEP": self.steps, b"FRAM": self.frames, b"TABL": self.tables,
                b"CTRL": self.controls, b"TMPO": self.changes, b"CAUS": self.causes,
                b"TURN": self.turns, b"LOST": self.lost}
        try:
            with open(path, "rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise TakeError(f"{path} is no take of hiddenstage")
                for kind, data in _chunks(file, self.path.stat().st_size):
                    if kind == b"HEAD":
                        self.head = json.loads(data)
                    elif kind == b"EVNT":
                        rows.append(np.frombuffer(data[:len(data) // EVENT.itemsize
                                                       * EVENT.itemsize], EVENT))
                    elif kind == b"DONE":
                        self.samples, self.whole = json.loads(data)["samples"], True
                    elif kind in keep:
                        keep[kind].append(json.loads(data))
        except OSError as fault:
            raise TakeError(f"cannot read the take {path}: {fault.strerror or fault}") from fault
        except (ValueError, KeyError) as fault:
            raise TakeError(f"{path}: the take is damaged: {fault}") from fault
        if self.head is None or not self.tables:
            raise TakeError(f"{path}: the take was cut before its beginning was written")
        self.events = np.concatenate(rows) if rows else np.zeros(0, EVENT)
        if not self.whole and len(self.events):
            self.samples = int(self.events["sample"].max())

    def tempo(self):
        """(n, 4) the tempo map (`Clock.rows`); of a take without one, the tempo it began with."""
        rows = []
        for change in self.changes:
            rows[change["from"]:] = [[*row[:3], np.inf if row[3] is None else row[3]]
                                     for row in change["rows"]]
        if not rows:
            first = self.steps[0] if self.steps else {"step": 0, "sample": 0}
            rows = [[first["step"], first["sample"], self.head["bpm"], np.inf]]
        return np.array(rows, np.float64)

    def features(self):
        """Named arrays, one value a record: "seq", "step", "text" and every feature (NaN where
        absent)."""
        names = sorted({name for frame in self.frames for name in frame["raw"]})
        out = {"seq": np.array([f["seq"] for f in self.frames], np.int64),
               "step": np.array([f["step"] for f in self.frames], np.int64),
               "text": np.array([f["text"] for f in self.frames])}
        for name in names:
            out[name] = np.array([f["raw"].get(name, np.nan) for f in self.frames], np.float64)
        return out
