"""Base-2 logarithms without libm, for levels: one number or sixteen. Thread: audio."""
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from engine.lanes import fma, splat
from engine.lanes_type import FLOAT, INT, constant, lanes
from engine.rt import LANE, bits, f32, from_bits, rt

ROOT_HALF = 0x3F3504F3                    # the bits of sqrt(1/2): a mantissa lies around one
# 2 / ln 2 times the series of atanh; |t| <= 0.172, the rest below 3e-9
L1, L3, L5, L7, L9 = (f32(2 / (np.log(2) * k)) for k in (1, 3, 5, 7, 9))
DB_PER_OCTAVE = f32(20 * np.log10(2))     # of amplitude
OCTAVES_PER_DB = f32(1 / (20 * np.log10(2)))


def _split(exponent):
    """16 positive numbers as 2**exponent * mantissa, sqrt(1/2) <= mantissa < sqrt(2)."""
    @intrinsic
    def f(tc, x):
        def gen(cg, b, s, a):
            def everywhere(n):
                return constant([n] * LANE, INT)

            whole = b.bitcast(a[0], ir.VectorType(INT, LANE))
            power = b.ashr(b.sub(whole, everywhere(ROOT_HALF)), everywhere(23))
            if exponent:
                return b.sitofp(power, ir.VectorType(FLOAT, LANE))
            mantissa = b.sub(whole, b.shl(power, everywhere(23)))
            return b.bitcast(mantissa, ir.VectorType(FLOAT, LANE))

        return lanes(x), gen

    return f


_exponent, _mantissa = _split(True), _split(False)


@rt
def vlog2(x):
    """log2 of 16 normal numbers above 0; error 2e-7, exactly 0 at 1."""
    m = _mantissa(x)
    t = (m - f32(1)) / (m + f32(1))
    u = t * t
    y = fma(u, fma(u, fma(u, fma(u, splat(L9), splat(L7)), splat(L5)), splat(L3)), splat(L1))
    return fma(t, y, _exponent(x))


@rt
def log2(x):
    """log2 of a normal number above 0; error 2e-7, exactly 0 at 1."""
    whole = bits(x)
    power = np.int32((whole - np.int32(ROOT_HALF)) >> np.int32(23))
    m = from_bits(np.int32(whole - np.int32(power << np.int32(23))))
    t = (m - f32(1)) / (m + f32(1))
    u = t * t
    return f32(power) + t * (L1 + u * (L3 + u * (L5 + u * (L7 + u * L9))))
