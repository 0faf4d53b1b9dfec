"""What a set is made of: parts, effects, how they leave as MIDI, the registry of their parameters.
Thread: control.
"""
from dataclasses import dataclass, field

from engine.errors import SetError, suggestion
from engine.param import Param
from engine.voice import Effect, Voice

STRIP_PARAMS = (
    Param("level_db", -120.0, 12.0, 0.0, "lin", 0.01),
    Param("pan", -1.0, 1.0, 0.0, "lin", 0.02),
    Param("mute", 0.0, 1.0, 0.0, "lin", 0.005),
    Param("cue", 0.0, 1.0, 0.0, "lin", 0.0),
    Param("duck", 0.0, 1.0, 0.0, "lin", 0.02),
)
SEND_LEVEL = Param("level_db", -120.0, 12.0, 0.0, "lin", 0.02)
MOST_VOICES = 256
OUT_PARAMS = (Param("level_db", -120.0, 12.0, 0.0, "lin", 0.05),)
# what Midi(...) may hold: lowest and highest
MIDI_RANGES = {"channel": (1, 16), "key": (0, 127), "program": (0, 127), "bank": (0, 16383),
               "port": (0, 15)}
CC_TAKEN = (0, 6, 7, 10, 32, 38, 98, 99, 100, 101)  # bank, level, pan and what tunes a channel


@dataclass(frozen=True)
class Midi:
    """How a part leaves as MIDI: Part(TB303, midi=Midi(channel=3, cc={74: "cutoff_hz"})).

    What is None is chosen (see `engine.midi_parts`).
    channel  1..16;  port  which of our ports, from 0;  key  every note on this key, as drums are
    program  General MIDI number less one, 0..127, as of the voice `soundfont`;  bank  0..16383
    mpe      a channel a note, so that each has its own exact pitch: takes the whole port
    cc       controller number 1..119 -> name of a parameter of the part
    """
    channel: int | None = None
    key: int | None = None
    program: int | None = None
    bank: int | None = None
    mpe: bool = False
    port: int | None = None
    cc: dict = field(default_factory=dict)

    def __post_init__(self):
        for name, (low, high) in MIDI_RANGES.items():
            value = getattr(self, name)
            if value is not None and not _whole(value, low, high):
                raise SetError(f"Midi: {name} must be {low}..{high}, got {value!r}")
        if self.mpe and self.channel not in (None, 1):
            raise SetError(f"Midi: mpe begins at channel 1, not {self.channel}; leave it out")
        if self.mpe and self.key is not None:
            raise SetError("Midi: a part with mpe has no fixed key; leave one of them out")
        if not isinstance(self.cc, dict):
            raise SetError(f'Midi: cc must be a dict like {{74: "cutoff_hz"}}, got {self.cc!r:.60}')
        for number in self.cc:
            if not _whole(number, 1, 119) or number in CC_TAKEN:
                raise SetError(f"Midi: cc {number!r} is none of 1..119 that are free (taken: "
                               f"{', '.join(map(str, CC_TAKEN))})")


def _whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


class Part:
    """A voice with its strip, as a set writes it: Part(TB303, voices=1, level_db=-8,
    cutoff_hz=400).

    choke   name of a group of parts of which a strike in one silences the others
    preset  a dict of parameter values (a voice's file may hold some); `values` go over it
    inserts  effects of this part alone, before its level; their parameters are PART_EFFECT.name
    midi    how it leaves as MIDI, where the usual way is not wanted
    """

    def __init__(self, voice, voices=8, choke="", preset=None, inserts=(), midi=None, **values):
        if not isinstance(voice, Voice):
            raise SetError(f"Part({voice!r}): the first argument must be a voice of synths")
        if not isinstance(voices, int) or not 1 <= voices <= MOST_VOICES:
            raise SetError(f"Part({voice.name}): voices must be 1..{MOST_VOICES}, got {voices!r}")
        if not isinstance(inserts, tuple | list):
            raise SetError(f"Part({voice.name}): inserts must be a tuple of effects, (A,) for one")
        if preset is not None and not isinstance(preset, dict):
            raise SetError(f"Part({voice.name}): preset must be a dict, got {preset!r:.60}")
        if not isinstance(choke, str):
            raise SetError(f"Part({voice.name}): choke must be a name, got {choke!r:.60}")
        if midi is not None and not isinstance(midi, Midi):
            raise SetError(f"Part({voice.name}): midi must be a Midi(...), got {midi!r:.60}")
        self.voice, self.voices, self.choke, self.midi = voice, voices, choke, midi or Midi()
        self.values = {**(preset or {}), **values}
        self.inserts = tuple(as_fx(fx) for fx in inserts)


class Fx:
    """An effect with its settings, as a set writes it: Fx(DELAY, level_db=-6, beats=0.75)."""

    def __init__(self, effect, **values):
        if not isinstance(effect, Effect):
            raise SetError(f"Fx({effect!r}): the first argument must be an effect of synths")
        self.effect, self.values = effect, values


def as_fx(item):
    return item if isinstance(item, Fx) else Fx(item)


@dataclass
class Registry:
    """Every parameter of one deck, in the order of the value arrays."""

    deck: str = "a"
    paths: list = field(default_factory=list)
    params: list = field(default_factory=list)
    values: list = field(default_factory=list)
    index: dict = field(default_factory=dict)

    def add(self, owner, params, values, where):
        """Adds the rows of one part or effect; returns the index of the first."""
        first = len(self.paths)
        names = [p.name for p in params]
        for name in values:
            if name not in names:
                raise SetError(f"{where} has no {name!r}{suggestion(name, names)}")
        for param in params:
            path = f"{owner}.{param.name}"
            if path in self.index:
                raise SetError(f"{where}: {path!r} exists twice; rename the part or the effect")
            self.index[path] = len(self.paths)
            self.paths.append(path)
            self.params.append(param)
            value = values.get(param.name, param.default)
            self.values.append(param.check(value, where))
        return first

    def find(self, path, where):
        """(index, Param) of a path, or a SetError with the nearest one."""
        if path not in self.index:
            raise SetError(f"{where} names {path!r}{suggestion(path, self.index)}")
        return self.index[path], self.params[self.index[path]]
