"""What a performance of the Player is judged by: numbers from its notes, chords and sections.

A performance is the list of its Steps and, beside it, which frame was heard at which step.
Thread: any.
"""
from bisect import bisect_left
from dataclasses import dataclass, field
from statistics import pstdev

from bench._patterns import STEPS, bars_of, mean, patterns
from mappings.harmony import chord_named

PITCHED = ("bass", "chords", "lead", "pad")
DRUMS = ("kick", "clap", "hat", "openhat", "perc")
STRONG, LINE = 4, 4
BASS_LOW, BASS_HIGH = 28, 48


@dataclass
class Performance:
    """Steps in order, from `first` on; heard: (step, frame) of every real record."""
    steps: list
    heard: list = field(default_factory=list)

    @property
    def bars(self):
        return len(self.steps) // STEPS

    def notes(self, *parts):
        """(step, Note) of the named parts, of all without a name."""
        return [(i, note) for i, step in enumerate(self.steps) for note in step.notes
                if not parts or note.part in parts]

    def sections(self):
        """(name, first bar, bars) in order."""
        found = []
        for bar in range(self.bars):
            step = self.steps[bar * STEPS]
            key = (step.section, bar - step.section_bar, step.cycle)
            if not found or found[-1][0] != key:
                found.append([key, bar, 0])
            found[-1][2] += 1
        return [(key[0], bar, bars) for key, bar, bars in found]

    def chords(self):
        """The chord's name in each bar."""
        return [self.steps[bar * STEPS].chord for bar in range(self.bars)]


def pattern_numbers(play):
    """The three corpus measures of the pitched parts."""
    strikes = [(i, note.part, note.pitch_st) for i, note in play.notes(*PITCHED)]
    return patterns(bars_of(strikes, play.bars))


def harmony_numbers(play):
    """Fewest chord roots in any 32 bars; different 8-bar progressions; semitones a voice moves."""
    names = [name for name in play.chords() if name]
    roots = [chord_named(name)[0] for name in names]
    window = min(32, len(roots))
    fewest = min(len(set(roots[i:i + window])) for i in range(0, len(roots) - window + 1, 8))
    eights = {tuple(names[i:i + 8]) for i in range(0, len(names) - 7, 8)}
    return {"roots": fewest, "progressions": len(eights), "voice_motion_st": voice_motion(play)}


def voice_motion(play):
    """Mean semitones a voice moves between one chord of a part and its next different one."""
    moves = []
    for part in ("chords", "lead", "pad"):
        before = None
        for step in play.steps:
            chord = sorted(n.pitch_st for n in step.notes
                           if n.part == part and not n.cause.startswith("edit"))
            if len(chord) < 3 or chord == before:
                continue
            if before and len(before) == len(chord):
                moves.append(mean([abs(a - b) for a, b in zip(before, chord, strict=True)]))
            before = chord
    return mean(moves)


def strong_chord_tones(play):
    """Share of strong-step lead notes that are tones of the chord."""
    on = [round(n.pitch_st) % 12 in chord_named(play.steps[i].chord)
          for i, n in play.notes("lead") if i % STRONG == 0]
    return mean([float(x) for x in on])


def entries_on_lines(play):
    """Share of part entries and exits (a bar with, after one without, or back) on 4-bar lines."""
    changes = []
    for part in (*PITCHED, *DRUMS):
        sounding = {i // STEPS for i, _ in play.notes(part)}
        changes += [bar % LINE == 0 for bar in range(1, play.bars)
                    if (bar in sounding) != (bar - 1 in sounding)]
    return mean([float(x) for x in changes])


def fill_gaps(play):
    """Bars that close with a fill, and the share of gaps between them that are 8 or 16 bars."""
    bars = sorted({i // STEPS for i, n in play.notes() if n.cause.startswith("fill")})
    gaps = [b - a for a, b in zip([-1, *bars], bars, strict=False)]
    return {"fills": len(bars), "fill_gaps": mean([float(gap in (8, 16)) for gap in gaps])}


def density(play):
    """Strikes a bar in each kind of section (chord tones struck together count once)."""
    found = {}
    for name, first, bars in play.sections():
        steps = play.steps[first * STEPS:(first + bars) * STEPS]
        strikes = sum(len({n.part for n in step.notes}) for step in steps)
        kept = found.setdefault(name, [0, 0])
        kept[0], kept[1] = kept[0] + strikes, kept[1] + bars
    return {name: strikes / bars for name, (strikes, bars) in found.items()}


def groove_numbers(play):
    """Bass against the kick, slides, touch, drums' grammar."""
    bass = play.notes("bass")
    kicks = {i for i, _ in play.notes("kick")}
    inside = [float(BASS_LOW <= n.pitch_st <= BASS_HIGH) for _, n in bass]
    levels = [[n.level for _, n in play.notes(part)] for part in (*PITCHED, *DRUMS)]
    drop = [i for name, a, n in play.sections() if name == "drop" for i in range(a, a + n)]
    kicked = [i // STEPS for i in kicks if i % 4 == 0]
    return {"bass_on_kick": mean([float(i in kicks) for i, _ in bass]),
            "bass_in_register": mean(inside),
            "slides": mean([float(n.slide) for _, n in bass]),
            "level_deviation": mean([pstdev(part) for part in levels if part]),
            "drop_kicks": mean([float(kicked.count(bar)) for bar in drop]),
            "open_hats_off_beat": mean([float(i % 4 == 2) for i, _ in play.notes("openhat")]),
            "swing": 0.5 + max((n.delay_steps for i, n in play.notes()), default=0.0) / 2}


def edit_alignment(play):
    """How surely the surprising words are the ones that edit: P(surprisal of an edited token is
    above that of another), 0.5 by chance. Judged by the text as it was heard."""
    edited = {i for i, n in play.notes() if n.cause.startswith("edit token")}
    edited |= {i - 1 for i in edited}
    with_edit, without = [], []
    for step, frame in play.heard:
        place = frame.unit.get("token.surprisal_nat")
        if place is not None:
            (with_edit if step in edited else without).append(place)
    if not with_edit or not without:
        return float("nan")
    wins = sum((a > b) + 0.5 * (a == b) for a in with_edit for b in without)
    return wins / (len(with_edit) * len(without))


def section_alignment(play, tokens=8, line=8):
    """How much more often a sentence ended among the last tokens before a section's end than before
    the 8-bar lines where a section went on: a difference of shares, 0 by chance."""
    steps = [step for step, _ in play.heard]
    ends = {first for _, first, _ in play.sections()[1:]}
    found = {True: [], False: []}
    for bar in sorted(ends | set(range(line, play.bars, line))):
        until = bisect_left(steps, bar * STEPS)
        last = play.heard[max(0, until - tokens):until]
        found[bar in ends].append(float(any(f.sentence_end or f.paragraph_end for _, f in last)))
    return mean(found[True]) - mean(found[False]) if all(found.values()) else float("nan")


def numbers(play):
    """Every number of a performance."""
    return {**pattern_numbers(play), **harmony_numbers(play),
            "strong_chord_tones": strong_chord_tones(play),
            "entries_on_lines": entries_on_lines(play), **fill_gaps(play), **groove_numbers(play),
            "edit_alignment": edit_alignment(play), "section_alignment": section_alignment(play),
            "density": density(play),
            "sections": [(name, bars) for name, _, bars in play.sections()]}
