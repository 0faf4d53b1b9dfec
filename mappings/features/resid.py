"""Resid: how far each band of layers moves the state, how it turns between tokens, where it stands.

resid.BAND.speed   ||h_l+1 - h_l|| / ||h_l||, geometric mean over the band's layers
resid.mid.turn     1 - cosine of the standardised mid-depth state to that of the record before
resid.axis.K       the same state on the K-th of 8 fixed orthonormal directions, the principal axes
                   of the calibration text

Standardising per coordinate, and leaving out the few coordinates that are always huge (massive
activations), keeps the common mean from deciding every cosine. Thread: control.
"""
import math

import numpy as np

from engine.rt import rt_host
from mappings.features.common import BANDS, Family, band_means, bands_of, packed, unpacked

AXES = 8
NAMES = (*(f"resid.{band}.speed" for band in BANDS), "resid.mid.turn",
         *(f"resid.axis.{k + 1}" for k in range(AXES)))
TURN = len(BANDS)
HUGE, OFTEN = 20.0, 0.5                   # 20 times the median on half of the tokens: left out
ROUNDS = 100                              # of the search for the principal axes


@rt_host
def log_speeds(resid, valid, out):
    """out[l] = log(||h_l+1 - h_l|| / ||h_l||); NaN where a row is absent, zero or not finite."""
    for layer in range(out.shape[0]):
        out[layer] = math.nan
        if not (valid[0, layer] and valid[0, layer + 1]):
            continue
        moved, size = 0.0, 0.0
        for i in range(resid.shape[1]):
            here, there = np.float64(resid[layer, i]), np.float64(resid[layer + 1, i])
            moved += (there - here) * (there - here)
            size += here * here
        if moved > 0.0 and size > 0.0 and math.isfinite(moved) and math.isfinite(size):
            out[layer] = 0.5 * (math.log(moved) - math.log(size))


@rt_host
def standing(row, mean, scale, axes, before, had, out):
    """Standardises a state: out[0] = 1 - cosine to `before` (when `had`), out[1:] = the axes.

    `before` then holds the standardised state; one that is not finite changes nothing.
    returns  whether it was finite
    """
    size, size_before, product = 0.0, 0.0, 0.0
    for i in range(row.shape[0]):
        z = (np.float64(row[i]) - mean[i]) * scale[i]
        size += z * z
        size_before += before[i] * before[i]
        product += z * before[i]
    if not math.isfinite(size) or size == 0.0:
        return False
    if had and size_before > 0.0:
        out[0] = 1.0 - product / math.sqrt(size * size_before)
    for k in range(axes.shape[0]):
        total = 0.0
        for i in range(row.shape[0]):
            total += axes[k, i] * ((np.float64(row[i]) - mean[i]) * scale[i])
        out[1 + k] = total
    for i in range(row.shape[0]):
        before[i] = (np.float64(row[i]) - mean[i]) * scale[i]
    return True


@rt_host
def gram(rows, out):
    """out[a, b] = the product of rows a and b."""
    for a in range(rows.shape[0]):
        for b in range(a + 1):
            total = 0.0
            for i in range(rows.shape[1]):
                total += rows[a, i] * rows[b, i]
            out[a, b] = total
            out[b, a] = total


@rt_host
def strongest(square, vectors, rounds):
    """Turns vectors (k, n) towards the k strongest eigenvectors of a symmetric (n, n) matrix.

    Orthogonal iteration (Golub and Van Loan, 8.2.4); a vector beyond the rank becomes 0.
    """
    first, n = 0.0, square.shape[0]
    image = np.empty(n)
    for _ in range(rounds):
        for k in range(vectors.shape[0]):
            image[:] = 0.0
            for j in range(n):
                share = vectors[k, j]
                for i in range(n):
                    image[i] += share * square[j, i]
            power = orthogonal(image, vectors, k)
            first = power if k == 0 else first
            for i in range(n):
                vectors[k, i] = image[i] / power if power > 1e-9 * first else 0.0


@rt_host
def orthogonal(vector, basis, count):
    """Takes the first `count` rows of basis out of vector, in place; returns the norm left."""
    for k in range(count):
        product = 0.0
        for i in range(vector.shape[0]):
            product += vector[i] * basis[k, i]
        for i in range(vector.shape[0]):
            vector[i] -= product * basis[k, i]
    size = 0.0
    for i in range(vector.shape[0]):
        size += vector[i] * vector[i]
    return math.sqrt(size)


def orthonormal(count, width, seed):
    """`count` fixed orthonormal rows, as many as the width allows; the rest are 0."""
    made = np.zeros((count, width))
    drawn = np.random.default_rng(seed).normal(size=(min(count, width), width))
    for k, row in enumerate(drawn):
        made[k] = row / orthogonal(row, made, k)
    return made


def principal_axes(z):
    """The strongest principal directions of rows z, (AXES, d), signs fixed; NaN beyond the rank.

    No linear algebra library: with several threads its last bits may differ from run to run.
    """
    z = np.ascontiguousarray(z - z.mean(axis=0))
    square = np.empty((len(z), len(z)))
    gram(z, square)
    mixing = np.random.default_rng(1).normal(size=(AXES, len(z)))
    strongest(square, mixing, ROUNDS)
    axes = np.full((AXES, z.shape[1]), np.nan)
    for k, shares in enumerate(mixing):
        axis = (shares[:, None] * z).sum(axis=0)
        size = orthogonal(axis, axes, k)
        if not (shares.any() and size > 0.0):
            break
        axes[k] = axis / size if axis[np.argmax(np.abs(axis))] > 0.0 else -axis / size
    return axes


class Resid(Family):
    """Twelve features; learns mean, spread and principal axes of the mid-depth state."""
    names, tier = NAMES, "T1"
    ranges = (dict.fromkeys(NAMES[:TURN], (0, math.inf)) | {NAMES[TURN]: (0, 2)}
              | dict.fromkeys(NAMES[TURN + 1:], (-math.inf, math.inf)))

    def __init__(self, descriptor):
        super().__init__(descriptor)
        self.layers, self.width = descriptor.layers, descriptor.width
        self.middle, self.bands = (self.layers + 1) // 2, bands_of(self.layers)
        self.mean, self.scale = np.zeros(self.width), np.full(self.width, np.nan)
        self.axes = np.full((AXES, self.width), np.nan)
        self._logs, self._standing = np.empty(self.layers), np.empty(1 + AXES)
        self.forget()

    def look(self, state, token, marks):
        """(speeds of the bands, mid-depth state or None)."""
        log_speeds(state["resid"], state["valid"], self._logs)
        speeds = np.empty(len(BANDS))
        band_means(self._logs, self.bands, speeds, 0)
        row = state["resid"][self.middle].copy() if state["valid"][0, self.middle] else None
        return np.exp(speeds), row

    def fit(self, looks):
        """Mean, spread and axes of the mid-depth states of the calibration text."""
        rows = [row for _, row in looks if row is not None and np.isfinite(row).all()]
        if len(rows) < 2:
            return
        rows = np.stack(rows).astype(np.float64)
        median = np.median(np.abs(rows), axis=1, keepdims=True)
        huge = (np.abs(rows) > HUGE * median).mean(axis=0) >= OFTEN
        self.mean, spread = rows.mean(axis=0), rows.std(axis=0)
        usable = ~huge & (spread > 1e-6 * np.median(spread))
        self.scale = np.where(usable, 1.0 / np.where(usable, spread, 1.0), 0.0)
        self.axes = principal_axes((rows - self.mean) * self.scale)

    def value(self, look, out):
        """Writes speeds, turn and axes; NaN where there is none."""
        out[:TURN] = look[0]
        self._standing[:] = np.nan
        if look[1] is not None and standing(look[1], self.mean, self.scale, self.axes, self._before,
                                            self._had, self._standing):
            self._had = True
        out[TURN:] = self._standing

    def forget(self):
        """No record came before."""
        self._before, self._had = np.zeros(self.width), False

    def profile(self):
        """Mean, scale and axes of the mid-depth state."""
        return {"mean": packed(self.mean), "scale": packed(self.scale), "axes": packed(self.axes)}

    def load(self, data):
        """Takes them over."""
        mean, scale, axes = (unpacked(data[name]) for name in ("mean", "scale", "axes"))
        shapes = [array.shape for array in (mean, scale, axes)]
        if shapes != [array.shape for array in (self.mean, self.scale, self.axes)]:
            raise ValueError(f"resid: another width than {self.width}")
        self.mean, self.scale, self.axes = mean, scale, axes
