"""Measurements, one a file, each with `run(quick=False, ...) -> dict` and `table(result) -> str`.

`hiddenstage bench NAME --seconds 60` gives `seconds=60` to that file's `run`, checked against its
signature; the answer carries the date and the machine, without which a number says nothing.
Thread: control.
"""
import ast
import datetime
import importlib
import inspect
import os
import platform
from importlib.metadata import version
from pathlib import Path

from engine.errors import EngineError, ParamError, suggestion

FOLDER = Path(__file__).parent


def summaries():
    """Name to first paragraph, of every file with a `run`, without importing it."""
    trees = {path.stem: ast.parse(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.py"))}
    found = {name: ast.get_docstring(tree) or "" for name, tree in trees.items()
             if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)}
    return {name: " ".join(doc.split("Thread:")[0].split("\n\n")[0].split())
            for name, doc in found.items()}


def names():
    return list(summaries())


def listing():
    return "\n".join(f"{name:10} {doc}" for name, doc in summaries().items())


def machine():
    """What ran: processor, cores, system, versions that matter."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "torch", "transformers")}}


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def arguments(function, words):
    """["--seconds", "60"] as {"seconds": 60.0}, by the defaults in the function's signature."""
    parameters = inspect.signature(function).parameters.items()
    known = {name: parameter.default for name, parameter in parameters if name != "quick"}
    values, words = {}, list(words)
    while words:
        word = words.pop(0)
        name = word.removeprefix("--").split("=")[0].replace("-", "_")
        if not word.startswith("--") or name not in known:
            raise ParamError(f"no option {word!r} here{suggestion(name, known)}")
        if known[name] is False:
            values[name] = True
            continue
        text = word.split("=", 1)[1] if "=" in word else words.pop(0) if words else None
        if text is None:
            raise ParamError(f"{word} needs a value")
        values[name] = _read(text, known[name], word)
    return values


def _read(text, default, word):
    """The text as a value of the default's kind; for None a whole number where it is one."""
    if default is None and text.isdecimal():
        return int(text)
    kind = type(default) if isinstance(default, int | float) else str
    try:
        return kind(text)
    except ValueError:
        raise ParamError(f"{word} needs a number, got {text!r}") from None


def measure(name, quick=False, words=()):
    """Runs one bench; returns (its result with date and machine, its table)."""
    if name not in names():
        raise ParamError(f"no bench {name!r}{suggestion(name, names())}")
    try:
        module = importlib.import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        raise EngineError(f"bench {name} needs the package {error.name!r}: "
                          "install hiddenstage[test]") from None
    result = module.run(quick=quick, **arguments(module.run, words))
    on, date = machine(), datetime.date.today().isoformat()
    stamp = {"bench": name, "date": date, "quick": quick, "machine": on}
    where = f"{date}, {on['processor']}, {on['cores']} cores"
    return stamp | result, f"{module.table(result)}\n({where}{', quick' if quick else ''})"
