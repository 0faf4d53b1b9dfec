"""Why: what sounds at a moment of a take, and what in the model, the music or a hand it comes from.
Thread: control."""
import math
import re
from bisect import bisect_right
from collections import defaultdict

import numpy as np

from engine import sets
from engine.clock import STEPS_PER_BAR, Clock
from engine.errors import TakeError
from engine.journal import Take
from engine.mapping import Link
from engine.performance import meter_class
from engine.records import CAUSE_BIT, CHOKE, FADE, MIDI, NOTE, OFF, PANIC, SLIDE, TARGET

BEAT = STEPS_PER_BAR // 4
RINGS_S = 0.25                            # a note let go so long ago is still told
FEATURE = re.compile(r"\b[a-z]\w*(?:\.\w+)+(?: \d\.\d\d)?")
CLOCK_MESSAGES = range(0xF2, 0x100)
UNTOLD = "the take does not say: it was recorded before causes were kept"


def seconds_of(text):
    """Seconds of "194.2", "3:14.2" or "1:03:14.2"; None when it is none."""
    fields = text.split(":")
    if not 1 <= len(fields) <= 3 or not re.fullmatch(r"\d+(\.\d+)?", fields[-1]) or not all(
            re.fullmatch(r"\d+", field) for field in fields[:-1]):
        return None
    numbers = [float(field) for field in fields]
    if any(number >= 60.0 for number in numbers[1:]):
        return None
    return sum(number * 60.0 ** place for place, number in enumerate(reversed(numbers)))


def clock_text(seconds):
    """Seconds as m:ss.s."""
    tenths = math.floor(seconds * 10 + 1e-6)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


class Why:
    """A take that can be asked. `at` answers for a sample, `cause` for one of its events."""

    def __init__(self, path):
        self.take = Take(path)
        head = self.take.head
        self.rate_hz = head["rate_hz"]
        self.clock = Clock(self.rate_hz, head.get("bpm") or 120.0)
        self.clock.rows = self.take.tempo()
        self.layers = head.get("descriptor", {}).get("layers", 0)
        self.place_of = getattr(meter_class(), "place_of", lambda name, layers: "")
        self._causes = {cause["number"]: cause for cause in self.take.causes}
        self._noted = [step for step in self.take.steps if step.get("first")]
        self._firsts = [step["first"] for step in self._noted]
        self._records = defaultdict(list)
        for frame in [*self.take.frames, *self.take.lost]:
            self._records[frame["seq"]].append(frame)
        self._heard = defaultdict(list)       # step -> its records that the music read
        for frame in self.take.frames:
            if frame["raw"]:
                self._heard[frame["step"]].append(frame)
        self._starts = [step["sample"] for step in self.take.steps]
        self._names = [self._named(entry) for entry in self.take.tables]

    @staticmethod
    def _named(entry):
        """(parts, paths) of a table; an older take's are read from its set."""
        if "paths" in entry:
            return entry["parts"], entry["paths"]
        made = sets.read(entry["source"], entry["name"], None)
        return list(made.parts), made.registry().paths

    def names(self, deck, sample):
        """(parts, paths) of the table that a deck holds at a sample."""
        found = [names for entry, names in zip(self.take.tables, self._names, strict=True)
                 if entry["deck"] == deck]
        count = sum(entry["deck"] == deck and entry["sample"] <= sample
                    for entry in self.take.tables)
        return found[max(0, count - 1)] if found else ([], [])

    # ---- moments
    def sample_of(self, moment):
        """The sample of "194.2", "3:14.2", "bar 37" or "bar 37.2"; raises TakeError."""
        text, end_s = " ".join(moment.split()), self.take.samples / self.rate_hz
        found = re.fullmatch(r"bar (\d+)(?:\.(\d+))?", text)
        if found:
            bar, beat = int(found[1]), int(found[2] or 1)
            if bar < 1 or not 1 <= beat <= 4:
                raise TakeError(f"why: {text!r}: bars count from 1, beats from 1 to 4")
            sample = self.clock.sample_of((bar - 1) * STEPS_PER_BAR + (beat - 1) * BEAT)
        else:
            seconds = seconds_of(text)
            if seconds is None:
                raise TakeError(f"why: {moment!r} is no time: write 194.2, 3:14.2 or bar 37.2")
            sample = round(seconds * self.rate_hz)
        if not 0 <= sample < max(1, self.take.samples):
            last = self.clock.step_of(max(0, self.take.samples - 1))
            bars = min(int(last), self.take.steps[-1]["step"] if self.take.steps else 0)
            raise TakeError(f"why: {text} is beyond the take's end, {clock_text(end_s)} (bar "
                            f"{bars // STEPS_PER_BAR + 1}.{bars % STEPS_PER_BAR // BEAT + 1})")
        return sample

    # ---- causes
    def cause(self, row):
        """Where one applied event comes from: {"by", "text", …}; by "" when the take does not say.
        """
        kind, number = int(row["kind"]), int(row["flags"]) >> CAUSE_BIT
        if kind == MIDI:
            return self._message(int(row["length"]))
        if number in self._causes:
            return self._told(self._causes[number], int(row["length"]) - 1 if kind == TARGET else -1,
                              float(row["level"]))
        at = bisect_right(self._firsts, number) - 1
        if kind == NOTE and number and at >= 0:
            step = self._noted[at]
            if number - step["first"] < len(step["notes"]):
                return self._written(step, step["notes"][number - step["first"]])
        return {"by": "", "text": UNTOLD}

    @staticmethod
    def _message(packed):
        status = packed & 0xFF
        transport = status in CLOCK_MESSAGES
        return {"by": "transport" if transport else "set", "text":
                "a MIDI message of the transport" if transport else
                "a MIDI message that opens a part of the set"}

    def _told(self, cause, seq, level):
        """A cause of the take, with the record that it read."""
        found = {"by": cause["by"], "text": cause["text"]}
        if cause["link"]:
            link = Link(**{name: tuple(value) if isinstance(value, list) else value
                           for name, value in cause["link"].items()})
            record = self.record(seq, link, level)
            found |= {"link": cause["link"], "record": record,
                      "features": [self._feature(link.feature, record)]}
        elif seq >= 0:
            found["record"] = self.record(seq)
        return found

    def _written(self, step, note):
        """A note that the music wrote: its cell or rule, and the records that it was read from."""
        text, _, touch = note[6].partition("; touch ")
        record = self.record(note[7]) if note[7] >= 0 else None
        names = self._read_in(text, record)
        found = {"by": "model" if names or text.startswith("punctuation") else "grammar" if
                 "grammar" in text else "file" if " clip " in text else "music", "text": text}
        if names:
            found["features"] = names
            found["record"] = record or {"seq": -1, "text": "", "recalled": True}
        elif record:
            found["record"] = record
        if touch:
            here = self._heard.get(step["step"])
            under = self._spoken(here[-1]) if here else {"seq": -1, "text": "", "recalled": True}
            found["touch"] = {"features": self._read_in(touch, under), "record": under}
        return found

    def _read_in(self, text, record):
        """The features that a cause names, each with the place that it says."""
        found = []
        for words in FEATURE.findall(text.split(" clip ")[0] if " clip " in text and ":" not in text
                                     else text):
            name, _, place = words.partition(" ")
            if not name.endswith((".mid", ".midi")):
                found.append(self._feature(name, record, float(place) if place else None))
        return found

    def _feature(self, name, record, place=None):
        """A feature: its number in the record, its place, and where in the model it is read."""
        raw, unit = (record or {}).get("raw", {}), (record or {}).get("unit", {})
        full = name if name in raw else next((n for n in raw if n.rpartition("_")[0] == name), name)
        return {"name": name, "value": raw.get(full), "place": unit.get(full) if place is None
                else place, "read_at": self.place_of(full, self.layers)}

    def record(self, seq, link=None, level=0.0):
        """A record of the take; of two with one number, the one that the link wrote `level` from.
        """
        found = self._records.get(seq)
        if not found:
            return {"seq": seq, "text": "", "missing": True}
        if link and len(found) > 1:
            found = sorted(found, key=lambda frame: self._off(frame, link, level))
        return self._spoken(found[0])

    @staticmethod
    def _off(frame, link, level):
        """How far a link's value for a record is from what was written."""
        values = [frame[part][name] for part in ("raw", "unit") for name in frame[part]
                  if link.feature in (name, name.rpartition("_")[0])]
        return min((abs(link.at(link.share(x)) - level) for x in values), default=math.inf)

    @staticmethod
    def _spoken(frame):
        return {name: frame[name] for name in ("seq", "token", "text", "raw", "unit")} | (
            {} if "step" in frame and "sample" not in frame else {"unheard": True})

    # ---- a moment
    def at(self, sample):
        """What sounds at a sample, and where it and every parameter that was moved come from."""
        step = self.take.steps[max(0, bisect_right(self._starts, sample) - 1)] if (
            self.take.steps) else {"section": "", "bar": 0, "chord": ""}
        place = self.clock.step_of(sample)
        words = "".join(frame["text"] for frame in self.take.frames if frame["step"] <= place)
        events = self.take.events[self.take.events["sample"] <= sample]
        parameters = self._parameters(events, sample)
        return {
            "take": str(self.take.path), "sample": sample, "seconds": sample / self.rate_hz,
            "bar": max(0, int(place)) // STEPS_PER_BAR + 1,
            "beat": max(0, int(place)) % STEPS_PER_BAR // BEAT + 1,
            "section": step["section"], "section_bar": step["bar"] + 1, "chord": step["chord"],
            "model": self.take.head.get("model", ""), "text": words[-200:],
            "sounding": self._sounding(events, sample, parameters), "parameters": parameters,
            "whole": self.take.whole}

    def _sounding(self, events, sample, parameters):
        """The notes held at a sample, or let go just before, in the order they were struck."""
        muted = {one["parameter"].removesuffix(".mute") for one in parameters
                 if one["parameter"].endswith(".mute") and one["value"] >= 0.5}
        kinds, found, rings = events["kind"], [], round(RINGS_S * self.rate_hz)
        ends = events["sample"] + np.maximum(events["length"], 1)
        stops = np.flatnonzero(np.isin(kinds, (OFF, CHOKE, PANIC)) | (kinds == FADE)
                               & (events["level"] == 0.0))
        for index in np.flatnonzero((kinds == NOTE) & (ends + rings > sample)):
            row, end = events[index], int(ends[index])
            end = min([end, *(int(events[stop]["sample"]) for stop in stops[stops > index]
                              if _ends(row, events[stop]))])
            if end + rings <= sample:
                continue
            parts, _ = self.names(int(row["deck"]), int(row["sample"]))
            part = parts[row["part"]] if row["part"] < len(parts) else "?"
            found.append({
                "part": part, "pitch_hz": float(row["pitch_hz"]), "level": float(row["level"]),
                "seconds": int(row["sample"]) / self.rate_hz, "held": end > sample,
                "slide": bool(row["flags"] & SLIDE), "muted": part in muted,
                "cause": self.cause(row)})
        return found

    def _parameters(self, events, sample):
        """Each parameter that was moved: by what last, the newest first."""
        started = [entry for entry in self.take.tables if entry["sample"] <= sample]
        deck = (started or self.take.tables)[-1]["deck"]
        rows = events[(events["kind"] == TARGET) & (events["deck"] == deck)][::-1]
        found = []
        for row in rows[np.unique(rows["part"], return_index=True)[1]]:
            _, paths = self.names(deck, int(row["sample"]))
            if row["part"] < len(paths):
                found.append({"parameter": paths[row["part"]], "value": float(row["level"]),
                              "seconds": int(row["sample"]) / self.rate_hz,
                              "cause": self.cause(row)})
        turns = {turn["path"]: turn for turn in self.take.turns if turn["sample"] <= sample}
        for turn in turns.values():
            found.append({"parameter": turn["path"], "value": turn["value"],
                          "seconds": turn["sample"] / self.rate_hz, "cause": self._told(
                              self._causes[turn["cause"]], turn["seq"], turn["value"])})
        return sorted(found, key=lambda one: (-one["seconds"], one["parameter"]))

    def unresolved(self):
        """The applied events for which the take does not say where they come from."""
        return [row for row in self.take.events if not self.cause(row)["by"]]



def _ends(note, row):
    """Whether an event lets a note go."""
    if note["deck"] != row["deck"]:
        return False
    if row["kind"] in (PANIC, FADE):
        return True
    any_pitch = row["kind"] == CHOKE or row["pitch_hz"] <= 0.0
    return note["part"] == row["part"] and (
        any_pitch or abs(note["pitch_hz"] / row["pitch_hz"] - 1.0) < 1e-4)
