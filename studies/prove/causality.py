"""Causality: what changes what is heard, and what does not. Thread: control."""
import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from engine.clock import STEPS_PER_BAR
from engine.records import PREFILL
from studies.prove import stats
from studies.prove.table import CLASSES, WORDS, bar_of, grid, pitched

AGREE, GROW = 0.3, 0.5
DOSES = (0.0, 0.1, 0.25, 0.5, 1.0)
IDS, PROMPT_END = "token ids", "the prompt's end"
OTHERS = "a feature that nothing names"
GROWS = "farther features, other music"
NEVER = (IDS, PROMPT_END, OTHERS)         # nothing may follow these


@dataclass
class Bench:
    """What the tests play on: a function from frames and bars to a Score, and the texts' frames."""
    play: object
    frames: list
    names: tuple
    tokens_per_bar: int

    def short(self, text, bars):
        return self.frames[text][:bars * self.tokens_per_bar]


# ---- unrelated texts
def unrelated(mapping, scores):
    """Unrelated texts agree no more than chance: Cohen's kappa over all their pairs.

    Of notes it is pooled over strata (Barlow, Lai, Azen 1991): a stratum is a place of the bar and
    a pitch class, and chance is how often it is struck. So a place where the grammar always strikes
    is no agreement, and one where it strikes now and then is none either, unless two texts do so at
    the same time.
    """
    value = (_agreed_moves if mapping.kind == "link" else _agreed_notes)(mapping, scores)
    words = "the same whatever the text" if value >= 1.0 else ""
    mapping.add("unrelated texts agree", value, f"kappa <= {AGREE}",
                None if math.isnan(value) else value <= AGREE,
                words or ("it never plays in two texts at once" if math.isnan(value) else ""))


def _agreed_moves(mapping, scores):
    rows = np.array([mapping.shares(score) for score in scores])
    return stats.kappa_of(stats.binned(rows.ravel()).reshape(rows.shape))


def _agreed_notes(mapping, scores):
    notes = [mapping.notes(score) for score in scores]
    classes = CLASSES if pitched([n for some in notes for n in some]) else 1
    bars = min(score.bars for score in scores)
    grids = np.array([grid(some, bars, classes) for some in notes])
    plays = grids.any(2)
    struck = grids[plays]
    if not len(struck):
        return math.nan
    usual = struck.mean(0)                # of each place and pitch class: what the grammar fixes
    chance = usual ** 2 + (1.0 - usual) ** 2
    beyond = possible = 0.0
    for a, b in combinations(range(len(scores)), 2):
        both = plays[a] & plays[b]
        agree = grids[a][both] == grids[b][both]
        beyond += float((agree - chance).sum())
        possible += float((1.0 - chance).sum() * both.sum())
    return stats.share_beyond(beyond, possible)


# ---- the past stays
def past_stays(mappings, bench, remeasured, bars):
    """Another record t leaves everything before its step as it was. remeasured(t) gives the frames
    with record t exchanged."""
    plain = bench.play(remeasured(None), bars)
    count = bars * bench.tokens_per_bar
    places = [count // 4, count // 2, 3 * count // 4]
    earlier = dict.fromkeys((m.name for m in mappings), 0)
    for t in places:
        step = t * STEPS_PER_BAR // bench.tokens_per_bar
        other = bench.play(remeasured(t), bars)
        for m in mappings:
            earlier[m.name] += m.heard(plain, step) != m.heard(other, step)
    for m in mappings:
        m.add("the past stays", earlier[m.name], "0 of 3 exchanged records heard before their step",
              earlier[m.name] == 0)


def again(mappings, bench, bars):
    """The same frames give the same events."""
    one, two = (bench.play(bench.short(0, bars), bars) for _ in range(2))
    for m in mappings:
        same = m.heard(one) == m.heard(two)
        m.add("the same frames, the same music", float(same), "identical", same)


# ---- one feature alone
def exchanged(frames, other, name, read=()):
    """The frames with one feature (or row, or event, or the words) taken from another text; OTHERS:
    with all features and rows but those of `read`."""
    found = []
    for mine, theirs in zip(frames, other, strict=True):
        if name == OTHERS:
            found.append(replace(mine, raw=_but(mine.raw, theirs.raw, read), unit=_but(
                mine.unit, theirs.unit, read), rows=_but(mine.rows, theirs.rows, read)))
        elif name == IDS:
            found.append(replace(mine, token=theirs.token))
        elif name == PROMPT_END:
            found.append(replace(mine, flags=mine.flags ^ PREFILL))
        elif name == WORDS:
            found.append(replace(mine, text=theirs.text, sentence_end=theirs.sentence_end,
                                 punctuation=theirs.punctuation,
                                 paragraph_end=theirs.paragraph_end))
        else:
            found.append(replace(
                mine, raw=_with(mine.raw, theirs.raw, name),
                unit=_with(mine.unit, theirs.unit, name), rows=_with(mine.rows, theirs.rows, name),
                events=[e for e in mine.events if e[0] != name]
                + [e for e in theirs.events if e[0] == name]))
    return found


def _but(mine, theirs, read):
    return {name: value if name in read else theirs.get(name, value)
            for name, value in mine.items()}


def _with(mine, theirs, name):
    left = {key: value for key, value in mine.items() if key != name}
    return left | {name: theirs[name]} if name in theirs else left


def one_at_a_time(mappings, bench, bars, report):
    """Exchanging one feature moves what reads it and nothing else."""
    read = dict.fromkeys([name for m in mappings for name in (*m.reads, *m.form)])
    read |= dict.fromkeys([WORDS, *NEVER])
    texts = [(0, 1), (2, 3)] if len(bench.frames) > 3 else [(0, 1)]
    plain = [bench.play(bench.short(a, bars), bars) for a, _ in texts]
    before = [[m.heard(score) for m in mappings] for score in plain]
    movers = [[] for _ in mappings]
    for number, name in enumerate(read):
        report(number / len(read), f"another {name}")
        for base, (a, b) in zip(before, texts, strict=True):
            frames = exchanged(bench.short(a, bars), bench.short(b, bars), name, read)
            score = bench.play(frames, bars)
            for k, m in enumerate(mappings):
                if name not in movers[k] and m.heard(score) != base[k]:
                    movers[k].append(name)
    here = given(bench.frames)
    for m, moved in zip(mappings, movers, strict=True):
        _judge_movers(m, moved, here)


def given(texts):
    """Everything that frames carry by name: features, rows, events; and the words."""
    found = {WORDS}
    for frames in texts:
        for frame in frames:
            found.update(frame.raw, frame.unit, frame.rows, (event[0] for event in frame.events))
    return found


def _judge_movers(m, moved, here):
    strangers = [name for name in moved if name not in m.reads and name not in m.form]
    lacking = [name for name in m.reads if name not in here]
    dead = [name for name in m.reads if name not in moved and name in here]
    words = [f"this model gives no {', '.join(lacking)}"] if lacking else []
    if dead:
        words.append(f"{', '.join(dead)}: named, and moves nothing")
    m.add("only what it names moves it", len(strangers), "0 strangers", not strangers,
          f"moved by {', '.join(strangers)}, which it does not name" if strangers else "")
    count = len(m.reads) - len(lacking)
    m.add("what it names moves it", count - len(dead), f"all {count} features",
          not dead and bool(m.reads), "; ".join(words) if m.reads else "it names no feature")


# ---- more apart, more different
def mixed(frames, other, share, names):
    """The frames with these features moved a share of the way to another text's; the words stay."""
    found = []
    for mine, theirs in zip(frames, other, strict=True):
        near = mine if share < 0.5 else theirs
        found.append(replace(
            mine, raw=_between(mine.raw, theirs.raw, share, names),
            unit=_between(mine.unit, theirs.unit, share, names),
            rows=_between(mine.rows, theirs.rows, share, names), events=near.events))
    return found


def _between(mine, theirs, share, names):
    found = dict(mine)
    for name in names:
        a, b = mine.get(name), theirs.get(name)
        if a is None or b is None or np.shape(a) != np.shape(b):
            a = b = a if share < 0.5 else b
        if a is None:
            found.pop(name, None)
        else:
            found[name] = a if share == 0.0 else b if share == 1.0 else a + share * (b - a)
    return found


def distance(m, one, two):
    """How different one mapping sounds in two scores, 0 the same."""
    if m.kind == "link":
        gap = np.abs(m.shares(one) - m.shares(two))
        return float(np.nanmean(gap)) if np.isfinite(gap).any() else 0.0
    sides = [{}, {}]
    for side, score, other in zip(sides, (one, two), (two, one), strict=True):
        for n in m.notes(score):
            if other.steps[n.step][0] == n.section:      # whether a scene has it is the form's
                side.setdefault((n.step, n.part), []).append(n)
    shared, every = sorted(set(sides[0]) & set(sides[1])), set(sides[0]) | set(sides[1])
    if not every:
        return 0.0
    pairs = [[max(side[key], key=lambda n: n.pitch_st) for side in sides] for key in shared]
    gaps = [min(abs(a.pitch_st - b.pitch_st), 12.0) / 12.0 + abs(a.level - b.level) / 0.25
            + min(abs(a.length_steps - b.length_steps), 4.0) / 4.0 for a, b in pairs]
    return 1.0 - len(shared) / len(every) + (float(np.mean(gaps)) if gaps else 1.0)


def apart(frames, others, reads):
    """Mean distance of the features that a mapping reads, as places where there are any."""
    gaps = []
    for mine, theirs in zip(frames, others, strict=True):
        for name in reads:
            a, b = (f.unit.get(name, f.raw.get(name)) for f in (mine, theirs))
            if a is not None and b is not None:
                gaps.append(abs(a - b))
    return float(np.mean(gaps)) if gaps else 0.0


def grows(mappings, bench, bars, report):
    """What is heard differs the more, the more its features differ (Spearman over pairs)."""
    texts = [(k, (k + 1) % len(bench.frames)) for k in range(min(4, len(bench.frames)))]
    names = dict.fromkeys(name for m in mappings for name in (*m.reads, *m.form))
    pairs = [([], []) for _ in mappings]
    for number, (a, b) in enumerate(texts):
        report(number / len(texts), f"from text {a + 1} to text {b + 1} by degrees")
        rows = [mixed(bench.short(a, bars), bench.short(b, bars), dose, names)
                for dose in DOSES]
        scores = [bench.play(row, bars) for row in rows]
        for i, j in combinations(range(len(DOSES)), 2):
            for m, (far, different) in zip(mappings, pairs, strict=True):
                far.append(apart(rows[i], rows[j], (*m.reads, *m.form)))
                different.append(distance(m, scores[i], scores[j]))
    for m, (far, different) in zip(mappings, pairs, strict=True):
        m.dose = [list(pair) for pair in zip(far, different, strict=True)]
        if m.kind == "role" and set(m.reads) <= {WORDS}:
            m.add(GROWS, None, f"Spearman >= {GROW}", None, "it reads the words, no feature")
            continue
        rho = stats.spearman(far, different)
        never = math.isnan(rho)
        m.add(GROWS, None if never else rho, f"Spearman >= {GROW}",
              not never and rho >= GROW, "its features do not move it" if never else "")


def note_rates(m, score):
    """(bar, section, notes, mean level) of each bar in which it plays."""
    found = {}
    for n in m.notes(score):
        found.setdefault(bar_of(n), []).append(n)
    return [(bar, notes[0].section, len(notes), float(np.mean([n.level for n in notes])))
            for bar, notes in sorted(found.items())]
