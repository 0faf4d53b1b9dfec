"""The arranger: sections, keys, themes, who plays; and the rows of each bar. Thread: control."""
from functools import partial

from engine.mapping import Target
from mappings import drums, harmony
from mappings.music import DRUM_TOUCH, STEPS
from mappings.roles import DRUM_ST, Harmony, Row, Theme, held, rows_of
from mappings.writer import Mark, varied, write

PHRASE, LINE = 4, 8                       # bars: parts come and go; cells are renewed
FULL = 0.35                               # density from which a role plays its full cell
STILL, TURNED = 0.3, 0.6                  # turns of the text for a cell varied, and written anew
FIRST_WORDS = 4                           # frames, at least, that a key is read from
GHOSTS = {"ghost": "clap"}                # roles that another part's voice plays


class Arranger:
    """Holds what a section plays; writes one bar at a time."""

    def __init__(self, music, memory, form, wishes=None):
        self.music, self.memory, self.form = music, memory, form
        self.wishes = {} if wishes is None else wishes
        self.grammars = {grammar.role: grammar for grammar in music.grammars}
        self.main = music.scenes[0].theme
        self.here = Harmony(music.tonics[0], music.modes[0])
        self.themes, self.active, self.cast = {}, {}, music.casts[0]
        self.cycle, self.keyed, self.swing, self.written = -1, False, 0.5, 0
        self.chosen = ""                  # by what a scene was chosen, where there was a choice

    @property
    def scene(self):
        return self.form.scenes[self.form.name]

    @property
    def phrase_tokens(self):
        return PHRASE * self.memory.per_bar

    @property
    def chord(self):
        """The name of the bar's chord."""
        return self.here.chord.name

    def part(self, role):
        """The part that plays a role in this cycle."""
        return self.cast.parts.get(role, GHOSTS.get(role, role))

    def _choose(self, wish, name, count, options):
        """One of the options as a link wishes, or by a feature's mean."""
        share = self.wishes.get(wish)
        if share is None:
            return self.memory.choose(name, count, options)
        return options[min(int(share * len(options)), len(options) - 1)]

    def choose_scene(self, options):
        if len(options) > 1:
            self.chosen = ": music.scene" if "music.scene" in self.wishes else (
                f": token.margin_nat over {self.phrase_tokens} tokens")
        return self._choose("music.scene", "token.margin_nat", self.phrase_tokens, options)

    # ---- sections
    def open_section(self):
        """The targets at the head of a section: levels of its roles, and where its ramps begin."""
        opened = self.form.cycle != self.cycle
        if opened:
            self._open_cycle()
        self._open_theme()
        self.active = {}
        self.swing = self.memory.spread("token.margin_nat", self.phrase_tokens)
        ramps = (*self.cast.ramps, *self.scene.ramps) if opened else self.scene.ramps
        cause, seq = f"scene {self.scene.name}{self.chosen}", self.memory.newest
        self.chosen = ""
        return [self._level(entry, cause, seq) for entry in self.scene.entries
                if entry.role not in GHOSTS] + [
            Target(ramp.path, ramp.start, ramp.rise_s, cause=cause, seq=seq) for ramp in ramps]

    def _level(self, entry, cause, seq):
        part = self.part(entry.role)
        level_db = self.music.levels_db.get(part, -12.0) + entry.offset_db
        return Target(f"{part}.level_db", level_db + self.cast.offsets_db.get(entry.role, 0.0),
                      0.05, cause=cause, seq=seq)

    def _open_cycle(self):
        """Other players; another key and other cells as soon as they are needed."""
        if self.form.cycle:
            others = [cast for cast in self.music.casts if cast is not self.cast] or [self.cast]
            self.cast = self.memory.choose("resid.axis.4", 2 * self.phrase_tokens, others)
        self.cycle, self.themes, self.keyed = self.form.cycle, {}, False

    def _open_theme(self):
        """The scene's theme; a side theme has other chords at each return."""
        letter = self.scene.theme
        if letter not in self.themes or letter != self.main:
            self.themes[letter] = self._new_theme(letter)
        self.here.theme = self.themes[letter]

    def _key(self):
        """The cycle's key and mode; they stand once there were words to read them from."""
        count = 2 * self.phrase_tokens
        tonics = [t for t in self.music.tonics if not self.cycle or t != self.here.tonic]
        self.here.tonic = self._choose("music.key", "resid.axis.1", count,
                                       tonics or self.music.tonics)
        self.here.mode = self.memory.choose("resid.axis.2", count, self.music.modes)
        self.keyed = self._words()

    def _words(self):
        return len(self.memory.heard) >= max(FIRST_WORDS, self.memory.per_bar)

    def _new_theme(self, letter):
        if not self.keyed:
            self._key()
        others = tuple(theme.degrees for theme in self.themes.values())

        def choose(index, options):
            return self._choose("music.chords", f"resid.axis.{3 + index}", self.phrase_tokens,
                                options)
        return Theme(letter, harmony.progression(self.here.mode, choose, others),
                     "music.chords" if "music.chords" in self.wishes else "",
                     self.phrase_tokens, self.memory.newest)

    def ramps(self, place):
        """Targets of this beat: parameters on their way through eight bars."""
        share = (self.form.section_bar % LINE + place / STEPS) / LINE
        return [Target(ramp.path, ramp.start + (ramp.end - ramp.start) * share, ramp.rise_s,
                       cause=f"scene {self.scene.name}")
                for ramp in self.scene.ramps if ramp.end is not None]

    # ---- phrase lines
    def _phrase_line(self):
        """Roles come and go, cells are written or renewed."""
        bar, active = self.form.section_bar, {}
        scale = min(1.0, self.form.section_bars / LINE)
        for entry in self.scene.entries:
            waits = bar < int(entry.bar * scale) // PHRASE * PHRASE
            if not waits and self._plays(entry):
                active[entry.role] = entry.density
        self.active, cells = active, self.here.theme.cells
        known = [role for role in self._celled() if self._cell_of(role) in cells]
        for role in self._celled():
            if role not in known:
                cells[self._cell_of(role)] = self._write(role)
        if bar and bar % LINE == 0:
            self._renew(known)

    def _plays(self, entry):
        """Whether the text lets a role play these bars; a role that has begun plays its eight, one
        whose feature is not there yet waits."""
        if not entry.reads or entry.role in self.active and self.form.section_bar % LINE:
            return True
        place = self.memory.own(entry.reads, 2 * self.phrase_tokens)
        return place is not None and place >= entry.above

    def _celled(self):
        """The sounding roles that play cells: not the fixed drums, nor a pad."""
        return [role for role in self.active
                if role in self.grammars and self.grammars[role].kind != "pad"]

    def _cell_of(self, role):
        """A role has two cells in a theme: one for thin sections, one for full ones."""
        return role, self.active[role] >= FULL

    def _write(self, role, how=write):
        """A role's cell from the frames of the phrase that is over."""
        self.written += 1
        name = f"{self.here.theme.letter}{self.written}"
        return how(self.grammars[role], self.memory, self.active[role], name)

    def _renew(self, roles):
        """As far as the text has turned: nothing; or the role whose band wrote most has its cell
        varied; or it is written anew and the next one varied."""
        cells, tokens = self.here.theme.cells, self.phrase_tokens
        turn = self.memory.spread("resid.mid.turn", tokens)
        if turn < STILL:
            return
        roles = sorted(roles, key=lambda role: -self.memory.spread(self.grammars[role].onset,
                                                                   tokens))
        turned = turn > TURNED
        for role in roles[:1 + turned]:
            key = self._cell_of(role)
            anew = turned and role == roles[0]
            cells[key] = self._write(role, write if anew else partial(varied, cells[key]))

    # ---- bars
    def write_bar(self):
        """The bar's rows by step, after what a phrase line changes."""
        first_words = not self.keyed and self._words()
        if first_words and (self.form.plan or self.form.section_bar % PHRASE == 0):
            self.themes = {}
            self._open_theme()
        if first_words or self.form.section_bar % PHRASE == 0:
            self._phrase_line()
        self.here.turn_to(self.form.section_bar)
        table = [[] for _ in range(STEPS)]
        for row in [row for role in self.active for row in self._rows(role)] + self._drums():
            table[row.step].append(row)
        return table

    def _rows(self, role):
        grammar = self.grammars.get(role)
        if grammar is None:
            return []
        if grammar.kind == "pad":
            return held(grammar, self.part(role), self.here)
        bars = self.here.theme.cells[self._cell_of(role)].bars
        return [row for mark in bars[self.form.section_bar % len(bars)]
                for row in rows_of(grammar, self.part(role), mark, self.here)]

    def _drums(self):
        """The fixed groove, a build's roll, and the fill that closes eight bars."""
        strikes = drums.groove([role for role in self.active if role not in self.grammars])
        if self.scene.roll and "clap" in self.active:
            strikes = drums.roll(strikes, self.form.section_bar)
        elif self.form.fill and drums.fills_for(self.active):
            name = self.memory.choose("token.margin_nat", self.memory.per_bar,
                                      drums.fills_for(self.active))
            strikes = drums.fill(strikes, name,
                                 f"token.margin_nat over {self.memory.per_bar} tokens")
        return [Row(self.part(role), role, step,
                    self.here.perc_st(step // 2) if role == "perc" else DRUM_ST, level, 0.5, False,
                    cause, DRUM_TOUCH.get(role, ""),
                    seq=self.memory.newest if " over " in cause else -1)
                for role, step, level, cause in strikes]

    def struck(self, role, place):
        """Rows that an edit strikes where there were none; place 0..1 chooses the tone."""
        grammar = self.grammars[role]
        if grammar.kind == "clip":
            tone = grammar.tone(place)
        else:
            tone = int(place * 9) - 4 if grammar.kind == "hook" else int(place * 3.99)
        mark = Mark(0, 1.0, tone, grammar.level - 0.1, False, "")
        return rows_of(grammar, self.part(role), mark, self.here)
