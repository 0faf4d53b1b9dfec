"""Control files: which knob, pad or pedal moves what, one row a line. Thread: control.

    controls = [
        { port = "nanoKONTROL2", channel = 1, message = "cc 16", target = "/a/bass/cutoff_hz" },
        { message = "note 36", target = "/scene drop" },
    ]

TOML, written by hand or by `hiddenstage learn`: what a hand wrote there, comments too, stays.

source  TOML 1.0
"""
import json
import re
import tomllib
from dataclasses import dataclass, fields

from engine.errors import SetError, suggestion
from engine.param import CURVES

MOST_ROWS = 4096
# what a message's number may be: (lowest, highest, whether it may be left out)
NUMBERS = {"cc": (0, 127, False), "note": (0, 127, False), "notes": (0, 127, True),
           "bend": None, "pressure": (0, 127, True), "program": (0, 127, True),
           "nrpn": (0, 16383, False)}
MESSAGE = re.compile(r"([a-z]+)(?: +(\d{1,5})(?: *([/-]) *(\d{1,5}))?)?")
RELATIVE = ("relative two's complement", "relative offset", "relative sign")
MODES = ("pickup", "jump", *RELATIVE, "toggle", "momentary", "trigger")
LAST_LINE = re.compile(r"\(at line (\d+), column \d+\)$")


@dataclass(frozen=True)
class Message:
    """What a controller sends.

    kind    "cc", "note" (one), "notes" (a keyboard), "bend", "pressure", "program", "nrpn"
    number  of the controller, key, program (from 0) or parameter; -1: any
    other   of "cc 21/53" the fine one; of "notes 36-59" the last one; -1: none
    """
    kind: str
    number: int = -1
    other: int = -1

    def __str__(self):
        joint = "-" if self.kind == "notes" else "/"
        return (self.kind + (f" {self.number}" if self.number >= 0 else "")
                + (f"{joint}{self.other}" if self.other >= 0 else ""))


@dataclass(frozen=True)
class Row:
    """One row of a control file; what is left out is chosen by what the message and the target are.

    target   an address of the registry, with what it is told if that is fixed: "/scene drop"
    port     any port whose name holds this, or one of "these|these"; "": any
    channel  1..16; 0: any
    mode     one of MODES; "": the usual one
    range    (low, high) in the target's unit;  curve  "lin" or "exp"
    invert   up is down;  feedback  lights and motors are told;  lights  velocities of off and on
    step     of an endless encoder, as a share of the range
    acceleration  how many times more a fast turn moves, 0 for none
    """
    message: Message
    target: str
    port: str = ""
    channel: int = 0
    mode: str = ""
    range: tuple = ()
    curve: str = ""
    invert: bool = False
    feedback: bool = True
    lights: tuple = (0, 127)
    step: float = 1 / 128
    acceleration: float = 0.0

    @property
    def source(self):
        """What it listens to: rows with the same source hear the same control."""
        return self.port, self.channel, self.message

    def hears(self, port, channel):
        """Whether what comes from there is for it."""
        names = [name.strip().casefold() for name in self.port.split("|") if name.strip()]
        return self.channel in (0, channel) and (
            not names or any(name in str(port).casefold() for name in names))

    @property
    def address(self):
        return self.target.split(" ", 1)[0]


def message_of(text):
    """The Message of "cc 21", "cc 21/53", "note 36", "notes 36-59", "program", "nrpn 300" …"""
    match = MESSAGE.fullmatch(str(text).strip())
    kind, number, joint, other = match.groups() if match else (str(text).split(" ")[0],) + 3 * (
        None,)
    if kind not in NUMBERS:
        raise SetError(f"message {str(text)!r:.40}{suggestion(kind, NUMBERS)}")
    limits = NUMBERS[kind]
    if not match or joint and joint != {"cc": "/", "notes": "-"}.get(kind) or (
            kind == "notes" and number and not other):
        raise SetError(f"message {str(text)!r:.40} is not like 'cc 21', 'cc 21/53', 'note 36', "
                       "'notes 36-59', 'bend' or 'nrpn 300'")
    if limits is None and number:
        raise SetError(f"message {kind!r} has no number, not {text!r:.40}")
    if limits and not number and not limits[2]:
        raise SetError(f"message {kind!r} needs a number, {limits[0]} to {limits[1]}")
    found = [int(n) for n in (number, other) if n]
    if limits and any(not limits[0] <= n <= limits[1] for n in found):
        raise SetError(f"message {text!r:.40}: its number must be {limits[0]} to {limits[1]}")
    if len(found) == 2 and (found[0] == found[1] or kind == "notes" and found[0] > found[1]):
        raise SetError(f"message {text!r:.40}: the second number must be another, and higher")
    return Message(kind, *found)


def _flag(value):
    return value if isinstance(value, bool) else None


def _word(value):
    return value.strip() if isinstance(value, str) and value.strip() and len(value) < 2000 else None


def _number(low, high):
    def check(value):
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if good and low <= value <= high else None
    return check


def _whole(low, high):
    def check(value):
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return value if good else None
    return check


def _pair(one):
    def check(value):
        if not isinstance(value, list) or len(value) != 2:
            return None
        found = tuple(one(v) for v in value)
        return None if None in found else found
    return check


def _rising(value):
    found = _pair(_number(-1e9, 1e9))(value)
    return found if found and found[0] < found[1] else None


def _one_of(known):
    return lambda value: value if isinstance(value, str) and value in known else None


# key -> (what gives its value or None, what it must be)
KEYS = {
    "target": (_word, 'an address, as in "/a/bass/cutoff_hz" or "/scene drop"'),
    "port": (_word, "a part of a port's name"),
    "channel": (_whole(1, 16), "1 to 16"),
    "mode": (_one_of(MODES), ", ".join(MODES)),
    "range": (_rising, "[low, high], low first (invert = true turns it round)"),
    "curve": (_one_of(CURVES), " or ".join(CURVES)),
    "invert": (_flag, "true or false"),
    "feedback": (_flag, "true or false"),
    "lights": (_pair(_whole(0, 127)), "[off, on], each 0 to 127"),
    "step": (_number(1 / 16384, 1.0), "a share of the range, 0.0001 to 1"),
    "acceleration": (_number(0.0, 64.0), "0 to 64"),
}


def _shown(value):
    try:
        return f"{value!r:.40}"
    except ValueError:                    # Python writes out no number of thousands of digits
        return "a number as long as that"


def row_of(data):
    """The Row of a table of the file; raises SetError that says what is wrong with it."""
    for key in data:
        if key != "message" and key not in KEYS:
            raise SetError(f"{key!r} is nothing a row has{suggestion(key, [*KEYS, 'message'])}")
    for key in ("message", "target"):
        if key not in data:
            raise SetError(f"{key} is missing")
    message = data["message"]
    found = {"message": message_of(message if isinstance(message, str) else _shown(message))}
    for key, value in data.items():
        if key == "message":
            continue
        check, wanted = KEYS[key]
        found[key] = check(value)
        if found[key] is None:
            near = suggestion(value, MODES) if key == "mode" else ""
            raise SetError(f"{key} must be {wanted}, not {_shown(value)}"
                           if "mean" not in near else f"mode {_shown(value)}{near}")
    found["target"] = " ".join(found["target"].split())
    return Row(**found)


def read(text, where, check=None):
    """[Row] of a control file's text.

    check   called with each Row; raises SetError where the set has no such thing
    raises  SetError: the file, the line, what is wrong, and how many more there are
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as fault:      # TOMLDecodeError, or a number too long
        place = LAST_LINE.search(str(fault))
        line = int(place[1]) if place else text.count("\n") + 1
        why = LAST_LINE.sub("", str(fault)).strip()
        raise SetError(f"{where}, line {line}: not readable: {why}") from fault
    for key in data:
        if key != "controls":
            raise SetError(f"{where}: {key!r} is unknown{suggestion(key, ['controls'])}")
    tables = data.get("controls", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise SetError(f"{where}: controls must be rows, controls = [ {{ message = …, "
                       "target = … }, … ]")
    if len(tables) > MOST_ROWS:
        raise SetError(f"{where}: a control file has at most {MOST_ROWS} rows, not {len(tables)}")
    return _rows(tables, where, _lines(text, len(tables)), check)


def _rows(tables, where, lines, check):
    rows, faults, seen = [], [], {}
    for k, table in enumerate(tables):
        try:
            row = row_of(table)
            if check:
                check(row)
            if (earlier := seen.setdefault((*row.source, row.target), k)) != k:
                raise SetError(f"{row.message} moves {row.target} already in "
                               f"{_place(lines, earlier)}")
            rows.append(row)
        except SetError as fault:
            faults.append(f"{where}, {_place(lines, k)}: {fault}")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SetError(faults[0] + more)
    return rows


def _place(lines, k):
    return f"line {lines[k] + 1}" if lines else f"row {k + 1}"


def _lines(text, count):
    """The line of each row, from 0; [] for a file that is not one row a line."""
    found = [n for n, line in enumerate(text.split("\n")) if line.lstrip().startswith("{")]
    return found if len(found) == count else []


def _toml(value):
    if isinstance(value, str):
        clean = value.encode("utf-8", "replace").decode().replace("\x7f", "?")
        return json.dumps(clean, ensure_ascii=False)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value)


def line_of(row):
    """A row as its line in the file; what is as usual is left out."""
    order = ("port", "channel", "message", "target", *(f.name for f in fields(Row)[4:]))
    usual = {f.name: f.default for f in fields(Row)}
    said = {name: getattr(row, name) for name in order if getattr(row, name) != usual[name]}
    said["message"] = str(row.message)
    return "    { " + ", ".join(f"{name} = {_toml(v)}" for name, v in said.items()) + " },"


def _after(line):
    """Where a row's line goes on after its brace; None when more than a comma or a comment is
    there."""
    for place, mark in enumerate(line):
        if mark == "}":
            try:
                tomllib.loads(f"row = {line[:place + 1].strip()}")
            except ValueError:
                continue
            rest = line[place + 1:].strip().removeprefix(",").strip()
            return place + 1 if not rest or rest.startswith("#") else None
    return None


def edited(text, rows, where="controls"):
    """A file's text with these rows instead: lines of rows that stay are not touched.

    raises  SetError when the text is no control file: nothing of it may be lost
    """
    old, written = read(text, where), text.rstrip("\n").split("\n")
    lines = _lines(text, len(old))
    ends = [_after(written[n]) for n in lines]
    if not lines or None in ends:
        notes = [line for line in written if line.lstrip().startswith("#")]
        return "\n".join([*notes, "controls = [", *map(line_of, rows), "]"]) + "\n"
    last, end = lines[-1], ends[-1]
    if not written[last][end:].lstrip().startswith(","):
        written[last] = f"{written[last][:end]},{written[last][end:]}"
    written[last + 1:last + 1] = [line_of(row) for row in rows if row not in old]
    gone = {n for n, row in zip(lines, old, strict=True) if row not in rows}
    return "\n".join(line for n, line in enumerate(written) if n not in gone) + "\n"
