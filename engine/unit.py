"""Binds a voice's or effect's kernels to one C signature, compiles it once, and gives its address.
Thread: control.

The rig calls `unit(op, index, count, state, params, pitch, out, a, b)`; addresses are int64. The
binding is written as a small module into the kernel cache.
"""

import hashlib
import importlib
import os
import sys
from pathlib import Path
from textwrap import indent
from types import FunctionType

from numba import types

from engine import lanes
from engine.errors import EngineError
from engine.object_code import c_function, is_kept
from engine.rt import CACHE, NARROW, QUANTUM, WIDE, rt_inlined
from engine.voice import Effect, Voice

STRIKE, RELEASE, RENDER, CLEAR, PLAY, FINISH = range(6)
SIGNATURE = types.void(*([types.int64] * 7), types.float32, types.float32)

HEAD = '''"""Generated for {name}: binds its kernels to the rig's signature. Thread: audio."""
from numba import cfunc
from engine import rig_words as R
from engine.lanes import turned
from engine.rig_play import (
    POSITIVE, any_active, attend, blank, clean, pour_in, settle, ticks, voices_of, watched)
from engine.rt import QUANTUM, SAFE, aligned_frame, f32, floats_at, rt_inlined
from engine.unit import HALVED, SIGNATURE, SIZED, narrowed
from {module} import {kernels}
from {shapes} import Params, State

render = rt_inlined(render.py_func)
{inlined}FRAMES, GROUP = {frames}, {group}

@cfunc(SIGNATURE, error_model="numpy", fastmath=SAFE)
def unit(op, index, count, state, params, pitch, out, a, b):
    aligned_frame()
    count = count & POSITIVE
    values = floats_at(params)
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
            until, tick = h[R.SAMPLE] + QUANTUM, ticks(h, part)
            mono, over = part[R.MONO], 4 * part[R.OVER]
            part[R.SOUNDING] = 0
        else:
            voice, scratch = R.words(state, 1), out
            until, tick, mono, over = 0, 0, 0, 0
        hz = floats_at(hz_at)
{loop}
    elif op == 0:
        strike(s, index, p, a, b)
    elif op == 1:
        release(s, index, p)
    elif op == 3:
{clear}
{finish}"""
FINISHED = """    elif op == 5:
        finish(s, p, floats_at(out), a)
"""
TIME = """        ready, sounding = -1, 0
        for v in range(first, last):
            v = v & POSITIVE
            at, aside = out, False
            if playing:
                if voice[R.ACTIVE * count + v] == 0:
                    continue
                sounding += 1
{attend}
                aside = watched(tick, voice, count, v)
                at = scratch if aside else mono + over * voice[R.OFFSET * count + v]
{alone}
            block = floats_at(at)
            if aside:
                clean(block, FRAMES)
            render(s, v, p, hz[v], block, a)
            if aside:
                settle(h, t, part, voice, v, block, FRAMES)
        if playing:
            part[R.SOUNDING] = sounding"""
ATTEND = """                if voice[R.DUE * count + v] < until:
                    attend(h, t, part, voice, v)"""
# sixteen voices at a time, and first all that is due among them
PREPARE = """                if ready != v >> 4:
                    ready = v >> 4
                    any_active(h, t, part, voice, v & -16, min((v & -16) + 16, last))
                    prepare(s, v & -16, p, hz, a)"""
ALONE = """            if not playing and v & 15 == 0:
                prepare(s, v, p, hz, a)
"""
GROUPED = """        if playing:
            last = (last + GROUP - 1) // GROUP
        for g in range(first, last):
            g = g & POSITIVE
            if playing:
                end = min(g * GROUP + GROUP, part[R.POLYPHONY])
                sounds = any_active(h, t, part, voice, g * GROUP, end)
                if sounds == 0:
                    continue
                part[R.SOUNDING] += sounds
            block = floats_at(scratch)
            if playing:
                clean(block, FRAMES * GROUP)
            render(s, g, p, hz, block, a)
            if playing:
                spread(h, t, part, voice, g * GROUP, GROUP, block)"""
# of 16 lanes a part of up to 8 voices computes half
FEW = GROUPED.replace("        if playing:\n", '''        few = playing and part[R.POLYPHONY] <= 8
        if playing:
''', 1).replace("            render(s, g, p, hz, block, a)", '''            if few:
                narrow(s, g, p, hz, block, a)
            else:
                render(s, g, p, hz, block, a)''')
# a wide voice's part of up to 16 is one or two narrow groups: a lone acid line pays for no more
WIDE_LOOP = "        if count > 16:\n" + indent(GROUPED, "    ") + "\n        else:\n" + indent(
    GROUPED.replace("GROUP", "8").replace("render(", "narrow(").replace("spread(", "spread_few("),
    "    ")
SPREAD = """
@rt_inlined
def spread(h, t, part, voice, first, group, block):
    tick, first, count = ticks(h, part), first & POSITIVE, part[R.COUNT] & POSITIVE
    columns = floats_at(h[R.SCRATCH] + 4 * R.S_TURNED)
    for lane in range(0, group, 16):
        sounds, end = False, min(first + lane + 16, part[R.POLYPHONY])
        for v in range(first + lane, end):
            sounds = sounds or voice[R.ACTIVE * count + v] == 1
        if sounds:
            for i in range(0, FRAMES, 16):
                turned(block, i * group + lane, group, columns, i, FRAMES)
            for v in range(first + lane, end):
                if voice[R.ACTIVE * count + v] == 1:
                    at = 4 * FRAMES * (v - first - lane)
                    one = floats_at(h[R.SCRATCH] + 4 * R.S_TURNED + at)
                    if watched(tick, voice, count, v):
                        settle(h, t, part, voice, v, one, FRAMES)
                    else:
                        pour_in(part, voice, v, one, FRAMES)
"""
# the same of a narrow group: 8 columns
SPREAD_FEW = """
@rt_inlined
def spread_few(h, t, part, voice, first, group, block):
    tick, first, count = ticks(h, part), first & POSITIVE, part[R.COUNT] & POSITIVE
    one = floats_at(h[R.SCRATCH] + 4 * R.S_TURNED)
    for v in range(first, min(first + group, part[R.POLYPHONY])):
        if voice[R.ACTIVE * count + v] == 1:
            for i in range(FRAMES):
                one[i] = block[i * group + v - first]
            if watched(tick, voice, count, v):
                settle(h, t, part, voice, v, one, FRAMES)
            else:
                pour_in(part, voice, v, one, FRAMES)
"""
INLINED = {"prepare": "prepare = rt_inlined(prepare.py_func)",
           "wide": "narrow = narrowed(render, SIZED)", "few": "narrow = narrowed(render, HALVED)"}
ROLES = ("render", "strike", "release", "finish", "prepare")
LOOPS = {"time": TIME, "lanes": GROUPED, "few": FEW, "wide": WIDE_LOOP}
EFFECT = """    if op == 2:
        left = floats_at(out)
        right = floats_at(pitch)
        key = floats_at(index)
        render(s, p, left, right, key, a)
    elif op == 3:
{clear}
"""
# apart, because numba's caches name these types: to read one must not compile a unit
SHAPES = '''"""Generated: what a state and a table of parameters look like. Thread: any."""
from collections import namedtuple

State = namedtuple("State", {fields!r})
Params = namedtuple("Params", {params!r})
'''
# names in a kernel that stand for narrow lanes in its second form: of a wide voice, and of one in
# 16 lanes, whose state stays as it is
SIZED = {"WIDE": NARROW, "LANE": NARROW, "load_wide": lanes.load_narrow, "load": lanes.load_narrow,
         "splat_wide": lanes.splat_narrow, "add_wide": lanes.add_narrow}
HALVED = {"load": lanes.load_narrow, "splat": lanes.splat_narrow, "noise": lanes.noise_narrow,
          "add": lanes.add_narrow}


def narrowed(kernel, names, known=None):
    """A kernel for groups of 8: in it and in what it calls in its file and in `engine.kernels`, the
    given names of other lanes stand for narrow ones."""
    known = {} if known is None else known
    if kernel not in known:
        function = kernel.py_func
        own = dict(function.__globals__)
        known[kernel] = rt_inlined(FunctionType(function.__code__, own, function.__name__))
        for name in function.__code__.co_names:
            value = own.get(name)
            home = getattr(getattr(value, "py_func", None), "__module__", "")
            if name in names:
                own[name] = names[name]
            elif home == function.__module__ or home.startswith("engine.kernels"):
                own[name] = narrowed(value, names, known)
    return known[kernel]


def _clear_lines(sound):
    lines, voice = [], isinstance(sound, Voice)
    for name, size in sound.state.sizes.items():
        if name == "seed" or name.startswith("keep_") and voice:
            continue
        start = f"index * {size}" if voice else "0"
        lines.append(f"        blank(s.{name}, {start}, {size})")
    return "\n".join(lines or ["        pass"])


def _loop(voice):
    return "few" if voice.narrow and WIDE < 64 else voice.shape


def _source(sound):
    module = sound.render.__module__
    if any(k.__module__ != module for k in _kernels(sound).values()):
        raise EngineError(f"{sound.name}: its kernels must be in one file")
    arrays, offset = [], 0
    for size in sound.state.sizes.values():
        arrays.append(f"floats_at(state + {4 * offset} * count)")
        offset += size
    names = [p.name for p in sound.params]
    voice = isinstance(sound, Voice)
    head = HEAD.format(
        name=sound.name,
        module=module,
        shapes=_written("shapes", SHAPES.format(
            fields=" ".join(sound.state.sizes), params=" ".join(names))),
        kernels=", ".join(f"{k.__name__} as {role}" for role, k in _kernels(sound).items()),
        inlined="\n".join(INLINED[kind] for kind in INLINED if voice and kind in (
            _loop(sound), sound.prepare and "prepare")) + "\n",
        frames=QUANTUM * sound.oversample if voice else QUANTUM,
        group=sound.group if voice else 1,
        arrays=", ".join(arrays) + ",",
        values=", ".join(f"values[{i}]" for i in range(len(names))),
    )
    if not voice:
        return head + EFFECT.format(clear=_clear_lines(sound))
    grouped = sound.shape in ("lanes", "wide")
    loop = LOOPS[_loop(sound)].replace("{attend}", PREPARE if sound.prepare else ATTEND)
    loop = loop.replace("{alone}\n", ALONE if sound.prepare else "")
    body = VOICE.format(loop=loop, clear=_clear_lines(sound),
                        finish=FINISHED if sound.finish else "")
    spread = (SPREAD if grouped else "") + (SPREAD_FEW if sound.shape == "wide" else "")
    return head.replace("\n@cfunc", spread + "\n@cfunc") + body


def _kernels(sound):
    return {role: getattr(sound, role) for role in ROLES if getattr(sound, role, None)}


def units_folder():
    """Where the modules that bind sounds are written."""
    return CACHE / "units"


def _written(name, source):
    """The name of a module of this source in the kernel cache, written if it is not there."""
    folder = units_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    name = f"hiddenstage_{name}_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    path = folder / f"{name}.py"
    if not path.exists():
        side = path.with_suffix(f".{os.getpid()}")
        side.write_text(source)
        side.replace(path)
        importlib.invalidate_caches()
    return name


def module_of(sound):
    """The name of the module in the kernel cache that binds a Voice or Effect; written, not yet
    compiled."""
    if not isinstance(sound, Voice | Effect):
        raise EngineError(f"{sound!r} is no voice and no effect")
    text = Path(sys.modules[sound.render.__module__].__file__).read_bytes()
    source = _source(sound) + f"# of {hashlib.sha256(text).hexdigest()}\n"
    return _written(f"unit_{sound.name}", source)


def is_compiled(sound):
    """Whether the cache has a Voice's or Effect's code."""
    return is_kept(module_of(sound), "unit")


def unit_of(sound):
    """The address of the compiled unit of a Voice or Effect: from the cache, else compiled now.

    raises EngineError naming the sound when a kernel does not compile
    """
    name = module_of(sound)
    try:
        return c_function(name, "unit")
    except Exception as fault:
        reason = str(fault).strip().splitlines()
        raise EngineError(
            f"{sound.name}: a kernel does not compile: {reason[0] if reason else fault!r}"
        ) from fault
