"""Repetition in a piece: three numbers from the 16th cells of its pitched parts. Thread: any.

A cell is (part, 16th of the bar, MIDI number); a bar is the set of its struck cells.
    similarity  mean Jaccard index of a bar and the bar four later
    novelty     mean of 1 - the best Jaccard index with any of the 32 bars before
    repeats     share of bars that repeat an earlier bar exactly
Bars without a note are left out.
"""
STEPS, AHEAD, BACK = 16, 4, 32


def jaccard(one, other):
    """Shared cells over all cells; two empty bars are alike."""
    return len(one & other) / len(one | other) if one or other else 1.0


def bars_of(strikes, bars):
    """strikes (step, part, pitch) as `bars` sets of cells."""
    cells = [set() for _ in range(bars)]
    for step, part, pitch in strikes:
        if 0 <= step < bars * STEPS:
            cells[step // STEPS].add((part, step % STEPS, round(pitch)))
    return [frozenset(bar) for bar in cells]


def mean(values):
    return sum(values) / len(values) if values else float("nan")


def patterns(cells):
    """{"similarity", "novelty", "repeats"} of a list of bars."""
    pairs = [jaccard(a, b) for a, b in zip(cells, cells[AHEAD:], strict=False) if a or b]
    later = [(i, bar) for i, bar in enumerate(cells) if bar and any(cells[max(0, i - BACK):i])]
    novelty = [1.0 - max(jaccard(bar, cells[k]) for k in range(max(0, i - BACK), i))
               for i, bar in later]
    seen, repeats = set(), []
    for bar in cells:
        if bar:
            repeats.append(bar in seen)
            seen.add(bar)
    return {"similarity": mean(pairs), "novelty": mean(novelty), "repeats": mean(repeats)}
