"""The suite on one set: rehearse, perform on paper, test every mapping. Thread: control."""
import dataclasses
import tempfile

from engine import sets
from engine.table import Table
from studies.prove import (
    audible,
    causality,
    confounds,
    fidelity,
    information,
    nulls,
    paper,
    rehearse,
)
from studies.prove.table import Check, mappings_of

GAUSSIAN, UNTRAINED, SHUFFLED = "told from noise", "told from an untrained model", "told shuffled"
TURNS, ENOUGH = 4, 60                     # places to begin a text at; windows that are enough
SHORT_BARS = 48                           # of the performances of one feature alone


@dataclasses.dataclass
class Options:
    """What is asked for. texts, bars: of the rehearsal, None for the suite's own; fidelity: with
    the tests that render sound; prompts: for them, domain -> texts, None for those that come
    along; untrained: with the model of random weights."""
    set: str
    model: str | None = None
    take: str | None = None
    texts: tuple | None = None
    bars: int | None = None
    fidelity: bool = True
    prompts: dict | None = None
    untrained: bool = True


class Suite:
    """One run. made: the Set; mappings: with their checks; checks: of the whole set."""

    def __init__(self, options, report):
        self.options, self.report, self.checks, self.shares = options, report, [], (0.0, 1.0)
        made = sets.load(options.set)
        self.made = dataclasses.replace(made, model=options.model) if options.model else made
        self.sheet = self.paper_table(self.made)
        self.mappings, self.absent, self.bars, self.model = [], [], 0, None

    @staticmethod
    def paper_table(made):
        return Table(made.parts, made.sends, made.master, made.duck, made.key_part,
                     made.out_level_db, made.noise_seed, sounding=False)

    def say(self, share, words=""):
        low, high = self.shares
        self.report(low + (high - low) * min(max(share, 0.0), 1.0), words)

    def part(self, low, high):
        self.shares = low, high

    def play(self, frames, bars):
        """A Score of the set from frames."""
        return paper.perform(self.made, self.sheet, frames, self.names, bars)

    def add(self, test, value, limit, passed, words=""):
        self.checks.append(Check(test, value, limit, passed, words))

    def run(self):
        """Every test; returns what was read back from the sound."""
        self.gather()
        self.perform()
        self.examine()
        self.documented()
        return self.fidelity()

    # ---- from the model
    def gather(self):
        """The model reads; its nulls too."""
        self.part(0.0, 0.3)
        self.model = rehearse.Model(self.made, self.say)
        self.stage = rehearse.rehearse(self.model, self.options.texts, self.options.bars, self.say)
        self.names, self.bars, self.frames = (self.stage.names, self.stage.bars,
                                              self.stage.frames)

    def perform(self):
        self.part(0.3, 0.4)
        self.scores = self._played(self.frames, "the texts are played", (0,))
        found = mappings_of(self.made, self.names, self.scores)
        known = causality.given(self.frames)
        self.mappings = [m for m in found if not m.unavailable(known)]
        self.absent = [m for m in found if m.unavailable(known)]
        self.bench = causality.Bench(self.play, self.frames, self.names,
                                     self.made.tokens_per_bar)

    def _played(self, many, words, turns):
        """Scores of texts, begun at these quarters of them."""
        found = []
        for number, (turn, frames) in enumerate((t, f) for t in turns for f in many):
            self.say(number / (len(turns) * len(many)), words)
            start = len(frames) * turn // TURNS
            found.append(self.play(frames[start:] + frames[:start], self.bars))
        return found

    def examine(self):
        """Everything that needs no sound, in an order from cause to what is heard."""
        short = min(SHORT_BARS, self.bars)
        for m in self.mappings:
            causality.unrelated(m, self.scores)
        self.part(0.4, 0.55)
        causality.again(self.mappings, self.bench, short)
        kept = min(short, len(self.stage.records) // self.made.tokens_per_bar)
        causality.past_stays(self.mappings, self.bench,
                             lambda t: rehearse.exchanged_record(self.stage, t), kept)
        causality.one_at_a_time(self.mappings, self.bench, short, self.say)
        self.part(0.55, 0.65)
        causality.grows(self.mappings, self.bench, self.bars, self.say)
        self.part(0.65, 0.8)
        self._nulls()
        confounds.examine(self.mappings, self.scores, self.stage.lengths, self.made.claims)
        information.examine(self.mappings, self.scores, self.frames)
        self.part(0.8, 0.85)
        audible.examine(self.mappings, self.made, self.scores, self.say)
        self._seeds()

    def _nulls(self):
        """Real and null performances; the texts are begun at other places too where a role writes
        too few cells to be told by."""
        few = any(len(nulls.windows_of(m, self.scores, len(self.frames))[0]) < ENOUGH
                  for m in self.mappings if m.kind == "role")
        turns = tuple(range(TURNS if few else 1))
        real = self.scores + self._played(self.frames, "the texts are begun elsewhere", turns[1:])
        noise = self._played(self.stage.noise, "noise is played", turns)
        nulls.compare(self.mappings, real, noise, GAUSSIAN, self.frames, self.stage.noise)
        if self.options.untrained:
            self._untrained(real, turns)
        mixed = self._played(self.stage.shuffled, "shuffled records are played", (0,))
        nulls.compare(self.mappings, self.scores, mixed, SHUFFLED, self.frames,
                      self.stage.shuffled, must=False)
        p, who = nulls.ordered(self.mappings, SHUFFLED)
        self.add("shuffled records are told from the text", p, f"p < {nulls.LIMIT}",
                 None if p is None else p < nulls.LIMIT, f"most of all by {who}" if who else
                 "nothing to tell them by")

    def _untrained(self, real, turns):
        with tempfile.TemporaryDirectory(prefix="hiddenstage-untrained-") as folder:
            process = nulls.untrained(nulls.folder_of(self.made.model), folder)
            self.say(0.3, "a model of random weights is made")
            _, said = process.communicate()
            if process.returncode:
                line = (said.strip().splitlines() or ["no reason given"])[-1]
                for m in self.mappings:
                    m.add(UNTRAINED, None, f"p < {nulls.LIMIT}", None,
                          f"such a model cannot be made ({line[:120]})")
                return
            twin = rehearse.once(dataclasses.replace(self.made, model=folder), self.stage.texts,
                                 self.bars, self.say, self.model.directions)
        scores = self._played(twin.frames, "the untrained model is played", turns)
        nulls.compare(self.mappings, real, scores, UNTRAINED, self.frames, twin.frames)

    def _seeds(self):
        """Another noise seed changes no event; another model seed changes the text and the music.
        """
        short = min(16, self.bars)
        frames = self.bench.short(0, short)
        other = dataclasses.replace(self.made, noise_seed=self.made.noise_seed + 1)
        one, two = (paper.perform(made, self.paper_table(made), frames, self.names, short)
                    for made in (self.made, other))
        same = one.heard == two.heard
        self.add("another noise seed changes no event", float(same), "identical", same)
        seeded = dataclasses.replace(self.made, seed=self.made.seed + 1)
        if self.made.temperature == 0.0:
            self.add("another model seed is another text", None, "other events", None,
                     "at temperature 0 there is only one text")
            return
        stage = rehearse.once(seeded, self.stage.texts[:1], short, self.say)
        said = ["".join(f.text for f in some) for some in (frames, stage.frames[0])]
        moved = self.play(stage.frames[0], short).heard != one.heard
        self.add("another model seed is another text", float(moved and said[0] != said[1]),
                 "other words, other events", moved and said[0] != said[1])

    # ---- the whole
    def documented(self):
        """What is labelled decorative is named so in the set's docstring."""
        told = decorative_lines(self.made.doc)
        missing = [m.name for m in (*self.mappings, *self.absent) if m.decorative and not any(
            word in told for word in (m.name, getattr(m.row, "target", m.name)))]
        self.add("decorative mappings are named in the docstring", float(len(missing)), "0 missing",
                 not missing, f"missing: {', '.join(missing)}" if missing else "")

    def fidelity(self):
        """What is read back from the sound."""
        if not self.options.fidelity:
            return {}
        self.part(0.85, 1.0)
        return fidelity.measure(self.made, self.names, self.model.frames_of,
                                self.options.prompts or fidelity.domains(), self.say)


def decorative_lines(doc):
    """What a set's docstring says behind `decorative`, continued lines too."""
    found, inside = [], False
    for line in (doc or "").splitlines():
        inside = line.startswith("decorative") or inside and line[:1].isspace()
        found += [line] if inside else []
    return " ".join(found)
