"""A mapping is a table: links move parameters, triggers strike parts, in the units of both ends. Thread: control.

How a feature is read is in its name. With its unit, `token.surprisal_nat`, it is read raw; without, `token.surprisal`,
as its place 0..1 among the calibrated values (a frozen quantile). A feature whose own name carries no unit
(`resid.mid.speed`) means different things in different models, so it is always read as its place 0..1.
"""
import math
from dataclasses import dataclass

from engine.errors import MappingError, suggestion
from engine.param import CURVES

UNITS = ("hz", "db", "s", "st", "beats", "bpm", "nat", "deg", "tokens")
FULL = 4.0                                # a raw trigger is at full level this many gaps above its threshold


@dataclass(frozen=True)
class Note:
    """One struck note of a step.

    pitch_st   MIDI number, 60 = middle C, fractions allowed;  level 0..1
    delay_steps  0..<1, swing;  length_steps  until its release;  slide  glide the sounding voice there
    cause      what in the model wrote it
    """
    part: str
    pitch_st: float
    level: float
    delay_steps: float = 0.0
    length_steps: float = 1.0
    slide: bool = False
    cause: str = ""


@dataclass(frozen=True)
class Target:
    """Where a parameter goes, and its time constant upwards and downwards (fall_s None: as rise_s)."""
    path: str
    value: float
    rise_s: float = 0.0
    fall_s: float | None = None
    cause: str = ""

    def __post_init__(self):
        if self.fall_s is None:
            object.__setattr__(self, "fall_s", self.rise_s)


@dataclass(frozen=True)
class Step:
    """What one 16th brings, and where in the form it stands."""
    notes: list
    targets: list
    section: str = ""
    section_bar: int = 0
    section_bars: int = 0
    cycle: int = 0
    chord: str = ""


@dataclass(frozen=True)
class Link:
    """A feature moves a parameter: clipped to `reads`, curved, written into `writes` (either may fall), then lagged."""
    feature: str
    reads: tuple
    target: str
    writes: tuple
    curve: str = "lin"
    rise_s: float = 0.0
    fall_s: float = 0.0


@dataclass(frozen=True)
class Trigger:
    """A feature strikes a part when it passes `above`, and not again before it has been under `rearm`.

    target  "kick.strike";  level  at the threshold, and at its fullest: a place of 1, or raw, four gaps
    (above - rearm) over the threshold
    """
    feature: str
    above: float
    rearm: float
    target: str
    level: tuple = (1.0, 1.0)
