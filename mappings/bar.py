"""From scene, chords and cells to the rows of one bar. Thread: control."""
from dataclasses import dataclass, replace
from functools import partial

from engine.mapping import Target
from mappings import drums, harmony
from mappings.music import STEPS
from mappings.writer import Mark, varied, write

PHRASE = 4                                # bars of a phrase line: cells, entries and exits sit on it
MAIN, FULL = "a", 0.35                    # the main theme; the density from which a section is full
LIVE = {"bass": "attn.low.write", "stab": "attn.mid.write", "hook": "attn.high.write", "pad": "mlp.mid.write",
        "hat": "attn.high.write", "perc": "mlp.high.write", "ghost": "mlp.low.write", "openhat": "resid.high.speed",
        "clap": "resid.low.speed"}


@dataclass
class Row:
    """One strike of this bar, before swing and touch."""
    part: str
    role: str
    step: int
    pitch_st: float
    level: float
    length_steps: float
    slide: bool
    cause: str
    live: str = ""


class Theme:
    """A section's chords, their voicings, and its cells by role."""

    def __init__(self, letter, degrees, mode):
        self.letter, self.degrees, self.mode = letter, degrees, mode
        self.voicings, self.cells = {}, {}


class BarWriter:
    """Holds what a section plays; writes one bar at a time."""

    def __init__(self, music, memory, form):
        self.music, self.memory, self.form = music, memory, form
        self.grammars = {grammar.role: grammar for grammar in music.grammars}
        self.themes, self.active, self.cycle = {}, {}, -1
        self.cast, self.tonic, self.mode = music.casts[0], music.tonics[0], music.modes[0]
        self.chord, self.theme, self.voiced = None, None, {}
        self.swing, self.written, self.keyed = 0.5, 0, False
        self.entries = {}

    @property
    def bar(self):
        """Bars since the last anchor: phrase lines count from there."""
        return self.form.bar - self.form.anchor

    @property
    def phrase_tokens(self):
        return PHRASE * self.memory.per_bar

    def part(self, role):
        """The part that plays a role in this cycle."""
        return self.cast.parts.get(role, role)

    def perc_st(self, tone):
        """A pitch for tuned percussion: a tone of the chord, two octaves over middle C's own."""
        return float(72 + (self.chord.tones[tone % 4] - 72) % 12)

    def choose_scene(self, options):
        return self.memory.choose("token.margin_nat", self.phrase_tokens, options)

    # ---- sections
    def open_section(self):
        """The targets at the head of a section: levels of its roles, and what its ramps set."""
        scene = self.form.scenes[self.form.name]
        if self.form.cycle != self.cycle:
            self._open_cycle()
        self._open_theme(scene)
        self.active = {}
        self.swing = self.memory.spread("token.margin_nat", self.phrase_tokens)
        levels = self.music.levels_db or {}
        targets = [Target(f"{self.part(e.role)}.level_db", levels.get(self.part(e.role), -12.0) + e.offset_db, 0.05,
                          cause=f"scene {scene.name}") for e in scene.entries if e.role != "ghost"]
        cast = self.cast.ramps if scene.name == "intro" or self.form.bar == 0 else ()
        return targets + [Target(r.path, r.start, r.rise_s, cause=f"scene {scene.name}")
                          for r in (*cast, *scene.ramps)]

    def _open_cycle(self):
        """A new cycle: other players, and the key and cells still to be written."""
        self.cycle = self.form.cycle
        self.themes, self.keyed = {}, False
        self.cast = self.music.casts[self.cycle % len(self.music.casts)]

    def _open_theme(self, scene):
        """The scene's theme; a side theme ("b") is other chords at each return."""
        if scene.theme not in self.themes or scene.theme != MAIN:
            self.themes[scene.theme] = self._new_theme(scene.theme)
        self.theme = self.themes[scene.theme]

    def _key(self):
        """The cycle's key and mode, once there is something to read them from."""
        before = (self.tonic, self.mode)
        count = 2 * self.phrase_tokens
        tonics = [t for t in self.music.tonics if self.cycle == 0 or t != before[0]]
        self.tonic = self.memory.choose("resid.axis.1", count, tonics)
        self.mode = self.memory.choose("resid.axis.2", count, self.music.modes)
        self.keyed = len(self.memory.heard) >= self.memory.per_bar

    def _new_theme(self, letter):
        if not self.keyed:
            self._key()
        others = tuple(theme.degrees for theme in self.themes.values())

        def choose(index, options):
            return self.memory.choose(f"resid.axis.{3 + index}", self.phrase_tokens, options)
        return Theme(letter, harmony.progression(self.mode, choose, others), self.mode)

    def ramps(self, place):
        """Targets of this beat: parameters on their way through eight bars."""
        share = (self.form.section_bar % 8 + place / STEPS) / 8.0
        scene = self.form.scenes[self.form.name]
        return [Target(r.path, r.start + (r.end - r.start) * share, r.rise_s, cause=f"scene {scene.name}")
                for r in scene.ramps if r.end is not None]

    # ---- one bar
    def write_bar(self):
        """The bar's rows by step, after what a phrase line changes."""
        first_words = not self.keyed and len(self.memory.heard) >= self.memory.per_bar
        if first_words and (self.form.plan or self.form.section_bar % PHRASE == 0):
            self.themes = {}
            self._open_theme(self.form.scenes[self.form.name])
        if self.form.section_bar % PHRASE == 0 or first_words:
            self._phrase_line()
        index = self.form.section_bar % len(self.theme.degrees)
        self.chord = harmony.chord_at(self.tonic, self.mode, self.theme.degrees[index])
        rows = [row for role in self.active for row in self._rows(role, index)]
        rows += [Row(self.part(role), role, step, self._drum_st(role, step), level, 0.5, False, cause,
                     LIVE.get(role, "")) for role, step, level, cause in self._drums()]
        table = [[] for _ in range(STEPS)]
        for row in rows:
            table[row.step].append(row)
        return table

    def _phrase_line(self):
        """Parts come and go, cells are written or varied."""
        bar, scene = self.form.section_bar, self.form.scenes[self.form.name]
        scale = min(1.0, self.form.section_bars / 8.0)
        active = {}
        for entry in scene.entries:
            late = bar < int(entry.bar * scale) // PHRASE * PHRASE
            stays = entry.role in self.active and bar % 8
            heard = not entry.reads or stays or self.memory.spread(entry.reads, 2 * self.phrase_tokens) >= entry.above
            if not late and heard:
                active[entry.role] = entry.density
        self.active = active
        for role in active:
            if role in self.grammars and self._key_of(role) not in self.theme.cells:
                self.theme.cells[self._key_of(role)] = self._write(role)
        if bar and bar % 8 == 0 and self.memory.phrase_ended(self.form.bar * STEPS):
            self._renew()

    def _key_of(self, role):
        """A role has two cells in a theme: one for thin sections, one for full ones."""
        return role, self.active[role] >= FULL

    def _write(self, role, how=write):
        """A role's cell from the frames of the phrase that is over."""
        self.written += 1
        name = f"{self.theme.letter}{self.written}"
        return how(self.grammars[role], self.memory, self.active[role], name)

    def _renew(self):
        """A phrase of the text ended on an eight-bar line: the role whose band wrote most has its
        cell varied; when the text turned away, it is written anew and the next one varied."""
        cells, tokens = self.theme.cells, self.phrase_tokens
        roles = sorted((r for r in self.active if self._key_of(r) in cells and r in LIVE),
                       key=lambda role: -self.memory.spread(LIVE[role], tokens))
        turned = self.memory.spread("resid.mid.turn", tokens) > 0.6
        for role in roles[:1 + turned]:
            key = self._key_of(role)
            anew = turned and role == roles[0]
            cells[key] = self._write(role, write if anew else partial(varied, cells[key]))

    def _drums(self):
        """The fixed groove, the build's roll, and the fill that closes eight bars."""
        strikes = drums.groove(self.active)
        if self.form.name == "build":
            strikes = [s for s in strikes if s[0] != "clap"] + drums.build_roll(self.form.section_bar)
            if self.form.section_bar % 8 == 7:
                strikes = [s for s in strikes if not (s[0] == "kick" and s[1] >= 8)]
        elif self.form.fill:
            names = [name for name, rows in drums.FILLS.items()
                     if all(role in self.active for role, _, _ in rows)]
            if names:
                name = self.memory.choose("token.margin_nat", self.memory.per_bar, names)
                strikes = drums.fill(strikes, name, "token.margin_nat")
        return strikes

    def _drum_st(self, role, step):
        return self.perc_st(step // 2) if role == "perc" else drums.PITCH

    # ---- roles
    def _rows(self, role, index):
        grammar = self.grammars.get(role)
        if grammar is None:
            return []
        if grammar.kind == "pad":
            return self._pad(grammar, index)
        cell = self.theme.cells[self._key_of(role)]
        marks = cell.bars[self.form.section_bar % len(cell.bars)]
        play = {"hit": self._hit, "bass": self._bass, "stab": self._stab, "hook": self._hook}[grammar.kind]
        return [row for mark in marks for row in play(grammar, mark, index)]

    def _row(self, grammar, mark, pitch_st, level=None):
        role = grammar.role
        part = "clap" if role == "ghost" else self.part(role)
        return Row(part, role, mark.step, pitch_st, mark.level if level is None else level, mark.length_steps,
                   mark.slide, mark.cause, LIVE.get(role, ""))

    def _hit(self, grammar, mark, index):
        return [self._row(grammar, mark, self._drum_st(grammar.role, mark.step + mark.place))]

    def _bass(self, grammar, mark, index):
        return [self._row(grammar, mark, self.tone_st(grammar, mark.place))]

    def tone_st(self, grammar, place):
        """A chord tone in the register: 0..3 from the lowest root up, 4 and over an octave higher."""
        low, high = grammar.register
        root = low + (self.chord.root - low) % 12
        pitch = root + (self.chord.tones[place % 4] - self.chord.root) % 12 + 12 * (place // 4)
        return pitch - 12 if pitch > high else pitch

    def voicing(self, grammar, index):
        """The chord's notes in the role's register, led from the chord before; a loop keeps its voicings."""
        known = self.theme.voicings.get(grammar.role)
        if known is None:
            known, before, once = [], self.voiced.get(grammar.role), {}
            for degree in self.theme.degrees:
                chord = harmony.chord_at(self.tonic, self.mode, degree)
                if degree not in once:
                    once[degree] = harmony.lead_voices(chord.tones, before, *grammar.register)
                before = once[degree]
                known.append(before)
            self.theme.voicings[grammar.role] = known
        self.voiced[grammar.role] = known[index]
        return known[index]

    def _stab(self, grammar, mark, index):
        chord = self.voicing(grammar, index)
        return [self._row(grammar, mark, pitch, mark.level * (1.0 - 0.06 * i)) for i, pitch in enumerate(chord)]

    def _pad(self, grammar, index):
        cause = f"chord {self.chord.name}: resid.axis.{3 + index % 4}"
        return [Row(self.part("pad"), "pad", 0, pitch, grammar.level, STEPS - 0.5, False, cause, LIVE["pad"])
                for pitch in self.voicing(grammar, index)]

    def scale(self):
        return {(self.tonic + s) % 12 for s in harmony.MODES[self.mode]}

    def hook_st(self, grammar, place, strong):
        """Scale steps from the middle of the register; a chord tone where the beat is strong."""
        low, high = grammar.register
        ladder = [p for p in range(low, high + 1) if p % 12 in self.scale()]
        tonic = min(range(len(ladder)), key=lambda i: (abs(ladder[i] - (low + high) / 2), i))
        pitch = ladder[min(max(tonic + place, 0), len(ladder) - 1)]
        return harmony.nearest(pitch, self.chord.tones, low, high) if strong else pitch

    def _hook(self, grammar, mark, index):
        return [self._row(grammar, mark, self.hook_st(grammar, mark.place, mark.step % 4 == 0))]

    def struck(self, grammar, place):
        """Rows an edit strikes where there were none; place 0..1 chooses the tone."""
        mark = Mark(0, 1.0, int(place * 3.99), grammar.level - 0.1, False, "")
        if grammar.kind == "hook":
            mark = replace(mark, place=int(place * 9) - 4)
        play = {"hit": self._hit, "bass": self._bass, "stab": self._stab, "hook": self._hook}[grammar.kind]
        return play(grammar, mark, self.form.section_bar % len(self.theme.degrees))
