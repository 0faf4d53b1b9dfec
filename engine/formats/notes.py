"""A line of notes in plain text: "C2 G2! C3~ - C3+E3+G3 440hz". Thread: any.

A note is a name (C4 is MIDI 60; # and b), a MIDI number or a frequency with `hz`; `+` joins a
chord; `-` is a rest. After a note: ! an accent, ~ a slide into it, _ a longer note (one step each).
"""
import re
from dataclasses import dataclass

from engine.errors import EngineError

NAMES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
NOTE = re.compile(r"([a-g])(#|b)?(-?\d+)$", re.IGNORECASE)
HZ = re.compile(r"(\d+(?:\.\d+)?)hz$", re.IGNORECASE)
PLAIN, ACCENT = 0.65, 1.0                 # levels; above 0.7 a TB-303 accents


@dataclass(frozen=True)
class Written:
    """One written note: where it stands, how many steps it lasts, how it is played.

    pitch_st  MIDI number, or None where `pitch_hz` is given
    """

    step: int
    steps: int
    pitch_st: float | None
    pitch_hz: float | None
    level: float
    slide: bool


def parse(text):
    """(notes, steps) of a line; raises EngineError that names the word."""
    found, step = [], 0
    for word in str(text).split():
        body = word.rstrip("!~_")
        tail = word[len(body):]
        steps = 1 + tail.count("_")
        if body != "-":
            for one in body.split("+"):
                st, hz = _pitch(one, word)
                found.append(Written(step, steps, st, hz, ACCENT if "!" in tail else PLAIN,
                                     "~" in tail))
        step += steps
    if not found:
        raise EngineError(f"no notes in {text!r}: write names like C2 or Eb3, numbers, 440hz, or -")
    return found, step


def _pitch(one, word):
    if match := NOTE.match(one):
        letter, sign, octave = match.groups()
        st = 12 * (int(octave) + 1) + NAMES[letter.lower()] + {"#": 1, "b": -1}.get(sign, 0)
    elif match := HZ.match(one):
        if not 1.0 <= float(match[1]) <= 20000.0:
            raise EngineError(f"{word!r}: a pitch is 1 to 20000 hz")
        return None, float(match[1])
    else:
        try:
            st = float(one)
        except ValueError:
            raise EngineError(f"{word!r} is no note: write C2, Eb3, a MIDI number, 440hz or -"
                              ) from None
    if not 0 <= st <= 135:
        raise EngineError(f"{word!r}: a note is 0 (C-1) to 135, here {st:g}")
    return float(st), None
