"""TB-303 patterns as a text file: each step one word with its gate, octave, accent and slide.
Thread: any.

    # the first bar of a squelch
    bpm 138
    C2 C2' -- D#2~  C2! __ G1! --  | C2 C2, Bb1 C2~  -- C' C --

A line is a setting or steps; what follows a # that begins a word is a comment.

    note     letter, # or b if wanted, octave (2 if left out; C4 is MIDI 60), then any of the marks
    marks    '  an octave up    ,  an octave down    !  accent    ~  slide into this note
    --       rest: the gate is closed        __  tie: the note before is held one step more
    |        for the eye only

    bpm 138      20 to 400
    beats 0.25   of one step, 0.03 to 16
    gate 0.5     the share of its last step for which a note is held, 0.05 to 1
    times 4      how often the steps are played, 1 to 256

A note before a slide is held until it, and what is slid into is not struck again: it keeps the
loudness and the envelope of the note it comes from, so an accent there changes nothing.
source   the steps of the TB-303 (pitch, octave up and down, accent, slide; note, rest or tie)
"""
import re
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import EngineError
from engine.formats.notes import ACCENT, NAMES, PLAIN, Written

NOTE = re.compile(r"([a-g])(#|b)?(-?\d)?([',!~]*)$", re.IGNORECASE)
COMMENT = re.compile(r"(?:^|\s)#.*$")
BASE_OCTAVE, MOST_STEPS = 2, 4096
SETTINGS = {"bpm": (20.0, 400.0), "beats": (0.03, 16.0), "gate": (0.05, 1.0), "times": (1, 256)}


@dataclass(frozen=True)
class Pattern:
    """Steps of a 303: notes are Written (see `notes`), one voice's; the rest as in the file."""

    notes: tuple
    steps: int
    bpm: float = 120.0
    beats: float = 0.25
    gate: float = 0.5


def read(path):
    """The Pattern of a file; raises EngineError with the file and the line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as fault:
        raise EngineError(f"{path}: cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise EngineError(f"{path}: is no text: {fault}") from fault
    return parse(text, Path(path).name)


def parse(text, where="pattern"):
    """The Pattern of a file's text."""
    notes, step, settings = [], 0, {}
    for number, line in enumerate(text.splitlines(), start=1):
        here, words = f"{where}, line {number}", COMMENT.sub("", line).split()
        if words and words[0].lower() in SETTINGS:
            _setting(settings, words, here)
            continue
        for word in words:
            step += word != "|"
            if word == "__":
                if not notes or notes[-1].step + notes[-1].steps != step - 1:
                    raise EngineError(f"{here}: __ ties a note, and there is none before it")
                notes[-1] = replace(notes[-1], steps=notes[-1].steps + 1)
            elif word not in ("--", "|"):
                notes.append(_note(word, step - 1, here))
    times = int(settings.pop("times", 1))
    if not notes:
        raise EngineError(f"{where}: no notes; write steps like C2 C2' -- D#2~ C2! __")
    if step * times > MOST_STEPS:
        raise EngineError(f"{where}: {step * times} steps; at most {MOST_STEPS}")
    played = (replace(n, step=n.step + turn * step) for turn in range(times) for n in notes)
    return Pattern(tuple(played), step * times, **settings)


def _setting(settings, words, here):
    name = words[0].lower()
    low, high = SETTINGS[name]
    try:
        value = float(words[1])
    except (ValueError, IndexError):
        value = -1.0
    if len(words) != 2 or not low <= value <= high or name == "times" and value % 1:
        raise EngineError(f"{here}: write {name} and a number {low:g}..{high:g}, not "
                          f"{' '.join(words)!r:.60}")
    if name in settings:
        raise EngineError(f"{here}: {name} is set twice")
    settings[name] = value


def _note(word, step, here):
    match = NOTE.match(word)
    if not match:
        raise EngineError(f"{here}: {word!r} is no step: write C2, Eb1'!~, -- for a rest, __ for a "
                          "tie")
    letter, sign, octave, marks = match.groups()
    octave = int(octave or BASE_OCTAVE) + marks.count("'") - marks.count(",")
    st = 12 * (octave + 1) + NAMES[letter.lower()] + {"#": 1, "b": -1}.get(sign, 0)
    if not 0 <= st <= 127:
        raise EngineError(f"{here}: {word!r} is MIDI note {st}; a note is 0 (C-1) to 127")
    return Written(step, 1, float(st), None, ACCENT if "!" in marks else PLAIN, "~" in marks)
