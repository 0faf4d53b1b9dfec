"""A mapping is a table: links move parameters, triggers strike parts.

How a feature is read is in its name. With its unit, `token.surprisal_nat`, it is read raw; without,
`token.surprisal`, as its place 0..1 among the calibrated values (a frozen quantile). A feature with
no unit in its own name (`resid.mid.speed`) means other numbers in other models: always its place.
The effect of a set's direction is a unit too: `direction.calm_effect` is raw, 1 as in the texts it
was learned from; `direction.calm` its place.

Thread: control.
"""
import math
from dataclasses import dataclass, field

from engine.errors import MappingError, suggestion
from engine.param import CURVES, Param

STRIKE = Param("strike", 0.0, 1.0, 1.0)   # what a trigger sets off, in a registry
LATCHES = ("", "step", "bar", "phrase")
UNITS = ("hz", "db", "s", "st", "beats", "bpm", "nat", "deg", "tokens",
         "token", "octaves", "blocks")
GAPS = 4.0                                # above - rearm gaps over the threshold: full level


@dataclass(frozen=True)
class Note:
    """One struck note of a step.

    pitch_st   MIDI number, 60 = middle C, fractions allowed;  level 0..1
    delay_steps  0..<1, swing;  length_steps  until its release
    slide      glide the sounding voice there, do not strike;  cause  what in the model wrote it
    seq        the record under it when it was written, -1 for none
    """
    part: str
    pitch_st: float
    level: float
    delay_steps: float = 0.0
    length_steps: float = 1.0
    slide: bool = False
    cause: str = ""
    seq: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Target:
    """Where a parameter goes, and its time constants up and down (fall_s None: as rise_s).

    seq   the record that it was read from, -1 for none
    link  the Link that moves it, None: the music
    """
    path: str
    value: float
    rise_s: float = 0.0
    fall_s: float | None = None
    cause: str = ""
    seq: int = field(default=-1, compare=False)
    link: object = field(default=None, compare=False)

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
    """A feature moves a parameter: clipped to `reads`, curved into `writes` (both may fall).

    target      "bass.cutoff_hz", or what the music lets others decide: "music.scene"
    latch       when it acts: "" at once, "step" with the notes of its record, "bar" and "phrase"
                (four bars) with the newest record heard up to the line
    steps       at least 2: so many values, evenly spread along the curve; 0: every value
    hysteresis  share of `reads` that the feature must move before the target does
    decorative  True: it makes no claim, `hiddenstage prove` only measures it
    """
    feature: str
    reads: tuple
    target: str
    writes: tuple
    curve: str = "lin"
    rise_s: float = 0.0
    fall_s: float = 0.0
    latch: str = ""
    steps: int = 0
    hysteresis: float = 0.0
    decorative: bool = False

    def share(self, x):
        """How far into `reads` a number stands, 0..1."""
        start, end = self.reads
        return min(max((x - start) / (end - start), 0.0), 1.0)

    def at(self, share):
        """What is written at a share 0..1 of `reads`."""
        first, last = self.writes
        if self.steps:
            share = math.floor(share * (self.steps - 1) + 0.5) / (self.steps - 1)
        return first * (last / first) ** share if self.curve == "exp" else (
            first + (last - first) * share)


@dataclass(frozen=True)
class Trigger:
    """A feature strikes a part when it passes `above`, and again only after it was under `rearm`.

    target  "kick.strike", or "music.next": the section ends at the next bar line
    level   at the threshold, and at the fullest: at a place of 1, or read raw, four gaps
            (above - rearm) over the threshold
    decorative  True: it makes no claim, `hiddenstage prove` only measures it
    """
    feature: str
    above: float
    rearm: float
    target: str
    level: tuple = (1.0, 1.0)
    decorative: bool = False


@dataclass(frozen=True)
class _Reading:
    """A feature as a row reads it: its full name, and whether raw or as its place 0..1."""
    name: str
    raw: bool

    def of(self, frame):
        """The number, or None when it is missing or not a number."""
        x = (frame.raw if self.raw else frame.unit).get(self.name)
        return x if x is not None and math.isfinite(x) else None


def reading(name, features, where):
    """How `name` is read; raises MappingError for a name that is no feature."""
    full = {feature: _Reading(feature, _has_unit(feature)) for feature in features}
    places = {feature.rpartition("_")[0]: _Reading(feature, False)
              for feature in features if _has_unit(feature)}
    effects = {f"{feature}_effect": _Reading(feature, True)
               for feature in features if feature.startswith("direction.")}
    known = places | full | effects
    if name not in known:
        raise MappingError(f"{where}: reads {name!r}, no feature{suggestion(name, known)}")
    return known[name]


def _has_unit(feature):
    return feature.rpartition("_")[2] in UNITS


def _pair(pair, where, what, low=-math.inf, high=math.inf):
    """Two finite numbers within low..high."""
    good = isinstance(pair, tuple | list) and len(pair) == 2 and all(
        isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in pair)
    if not good:
        raise MappingError(f"{where}: {what} must be two numbers, got {pair!r}")
    if not all(low <= x <= high for x in pair):
        raise MappingError(f"{where}: {what} {pair!r} leaves {low:g}..{high:g}")
    return float(pair[0]), float(pair[1])


class Links:
    """A table, checked whole, then evaluated frame by frame.

    table     rows of Link and Trigger;  features  the full names a frame may carry
    registry  path -> Param: "bass.cutoff_hz" for links, "kick.strike" for triggers
    waits     paths that need a latch
    raises    MappingError on the first row that is wrong
    """

    def __init__(self, table, registry, features, waits=()):
        self._links, self._triggers, written = [], [], set()
        for row in table:
            if not isinstance(row, Link | Trigger):
                raise MappingError(f"mapping table: {row!r} is neither Link nor Trigger")
            where = f"{type(row).__name__} to {row.target!r}"
            read = reading(row.feature, features, where)
            if row.target not in registry:
                raise MappingError(f"{where}: no such target{suggestion(row.target, registry)}")
            if isinstance(row, Link):
                self._links.append(_checked_link(row, read, registry[row.target], where,
                                                 row.target in waits))
                if row.target in written:
                    raise MappingError(f"{where}: two links write it; keep one")
                written.add(row.target)
            else:
                self._triggers.append(_checked_trigger(row, read, registry[row.target], where))
        self.forget()

    def forget(self):
        """Every trigger is armed again, and no link has moved."""
        self._armed = [True] * len(self._triggers)
        self._shares = {}

    def step(self, frame, latches=LATCHES):
        """The targets of one frame's links with these latches; a missing feature (or NaN), or one
        that moved less than its hysteresis, leaves its target alone."""
        targets = []
        for row, read in self._links:
            x = read.of(frame) if row.latch in latches else None
            if x is None:
                continue
            share, before = row.share(x), self._shares.get(row.target)
            if before is not None and 0.0 < share < 1.0 and abs(share - before) < row.hysteresis:
                continue
            self._shares[row.target] = share
            targets.append(Target(row.target, row.at(share), row.rise_s, row.fall_s, row.feature,
                                  frame.seq, row))
        return targets

    def strikes(self, frame):
        """The notes that one frame's triggers strike, each at pitch 60 and one step long."""
        notes = []
        for k, (row, read, (low, high), top) in enumerate(self._triggers):
            x = read.of(frame)
            if x is None:
                continue
            if self._armed[k] and x > row.above:
                share = min((x - row.above) / (top - row.above), 1.0) if top > row.above else 1.0
                part = row.target.removesuffix(".strike")
                notes.append(Note(part, 60.0, low + (high - low) * share, cause=row.feature,
                                  seq=frame.seq))
                self._armed[k] = False
            elif x < row.rearm:
                self._armed[k] = True
        return notes


def read_by(made):
    """The features that a set's links and its music read, as they name them."""
    return [link.feature for link in made.links] + list(getattr(made.music, "features", ()))


def _checked_link(row, read, param, where, waits):
    """(row, reading) of a sound link."""
    reads = _pair(row.reads, where, "reads") if read.raw else _pair(row.reads, where, "reads", 0, 1)
    writes = _pair(row.writes, where, "writes", param.low, param.high)
    _pair((row.rise_s, row.fall_s), where, "rise_s and fall_s", 0.0)
    if reads[0] == reads[1]:
        raise MappingError(f"{where}: reads {row.reads!r} has no width")
    if row.curve not in CURVES or row.curve == "exp" and min(writes) <= 0.0:
        raise MappingError(f"{where}: curve must be lin, or exp with writes > 0, got {row.curve!r}")
    if param == STRIKE:
        raise MappingError(f"{where}: a strike takes a Trigger, not a Link")
    if row.latch not in LATCHES:
        raise MappingError(f"{where}: no latch {row.latch!r}{suggestion(row.latch, LATCHES[1:])}")
    if waits and not row.latch:
        raise MappingError(f"{where}: the music needs a latch: 'step', 'bar' or 'phrase'")
    if not isinstance(row.steps, int) or row.steps == 1 or not 0 <= row.steps <= 1000:
        raise MappingError(f"{where}: steps must be 2..1000, or 0 for every value, got "
                           f"{row.steps!r}")
    _pair((row.hysteresis, 0.0), where, "hysteresis", 0.0, 0.5)
    return row, read


def _checked_trigger(row, read, param, where):
    """(row, reading, levels, the value of full level) of a sound trigger."""
    edges = _pair((row.above, row.rearm), where, "above and rearm",
                  *((-math.inf, math.inf) if read.raw else (0.0, 1.0)))
    if not edges[1] < edges[0]:
        raise MappingError(f"{where}: rearm {row.rearm:g} must be below above {row.above:g}")
    if param != STRIKE:
        raise MappingError(f"{where}: a trigger strikes: write 'PART.strike' or 'music.next'")
    top = edges[0] + GAPS * (edges[0] - edges[1]) if read.raw else 1.0
    return row, read, _pair(row.level, where, "level", 0.0, 1.0), top
