"""Sixteen floats as one value with ordinary operators, usable in `@rt` code; LLVM fits it to any
processor. Thread: audio.

Two shapes of kernel use it: *across time* (16 samples of one voice, when the recurrence is longer
than a lane) and *across voices* (one sample of 16 voices, when it is shorter). Arrays are float32
and contiguous; indices count floats.
"""

import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from engine.lanes_type import (
    FLAGS,
    FLOAT,
    FLOATS,
    INT,
    INTS,
    Lanes,
    lanes,
    lift,
    mask,
    vector_at,
)
from engine.rt import C1, C3, C5, C7, C9, LANE, f32, rt


@intrinsic
def load(tc, array, index):
    """array[index:index+16]; the index is not checked."""

    def gen(cg, b, s, a):
        return b.load(vector_at(cg, b, s.args[0], a[0], a[1]), align=4)

    return lanes(array, types.intp), gen


@intrinsic
def store(tc, array, index, value):
    """array[index:index+16] = value."""

    def gen(cg, b, s, a):
        b.store(lift(b, s.args[2], a[2]), vector_at(cg, b, s.args[0], a[0], a[1]), align=4)
        return cg.get_dummy_value()

    return types.void(array, types.intp, value), gen


@intrinsic
def splat(tc, x):
    """One number in all 16 lanes."""
    return lanes(x), lambda cg, b, s, a: lift(b, s.args[0], a[0])


def _arithmetic(name):
    @intrinsic
    def f(tc, x, y):
        def gen(cg, b, s, a):
            return getattr(b, name)(lift(b, s.args[0], a[0]), lift(b, s.args[1], a[1]), flags=FLAGS)

        return lanes(x, y), gen

    return f


def _call(llvm_name, arguments):
    def gen(cg, b, s, a):
        kind = ir.FunctionType(FLOATS, [FLOATS] * arguments)
        fn = cgutils.get_or_insert_function(b.module, kind, f"{llvm_name}.v{LANE}f32")
        return b.call(fn, [lift(b, t, x) for t, x in zip(s.args, a, strict=True)], fastmath=FLAGS)

    return gen


def _one(llvm_name):
    @intrinsic
    def f(tc, x):
        return lanes(x), _call(llvm_name, 1)

    return f


def _two(llvm_name):
    @intrinsic
    def f(tc, x, y):
        return lanes(x, y), _call(llvm_name, 2)

    return f


vrint, vfloor, vabs, vsqrt = (
    _one("llvm.rint"),
    _one("llvm.floor"),
    _one("llvm.fabs"),
    _one("llvm.sqrt"),
)
vmin, vmax = _two("llvm.minnum"), _two("llvm.maxnum")


@intrinsic
def fma(tc, x, y, z):
    """x * y + z, rounded once."""
    return lanes(x, y, z), _call("llvm.fma", 3)


@intrinsic
def negative(tc, x):
    return lanes(x), lambda cg, b, s, a: b.fneg(a[0], flags=FLAGS)


def _compare(op):
    @intrinsic
    def f(tc, x, y):
        def gen(cg, b, s, a):
            return b.fcmp_ordered(op, lift(b, s.args[0], a[0]), lift(b, s.args[1], a[1]))

        return mask(x, y), gen

    return f


@intrinsic
def select(tc, m, x, y):
    """x where the mask holds, else y."""

    def gen(cg, b, s, a):
        return b.select(a[0], lift(b, s.args[1], a[1]), lift(b, s.args[2], a[2]))

    return lanes(m, x, y), gen


def _reduce(llvm_name, start=None):
    @intrinsic
    def f(tc, x):
        def gen(cg, b, s, a):
            arguments = [FLOATS] if start is None else [FLOAT, FLOATS]
            fn = cgutils.get_or_insert_function(
                b.module, ir.FunctionType(FLOAT, arguments), f"{llvm_name}.v{LANE}f32"
            )
            return b.call(
                fn, list(a) if start is None else [ir.Constant(FLOAT, start), a[0]], fastmath=FLAGS
            )

        return types.float32(x), gen

    return f


total, largest = _reduce("llvm.vector.reduce.fadd", 0.0), _reduce("llvm.vector.reduce.fmax")


def _shift(n):
    @intrinsic
    def f(tc, x):
        def gen(cg, b, s, a):
            zero = ir.Constant(FLOATS, [ir.Constant(FLOAT, 0.0)] * LANE)
            index = [LANE + i if i < n else i - n for i in range(LANE)]
            return b.shuffle_vector(a[0], zero, ir.Constant(INTS, index))

        return lanes(x), gen

    return f


shift1, shift2, shift4, shift8 = _shift(1), _shift(2), _shift(4), _shift(8)


@intrinsic
def last(tc, x):
    """Lane 15 in all lanes."""
    return lanes(x), lambda cg, b, s, a: b.shuffle_vector(
        a[0], a[0], ir.Constant(INTS, [LANE - 1] * LANE)
    )


@intrinsic
def ramp(tc, start):
    """start, start + 1, ... start + 15 (an integer or a float32 in, floats out)."""

    def gen(cg, b, s, a):
        steps = ir.Constant(FLOATS, [ir.Constant(FLOAT, float(i)) for i in range(LANE)])
        return b.fadd(lift(b, s.args[0], a[0]), steps)

    return lanes(start), gen


@intrinsic
def _hash(tc, seed, start):
    """White noise in [-1, 1): lane i is a hash of (seed, start + i), both integers (murmur3's
    finaliser)."""

    def gen(cg, b, s, a):
        def wide(x):
            x = b.trunc(x, INT) if x.type.width > 32 else x
            empty = ir.Constant(INTS, ir.Undefined)
            return b.shuffle_vector(
                b.insert_element(empty, x, ir.Constant(INT, 0)),
                empty,
                ir.Constant(INTS, [0] * LANE),
            )

        def constant(x):
            return ir.Constant(INTS, [x] * LANE)

        x = b.add(wide(a[1]), ir.Constant(INTS, list(range(LANE))))
        x = b.xor(b.mul(x, constant(0x9E3779B1)), b.mul(wide(a[0]), constant(0x85EBCA77)))
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
            x = b.xor(x, b.lshr(x, constant(shift)))
            if factor:
                x = b.mul(x, constant(factor))
        return b.fmul(
            b.sitofp(x, FLOATS), ir.Constant(FLOATS, [ir.Constant(FLOAT, 2.0**-31)] * LANE)
        )

    return lanes(types.int64, types.int64), gen


@rt
def noise(seed, start):
    """16 samples of white noise in [-1, 1): a function of seed and sample number alone, so renders
    repeat."""
    return _hash(np.int64(seed), np.int64(start))


def _bind(op, fn):
    @overload(op)
    def implementation(a, b):
        kinds = (Lanes, types.Float, types.Integer)
        if (
            isinstance(a, Lanes)
            and isinstance(b, kinds)
            or isinstance(b, Lanes)
            and isinstance(a, kinds)
        ):
            return lambda a, b: fn(a, b)


for _op, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _bind(_op, _arithmetic(_name))
_bind(operator.lt, _compare("<"))
_bind(operator.gt, _compare(">"))


@overload(operator.neg)
def _negate(a):
    if isinstance(a, Lanes):
        return lambda a: negative(a)


@rt
def vsine(turns):
    """sin(2 pi turns) in 16 lanes; error -169 dB for |turns| < 1000."""
    x = turns - f32(0.25)
    x = x - vrint(x)
    t = f32(0.25) - vabs(x)
    u = t * t
    return t * fma(u, fma(u, fma(u, fma(u, splat(C9), splat(C7)), splat(C5)), splat(C3)), splat(C1))


@rt
def vtanh(x):
    """A soft limit x (27 + x^2) / (27 + 9 x^2), clamped at +-3 where it is exactly +-1."""
    x = vmin(vmax(x, splat(f32(-3))), splat(f32(3)))
    u = x * x
    return x * (u + f32(27)) / fma(u, splat(f32(9)), splat(f32(27)))


@intrinsic
def vexp2(tc, x):
    """2**x in 16 lanes, x clipped to -126..126; relative error 2e-7."""

    def gen(cg, b, s, a):
        def v(c):
            return ir.Constant(FLOATS, [ir.Constant(FLOAT, float(np.float32(c)))] * LANE)

        def call(name, *args):
            fn = cgutils.get_or_insert_function(
                b.module, ir.FunctionType(FLOATS, [FLOATS] * len(args)), f"{name}.v{LANE}f32"
            )
            return b.call(fn, args)

        x = call("llvm.minnum", call("llvm.maxnum", a[0], v(-126.0)), v(126.0))
        n = call("llvm.rint", x)
        r = b.fmul(b.fsub(x, n), v(0.6931471805599453))
        y = v(1 / 720)
        for c in (1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
            y = call("llvm.fma", y, r, v(c))
        power = b.shl(
            b.add(b.fptosi(n, INTS), ir.Constant(INTS, [127] * LANE)),
            ir.Constant(INTS, [23] * LANE),
        )
        return b.fmul(y, b.bitcast(power, FLOATS))

    return lanes(lanes), gen


@rt
def power(base, t):
    """base**t in 16 lanes for a float32 base in (0, 1] (a decay factor) and lanes t."""
    return vexp2(t * (np.log2(max(base, f32(1e-30)))))


@rt
def add(out, index, value):
    """out[index:index+16] += value."""
    store(out, index, load(out, index) + value)
