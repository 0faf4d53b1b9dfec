"""The monitor's player: a pulse, lines that return, a pad whose chord is the score.

Nothing draws lots. When the model is late, the memory goes on for it: lines are written of its own
last phrases, varied. Thread: control.
"""
from engine.mapping import Note, Step, Target
from mappings.form import Form, Walker
from mappings.harmony import NAMES
from mappings.memory import Memory, read
from mappings.monitor import TONIC, Listener, chord
from mappings.music import STEPS

PHRASE, BEAT, KEYED = 4, 4, 32            # bars of a written line; steps; tokens that say a key
MOVED = 0.12                              # of the ladder, for another chord inside a bar
SOFTEST, LOUDER, SOFTER = 0.42, 0.3, 0.05     # a chord's level; by its share; each higher note
HEART_ST, TONE_ST, BELL_ST = 60.0, 36, 19     # the pulse; alarm and bell over the tonic


class MonitorPlayer(Walker):
    """Plays a Monitor from frames, one step at a time, in order.

    steps_per_token   16ths a token lasts;  bars   length of the whole piece, None for no end
    """

    def __init__(self, music, steps_per_token=2, bars=None):
        self.music, self.due = music, max(1, round(steps_per_token))
        self.memory = Memory(STEPS / steps_per_token, absolute=None)
        self.form, self.listener = Form(music.scenes, bars), Listener(music.score)
        self.tonic, self.cells, self.chord, self.share = music.tonics[0], {}, None, (False, -1.0)

    def step(self, step, frames, late):
        """The notes and targets of 16th number `step`, from the frames due in it."""
        place, listener = step % STEPS, self.listener
        fresh = self.memory.hear(step, frames, late, step % self.due == 0)
        heard = [frame for frame in frames if any(f.seq == frame.seq for f in fresh)]
        turned = [listener.hear(frame) for frame in heard or fresh]
        if place == 0 and step:
            if self.form.advance(self.memory.phrase_ended(step), lambda options: options[0]):
                others = [tonic for tonic in self.music.tonics if tonic != self.tonic]
                self.tonic = self.memory.choose(self.music.key, KEYED, others or self.music.tonics)
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
        """A cause: the role, and what the score reads."""
        read = self.listener.read
        return f"{role}: {read} over {round(self.music.score.tau)} tokens" if read else (
            f"grammar: {role}")

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
        """A chord as rough, and as loud, as the score is high: one a bar, and at any beat at which
        the score has moved."""
        now, before = (self.listener.on, self.listener.share), self.share
        moved = now[0] != before[0] or abs(now[1] - before[1]) > MOVED
        if place % BEAT or not self._plays("pad") or place and not moved:
            return []
        self.share, self.chord = now, chord(*now, self.chord)
        shift, level = self.tonic - TONIC, SOFTEST + LOUDER * (now[0] + now[1]) / 2.0
        turned, name = read(self.memory.window(1)[0], self.music.hold)
        length = BEAT * (1.0 if now[0] else 1.0 + 2.0 * turned) - 0.2
        held = "" if now[0] else f"{name} {turned:.2f}"
        cause = f"{self._said('pad')}, {held}" if self.listener.read and held else (
            f"pad: {held}" if held else self._said("pad"))
        return [Note("pad", float(pitch + shift), level - SOFTER * i, 0.0, length, False, cause,
                     self.memory.newest) for i, pitch in enumerate(self.chord)]

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
