"""Spectra: numbers of what a model is made of (see `timbre`). Offline; none moves while playing.

participation   of eigenvalues, over their count: 1 all alike;  slope  of their logs on log rank
stable_rank     of a weight matrix;  power_law  exponent of its spectrum's tail, if there is one
hoyer           sparsity, 1 one-hot, 0 constant

Sources: Martin and Mahoney 2018; Clauset, Shalizi and Newman 2009. Thread: control.
"""
import numpy as np

POOR = 0.08                               # a tail whose distance is larger is no power law
FEWEST = 50


def participation(eigenvalues):
    """(sum)^2 / (n sum of squares), 0..1."""
    e = np.asarray(eigenvalues, np.float64)
    return float(e.sum() ** 2 / (len(e) * (e * e).sum()))


def slope(eigenvalues):
    """Of log eigenvalue on log rank, the largest first."""
    e = -np.sort(-np.asarray(eigenvalues, np.float64))
    e = e[e > 0.0]
    return float(np.polyfit(np.log(np.arange(1, len(e) + 1)), np.log(e), 1)[0])


def eigenvalues(weight):
    """Of W'W / rows, falling."""
    return np.linalg.svd(np.asarray(weight, np.float64), compute_uv=False) ** 2 / len(weight)


def stable_rank(weight):
    """|W|_F^2 / |W|_2^2."""
    e = eigenvalues(weight)
    return float(e.sum() / e[0])


def distance_of(tail):
    """(exponent by maximum likelihood, Kolmogorov-Smirnov distance) of a rising tail."""
    exponent = 1.0 + len(tail) / np.log(tail / tail[0]).sum()
    law = 1.0 - (tail / tail[0]) ** (1.0 - exponent)
    steps = np.arange(len(tail) + 1) / len(tail)
    return exponent, float(np.maximum(np.abs(law - steps[1:]), np.abs(law - steps[:-1])).max())


def power_law(values, fewest=FEWEST):
    """(exponent or NaN, distance) of the tail that fits best; NaN where even that is no power
    law."""
    x = np.sort(np.asarray(values, np.float64))
    x = x[x > 0.0]
    tails = [distance_of(x[k:]) for k in range(max(len(x) - fewest, 0) + 1) if x[-1] > x[k]]
    if not tails:
        return np.nan, np.nan
    exponent, distance = min(tails, key=lambda pair: pair[1])
    return (exponent if distance <= POOR else np.nan), distance


def hoyer(values):
    """(sqrt n - |x|_1 / |x|_2) / (sqrt n - 1)."""
    x = np.abs(np.asarray(values, np.float64))
    root = np.sqrt(len(x))
    return float((root - x.sum() / np.linalg.norm(x)) / (root - 1.0))
