"""Finds the voices and effects that are installed, or those of one file. Thread: control.

The entry point group `hiddenstage.synths` names packages; every Voice and Effect that a module of
theirs assigns is a sound, known by its name.
"""
import importlib
import importlib.util
import pkgutil
import sys
from importlib.metadata import entry_points
from pathlib import Path

from engine.errors import EngineError, SetError, suggestion
from engine.voice import Effect, Voice


def _of(module):
    return {thing.name: thing for thing in vars(module).values()
            if isinstance(thing, Voice | Effect) and thing.render.__module__ == module.__name__}


def sounds():
    """Name -> Voice or Effect of every installed package, sorted by name."""
    found = {}
    for point in entry_points(group="hiddenstage.synths"):
        package = importlib.import_module(point.value)
        for entry in pkgutil.iter_modules(package.__path__):
            found |= _of(importlib.import_module(f"{point.value}.{entry.name}"))
    return dict(sorted(found.items()))


def sound(name):
    """The sound of this name, or the last one in the file of this path."""
    if Path(str(name)).suffix == ".py":
        return _from_file(Path(name))
    known = sounds()
    if name not in known:
        raise SetError(f"no sound {name!r}{suggestion(name, known)}")
    return known[name]


def _from_file(path):
    if not path.is_file():
        raise SetError(f"no file {str(path)!r}: check the path")
    name = f"file_{path.stem}"                     # no file hides a module of its name
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module                     # the unit imports the kernels by this name
    sys.path.append(str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as fault:
        raise EngineError(f"{path}: {type(fault).__name__}: {fault}") from fault
    found = _of(module)
    if not found:
        raise SetError(f"{path} holds no Voice and no Effect")
    return list(found.values())[-1]
