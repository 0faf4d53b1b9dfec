"""The monitor's player: a pulse, lines that return, a pad whose chord is the score.

Nothing draws lots. When the model is late, the memory goes on for it: lines are written of its own
last phrases, varied. Thread: control.
"""
from engine.errors import MappingError, suggestion
from engine.mapping import Note, Step, Target
from mappings.form import Form
from mappings.harmony import NAMES
from mappings.memory import Memory, read
from mappings.monitor import TONIC, Listener, chord
from mappings.music import STEPS

PHRASE, BEAT, HALF = 4, 4, 8              # bars of a written line; steps between chords: on, off
SOFTER = 0.05                             # each higher note of a chord
HEART_ST, TONE_ST, BELL_ST = 60.0, 36, 19     # the pulse; alarm and bell over the tonic


class MonitorPlayer:
    """Plays a Monitor from frames, one step at a time, in order.

    steps_per_token   16ths a token lasts;  bars   length of the whole piece, None for no end
    """

    def __init__(self, music, steps_per_token=2, bars=None):
        self.music, self.due = music, max(1, round(steps_per_token))
        self.memory, self.form = Memory(STEPS / steps_per_token), Form(music.scenes, bars)
        self.listener, self.chord, self.cells, self.visits = Listener(music.score), None, {}, 0
        self.tense = False                # whether the sounding chord is

    def next_section(self):
        """The performer's wish: the section ends at the next bar line."""
        self.form.skip, self.form.wish = True, ""

    def go_to(self, scene):
        """The performer's wish: this scene from the next bar line on."""
        if scene not in self.form.scenes:
            raise MappingError(f"no scene {scene!r}{suggestion(scene, self.form.scenes)}")
        self.form.skip, self.form.wish = True, scene

    def turn(self, path, value):
        """No link decides anything in this music's place."""

    @property
    def tonic(self):
        return self.music.tonics[self.visits % len(self.music.tonics)]

    def step(self, step, frames, late):
        """The notes and targets of 16th number `step`, from the frames due in it."""
        place, listener = step % STEPS, self.listener
        fresh = self.memory.hear(step, frames, late, step % self.due == 0)
        heard = [frame for frame in frames if any(f.seq == frame.seq for f in fresh)]
        turned = [listener.hear(frame) for frame in heard or fresh]
        if place == 0 and step:
            opens = self.form.advance(self.memory.phrase_ended(step), lambda options: options[0])
            self.visits += opens
        if self.form.done:
            return self._made([], [])
        if place == 0 and self.form.section_bar % PHRASE == 0:
            self.cells = {line.role: self._written(line) for line in self.music.lines}
        notes = self._pulse(place) + self._pad(place) + self._bell(fresh)
        for line in self.music.lines:
            notes += self._line(line, place)
        return self._made(notes, self._alarm() if any(turned) else [])

    def _made(self, notes, targets):
        form = self.form
        name = f"{NAMES[self.tonic % 12]}{' alarm' if self.listener.on else 'm7'}"
        return Step(notes, targets, form.name, form.section_bar, form.section_bars, form.cycle,
                    name)

    def _plays(self, role):
        return any(entry.role == role and self.form.section_bar >= entry.bar
                   for entry in self.form.scenes[self.form.name].entries)

    # ---- what the alarm does
    def _said(self, role):
        """A cause: the role, and the reading that moved the score last."""
        heard = self.listener
        return f"{role} score {heard.value:.2f}: {heard.read}" if heard.read else f"grammar: {role}"

    def _alarm(self):
        on = self.listener.on
        return [Target(path, alarmed if on else calm, 0.1, 1.0, cause=self._said("alarm"),
                       seq=self.listener.record) for path, calm, alarmed in self.music.alarmed]

    def _pulse(self, place):
        """The heart: even while calm; twice as fast, with a tone, while the alarm is on."""
        calm, alarmed = self.music.beats
        notes = []
        if place in calm and self._plays("heart"):
            notes.append(Note("heart", HEART_ST, 0.7 if place == 0 else 0.5, 0.0, 2.0,
                              cause="grammar: heart"))
        if self.listener.on and place in alarmed:
            cause, seq = self._said("alarm"), self.listener.record
            notes.append(Note("alarm", self.tonic + TONE_ST, 0.6, 0.0, 1.0, False, cause, seq))
            if not notes[0].cause.startswith("grammar"):
                notes.append(Note("heart", HEART_ST, 0.35, 0.0, 1.0, False, cause, seq))
        return notes

    def _pad(self, place):
        """A chord as rough as the score is high: two a bar, one a beat while the alarm is on."""
        on = self.listener.on
        if place % BEAT or not self._plays("pad") or place % HALF and not (on or self.tense):
            return []
        self.chord, self.tense = chord(on, self.listener.share, self.chord), on
        shift, cause = self.tonic - TONIC, self._said("pad")
        length = (BEAT if on else HALF - place % HALF) - 0.2
        return [Note("pad", float(pitch + shift), 0.62 - SOFTER * i, 0.0, length, False, cause,
                     self.listener.record) for i, pitch in enumerate(self.chord)]

    def _bell(self, fresh):
        """Where a sentence ends, the fifth rings."""
        for frame in fresh:
            if frame.sentence_end and self._plays("bell"):
                return [Note("bell", float(self.tonic + BELL_ST), 0.5, 0.0, 6.0, False,
                             f"punctuation {frame.text.strip()!r}", frame.record)]
        return []

    # ---- lines
    def _written(self, line):
        """A line's bars, one a letter of its form: rows of (step, semitones, cause, record)."""
        letters = sorted(set(line.form))
        frames = self.memory.window(len(line.grid) * len(letters))
        bars = {}
        for i, letter in enumerate(letters):
            part = frames[i * len(line.grid):(i + 1) * len(line.grid)]
            bars[letter] = self._bar(line, part, letter)
        return [bars[letter] for letter in line.form]

    def _bar(self, line, frames, letter):
        rows = []
        onsets = [read(frame, line.onset)[0] if line.onset else 0.0 for frame in frames]
        rests = sorted(range(len(frames)), key=lambda i: (onsets[i], i))[
            :round(line.rest * len(frames))]
        for i, (step, frame) in enumerate(zip(line.grid, frames, strict=True)):
            if i in rests:
                continue
            value, name = read(frame, line.place)
            tone = line.tones[int(min(value, 0.999) * len(line.tones))]
            onset = f", {read(frame, line.onset)[1]} {onsets[i]:.2f}" if line.onset else ""
            rows.append((step, tone, f"{line.role} {letter}: {name} {value:.2f}{onset}",
                         frame.record))
        return rows

    def _line(self, line, place):
        if not self._plays(line.role):
            return []
        bars = self.cells[line.role]
        return [Note(line.role, float(self.tonic + tone), line.level, 0.0, line.length_steps, False,
                     cause, record)
                for step, tone, cause, record in bars[self.form.section_bar % len(bars)]
                if step == place]
