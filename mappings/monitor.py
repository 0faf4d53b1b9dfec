"""Monitor: how a stage's alarm is made of a score: pentatonic while it is low, rough above.

The score is a calibrated place of one feature, smoothed per token: alpha = 1 - exp(-dt / tau), dt
counted in tokens, so it does not depend on the tempo or on how often anyone looks. The alarm has
two thresholds on it. Chords stand on two ladders, ordered by the roughness of their sounding
partials (Plomp and Levelt 1965, Sethares 1993): calm ones of pentatonic classes only, tense ones
with a class from outside and rougher than any calm one. Thread: control.
"""
import math
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np

from engine.errors import MappingError
from mappings.features.acoustic import partials, roughness
from mappings.music import Scene

PENTATONIC = (0, 3, 5, 7, 10)             # semitones over the tonic, minor
LOW, HIGH, VOICES = 52, 76, 3             # MIDI numbers of the pad over tonic 57
NEUTRAL, LOWEST = 0.5, 0.2                # where a score begins; where the calm ladder does
NEAR = 5                                  # chords of like roughness that voice leading chooses from
TONIC = 57                                # the ladders' own


@dataclass(frozen=True)
class Score:
    """What the alarm listens to.

    sources   features, the first that a record has is heard; with a "-", its fall is the alarm:
              ("-direction.certain", "token.surprisal_nat")
    tau       tokens;  above, rearm  smoothed places at which the alarm begins and ends

    0.69 at tau 8 is passed once in 500 independent uniform places; places of other text are
    measured in tests/mappings/test_monitor.py: never on the neutral text.
    """
    sources: tuple = ("token.surprisal_nat",)
    tau: float = 8.0
    above: float = 0.69
    rearm: float = 0.58

    def __post_init__(self):
        if not self.sources or not self.tau > 0.0:
            raise MappingError("score: needs sources, and tau over 0 tokens")
        if not 0.0 < self.rearm < self.above < 1.0:
            raise MappingError(f"score: needs 0 < rearm < above < 1, got rearm {self.rearm!r} and "
                               f"above {self.above!r}")

    @property
    def names(self):
        """The sources' features."""
        return tuple(name.removeprefix("-") for name in self.sources)


class Listener:
    """A score at work: value 0..1, whether the alarm is on, and which reading moved it last."""

    def __init__(self, score):
        self.score, self.value, self.on = score, NEUTRAL, False
        self.read, self.record, self._last = "", -1, None

    def hear(self, frame):
        """Takes in one new frame; True when the alarm turned on or off.

        A frame without any source changes nothing. What is recalled while the model is late raises
        no alarm, and lets a standing one end.
        """
        s = self.score
        known = [(source, name) for source, name in zip(s.sources, s.names, strict=True)
                 if math.isfinite(frame.unit.get(name, math.nan))]
        if not known:
            return False
        source, name = known[0]
        x = frame.unit[name] if source == name else 1.0 - frame.unit[name]
        if frame.seq < 0:
            x = min(x, s.rearm - 0.05)
        tokens = 1 if self._last is None or frame.seq < 0 else max(1, frame.seq - self._last)
        self._last = frame.seq if frame.seq >= 0 else None
        self.value += (1.0 - math.exp(-tokens / s.tau)) * (x - self.value)
        self.read, self.record = name, frame.record
        before, self.on = self.on, self.value > (s.rearm if self.on else s.above)
        return self.on != before

    @property
    def share(self):
        """How far up its ladder the chord is, 0..1: of the calm one, or of the tense one."""
        s = self.score
        low, high = (s.rearm, 1.0) if self.on else (LOWEST, s.above)
        return min(max((self.value - low) / (high - low), 0.0), 1.0)


@lru_cache(maxsize=1)
def ladders():
    """(calm, tense): each (chords (n, VOICES) MIDI numbers over TONIC, roughness (n,) rising)."""
    notes = np.arange(LOW, HIGH + 1)
    hz = 440.0 * 2.0 ** ((notes - 69) / 12.0)
    alone = np.array([roughness(*partials([one])) for one in hz])
    both = np.zeros((len(notes), len(notes)))
    for i, j in combinations(range(len(notes)), 2):
        both[i, j] = roughness(*partials([hz[i], hz[j]])) - alone[i] - alone[j]
    inside = np.isin((notes - TONIC) % 12, PENTATONIC)
    chords = np.array([c for c in combinations(range(len(notes)), VOICES)
                       if (notes[list(c)] == TONIC).any() or (notes[list(c)] == TONIC + 12).any()])
    rough = alone[chords].sum(axis=1) + sum(both[chords[:, i], chords[:, j]]
                                            for i, j in combinations(range(VOICES), 2))
    calm = inside[chords].all(axis=1)
    calm &= notes[chords[:, -1]] - notes[chords[:, 0]] >= 12      # open, no cluster of seconds
    tense = ~inside[chords].all(axis=1) & (rough > rough[calm].max())
    found = []
    for which in (calm, tense):
        order = np.argsort(rough[which], kind="stable")
        found.append((notes[chords[which][order]], rough[which][order]))
    return tuple(found)


def chord(on, share, before):
    """The chord of a ladder whose roughness stands at a quantile `share`; of its neighbours the one
    that is nearest to the chord before, and not that one."""
    chords, rough = ladders()[int(on)]
    at = round(share * (len(rough) - 1))
    first = min(max(at - NEAR // 2, 0), len(rough) - NEAR)
    options = [tuple(int(p) for p in c) for c in chords[first:first + NEAR]]
    if before is None:
        return options[NEAR // 2]
    return min((sum(abs(a - b) for a, b in zip(c, before, strict=True)), i, c)
               for i, c in enumerate(options) if c != before)[2]


@dataclass(frozen=True)
class Line:
    """How one role is written of the model's last tokens.

    place   which feature chooses the tone;  onset  which chooses the sixteenths, "" none: the grid
    grid    sixteenths that may be struck;  form  letters of a cell's bars;  rest  share left out
    tones   semitones over the tonic on offer, low to high;  length_steps, level  of each note
    """
    role: str
    place: str
    tones: tuple
    onset: str = ""
    grid: tuple = (0,)
    form: str = "a"
    rest: float = 0.0
    length_steps: float = 4.0
    level: float = 0.6

    @property
    def names(self):
        """The features that it reads."""
        return tuple(name for name in (self.place, self.onset) if name)


@dataclass(frozen=True)
class Monitor:
    """A whole set's music: scenes of `mappings.music`, lines, a score and what its alarm moves.

    tonics    MIDI numbers near 57, one for each scene;  key  the feature that chooses which
    hold      the feature that says how long a chord is held, from a beat to three
    beats     sixteenths of the pulse, calm and alarmed
    alarmed   (path, calm, alarmed) of parameters that the alarm moves
    """
    scenes: tuple
    lines: tuple
    score: Score = field(default_factory=Score)
    tonics: tuple = (57, 55, 60, 52, 59)
    key: str = "resid.axis.3"
    hold: str = "resid.mid.turn"
    beats: tuple = ((0, 8), (0, 4, 8, 12))
    alarmed: tuple = ()
    targets, decorative = {}, ("punctuation",)

    def __post_init__(self):
        for scene in self.scenes:
            if not isinstance(scene, Scene):
                raise MappingError(f"monitor: {scene!r:.60} is no Scene")
        if not self.scenes or not self.tonics:
            raise MappingError("monitor: needs scenes and tonics")

    @property
    def features(self):
        """The names that it reads."""
        return (*self.score.names, self.key, self.hold,
                *{name for line in self.lines for name in line.names})

    @property
    def reads(self):
        """Role -> the features that may move it; "" what may move all."""
        found = {"": (self.key, "text"), "pad": (*self.score.names, self.hold),
                 "alarm": self.score.names, "punctuation": ("text",)}
        return found | {line.role: line.names for line in self.lines}

    def player(self, steps_per_token=2, bars=None):
        """A player of this music."""
        from mappings.monitor_player import MonitorPlayer
        return MonitorPlayer(self, steps_per_token, bars)
