"""What of a registry goes on which page of a layout, whatever draws it. Thread: control.

A page of what plays the stage first, then a page for each part or effect.
"""
import math
from dataclasses import dataclass

FADER, BUTTON, TOGGLE, TEXT = "fader", "button", "toggle", "text"
STAGE = "stage"


@dataclass(frozen=True)
class Control:
    """One control: `entry` is what it moves, `sends` the word of a button that chooses."""
    kind: str
    entry: object
    label: str
    sends: str = ""


@dataclass(frozen=True)
class Page:
    title: str
    controls: tuple


def controls(entry):
    """The controls of an entry; none for what a surface cannot show by itself."""
    name = entry.address.rpartition("/")[2]
    if entry.kind == "out" or len(entry.tags) > 1:
        return []
    if entry.choices:
        return [Control(BUTTON, entry, choice, choice) for choice in entry.choices]
    if entry.tags == "s":
        return [Control(TEXT, entry, name)]
    if not entry.tags:
        return [Control(BUTTON, entry, name)]
    if entry.kind == "value":
        name = name if entry.path else " ".join(entry.address[1:].split("/"))
        return [Control(FADER, entry, _label(name, entry.unit))]
    if entry.tags == "i" and (entry.low, entry.high) == (0.0, 1.0):
        return [Control(TOGGLE, entry, " ".join(entry.address[1:].split("/")))]
    return []


def _label(name, unit):
    """A name in words, its unit last: "cutoff hz", "tempo bpm"."""
    words = name.split("_")
    return " ".join(words if not unit or words[-1] == unit else [*words, unit])


def pages(entries):
    """[Page]: what plays the stage first, then one for each owner of parameters."""
    found, decks = {STAGE: []}, {e.address.split("/")[1] for e in entries if e.path}
    for entry in entries:
        owner = entry.address.rpartition("/")[0][1:] if entry.path else STAGE
        found.setdefault(owner, []).extend(controls(entry))
    return [Page(_title(owner, decks), tuple(inside)) for owner, inside in found.items() if inside]


def _title(owner, decks):
    """"bass" of "a/bass" while there is one deck; with two, the deck stays."""
    return owner.partition("/")[2] or owner if len(decks) == 1 else owner.replace("/", " ")


def share(entry):
    """Where a linear fader stands for the entry's value, 0..1."""
    span = entry.high - entry.low
    return min(max((entry.default - entry.low) / span, 0.0), 1.0) if span > 0.0 else 0.0


def grid(count, most):
    """(rows, columns) for so many things, at most so many in a row."""
    rows = max(1, math.ceil(count / most))
    return rows, max(1, math.ceil(count / rows))
