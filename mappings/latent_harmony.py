"""Latent harmony: a key that the model's notes keep, and one chord a bar, of the quality it says.

The key is the model's own (Krumhansl and Kessler's profiles on its twelve notes); which of its
directions is called C is a convention. A chord is a wish, quality and lowest note, and the place in
the key that has this quality and is nearest by fifths. What is diminished or augmented resolves in
the next bar. Thread: any.
"""
from dataclasses import dataclass, field, replace

from mappings.harmony import NAMES, Chord, lead_voices, nearest
from mappings.memory import read
from mappings.roles import Harmony

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
QUALITIES = ("major", "minor", "diminished", "augmented")
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6), "augmented": (0, 4, 8)}
SUFFIX = {"major": "", "minor": "m", "diminished": "dim", "augmented": "aug"}
TENSE = QUALITIES[2:]
SHARES = (0.28, 0.70, 0.85)               # of the four qualities, where only a place is known
# mode -> quality -> roots over the tonic that have it, semitones
PLACES = {"major": {"major": (0, 5, 7), "minor": (9, 2, 4), "diminished": (11,),
                    "augmented": (7,)},
          "minor": {"major": (8, 3, 10), "minor": (5, 0, 7), "diminished": (2, 11),
                    "augmented": (3,)}}
# mode -> tense root -> where it resolves
RESOLVED = {"major": {11: (0, "major"), 7: (0, "major")},
            "minor": {2: (7, "major"), 11: (0, "minor"), 3: (0, "minor")}}
RELATIVE = {"major": (9, "minor"), "minor": (8, "major")}
DOMINANT = 7
NINTH_ABOVE = 0.65                        # tension of a bar from which its chord has a ninth
AGAIN = 2                                 # fifths that a root of the loop is further away
HELD_TOKENS = 16                          # that a new key must have stood, without a modulation


def said(frame, name, classes):
    """A number of a frame as a class; a frame that has only places, recalled or of a poor model,
    gives its place among them."""
    value = frame.raw.get(name)
    if value is None:
        place = read(frame, name)[0]
        return sum(place >= share for share in SHARES) if classes == len(QUALITIES) else int(
            min(place, 0.999) * classes)
    return int(value) % classes


@dataclass(frozen=True)
class Wish:
    """What a bar of frames wants: quality, lowest note 0..11, its rank in the chord, a ninth.

    cause, lowest  what the chord and its inversion were read from, in words
    """
    quality: str
    bass: int
    inversion: int
    ninth: bool
    cause: str = ""
    lowest: str = ""
    seq: int = -1


def wish_of(frames):
    """The clearest chord of a bar's frames, and whether the bar was tense."""
    frame = max(frames, key=lambda f: read(f, "chord.confidence")[0])
    if frame.record < 0:
        cause = lowest = "grammar: before the first word"
    else:
        names = ("chord.quality", "chord.bass_st", "chord.confidence", "chord.inversion")
        *chord, lowest = (f"{name} {read(frame, name)[0]:.2f}" for name in names)
        cause = ", ".join(chord)
    tension = sum(read(f, "consonance.tension")[0] for f in frames) / len(frames)
    ninth = tension >= NINTH_ABOVE
    return Wish(QUALITIES[said(frame, "chord.quality", 4)], said(frame, "chord.bass_st", 12),
                said(frame, "chord.inversion", 3), ninth,
                f"{cause}, consonance.tension {tension:.2f}" if ninth else cause, lowest,
                frame.record)


@dataclass(frozen=True)
class Planned:
    """A chord of a key: root over the tonic, quality; why it is there."""
    root: int
    quality: str
    wish: Wish
    why: str = ""


def fifths_apart(one, other):
    """Steps between two pitch classes on the circle of fifths, 0..6."""
    way = 7 * (one - other) % 12
    return min(way, 12 - way)


def chosen(wish, tonic, mode, used, beside):
    """The place of the key with the wish's quality that is nearest to its lowest note.

    used  roots of the loop so far: each costs AGAIN fifths;  beside  those that it may not repeat
    """
    options = [r for r in PLACES[mode][wish.quality] if r not in beside] or PLACES[mode][
        wish.quality]
    return min(options, key=lambda r: fifths_apart(tonic + r, wish.bass) + AGAIN * used.count(r))


def planned(wishes, tonic, mode, at_home):
    """Eight bars from four wishes: the loop, and again with a cadence.

    at_home  a phrase of the text has ended: the loop begins on the tonic
    """
    first = wishes[0]
    root, quality = (0, mode) if at_home or first.quality in (mode, *TENSE) else RELATIVE[mode]
    plan = [Planned(root, quality, first, "home: " if at_home else "")]
    for wish in wishes[1:]:
        before = plan[-1]
        if before.quality in TENSE:
            plan.append(_resolved(before, mode))
            continue
        last = plan[0].root if len(plan) == len(wishes) - 1 else before.root
        root = chosen(wish, tonic, mode, [p.root for p in plan], (before.root, last))
        plan.append(Planned(root, wish.quality, wish))
    last = plan[-1]
    if last.quality in TENSE and RESOLVED[mode][last.root][0] != plan[0].root:
        plan[-1] = last = Planned(DOMINANT, "major", last.wish, "dominant for a ")
    cadence = last if plan[2].quality in TENSE else Planned(DOMINANT, "major", last.wish,
                                                            "cadence: ")
    return (*plan, *plan[:3], cadence)


def _resolved(before, mode):
    root, quality = RESOLVED[mode][before.root]
    return Planned(root, quality, before.wish, f"resolves {before.quality}: ")


@dataclass
class LatentTheme:
    """A section's wishes, the chords that they are in the key, and its cells."""
    letter: str
    wishes: list
    plan: tuple = ()
    key: tuple = ()                       # that the plan is in
    cells: dict = field(default_factory=dict)
    voicings: dict = field(default_factory=dict)


class LatentHarmony(Harmony):
    """Where the piece stands: key, theme, the bar's chord, and what leans out of the key."""

    def __init__(self, tonic=0, mode="minor"):
        super().__init__(tonic, mode)
        self.planned, self.planned_in, self.leaning = None, (tonic, mode), False
        self.candidate, self.held, self.modulated, self.pivots = None, 0, False, 1.0
        self.left = None                      # pitch classes of the key that was just left

    # ---- the key
    def hear(self, frame):
        """The key that a record has, and how long it has stood."""
        tonic, mode = (frame.raw.get(f"key.{name}") for name in ("tonic_st", "mode"))
        if tonic is not None and mode is not None:
            key = int(tonic) % 12, "minor" if mode >= 0.5 else "major"
            self.held = self.held + 1 if key == self.candidate else 1
            self.candidate = key
        self.pivots = frame.raw.get("modulation.pivots", self.pivots)
        for name, *_ in frame.events:
            self.modulated |= name == "modulation"
            self.leaning |= name == "tonicisation"

    def follow(self, first=False):
        """At a line: goes to the key that has stood, or to which the text has moved, through a
        chord of both unless it moved at once. True when it is another one."""
        wanted, moved = self.candidate, first or self.modulated or self.held >= HELD_TOKENS
        direct = first or self.modulated and not self.pivots
        self.modulated = False
        if wanted is None or not moved or wanted == (self.tonic, self.mode):
            return False
        self.left = None if direct else self.scale()
        self.tonic, self.mode = wanted
        return True

    def scale(self):
        """The pitch classes of the key."""
        return {(self.tonic + s) % 12 for s in SCALES[self.mode]}

    def plan(self, at_home):
        """The theme's wishes in the key."""
        theme = self.theme
        theme.plan = planned(theme.wishes, self.tonic, self.mode, at_home)
        theme.key, theme.voicings = (self.tonic, self.mode), {}

    # ---- the bar
    def turn_to(self, bar):
        """The chord of a bar; one that leans out of the key is the dominant of the next."""
        if self.theme.key != (self.tonic, self.mode):     # a theme that returns to another key
            self.plan(True)
        self.index = bar % len(self.theme.plan)
        here, after = (self.theme.plan[(self.index + k) % len(self.theme.plan)] for k in (0, 1))
        if self.planned and self.planned.quality in TENSE:
            here = self._resolution()
        elif self.left:
            here = self._pivot(here)
        elif self.leaning and not {here.quality, after.quality} & set(TENSE):
            here = Planned((after.root + 7) % 12, "major", here.wish, "tonicisation, borrowed: ")
        self.leaning, self.left = False, None
        self.planned, self.planned_in = here, (self.tonic, self.mode)
        root = (self.tonic + here.root) % 12
        tones = [(root + t) % 12 for t in TRIADS[here.quality]]
        dominant = here.quality == "major" and here.root == DOMINANT or "borrowed" in here.why
        if dominant:
            tones.append((root + 10) % 12)
        elif here.wish.ninth and here.quality not in TENSE:
            tones.append((root + 2) % 12)
        name = f"{NAMES[root]}{SUFFIX[here.quality]}{'7' * dominant}"
        self.chord = Chord(here.root, root, tuple(tones), name)

    def _resolution(self):
        """Where the last bar's chord resolves, in the key that it was in."""
        tonic, mode = self.planned_in
        found = _resolved(self.planned, mode)
        return replace(found, root=(tonic + found.root - self.tonic) % 12)

    def _pivot(self, here):
        """A chord of this key and of the one that was left, nearest to home; `here` without one."""
        shared = [(fifths_apart(root, 0), root, quality) for quality in QUALITIES[:2]
                  for root in PLACES[self.mode][quality] if root
                  and {(self.tonic + root + t) % 12 for t in TRIADS[quality]} <= self.left]
        if not shared:
            return here
        _, root, quality = min(shared)
        return Planned(root, quality, here.wish, "modulation, in both keys: ")

    @property
    def cause(self):
        """Why the bar's chord is what it is."""
        return f"{self.chord.name}: {self.planned.why}{self.planned.wish.cause}"

    def tone_st(self, grammar, place):
        """A chord tone from the register's low end; 0 is the lowest of the inversion."""
        low, high = grammar.register
        tones = self.chord.tones
        tone = tones[(self.planned.wish.inversion * (self.planned.quality not in TENSE) + place)
                     % 3]
        pitch = low + (tone - low) % 12
        return pitch + 12 if place // 4 and pitch + 12 <= high else pitch

    def voicing(self, grammar):
        """The chord in the register, led from the one before; it keeps its voicing in a theme."""
        known, key = self.theme.voicings, (grammar.role, self.chord.tones)
        if key not in known:
            known[key] = lead_voices(self.chord.tones, self.voiced.get(grammar.role),
                                     *grammar.register)
        self.voiced[grammar.role] = known[key]
        return known[key]

    def hook_st(self, grammar, place, strong):
        """Scale steps from the middle of the register; a chord tone where the beat is strong."""
        low, high = grammar.register
        ladder = [p for p in range(low, high + 1) if p % 12 in self.scale()]
        middle = min(range(len(ladder)), key=lambda i: (abs(ladder[i] - (low + high) / 2), i))
        pitch = ladder[min(max(middle + place, 0), len(ladder) - 1)]
        return nearest(pitch, self.chord.tones, low, high) if strong else pitch
