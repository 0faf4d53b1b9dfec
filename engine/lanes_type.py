"""The numba types behind `engine.lanes`: 8, 16 or WIDE float32 as one value, as many truth values.
Thread: any."""

from llvmlite import ir
from numba.core import types
from numba.extending import models, register_model

from engine.rt import LANE, NARROW, WIDE, data_of

FLAGS = ("nsz", "arcp", "contract")
FLOAT, INT, BIT = ir.FloatType(), ir.IntType(32), ir.IntType(1)


class Lanes(types.Type):
    """The numba type of `width` float32."""

    def __init__(self, width):
        self.width = width
        super().__init__(name=f"lanes{width}")


class Mask(types.Type):
    """The numba type of `width` truth values, made by < and >, read by `select`."""

    def __init__(self, width):
        self.width = width
        super().__init__(name=f"mask{width}")


narrow, lanes, wide = KINDS = Lanes(NARROW), Lanes(LANE), Lanes(WIDE)
MASKS = {kind.width: Mask(kind.width) for kind in KINDS}


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, t):
        super().__init__(dmm, t, ir.VectorType(FLOAT, t.width))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm, t):
        super().__init__(dmm, t, ir.VectorType(BIT, t.width))


def widest(kinds):
    """The Lanes type among argument types; scalars beside it are lifted to it."""
    return max((k for k in kinds if isinstance(k, Lanes)), key=lambda k: k.width, default=lanes)


def constant(values, kind=FLOAT):
    """A constant vector."""
    return ir.Constant(ir.VectorType(kind, len(values)), [ir.Constant(kind, v) for v in values])


def splatted(b, x, width=LANE):
    undefined = ir.Constant(ir.VectorType(x.type, width), ir.Undefined)
    return b.shuffle_vector(b.insert_element(undefined, x, ir.Constant(INT, 0)), undefined,
                            constant([0] * width, INT))


def lift(b, kind, x, width=LANE):
    if isinstance(kind, Lanes):
        return x
    if kind == types.float64:
        x = b.fptrunc(x, FLOAT)
    elif kind != types.float32:
        x = b.sitofp(x, FLOAT)
    return splatted(b, x, width)


def vector_at(cg, b, kind, array, index, width=LANE):
    data = data_of(cg, b, kind, array)
    return b.bitcast(b.gep(data, [index]), ir.VectorType(FLOAT, width).as_pointer())
