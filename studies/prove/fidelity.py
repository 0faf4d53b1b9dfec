"""Fidelity: what of the model can be told from the sound alone. Features are read back from takes
that the reader was not fitted to; the domain of a prompt is told from the sound of its take.

R2 is partial: 1 - SSE(position and sound) / SSE(position), both fitted to the other takes. Beside
it stands the same for records that were moved in time (so that they are another take's).
Thread: control.
"""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.mapping import read_by, reading

FOLDS, SHIFTS, PERMUTATIONS = 8, 4, 199
STRENGTHS = 10.0 ** np.arange(0.0, 6.0)   # of the ridge; chosen inside the training part
POSITION = 1.0                            # the ridge of the position dummies
DOMAIN = 0.1                              # the ridge of the domains, in mean eigenvalues
LEAST = 100                               # windows that a feature needs at a scale
DOMAINS = Path(__file__).parent / "domains.json"


def domains(path=None):
    """Prompts, domain -> texts; those that come along, or of a JSON file.

    raises EngineError  unreadable, or not two domains of two texts each or more
    """
    path = path or DOMAINS
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(found, dict) or len(found) < 2:
        raise EngineError(f"{path}: needs two domains or more: {{\"sea\": [texts], ...}}")
    for name, texts in found.items():
        if not isinstance(texts, list) or len(texts) < 2 or not all(
                isinstance(text, str) and text.strip() for text in texts):
            raise EngineError(f"{path}: {name!r} needs a list of two texts or more, none empty")
    return found


@dataclass
class Told:
    """One take as a table of slots: sound (slots, descriptors), values (slots, features) with NaN
    where there is none, places (section, bar of the section) of each slot."""
    sound: np.ndarray
    values: np.ndarray
    places: list


def readings_of(made, names):
    """name -> reading of each feature that a set reads, in its own way; rows are no features."""
    known = {*names, *(name.rpartition("_")[0] for name in names)}
    return {name: reading(name, names, made.name) for name in dict.fromkeys(read_by(made))
            if name in known}


def values_of(frames, readings):
    """(frames, features) as the set reads them."""
    rows = [[one.of(frame) for one in readings] for frame in frames]
    return np.array(rows, float).reshape(len(frames), len(readings))


# ---- windows of a scale
def scales_of(per_bar):
    """scale -> slots of its window: a token, a beat, a bar; "line" is the value at a bar line
    against the bar that begins there, as a link with a latch is heard."""
    found = {"token": 1, "beat": per_bar // 4, "bar": per_bar}
    return {name: size for name, size in found.items() if name == "token" or size > 1} | {
        "line": per_bar}


def windows(told, scale, size, per_bar):
    """(sound of each window and of the next, values, position labels) of one take."""
    count = len(told.sound) // size
    cut = told.sound[:count * size].reshape(count, size, -1).mean(1)
    sound = np.concatenate([cut, np.concatenate([cut[1:], cut[-1:]])], 1)
    values = told.values[:count * size].reshape(count, size, -1)
    if scale == "line":
        values = values[:, 0]
    else:
        some = np.isfinite(values)
        known = some.sum(1)
        values = np.where(known > 0, np.where(some, values, 0.0).sum(1) / np.maximum(known, 1),
                          np.nan)
    labels = []
    for k in range(0, count * size, size):
        name, bar = told.places[k]
        labels.append((("slot", k % per_bar), ("section", name, bar % 8),
                       ("piece", k // per_bar // 4)))
    return sound, values, labels


def dummies(labels):
    """(windows, columns) 0 and 1 for what could be known of a window without its sound."""
    known = {label: k for k, label in enumerate(sorted({x for row in labels for x in row},
                                                       key=str))}
    table = np.zeros((len(labels), len(known)))
    for row, found in zip(table, labels, strict=True):
        row[[known[label] for label in found]] = 1.0
    return table


# ---- reading back
def read_back(sound, position, values, fold):
    """(features,) held-out partial R2 of each column of values; NaN where it has too few.

    sound     (windows, descriptors);  position  (windows, dummies)
    fold      (windows,) the part that a window is held out with
    """
    r2 = np.full(values.shape[1], np.nan)
    masks = np.isfinite(values)
    for mask in {column.tobytes(): column for column in masks.T}.values():
        columns = np.flatnonzero((masks == mask[:, None]).all(0))
        if mask.sum() < LEAST or len(set(fold[mask])) < 3:
            continue
        r2[columns] = _read_back(sound[mask], position[mask], values[mask][:, columns], fold[mask])
    return r2


def _read_back(sound, position, values, fold):
    without = np.zeros(values.shape[1])
    rest = np.zeros(values.shape[1])
    for out in sorted(set(fold)):
        train, test = fold != out, fold == out
        middle, spread = sound[train].mean(0), sound[train].std(0) + 1e-9
        both = np.concatenate([(sound - middle) / spread, values], 1)
        both = both - _by_position(position, both, train)
        heard, left = both[:, :sound.shape[1]], both[:, sound.shape[1]:]
        weights = _ridge(heard[train], left[train], fold[train])
        without += (left[test] ** 2).sum(0)
        rest += ((left[test] - heard[test] @ weights) ** 2).sum(0)
    return 1.0 - rest / np.maximum(without, 1e-12)


def _by_position(position, rows, train):
    """What position says of each column, learned from the training part."""
    middle = rows[train].mean(0)
    table = position[train]
    square = table.T @ table + POSITION * np.eye(table.shape[1])
    return middle + position @ np.linalg.solve(square, table.T @ (rows[train] - middle))


def _ridge(sound, values, fold):
    """(descriptors, features) weights; each feature's strength is the one that reads the parts of
    the training set best from each other."""
    parts = sorted(set(fold))
    squares = [(sound[fold == p].T @ sound[fold == p], sound[fold == p].T @ values[fold == p])
               for p in parts]
    total, cross = sum(s for s, _ in squares), sum(c for _, c in squares)
    errors = np.zeros((len(STRENGTHS), values.shape[1]))
    for p, (square, own) in zip(parts, squares, strict=True):
        turned = _weights(total - square, cross - own)
        for k, strength in enumerate(STRENGTHS):
            errors[k] += ((values[fold == p] - sound[fold == p] @ turned(strength)) ** 2).sum(0)
    best, turned = errors.argmin(0), _weights(total, cross)
    found = np.zeros(cross.shape)
    for k in set(best):
        found[:, best == k] = turned(STRENGTHS[k])[:, best == k]
    return found


def _weights(square, cross):
    """strength -> ridge weights."""
    sizes, turn = np.linalg.eigh(square)
    sizes, turned = np.maximum(sizes, 0.0), turn.T @ cross
    return lambda strength: turn @ (turned / (sizes + strength)[:, None])


def moved(values, takes, random):
    """Values moved in time and across takes; what a feature lacks stays where it is."""
    found = values.copy()
    longest = np.bincount(takes).max()
    for column in found.T:
        some = np.flatnonzero(np.isfinite(column))
        if len(some) > 2 * longest:
            column[some] = np.roll(column[some], random.integers(longest, len(some) - longest))
        elif len(some) > 8:
            column[some] = np.roll(column[some], random.integers(len(some) // 4,
                                                                 3 * len(some) // 4))
    return found


def features_told(takes, names, per_bar, seed=1):
    """[{name, r2, shuffled, scale, scales}] for each feature, the best first.

    takes   Told of each; with fewer than FOLDS of them, each is cut into FOLDS blocks
    """
    random = np.random.default_rng(seed)
    take = np.concatenate([np.full(len(t.sound), k) for k, t in enumerate(takes)])
    values = np.concatenate([t.values for t in takes])
    tries = [values] + [moved(values, take, random) for _ in range(SHIFTS)]
    wide = np.split(np.concatenate(tries, 1), np.cumsum([len(t.sound) for t in takes])[:-1])
    wide = [Told(t.sound, v, t.places) for t, v in zip(takes, wide, strict=True)]
    table = {}
    for scale, size in scales_of(per_bar).items():
        rows = [windows(one, scale, size, per_bar) for one in wide]
        fold = np.concatenate([np.full(len(r[0]), k % FOLDS) if len(takes) >= FOLDS
                               else np.arange(len(r[0])) * FOLDS // len(r[0])
                               for k, r in enumerate(rows)])
        table[scale] = read_back(
            np.concatenate([r[0] for r in rows]), dummies([x for r in rows for x in r[2]]),
            np.concatenate([r[1] for r in rows]), fold).reshape(SHIFTS + 1, len(names))
    return sorted((_row(name, {s: t[:, k] for s, t in table.items()})
                   for k, name in enumerate(names)),
                  key=lambda row: -(row["r2"] if row["r2"] is not None else -1.0))


def _row(name, by_scale):
    """The report of one feature, from scale -> (1 + SHIFTS,) R2."""
    known = {scale: r2 for scale, r2 in by_scale.items() if np.isfinite(r2[0])}
    if not known:
        return {"name": name, "r2": None, "shuffled": None, "scale": "", "scales": {}}
    best = max(known, key=lambda scale: known[scale][0])
    luck = max((float(x) for r2 in known.values() for x in r2[1:] if np.isfinite(x)), default=0.0)
    return {"name": name, "r2": float(known[best][0]), "shuffled": luck, "scale": best,
            "scales": {scale: float(r2[0]) for scale, r2 in known.items()}}


# ---- domains
def statistics(sound):
    """(3 * descriptors,) of a take: mean, spread, and mean step from slot to slot."""
    return np.concatenate([sound.mean(0), sound.std(0), np.abs(np.diff(sound, axis=0)).mean(0)])


def _left_out(tables, which, count):
    """The class of each row by a ridge that was fitted to all others, in which a column weighs as
    much as the classes of those others differ in it."""
    found, rows = np.zeros(len(tables), int), np.arange(len(tables))
    wanted = np.eye(count)[which]
    for out in rows:
        kept = rows != out
        x, y = tables[kept], wanted[kept]
        sizes = y.sum(0)
        middles = y.T @ x / np.maximum(sizes, 1.0)[:, None]
        middle = x.mean(0)
        between = sizes @ (middles - middle) ** 2 / (count - 1)
        within = ((x - y @ middles) ** 2).sum(0) / max(1, len(x) - count) + 1e-9
        weight = np.sqrt(np.maximum(between / within - 1.0, 0.0))
        x, one = (x - middle) * weight, (tables[out] - middle) * weight
        alike = x @ x.T
        alike[np.diag_indices(len(x))] += DOMAIN * np.trace(alike) / len(x) + 1e-9
        found[out] = (y.mean(0) + x @ one @ np.linalg.solve(alike, y - y.mean(0))).argmax()
    return found


def domains_told(tables, labels, seed=1):
    """How often the domain of a take is told by a classifier that was fitted to all the others.

    tables  (takes, statistics);  labels  the domain of each
    returns  {accuracy, permuted (mean accuracy with labels exchanged), p, names, confusion}
    """
    random, names = np.random.default_rng(seed), sorted(set(labels))
    tables = np.asarray(tables, float)
    tables = (tables - tables.mean(0)) / (tables.std(0) + 1e-9)
    which = np.array([names.index(label) for label in labels])
    found = _left_out(tables, which, len(names))
    accuracy, permuted = float((found == which).mean()), []
    for _ in range(PERMUTATIONS):
        other = random.permutation(which)
        permuted.append(float((_left_out(tables, other, len(names)) == other).mean()))
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (which, found), 1)
    p = (1 + sum(x >= accuracy for x in permuted)) / (1 + PERMUTATIONS)
    return {"accuracy": accuracy, "permuted": float(np.mean(permuted)), "p": p, "names": names,
            "confusion": confusion.tolist(), "takes": len(which)}


# ---- the whole measure
def bars_of(made):
    """Bars of a take: 128 records, or 16 bars where those are fewer."""
    return max(16, 128 // made.tokens_per_bar)


def measure(made, names, frames_of, prompts, report=lambda share, words="": None):
    """What of a set's model can be told from its sound.

    names      the features that frames may carry
    frames_of  frames_of(prompt, count) -> the frames of a performance's beginning
    prompts    domain -> texts
    returns    {"features": [...], "domains": {...}}, see `features_told` and `domains_told`, with
               "takes", "bars" and the prompts
    """
    from studies.prove.audio import describe
    from studies.prove.heard import RATE_HZ, hear
    readings, bars = readings_of(made, names), bars_of(made)
    tasks = [(domain, text) for domain, texts in prompts.items() for text in texts]
    takes = []
    for number, (_, text) in enumerate(tasks):
        report(number / len(tasks), f"listening to take {number + 1} of {len(tasks)}")
        frames = frames_of(text, bars * made.tokens_per_bar)
        heard = hear(made, frames, names, bars)
        takes.append(Told(describe(heard.sound, RATE_HZ, heard.edges),
                          values_of(heard.frames, readings.values()), heard.places))
    report(1.0, "reading the features back")
    features = features_told(takes, list(readings), made.tokens_per_bar)
    told = domains_told([statistics(take.sound) for take in takes], [name for name, _ in tasks])
    return {"features": features, "domains": told, "takes": len(takes), "bars": bars,
            "prompts": prompts}
