"""The player: frames in, a 16th of music out.

Cells are written at phrase lines, surprise edits them, the text's phrases end sections. Nothing
draws lots: the same frames give the same notes. When the model is late, the memory goes on for it.
Thread: control.
"""
from engine.mapping import Note, Step, Target
from mappings import drums
from mappings.arrange import Arranger
from mappings.edits import Editor
from mappings.form import Form, Walker
from mappings.memory import Memory, read
from mappings.music import STEPS

BEAT = 4                                  # steps between two targets of a ramp
THROW, COMMA = 0.55, 0.3                  # echo of a stab at a sentence end; level of a comma
SOFTEST, TOUCH = 0.86, 0.28               # what a touch feature makes of a level, at places 0 and 1
QUIETEST = 0.05


class Player(Walker):
    """Plays a Music from frames, one step at a time, in order.

    steps_per_token   16ths a token lasts;  bars   length of the whole piece, None for no end
    """

    def __init__(self, music, steps_per_token=2, bars=None):
        self.music, self.due = music, max(1, round(steps_per_token))
        self.memory = Memory(STEPS / steps_per_token)
        self.form = Form(music.scenes, bars)
        self.wishes = {}
        self.arranger = Arranger(music, self.memory, self.form, self.wishes)
        self.editor = Editor(music, self.memory, self.wishes)
        self.rows, self.delay_steps = [], 0.0
        self.opens, self.thrown, self.commas = True, False, 0

    def turn(self, path, value):
        """A link decides this from here on, in the music's place (see `Music.targets`)."""
        self.wishes[path] = value

    def step(self, step, frames, late):
        """The notes and targets of 16th number `step`, from the frames due in it."""
        place = step % STEPS
        fresh = self.memory.hear(step, frames, late, step % self.due == 0)
        if place == 0 and step:
            ended = self.memory.phrase_ended(step)
            self.opens = self.form.advance(ended, self.arranger.choose_scene)
        if self.form.done:
            return self._made([], [])
        targets = self._open_bar() if place == 0 else []
        if place % BEAT == 0:
            targets += self.arranger.ramps(place)
        targets += self._throw(fresh, place)
        self.editor.hear(fresh, step, self.rows, self.arranger)
        notes = [self._note(row, fresh) for row in self.rows[place]]
        return self._made(notes + self._comma(fresh, place), targets)

    def _made(self, notes, targets):
        form = self.form
        return Step(notes, targets, form.name, form.section_bar, form.section_bars, form.cycle,
                    self.arranger.chord)

    def _open_bar(self):
        targets = self.arranger.open_section() if self.opens else []
        self.opens, self.commas = False, 0
        self.rows = self.arranger.write_bar()
        self.editor.open_bar()
        low, high = self.music.swing
        place = self.wishes.get("music.swing", low + (high - low) * self.arranger.swing)
        self.delay_steps = 2.0 * place - 1.0
        return targets

    def _swung(self, place):
        return self.delay_steps if place % 2 else 0.0

    def _note(self, row, fresh):
        """A written row as a note: swung, and touched by the frame under it."""
        level, cause = row.level, row.cause
        if fresh and row.touch:
            value, name = read(fresh[-1], row.touch)
            level *= SOFTEST + TOUCH * value
            cause = f"{cause}; touch {name} {value:.2f}"
        return Note(row.part, float(row.pitch_st), min(max(level, QUIETEST), 1.0),
                    self._swung(row.step) if row.delay_steps is None else row.delay_steps,
                    max(0.1, row.length_steps), row.slide, cause, row.seq)

    def _throw(self, fresh, place):
        """A sentence end throws the stab into the echo; the next beat takes it back."""
        if self.music.delay_send is None or "stab" not in self.arranger.grammars:
            return []
        path = f"{self.arranger.part('stab')}.delay_send"
        ended = [frame for frame in fresh if frame.sentence_end]
        if ended:
            self.thrown = True
            return [Target(path, THROW, 0.02, cause="sentence end", seq=ended[-1].record)]
        if self.thrown and place % BEAT == 0:
            self.thrown = False
            return [Target(path, self.music.delay_send, 0.2, cause="after a sentence end")]
        return []

    def _comma(self, fresh, place):
        """The first punctuation inside a sentence of a bar is a ghost of the percussion."""
        if self.commas or "perc" not in self.arranger.active or place in drums.KICKS:
            return []
        for frame in fresh:
            if frame.punctuation and not frame.sentence_end:
                self.commas += 1
                return [Note(self.arranger.part("perc"), self.arranger.here.perc_st(0), COMMA,
                             self._swung(place), 0.5, False,
                             f"punctuation {frame.text.strip()!r}", frame.record)]
        return []
