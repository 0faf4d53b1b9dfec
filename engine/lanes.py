"""Sixteen floats (or 8, or WIDE) as one value with ordinary operators, usable in `@rt` code; LLVM
fits it to any processor. Thread: audio.

Two shapes of kernel use it: *across time* (16 samples of one voice, when the recurrence is longer
than a lane) and *across voices* (one sample of 8, 16 or WIDE voices, when it is shorter). Arrays
are float32 and contiguous; indices count floats. A number beside lanes stands for itself in each.
"""

import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from engine.lanes_type import (
    FLAGS,
    FLOAT,
    INT,
    KINDS,
    MASKS,
    Lanes,
    constant,
    lanes,
    lift,
    narrow,
    splatted,
    vector_at,
    wide,
    widest,
)
from engine.rt import C1, C3, C5, C7, C9, LANE, f32, rt


def _load(kind):
    @intrinsic
    def f(tc, array, index):
        def gen(cg, b, s, a):
            return b.load(vector_at(cg, b, s.args[0], a[0], a[1], kind.width), align=4)

        return kind(array, types.intp), gen

    return f


load = _load(lanes)  # array[index:index+16]; the index is not checked
load_narrow = _load(narrow)  # array[index:index+8]
load_wide = _load(wide)  # array[index:index+WIDE]


@intrinsic
def store(tc, array, index, value):
    """array[index:index+16] = value (8 or WIDE of them for a narrow or wide one)."""
    width = widest((value,)).width

    def gen(cg, b, s, a):
        b.store(lift(b, s.args[2], a[2], width),
                vector_at(cg, b, s.args[0], a[0], a[1], width), align=4)
        return cg.get_dummy_value()

    return types.void(array, types.intp, value), gen


def _ask(write):
    @intrinsic
    def f(tc, array, index):
        def gen(cg, b, s, a):
            byte = ir.IntType(8).as_pointer()
            at = b.bitcast(vector_at(cg, b, s.args[0], a[0], a[1]), byte)
            kind = ir.FunctionType(ir.VoidType(), [byte, INT, INT, INT])
            fn = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0i8")
            b.call(fn, [at, *(ir.Constant(INT, n) for n in (write, 3, 1))])
            return cg.get_dummy_value()

        return types.void(array, types.intp), gen

    return f


# a hint that the cache line of array[index] will soon be read, or written
soon_read, soon_written = _ask(0), _ask(1)


@intrinsic
def fence(tc):
    """What is stored before it is read from memory after it, and takes no registers until then."""
    def gen(cg, b, s, a):
        b.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
        return cg.get_dummy_value()

    return types.void(), gen


def _splat(kind):
    @intrinsic
    def f(tc, x):
        return kind(x), lambda cg, b, s, a: lift(b, s.args[0], a[0], kind.width)

    return f


# one number in all lanes
splat_narrow, splat, splat_wide = _splat(narrow), _splat(lanes), _splat(wide)
# of 16 numbers that are no voices: 16 also in the second form of a voice, with narrow lanes
load_row, splat_row = _load(lanes), _splat(lanes)


def _lifted(b, s, a):
    width = widest(s.args).width
    return [lift(b, t, x, width) for t, x in zip(s.args, a, strict=True)]


def _llvm(b, name, values):
    """Calls the vector form of an LLVM intrinsic."""
    kind = values[0].type
    fn = cgutils.get_or_insert_function(
        b.module, ir.FunctionType(kind, [kind] * len(values)), f"{name}.v{kind.count}f32")
    return b.call(fn, values, fastmath=FLAGS)


def _one(llvm_name):
    @intrinsic
    def f(tc, x):
        return widest((x,))(x), lambda cg, b, s, a: _llvm(b, llvm_name, _lifted(b, s, a))

    return f


vrint, vfloor, vabs, vsqrt = (
    _one("llvm.rint"),
    _one("llvm.floor"),
    _one("llvm.fabs"),
    _one("llvm.sqrt"),
)


def _chosen(op):
    """x where `x op y` holds, else y: one instruction, and a NaN in x gives y."""

    @intrinsic
    def f(tc, x, y):
        def gen(cg, b, s, a):
            p, q = _lifted(b, s, a)
            return b.select(b.fcmp_ordered(op, p, q), p, q)

        return widest((x, y))(x, y), gen

    return f


vmin, vmax = _chosen("<"), _chosen(">")


@intrinsic
def fma(tc, x, y, z):
    """x * y + z, rounded once."""
    return widest((x, y, z))(x, y, z), lambda cg, b, s, a: _llvm(b, "llvm.fma", _lifted(b, s, a))


@intrinsic
def signed(tc, x, y):
    """x, negated where y is below 0 (or -0)."""
    def gen(cg, b, s, a):
        number = ir.VectorType(INT, x.width)
        sign = b.and_(b.bitcast(a[1], number), constant([-0x80000000] * x.width, INT))
        return b.bitcast(b.xor(b.bitcast(a[0], number), sign), a[0].type)

    return x(x, y), gen


@intrinsic
def select(tc, m, x, y):
    """x where the mask holds, else y."""
    kind = next(k for k in KINDS if k.width == m.width)

    def gen(cg, b, s, a):
        return b.select(a[0], *(lift(b, t, v, kind.width)
                                for t, v in zip(s.args[1:], a[1:], strict=True)))

    return kind(m, x, y), gen


@intrinsic
def total(tc, x):
    """The sum over the lanes, from the first to the last."""

    def gen(cg, b, s, a):
        fn = cgutils.get_or_insert_function(
            b.module, ir.FunctionType(FLOAT, [FLOAT, a[0].type]),
            f"llvm.vector.reduce.fadd.v{a[0].type.count}f32")
        return b.call(fn, [ir.Constant(FLOAT, 0.0), a[0]], fastmath=FLAGS)

    return types.float32(x), gen


@intrinsic
def largest(tc, x):
    """The largest of lanes that hold no NaN."""

    def gen(cg, b, s, a):
        v, half = a[0], x.width // 2
        while half:
            index = constant([(i + half) % x.width for i in range(x.width)], INT)
            w = b.shuffle_vector(v, v, index)
            v = b.select(b.fcmp_ordered(">", v, w), v, w)
            half //= 2
        return b.extract_element(v, ir.Constant(INT, 0))

    return types.float32(x), gen


@intrinsic
def turned(tc, array, at, stride, out, to, step):
    """Sixteen rows of 16 at array[at + k stride] become columns at out[to + k step]: four blocks of
    8 x 8, whose halves are loaded where they belong, so that no value has to wait in memory."""
    def gen(cg, b, s, a):
        def at(which, k, more, width):
            index = b.add(a[which], b.mul(a[which + 1], ir.Constant(ir.IntType(64), k)))
            index = b.add(index, ir.Constant(ir.IntType(64), more))
            return vector_at(cg, b, s.args[which - 1], a[which - 1], index, width)

        def mixed(x, y, places):
            return b.shuffle_vector(x, y, constant([*places, *(k + 4 for k in places)], INT))

        columns = []
        for right in (0, 8):
            for down in (0, 8):
                for half in (0, 4):
                    x = [b.shuffle_vector(*(b.load(at(1, down + k + low, right + half, 4), align=4)
                                            for low in (0, 4)), constant(list(range(8)), INT))
                         for k in range(4)]
                    for k, first in ((0, (0, 8, 1, 9)), (2, (2, 10, 3, 11))):
                        y, z = mixed(x[0], x[1], first), mixed(x[2], x[3], first)
                        columns.append((right + half + k, down, mixed(y, z, (0, 1, 8, 9))))
                        columns.append((right + half + k + 1, down, mixed(y, z, (2, 3, 10, 11))))
                for k, more, column in columns:
                    b.store(column, at(4, k, more, 8), align=4)
                columns.clear()
        return cg.get_dummy_value()

    i8 = types.int64
    return types.void(array, i8, i8, out, i8, i8), gen


def _shift(n):
    @intrinsic
    def f(tc, x):
        def gen(cg, b, s, a):
            zero = constant([0.0] * LANE)
            index = [LANE + i if i < n else i - n for i in range(LANE)]
            return b.shuffle_vector(a[0], zero, constant(index, INT))

        return lanes(x), gen

    return f


shift1, shift2, shift4, shift8 = _shift(1), _shift(2), _shift(4), _shift(8)


@intrinsic
def last(tc, x):
    """Lane 15 in all lanes."""
    return lanes(x), lambda cg, b, s, a: b.shuffle_vector(
        a[0], a[0], constant([LANE - 1] * LANE, INT)
    )


@intrinsic
def ramp(tc, start):
    """start, start + 1, ... start + 15 (an integer or a float32 in, floats out)."""

    def gen(cg, b, s, a):
        return b.fadd(lift(b, s.args[0], a[0]), constant([float(i) for i in range(LANE)]))

    return lanes(start), gen


def _hash(kind):
    """White noise in [-1, 1): lane i is a hash of (seed, start + i), both integers (murmur3's
    finaliser)."""
    @intrinsic
    def f(tc, seed, start):
        def gen(cg, b, s, a):
            def everywhere(x):
                return splatted(b, b.trunc(x, INT) if x.type.width > 32 else x, kind.width)

            def same(x):
                return constant([x] * kind.width, INT)

            x = b.add(everywhere(a[1]), constant(list(range(kind.width)), INT))
            x = b.xor(b.mul(x, same(0x9E3779B1)), b.mul(everywhere(a[0]), same(0x85EBCA77)))
            for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
                x = b.xor(x, b.lshr(x, same(shift)))
                if factor:
                    x = b.mul(x, same(factor))
            whole = b.sitofp(x, ir.VectorType(FLOAT, kind.width))
            return b.fmul(whole, constant([2.0**-31] * kind.width))

        return kind(types.int64, types.int64), gen

    return f


_hash_narrow, _hash_lanes = _hash(narrow), _hash(lanes)


@rt
def noise(seed, start):
    """16 samples of white noise in [-1, 1): a function of seed and sample number alone, so renders
    repeat."""
    return _hash_lanes(np.int64(seed), np.int64(start))


@rt
def noise_narrow(seed, start):
    """The first 8 of `noise`."""
    return _hash_narrow(np.int64(seed), np.int64(start))


def _bind(op, arithmetic):
    """`op` of lanes, or of lanes and a number: arithmetic(builder, x, y)."""
    @infer_global(op)
    class Template(AbstractTemplate):
        def generic(self, words, named):
            known = all(isinstance(kind, Lanes | types.Number) for kind in words)
            if known and any(isinstance(kind, Lanes) for kind in words):
                width = widest(words)
                return signature(MASKS[width.width] if op in COMPARED else width, *words)

    def implementation(cg, b, s, a):
        return arithmetic(b, *_lifted(b, s, a))

    for kinds in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(op, *kinds)(implementation)


COMPARED = {operator.lt: "<", operator.gt: ">"}
for _op, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"),
                   (operator.truediv, "fdiv")):
    _bind(_op, lambda b, x, y, name=_name: getattr(b, name)(x, y, flags=FLAGS))
for _op, _name in COMPARED.items():
    _bind(_op, lambda b, x, y, name=_name: b.fcmp_ordered(name, x, y))


@infer_global(operator.neg)
class _Negative(AbstractTemplate):
    def generic(self, words, named):
        if isinstance(words[0], Lanes):
            return signature(words[0], *words)


@lower_builtin(operator.neg, Lanes)
def _negative(cg, b, s, a):
    return b.fneg(a[0], flags=FLAGS)


@rt
def vsine(turns):
    """sin(2 pi turns) in every lane; error -169 dB for |turns| < 1000."""
    return vcosine(turns - f32(0.25))


@rt
def vcosine(turns):
    """cos(2 pi turns) in every lane; error as of `vsine`."""
    x = turns - vrint(turns)
    t = f32(0.25) - vabs(x)
    u = t * t
    return t * fma(u, fma(u, fma(u, fma(u, C9, C7), C5), C3), C1)


@rt
def vtanh(x):
    """A soft limit x (27 + x^2) / (27 + 9 x^2), clamped at +-3 where it is exactly +-1."""
    x = vmin(vmax(x, f32(-3)), f32(3))
    u = x * x
    return x * (u + f32(27)) / fma(u, f32(9), f32(27))


@intrinsic
def vexp2(tc, x):
    """2**x in every lane, x clipped to -126..126; relative error 2e-7."""

    def gen(cg, b, s, a):
        width = x.width

        def v(c):
            return constant([float(np.float32(c))] * width)

        y = b.select(b.fcmp_ordered(">", a[0], v(-126.0)), a[0], v(-126.0))
        y = b.select(b.fcmp_ordered("<", y, v(126.0)), y, v(126.0))
        n = _llvm(b, "llvm.rint", [y])
        r = b.fmul(b.fsub(y, n), v(0.6931471805599453))
        y = v(1 / 720)
        for c in (1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
            y = _llvm(b, "llvm.fma", [y, r, v(c)])
        whole = b.add(b.fptosi(n, ir.VectorType(INT, width)), constant([127] * width, INT))
        power = b.shl(whole, constant([23] * width, INT))
        return b.fmul(y, b.bitcast(power, ir.VectorType(FLOAT, width)))

    return x(x), gen


@rt
def power(base, t):
    """base**t in 16 lanes for a float32 base in (0, 1] (a decay factor) and lanes t."""
    return vexp2(t * (np.log2(max(base, f32(1e-30)))))


@rt
def add(out, index, value):
    """out[index:index+16] += value."""
    store(out, index, load(out, index) + value)


@rt
def add_narrow(out, index, value):
    """out[index:index+8] += value."""
    store(out, index, load_narrow(out, index) + value)


@rt
def add_wide(out, index, value):
    """out[index:index+WIDE] += value."""
    store(out, index, load_wide(out, index) + value)
