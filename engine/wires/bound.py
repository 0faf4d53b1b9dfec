"""A row of a control file meets the registry: what it does, how, and what it may send. Thread:
control."""
from dataclasses import dataclass

from engine.errors import SetError, suggestion
from engine.formats.controls import RELATIVE, Row
from engine.param import Param
from engine.records import TRIGGER, VALUE
from engine.surface import Entry

PEDALS = range(64, 70)                    # controllers of foot switches
BUTTON_MODES = ("toggle", "momentary", "trigger")
PLAY, LET_GO = "/play/", "/let_go/"


@dataclass(frozen=True)
class Bound:
    """A row and what it moves.

    does   "value": the control's place; "fire": always the same; "choose": a program's scene;
           "keys": notes to a part; "pad": one key to a part, at a pitch of its own
    place  of the entry in the registry
    param  the row's range and curve;  values, text  what "fire" and "pad" send
    """
    row: Row
    entry: Entry
    place: int
    does: str
    mode: str
    param: Param
    values: tuple = ()
    text: str = ""

    @property
    def kind(self):
        return VALUE if self.entry.kind == "value" and self.does == "value" else TRIGGER

    @property
    def whole(self):
        """Whether it sends whole numbers."""
        return self.entry.tags == "i"


def check(entries):
    """What `engine.formats.controls.read` asks of each row: that the set has its target."""
    known = places(entries)

    def one(row):
        bind(row, known)
    return one


def places(entries):
    """address -> (place, entry) of all that a control can move."""
    return {entry.address: (place, entry) for place, entry in enumerate(entries)
            if entry.kind != "out"}


def bind(row, known):
    """The Bound of a row; raises SetError where it does not fit what it moves."""
    address, _, words = row.target.partition(" ")
    if address not in known:
        raise SetError(f"nothing is called {address!r}{suggestion(address, known)}")
    place, entry = known[address]
    does, values, text = _doing(row, entry, words)
    param = _param(row, entry)
    mode = row.mode or _usual_mode(row.message, entry, does)
    _check_mode(row, does, mode, entry)
    return Bound(row, entry, place, does, mode, param, values, text)


def _doing(row, entry, words):
    """(does, values, text)"""
    kind, address = row.message.kind, entry.address
    if kind == "notes":
        if not address.startswith(PLAY) or words:
            raise SetError(f"'notes' play a part, target = \"{PLAY}NAME\", not {row.target!r}")
        return "keys", (), ""
    if address.startswith(PLAY) and kind == "note" and len(words.split()) == 1:
        return "pad", (_number(words, entry),), ""
    if words:
        return "fire", *_told(words, entry)
    if not entry.tags:
        return "fire", (), ""
    if entry.tags == "s" and entry.choices and row.message.kind == "program" and (
            row.message.number < 0):
        return "choose", (), ""
    if entry.tags in ("f", "i") and not address.startswith((PLAY, LET_GO)):
        return "value", (), ""
    raise SetError(f"{address!r} must be told {_wanted(entry)}")


def _wanted(entry):
    if entry.choices:
        return (f"which, as in \"{entry.address} {entry.choices[0]}\", or be moved by the message "
                "'program'")
    example = {"s": "something", "f": f"{entry.default:g}", "i": "1",
               "ff": f"{entry.default:g} 1"}.get(entry.tags, "more")
    return f"what, as in \"{entry.address} {example}\""


def _told(words, entry):
    """(values, text) of what follows an address."""
    if entry.tags == "s":
        if entry.choices and words not in entry.choices:
            raise SetError(f"{entry.address} has no {words!r}{suggestion(words, entry.choices)}")
        return (), words
    found = words.split()
    if len(found) != len(entry.tags):
        raise SetError(f"{entry.address!r} takes {len(entry.tags) or 'no'} "
                       f"number{'s' * (len(entry.tags) != 1)}, not {words!r:.40}")
    first = _number(found[0], entry)
    others = tuple(_plain(word, entry) for word in found[1:])
    if "i" in entry.tags and first != int(first):
        raise SetError(f"{entry.address!r} takes a whole number, not {found[0]!r}")
    return (first, *others), ""


def _plain(word, entry):
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= 1e6:
        raise SetError(f"{entry.address!r}: {word!r:.20} must be a number, 0 or more")
    return value


def _number(word, entry):
    try:
        value = float(word)
    except ValueError:
        raise SetError(f"{entry.address!r} takes a number, not {word!r:.20}") from None
    if not entry.low <= value <= entry.high:
        raise SetError(f"{entry.address!r}: {word:.20} is outside {entry.low:g}..{entry.high:g}")
    return value


def _param(row, entry):
    """The row's part of the entry's range."""
    levels = row.message.kind == "notes" or entry.tags == "ff"
    lowest, highest = (0.0, 1.0) if levels else (entry.low, entry.high)
    low, high = row.range or (lowest, highest)
    if not (lowest <= low and high <= highest):
        raise SetError(f"range [{low:g}, {high:g}] reaches beyond {lowest:g}..{highest:g} of "
                       f"{entry.address}")
    curve = row.curve or ("lin" if levels else entry.curve)
    if curve == "exp" and low <= 0.0:
        raise SetError(f"curve \"exp\" needs a range above 0, not [{low:g}, {high:g}]")
    return Param(entry.address, low, high, low, curve)


def _usual_mode(message, entry, does):
    """The mode of a row that names none."""
    if does != "value":
        return "trigger"
    if message.kind == "program":
        return "trigger"
    if message.kind == "note" or entry.tags == "i" and entry.high - entry.low == 1.0:
        return "momentary" if message.kind == "cc" and message.number in PEDALS else "toggle"
    if message.kind == "cc" and message.number in PEDALS:
        return "momentary"
    return "jump" if message.kind in ("bend", "pressure") else "pickup"


def _check_mode(row, does, mode, entry):
    message = row.message
    if does in ("fire", "choose") and (row.range or row.curve):
        raise SetError(f"{row.target!r} is only set off: leave range and curve out")
    if does != "value" and mode != "trigger":
        raise SetError(f"mode {mode!r} moves a value; {entry.address!r} is only set off: leave "
                       "the mode out")
    if mode in RELATIVE and (message.kind != "cc" or message.other >= 0):
        raise SetError(f"mode {mode!r} needs a plain controller, 'cc 21', not '{message}'")
    if message.kind in ("note", "program") and mode not in BUTTON_MODES:
        raise SetError(f"mode {mode!r} needs a control that turns, not '{message}'")
    if message.kind == "program" and (mode != "trigger" or does == "value" and (
            message.number < 0)):
        raise SetError(f"a program sets off one thing: message 'program 3' and no mode, for "
                       f"{entry.address!r}")
