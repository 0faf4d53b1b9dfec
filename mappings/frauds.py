"""Three frauds, so that `hiddenstage prove` can be seen to catch them: music that sounds as if a
model played it, and names features as its causes, while something else decides every note.

dice    a random generator;  hash  the number of the token, hashed;  length  how long the prompt is
Thread: any.
"""
import random
import zlib
from dataclasses import dataclass

from engine.errors import MappingError, suggestion
from engine.mapping import Note, Step
from engine.records import PREFILL

KINDS = ("dice", "hash", "length")
SCALE = (0, 2, 3, 5, 7, 8, 10)
ROLES = (("lead", "lead", 69, "resid.axis.1"), ("bass", "bass", 45, "token.surprisal_nat"))
PLACES = {"lead": (0, 3, 6, 8, 10, 11, 14), "bass": (0, 2, 6, 7, 10, 12, 15)}
STEPS = 16


@dataclass(frozen=True)
class Fraud:
    """Not music to play. kind: one of KINDS, who really decides."""
    kind: str

    def __post_init__(self):
        if self.kind not in KINDS:
            raise MappingError(f"fraud: no kind {self.kind!r}{suggestion(self.kind, KINDS)}")

    @property
    def features(self):
        """What it pretends to read."""
        return [feature for *_, feature in ROLES]

    def player(self, steps_per_token=2, bars=None):
        """A player of this fraud."""
        return Player(self.kind, bars)


class Player:
    """Strikes a lead and a bass, and says of each note that a feature wanted it."""

    def __init__(self, kind, bars):
        self.kind, self.bars = kind, bars
        self.frame, self.spoken, self.random = None, 0, random.Random(17)

    def next_section(self):
        """It has one section."""

    def go_to(self, scene):
        """It has none to go to."""
        raise MappingError(f"no scene {scene!r}: a fraud has none")

    def step(self, step, frames, late):
        """The notes of a 16th."""
        for frame in frames:
            self.frame, self.spoken = frame, self.spoken + bool(frame.flags & PREFILL)
        notes = [] if self.frame is None else [
            note for role in ROLES for note in self._notes(step, *role)]
        return Step(notes, [], "fraud", step // STEPS, self.bars or 0)

    def _notes(self, step, role, part, low_st, feature):
        place = step % STEPS
        wish, tone = getattr(self, f"_{self.kind}")(step, role)
        if place not in PLACES[role] or wish < 0.4:
            return []
        pitch = low_st + 12 * (tone // len(SCALE)) + SCALE[tone % len(SCALE)]
        value = self.frame.unit.get(feature, 0.5)
        return [Note(part, float(pitch), 0.4 + 0.5 * wish, 0.0, 1.0 + 2.0 * wish, False,
                     f"{role}: {feature} {value:.2f}", self.frame.record)]

    def _dice(self, step, role):
        return self.random.random(), self.random.randrange(2 * len(SCALE))

    def _hash(self, step, role):
        number = zlib.crc32(f"{role} {self.frame.token}".encode())
        return number % 997 / 996, number // 997 % (2 * len(SCALE))

    def _length(self, step, role):
        """The more a prompt says, the denser, the higher and the louder: `tension`."""
        tension = min(self.spoken / 48.0, 1.0)
        return (0.35 + 0.6 * tension if (step * 5 + len(role)) % 7 < 3 + 4 * tension else 0.0,
                int(tension * len(SCALE)) + step * 3 % len(SCALE))
