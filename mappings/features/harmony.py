"""Harmony: how attention and MLP of a block, or the heads of a layer, help or hinder each other.

consonance.latent     (|sum|^2 / sum of |each|^2 - 1) / (n - 1), mean over the blocks: 1 equal,
                      0 at right angles, -1 opposed;  consonance.tension  1 - its place of late
consonance.neutral    share of the blocks within two widths of unrelated writes
consonance.heads      the same among the heads of the lead layer (T3)

A definition, with no necessary relation to what is heard: for that see `acoustic`. Thread: control.
"""
import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming


@rt_host
def interference(parts, out):
    """out[layer] = kappa of two writes, from their squares and product (blocks, 3)."""
    for layer in range(len(out)):
        energy = parts[layer, 0] + parts[layer, 1]
        out[layer] = 2.0 * parts[layer, 2] / energy if energy > 0.0 else np.nan


def agreement(writes):
    """kappa of n simultaneous writes, rows of any width; NaN for fewer than two or none."""
    energy = float((writes * writes).sum())
    if len(writes) < 2 or not energy > 0.0:
        return np.nan
    together = writes.sum(axis=0)
    return (float(together @ together) / energy - 1.0) / (len(writes) - 1)


def neutral_width(n, width):
    """Half the range of kappa that unrelated writes of equal length stay in: two widths."""
    return 2.0 * np.sqrt(2.0 * (n - 1) / (n * width)) / (n - 1)


def mean_of(x):
    """Mean of what is finite, NaN without any."""
    good = x[np.isfinite(x)]
    return float(good.mean()) if len(good) else np.nan


class Consonance(Streaming):
    """Attention against MLP."""
    names = ("consonance.latent", "consonance.tension", "consonance.neutral")
    ranges = {"consonance.latent": (-1, 1), "consonance.tension": (0, 1),
              "consonance.neutral": (0, 1)}
    tier = "T2"

    def claim(self, sight):
        """A window a block, and one of the mean."""
        self._blocks = sight.scores.claim("consonance.blocks", sight.depth)
        self._kappa, self._width = np.empty(sight.depth), neutral_width(2, sight.width)

    def value(self, look, out):
        """Writes the three; row `consonance.tension`: of every block."""
        interference(look.parts, self._kappa)
        places, _ = look.scores.take(self._blocks, self._kappa)
        out[0] = mean_of(self._kappa)
        out[1] = 1.0 - mean_of(places)
        there = np.isfinite(self._kappa)
        out[2] = float((np.abs(self._kappa[there]) < self._width).mean()) if there.any() else np.nan
        look.rows["consonance.tension"] = 1.0 - places


class HeadConsonance(Streaming):
    """The heads of the lead layer against each other."""
    names, tier = ("consonance.heads",), "T3"
    ranges = {"consonance.heads": (-1, 1)}

    def value(self, look, out):
        """Writes one; needs the chosen layer's heads."""
        out[0] = np.nan
        if len(look.model.chosen) and look.state["valid"][4, look.model.chosen[0]]:
            out[0] = agreement(look.state["heads"][0])
