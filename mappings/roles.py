"""From the marks of a cell to the rows of a bar: chord tones, voicings, hooks. Thread: any."""
from dataclasses import dataclass, field

from mappings import harmony
from mappings.music import STEPS, Grammar

DRUM_ST = 60.0                            # a drum's own pitch
PERC_ST = 72                              # tuned percussion lies in the octave above
SOFTER = 0.06                             # each higher note of a stab


@dataclass
class Row:
    """One strike of a bar, before swing and touch."""
    part: str
    role: str
    step: int
    pitch_st: float
    level: float
    length_steps: float
    slide: bool
    cause: str
    touch: str = ""
    delay_steps: float | None = None      # None: as swing has it
    seq: int = -1                         # the record that it was read from


@dataclass
class Theme:
    """A section's chords, their voicings, and its cells by role and fullness.

    wish    the link's path that chose the chords, "" for none
    tokens  how many they were read from;  seq  the newest record then
    """
    letter: str
    degrees: tuple
    wish: str = ""
    tokens: int = 0
    seq: int = -1
    voicings: dict = field(default_factory=dict)
    cells: dict = field(default_factory=dict)


class Harmony:
    """Where the piece stands: key, mode, theme, the chord of the bar."""

    def __init__(self, tonic, mode):
        self.tonic, self.mode = tonic, mode
        self.theme, self.chord, self.index = None, None, 0
        self.voiced = {}

    def turn_to(self, bar):
        """The chord of a bar of the section."""
        self.index = bar % len(self.theme.degrees)
        self.chord = harmony.chord_at(self.tonic, self.mode, self.theme.degrees[self.index])

    def tone_st(self, grammar, place):
        """A chord tone in the register: 0..3 up from the lowest root, from 4 an octave higher."""
        low, high = grammar.register
        root = low + (self.chord.root - low) % 12
        pitch = root + (self.chord.tones[place % 4] - self.chord.root) % 12 + 12 * (place // 4)
        return pitch - 12 * max(0, -((high - pitch) // 12))

    def perc_st(self, tone):
        return float(PERC_ST + (self.chord.tones[tone % 4] - PERC_ST) % 12)

    def voicing(self, grammar):
        """The chord's notes in the register, led from the chord before. A degree keeps its voicing
        inside a theme, so that a loop is a loop."""
        known = self.theme.voicings.get(grammar.role)
        if known is None:
            known, before = {}, self.voiced.get(grammar.role)
            for degree in self.theme.degrees:
                if degree not in known:
                    chord = harmony.chord_at(self.tonic, self.mode, degree)
                    known[degree] = harmony.lead_voices(chord.tones, before, *grammar.register)
                before = known[degree]
            self.theme.voicings[grammar.role] = known
        self.voiced[grammar.role] = known[self.theme.degrees[self.index]]
        return self.voiced[grammar.role]

    def hook_st(self, grammar, place, strong):
        """Scale steps from the middle of the register; a chord tone where the beat is strong."""
        low, high = grammar.register
        scale = {(self.tonic + s) % 12 for s in harmony.MODES[self.mode]}
        ladder = [p for p in range(low, high + 1) if p % 12 in scale]
        middle = min(range(len(ladder)), key=lambda i: (abs(ladder[i] - (low + high) / 2), i))
        pitch = ladder[min(max(middle + place, 0), len(ladder) - 1)]
        return harmony.nearest(pitch, self.chord.tones, low, high) if strong else pitch


def pitches(grammar: Grammar, mark, here: Harmony):
    """The MIDI numbers that a mark sounds."""
    if grammar.kind == "bass":
        return [here.tone_st(grammar, mark.place)]
    if grammar.kind == "hook":
        return [here.hook_st(grammar, mark.place, mark.step % 4 == 0)]
    if grammar.kind in ("stab", "pad"):
        return here.voicing(grammar)
    if grammar.kind == "clip":
        return [min(max(mark.place + grammar.shift_st(here.tonic), 0.0), 127.0)]
    return [here.perc_st(mark.place) if len(grammar.tones) > 1 else DRUM_ST]


def rows_of(grammar: Grammar, part, mark, here: Harmony):
    """A mark as rows, one a pitch."""
    return [Row(part, grammar.role, mark.step, pitch, mark.level * (1.0 - SOFTER * i),
                mark.length_steps, mark.slide, mark.cause, grammar.touch, mark.delay_steps,
                mark.seq)
            for i, pitch in enumerate(pitches(grammar, mark, here))]


def held(grammar: Grammar, part, here: Harmony):
    """A pad: the chord for the bar."""
    read = f"resid.axis.{3 + here.index % 4} over {here.theme.tokens} tokens"
    cause = f"chord {here.chord.name}: {here.theme.wish or read}"
    return [Row(part, grammar.role, 0, pitch, grammar.level, STEPS - 0.5, False, cause,
                grammar.touch, seq=here.theme.seq) for pitch in here.voicing(grammar)]
