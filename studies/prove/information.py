"""Information: how many bits of a feature arrive in what it moves. Thread: control."""
import re
import zlib

import numpy as np

from engine.clock import STEPS_PER_BAR
from studies.prove import stats
from studies.prove.table import WORDS, named

LIMIT = 0.3
MEANS = (1, 32)                           # tokens that a property may have been read from
MARKS = {"text.punctuation": "punctuation", "text.sentence_end": "sentence_end"}
NOMINAL, KINDS = ("interval", "chord", "chord's move", "kind"), 12
OVER = re.compile(r" over (\d+) tokens")


def value_of(frame, name):
    """A feature of a frame as a number: its place, the raw value, or a mark of its words."""
    if name in MARKS:
        return float(getattr(frame, MARKS[name]))
    value = frame.unit.get(name, frame.raw.get(name))
    return np.nan if value is None else value


def columns(frames, names, means):
    """{(feature, tokens): (records,) values} of one text, each the mean over so many tokens."""
    found = {}
    for name in names:
        row = np.array([value_of(frame, name) for frame in frames])
        filled = np.where(np.isfinite(row), row, 0.0)
        known = np.isfinite(row).astype(float)
        for count in means:
            window = np.ones(count)
            total = np.convolve(filled, window)[:len(row)]
            parts = np.convolve(known, window)[:len(row)]
            found[name, count] = np.where(parts > 0, total / np.maximum(parts, 1), np.nan)
    return found


def of_link(m, scores, frames):
    """Bits from a link's feature to its target, over the records that moved it."""
    x, y = [], []
    for score, text in zip(scores, frames, strict=True):
        known = {frame.seq: value_of(frame, m.reads[0]) for frame in text}
        shares = m.shares(score)
        for move in m.moves(score):
            x.append(known.get(move.seq, np.nan))
            y.append(shares[move.step])
    bits, _ = stats.information([(stats.binned(x), stats.binned(y))] if x else [])
    return bits, m.reads[0], "target"


def unique(notes):
    """A cell's notes once, however often it is repeated."""
    found = {}
    for n in notes:
        written = n.cause.partition("; touch ")[0]
        found.setdefault((written, n.seq, n.step % STEPS_PER_BAR, n.part), n)
    return list(found.values())


def root_of(chord):
    """The pitch class that a chord's name begins with, NaN for none."""
    name = chord[:2] if chord[1:2] in ("b", "#") else chord[:1]
    letter = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}.get(name[:1])
    return np.nan if letter is None else (letter + name.count("#") - name.count("b")) % 12


def properties(m, score):
    """(note, {property: number}) of each of a mapping's notes, repeats left out."""
    notes = sorted(m.notes(score), key=lambda n: n.step)
    lines = {}                            # the highest of what is struck at once
    for n in notes:
        lines[n.part, n.step] = max(n.pitch_st, lines.get((n.part, n.step), -1.0))
    places = sorted(lines)
    following = {a: lines[b] - lines[a] for a, b in zip(places, places[1:], strict=False)
                 if a[0] == b[0]}
    for n in unique(notes):
        root = root_of(score.steps[n.step][2])
        before = root_of(score.steps[max(0, n.step - STEPS_PER_BAR)][2])
        yield n, {"pitch": n.pitch_st, "level": n.level, "length": n.length_steps,
                  "place": n.step % STEPS_PER_BAR, "interval": (n.pitch_st - root) % 12,
                  "next step": following.get((n.part, n.step), np.nan),
                  "chord": root, "chord's move": (root - before) % 12,
                  "kind": float(zlib.crc32(n.cause.partition(":")[0].encode()) % 9973)
                  if ":" in n.cause and "cell" not in n.cause else np.nan}


def of_notes(m, scores, frames):
    """The most bits that any of its features shares with any property of its notes."""
    names = [name for name in m.reads if name != WORDS]
    names += list(MARKS) if WORDS in m.reads else []
    if not names:
        return 0.0, "", ""
    rows, marks = {}, {}                  # source -> values of its notes
    for score, text in zip(scores, frames, strict=True):
        values, at = columns(text, names, MEANS), {f.seq: i for i, f in enumerate(text)}
        for n, found in properties(m, score):
            for name, value in found.items():
                marks.setdefault(name, []).append(value)
            for key, row in values.items():
                for source, seq in (("written", n.seq), ("heard", n.frame)):
                    if source == "written" or key[1] == 1:
                        rows.setdefault((source, *key), []).append(
                            row[at[seq]] if seq in at else np.nan)
            rows.setdefault(("said", "what its cause names", 1), []).append(_said(n, text, at))
    keys, pairs = [], []
    for key, values in rows.items():
        x = stats.binned(values)
        for name, y in marks.items():
            if np.isfinite(y).any() and np.nanmax(y) > np.nanmin(y):
                keys.append((key, name))
                pairs.append((x, stats.binned(y, KINDS if name in NOMINAL else stats.BINS)))
    for name, x, y in of_strikes(m, scores, frames, names):
        keys.append((("written", name, 1), "strike"))
        pairs.append((stats.binned(x), y))
    bits, best = stats.information(pairs)
    if best < 0:
        return 0.0, "", ""
    (_, name, count), what = keys[best]
    return bits, name + (f" over {count} tokens" if count > 1 else ""), what


def _said(n, text, at):
    """The feature that a note's cause names first, over the tokens that it says."""
    names, over = named(n.cause), OVER.search(n.cause)
    end = at.get(n.seq)
    if not names or end is None:
        return np.nan
    count = int(over[1]) if over else 1
    values = [value_of(frame, names[0]) for frame in text[max(0, end + 1 - count):end + 1]]
    values = [value for value in values if np.isfinite(value)]
    return float(np.mean(values)) if values else np.nan


def of_strikes(m, scores, frames, names):
    """(feature, values, struck or not) over the records between a role's first and last."""
    found = []
    for name in names:
        x, y = [], []
        for score, text in zip(scores, frames, strict=True):
            struck = {n.seq for n in m.notes(score) if n.seq >= 0}
            if len(struck) < 2:
                continue
            for frame in text:
                if min(struck) <= frame.seq <= max(struck):
                    x.append(value_of(frame, name))
                    y.append(int(frame.seq in struck))
        if len(set(y)) == 2:
            found.append((name, x, np.array(y)))
    return found


def examine(mappings, scores, frames):
    """Adds the check to each mapping."""
    for m in mappings:
        bits, name, what = (of_link if m.kind == "link" else of_notes)(m, scores, frames)
        m.add("bits of its feature in it", bits, f">= {LIMIT} bit", bits >= LIMIT,
              f"{name} in its {what}" if name else "it names no feature")
