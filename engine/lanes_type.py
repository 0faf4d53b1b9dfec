"""The numba types behind `engine.lanes`: 16 float32 as one value, 16 truth values. Thread: any."""

from llvmlite import ir
from numba.core import types
from numba.extending import models, register_model

from engine.rt import LANE

FLAGS = ("nsz", "arcp", "contract")
FLOAT, INT = ir.FloatType(), ir.IntType(32)
FLOATS, INTS, BITS = (
    ir.VectorType(FLOAT, LANE),
    ir.VectorType(INT, LANE),
    ir.VectorType(ir.IntType(1), LANE),
)


class Lanes(types.Type):
    """The numba type of 16 float32."""

    def __init__(self):
        super().__init__(name="lanes16")


class Mask(types.Type):
    """The numba type of 16 truth values, made by < and >, read by `select`."""

    def __init__(self):
        super().__init__(name="mask16")


lanes, mask = Lanes(), Mask()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, t):
        super().__init__(dmm, t, FLOATS)


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm, t):
        super().__init__(dmm, t, BITS)


def splatted(b, x):
    undefined = ir.Constant(FLOATS, ir.Undefined)
    return b.shuffle_vector(
        b.insert_element(undefined, x, ir.Constant(INT, 0)),
        undefined,
        ir.Constant(INTS, [0] * LANE),
    )


def lift(b, kind, x):
    if isinstance(kind, Lanes):
        return x
    if kind == types.float32:
        return splatted(b, x)
    if kind == types.float64:
        return splatted(b, b.fptrunc(x, FLOAT))
    return splatted(b, b.sitofp(x, FLOAT))


def vector_at(cg, b, kind, array, index):
    data = cg.make_array(kind)(cg, b, array).data
    return b.bitcast(b.gep(data, [index]), FLOATS.as_pointer())
