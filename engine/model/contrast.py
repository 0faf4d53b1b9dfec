"""Contrast sets: texts of two classes, from files that a user wrote. Thread: control.

One file, CSV with a header or JSON lines, with the columns
text, label             two labels; the positive one is 1, true, yes or positive, or is named
positive, negative      a pair a row, said as alike as they can be
or two files, one a class, with a column text or goal (JailbreakBench's CSVs as they are); rows with
the same `index` are pairs. No torch here.
"""
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import ModelError, suggestion

SHIPPED = Path(__file__).parent / "contrasts"         # our own words
FEWEST = 8                                # texts a class
LONGEST = 20_000                          # characters of a text
YES = ("1", "true", "yes", "positive")
COLUMNS = "text,label or positive,negative"


@dataclass(frozen=True)
class Contrast:
    """texts; positive: whether each is of that class; groups: texts of one number belong together
    (a pair, or said twice) and are never split between learning and testing."""
    texts: tuple
    positive: np.ndarray
    groups: np.ndarray
    paired: bool
    source: str


def shipped():
    """name -> file of the contrast sets that come with the package."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.csv"))}


def shipped_file(name):
    """The contrast set of a name; raises ModelError when none comes along."""
    found = shipped()
    if name not in found:
        raise ModelError(f"no contrast set {name!r} comes along{suggestion(name, found)}: give "
                         "yours with --contrast FILE")
    return found[name]


def read(path, positive_label=None):
    """The Contrast in one file; raises ModelError with its line."""
    rows = _rows(path)
    columns = set(rows[0][1])
    if {"text", "label"} <= columns:
        found = _labelled(path, rows, positive_label)
    elif {"positive", "negative"} <= columns:
        found = [(line, row[side], side == "positive", number)
                 for number, (line, row) in enumerate(rows) for side in ("positive", "negative")]
    else:
        raise ModelError(f"{path}, line 1: its columns are {_listed(rows[0][1])}, not {COLUMNS}; "
                         "of two files, give each with --positive and --negative")
    return _made(str(path), found, {"positive", "negative"} <= columns)


def read_two(positive, negative):
    """The Contrast of two files, one a class; raises ModelError with file and line."""
    found, indices = [], []
    for path, side in ((positive, True), (negative, False)):
        rows = _rows(path)
        column = next((c for c in ("text", "goal", "prompt") if c in rows[0][1]), None)
        if column is None:
            raise ModelError(f"{path}, line 1: its columns are {_listed(rows[0][1])}: one must be "
                             "text or goal")
        indices.append([row.get("index") for _, row in rows])
        found += [(line, row[column], side, row.get("index"), path) for line, row in rows]
    paired = all(None not in column and len(set(column)) == len(column) for column in indices) \
        and set(indices[0]) == set(indices[1])
    numbers = {index: k for k, index in enumerate(indices[0])} if paired else {}
    return _made(f"{positive} and {negative}", [
        (line, text, side, numbers.get(index, k), path)
        for k, (line, text, side, index, path) in enumerate(found)], paired)


def _listed(row):
    return ", ".join(str(name) for name in row)[:120] or "none"


def _rows(path):
    """[(line, {column: text})] of a file with at least one; columns in small letters."""
    path = Path(path)
    try:
        words = path.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise ModelError(f"cannot read the contrast file {path}: {fault.strerror or fault}"
                         ) from None
    except UnicodeDecodeError as fault:
        line = fault.object[:fault.start].count(b"\n") + 1
        raise ModelError(f"{path}, line {line}: no UTF-8 text: save the file as UTF-8") from None
    if not words.strip():
        raise ModelError(f"{path} is empty: write a header and a text a line")
    lines = _json_lines if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else _csv_lines
    rows = lines(path, words.rstrip())
    if not rows:
        raise ModelError(f"{path}, line 1: there is a header and no text below it")
    return rows


def _json_lines(path, words):
    rows = []
    for line, text in enumerate(words.split("\n"), start=1):
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ModelError(f"{path}, line {line}: {'empty' if not text.strip() else 'no JSON'}: "
                             'write {"text": "…", "label": 1}')
        rows.append((line, {str(name).strip().lower(): value for name, value in row.items()}))
        if missing := set(rows[0][1]) - set(rows[-1][1]):
            raise ModelError(f"{path}, line {line}: it has no {_listed(sorted(missing))}")
    return rows


def _csv_lines(path, words):
    reader, rows, line = csv.reader(words.splitlines(keepends=True), strict=True), [], 1
    try:
        header = [name.strip().lower() for name in next(reader)]
        if len(set(header)) < len(header):
            raise ModelError(f"{path}, line 1: a column is named twice: {_listed(header)}")
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) != len(header):
                what = f"{len(cells)} columns, the header has {len(header)}" if cells else "empty"
                raise ModelError(f"{path}, line {line}: {what}: a text with a comma goes in quotes"
                                 if cells else f"{path}, line {line}: {what}: take it out")
            rows.append((line, dict(zip(header, cells, strict=True))))
            line = reader.line_num + 1
    except csv.Error as fault:
        raise ModelError(f"{path}, line {line}: {fault}") from None
    return rows


def _labelled(path, rows, positive_label):
    """[(line, text, positive, group)] of a column of labels."""
    labels = [str(row["label"]).strip() for _, row in rows]
    kinds = list(dict.fromkeys(labels))
    if "" in kinds:
        raise ModelError(f"{path}, line {rows[labels.index('')][0]}: it has no label")
    if len(kinds) != 2:
        line = rows[labels.index(kinds[2])][0] if len(kinds) > 2 else rows[-1][0]
        raise ModelError(f"{path}, line {line}: {len(kinds)} class{'es' * (len(kinds) > 1)} "
                         f"({_listed(kinds)}): two are needed")
    wanted = (str(positive_label),) if positive_label is not None else [
        kind for kind in kinds if kind.lower() in YES]
    if len(wanted) != 1 or wanted[0] not in kinds:
        raise ModelError(f"{path}: its labels are {kinds[0]!r} and {kinds[1]!r}: say which is the "
                         "positive one with --positive-label")
    return [(line, row["text"], label == wanted[0], number)
            for number, ((line, row), label) in enumerate(zip(rows, labels, strict=True))]


def _made(source, found, paired):
    """The Contrast of (line, text, positive, group, file), checked; file may be left out."""
    said, groups = {}, []
    for line, text, positive, group, *path in found:
        where = f"{path[0] if path else source}, line {line}"
        if not isinstance(text, str) or not text.strip():
            raise ModelError(f"{where}: the text is empty: write one or take the line out")
        if len(text) > LONGEST:
            raise ModelError(f"{where}: the text has {len(text):,} characters, {LONGEST:,} at most")
        before = said.setdefault(" ".join(text.split()).lower(), (positive, group, where))
        if before[0] != positive:
            raise ModelError(f"{where}: the text is in the other class too ({before[2]})")
        groups.append(group if paired else before[1])
    classes = Counter(row[2] for row in found)
    for side in (True, False):
        if classes[side] < FEWEST:
            raise ModelError(f"{source}: {classes[side]} texts of the "
                             f"{'positive' if side else 'negative'} class, at least {FEWEST} of "
                             "each are needed")
    return Contrast(tuple(row[1].strip() for row in found),
                    np.array([row[2] for row in found]), np.array(groups), paired, source)
