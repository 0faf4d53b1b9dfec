"""The model writes cells: at a phrase line its recent frames fill one to four bars of a role.

One frame stands under each sixteenth of a written bar. Features are compared with each other inside
the bar (ranks), so any model, however its features are spread, fills the grammar's windows: hits,
accents and slides. Thread: any.
"""
from dataclasses import dataclass, replace

from mappings.given import cell_bars, varied_bar
from mappings.memory import read
from mappings.music import STEPS, Grammar

OVERLAP = 0.2                             # steps a note lasts into the one that slides away from it
SLIDES = (0.15, 0.35)                     # share of a line's notes that are slid to
HOOK_MOVES = (-2, -1, -1, 1, 1, 2)        # scale steps to a hook's next note, by the pitch feature


@dataclass(frozen=True)
class Mark:
    """One strike of a cell. place: index of a chord tone; of a hook, scale steps off its middle; of
    a clip, the MIDI number. delay_steps: how late it is; None: as swing has it. seq: the record
    under it when it was written."""
    step: int
    length_steps: float
    place: int
    level: float
    slide: bool
    cause: str
    delay_steps: float | None = None
    seq: int = -1


@dataclass(frozen=True)
class Cell:
    """What a role plays: a tuple of Marks for each bar, and the name it is called by."""
    role: str
    name: str
    bars: tuple


def _spread(values):
    """A mean place, its likely range opened to 0..1."""
    middle = sum(values) / len(values) - 0.5
    return min(max(0.5 + 3.0 * middle, 0.0), 1.0)


def _ranked(indices, values, share):
    """The indices with the greatest values, `share` of them, rounded."""
    count = round(len(indices) * share)
    return set(sorted(indices, key=lambda i: (-values[i], i))[:count])


def columns(grammar: Grammar, frames):
    """feature role -> (name read, (16,) places), one frame under each sixteenth."""
    table = {}
    for role in ("onset", "count", "pitch", "accent", "length", "slide"):
        name = getattr(grammar, role)
        found = [read(frame, name) if name else (0.0, "") for frame in frames]
        table[role] = (found[-1][1], [value for value, _ in found])
    return table


def _steps(grammar, table, density):
    """Which sixteenths are struck: the grammar's weights bent by the onset feature."""
    low, high = grammar.hits
    eager = 0.8 * density + 0.2 * _spread(table["count"][1])
    count = low + round((high - low) * eager)
    onset = table["onset"][1]
    fit = {i: w * (0.35 + onset[i]) for i, w in enumerate(grammar.weights) if w > 0.0}
    return sorted(sorted(fit, key=lambda i: (-fit[i], i))[:count])


def _places(grammar, table, steps):
    """A chord tone, or a hook's scale step, for each struck sixteenth."""
    pitch = table["pitch"][1]
    if grammar.kind != "hook":
        return [grammar.tones[int(min(pitch[i], 0.999) * len(grammar.tones))] for i in steps]
    places, here = [], int(pitch[steps[0]] * 5) - 2
    for i in steps:
        places.append(here)
        move = HOOK_MOVES[int(min(pitch[i], 0.999) * len(HOOK_MOVES))]
        here += move if abs(here + move) <= 5 else -move
    return places


def _slides(grammar, table, steps):
    """The struck sixteenths reached by a slide: a fifth to a third, from near neighbours."""
    if not grammar.slide:
        return set()
    near = [b for a, b in zip(steps, steps[1:], strict=False) if b - a <= 2]
    most = int(len(steps) * SLIDES[1])
    wish = round(len(steps) * (SLIDES[0] + 0.07 + 0.13 * _spread(table["slide"][1])))
    count = min(len(near), max(1, min(wish, most)))
    return set(sorted(near, key=lambda i: (-table["slide"][1][i], i))[:count])


def write_bar(grammar, frames, density, letter):
    """One bar of a cell from 16 frames."""
    table = columns(grammar, frames)
    steps = _steps(grammar, table, density)
    places, slides = _places(grammar, table, steps), _slides(grammar, table, steps)
    accents = _ranked(steps, table["accent"][1], 0.3)
    shortest, longest = grammar.lengths
    marks = []
    for index, step in enumerate(steps):
        after = steps[index + 1] if index + 1 < len(steps) else STEPS
        wish = shortest + (longest - shortest) * table["length"][1][step]
        length = after - step + OVERLAP if after in slides else min(wish, after - step)
        soft = 0.12 * table["accent"][1][step] - 0.06
        level = grammar.level + (0.25 if step in accents else soft)
        cause = f"{grammar.role} {letter}: {table['onset'][0]} {table['onset'][1][step]:.2f}"
        if grammar.kind == "hook" or len(grammar.tones) > 1:
            cause += f", {table['pitch'][0]} {table['pitch'][1][step]:.2f}"
        marks.append(Mark(step, length, places[index], min(level, 1.0), step in slides, cause,
                          seq=frames[step].record))
    return tuple(marks)


def write(grammar, memory, density, name):
    """A cell of one to four bars; each letter of the form has its own frames."""
    if grammar.kind == "clip":
        return Cell(grammar.role, name, cell_bars(grammar, memory, density, Mark))
    letters = sorted(set(grammar.form))
    frames = memory.window(STEPS * len(letters))
    written = {letter: write_bar(grammar, frames[STEPS * i:STEPS * (i + 1)], density,
                                 f"cell {name}{letter}") for i, letter in enumerate(letters)}
    return Cell(grammar.role, name, tuple(written[letter] for letter in grammar.form))


def varied(cell, grammar, memory, density, name):
    """The cell with its last bar, or the second half of its only one, written anew."""
    if grammar.kind == "clip":
        since = 0 if len(cell.bars) > 1 else STEPS // 2
        last = varied_bar(grammar, cell.bars[-1], memory, since)
        return replace(cell, name=name, bars=(*cell.bars[:-1], last))
    fresh = write_bar(grammar, memory.window(STEPS), density, f"cell {name}'")
    if len(cell.bars) > 1:
        return replace(cell, name=name, bars=(*cell.bars[:-1], fresh))
    half = STEPS // 2
    kept = [m for m in cell.bars[0] if m.step < half]
    if kept and kept[-1].step + kept[-1].length_steps > half:
        kept[-1] = replace(kept[-1], length_steps=half - kept[-1].step)
    return replace(cell, name=name, bars=((*kept, *(m for m in fresh if m.step >= half)),))
