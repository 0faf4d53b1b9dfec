"""A take as a score: who played what, when and how loud, whatever the sounds were. Thread: control.

Everything is on the sample counter of the take, as the rig reported it; `grid` says where that lies
in bars. Written by name of part, so that a set that took over goes on in the same lines.
"""
from dataclasses import dataclass, field

import numpy as np

from engine import sets
from engine.grid import Grid
from engine.midi_parts import EXACT_CENTS, cents_off, midi_of
from engine.records import CHOKE, FADE, NOTE, OFF, PANIC, SLIDE, TARGET
from engine.rt import QUANTUM

LEGATO_S = 0.01                           # a note goes on so long under the one it slides into
ONE_PITCH = 1e-4                          # how near two pitches are the same, as in the rig
STRIP = ("level_db", "pan", "mute")
SENTENCE_LETTERS = 200                    # of a sentence in a marker


@dataclass(slots=True)
class Played:
    """One note: the samples at which it begins and ends, its exact pitch, 0..1, whether it was
    slid to."""
    sample: int
    end: int
    pitch_hz: float
    level: float
    slide: bool = False


@dataclass(slots=True)
class Move:
    """A parameter sets out for a value, with its time constants up and down."""
    sample: int
    value: float
    rise_s: float = 0.0
    fall_s: float = 0.0


@dataclass
class Line:
    """A part: its notes in the order they began, its Midi, the moves of what leaves as controllers.

    moves     parameter's name -> Moves, the first at where the set put it;  params  name -> Param
    programs  (sample, program, bank) of each set that had it
    """
    name: str
    midi: object
    params: dict
    notes: list = field(default_factory=list)
    moves: dict = field(default_factory=dict)
    programs: list = field(default_factory=list)


class Score:
    """What a Take holds.

    lines      part's name -> Line;  grid  samples <-> steps on paper
    sections   (sample, name, cause);  words, sentences  (sample, text)
    features   name -> (samples, values), one a record
    """

    def __init__(self, take):
        self.take, self.name = take, str(take.head.get("set", take.path.stem))
        self.rate_hz, self.samples = take.head["rate_hz"], int(take.samples)
        self.grid = Grid(take.tempo(), self.rate_hz)
        self.made = [sets.read(t["source"], t["name"], None) for t in take.tables]
        self.lines, self._decks, self._open = {}, {}, {}
        self._registries = [made.registry() for made in self.made]
        self._begin()
        self._play()
        self._finish()
        self._tell()

    # ---- parts
    def _begin(self):
        """A line for each part of any of the sets."""
        bent = self._bent()
        self._midi = [midi_of(m.parts, m.tuning, m.sends, bent) for m in self.made]
        for made, registry, midi in zip(self.made, self._registries, self._midi, strict=True):
            for name in made.parts:
                wanted = (f"{name}.{parameter}" for parameter in (*STRIP, *midi[name].cc.values()))
                params = {path.partition(".")[2]: registry.params[registry.index[path]]
                          for path in wanted}
                line = self.lines.setdefault(name, Line(name, midi[name], params))
                line.params = params | line.params

    def _bent(self):
        """The parts of which a note lies off the keys."""
        found = set()
        for table, rows in self._stretches():
            notes = rows[rows["kind"] == NOTE]
            names = list(self.made[table].parts)
            off = [part for part, hz in {(int(n["part"]), float(n["pitch_hz"])) for n in notes}
                   if hz > 0.0 and abs(cents_off(hz)) > EXACT_CENTS and part < len(names)]
            found |= {names[part] for part in off}
        return found

    def _stretches(self):
        """(table, events) of a deck while it holds that table, by deck and time."""
        events, tables = self.take.events, self.take.tables
        for deck in sorted({entry["deck"] for entry in tables}):
            mine = [(entry["sample"], k) for k, entry in enumerate(tables) if entry["deck"] == deck]
            ends = [sample for sample, _ in mine[1:]] + [1 << 62]
            rows = events[events["deck"] == deck]
            for (start, k), end in zip(mine, ends, strict=True):
                start = start if k != mine[0][1] else -1
                yield k, rows[(rows["sample"] >= start) & (rows["sample"] < end)]

    def _play(self):
        for table, rows in self._stretches():
            made, registry = self.made[table], self._registries[table]
            self._enter(table, max(0, int(self.take.tables[table]["sample"])))
            self._open, names = {name: [] for name in made.parts}, list(made.parts)
            for row in rows:
                part = names[row["part"]] if 0 <= row["part"] < len(names) else None
                self._apply(row, int(row["kind"]), part, made, registry)

    def _enter(self, table, sample):
        """The set's own values hold from here on."""
        registry = self._registries[table]
        for name, midi in self._midi[table].items():
            line = self.lines[name]
            line.programs.append((sample, midi.program, midi.bank))
            for parameter in line.params:
                place = registry.index.get(f"{name}.{parameter}")
                if place is not None:
                    line.moves.setdefault(parameter, []).append(
                        Move(sample, float(registry.values[place])))

    def _apply(self, row, kind, part, made, registry):
        sample = int(row["sample"])
        if kind == NOTE and part:
            self._note(row, sample, part, made)
        elif kind == TARGET and 0 <= row["part"] < len(registry.paths):
            name, _, parameter = registry.paths[row["part"]].partition(".")
            if name in self.lines and parameter in self.lines[name].params:
                self.lines[name].moves[parameter].append(
                    Move(sample, float(row["level"]), float(row["rise_s"]), float(row["fall_s"])))
        elif kind == OFF and part and row["pitch_hz"] > 0.0:
            self._let_go(part, float(row["pitch_hz"]), sample)
        elif kind in (OFF, CHOKE) and part:
            self._end({part: self._open[part]}, sample)
        elif kind == PANIC or kind == FADE and row["level"] == 0.0:
            self._end(self._open, sample)

    def _note(self, row, sample, part, made):
        end, slide = sample + max(1, int(row["length"])), bool(row["flags"] & SLIDE)
        sounding = [note for note in self._open[part] if note.end > sample - QUANTUM]
        if slide and sounding:                # it glides there: the one before goes on underneath
            before = sounding[-1]
            before.end = max(before.end, min(sample + round(LEGATO_S * self.rate_hz), end))
        group = made.parts[part].choke
        if group:
            self._end({name: self._open[name] for name, other in made.parts.items()
                       if other.choke == group and name != part}, sample)
        note = Played(sample, end, float(row["pitch_hz"]), float(row["level"]),
                      slide and bool(sounding))
        self._open[part] = [n for n in sounding if n.end > sample] + [note]
        self.lines[part].notes.append(note)

    def _let_go(self, part, pitch_hz, sample):
        """One pitch of a part ends here."""
        these = [n for n in self._open[part] if abs(n.pitch_hz / pitch_hz - 1.0) <= ONE_PITCH]
        self._open[part] = [n for n in self._open[part] if n not in these]
        self._end({part: these}, sample)

    @staticmethod
    def _end(sounding, sample):
        """What sounds of these parts ends here."""
        for name, notes in sounding.items():
            for note in notes:
                note.end = min(note.end, max(sample, note.sample + 1))
            sounding[name].clear()

    def _finish(self):
        """In order of time, and all within the take."""
        for line in self.lines.values():
            line.notes = sorted((n for n in line.notes if 0 <= n.sample < self.samples),
                                key=lambda n: n.sample)
            for note in line.notes:
                note.end = min(note.end, self.samples)
            for moves in line.moves.values():
                moves.sort(key=lambda move: move.sample)

    # ---- what the model said
    def _tell(self):
        steps = [step for step in self.take.steps if 0 <= step["sample"] < self.samples]
        at = {step["step"]: step["sample"] for step in steps}
        self.sections, before = [], None
        for step in steps:
            place = step["section"], step["bar"]
            if step["section"] and step["step"] % 16 == 0 and place != before and (
                    before is None or place[0] != before[0] or place[1] < before[1]):
                self.sections.append((step["sample"], step["section"]))
            before = place
        self.words = [(at[frame["step"]], frame["text"]) for frame in self.take.frames
                      if frame["step"] in at and frame["text"]]
        self.sentences, text, start = [], "", 0
        for frame in self.take.frames:
            if frame["step"] not in at:
                continue
            start = start if text.strip() else at[frame["step"]]
            text += frame["text"]
            if frame["marks"][0] or frame["marks"][2]:
                self._sentence(start, text)
                text = ""
        self._sentence(start, text)
        self.features = self._features(at)

    def _sentence(self, start, text):
        text = " ".join(text.split())
        if text:
            self.sentences.append((start, text[:SENTENCE_LETTERS]))

    def _features(self, at):
        found = {}
        for frame in self.take.frames:
            for name, value in frame["raw"].items():
                if frame["step"] in at and np.isfinite(value):
                    samples, values = found.setdefault(name, ([], []))
                    samples.append(at[frame["step"]])
                    values.append(float(value))
        return {name: (np.array(samples, np.int64), np.array(values))
                for name, (samples, values) in sorted(found.items())}
