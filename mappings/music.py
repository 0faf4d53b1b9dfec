"""The tables a set's music is written with: what is fixed, and which feature decides the rest.

Fixed here: where a role may strike, how many times, its register, which roles a scene has. Decided
by the model through the features named here: which of those places, which chord tone, how long,
when a scene ends and what follows it. Thread: any.
"""
from dataclasses import dataclass, field

from engine.errors import MappingError, suggestion
from engine.mapping import Param
from mappings.harmony import MODES

STEPS = 16                                # sixteenths of a bar
KINDS = ("hit", "bass", "stab", "hook", "pad")
FIXED = ("kick", "clap", "openhat", "shaker")       # roles of the drum grammar, without a row
DRUM_TOUCH = {"clap": "resid.low.speed", "openhat": "resid.high.speed"}
# what decides in a grammar of each kind; what decides the form and the chords; what an edit reads
DECIDES = {"hit": ("onset", "count", "accent"), "pad": (),
           "stab": ("onset", "count", "accent", "length"),
           "hook": ("onset", "count", "pitch", "accent", "length"),
           "bass": ("onset", "count", "pitch", "accent", "length", "slide")}
EDIT = ("token.surprisal_nat", "token.entropy_nat", "token.margin_nat", "resid.axis.2")
CHORDS = tuple(f"resid.axis.{i}" for i in (3, 4, 5, 6))
FORM = ("text", "resid.mid.turn", *EDIT, "resid.axis.1", *CHORDS, "resid.axis.7")


@dataclass(frozen=True)
class Grammar:
    """How the cells of one role are written.

    form      a letter for each bar of the cell: "aaba" is four bars, two of them written
    weights   (16,) how fit each sixteenth is for a strike, 0 never
    hits      fewest and most strikes a bar;  lengths  shortest and longest, in steps
    register  lowest and highest MIDI number
    tones     chord tones on offer: 0 root, 1 third, 2 fifth, 3 seventh, + 4 an octave higher
    onset, count, pitch, accent, length, slide   features that decide; "" takes the lower value
    touch     the feature whose place under each strike makes it louder or softer
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
    touch: str = ""

    def __post_init__(self):
        where = f"grammar {self.role!r}"
        if self.kind not in KINDS:
            raise MappingError(f"{where}: no kind {self.kind!r}{suggestion(self.kind, KINDS)}")
        if len(self.weights) != STEPS or not any(w > 0.0 for w in self.weights):
            raise MappingError(f"{where}: needs {STEPS} weights, one of them over 0")
        if not 1 <= self.hits[0] <= self.hits[1] <= STEPS:
            raise MappingError(f"{where}: hits must be 1 <= fewest <= most <= {STEPS}")
        if not 1 <= len(self.form) <= 4:
            raise MappingError(f"{where}: form needs 1 to 4 letters, got {self.form!r}")
        if self.kind in ("stab", "pad", "hook") and self.register[1] - self.register[0] < 18:
            raise MappingError(f"{where}: its register must span 18 semitones or more")


@dataclass(frozen=True)
class Entry:
    """A role in a scene: from which bar on, how dense (0..1), how loud against its part's level.

    reads   a feature: the role plays a block of eight bars when the last bars read `above` or more
    """
    role: str
    bar: int = 0
    density: float = 0.5
    offset_db: float = 0.0
    reads: str = ""
    above: float = 0.5


@dataclass(frozen=True)
class Ramp:
    """A parameter over a scene: set to `start`; with an `end`, led there over each eight bars."""
    path: str
    start: float
    end: float | None = None
    rise_s: float = 0.1


@dataclass(frozen=True)
class Scene:
    """One kind of section.

    bars    lengths it may have, short to long: the text's phrases choose
    then    what may follow, the usual first;  theme  whose chords and cells it plays
    peak    what the form rises to: at least two in a cycle;  spare  left out of tiny forms
    roll    claps roll towards its end
    """
    name: str
    bars: tuple
    entries: tuple
    then: tuple
    theme: str = "a"
    ramps: tuple = ()
    peak: bool = False
    spare: bool = False
    roll: bool = False


@dataclass(frozen=True)
class Cast:
    """Who plays which role in a cycle, how much louder, and what it is set to."""
    name: str
    parts: dict
    offsets_db: dict = field(default_factory=dict)
    ramps: tuple = ()


@dataclass(frozen=True)
class Music:
    """A whole set's music: the first scene begins a cycle, the last one ends it.

    tonics      MIDI numbers that a cycle's key is chosen from;  modes  names in `harmony.MODES`
    swing       least and most place of the second sixteenth in its pair; 0.5 is even
    edit_above  surprisal, as a place 0..1, from which one of eight tokens a bar edits its cell
    edits       at most so many a bar
    levels_db   each part's own level, to which a scene's offset is added
    delay_send  of the stab's part, where an echo thrown by a sentence end returns to; None: none
                is thrown
    decorative  roles, as the causes of their notes begin, that make no claim: `hiddenstage prove`
                only measures them
    """
    scenes: tuple
    grammars: tuple
    casts: tuple
    tonics: tuple = (33, 31, 36, 29, 34)
    modes: tuple = ("aeolian", "dorian")
    swing: tuple = (0.505, 0.535)
    edit_above: float = 0.91
    edits: int = 3
    levels_db: dict = field(default_factory=dict)
    delay_send: float | None = None
    decorative: tuple = ()

    def __post_init__(self):
        if not self.scenes or not self.casts or not self.tonics:
            raise MappingError("music: needs scenes, casts and tonics")
        for mode in self.modes or ("none",):
            if mode not in MODES:
                raise MappingError(f"music: no mode {mode!r}{suggestion(mode, MODES)}")
        if not 0.5 <= self.swing[0] <= self.swing[1] <= 0.6:
            raise MappingError(f"music: swing must lie within 0.5..0.6, got {self.swing}")
        names = [scene.name for scene in self.scenes]
        roles = {grammar.role for grammar in self.grammars} | set(FIXED)
        for scene in self.scenes:
            self._check(scene, names, roles)

    @property
    def targets(self):
        """What a link may decide in the place of the music: path -> Param.

        music.scene   which of the scenes that may follow, 0 the first and 1 the last of them
        music.chords  which turns the next theme takes;  music.key  which tonic the next cycle
        music.edits   edits a bar may have;  music.swing  the place of the second sixteenth
        """
        return {path: Param(path.partition(".")[2], low, high, low) for path, low, high in (
            ("music.scene", 0.0, 1.0), ("music.chords", 0.0, 1.0), ("music.key", 0.0, 1.0),
            ("music.edits", 0.0, 8.0), ("music.swing", 0.5, 0.6))}

    @property
    def reads(self):
        """role -> the features that may move its notes; "": what may move everything: the form,
        the chords, which cells are renewed, and what is edited."""
        onsets = [grammar.onset for grammar in self.grammars if hasattr(grammar, "onset")]
        entries = [entry.reads for scene in self.scenes for entry in scene.entries]
        touches = [getattr(grammar, "touch", "") for grammar in self.grammars]
        found = {"": dict.fromkeys(filter(None, (*FORM, *onsets, *entries))),
                 "edit": dict.fromkeys(filter(None, (*EDIT, *touches))), "punctuation": ("text",),
                 "fill": ("token.margin_nat", DRUM_TOUCH["clap"])}
        for grammar in self.grammars:
            role = "chord" if grammar.kind == "pad" else grammar.role
            decides = DECIDES.get(grammar.kind, ()) + ("pitch",) * (
                grammar.kind == "hit" and len(grammar.tones) > 1)
            names = [*(CHORDS if grammar.kind == "pad" else ()),
                     *(getattr(grammar, name, "") for name in (*decides, "touch"))]
            found[role] = dict.fromkeys(filter(None, (*found.get(role, ()), *names)))
        return {role: tuple(names) for role, names in found.items()}

    def _check(self, scene, names, roles):
        where = f"scene {scene.name!r}"
        for name in scene.then:
            if name not in names:
                raise MappingError(f"{where} goes on to {name!r}{suggestion(name, names)}")
        for entry in scene.entries:
            if entry.role not in roles:
                raise MappingError(f"{where} has {entry.role!r}{suggestion(entry.role, roles)}")
        if not scene.bars or any(bars % 4 for bars in scene.bars):
            raise MappingError(f"{where}: its lengths must be multiples of four bars")

    def player(self, steps_per_token=2, bars=None):
        """A Player of this music."""
        from mappings.player import Player
        return Player(self, steps_per_token, bars)
