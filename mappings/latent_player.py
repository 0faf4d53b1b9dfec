"""Latent: the player of the latent music theory. House's cells, memory and form; its own harmony,
line, counterpoint and pulse. Thread: control."""
from dataclasses import replace
from statistics import fmean as mean
from statistics import pstdev

from mappings.arrange import LINE, PHRASE, TURNED, Arranger
from mappings.latent import ABSOLUTE, MOTIONS
from mappings.latent_harmony import LatentHarmony, LatentTheme, wish_of
from mappings.memory import read
from mappings.music import STEPS
from mappings.player import Player
from mappings.roles import Row, rows_of
from mappings.writer import Cell, Mark, write

BEFORE = 4                                # phrases that a phrase is compared with
THIRD, SPAN = -2, 3                       # scale steps to the second voice; of the line's start
LATEST = 0.45                             # of a 16th, where rubato is slowest
BREATH = 2                                # 16ths of rest at the end of a phrase
STRONGEST = 4                             # in 16 of a bar of depth: its top quarter
PULSE = "rhythm.steps"


class Composer(Arranger):
    """Sections as house's arranger has them; harmony, second voice and pulse from the states."""

    def __init__(self, music, memory, form, wishes=None):
        super().__init__(music, memory, form, wishes)
        self.here = LatentHarmony(music.tonics[0])
        self.motion, self.lifts = (MOTIONS[0], "", -1), {}

    # ---- sections
    def choose_scene(self, options):
        """The more the text is like its prompt, the nearer to home goes the form."""
        if len(options) > 1:
            self.chosen = f": form.likeness over {self.phrase_tokens} tokens"
        return self._choose("music.scene", "form.likeness", self.phrase_tokens, options)

    def open_section(self):
        """Crossing voices change places."""
        crossed = self.memory.mean("voices.crossings_per_token", self.phrase_tokens)
        self.cast = self.music.casts[int(crossed >= 0.5)]
        return super().open_section()

    def _open_cycle(self):
        self.cycle, self.themes = self.form.cycle, {}

    def _key(self):
        self.keyed = self._words()
        self.here.follow(first=True)

    def _new_theme(self, letter):
        if not self.keyed:
            self._key()
        theme = self.here.theme = LatentTheme(letter, self._wishes())
        self.here.plan(True)
        return theme

    def _wishes(self):
        size, frames = self.memory.per_bar, self.memory.window(self.phrase_tokens)
        return [wish_of(frames[size * i:size * (i + 1)]) for i in range(PHRASE)]

    # ---- phrase lines
    def _phrase_line(self):
        ended = self.memory.phrase_ended(self.form.bar * STEPS)
        if self.keyed and self.here.follow():
            self.here.plan(ended)
        if self.form.section_bar % LINE == 0:
            self._move()
        super()._phrase_line()

    def _renew(self, roles):
        """Cells as in house; of a side theme's chords two bars, where the text has turned far."""
        super()._renew(roles)
        theme = self.here.theme
        if theme.letter != self.main and self.memory.spread(
                "resid.mid.turn", self.phrase_tokens) > TURNED:
            theme.wishes[1:3] = self._wishes()[1:3]
            self.here.plan(self.memory.phrase_ended(self.form.bar * STEPS))

    def _move(self):
        """How the second voice goes with the first: as the heads of the lead layer do more than
        before; the bands of the depth stand in for heads."""
        tokens = self.phrase_tokens
        frames = self.memory.window(BEFORE * tokens)
        group = "voices" if "voices.parallel" in frames[-1].unit else "bands"
        found = []
        for kind in MOTIONS:
            name = f"{group}.{kind}"
            places = [read(frame, name)[0] for frame in frames]
            now = mean(places[-tokens:])
            found.append(((now - mean(places)) / max(pstdev(places), 1e-3),
                          f"{name} {now:.2f}", kind))
        names = ", ".join(words for _, words, _ in found)
        kind = max(found)[2]
        self.motion = kind, f"counter {kind}: {names} over {tokens} tokens", self.memory.newest

    def _write(self, role, how=write):
        if role == "melody":
            return self._line(super()._write(role, how), how is write)
        pulse = self._pulse() if role == "pulse" else None
        return pulse or super()._write(role, how)

    def _line(self, cell, anew):
        """The line, begun where the state stands in its plane, an octave as deep as it writes; a
        varied bar stays where its line is."""
        key = self.here.theme.letter, *self._cell_of("melody")
        if anew or key not in self.lifts:
            pitch, name = read(self.memory.window(1)[0], "latent.pitch_st")
            height = self.memory.spread("register.height", self.phrase_tokens)
            self.lifts[key] = (round((2.0 * pitch - 1.0) * SPAN) + 7 * (int(height * 3) - 1),
                               f", {name} {pitch:.2f}, register.height {height:.2f}")
        shift, cause = self.lifts[key]
        bars = [bar if not anew and bar is not cell.bars[-1] else tuple(
            replace(m, place=m.place + shift, cause=m.cause + cause) for m in bar)
            for bar in cell.bars]
        return replace(cell, bars=tuple(bars))

    def _pulse(self):
        """A bar of depth: sixteen strengths of what blocks write, the mean of a phrase; None where
        no record has them. place 0: the lower half of the blocks, 1: the upper."""
        rows = [f.rows[PULSE] for f in self.memory.window(self.phrase_tokens) if PULSE in f.rows]
        if not rows:
            return None
        bar = [mean(float(row[s]) for row in rows) for s in range(STEPS)]
        if any(x != x for x in bar):
            return None
        starts = [s for s in range(STEPS) if not s or bar[s] != bar[s - 1]]
        order = sorted(starts, key=lambda s: -bar[s])[:max(STRONGEST, len(starts) // 2)]
        low, high = min(bar), max(bar)
        share = {s: (bar[s] - low) / max(high - low, 1e-9) for s in sorted(order)}
        self.written += 1
        name = f"{self.here.theme.letter}{self.written}"
        marks = tuple(Mark(s, 1.0, int(s >= STEPS // 2), 0.35 + 0.5 * x, False,
                           f"pulse cell {name}: {PULSE} {x:.2f} over {self.phrase_tokens} tokens",
                           seq=self.memory.newest) for s, x in share.items())
        return Cell("pulse", name, (marks,))

    # ---- bars
    def _rows(self, role):
        if role == "chord":
            return self._held(role, self.here.voicing(self.grammars[role]), "chord")
        if role == "octave":
            low, high = self.grammars[role].register
            root = low + (self.here.chord.root - low) % 12
            return self._held(role, [p for p in (root, root + 12) if p <= high],
                              f"octave octave.resonance over {2 * self.phrase_tokens} tokens of")
        if role == "counter":
            return self._second()
        rows = super()._rows(role)
        if role == "pulse":
            bar = self.here.theme.cells[self._cell_of(role)].bars[0]
            upper = {mark.step for mark in bar if mark.place}
            return [replace(row, part="tick") if row.step in upper else row for row in rows]
        if role == "bass":
            return [replace(row, cause=f"{row.cause} of {self.here.cause}, "
                            f"{self.here.planned.wish.lowest}") for row in rows]
        return rows

    def _held(self, role, pitches, words):
        """Notes for the bar."""
        grammar, wish = self.grammars[role], self.here.planned.wish
        return [Row(self.part(role), role, 0, pitch, grammar.level, STEPS - 0.5, False,
                    f"{words} {self.here.cause}", grammar.touch, seq=wish.seq)
                for pitch in pitches]

    def _second(self):
        """The second voice: with the line's notes, against them, or held under them."""
        cells, grammar = self.here.theme.cells, self.grammars["counter"]
        cell = cells.get(("melody", True)) or cells.get(("melody", False))
        kind, cause, seq = self.motion
        if cell is None:
            return []
        marks = [m for m in cell.bars[self.form.section_bar % len(cell.bars)] if m.step % 2 == 0]
        first = marks[0].place if marks else 0
        if kind == "oblique":
            marks = [Mark(0, STEPS - 0.5, first, grammar.level, False, "")]
        rows = []
        for i, mark in enumerate(marks):
            until = marks[i + 1].step if i + 1 < len(marks) else STEPS
            place = (first - mark.place if kind == "contrary" else mark.place) + THIRD
            note = Mark(mark.step, until - mark.step - 0.1, place, grammar.level, False, cause,
                        seq=seq)
            rows += rows_of(replace(grammar, kind="hook"), self.part("counter"), note, self.here)
        return rows

    def _drums(self):
        return []


class Gestures:
    """What a single record does at once: a breath where a phrase ends, a chord that leans out."""

    def __init__(self, here):
        self.here = here

    def open_bar(self):
        """Nothing is counted here."""

    def hear(self, frames, step, rows, arranger):
        """Takes the step's records; rests the line for a breath."""
        for frame in frames:
            self.here.hear(frame)
            if frame.sentence_end or any(name == "phrase" for name, *_ in frame.events):
                for place in range(step % STEPS, min(STEPS, step % STEPS + BREATH)):
                    rows[place] = [row for row in rows[place] if row.role != "melody"]


class LatentPlayer(Player):
    """Plays a Latent from frames, one step at a time, in order."""

    def __init__(self, music, steps_per_token=2, bars=None):
        super().__init__(music, steps_per_token, bars)
        self.memory.absolute = ABSOLUTE
        self.arranger = Composer(music, self.memory, self.form, self.wishes)
        self.editor = Gestures(self.arranger.here)

    def _note(self, row, fresh):
        """The line leans back where records are hard; the bar does not wait."""
        note = super()._note(row, fresh)
        if not fresh or row.role not in ("melody", "counter"):
            return note
        tempo, name = read(fresh[-1], "rubato.tempo")
        touch = ", " if "; touch " in note.cause else "; touch "
        return replace(note, delay_steps=LATEST * (1.0 - tempo),
                       cause=f"{note.cause}{touch}{name} {tempo:.2f}")
