"""Scala tunings: a scale (.scl) and its keyboard mapping (.kbm) as note number to Hz.
Thread: control.

    SET = Set(tuning=Tuning("19edo.scl", kbm="12of19.kbm"), ...)

Without a mapping, note 60 is the first degree at the pitch of middle C and every key the next
degree: a scale of 19 degrees needs 19 keys for its octave. A mapping places twelve of them on the
keys that music is written for. A key it leaves out is silent; outside its first and last note the
keys are equal-tempered.

source   Scala file formats, huygens-fokker.org/scala/scl_format.html and help.htm#mappings
"""
import math
import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import SetError

PITCH = re.compile(r"\s*(?:(-?(?:\d+\.\d*|\.\d+))|(\d+)(?:\s*/\s*(\d+))?)(?=\s|$)")
MIDDLE_NOTE, MOST_DEGREES = 60, 4096


class Equal:
    """Twelve equal steps an octave, A4 = 440 Hz."""

    def hz(self, pitch_st):
        return 440.0 * 2.0 ** ((pitch_st - 69.0) / 12.0)


EQUAL = Equal()


@dataclass(frozen=True)
class Scale:
    """ratios of degrees 0 .. n - 1 over the first; `period` is degree n, 2.0 for an octave."""

    name: str
    ratios: tuple
    period: float

    def ratio(self, degree):
        """Any degree, also negative, over degree 0."""
        turn, place = divmod(degree, len(self.ratios))
        return self.ratios[place] * self.period ** turn


@dataclass(frozen=True)
class Keys:
    """Which degree a key plays, and which note sounds at which frequency.

    map      degree of each key from `middle` on, None for no key; empty: every key the next degree
    octave   the degree at which the map repeats
    """

    first: int = 0
    last: int = 127
    middle: int = MIDDLE_NOTE
    reference: int = MIDDLE_NOTE
    reference_hz: float = EQUAL.hz(MIDDLE_NOTE)
    octave: int = 0
    map: tuple = ()

    def degree(self, note):
        """The degree of a note, None where there is no key."""
        if not self.map:
            return note - self.middle
        turn, place = divmod(note - self.middle, len(self.map))
        return None if self.map[place] is None else self.map[place] + turn * self.octave


class Tuning:
    """A Scala scale on a keyboard: hz(note number).

    scl, kbm   files; relative ones are looked for in `folder`, for a set its own
    raises     SetError that names the file and the line
    """

    def __init__(self, scl, kbm="", folder=""):
        self.scale = scale_of(*_read(scl, folder))
        self.keys = keys_of(*_read(kbm, folder)) if kbm else Keys()
        degree = self.keys.degree(self.keys.reference)
        if degree is None:
            raise SetError(f"{kbm}: the reference note {self.keys.reference} has no key")
        self._reference = self.scale.ratio(degree)
        try:
            ends = [self._hz(note) for note in (self.keys.first, self.keys.last)]
        except OverflowError:
            ends = [math.inf]
        if not all(math.isnan(hz) or 1e-9 < hz < 1e9 for hz in ends):
            raise SetError(f"{scl}: its keys reach beyond what can be heard, from "
                           f"{ends[0]:g} to {ends[-1]:g} Hz")

    def degree_hz(self, degree):
        """The pitch of a degree of the scale; 0 is the key in the middle."""
        return self.keys.reference_hz * (self.scale.ratio(degree) / self._reference)

    def _hz(self, note):
        if not self.keys.first <= note <= self.keys.last:
            return EQUAL.hz(note)
        degree = self.keys.degree(note)
        return math.nan if degree is None else self.degree_hz(degree)

    def hz(self, pitch_st):
        """Hz of a note number; between two keys in proportion; NaN: no key, nothing sounds."""
        low = math.floor(pitch_st)
        if low == pitch_st:
            return self._hz(low)
        return self._hz(low) * (self._hz(low + 1) / self._hz(low)) ** (pitch_st - low)


def tuning_of(scl=None, kbm=None):
    """What the command line asks for: equal temperament if nothing."""
    if kbm and not scl:
        raise SetError(f"{kbm} maps the keys of a scale: give one, --tuning F.scl")
    return Tuning(scl, kbm or "") if scl else EQUAL


def _read(name, folder):
    """(lines with their numbers, comments left out; how messages call the file)"""
    path = Path(folder) / str(name)
    try:
        text = path.read_bytes()
    except OSError as fault:
        raise SetError(f"{path}: cannot be read: {fault.strerror}") from fault
    lines = enumerate(text.decode("latin-1").splitlines(), start=1)
    return [(number, line) for number, line in lines if not line.startswith("!")], path.name


def scale_of(lines, where):
    """The Scale of an .scl file: a name, how many pitches, then each in cents or as a ratio."""
    (_, name), (at, count) = _line(lines, 0, where, "a name"), _line(lines, 1, where, "a number")
    size = _whole(count, where, at, 1, MOST_DEGREES, "the number of pitches")
    ratios = [1.0]
    for k in range(size):
        at, line = _line(lines, 2 + k, where, f"pitch {k + 1} of {size}")
        match = PITCH.match(line)
        if not match:
            raise SetError(f"{where}, line {at}: a pitch is cents with a point (701.955) or a "
                           f"ratio (3/2), not {line.strip()!r:.40}")
        cents, above, below = match.groups()
        ratio = _ratio(cents, above, below or "1")
        if not 1e-6 < ratio < 1e6:
            raise SetError(f"{where}, line {at}: the pitch {line.strip()!r:.40} is out of reach")
        ratios.append(ratio)
    if ratios[-1] == 1.0:
        raise SetError(f"{where}, line {at}: the last pitch is where the scale repeats: not 1/1")
    return Scale(name.strip(), tuple(ratios[:-1]), ratios[-1])


def _ratio(cents, above, below):
    """Of a written pitch; 0 for one that is none."""
    try:
        return 2.0 ** (float(cents) / 1200.0) if cents else int(above) / int(below)
    except (OverflowError, ZeroDivisionError):
        return 0.0


def keys_of(lines, where):
    """The Keys of a .kbm file: seven numbers, then the degree of each key or x."""
    def number(k, what, low=0, high=127):
        at, line = _line(lines, k, where, what)
        return _whole(line, where, at, low, high, what)
    size = number(0, "the size of the map", 0, MOST_DEGREES)
    first, last = number(1, "the first note"), number(2, "the last note")
    middle, reference = number(3, "the middle note"), number(4, "the reference note")
    at, line = _line(lines, 5, where, "the reference frequency")
    hz = _number(line)
    if not 1.0 <= hz <= 20000.0:
        raise SetError(f"{where}, line {at}: the reference frequency is 1 to 20000 Hz, not "
                       f"{line.strip()!r:.40}")
    octave = number(6, "the degree of the octave", 0, MOST_DEGREES)
    degrees = [_degree(line, where, at) for at, line in lines[7:7 + size] if line.strip()]
    if size and not any(degree is not None for degree in degrees):
        raise SetError(f"{where}: no key is mapped")
    return Keys(first, last, middle, reference, hz, octave,
                tuple(degrees) + (None,) * (size - len(degrees)))


def _degree(line, where, at):
    word = (line.split() or [""])[0]
    if word.lower() == "x":
        return None
    return _whole(word, where, at, -MOST_DEGREES, MOST_DEGREES, "the degree of a key, or x,")


def _line(lines, k, where, what):
    if k >= len(lines):
        end = lines[-1][0] if lines else 1
        raise SetError(f"{where}, line {end}: the file ends before {what}")
    return lines[k]


def _number(line):
    try:
        return float(line.split()[0])
    except (ValueError, IndexError):
        return math.nan


def _whole(line, where, at, low, high, what):
    word = (line.split() or [""])[0]
    if not re.fullmatch(r"-?\d{1,9}", word) or not low <= int(word) <= high:
        raise SetError(f"{where}, line {at}: {what} is a whole number {low}..{high}, not "
                       f"{line.strip()!r:.40}")
    return int(word)
