"""The player: frames in, a 16th of music out. Cells at phrase lines, edits by surprise, form by phrases. Thread: control.

Nothing here draws lots: the same frames give the same notes. When the model is late the memory goes on for it.
"""
from engine.mapping import Note, Step, Target
from mappings import drums
from mappings.bar import BarWriter
from mappings.edits import Editor
from mappings.form import Form
from mappings.memory import Memory, read
from mappings.music import STEPS

BEAT = 4                                  # steps between two targets of a ramp
THROW = 0.55                              # echo of the stab that a sentence end leaves hanging


class Player:
    """Plays a Music from frames, one step at a time, in order.

    steps_per_token   16ths a token lasts;  bars   length of the whole piece, None for no end
    """

    def __init__(self, music, steps_per_token=2, bars=None):
        self.music, self.due = music, max(1, round(steps_per_token))
        self.memory = Memory(STEPS / steps_per_token)
        self.form = Form(music.scenes, bars)
        self.writer = BarWriter(music, self.memory, self.form)
        self.editor = Editor(music, self.memory)
        self.rows, self.delay, self.thrown = [[] for _ in range(STEPS)], 0.0, False
        self.new_section, self.chord = True, ""

    def next_section(self):
        """The performer's wish: the section ends at the next bar line."""
        self.form.skip = True

    def step(self, step, frames, late):
        """The notes and targets of 16th number `step`, from the frames due in it."""
        place = step % STEPS
        fresh = self.memory.hear(step, frames, late, step % self.due == 0)
        if place == 0 and step:
            ended = self.memory.phrase_ended(step)
            self.new_section = self.form.advance(ended, self.writer.choose_scene)
        targets = []
        if self.form.done:
            return Step([], targets, self.form.name, self.form.section_bar, self.form.section_bars,
                        self.form.cycle, self.chord)
        if place == 0:
            targets += self._open_bar()
        if place % BEAT == 0:
            targets += self.writer.ramps(place)
        targets += self._throw(fresh, place)
        self.editor.hear(fresh, step, self.rows, self.writer)
        notes = [self._note(row, fresh) for row in self.rows[place]]
        notes += self._commas(fresh, place)
        return Step(notes, targets, self.form.name, self.form.section_bar, self.form.section_bars,
                    self.form.cycle, self.chord)

    def _open_bar(self):
        targets = self.writer.open_section() if self.new_section else []
        self.new_section = False
        self.rows = self.writer.write_bar()
        self.editor.open_bar()
        self.chord = self.writer.chord.name
        swing, (low, high) = self.writer.swing, self.music.swing
        self.delay = 2.0 * (low + (high - low) * swing) - 1.0
        return targets

    def _note(self, row, fresh):
        """A written row as a note: swung, and as loud as the token under it is written strongly."""
        level, cause = row.level, row.cause
        if fresh and row.live:
            value, name = read(fresh[-1], row.live)
            level, cause = level * (0.86 + 0.28 * value), f"{cause}; level {name} {value:.2f}"
        delay = self.delay if row.step % 2 else 0.0
        return Note(row.part, float(row.pitch_st), min(max(level, 0.05), 1.0), delay,
                    max(0.1, row.length_steps), row.slide, cause)

    def _throw(self, fresh, place):
        """A sentence end throws the stab into the echo; the next beat takes it back."""
        part = self.writer.part("stab")
        if any(frame.sentence_end for frame in fresh):
            self.thrown = True
            return [Target(f"{part}.delay_send", THROW, 0.02, cause="sentence end")]
        if self.thrown and place % BEAT == 0:
            self.thrown = False
            return [Target(f"{part}.delay_send", self.music.delay_send, 0.2, cause="after the sentence end")]
        return []

    def _commas(self, fresh, place):
        """Punctuation inside a sentence is a ghost of the percussion."""
        if "perc" not in self.writer.active or place in drums.KICKS:
            return []
        return [Note("perc", self.writer.perc_st(4), 0.3, self.delay if place % 2 else 0.0, 0.5, False,
                     f"punctuation {frame.text.strip()!r}") for frame in fresh[-1:]
                if frame.punctuation and not frame.sentence_end]

