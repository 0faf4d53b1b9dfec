"""Directions: how strong a concept of the set's own is in the residual stream, one number each.

direction.NAME   0 as in neutral text, 1 as in the texts it was learned from (its effect scale)

They hang on the set, so they stand beside the families: the profile knows nothing of them, and
what is usual (the places) comes with each direction. A link reads `direction.NAME` as its place
and `direction.NAME_effect` raw. Source: Marks and Tegmark 2023, "mass-mean" directions; reading
and learning: engine.model.directions. Thread: control.
"""
import math

import numpy as np

from mappings.features.common import places


class Directions:
    """names -> numbers of each record; `chosen` are Directions of engine.model, MOST of them 8."""

    def __init__(self, chosen=()):
        self.chosen = tuple(chosen)
        self.names = tuple(f"direction.{one.name}" for one in self.chosen)
        self._grid = np.array([one.places for one in self.chosen])
        self._values, self._places = np.empty(len(self.chosen)), np.empty(len(self.chosen))

    def add(self, state, frame):
        """Puts the numbers of a STATE row into its frame; an absent layer has none."""
        if not self.chosen:
            return
        for k, one in enumerate(self.chosen):
            known = state["valid"][0, one.layer]
            self._values[k] = one.effect(state["resid"][one.layer]) if known else math.nan
        places(self._values, self._grid, self._places)
        for k, name in enumerate(self.names):
            if math.isfinite(self._values[k]):
                frame.raw[name], frame.unit[name] = float(self._values[k]), float(self._places[k])
