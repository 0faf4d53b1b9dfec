"""Null models: what is heard of noise, of a model that learned nothing, of shuffled records, can be
told from the real thing. Thread: control."""
import subprocess
import sys
from pathlib import Path

import numpy as np

import engine.model
from engine.clock import STEPS_PER_BAR
from studies.prove import stats
from studies.prove.information import root_of
from studies.prove.table import bar_of

LIMIT = 0.01
SAME = 1e-3                               # of a place: rounding
BARS = 4                                  # of a window
LINK_WORDS = ("mean", "spread", "roughness", "persistence", "lowest", "highest")
NOTE_WORDS = ("notes", "mean pitch", "pitch spread", "mean level", "level spread", "mean length",
              "length spread", "melodic step", "pitch persistence", "level persistence",
              "level with length", "level with pitch", "off the beat", "repeated places",
              "pitch classes", "chords", "moves of the chord")
TWIN = """
import sys
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
source, out, seed = sys.argv[1:]
torch.manual_seed(int(seed))
model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(source))
model.save_pretrained(out)
AutoTokenizer.from_pretrained(source).save_pretrained(out)
"""


def untrained(source, out, seed=1):
    """A process that writes a model of the same shape with random weights to a folder. One of its
    own: the suite needs no torch."""
    return subprocess.Popen([sys.executable, "-c", TWIN, str(source), str(out), str(seed)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def persistence(values):
    """Correlation of a row with itself one place later."""
    values = np.asarray(values, float)
    return stats.spearman(values[:-1], values[1:]) if len(values) > 4 else np.nan


def link_windows(m, score):
    """(windows, descriptors) of a link's target."""
    shares, size, found = m.shares(score), BARS * STEPS_PER_BAR, []
    for start in range(0, len(shares) - size + 1, size):
        part = shares[start:start + size]
        part = part[np.isfinite(part)]
        if len(part) < 8:
            continue
        steps = np.abs(np.diff(part))
        kept = part[::max(1, size // 32)]
        found.append([part.mean(), part.std(), steps.mean(), persistence(kept), part.min(),
                      part.max()])
    return found


def note_windows(m, score, known):
    """(windows, descriptors) of a role's or a trigger's notes; what was written before, and is in
    `known`, is no new evidence when it comes again."""
    windows, found = {}, []
    for n in m.notes(score):
        windows.setdefault(bar_of(n) // BARS, []).append(n)
    for _, notes in sorted(windows.items()):
        written = {(n.seq if n.seq >= 0 else n.cause, n.step % STEPS_PER_BAR) for n in notes}
        if 2 * len(written - known) >= len(written):
            found.append(_described(notes) + _harmony(notes, score))
        known |= written
    return found


def _described(notes):
    pitch, level, length = (np.array([getattr(n, name) for n in notes]) for name in (
        "pitch_st", "level", "length_steps"))
    bars = {}
    for n in notes:
        bars.setdefault(bar_of(n), set()).add(n.step % STEPS_PER_BAR)
    places = [bars[bar] for bar in sorted(bars)]
    alike = [len(a & b) / len(a | b) for a, b in zip(places, places[1:], strict=False)]
    return [len(notes) / len(bars), pitch.mean(), pitch.std(), level.mean(), level.std(),
            length.mean(), length.std(), np.abs(np.diff(pitch)).mean() if len(notes) > 1 else 0.0,
            persistence(pitch), persistence(level), stats.spearman(level, length),
            stats.spearman(level, pitch), np.mean([n.step % 4 != 0 for n in notes]),
            np.mean(alike) if alike else np.nan]


def _harmony(notes, score):
    """How many pitch classes, how many chords a bar, and how far chords move, of a window."""
    bars = sorted({bar_of(n) for n in notes})
    roots = np.array([root_of(score.steps[bar * STEPS_PER_BAR][2]) for bar in bars])
    moves = np.diff(roots) % 12
    return [len({round(n.pitch_st) % 12 for n in notes}), len(set(roots)) / len(bars),
            np.minimum(moves, 12 - moves).mean() if len(moves) else np.nan]


def windows_of(m, scores, texts):
    """(rows, text of each row) over scores. Behind the first `texts` come those of the same texts
    begun elsewhere: other cells, but of a link the same values, so they are left out."""
    rows, groups, known = [], [], [set() for _ in range(texts)]
    for number, score in enumerate(scores[:texts] if m.kind == "link" else scores):
        text = number % texts
        more = (link_windows(m, score) if m.kind == "link" else
                note_windows(m, score, known[text]))
        rows, groups = rows + more, groups + [text] * len(more)
    return rows, groups


def untouched(m, real, null):
    """Whether a null model leaves everything that a mapping itself reads as it is, the words too:
    noise of the same norm says the same where only norms are read. real, null: frames."""
    for one, two in zip(real, null, strict=True):
        for mine, theirs in zip(one, two, strict=True):
            if mine.token != theirs.token or mine.text != theirs.text:
                return False
            if any(_differs(mine, theirs, name) for name in m.reads):
                return False
    return True


def _differs(mine, theirs, name):
    """Whether two frames differ in a feature, a row or an event."""
    for part in ("unit", "raw", "rows"):
        a, b = getattr(mine, part).get(name), getattr(theirs, part).get(name)
        if a is not None and b is not None:
            return not np.allclose(a, b, SAME, SAME, equal_nan=True)
        if a is not None or b is not None:
            return True
    return [e for e in mine.events if e[0] == name] != [e for e in theirs.events if e[0] == name]


def compare(mappings, real, null, name, frames, others, must=True):
    """Each mapping's windows in real scores against those of a null model, and their frames.

    must   False: what cannot be told apart is said, and not held against a mapping
    """
    for m in mappings:
        limit = f"p < {LIMIT}"
        if untouched(m, frames, others):
            m.add(name, None, limit, None, "this null leaves what it reads as it is")
            continue
        rows, groups = windows_of(m, real, len(frames))
        noise, more = windows_of(m, null, len(frames))
        p, best, accuracy = stats.told_apart(rows, noise, [*groups, *more])
        if np.isnan(p):
            m.add(name, None, limit, None, f"{len(rows)} windows of it and {len(noise)} of the "
                  "null are too few to tell")
            continue
        words = (LINK_WORDS if m.kind == "link" else NOTE_WORDS)[best]
        m.add(name, p, limit, True if p < LIMIT else False if must else None,
              f"by its {words}" + ("" if np.isnan(accuracy) else
                                   f"; a classifier is right {accuracy:.0%} of the time"))


def ordered(mappings, name):
    """(smallest p, its mapping) over all mappings, corrected for their number: whether a null can
    be told from the real thing by anything that is heard."""
    found = [(check.value, m.name) for m in mappings for check in m.checks
             if check.test == name and check.value is not None]
    if not found:
        return None, ""
    p, who = min(found)
    return min(1.0, p * len(found)), who


def folder_of(model):
    """Where a model's configuration is: the embedded one's folder, or the name as it was given."""
    return Path(engine.model.__file__).parent / "embedded" if model == "embedded" else model
