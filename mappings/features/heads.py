"""Heads: what attention looks at, per band of layers, mean over heads.

attn.BAND.entropy    of the rows over the log of the visible places: 0 one place, 1 all alike
attn.BAND.spread     the same without the sinks
attn.BAND.sink, attn.BAND.previous, attn.BAND.itself     weight there
attn.BAND.gaze_octaves    how far back, log2(1 + tokens), without the sinks
head.BAND.share      of the loudest head's write in its layer (T3): 1 it alone, 1/heads all alike

Thread: control.
"""
import numpy as np

from engine.records import GAZE
from engine.rt import rt_host
from mappings.features.common import BANDS, Streaming, band_means, bands_of

TOLD = GAZE[:6]
UNIT = {name: (0, 1) for name in TOLD} | {"gaze_octaves": (0, np.inf)}


@rt_host
def head_means(gaze, valid, out):
    """out[k, layer] = the k-th number of a layer's gaze, mean over its heads; NaN if none."""
    for layer in range(out.shape[1]):
        for k in range(out.shape[0]):
            total, count = 0.0, 0
            for h in range(gaze.shape[1]):
                if valid[5, layer] and np.isfinite(gaze[layer, h, k]):
                    total += gaze[layer, h, k]
                    count += 1
            out[k, layer] = total / count if count else np.nan


class Gaze(Streaming):
    """What heads look at."""
    names = tuple(f"attn.{band}.{name}" for name in TOLD for band in BANDS)
    ranges = {f"attn.{band}.{name}": UNIT[name] for name in TOLD for band in BANDS}
    tier = "T4"

    def claim(self, sight):
        """Room for every layer's."""
        self._layers, self._bands = np.empty((len(TOLD), sight.depth)), bands_of(sight.depth)

    def value(self, look, out):
        """Writes the bands' means."""
        head_means(look.state["gaze"], look.state["valid"], self._layers)
        for k in range(len(TOLD)):
            band_means(self._layers[k], self._bands, out, k * len(BANDS))


@rt_host
def loudest(norms, valid, out):
    """out[layer] = the largest head's share of the squared norms of a layer."""
    for layer in range(len(out)):
        total, most = 0.0, 0.0
        for h in range(norms.shape[1]):
            x = np.float64(norms[layer, h]) * norms[layer, h]
            total += x
            most = max(most, x)
        out[layer] = most / total if valid[4, layer] and total > 0.0 else np.nan


class Loudest(Streaming):
    """How much one head writes for its layer."""
    names, tier = tuple(f"head.{band}.share" for band in BANDS), "T3"
    ranges = dict.fromkeys(names, (0, 1))

    def claim(self, sight):
        """Room for every layer's."""
        self._layers, self._bands = np.empty(sight.depth), bands_of(sight.depth)

    def value(self, look, out):
        """Writes the bands' means."""
        loudest(look.state["head_norm"], look.state["valid"], self._layers)
        band_means(self._layers, self._bands, out, 0)
