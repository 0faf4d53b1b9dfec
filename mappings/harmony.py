"""Harmony by scale degree: modes, a functional grammar of moves, chords, and voice leading.

The moves follow the functions of the minor mode (tonic, subdominant, dominant); house loops stay in
the mode: no raised leading note. Thread: any.
"""
from dataclasses import dataclass

MODES = {"aeolian": (0, 2, 3, 5, 7, 8, 10), "dorian": (0, 2, 3, 5, 7, 9, 10)}
MOVES = {                                 # degree -> where it likes to go, the most usual first
    "aeolian": {1: (6, 4, 7, 3, 5), 3: (6, 7, 4), 4: (7, 6, 1, 5), 5: (6, 4, 3), 6: (3, 7, 4),
                7: (3, 6, 4)},
    "dorian": {1: (4, 7, 3, 2, 5), 2: (5, 4, 3), 3: (4, 7, 2), 4: (7, 3, 5), 5: (4, 3, 2),
               7: (4, 3, 5)},
}
CLOSERS = {"aeolian": (7, 5, 4, 6), "dorian": (7, 5, 2, 4)}
HEADS = {"aeolian": (1, 1, 6, 4), "dorian": (1, 1, 4, 7)}
NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
QUALITIES = {(3, 7): "m", (4, 7): "", (3, 6): "dim", (4, 8): "aug"}


@dataclass(frozen=True)
class Chord:
    """Four tones in stacked thirds inside the mode: root, third, fifth, seventh; pitch classes."""
    degree: int
    root: int
    tones: tuple
    name: str


def chord_at(tonic, mode, degree):
    """The seventh chord on a degree 1..7 of the mode over `tonic` (any MIDI number)."""
    scale = MODES[mode]
    tones = tuple((tonic + scale[(degree - 1 + third) % 7]) % 12 for third in (0, 2, 4, 6))
    root = tones[0]
    quality = QUALITIES.get(tuple((tone - root) % 12 for tone in tones[1:3]), "")
    seventh = "maj7" if (tones[3] - root) % 12 == 11 else "7"
    return Chord(degree, root, tones, f"{NAMES[root]}{quality}{seventh}")


def chord_named(name):
    """The pitch classes of a chord's name as `chord_at` writes it, root first."""
    length = 2 if name[1:2] == "b" else 1
    root, kind = NAMES.index(name[:length]), name[length:]
    thirds = next(t for t, quality in QUALITIES.items() if quality == kind.removesuffix("maj7")
                  .removesuffix("7"))
    return (root, *((root + t) % 12 for t in (*thirds, 11 if kind.endswith("maj7") else 10)))


def _step(mode, choose, index, used):
    """The next degree from the last one: a functional move, degrees not yet used first."""
    moves = MOVES[mode][used[-1]]
    fresh = [degree for degree in moves if degree not in used] or list(moves)
    return choose(index, fresh)


def loop(mode, choose):
    """Four degrees that return: head, two moves, a closer. choose(index, options) -> one."""
    degrees = [choose(0, HEADS[mode])]
    degrees.append(_step(mode, choose, 1, degrees))
    degrees.append(_step(mode, choose, 2, degrees))
    closers = [degree for degree in CLOSERS[mode] if degree not in degrees]
    degrees.append(choose(3, closers))
    return degrees


def progression(mode, choose, other_than=()):
    """Eight degrees, one a bar: a loop of four, and again with a changed end."""
    first = loop(mode, choose)
    ends = [degree for degree in CLOSERS[mode] if degree not in (first[3], first[2])]
    degrees = (*first, *first[:3], choose(4, ends))
    if degrees in other_than:
        taken = (first[0], first[2], first[3])
        others = [degree for degree in MOVES[mode][1] if degree not in taken]
        second = next((d for d in others if (first[0], d, *degrees[2:]) not in other_than),
                      others[0])
        degrees = (first[0], second, first[2], first[3], first[0], second, first[2], degrees[7])
    return degrees


def voicings(tones, low, high):
    """Every close position of the tones inside the register, as rising MIDI numbers."""
    found = []
    for start in range(low, high - 8):
        if start % 12 in tones:
            voices = [start]
            while len(voices) < len(tones):
                above = min((tone - voices[-1]) % 12 for tone in tones if tone != voices[-1] % 12)
                voices.append(voices[-1] + above)
            if voices[-1] <= high:
                found.append(tuple(voices))
    return found


def motion_st(before, after):
    """How far the voices move from one voicing to the next, semitones a voice."""
    return sum(abs(a - b) for a, b in zip(before, after, strict=True)) / len(after)


def lead_voices(tones, before, low, high):
    """The close position nearest to `before`, else nearest to the middle of the register."""
    middle, known = (low + high) / 2, before is not None and len(before) == len(tones)

    def cost(voices):
        off = abs(sum(voices) / len(voices) - middle)
        return motion_st(before, voices) + 0.02 * off if known else off, voices
    return min(voicings(tones, low, high), key=cost)


def nearest(pitch_st, classes, low, high):
    """The member of the pitch classes nearest to a pitch inside a register; the lower of two."""
    options = [p for p in range(low, high + 1) if p % 12 in classes]
    return min(options, key=lambda p: (abs(p - pitch_st), p))
