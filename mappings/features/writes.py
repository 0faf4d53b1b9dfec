"""Writes: how much attention and MLP add to the state, per band of layers.

attn.BAND.write, mlp.BAND.write   log norm of what the block wrote, in standard deviations of that
layer on the calibration text, mean over the band: a layer that is always loud does not outvote the
others. Rows `writes.attn`, `writes.mlp`: the same of every layer. Thread: control.
"""
import math

import numpy as np

from engine.rt import rt_host
from mappings.features.common import BANDS, Family, band_means, bands_of, packed, unpacked

KINDS = ("attn", "mlp")
NAMES = tuple(f"{kind}.{band}.write" for kind in KINDS for band in BANDS)


@rt_host
def log_norms(rows, valid, kind, out):
    """out[l] = log ||rows[l]||; NaN where the row is absent, zero or not finite.

    kind  its line in `valid`
    """
    for layer in range(out.shape[0]):
        size = 0.0
        for i in range(rows.shape[1]):
            x = np.float64(rows[layer, i])
            size += x * x
        usable = valid[kind, layer] and size > 0.0 and math.isfinite(size)
        out[layer] = 0.5 * math.log(size) if usable else math.nan


class Writes(Family):
    """Six features; learns mean and spread of each layer's log norms."""
    names, tier = NAMES, "T2"
    ranges = dict.fromkeys(NAMES, (-math.inf, math.inf))

    def __init__(self, descriptor):
        super().__init__(descriptor)
        self.bands = bands_of(descriptor.layers)
        self.mean = np.full((len(KINDS), descriptor.layers), np.nan)
        self.spread, self.rows = np.full_like(self.mean, np.nan), {}

    def look(self, state, token, marks):
        """Log norms, (2, layers): attention, MLP."""
        logs = np.empty(self.mean.shape)
        log_norms(state["attn"], state["valid"], 1, logs[0])
        log_norms(state["mlp"], state["valid"], 2, logs[1])
        return logs

    def fit(self, looks):
        """Mean and spread of every layer that wrote at least twice."""
        logs = np.array(looks)
        seen = np.isfinite(logs)
        count = np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, logs, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(seen, logs - mean, 0.0) ** 2).sum(axis=0) / count)
        known = (seen.sum(axis=0) >= 2) & (spread > 1e-9)
        self.mean, self.spread = np.where(known, mean, np.nan), np.where(known, spread, np.nan)

    def value(self, look, out):
        """Writes the bands' standardised means; keeps the rows they are of."""
        standard = (look - self.mean) / self.spread
        self.rows = {f"writes.{kind}": row for kind, row in zip(KINDS, standard, strict=True)}
        for kind in range(len(KINDS)):
            band_means(standard[kind], self.bands, out, kind * len(BANDS))

    def profile(self):
        """Mean and spread per kind and layer."""
        return {"mean": packed(self.mean), "spread": packed(self.spread)}

    def load(self, data):
        """Takes them over."""
        mean, spread = unpacked(data["mean"]), unpacked(data["spread"])
        if mean.shape != self.mean.shape or spread.shape != mean.shape:
            raise ValueError(f"writes: another depth than {self.mean.shape[1]}")
        self.mean, self.spread = mean, spread
