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

STRIKE, RELEASE, RENDER, CLEAR, PLAY = 0, 1, 2, 3, 4
SIGNATURE = types.void(*([types.int64] * 7), types.float32, types.float32)

HEAD = '''"""Generated for {name}: binds its kernels to the rig's signature. Thread: audio."""
from collections import namedtuple
from numba import carray, cfunc
from engine import rig_words as R
from engine.lanes import turned
from engine.rig_play import any_active, clean, place, settle, settle_whole, voices_of, watched
from engine.rt import f32, pointer, rt, rt_inlined
from engine.unit import SIGNATURE
from {module} import {kernels}

State = namedtuple("State", {fields!r})
Params = namedtuple("Params", {params!r})
render = rt_inlined(render.py_func)
FRAMES, GROUP = {frames}, {group}

@rt
def run(op, index, count, state, params, pitch, out, a, b):
    values = carray(pointer(params), ({param_count},), f32)
    s = State({arrays})
    p = Params({values})
'''
# op 2: one voice (or group) of its own, for tests and for finding out; op 4: all that sound, into
# the part's sum (index, pitch and out are then the rig's, the table's and the part's address)
VOICE = """    if op == 2 or op == 4:
        playing = op == 4
        h = R.words(index, R.HEADER)
        t = R.words(pitch, R.TABLE_WORDS)
        part = R.words(out, R.PART_WORDS)
        first, last, hz_at = index, index + 1, pitch
        if playing:
            first, last, hz_at = 0, part[R.POLYPHONY], part[R.PITCH]
            voice, scratch = voices_of(part), h[R.SCRATCH] + 4 * R.S_VOICE
            part[R.SOUNDING] = 0
        else:
            voice, scratch = R.words(state, 1), out
        hz = carray(pointer(hz_at), (count,), f32)
{loop}
    elif op == 0:
        strike(s, index, p, a, b)
    elif op == 1:
        release(s, index, p)
    else:
{clear}
"""
TIME = """        for v in range(first, last):
            at, aside = out, False
            if playing:
                sounds = any_active(h, t, part, voice, v, v + 1) > 0
                if not sounds:
                    continue
                part[R.SOUNDING] += 1
                aside = watched(h, part, voice, v)
                at = scratch if aside else place(part, voice, v)
            block = carray(pointer(at), (FRAMES,), f32)
            if aside:
                clean(block, FRAMES)
            render(s, v, p, hz[v], block, a)
            if aside:
                settle(h, t, part, voice, v, block, FRAMES)"""
GROUPED = """        if playing:
            last = (last + GROUP - 1) // GROUP
        for g in range(first, last):
            if playing:
                end = min(g * GROUP + GROUP, part[R.POLYPHONY])
                sounds = any_active(h, t, part, voice, g * GROUP, end)
                if sounds == 0:
                    continue
                part[R.SOUNDING] += sounds
            block = carray(pointer(scratch), (FRAMES * GROUP,), f32)
            if playing:
                clean(block, FRAMES * GROUP)
            render(s, g, p, hz, block, a)
            if playing:
                spread(h, t, part, voice, g * GROUP, block)"""
WHOLE = """        if playing:
            part[R.SOUNDING] = any_active(h, t, part, voice, first, last)
        if not playing or part[R.SOUNDING] > 0:
            block = carray(pointer(scratch), (FRAMES,), f32)
            if playing:
                clean(block, FRAMES)
            render(s, 0, p, hz, block, a)
            if playing:
                settle_whole(h, t, part, voice, block, FRAMES)"""
SPREAD = """
@rt
def spread(h, t, part, voice, first, block):
    columns = carray(pointer(h[R.SCRATCH] + 4 * R.S_TURNED), (16 * FRAMES,), f32)
    for lane in range(0, GROUP, 16):
        sounds, end = False, min(first + lane + 16, part[R.POLYPHONY])
        for v in range(first + lane, end):
            sounds = sounds or voice[R.ACTIVE * part[R.COUNT] + v] == 1
        if sounds:
            for i in range(0, FRAMES, 16):
                turned(block, i * GROUP + lane, GROUP, columns, i, FRAMES)
            for v in range(first + lane, end):
                if voice[R.ACTIVE * part[R.COUNT] + v] == 1:
                    at = 4 * FRAMES * (v - first - lane)
                    one = carray(pointer(h[R.SCRATCH] + 4 * R.S_TURNED + at), (FRAMES,), f32)
                    settle(h, t, part, voice, v, one, FRAMES)
"""
LOOPS = {"time": TIME, "lanes": GROUPED, "wide": GROUPED, "whole": WHOLE}
EFFECT = """    if op == 2:
        left = carray(pointer(out), (FRAMES,), f32)
        right = carray(pointer(pitch), (FRAMES,), f32)
        key = carray(pointer(index), (FRAMES,), f32)
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
    voice = isinstance(sound, Voice)
    head = HEAD.format(
        name=sound.name,
        module=module,
        fields=" ".join(sound.state.sizes),
        params=" ".join(names),
        kernels=", ".join(
            f"{k.__name__} as {role}"
            for k, role in zip(_kernels(sound), ("render", "strike", "release"), strict=False)
        ),
        frames=QUANTUM * sound.oversample if voice else QUANTUM,
        group=sound.group if voice else 1,
        param_count=max(1, len(names)),
        arrays=", ".join(arrays) + ",",
        values=", ".join(f"values[{i}]" for i in range(len(names))),
    )
    if not voice:
        return head + EFFECT.format(clear=_clear_lines(sound)) + TAIL
    grouped = sound.shape in ("lanes", "wide")
    body = VOICE.format(loop=LOOPS[sound.shape], clear=_clear_lines(sound))
    return head.replace("\n@rt\n", (SPREAD if grouped else "") + "\n@rt\n") + body + TAIL


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
