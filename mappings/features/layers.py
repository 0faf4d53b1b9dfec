"""Layers: what is usual in every layer, and what must stay out of every mean and cosine.

No feature of its own: others measure with it. From the calibration text, per layer
huge    coordinates that pass 20 times the token's median size on half of the tokens (massive
        activations, Sun et al. 2024): their z is 0
mean, spread    per coordinate, of tokens that are no sinks
sinks   places of a context that draw attention whatever they say: 0, and of the next three those
        whose state is 10 times the usual size or which receive more than 0.3 of the attention
        (Xiao et al. 2023)

Thread: control.
"""
import math

import numpy as np

from engine.rt import rt_host
from mappings.features.common import Family, packed, unpacked

HUGE, OFTEN, LOUD, RECEIVED = 20.0, 0.5, 10.0, 0.3
FIRST = 4                                 # places that may be sinks
KEPT = 32                                 # records held back until usual sizes are known
HALF_LIFE_TOKENS = 256.0
SUMS = ("_total", "_square", "_often", "_count", "_first", "_at", "_watched", "_norms", "_held")


@rt_host
def standardise(rows, valid, mean, scale, out):
    """out[l] = (rows[l] - mean[l]) * scale[l], NaN where the row is absent."""
    for layer in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            z = (np.float64(rows[layer, i]) - mean[layer, i]) * scale[layer, i]
            out[layer, i] = z if valid[layer] else math.nan


@rt_host
def follow(rows, valid, share, mean, square):
    """Moves exponentially weighted means of x and of its square towards one record."""
    for layer in range(rows.shape[0]):
        if valid[layer]:
            for i in range(rows.shape[1]):
                x = np.float64(rows[layer, i])
                mean[layer, i] += share * (x - mean[layer, i])
                square[layer, i] += share * (x * x - square[layer, i])


def scale_of(spread, huge):
    """1 / spread, 0 for coordinates that are huge or never move."""
    usable = ~huge & (spread > 1e-6 * np.median(spread, axis=-1, keepdims=True)) & (spread > 0.0)
    return np.where(usable, 1.0 / np.where(usable, spread, 1.0), 0.0)


class Layers(Family):
    """mean, spread, scale, huge: (layers + 1, width);  sinks: places."""
    tier = "T1"

    def __init__(self, descriptor):
        super().__init__(descriptor)
        shape = descriptor.layers + 1, descriptor.width
        self.mean, self.spread = np.full(shape, np.nan), np.full(shape, np.nan)
        self.huge, self.sinks = np.zeros(shape, bool), (0,)
        self.scale = np.full(shape, np.nan)
        self._begin(shape)

    def _begin(self, shape):
        self._held, self._norms, self._count = [], [], np.zeros(shape[0])
        self._total, self._square, self._often = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._first, self._at = None, np.zeros((3, FIRST))       # seen, loud, attention received
        self._watched = 0

    def look(self, state, token, marks):
        """Nothing: there is no feature here."""

    def learn(self, state):
        """Takes in a calibration row."""
        rows = state["resid"].astype(np.float64)
        usable = (state["valid"][0] > 0) & np.isfinite(rows).all(axis=1)
        self._norms.append(np.where(usable, np.linalg.norm(rows, axis=1), np.nan))
        self._receive(state)
        if self._held is not None:
            self._held.append((rows, usable, self._norms[-1], int(state["position"])))
            if len(self._held) >= KEPT:
                self._release()
        else:
            self._add(rows, usable, self._norms[-1], int(state["position"]))

    def pause(self):
        """The sums so far."""
        return [getattr(self, name) for name in SUMS]

    def resume(self, state):
        """Takes them over."""
        if len(state) != len(SUMS) or state[0].shape != self._total.shape:
            raise ValueError("layers: another shape")
        for name, value in zip(SUMS, state, strict=True):
            setattr(self, name, value)

    def _receive(self, state):
        if "row" in (state.dtype.names or ()) and int(state["position"]) >= 2 * FIRST:
            row = state["row"][:, :FIRST]
            row = row[np.isfinite(row).all(axis=1)]
            if len(row):
                self._at[2] += row.mean(axis=0)
                self._watched += 1

    def _release(self):
        held, self._held = self._held, None
        for entry in held:
            self._add(*entry)

    def _add(self, rows, usable, norms, place):
        """One record into the sums, without the layers in which it is ten times the usual size."""
        usual = np.nanmedian(np.array(self._norms), axis=0) if usable.any() else norms
        loud = usable & (norms > LOUD * usual)
        if place < FIRST:
            self._at[0, place] += 1
            self._at[1, place] += bool(loud[1:].any())
        good = usable & ~loud
        if self._first is None:
            self._first = np.where(usable[:, None], rows, 0.0)
        size = np.abs(rows)
        shifted = np.where(good[:, None], rows - self._first, 0.0)
        self._count += good
        self._total += shifted
        self._square += shifted * shifted
        self._often += good[:, None] & (size > HUGE * np.median(size, axis=1, keepdims=True))

    def so_far(self):
        """(mean, scale) of what was taken in, None before the usual sizes are known."""
        if self._held is not None or self._first is None:
            return None
        mean, _, _, scale = self._sums()
        return mean, scale

    def _sums(self):
        """mean, spread, huge, scale."""
        count = np.maximum(self._count, 1.0)[:, None]
        known = (self._count >= 2)[:, None]
        shift = self._total / count
        spread = np.sqrt(np.maximum(self._square / count - shift * shift, 0.0))
        spread, huge = np.where(known, spread, np.nan), known & (self._often / count >= OFTEN)
        scale = np.where(known, scale_of(np.nan_to_num(spread), huge), np.nan)
        return np.where(known, self._first + shift, np.nan), spread, huge, scale

    def fit(self, looks):
        """Means, spreads, masks and sinks of what was taken in."""
        if self._held:
            self._release()
        shape = self.mean.shape
        if self._first is not None:
            self.mean, self.spread, self.huge, self.scale = self._sums()
        seen, loud, received = self._at
        self.sinks = (0, *(p for p in range(1, FIRST) if loud[p] > 0.5 * seen[p] or
                           self._watched and received[p] / self._watched > RECEIVED))
        self._begin(shape)

    def profile(self):
        """All of it."""
        return {"mean": packed(self.mean), "spread": packed(self.spread),
                "huge": packed(self.huge), "sinks": list(self.sinks)}

    def load(self, data):
        """Takes it over."""
        mean, spread, huge = (unpacked(data[name]) for name in ("mean", "spread", "huge"))
        if {a.shape for a in (mean, spread, huge)} != {self.mean.shape}:
            raise ValueError(f"layers: another shape than {self.mean.shape}")
        self.mean, self.spread, self.huge = mean, spread, huge > 0.5
        known = np.isfinite(mean)
        self.scale = np.where(known, scale_of(np.nan_to_num(spread), self.huge), np.nan)
        self.sinks = tuple(int(place) for place in data["sinks"])


class Standard:
    """z of every layer: (x - mean) / spread from the calibration, which may follow the performance.

    layers  a fitted Layers;  frozen  nothing moves, so that two runs are the same
    """

    def __init__(self, layers, frozen=True):
        self.layers, self.frozen = layers, frozen
        self.share = 1.0 - 0.5 ** (1.0 / HALF_LIFE_TOKENS)
        self.forget()

    def forget(self):
        """Back to what the calibration said."""
        self._mean, self._scale = self.layers.mean.copy(), self.layers.scale.copy()
        self._square = self.layers.spread ** 2 + self.layers.mean ** 2
        self.z = np.full(self._mean.shape, np.nan)

    def of(self, state):
        """z of one record, (layers + 1, width), valid until the next; NaN where a row is absent."""
        standardise(state["resid"], state["valid"][0], self._mean, self._scale, self.z)
        if not self.frozen and np.isfinite(state["resid"]).all():
            follow(state["resid"], state["valid"][0], self.share, self._mean, self._square)
            spread = np.sqrt(np.maximum(self._square - self._mean ** 2, 0.0))
            self._scale = scale_of(spread, self.layers.huge)
        return self.z
