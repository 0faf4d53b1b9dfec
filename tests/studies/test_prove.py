"""The suite catches three frauds, each for its own reason, and lets an honest set pass."""
import dataclasses

import numpy as np
import pytest

from engine import sets
from engine.errors import SetError
from engine.journal import Take
from engine.mapping import Link, Note, Step
from engine.sets import Set
from studies.prove import causality, confounds, information, nulls, paper, rehearse, stats, table
from studies.prove.suite import Suite

BARS, TEXTS = 16, rehearse.TEXTS[:5]


def quiet(share, words=""):
    """Nobody reads the progress of a test."""


@pytest.fixture(scope="module")
def stage():
    """What the embedded model does with five texts."""
    model = rehearse.Model(sets.load("sets/frauds/hash.py"), quiet)
    try:
        yield rehearse.rehearse(model, TEXTS, BARS, quiet)
    finally:
        model.close()


@dataclasses.dataclass(frozen=True)
class Honest:
    """A lead whose pitch and level are what two features say; a kick that nobody decided.

    secret  True: of one of the two it says nothing
    """
    secret: bool = False

    def player(self, steps_per_token, bars):
        return HonestPlayer(self.secret)


@dataclasses.dataclass
class HonestPlayer:
    secret: bool

    def step(self, step, frames, late):
        notes = [Note("bass", 36.0, 0.9, cause="grammar: kick")] if step % 4 == 0 else []
        for frame in frames:
            tone, level = (frame.unit.get(name) for name in ("resid.axis.1", "mlp.mid.sparsity"))
            if tone is not None and level is not None:
                notes.append(Note("lead", 60.0 + round(12 * tone), 0.3 + 0.6 * level, cause=(
                    f"lead: resid.axis.1 {tone:.2f}"
                    + f", mlp.mid.sparsity {level:.2f}" * (not self.secret)),
                    seq=frame.record))
        return Step(notes, [], "one")


LINK = Link("resid.axis.2", (0.1, 0.9), "lead.brightness", (0.2, 0.9))


def honest():
    """A set of the honest music, with one link."""
    return dataclasses.replace(sets.load("sets/frauds/hash.py"), music=Honest(), links=(LINK,))


def examined(made, stage, report=quiet):
    """The set's mappings by name, with the checks of events."""
    suite = object.__new__(Suite)
    suite.made, suite.names, suite.sheet = made, stage.names, Suite.paper_table(made)
    scores = [suite.play(frames, BARS) for frames in stage.frames]
    found = table.mappings_of(made, stage.names, scores)
    bench = causality.Bench(suite.play, stage.frames, stage.names, made.tokens_per_bar)
    for m in found:
        causality.unrelated(m, scores)
    causality.past_stays(found, bench, lambda t: rehearse.exchanged_record(stage, t), BARS // 2)
    causality.one_at_a_time(found, bench, BARS // 2, report)
    causality.grows(found, bench, BARS, report)
    nulls.compare(found, scores, [suite.play(frames, BARS) for frames in stage.noise], "noise",
                  stage.frames, stage.noise)
    confounds.examine(found, scores, stage.lengths, made.claims)
    information.examine(found, scores, stage.frames)
    return {m.name: m for m in found}


def failed(m):
    return {check.test for check in m.checks if check.passed is False}


def words(m, test):
    return next(check.words for check in m.checks if check.test == test)


def test_an_honest_set_passes_and_its_kick_is_no_evidence(stage):
    found = examined(honest(), stage)
    assert set(found) == {"lead", "resid.axis.2 -> lead.brightness"}
    assert {name: failed(m) for name, m in found.items()} == {name: set() for name in found}


def test_dice_are_caught_by_what_unrelated_texts_share(stage):
    lead = examined(sets.load("sets/frauds/dice.py"), stage)["lead"]
    assert {"unrelated texts agree", "what it names moves it", "noise"} <= failed(lead)
    assert "follows the prompt length" not in failed(lead)


def test_a_hash_is_caught_by_the_feature_that_moves_nothing(stage):
    lead = examined(sets.load("sets/frauds/hash.py"), stage)["lead"]
    assert {"only what it names moves it", "what it names moves it"} <= failed(lead)
    assert "token ids" in words(lead, "only what it names moves it")
    assert "unrelated texts agree" not in failed(lead)


def test_length_is_caught_by_what_it_follows(stage):
    lead = examined(sets.load("sets/frauds/length.py"), stage)["lead"]
    assert {"follows the prompt length", "only what it names moves it"} <= failed(lead)
    assert "the prompt's end" in words(lead, "only what it names moves it")


def test_a_feature_that_is_kept_secret_is_caught(stage):
    made = dataclasses.replace(honest(), music=Honest(secret=True), links=())
    suite = object.__new__(Suite)
    suite.made, suite.names, suite.sheet = made, stage.names, Suite.paper_table(made)
    bench = causality.Bench(suite.play, stage.frames, stage.names, made.tokens_per_bar)
    found = table.mappings_of(made, stage.names, [suite.play(stage.frames[0], BARS)])
    causality.one_at_a_time(found, bench, 4, quiet)
    assert failed(found[0]) == {"only what it names moves it"}
    assert causality.OTHERS in words(found[0], "only what it names moves it")


def test_a_future_that_is_heard_is_caught(stage):
    """A meter that peeks one record ahead changes what was heard before it."""
    made = honest()
    suite = object.__new__(Suite)
    suite.made, suite.names, suite.sheet = made, stage.names, Suite.paper_table(made)
    bench = causality.Bench(suite.play, stage.frames, stage.names, made.tokens_per_bar)
    found = table.mappings_of(made, stage.names, [suite.play(stage.frames[0], BARS)])

    def peeking(t):
        frames = rehearse.exchanged_record(stage, t)
        return [dataclasses.replace(one, raw=two.raw, unit=two.unit)
                for one, two in zip(frames, frames[1:] + frames[-1:], strict=True)]
    causality.past_stays(found, bench, peeking, BARS // 2)
    assert all(failed(m) == {"the past stays"} for m in found)


@pytest.mark.slow
def test_what_is_proved_is_what_plays(stage, tmp_path):
    """Paper, from frames of a model that has read other texts, is the take of a render."""
    from engine.session import Options, render
    made, path = sets.load("sets/frauds/hash.py"), str(tmp_path / "a.take")
    render(Options(set="sets/frauds/hash.py", prompt=TEXTS[3], bars=4, record=path,
                   out=str(tmp_path / "a.wav")))
    played = paper.score_of(Take(path))
    score = paper.perform(made, Suite.paper_table(made), stage.frames[3], stage.names, 4)
    assert len(score.notes) > 20 and score.notes == played.notes
    assert [step[0] for step in score.steps] == [step[0] for step in played.steps]


def test_statistics_know_chance():
    random = np.random.default_rng(3)
    rows = random.integers(0, 4, (8, 400))
    assert abs(stats.kappa_of(rows)) < 0.05 and stats.kappa_of(rows[[0] * 8]) > 0.99
    x, y = random.normal(size=(2, 400))
    pairs = [(stats.binned(x), stats.binned(y))] * 20
    assert stats.information(pairs)[0] < 0.02
    assert stats.information([(stats.binned(x), stats.binned(x + 0.1 * y))])[0] > 1.2
    windows = random.normal(size=(2, 64, 6))
    groups = [*range(8)] * 16
    assert stats.told_apart(windows[0], windows[1], groups)[0] > 0.05
    assert stats.told_apart(windows[0], windows[1] + [0, 0, 0, 0, 0, 1.5], groups)[0] < 1e-6


@pytest.mark.parametrize(("claims", "line"), [
    ({"feature": 3}, "no claim 'feature'; did you mean 'features'"),
    ({"domains": 2}, "share 0..1"), ({"features": 0.5}, "count"),
    ({"declared": {"bell": ("postion",)}}, "did you mean 'position'")])
def test_claims_that_cannot_be_tested_are_refused(claims, line):
    made = sets.load("sets/frauds/hash.py")
    with pytest.raises(SetError, match=line.replace("?", ".")):
        Set(parts=made.parts, music=made.music, claims=claims)
