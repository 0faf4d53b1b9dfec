"""The suite on a take: its frames in pieces, in the place of texts. Thread: control."""
from engine.errors import EngineError
from engine.journal import Take
from engine.performance import meter_class
from engine.records import Frame
from studies.prove import audible, causality, information, rehearse
from studies.prove.suite import GAUSSIAN, SHORT_BARS, SHUFFLED, UNTRAINED, Suite

NEEDS_MODEL = "needs the model, a take is not enough"


class TakeSuite(Suite):
    """What can be tested without the model; the rest says so."""

    def gather(self):
        """The frames of a take, in pieces, in the place of texts."""
        take = Take(self.options.take)
        frames = [Frame(f["seq"], f["token"], f["text"], f["flags"], f["raw"], f["unit"],
                        *f["marks"]) for f in take.frames]
        per_bar = self.made.tokens_per_bar = take.head["tokens_per_bar"]
        self.bars = min(rehearse.bars_for(self.made), len(frames) // per_bar // 4)
        if self.bars < 8:
            raise EngineError(f"{self.options.take}: {len(frames)} records are too few, "
                              f"{32 * per_bar} are needed")
        size = self.bars * per_bar
        self.frames = [frames[i:i + size] for i in range(0, len(frames) - size + 1, size)][:8]
        self.names = tuple(dict.fromkeys(name for f in frames for name in (*f.raw, *f.unit)))
        self.names = tuple(dict.fromkeys((*meter_class().names, *self.names)))

    def examine(self):
        short = min(SHORT_BARS, self.bars)
        causality.again(self.mappings, self.bench, short)
        causality.one_at_a_time(self.mappings, self.bench, short, self.say)
        causality.grows(self.mappings, self.bench, self.bars, self.say)
        information.examine(self.mappings, self.scores, self.frames)
        audible.examine(self.mappings, self.made, self.scores, self.say)
        for m in self.mappings:
            for test in ("unrelated texts agree", "the past stays", GAUSSIAN, UNTRAINED, SHUFFLED,
                         "follows the position", "follows the prompt length"):
                m.add(test, None, "", None, NEEDS_MODEL)

    def fidelity(self):
        """One text is not enough to read features back from others."""
        return {}
