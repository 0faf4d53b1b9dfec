"""The audio dialect: `@rt` functions are compiled once and never enter the interpreter. Thread:
audio.

Compiled kernels are cached on disk in one folder per state of the source, because numba's own cache
does not notice when a function that a cached one calls has changed.
"""

import fcntl
import functools
import hashlib
import importlib
import os
import platform
from pathlib import Path

import llvmlite
import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import caching, cgutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic
from numba.np import linalg

f32 = np.float32
# samples the rig computes at a time, anchored to the sample counter
QUANTUM = 32
LANE = 16  # floats in one vector
NARROW = 8  # floats in a narrow one: few voices do not pay for sixteen


def _wide():
    """Floats in a wide vector: four registers, which hide each other's waiting, of the processor
    that is compiled for. Of more its registers have no room."""
    known = numba.config.CPU_FEATURES
    known = get_host_cpu_features().flatten() if known is None else known
    return 64 if "+avx512f" in known else 32 if "+avx" in known else 16


WIDE = _wide()


# what compiled code depends on, though nothing in these files may be compiled
BESIDE = ("lanes", "voice", "unit", "rig", "records")


def cache_folder():
    """The kernel cache of this engine, this numba and this processor (HIDDENSTAGE_CACHE moves its
    root). A voice's own file is not in the key: `engine.unit` sees to it that a changed voice
    compiles, and only that one."""
    engine = Path(__file__).parent
    sources = [
        p
        for p in sorted((*engine.glob("*.py"), *engine.glob("kernels/*.py")))
        if "@rt" in p.read_text() or p.name.startswith(BESIDE)
    ]
    made_by = (numba.__version__, llvmlite.__version__, os.environ.get("NUMBA_CPU_NAME", ""))
    digest = hashlib.sha256("".join(made_by).encode())
    for path in sources:
        digest.update(path.read_bytes())
    root = os.environ.get("HIDDENSTAGE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "hiddenstage"
    )
    return Path(root) / f"kernels-{digest.hexdigest()[:16]}"


CACHE = cache_folder()
numba.config.CACHE_DIR = str(CACHE)


def _one_at_a_time(save):
    """numba reads, changes and writes a function's index, then its code, without a lock: of two
    processes that compile side by side, one could find the other's code under its own key."""
    @functools.wraps(save)
    def locked(self, key, data):
        with open(Path(self._cache_path) / "lock", "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            save(self, key, data)
    return locked


caching.IndexDataCacheFile.save = _one_at_a_time(caching.IndexDataCacheFile.save)


def _without_blas():
    """numba would look for scipy's linear algebra: 0.2 s of every start, and no kernel uses it."""
    def absent():
        raise ImportError("kernels use no linear algebra")

    found, linalg.ensure_blas = linalg.ensure_blas, absent
    importlib.import_module("numba.np.arraymath")
    linalg.ensure_blas = found


_without_blas()
# never nnan, ninf, reassoc: they delete NaN guards and repeatability
SAFE = {"nsz", "arcp", "contract"}
ROUTINE = {"nogil": True, "error_model": "numpy", "fastmath": SAFE, "no_cfunc_wrapper": True}


class Inner(CPUDispatcher):
    """A compiled function that only compiled code may call."""

    def __call__(self, *words, **named):
        raise TypeError(f"{self.__name__} is called by compiled code alone: for calls from Python "
                        "compile it with rt_host")


class InnerLibrary(JITCodeLibrary):
    """Code that others take in, optimised but without machine code of its own, which nothing would
    run. Nor is it kept: `engine.object_code` keeps what it ends in."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self):
        return self

    def set_env(self, name, environment):
        """What compiled code would raise exceptions with: it raises none."""


class InnerCompiler(Compiler):
    def define_pipelines(self):
        self.state.library = InnerLibrary(self.state.targetctx.codegen(), "inner")
        return super().define_pipelines()


def _inner(**more):
    def decorate(function):
        made = njit(**ROUTINE, **more, no_cpython_wrapper=True, pipeline_class=InnerCompiler)(
            function)
        made.__class__ = Inner
        return made

    return decorate


rt = _inner()
# for what runs every quantum: a call would copy the whole state table
rt_inlined = _inner(forceinline=True)
# what Python calls too: measurements and tests
rt_host = njit(**ROUTINE, cache=True)


def _unary(name):
    @intrinsic
    def f(tc, x):
        def gen(cg, b, s, a):
            return b.call(b.module.declare_intrinsic(name, [ir.FloatType()]), a)

        return types.float32(types.float32), gen

    return f


rint, floor, sqrt = _unary("llvm.rint"), _unary("llvm.floor"), _unary("llvm.sqrt")


@intrinsic
def bits(tc, x):
    """The 32 bits of a float32 as an int32."""
    return types.int32(types.float32), lambda cg, b, s, a: b.bitcast(a[0], ir.IntType(32))


@intrinsic
def from_bits(tc, x):
    """The float32 with these 32 bits."""
    return types.float32(types.int32), lambda cg, b, s, a: b.bitcast(a[0], ir.FloatType())


@intrinsic
def aligned_frame(tc):
    """Puts the function's stack frame on a 64-byte boundary; returns an address in it that is one.

    LLVM keeps what no register holds in the frame, and by itself aligns that to 16 bytes: most
    vectors then lie across two cache lines, and the ladder of the 303 waited for them.
    """
    def gen(cg, b, s, a):
        with b.goto_entry_block():
            slot = b.alloca(ir.ArrayType(ir.IntType(8), 64))
        slot.align = 64
        b.asm(ir.FunctionType(ir.VoidType(), [slot.type]), "", "r", [slot], side_effect=True)
        return b.ptrtoint(slot, ir.IntType(64))

    return types.int64(), gen


# sin(2 pi t) on [-1/4, 1/4]: minimax odd polynomial, error -169 dB (own fit)
C1, C3, C5, C7, C9 = (
    f32(6.28318516),
    f32(-41.34165503),
    f32(81.60100406),
    f32(-76.54978211),
    f32(39.53670473),
)


@rt
def sine(turns):
    """sin(2 pi turns), any finite turns, float32."""
    x = turns - f32(0.25)
    x = x - rint(x)
    t = f32(0.25) - abs(x)
    u = t * t
    return t * (C1 + u * (C3 + u * (C5 + u * (C7 + u * C9))))


@rt
def exp2(x):
    """2**x for float32 x, clipped to -126..126; relative error 2e-7."""
    x = min(max(x, f32(-126.0)), f32(126.0))
    n = rint(x)
    r = (x - n) * f32(0.6931471805599453)
    y = f32(1) + r * (
        f32(1)
        + r
        * (f32(0.5) + r * (f32(1 / 6) + r * (f32(1 / 24) + r * (f32(1 / 120) + r * f32(1 / 720)))))
    )
    return y * from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


@rt
def tangent(x):
    """tan(x) for 0 <= x < pi/2 - 0.02, float32; relative error 2e-6."""
    t = x * f32(0.15915494309189535)
    return sine(t) / max(sine(t + f32(0.25)), f32(1e-6))


@rt
def from_db(db):
    """A gain from decibels; -120 dB and below is exactly 0."""
    return f32(0) if db <= f32(-120.0) else exp2(db * f32(0.16609640474436813))


@rt
def decay_per_sample(time_s, dt):
    """The factor per sample that falls by 60 dB in time_s."""
    return exp2(f32(-9.965784284662087) * dt / max(time_s, f32(1e-4)))


@rt
def lag_per_step(time_s, step_s):
    """One-pole coefficient 0..1: the share of the way covered in one step; 1 when time_s is 0."""
    return f32(1) if time_s <= f32(0) else f32(1) - exp2(f32(-1.4426950408889634) * step_s / time_s)


@rt
def flush(x):
    """x, or exactly 0 when it is denormally small or not a number (feedback state passes through
    here)."""
    return x if abs(x) > f32(1e-15) and abs(x) < f32(1e15) else f32(0)


@rt
def wrap(x):
    """A phase in turns, back in [0, 1)."""
    return x - floor(x)


FLOATS = types.CPointer(types.float32)


@intrinsic
def pointer(tc, address):
    """An int64 address as a pointer for `carray`."""
    return types.voidptr(types.int64), lambda cg, b, s, a: b.inttoptr(
        a[0], cg.get_value_type(types.voidptr)
    )


@intrinsic
def floats_at(tc, address):
    """An int64 address as a pointer to float32. It is indexed like an array, but not from its end,
    and a kernel of many compiles in four fifths of the time: an array is seven words each."""
    return FLOATS(types.int64), lambda cg, b, s, a: b.inttoptr(a[0], cg.get_value_type(FLOATS))


def data_of(cg, b, kind, array):
    """The address of what an array or a pointer to floats points to."""
    return array if isinstance(kind, types.CPointer) else cg.make_array(kind)(cg, b, array).data


@intrinsic
def address_of(tc, array):
    """The address of an array's first element, int64."""

    def gen(cg, b, s, a):
        return b.ptrtoint(data_of(cg, b, s.args[0], a[0]), ir.IntType(64))

    return types.int64(array), gen


@intrinsic
def call_clock(tc, function, clock, out):
    """Calls clock_gettime(clock, out) at address `function`."""

    def gen(cg, b, s, a):
        i64, i32 = ir.IntType(64), ir.IntType(32)
        fn = b.inttoptr(a[0], ir.FunctionType(i32, [i32, i64]).as_pointer())
        b.call(fn, [b.trunc(a[1], i32), a[2]])
        return cg.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), gen


@intrinsic
def load_acquire(tc, array, index):
    """An int64 read that nothing after it may overtake."""

    def gen(cg, b, s, a):
        data = data_of(cg, b, s.args[0], a[0])
        return b.load_atomic(b.gep(data, [a[1]]), "acquire", 8)

    return types.int64(array, types.intp), gen


@intrinsic
def store_release(tc, array, index, value):
    """An int64 write that nothing before it may fall behind."""

    def gen(cg, b, s, a):
        data = data_of(cg, b, s.args[0], a[0])
        b.store_atomic(a[2], b.gep(data, [a[1]]), "release", 8)
        return cg.get_dummy_value()

    return types.void(array, types.intp, types.int64), gen


_X86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
_ARM = platform.machine().lower() in ("arm64", "aarch64")


@intrinsic
def denormals_off(tc):
    """Sets flush-to-zero on the calling thread; returns the old control word for
    `denormals_restore`."""

    def gen(cg, b, s, a):
        i32, i64 = ir.IntType(32), ir.IntType(64)
        if _X86:
            slot = cgutils.alloca_once(b, i32)
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
            byte = b.bitcast(slot, ir.IntType(8).as_pointer())
            b.call(cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse.stmxcsr"), [byte])
            old = b.load(slot)
            b.store(b.or_(old, ir.Constant(i32, 0x8040)), slot)
            b.call(cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse.ldmxcsr"), [byte])
            return b.zext(old, i64)
        if _ARM:
            old = b.call(
                cgutils.get_or_insert_function(
                    b.module, ir.FunctionType(i64, []), "llvm.aarch64.get.fpcr"
                ),
                [],
            )
            b.call(
                cgutils.get_or_insert_function(
                    b.module, ir.FunctionType(ir.VoidType(), [i64]), "llvm.aarch64.set.fpcr"
                ),
                [b.or_(old, ir.Constant(i64, 1 << 24))],
            )
            return old
        return ir.Constant(i64, 0)

    return types.int64(), gen


@intrinsic
def denormals_restore(tc, old):
    """Puts the control word back, so that a shared thread (offline, a test) keeps its own."""

    def gen(cg, b, s, a):
        i32, i64 = ir.IntType(32), ir.IntType(64)
        if _X86:
            slot = cgutils.alloca_once(b, i32)
            b.store(b.trunc(a[0], i32), slot)
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
            b.call(
                cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse.ldmxcsr"),
                [b.bitcast(slot, ir.IntType(8).as_pointer())],
            )
        elif _ARM:
            b.call(
                cgutils.get_or_insert_function(
                    b.module, ir.FunctionType(ir.VoidType(), [i64]), "llvm.aarch64.set.fpcr"
                ),
                [a[0]],
            )
        return cg.get_dummy_value()

    return types.void(types.int64), gen
