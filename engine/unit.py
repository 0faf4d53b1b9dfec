"""Binds a voice's or effect's kernels to one C signature, compiles it once, and gives its address.
Thread: control.

The rig calls `unit(op, index, count, state, params, pitch, out, a, b)`; addresses are int64. The
binding is written as a small module into the kernel cache, because only code in a real file can be
cached.
"""

import hashlib
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

from numba import config, types

from engine.errors import EngineError
from engine.rt import QUANTUM
from engine.voice import Effect, Voice

STRIKE, RELEASE, RENDER, CLEAR = 0, 1, 2, 3
SIGNATURE = types.void(*([types.int64] * 7), types.float32, types.float32)

HEAD = '''"""Generated for {name}: binds its kernels to the rig's signature. Thread: audio."""
from collections import namedtuple
from numba import carray, cfunc
from engine.rt import f32, pointer, rt
from engine.unit import SIGNATURE
from {module} import {kernels}

State = namedtuple("State", {fields!r})
Params = namedtuple("Params", {params!r})

@rt
def run(op, index, count, state, params, pitch, out, a, b):
    values = carray(pointer(params), ({param_count},), f32)
    s = State({arrays})
    p = Params({values})
'''
VOICE = """    if op == 2:
        hz = carray(pointer(pitch), (count,), f32)
        block = carray(pointer(out), ({out_floats},), f32)
        render(s, index, p, {pitch}, block, a)
    elif op == 0:
        strike(s, index, p, a, b)
    elif op == 1:
        release(s, index, p)
    else:
{clear}
"""
EFFECT = """    if op == 2:
        left = carray(pointer(out), ({quantum},), f32)
        right = carray(pointer(pitch), ({quantum},), f32)
        key = carray(pointer(index), ({quantum},), f32)
        render(s, p, left, right, key, a)
    elif op == 3:
{clear}
"""
TAIL = """
@cfunc(SIGNATURE, cache=True)
def unit(op, index, count, state, params, pitch, out, a, b):
    run(op, index, count, state, params, pitch, out, a, b)
"""


@dataclass(frozen=True)
class Unit:
    """A compiled voice or effect: its C address, and the object that keeps it alive."""

    address: int
    compiled: object


_units = {}


def _clear_lines(sound):
    lines, voice = [], isinstance(sound, Voice)
    for name, size in sound.state.sizes.items():
        if name == "seed" or name.startswith("keep_") and voice:
            continue
        start = f"index * {size}" if voice else "0"
        lines += [f"        for i in range({size}):", f"            s.{name}[{start} + i] = f32(0)"]
    return "\n".join(lines or ["        pass"])


def _source(sound):
    module = sound.render.__module__
    if any(k.__module__ != module for k in _kernels(sound)):
        raise EngineError(f"{sound.name}: its kernels must be in one file")
    arrays, offset = [], 0
    for size in sound.state.sizes.values():
        arrays.append(f"carray(pointer(state + {4 * offset} * count), ({size} * count,), f32)")
        offset += size
    names = [p.name for p in sound.params]
    head = HEAD.format(
        name=sound.name,
        module=module,
        fields=" ".join(sound.state.sizes),
        params=" ".join(names),
        kernels=", ".join(
            f"{k.__name__} as {role}"
            for k, role in zip(_kernels(sound), ("render", "strike", "release"), strict=False)
        ),
        param_count=max(1, len(names)),
        arrays=", ".join(arrays) + ",",
        values=", ".join(f"values[{i}]" for i in range(len(names))),
    )
    if isinstance(sound, Voice):
        time = sound.shape == "time"
        body = VOICE.format(
            out_floats=QUANTUM if time else QUANTUM * 16,
            pitch="hz[index]" if time else "hz",
            clear=_clear_lines(sound),
        )
    else:
        body = EFFECT.format(quantum=QUANTUM, clear=_clear_lines(sound))
    return head + body + TAIL


def _kernels(sound):
    return (
        (sound.render, sound.strike, sound.release) if isinstance(sound, Voice) else (sound.render,)
    )


def unit_of(sound):
    """The compiled unit of a Voice or Effect; compiled at the first call, from disk afterwards.

    raises EngineError naming the sound when a kernel does not compile
    """
    if not isinstance(sound, Voice | Effect):
        raise EngineError(f"{sound!r} is no voice and no effect")
    source = _source(sound)
    text = Path(sys.modules[sound.render.__module__].__file__).read_text("utf-8")
    digest = hashlib.sha256((source + text).encode()).hexdigest()[:12]
    name = f"hiddenstage_unit_{sound.name}_{digest}"
    if name not in _units:
        folder = Path(config.CACHE_DIR) / "units"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.py"
        if not path.exists():
            side = path.with_suffix(f".{hashlib.sha256(str(id(sound)).encode()).hexdigest()[:8]}")
            side.write_text(source)
            side.replace(path)
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(name)
        except Exception as fault:
            reason = str(fault).strip().splitlines()
            raise EngineError(
                f"{sound.name}: a kernel does not compile: {reason[0] if reason else fault!r}"
            ) from fault
        _units[name] = Unit(int(module.unit.address), module.unit)
    return _units[name]
