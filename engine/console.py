"""What the command line says: results to stdout, everything else to stderr. Thread: any."""
import json
import math
import sys
import threading
from contextlib import contextmanager
from pathlib import Path


def say(text):
    """One line to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def plain(value):
    """What JSON can hold: scalars as numbers, paths as text, sets as lists, NaN and inf as null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def give(result, as_json, text):
    """A command's result: one JSON object as the last line, or the text."""
    lines = json.dumps(plain(result), ensure_ascii=False) if as_json else text
    sys.stdout.write(lines.rstrip("\n") + "\n")
    sys.stdout.flush()


def free_name(stem, ending):
    """stem.ending, or stem-2.ending and so on: what is there is never overwritten unasked."""
    path, number = Path(f"{stem}{ending}"), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}{ending}")
    return path


@contextmanager
def patience(text, after_s=3.0):
    """Says the text once, if what is inside takes longer than after_s."""
    timer = threading.Timer(after_s, say, [text])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def progress(title):
    """Gives report(share 0..1, words): a bar on a terminal, elsewhere a line each tenth."""
    if not sys.stderr.isatty():
        yield _tenths(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    columns = (TextColumn("{task.description}", markup=False), BarColumn(),
               TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(compact=True),
               TextColumn("{task.fields[words]}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0, words="")
        yield lambda share, words="": bar.update(task, completed=share, words=words)


def _tenths(title):
    said = None

    def report(share, words=""):
        nonlocal said
        tenth = int(min(max(share, 0.0), 1.0) * 10)
        stage = (tenth, words.split("(")[0] if tenth == 0 else "")
        if stage != said:
            said = stage
            say(f"{title}: {tenth * 10} % {words}".rstrip())
    return report
