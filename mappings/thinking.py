"""Thinking: every token sweeps the layers, low and early to high and late; a chord loop holds it.

The blocks of a model do not play one after another in the room: laying depth out in time is a
choice of the instrument (a token has a moment, its depth has none). What is fixed: six places in
the token, a lane of the register for each, the pulse. What the model decides: which of them sound,
how loud and on which tone of the chord; where the sweep settles; chords, scenes, their ends.

Thread: any.
"""
from dataclasses import dataclass

from engine.errors import MappingError, suggestion
from mappings.harmony import MODES
from mappings.music import Scene

BANDS, HALVES = ("low", "mid", "high"), 2
GROUPS = len(BANDS) * HALVES              # places that a token's depth is laid out on
ROWS = ("writes.attn", "writes.mlp", "text")        # read, and no features
MODE, SCENE, ROOT = "resid.axis.2", "mlp.high.write", "resid.low.speed"
LOOP = tuple(f"resid.axis.{k}" for k in (3, 4, 5, 6))
FORM = (SCENE, MODE, *LOOP, "text")
LATEST = 0.9                              # of its place: still before the next group's


@dataclass(frozen=True)
class Lane:
    """One of the two writers of a block: attention, or the MLP.

    part    who plays it;  kind  "attn" or "mlp"
    late    where it strikes between a group's place (0) and the next one (1)
    low_st  the middle of the first group's lane;  step_st  from a group's lane to the next one's
    """
    part: str
    kind: str
    late: float
    low_st: float
    step_st: float = 7.0

    def __post_init__(self):
        if self.kind not in ("attn", "mlp"):
            raise MappingError(f"lane {self.part!r}: kind must be attn or mlp, got {self.kind!r}")
        if not 0.0 <= self.late <= LATEST:
            raise MappingError(f"lane {self.part!r}: late must be 0..{LATEST:g}, got {self.late!r}")

    def middle_st(self, group):
        """Where a group's notes are at home, MIDI."""
        return self.low_st + self.step_st * group

    @property
    def row(self):
        """The row over depth that it reads."""
        return f"writes.{self.kind}"

    def role(self, group):
        """What its notes of a group are told as."""
        return f"{self.kind}-{BANDS[group // HALVES]}"

    def feature(self, group):
        """The band's write, which decides with the row of its layers."""
        return f"{self.kind}.{BANDS[group // HALVES]}.write"


@dataclass(frozen=True)
class Bell:
    """What is struck where the sweep settles: `depth` says when, `loud` how loud, or not at all."""
    part: str = "bell"
    depth: str = "crescendo.commit"
    loud: str = "token.surprisal_nat"
    low_st: float = 86.0


@dataclass(frozen=True)
class Thinking:
    """The music of a set that lays the depth of the model out in time.

    lanes     who plays attention and the MLP;  bell  where the sweep settles
    drones    (part, MIDI number) of the notes that are held throughout
    bass      who plays the chord's root, as loud as the low layers move the state
    air, pulse   parts of the grammar, "" for none: a tick on each place of the token, two beats a
              bar; links may move what they sound like
    scenes    as in `mappings.music`; an entry's role is one of these parts
    tonic_st  the key's;  modes  names in `harmony.MODES`
    quiet     places under which a layer, or the bell, is not heard
    floor_db  how loud a note is at place 0; 0 dB at place 1
    """
    scenes: tuple
    lanes: tuple
    bell: Bell = None
    drones: tuple = ()
    bass: str = ""
    air: str = ""
    pulse: str = ""
    tonic_st: int = 50
    modes: tuple = ("dorian", "aeolian")
    quiet: float = 0.2
    floor_db: float = -20.0

    def __post_init__(self):
        if not self.scenes or not self.lanes:
            raise MappingError("thinking: needs scenes and lanes")
        for mode in self.modes or ("none",):
            if mode not in MODES:
                raise MappingError(f"thinking: no mode {mode!r}{suggestion(mode, MODES)}")
        names, parts = [scene.name for scene in self.scenes], self.parts
        for scene in self.scenes:
            if not isinstance(scene, Scene) or any(bars % 4 for bars in scene.bars):
                raise MappingError(f"thinking: scene {scene!r:.40} needs lengths of four bars")
            for name in scene.then:
                if name not in names:
                    raise MappingError(f"scene {scene.name!r} goes on to {name!r}"
                                       f"{suggestion(name, names)}")
            for entry in scene.entries:
                if entry.role not in parts:
                    raise MappingError(f"scene {scene.name!r} has {entry.role!r}"
                                       f"{suggestion(entry.role, parts)}")

    @property
    def parts(self):
        """Every part that it plays."""
        made = [lane.part for lane in self.lanes] + [self.bell.part] * bool(self.bell)
        made += [part for part, _ in self.drones]
        return [*made, *(part for part in (self.bass, self.air, self.pulse) if part)]

    @property
    def reads(self):
        """What each role of its notes reads, rows too; "" what forms them all."""
        roles = {lane.role(group): (lane.feature(group), lane.row)
                 for lane in self.lanes for group in range(GROUPS)}
        if self.bell:
            roles["bell"] = self.bell.depth, self.bell.loud
        return {"": FORM, "bass": (ROOT,)} | roles

    @property
    def features(self):
        """The names that it reads; rows come with them."""
        return list(dict.fromkeys(name for names in self.reads.values() for name in names
                                  if name not in ROWS))

    def player(self, steps_per_token=8, bars=None):
        """A Player of this music."""
        from mappings.thinking_player import Player
        return Player(self, steps_per_token, bars)
