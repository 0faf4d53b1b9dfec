"""Mlp: how few of the MLP's units carry its activation, per band of layers.

mlp.BAND.sparsity   Hoyer's measure, mean over the band: 1 when one unit does all, 0 when all alike

Source: Hoyer, JMLR 5 (2004), section 3.1. Thread: control.
"""
import math

import numpy as np

from engine.rt import rt_host
from mappings.features.common import BANDS, Family, band_means, bands_of

NAMES = tuple(f"mlp.{band}.sparsity" for band in BANDS)


@rt_host
def sparsities(act, valid, widths, out):
    """out[l] = (sqrt(n) - |a|_1 / |a|_2) / (sqrt(n) - 1) of n activations; NaN where none are."""
    for layer in range(out.shape[0]):
        n = widths[layer]
        out[layer] = math.nan
        if n < 2 or not valid[3, layer]:
            continue
        total, square = 0.0, 0.0
        for i in range(n):
            x = np.float64(act[layer, i])
            total += abs(x)
            square += x * x
        if square > 0.0 and math.isfinite(square):
            root = math.sqrt(np.float64(n))
            out[layer] = min(max((root - total / math.sqrt(square)) / (root - 1.0), 0.0), 1.0)


class Mlp(Family):
    """Three features; nothing to learn but their places."""
    names, tier = NAMES, "T2"
    ranges = dict.fromkeys(NAMES, (0, 1))

    def __init__(self, descriptor):
        super().__init__(descriptor)
        self.bands = bands_of(descriptor.layers)
        self.widths = np.zeros(descriptor.layers, np.int64)
        self.widths[:len(descriptor.widths)] = descriptor.widths
        self._per_layer = np.empty(descriptor.layers)

    def look(self, state, token, marks):
        """Sparsity of each band."""
        bands = np.empty(len(BANDS))
        sparsities(state["act"], state["valid"], self.widths, self._per_layer)
        band_means(self._per_layer, self.bands, bands, 0)
        return bands
