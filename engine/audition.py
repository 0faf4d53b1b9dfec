"""One voice or effect alone, through the rig: a line of notes into a WAV file. Thread: control."""
import dataclasses
from pathlib import Path

import numpy as np

from engine import sets
from engine.compiling import compile_missing
from engine.errors import ParamError, SetError, suggestion
from engine.formats.acid import Pattern
from engine.formats.notes import parse
from engine.formats.scl import EQUAL
from engine.parts import MOST_VOICES, Fx, Part, as_fx
from engine.records import NOTE, SLIDE
from engine.render import Files, caller
from engine.sounds import sound
from engine.table import Rig, Table
from engine.voice import Effect

LOUD_DB = -6.0                            # of the part, so that a chord stays under the limiter
BLOCK, VOICES = 1024, 16


@dataclasses.dataclass
class Audition:
    """What to play. `values` are parameters of the sound; an effect is heard behind `source`.

    notes   a line of notes, or an acid Pattern
    bpm, beats (of a step), gate (share of a step)   None: the pattern's, else 120, 1 and 0.9
    voices  None: one for a pattern or where a slide is written, as on a 303, else sixteen
    """

    name: str
    notes: object = "C3 E3 G3 C4"
    bpm: float | None = None
    beats: float | None = None
    gate: float | None = None
    tail_s: float = 2.0
    values: dict = dataclasses.field(default_factory=dict)
    source: str = "string"
    voices: int | None = None
    rate_hz: int = 48000
    tuning: object = EQUAL

    def __post_init__(self):
        score = self.notes
        if not isinstance(score, Pattern):
            score = Pattern(*parse(score), beats=1.0, gate=0.9)
        one = score is self.notes or any(note.slide for note in score.notes)
        self.voices = (1 if one else VOICES) if self.voices is None else self.voices
        self.notes, self.steps = score.notes, score.steps
        for name in ("bpm", "beats", "gate"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(score, name))


def values_of(words, thing):
    """["cutoff_hz=400"] as a dict; an unknown name or no number is a ParamError."""
    found, names = {}, {p.name: p for p in thing.params}
    for word in words:
        name, _, text = word.partition("=")
        if name not in names:
            raise ParamError(f"{thing.name} has no {name!r}{suggestion(name, names)}")
        try:
            found[name] = names[name].check(float(text), thing.name)
        except ValueError:
            raise ParamError(f"{word!r}: write {name}=NUMBER") from None
    return found


def _part(audition, voices):
    thing = sound(audition.name)
    if not isinstance(thing, Effect):
        return Part(thing, voices=voices, level_db=LOUD_DB, **audition.values)
    source = sound(audition.source)
    if isinstance(source, Effect):
        raise SetError(f"{audition.source} is an effect: an effect is heard behind a voice")
    return Part(source, voices=voices, level_db=LOUD_DB,
                inserts=(Fx(thing, **audition.values),))


def _hz(note, tuning):
    """NaN where the tuning has no key for the note."""
    return tuning.hz(note.pitch_st) if note.pitch_hz is None else note.pitch_hz


def _check(audition):
    for name, value, low, high in (
            ("bpm", audition.bpm, 20, 400), ("beats", audition.beats, 0.03, 16),
            ("voices", audition.voices, 1, MOST_VOICES), ("gate", audition.gate, 0.01, 1),
            ("tail", audition.tail_s, 0, 60), ("rate", audition.rate_hz, 8000, 192000)):
        if not low <= value <= high:
            raise ParamError(f"{name} must be {low}..{high}, got {value:g}")


def _events(audition, step):
    """(sample, length, Hz, level, flags) of each note; what is slid from is held until then."""
    slid, found = {n.step for n in audition.notes if n.slide}, []
    for n in audition.notes:
        hz = _hz(n, audition.tuning)
        held = 0.01 if n.step + n.steps in slid else audition.gate - 1.0
        if hz == hz:
            found.append((round(n.step * step), round((n.steps + held) * step), hz, n.level,
                          SLIDE if n.slide else 0))
    if not found:
        raise SetError("the tuning has no key for any of these notes")
    return found


def render(audition, out=None, progress=None):
    """Plays it offline; returns (samples (n, 2) float32, report), written to `out` if given."""
    _check(audition)
    step = audition.rate_hz * 60.0 / audition.bpm * audition.beats
    waiting, limiter = _events(audition, step), sets.default_limiter()
    if progress:
        needed = (sound(audition.name), sound(audition.source), as_fx(limiter).effect)
        compile_missing(needed, lambda text: progress(0.0, text))
    rig = Rig(audition.rate_hz, 2, limiter)
    rig.load(Table({"sound": _part(audition, audition.voices)}, rate_hz=audition.rate_hz))
    total, notes = round(audition.steps * step + audition.tail_s * audition.rate_hz), len(waiting)
    play, at, sound_at = caller(rig), 0, np.zeros((total, 2), np.float32)
    files = Files({str(out): 0}, audition.rate_hz) if out else None
    try:
        while at < total:
            frames = min(BLOCK, total - at)
            while waiting and waiting[0][0] < at + frames + BLOCK:
                sample, length, hz, level, flags = waiting.pop(0)
                rig.push(sample, NOTE, pitch_hz=hz, level=level, length=length, flags=flags)
            play(sound_at[at:at + frames], frames)
            if files:
                files.write(sound_at[at:at + frames])
            rig.collect()
            at += frames
            if progress:
                progress(at / total, f"{at / audition.rate_hz:.1f} s")
        if files:
            files.finish()
    except BaseException:
        if files:
            files.drop()
        raise
    peak = float(np.abs(sound_at).max())
    return sound_at, {"sound": audition.name, "seconds": total / audition.rate_hz,
                      "notes": notes, "peak_db": 20.0 * float(np.log10(max(peak, 1e-6))),
                      "out": str(Path(out)) if out else None, **rig.counters()}
