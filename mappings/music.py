"""The tables a set's music is written with: what is fixed (grammar, scenes) and which feature decides the rest. Thread: any.

Fixed by these tables: where a part may strike, how many times, its register, which parts a scene has. Decided by the
model through the features named in them: which of those places, which chord tone, how long, when a scene ends.
"""
from dataclasses import dataclass

from engine.errors import MappingError, suggestion

STEPS = 16                                # sixteenths of a bar
KINDS = ("hit", "bass", "stab", "hook", "pad")
FIXED = ("kick", "clap", "openhat")       # roles the drum grammar writes without a Grammar row


@dataclass(frozen=True)
class Grammar:
    """How the cells of one role are written.

    form      a letter for each bar of the cell: "aaba" is four bars of two written ones
    weights   (16,) how fit each sixteenth is for a strike, 0 never
    hits      fewest and most strikes a bar;  lengths  shortest and longest, in steps
    register  lowest and highest MIDI number;  tones  chord tones on offer (0 root, 1 third, 2 fifth, 3 seventh, +4 octave)
    onset, count, pitch, accent, length, slide   the features that decide; "" leaves the lower value
    """
    role: str
    kind: str
    weights: tuple
    hits: tuple
    form: str = "a"
    register: tuple = (60, 60)
    tones: tuple = (0,)
    lengths: tuple = (1.0, 1.0)
    level: float = 0.7
    onset: str = "attn.mid.write"
    count: str = "token.entropy_nat"
    pitch: str = "resid.axis.1"
    accent: str = "mlp.mid.write"
    length: str = ""
    slide: str = ""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise MappingError(f"grammar {self.role!r}: unknown kind {self.kind!r}{suggestion(self.kind, KINDS)}")
        if len(self.weights) != STEPS or not 1 <= self.hits[0] <= self.hits[1] <= STEPS:
            raise MappingError(f"grammar {self.role!r}: needs {STEPS} weights and 1 <= hits <= {STEPS}")
        if not 1 <= len(self.form) <= 4:
            raise MappingError(f"grammar {self.role!r}: form needs 1 to 4 letters, got {self.form!r}")


@dataclass(frozen=True)
class Entry:
    """A role in a scene: from which bar on, how dense (0..1), how loud against the part's own level.

    reads   with a feature, the role plays a block of eight bars only when the block before it read at least `above`
    """
    role: str
    bar: int = 0
    density: float = 0.5
    offset_db: float = 0.0
    reads: str = ""
    above: float = 0.5


@dataclass(frozen=True)
class Ramp:
    """A parameter over a scene: set to `start` at its head; with an `end`, led there over each eight bars."""
    path: str
    start: float
    end: float | None = None
    rise_s: float = 0.1


@dataclass(frozen=True)
class Scene:
    """One kind of section.

    bars    the lengths it may have, from short to long; the text's phrases choose
    then    what may follow, the usual first;  theme  whose chords and cells it plays
    """
    name: str
    bars: tuple
    entries: tuple
    then: tuple
    theme: str = "a"
    ramps: tuple = ()


@dataclass(frozen=True)
class Cast:
    """Who plays which role in a cycle, and what it sounds like."""
    name: str
    parts: dict
    ramps: tuple = ()


@dataclass(frozen=True)
class Music:
    """A whole set's music.

    tonics      MIDI numbers (28..39) a cycle's key is chosen from;  modes  names in `harmony.MODES`
    swing       least and most place of the second sixteenth in its pair, 0.5 is even
    edit_above  surprisal, as a place 0..1, above which a token edits the cell under it; edits  at most so many a bar
    levels_db   each part's own level, to which a scene's offset is added
    delay_send  of the stab's part, where an echo thrown by a sentence end returns to
    """
    scenes: tuple
    grammars: tuple
    casts: tuple
    tonics: tuple = (33, 31, 36, 29, 34)
    modes: tuple = ("aeolian", "dorian")
    swing: tuple = (0.505, 0.535)
    edit_above: float = 0.91
    edits: int = 3
    levels_db: dict | None = None
    delay_send: float = 0.15

    def __post_init__(self):
        names = [scene.name for scene in self.scenes]
        roles = {grammar.role for grammar in self.grammars} | set(FIXED)
        for scene in self.scenes:
            for name in scene.then:
                if name not in names:
                    raise MappingError(f"scene {scene.name!r} goes on to {name!r}{suggestion(name, names)}")
            for entry in scene.entries:
                if entry.role not in roles:
                    raise MappingError(f"scene {scene.name!r} has {entry.role!r}{suggestion(entry.role, roles)}")
        if not self.scenes or not self.casts or not 0.5 <= self.swing[0] <= self.swing[1] <= 0.6:
            raise MappingError("music: needs scenes, casts, and swing within 0.5..0.6")

    def player(self, steps_per_token=2, bars=None):
        """A Player of this music."""
        from mappings.player import Player
        return Player(self, steps_per_token, bars)
