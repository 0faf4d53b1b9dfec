"""Offline: a set rendered against virtual time, and a take rendered again without the model.
Thread: control."""
import contextlib
import ctypes
import dataclasses
import hashlib
import os
import time
from collections import deque
from pathlib import Path

import numpy as np

from engine import sets
from engine.clock import STEPS_PER_BAR
from engine.errors import EngineError, SetError, TakeError
from engine.journal import Take
from engine.performance import (
    MOST_BLOCK,
    Options,
    Performance,
    channels_of,
    names_of,
    prepare,
)
from engine.project import Export
from engine.records import CAUSE_BIT, NOTE
from engine.rt import QUANTUM
from engine.table import Rig

TAIL_S = 2.0                              # after the last bar, for reverb and delay
REPLAY_AHEAD_S = 1.0
DEFAULT_BARS = 64
FRAME_BYTES, LARGEST_WAV = {"FLOAT": 8, "PCM_24": 6}, (1 << 32) - (1 << 20)     # over it: RF64


def caller(rig):
    """process(out array, frames) of a rig, from Python."""
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(rig.process)
    return lambda out, frames: function(rig.pointer, out.ctypes.data, frames)


class Files:
    """WAV files written aside and put in place when whole; an interrupted render leaves none.

    columns  file path -> first channel;  exact  of them, those that may pass full scale: 32-bit
             float, the others 24 bit
    frames   how many will come: what no WAV can hold is RF64
    """

    def __init__(self, columns, rate_hz, exact=(), frames=0):
        import soundfile
        self.columns, self.open, self._fault = columns, {}, soundfile.LibsndfileError
        self.hash = hashlib.sha256()
        for path in columns:
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                if Path(path).is_dir():
                    raise IsADirectoryError(0, "it is a folder; give a file's name")
                open(f"{path}.part", "wb").close()      # says why not, where soundfile does not
                kind = "FLOAT" if path in exact else "PCM_24"
                large = frames * FRAME_BYTES[kind] > LARGEST_WAV
                self.open[path] = soundfile.SoundFile(f"{path}.part", "w", rate_hz, 2, kind,
                                                      format="RF64" if large else "WAV")
            except (OSError, soundfile.LibsndfileError) as fault:
                self.drop()
                with contextlib.suppress(OSError):
                    os.unlink(f"{path}.part")
                raise EngineError(f"cannot write {path}: {_reason(fault)}") from fault

    def write(self, block):
        for path, file in self.open.items():
            first = self.columns[path]
            try:
                file.write(block[:, first:first + 2])
            except (OSError, self._fault) as fault:
                self.drop()
                raise EngineError(f"cannot write {path}: {_reason(fault)}; is the disk full?"
                                  ) from fault
        self.hash.update(np.ascontiguousarray(block[:, :2]).tobytes())

    def finish(self):
        for path, file in self.open.items():
            try:
                file.close()
                _undate(f"{path}.part")
                os.replace(f"{path}.part", path)
            except (OSError, self._fault) as fault:
                self.drop()
                raise EngineError(f"cannot write {path}: {_reason(fault)}; is the disk full?"
                                  ) from fault
        self.open = {}

    def drop(self):
        for path, file in self.open.items():
            try:
                file.close()
            finally:
                Path(f"{path}.part").unlink(missing_ok=True)
        self.open = {}


def _undate(path):
    """Takes the time of writing out of a float WAV's PEAK chunk: the same sound, the same file."""
    with open(path, "r+b") as file:
        at = file.read(256).find(b"PEAK")
        if at >= 0:
            file.seek(at + 12)
            file.write(bytes(4))


def _reason(fault):
    return str(getattr(fault, "strerror", None) or fault)


def _files(options, tables, default, frames):
    """The files that the options ask for, opened, for so many frames."""
    columns, exact, first = {}, set(), 4
    if options.out or not options.project:
        columns[str(options.out or default)] = 0
    folders = [Path(options.stems)] if options.stems else []
    if options.project:
        folder, first = Path(options.project), 6
        columns |= {str(folder / "master.wav"): 0, str(folder / "premaster.wav"): 4}
        folders.append(folder / "stems")
        exact.add(str(folder / "premaster.wav"))
    for at, name in enumerate(names_of(tables)):
        stems = {str(folder / f"{name}.wav"): first + 2 * at for folder in folders}
        columns, exact = columns | stems, exact | set(stems)
    return Files(columns, options.rate_hz, exact, frames)


def _run(rig, files, total, block, rate_hz, before, progress, stops=()):
    """Computes `total` frames in blocks, none of them over a stop; before(position, frames) sends
    the events."""
    stops = deque(sorted(stops))
    play, buffer = caller(rig), np.zeros((block, rig.channels), np.float32)
    position, peak, began, shown = 0, 0.0, time.monotonic(), 0.0
    while position < total:
        while stops and stops[0] <= position:
            stops.popleft()
        frames = min(block, total - position, *(stop - position for stop in list(stops)[:1]))
        before(position, frames)
        play(buffer, frames)
        files.write(buffer[:frames])
        peak = max(peak, float(np.abs(buffer[:frames, :2]).max()))
        position += frames
        if (now := time.monotonic()) - shown > 0.1:
            shown = now
            progress(position / total, f"{position / rate_hz:.0f} of {total / rate_hz:.0f} s")
    seconds = time.monotonic() - began
    return {"samples": total, "seconds": total / rate_hz, "peak": peak, "took_s": seconds,
            "times_real_time": total / rate_hz / max(seconds, 1e-9),
            "sha256": files.hash.hexdigest(), "files": list(files.columns)}


def render(options, progress=None):
    """The set, offline, as fast as the model goes; returns a report (see the keys in `_run`)."""
    with Export(options) as export:
        return export.finish(_render(export.options, progress))


def _render(options, progress):
    bars = DEFAULT_BARS if options.bars is None else options.bars
    options = dataclasses.replace(options, bars=bars)
    stage = Performance(options, live=False, stems=bool(options.stems or options.project),
                        progress=progress)
    files, events, counts = None, hashlib.sha256(), [0]
    try:
        conductor, rig = stage.conductor, stage.rig
        total = stage.clock.sample_of(options.bars * STEPS_PER_BAR) + round(
            TAIL_S * options.rate_hz)
        files = _files(options, [stage.table], f"{stage.made.name}.wav", total)

        def before(position, frames):
            conductor.advance(position + frames + QUANTUM)     # a block may need one quantum more
            done = rig.collect()
            notes = done[done["kind"] == NOTE]
            notes["flags"] &= (1 << CAUSE_BIT) - 1            # the music, not the bookkeeping
            counts[0] += len(notes)
            events.update(notes.tobytes())
            if stage.recorder:
                stage.recorder.events(done)
        report = _run(rig, files, total, options.block or 1024, options.rate_hz, before,
                      stage.progress)
        before(total, 0)
        if stage.recorder:
            stage.recorder.close(total)
        files.finish()
        if stage.recorder and stage.recorder.fault:
            raise TakeError(f"{stage.recorder.fault}; the sound is written")
        return report | {
            "set": stage.made.name, "bars": options.bars, "bpm": stage.made.bpm,
            "notes": counts[0], "events_sha256": events.hexdigest(), **rig.counters(),
            "late_records": conductor.late_records, "text": "".join(conductor.text),
            "model": stage.made.model, "seed": stage.made.seed}
    except BaseException:
        if files:
            files.drop()
        raise
    finally:
        stage.close()


def replay(path, out, options=None, progress=None):
    """A take, rendered again without the model; out None: only what `options` ask for."""
    options = dataclasses.replace(options or Options(), out=out)
    if options.block is not None and not 1 <= options.block <= MOST_BLOCK:
        raise SetError(f"block must be 1..{MOST_BLOCK}, got {options.block}")
    with Export(options, path) as export:
        if options.midi and not (out or options.stems or options.project):
            return export.finish({"set": Take(path).head["set"], "whole": Take(path).whole})
        return export.finish(_replay(path, export.options, progress))


def _replay(path, options, progress):
    take = Take(path)
    head, tables = take.head, {}
    options = dataclasses.replace(options, rate_hz=head["rate_hz"])
    made = [sets.read(t["source"], t["name"], None) for t in take.tables]
    for one in made:
        prepare(one, progress or (lambda share, text: None))
    all_tables = [one.table(entry["noise_seed"], rate_hz=head["rate_hz"])
                  for entry, one in zip(take.tables, made, strict=True)]
    for table in all_tables:
        table.place(names_of(all_tables))
    stems = bool(options.stems or options.project)
    rig = Rig(head["rate_hz"], channels_of(all_tables, stems, bool(options.project)),
              made[0].limiter, bool(options.project))
    rig.load(all_tables[0])
    for entry, table in zip(take.tables[1:], all_tables[1:], strict=True):
        tables[entry["sample"]] = (entry["deck"], table)
    files = _files(options, all_tables, None, take.samples)
    events, at = take.events, [0]

    def before(position, frames):
        for sample in [s for s in tables if s <= position]:
            deck, table = tables.pop(sample)
            rig.load(table, deck, gain=0.0)
        end = position + frames + REPLAY_AHEAD_S * head["rate_hz"]
        while at[0] < len(events) and events[at[0]]["sample"] < end:
            row = events[at[0]]
            if not rig.push(int(row["sample"]), int(row["kind"]), int(row["deck"]),
                            int(row["part"]), **{n: row[n] for n in (
                                "length", "flags", "pitch_hz", "level", "rise_s", "fall_s")}):
                break
            at[0] += 1
        rig.collect()
    try:
        report = _run(rig, files, take.samples, options.block or 1024, head["rate_hz"], before,
                      progress or (lambda share, text: None), list(tables))
        files.finish()
        return report | {"set": head["set"], "whole": take.whole, "events": len(events)}
    except BaseException:
        files.drop()
        raise
