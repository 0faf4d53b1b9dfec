"""Linear filters as matrices: sixteen samples of a recursion at once, exactly as one by one.

A filter with up to sixteen states takes 16 states and 16 samples and gives 16 samples and 16 new
states: products of a matrix, whose columns are laid out one after the other. A filter that only
runs a sample at a time waits for itself; this one does not. Thread: audio.
"""
import numpy as np

from engine.lanes import fma, load, turned
from engine.rt import LANE, f32, rt, rt_inlined

BLOCK = 2 * LANE * LANE                   # floats of one matrix: columns of states, of samples
UNITS = np.eye(LANE, dtype=np.float32).ravel()


@rt_inlined
def column_of(k):
    """1 in lane k, else 0: state or sample number k alone."""
    return load(UNITS, k * LANE)


@rt_inlined
def lay_out(rows, at, matrix, to):
    """What each of 16 samples is made of, a row each, as columns of 16 at matrix[to]."""
    turned(rows, at, LANE, matrix, to, LANE)


@rt_inlined
def product(matrix, at, column, here, count):
    """The sum of count columns of a matrix, each times its number in column[here:]; count even."""
    x = load(matrix, at) * column[here]
    y = load(matrix, at + LANE) * column[here + 1]
    for k in range(2, count, 2):
        x = fma(load(matrix, at + k * LANE), column[here + k], x)
        y = fma(load(matrix, at + (k + 1) * LANE), column[here + k + 1], y)
    return x + y


@rt
def clear(run, at, count):
    """Zeros at run[at : at + count]."""
    for i in range(count):
        run[at + i] = f32(0)
