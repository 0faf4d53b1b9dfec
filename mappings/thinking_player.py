"""The player of `Thinking`: frames in, a 16th of music out.

Nothing draws lots. A layer that wrote more than it usually does rings louder and a chord tone
higher; one that wrote little is silent. While the model is late, the memory's last phrases sweep
on, turned each time. Thread: control.
"""
import math

from engine.mapping import Note, Step, Target
from engine.records import Frame
from mappings import harmony
from mappings.form import Form, Walker
from mappings.memory import Memory
from mappings.music import STEPS
from mappings.thinking import BANDS, GROUPS, HALVES, LOOP, MODE, ROOT, SCENE

PHRASE, CHORD_BARS = 4, 2
RISES = (0.6, 0.85)                       # places from which a note is one, two chord tones higher


def usual(score):
    """The place 0..1 of a standard score (the normal law)."""
    return 0.5 * (1.0 + math.erf(score / math.sqrt(2.0)))


def groups_of(row):
    """(layer counted from 1, place against its band's mean) of each group of a row of standard
    scores over depth: the layer that wrote most for itself; None where none is finite."""
    found, depth = [None] * GROUPS, len(row)
    for band in range(len(BANDS)):
        first = band * depth // len(BANDS)
        end = max((band + 1) * depth // len(BANDS), first + 1)
        layers = [(usual(row[k]), k + 1) for k in range(first, min(end, depth))
                  if math.isfinite(row[k])]
        if not layers:
            continue
        mean = sum(place for place, _ in layers) / len(layers)
        half = first + max(1, (end - first + 1) // 2)
        for part in range(HALVES):
            here = [one for one in layers if (one[1] > half) == bool(part)]
            if here:
                place, layer = max(here, key=lambda one: (one[0], -one[1]))
                found[band * HALVES + part] = layer, place - mean
    return found


class Player(Walker):
    """Plays a Thinking from frames, one step at a time, in order."""

    def __init__(self, music, steps_per_token=8, bars=None):
        self.music, self.due = music, max(1, round(steps_per_token))
        self.memory = Memory(STEPS / steps_per_token)
        self.form, self.opens = Form(music.scenes, bars), True
        self.degrees, self.mode, self.chosen = (1, 6, 3, 7), music.modes[0], "the first chords"
        self.chord, self.keyed, self.read, self.waiting = None, False, Frame(-1, -1, "", 0), []

    @property
    def scene(self):
        return self.form.scenes[self.form.name]

    @property
    def active(self):
        """The parts that play in this bar."""
        return {entry.role for entry in self.scene.entries
                if self.form.section_bar >= min(entry.bar, self.form.section_bars - 1)}

    @property
    def phrase_tokens(self):
        return max(1, round(PHRASE * self.memory.per_bar))

    def step(self, step, frames, late):
        """The notes and targets of 16th number `step`, from the frames due in it."""
        place, heard = step % STEPS, {frame.seq: frame for frame in frames}
        fresh = self.memory.hear(step, frames, late, step % self.due == 0)
        if place == 0 and step:
            self.opens = self.form.advance(self.memory.phrase_ended(step), self._choose_scene)
        if self.form.done:
            return self._made([], [])
        if fresh:
            self.read = heard.get(fresh[-1].seq, fresh[-1])
        targets = self._open_bar() if place == 0 else []
        notes = self._held() if place == 0 else []
        if place % (STEPS // 2) == 0 and self.music.pulse in self.active:
            notes.append(Note(self.music.pulse, 36.0, 0.8, 0.0, 2.0, cause="grammar: pulse"))
        for frame in fresh:           # as measured: the memory's places follow what was played
            self._sweep(step, heard.get(frame.seq, frame))
        if step % self.due == 0 and self.music.air in self.active:
            for group in range(GROUPS):
                at, delay = self._at(step, group, 0.5)
                self.waiting.append((at, Note(self.music.air, 72.0, 0.8, delay, 0.5,
                                              cause="grammar: air")))
        notes += [note for at, note in self.waiting if at == step]
        self.waiting = [one for one in self.waiting if one[0] > step]
        return self._made(notes, targets)

    def _made(self, notes, targets):
        form = self.form
        return Step(notes, targets, form.name, form.section_bar, form.section_bars, form.cycle,
                    self.chord.name if self.chord else "")

    # ---- form and harmony
    def _choose_scene(self, options):
        return self.memory.choose(SCENE, self.phrase_tokens, options)

    def _open_bar(self):
        """A new section has its own chords, and moves what its ramps say."""
        targets = []
        if self.opens or not self.keyed and len(self.memory.real) >= self.memory.per_bar:
            self._write_chords()
        if self.opens:
            cause = f"scene {self.scene.name}: {SCENE} over {self.phrase_tokens} tokens"
            targets = [Target(ramp.path, ramp.start, ramp.rise_s, cause=cause,
                              seq=self.memory.newest) for ramp in self.scene.ramps]
        at = self.form.section_bar // CHORD_BARS % len(self.degrees)
        self.chord = harmony.chord_at(self.music.tonic_st, self.mode, self.degrees[at])
        self.opens = False
        return targets

    def _write_chords(self):
        """Mode and loop of a section, from the phrase that is over."""
        tokens = self.phrase_tokens
        self.mode = self.memory.choose(MODE, tokens, self.music.modes)
        self.degrees = harmony.loop(self.mode, lambda index, options: self.memory.choose(
            LOOP[index], tokens, options))
        self.keyed = len(self.memory.real) >= self.memory.per_bar
        self.chosen = f"{MODE}, {', '.join(LOOP)} over {tokens} tokens"

    def _held(self):
        """Drone and bass at the bar line."""
        music = self.music                # a slide to where it is: the drone is held on
        notes = [Note(part, float(pitch_st), 0.9, 0.0, STEPS + 1.0, True, "grammar: drone")
                 for part, pitch_st in music.drones if part in self.active]
        if music.bass in self.active:
            pitch, loud = 36 + (self.chord.root - 36) % 12, self.read.unit.get(ROOT, 0.5)
            notes.append(Note(
                music.bass, pitch - 12.0 * (pitch > 43), self._level(loud), 0.0, STEPS - 2, False,
                f"bass: {ROOT} {loud:.2f}; {self.chord.name}: {self.chosen}", self.read.record))
        return notes

    # ---- a token's depth
    def _at(self, step, group, late):
        """(step, delay) of a group's place in the token that begins at `step`."""
        steps = (group + late) * self.due / GROUPS
        whole = int(steps + 1e-9)
        return step + whole, max(0.0, steps - whole)

    def _tone(self, middle_st, rise):
        """The chord tone nearest to a lane's middle, `rise` tones higher."""
        low, high = int(middle_st) - 6, int(middle_st) + 18
        tones = [p for p in range(low, high) if p % 12 in self.chord.tones]
        home = min(range(len(tones)), key=lambda k: (abs(tones[k] - middle_st), tones[k]))
        return float(tones[min(home + rise, len(tones) - 1)])

    def _level(self, place):
        return 10.0 ** (self.music.floor_db * (1.0 - place) / 20.0)

    def _sweep(self, step, frame):
        for lane in self.music.lanes:
            if lane.part in self.active:
                self._lane(step, frame, lane)
        self._bell(step, frame)

    def _strike(self, step, delay, part, pitch_st, level, length, cause, frame):
        self.waiting.append((step, Note(part, pitch_st, min(max(level, 0.02), 1.0), delay, length,
                                        False, cause, frame.record)))

    def _lane(self, step, frame, lane):
        """The notes of one writer, up through the depth."""
        row = groups_of(frame.rows.get(f"writes.{lane.kind}", ()))
        for group in range(GROUPS):
            name = lane.feature(group)
            place = frame.unit.get(name)
            if place is None or place != place:
                continue
            cause = f"{name} {place:.2f}"
            if row[group]:
                layer, more = row[group]
                place = min(max(place + more, 0.0), 1.0)
                cause += f", {lane.kind}.{layer}.write {place:.2f}"
            if place >= self.music.quiet:
                at, delay = self._at(step, group, lane.late)
                rise = sum(place >= limit for limit in RISES)
                self._strike(at, delay, lane.part, self._tone(lane.middle_st(group), rise),
                             self._level(place), self.due / GROUPS,
                             f"{lane.role(group)}: {cause}", frame)

    def _bell(self, step, frame):
        """Where the sweep settles, as loud as the token was unlikely."""
        bell = self.music.bell
        if not bell or bell.part not in self.active:
            return
        depth, loud = frame.raw.get(bell.depth), frame.unit.get(bell.loud)
        if depth is None or loud is None or loud < self.music.quiet:
            return
        group = min(max(math.ceil(depth * GROUPS - 1e-6), 1), GROUPS) - 1
        at, delay = self._at(step, group, 0.0)
        self._strike(at, delay, bell.part, self._tone(bell.low_st + group, 0), self._level(loud),
                     self.due / 2, f"bell: {bell.depth} {depth:.2f}, {bell.loud} {loud:.2f}",
                     frame)
