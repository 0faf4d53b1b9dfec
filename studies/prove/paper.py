"""A performance on paper: the conductor's own path from frames to events, over a rig that writes
them down. Nothing is compiled, nothing sounds. Thread: control."""
from dataclasses import dataclass, field

from engine.clock import STEPS_PER_BAR, Clock
from engine.conductor import Conductor
from engine.errors import EngineError

RATE_HZ = 48000


class Given:
    """A source of records that are frames already."""

    def __init__(self, frames):
        self.frames, self.at, self.next_seq, self.enters = frames, 0, 0, None

    def arrive(self):
        """The next frame, or None behind the last."""
        if self.at >= len(self.frames):
            return None
        self.at += 1
        return self.frames[self.at - 1], None

    def take(self):
        """The oldest frame has been played."""
        self.next_seq += 1


class Plain:
    """A meter for frames that were measured before."""

    def __init__(self, names):
        self.names = tuple(names)

    def measure(self, frame, token):
        return frame


class Paper:
    """A rig that writes down what it is sent: (sample, path, value, number of its cause, seq)."""

    def __init__(self, table):
        self.tables, self.sample, self.moves = {0: table}, 0, []

    def push(self, *row, **more):
        return True

    def fade(self, *row, **more):
        return True

    def target(self, sample, path, value, rise_s=0.0, fall_s=0.0, deck=0, cause=0, length=0,
               **more):
        self.moves.append((sample, path, value, cause, length - 1))
        return True


class Book:
    """A recorder that keeps its chunks in memory, by kind."""
    states = False

    def __init__(self):
        self.kept = {}

    def chunk(self, kind, payload):
        self.kept.setdefault(kind, []).append(payload)


@dataclass(frozen=True)
class Struck:
    """One note of a score. step: the 16th it belongs to; bar: of its section; frame: the newest
    record heard there; model: False for the grammar's."""
    step: int
    part: str
    pitch_st: float
    level: float
    delay_steps: float
    length_steps: float
    slide: bool
    cause: str
    seq: int
    section: str
    frame: int

    @property
    def heard(self):
        """What of it is heard: all but where it comes from."""
        return (self.step, self.part, round(self.pitch_st, 6), self.level,
                round(self.delay_steps, 6), round(self.length_steps, 6), self.slide)


@dataclass(frozen=True)
class Moved:
    """A parameter, or what the music lets others decide (`turn`), on its way to a value."""
    step: int
    path: str
    value: float
    by: str
    cause: str
    target: str                           # of the link, "" without one
    feature: str
    seq: int
    turn: bool = False

    @property
    def heard(self):
        return self.step, self.path, round(self.value, 9)


@dataclass
class Score:
    """What a performance sounded. steps: (section, bar of it, chord) of each 16th; newest: the
    record heard last at each."""
    notes: list = field(default_factory=list)
    moves: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    newest: list = field(default_factory=list)
    bars: int = 0

    @property
    def heard(self):
        """Everything audible, in order: what two equal performances share."""
        return [n.heard for n in self.notes], [m.heard for m in self.moves]


def perform(made, table, frames, names, bars):
    """The Score of a set played from frames.

    table   the set's, `sounding=False` is enough;  names  the features a frame may carry
    raises  EngineError when there are too few frames, MappingError as a render does
    """
    def wait():
        raise EngineError(f"prove: {len(frames)} records are too few for {bars} bars")
    rig, book = Paper(table), Book()
    clock = Clock(RATE_HZ, made.bpm)
    conductor = Conductor(made, rig, Given(frames), Plain(names), clock, book, False, bars,
                          made.tokens_per_bar, None, wait)
    conductor.advance(clock.sample_of(bars * STEPS_PER_BAR))
    return _score(book, rig, clock, bars)


def _score(book, rig, clock, bars):
    """The chunks of a Book and the moves of a Paper as a Score."""
    causes = {cause["number"]: cause for cause in book.kept.get(b"CAUS", ())}
    heard = {}
    for frame in book.kept.get(b"FRAM", ()):
        heard[frame["step"]] = frame["seq"]
    found, newest = Score(bars=bars), -1
    for step in book.kept.get(b"STEP", ()):
        newest = heard.get(step["step"], newest)
        found.steps.append((step["section"], step["bar"], step["chord"]))
        found.newest.append(newest)
        found.notes += [Struck(step["step"], part, pitch, level, delay, length, bool(slide), cause,
                               seq, step["section"], newest)
                        for part, pitch, level, delay, length, slide, cause, seq in step["notes"]]
    step_of = {clock.sample_of(step): step for step in range(bars * STEPS_PER_BAR + 1)}
    rows = [(sample, path, value, number, seq, False)
            for sample, path, value, number, seq in rig.moves]
    rows += [(turn["sample"], turn["path"], turn["value"], turn["cause"], turn["seq"], True)
             for turn in book.kept.get(b"TURN", ())]
    for sample, path, value, number, seq, turn in rows:
        cause = causes.get(number, {"by": "", "text": "", "link": None})
        link = cause["link"] or {"target": "", "feature": ""}
        found.moves.append(Moved(step_of.get(sample, 0), path, value, cause["by"], cause["text"],
                                 link["target"], link["feature"], seq, turn))
    return found


def score_of(take):
    """The Score of a recorded take."""
    book, rig = Book(), Paper(None)
    clock = Clock(take.head["rate_hz"], take.head["bpm"])
    clock.rows = take.tempo()
    bars = (take.steps[-1]["step"] + 1) // STEPS_PER_BAR if take.steps else 0
    book.kept = {b"CAUS": take.causes, b"FRAM": take.frames, b"STEP": take.steps,
                 b"TURN": take.turns}
    return _score(book, rig, clock, bars)
