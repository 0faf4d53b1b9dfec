"""A set's mappings, each by itself: its links, its triggers, the roles of its music. What one of
them sounded in a score, as rows of numbers. Thread: control.

A role is the first word of a note's cause. A note whose cause names no feature and no record is the
grammar's, and no evidence.
"""
import re
from dataclasses import dataclass, field

import numpy as np

from engine.clock import STEPS_PER_BAR
from engine.mapping import Link

NAMED = re.compile(r"\b[a-z]\w*(?:\.\w+)+")
CLIP = re.compile(r" clip .* bar \d+")
LAYER = re.compile(r"\blayer (\d+)|\.(\d+)\.")
WORDS = "text"                            # what a role reads that follows the words' marks
CLASSES = 12


@dataclass
class Check:
    """One test of one mapping. passed: None where it does not apply.

    limit  what `value` had to keep, in words
    """
    test: str
    value: float | None
    limit: str
    passed: bool | None
    words: str = ""


@dataclass
class Mapping:
    """One row of the report.

    kind   "link", "trigger" or "role";  reads  full names of the features that may move it
    form   features that may move everything, this too
    dose   (distance of the features, of what is heard) of pairs, for the report's plot
    """
    name: str
    kind: str
    reads: tuple
    form: tuple = ()
    row: object = None
    decorative: bool = False
    checks: list = field(default_factory=list)
    dose: list = field(default_factory=list)

    def notes(self, score):
        """Its notes in a score."""
        if self.kind == "link":
            return []
        if self.kind == "trigger":
            part = self.row.target.removesuffix(".strike")
            return [n for n in score.notes if n.cause == self.row.feature and n.part == part]
        return [n for n in score.notes if role_of(n) == self.name]

    def moves(self, score):
        """What it moved."""
        if self.kind != "link":
            return []
        return [m for m in score.moves if m.by == "link" and m.target == self.row.target]

    def heard(self, score, before=None):
        """All that is heard of it, up to a step."""
        found = [one.heard for one in (self.moves(score) or self.notes(score))]
        return found if before is None else [one for one in found if one[0] < before]

    def shares(self, score):
        """(steps,) how far into its `writes` a link's target stands at each 16th; NaN before."""
        found, value, moves = np.full(score.bars * STEPS_PER_BAR, np.nan), np.nan, {}
        for move in self.moves(score):
            moves[move.step] = move.value
        for step in range(len(found)):
            value = share_of(self.row, moves[step]) if step in moves else value
            found[step] = value
        return found

    def unavailable(self, known):
        """Whether the model gives nothing that it reads; then it says so, and is not tested."""
        missing = [name for name in self.reads if name != WORDS]
        if self.kind == "role" or not missing or any(name in known for name in missing):
            return False
        if not self.checks:
            self.add("available", None, "", None, f"this model gives no {', '.join(missing)}")
        return True

    @property
    def passed(self):
        return all(check.passed is not False for check in self.checks)

    def add(self, test, value, limit, passed, words=""):
        self.checks.append(Check(test, None if value is None else float(value), limit,
                                 None if passed is None else bool(passed), words))


def share_of(link, value):
    """Where a value stands between a link's two `writes`, 0..1 along its curve."""
    first, last = link.writes
    if first == last:
        return 0.0
    if link.curve == "exp":
        return float(np.log(value / first) / np.log(last / first))
    return (value - first) / (last - first)


def named(cause):
    """The features that a cause names."""
    return NAMED.findall(CLIP.sub("", cause))


def role_of(note):
    """The role of a note that the model decided; "" for the grammar's."""
    text = note.cause.partition("; touch ")[0]
    if "grammar" in text or not (note.seq >= 0 or named(text)):
        return ""
    return text.split()[0].rstrip(":,") if text.split() else ""


def full_name(name, names):
    """A feature's full name: `token.surprisal` is `token.surprisal_nat`."""
    return name if name in names else next(
        (one for one in names if one.rpartition("_")[0] == name), name)


def mappings_of(made, names, scores):
    """Every Mapping of a set, from its tables and from what its scores say."""
    found, steered = [], []
    for row in made.links:
        kind = "link" if isinstance(row, Link) else "trigger"
        arrow = f"{row.feature} -> {row.target}"
        feature = full_name(row.feature, names)
        found.append(Mapping(arrow, kind, (feature,), row=row, decorative=row.decorative))
        if row.target.startswith("music."):
            steered.append(feature)
    triggered = {(row.row.feature, row.row.target.removesuffix(".strike"))
                 for row in found if row.kind == "trigger"}
    declared = getattr(made.music, "reads", None)
    form = tuple(dict.fromkeys([*steered, *_full(declared.get("", ()) if declared else
                                                 _form(scores), names)]))
    labels = set(getattr(made.music, "decorative", ()))
    for row in found:
        row.form = form if getattr(row.row, "latch", "") == "phrase" else ()
    for role in _roles(scores, triggered):
        reads = (declared or {}).get(role) or _said(scores, role)
        found.append(Mapping(role, "role", _full(reads, names), form, decorative=role in labels))
    return found


def _full(reads, names):
    return tuple(dict.fromkeys(full_name(name, names) for name in reads))


def _roles(scores, triggered):
    """The roles that play in scores, triggers left out, in the order of their first note."""
    found = {}
    for score in scores:
        for note in score.notes:
            if (note.cause, note.part) not in triggered and role_of(note):
                found[role_of(note)] = True
    return list(found)


def _said(scores, role):
    """What the causes of a role's notes name."""
    found = {}
    for score in scores:
        for note in score.notes:
            if role_of(note) == role:
                found |= dict.fromkeys(named(note.cause))
                if not named(note.cause) or "sentence" in note.cause:
                    found[WORDS] = True
    return tuple(found)


def _form(scores):
    """What the causes of the music's own moves name, and of its chords."""
    found = {}
    for score in scores:
        for move in score.moves:
            if move.by == "music":
                found |= dict.fromkeys(named(move.cause))
                if "sentence" in move.cause:
                    found[WORDS] = True
        for note in score.notes:
            if note.cause.startswith("chord "):
                found |= dict.fromkeys(named(note.cause.partition("; touch ")[0]))
    return tuple(found)


# ---- rows of numbers
def bar_of(note):
    return note.step // STEPS_PER_BAR


def pitched(notes):
    """Whether a role has more than one pitch."""
    return len({round(n.pitch_st, 3) for n in notes}) > 1


def grid(notes, bars, classes):
    """(bars, 16 * classes) bool: what is struck where; one class: only whether."""
    found = np.zeros((bars, STEPS_PER_BAR, classes), bool)
    for n in notes:
        if bar_of(n) < bars:
            found[bar_of(n), n.step % STEPS_PER_BAR,
                  round(n.pitch_st) % CLASSES if classes > 1 else 0] = True
    return found.reshape(bars, -1)


def layer_of(note):
    """The layer that a note's cause names, or None."""
    found = LAYER.search(note.cause)
    return int(found[1] or found[2]) if found else None
