"""Why: what sounds at a moment of a take, and what in the model, the music or a hand it comes from.
Thread: control."""
import math
import re
from bisect import bisect_right
from collections import defaultdict

import numpy as np

from engine import sets
from engine.clock import Clock
from engine.errors import TakeError
from engine.journal import Take
from engine.mapping import Link
from engine.moment import place_text
from engine.performance import meter_class
from engine.records import CAUSE_BIT, CHOKE, FADE, MIDI, NOTE, OFF, PANIC, SLIDE, TARGET

RINGS_S = 0.25                            # a note let go so long ago is still told
FEATURE = re.compile(r"\b[a-z]\w*(?:\.\w+)+(?: \d\.\d\d)?")
CLIP = re.compile(r" clip .* bar \d+")    # a file's name is no feature
OVER, WISH = re.compile(r" over (\d+) tokens"), re.compile(r"music\.\w+")
CLOCK_MESSAGES = range(0xF2, 0x100)
UNTOLD = "the take does not say: it was recorded before causes were kept"


class Why:
    """A take that can be asked. `at` answers for a sample, `cause` for one of its events."""

    def __init__(self, path):
        self.take = Take(path)
        try:
            self._index(self.take.head)
        except (KeyError, TypeError, ValueError) as fault:
            raise TakeError(f"{path}: the take is damaged: {fault!r}") from fault

    def _index(self, head):
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
        self._read = [frame for frame in self.take.frames if frame["raw"]]    # by the music
        self._seqs = [frame["seq"] for frame in self._read]
        self._heard = defaultdict(list)       # step -> its records
        for frame in self._read:
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

    # ---- causes
    def cause(self, row):
        """Where one applied event comes from: {"by", "text", …}; by "" when the take does not say.
        """
        kind, number = int(row["kind"]), int(row["flags"]) >> CAUSE_BIT
        if kind == MIDI:
            return self._message(int(row["length"]))
        if kind == PANIC and not number:                     # the board's, past the conductor
            return {"by": "panic", "text": "panic"}
        if number in self._causes:
            seq = int(row["length"]) - 1 if kind == TARGET else -1
            return self._told(self._causes[number], seq, float(row["level"]))
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
        names = self._read_in(cause["text"], seq) if cause["by"] == "music" else []
        wish = self._wish(cause["text"], seq)
        if wish:
            return found | wish
        if cause["link"]:
            link = Link(**{name: tuple(value) if isinstance(value, list) else value
                           for name, value in cause["link"].items()})
            record = self.record(seq, link, level)
            found |= {"link": cause["link"], "record": _brief(record),
                      "features": [self._feature(link.feature, record)]}
        elif names:
            found |= {"by": "model", "features": names, "record": _brief(self.record(seq))}
        elif found["text"] == "sentence end":
            found |= {"by": "model", "record": _brief(self.record(seq))}
        return found

    def _wish(self, text, seq):
        """What a link decided in the music's place, told as the link; {} for anything else."""
        path = WISH.search(text)
        if not path:
            return {}
        turns = [turn for turn in self.take.turns
                 if turn["path"] == path[0] and turn["seq"] <= seq] or [
                     turn for turn in self.take.turns if turn["path"] == path[0]][:1]
        return {} if not turns else self._told(self._causes[turns[-1]["cause"]], turns[-1]["seq"],
                                               turns[-1]["value"]) | {"text": text}

    def _written(self, step, note):
        """A note that the music wrote: its cell or rule, and the records that it was read from."""
        text, _, touch = note[6].partition("; touch ")
        wish = self._wish(text, note[7])
        if wish:
            return wish
        names = self._read_in(text, note[7])
        by = "grammar" if "grammar" in text else "file" if " clip " in text else "music"
        if note[7] >= 0 and (names or text.startswith("punctuation")):
            by = "model"
        found = {"by": by, "text": text}
        if names:
            found["features"] = names
        if names or note[7] >= 0:
            found["record"] = _brief(self.record(note[7]))
        if touch:
            here = self._heard.get(step["step"])
            seq = here[-1]["seq"] if here else -1
            found["touch"] = {"features": self._read_in(touch, seq), "record": _brief(
                self.record(seq)) if here else {"seq": -1, "text": "", "recalled": True}}
        return found

    def _read_in(self, text, seq):
        """The features that a cause names: with the place that it says, or their means over the
        tokens that it says, up to a record."""
        over, found = OVER.search(text), []
        record = self._mean(seq, int(over[1])) if over else self.record(seq)
        for words in FEATURE.findall(CLIP.sub("", text)):
            name, _, place = words.partition(" ")
            found.append(self._feature(name, record, float(place) if place else None))
        return found

    def _mean(self, seq, count):
        """As a record: the means over the last `count` up to one that the music has read."""
        end = bisect_right(self._seqs, seq)
        read = self._read[max(0, end - count):end]
        return {part: {name: float(np.mean([frame[part][name] for frame in read
                                            if name in frame[part]]))
                       for name in (read[0][part] if read else ())} for part in ("raw", "unit")}

    def _feature(self, name, record, place=None):
        """A feature: its number in the record, its place, and where in the model it is read."""
        raw, unit = record.get("raw", {}), record.get("unit", {})
        full = name if name in raw else next(
            (n for n in raw if n.rpartition("_")[0] == name), name.removesuffix("_effect"))
        return {"name": name, "value": raw.get(full), "place": unit.get(full) if place is None
                else place, "read_at": self._read_at(full)}

    def _read_at(self, name):
        """Where in the model a feature is read; of a direction its set's table says it."""
        direction = name.removeprefix("direction.")
        for entry in self.take.tables[::-1]:
            if direction in entry.get("directions", ()):
                return f"the state after layer {entry['directions'][direction]} of {self.layers}"
        return self.place_of(name, self.layers)

    def record(self, seq, link=None, level=0.0):
        """A record of the take; of two with one number, the one that the link wrote `level` from.
        """
        found = self._records.get(seq)
        if not found:
            return {"seq": seq, "text": ""} | ({"missing": True} if seq >= 0 else {})
        if link and len(found) > 1:
            found = sorted(found, key=lambda frame: self._off(frame, link, level))
        return self._spoken(found[0])

    @staticmethod
    def _off(frame, link, level):
        """How far a link's value for a record is from what was written."""
        values = [frame[part][name] for part in ("raw", "unit") for name in frame[part]
                  if link.feature in (name, name.rpartition("_")[0], f"{name}_effect")]
        return min((abs(link.at(link.share(x)) - level) for x in values), default=math.inf)

    @staticmethod
    def _spoken(frame):
        told = ("seq", "token", "text", "raw", "unit", "steered")
        return {name: frame[name] for name in told if name in frame} | (
            {} if "step" in frame and "sample" not in frame else {"unheard": True})

    # ---- a moment
    def at(self, sample):
        """What sounds at a sample, and where it and every parameter that was moved come from."""
        step = self.take.steps[max(0, bisect_right(self._starts, sample) - 1)] if (
            self.take.steps) else {"section": "", "bar": 0, "chord": ""}
        place = self.clock.step_of(sample + 0.5)         # samples of steps are rounded
        words = "".join(frame["text"] for frame in self.take.frames if frame["step"] <= place)
        events = self.take.events[self.take.events["sample"] <= sample]
        parameters = self._parameters(events, sample)
        return {
            "take": str(self.take.path), "sample": sample, "seconds": sample / self.rate_hz,
            "place": place_text(place),
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



def _brief(record):
    """A record without its numbers."""
    return {name: value for name, value in record.items() if name not in ("raw", "unit")}


def _ends(note, row):
    """Whether an event lets a note go."""
    if note["deck"] != row["deck"]:
        return False
    if row["kind"] in (PANIC, FADE):
        return True
    any_pitch = row["kind"] == CHOKE or row["pitch_hz"] <= 0.0
    return note["part"] == row["part"] and (
        any_pitch or abs(note["pitch_hz"] / row["pitch_hz"] - 1.0) < 1e-4)
