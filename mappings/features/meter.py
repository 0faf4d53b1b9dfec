"""The meter: measures each record with every family, puts each value in its calibrated place.

It streams: order matters, the same records give the same frames. Calibration records teach it
(`learn`), then it is frozen; nothing adapts while playing. Rows marked SINK, TEMPLATE or INVALID
are read for their text only. Thread: control.
"""
import hashlib
import math

import numpy as np

from engine.errors import MappingError
from engine.records import CALIBRATION, INVALID, SINK, TEMPLATE, TOKEN, Frame, state_dtype
from mappings.features import layers, mlp, resid, text, token, writes
from mappings.features.common import (
    GRID,
    curve,
    kept,
    packed,
    place_of,
    places,
    restored,
    unpacked,
)

FAMILIES = {"token": token.Token, "resid": resid.Resid, "writes": writes.Writes, "mlp": mlp.Mlp,
            "text": text.Text, "layers": layers.Layers}
NAMES = tuple(name for family in FAMILIES.values() for name in family.names)
ON_STATE = ("resid", "writes", "mlp")      # families that need no TOKEN
UNCOUNTED = SINK | TEMPLATE | INVALID
PROFILE = 2                               # version of `profile`'s layout


def spoken(token_row):
    """The text of a TOKEN row; a character cut at the row's end is left out."""
    return token_row["text"][:int(token_row["text_bytes"])].tobytes().decode("utf-8", "ignore")


def _which(state_row):
    return int(state_row["seq"]), int(state_row["generation"])


class Meter:
    """One model's features: learn(...) on calibration rows, freeze() once, then measure(...).

    signature  of what is measured: a profile with another one was learned by another meter
    layers     what is usual in each layer, for whoever measures with it
    """
    names = NAMES
    signature = f"{PROFILE}-{hashlib.sha256(' '.join(NAMES).encode()).hexdigest()[:12]}"

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.families = {name: family(descriptor) for name, family in FAMILIES.items()}
        self._captured = {name for name, family in FAMILIES.items()
                          if family.tier in descriptor.tiers}
        self._reader, self._looks = text.Reader(), []
        self._grid = np.full((len(NAMES), GRID), np.nan)
        self._values, self._places = np.full(len(NAMES), np.nan), np.empty(len(NAMES))
        self._glanced = None
        ends = np.cumsum([len(family.names) for family in FAMILIES.values()])
        self._parts = [self._values[end - len(family.names):end]
                       for family, end in zip(FAMILIES.values(), ends, strict=True)]

    @staticmethod
    def place_of(name, layers):
        """Where in a model of so many layers a feature is read, in words."""
        return place_of(name, layers) or next(
            (family.read_at for family in FAMILIES.values() if name in family.names), "")

    @staticmethod
    def tiers(features):
        """The tiers of capture that features need, read raw or as places; unknown names none."""
        wanted = set(features)
        return {family.tier for family in FAMILIES.values() for name in family.names
                if {name, name.rpartition("_")[0]} & wanted}

    @property
    def layers(self):
        return self.families["layers"]

    def _look(self, state_row, token_row, marks):
        return [family.look(state_row, token_row, marks) if name in self._captured else None
                for name, family in self.families.items()]

    def _value(self, look):
        for name, seen, part in zip(self.families, look, self._parts, strict=True):
            if name in self._captured and len(part):
                self.families[name].value(seen, part)

    def learn(self, state_row, token_row):
        """Takes in one calibration row."""
        flags = int(state_row["flags"]) | int(token_row["flags"])
        if int(state_row["position"]) == 0:       # another context: its text begins anew
            self._reader.forget()
        marks = self._reader.read(spoken(token_row), flags)
        if not flags & UNCOUNTED:
            self._looks.append(self._look(state_row, token_row, marks))
            for name in self._captured:
                self.families[name].learn(state_row)

    @property
    def learned(self):
        """How many calibration rows have counted so far."""
        return len(self._looks)

    def pause(self):
        """What was taken in so far, as JSON data, between two contexts of the text."""
        return {"looks": kept(self._looks),
                "families": {name: kept(f.pause()) for name, f in self.families.items()}}

    def resume(self, data):
        """Goes on from what `pause` gave; raises KeyError or ValueError when it does not fit."""
        looks = restored(data["looks"])
        if any(len(look) != len(self.families) for look in looks):
            raise ValueError("other families")
        for name, family in self.families.items():
            family.resume(restored(data["families"][name]))
        self._looks = looks

    def freeze(self):
        """Fits every family to the rows learned and draws each feature's curve."""
        for k, (name, family) in enumerate(self.families.items()):
            if self._looks and name in self._captured:
                family.fit([look[k] for look in self._looks])
        self.forget()
        values = np.full((len(self._looks), len(NAMES)), np.nan)
        for row, look in zip(values, self._looks, strict=True):
            self._value(look)
            row[:] = self._values
        for k in range(len(NAMES)):
            self._grid[k] = curve(values[:, k])
        self._looks = []
        self.forget()

    def forget(self):
        """Back to the beginning of a performance; what was learned stays."""
        self._reader.forget()
        self._glanced = None
        for family in self.families.values():
            family.forget()

    def warm(self):
        """Measures a record of noise, so that nothing is compiled while playing; forgets it."""
        state, token = np.zeros(1, state_dtype(self.descriptor))[0], np.zeros(1, TOKEN)[0]
        random = np.random.default_rng(1)
        for name in ("resid", "attn", "mlp", "act"):
            state[name] = random.normal(size=state[name].shape)
        state["valid"] = 1
        self.measure(state, token)
        self.glance(state)
        self.forget()

    def measure(self, state_row, token_row):
        """The frame of one record; what it does not have is missing, on uncounted rows all is."""
        flags = int(state_row["flags"]) | int(token_row["flags"])
        words = spoken(token_row)
        marks = self._reader.read(words, flags)
        frame = Frame(int(state_row["seq"]), int(token_row["token"]), words, flags,
                      sentence_end=marks.sentence_end, punctuation=marks.punctuation,
                      paragraph_end=marks.paragraph_end)
        if flags & (UNCOUNTED | CALIBRATION):
            return frame
        known = ON_STATE if self._glanced == _which(state_row) else ()
        self._read([name for name in self.families if name not in known], state_row, token_row,
                   marks)
        return self._filled(frame)

    def glance(self, state_row):
        """What a record's STATE says before its TOKEN is there: a frame without the rest, or None
        for a row that is not counted. `measure` of the same record goes on from it."""
        if int(state_row["flags"]) & (UNCOUNTED | CALIBRATION):
            return None
        self._values[:] = np.nan
        self._read(ON_STATE, state_row, None, None)
        self._glanced = _which(state_row)
        return self._filled(Frame(int(state_row["seq"]), -1, "", int(state_row["flags"])))

    def _read(self, names, state_row, token_row, marks):
        for (name, family), part in zip(self.families.items(), self._parts, strict=True):
            if name in names and name in self._captured and len(part):
                family.value(family.look(state_row, token_row, marks), part)

    def _filled(self, frame):
        places(self._values, self._grid, self._places)
        raw = zip(NAMES, self._values.tolist(), strict=True)
        unit = zip(NAMES, self._places.tolist(), strict=True)
        frame.raw = {name: x for name, x in raw if math.isfinite(x)}
        frame.unit = {name: x for name, x in unit if math.isfinite(x)}
        return frame

    def profile(self):
        """Everything learned, as JSON data: a loaded profile measures bit for bit alike."""
        return {"version": PROFILE, "signature": self.signature, "model": self.descriptor.name,
                "weight_hash": self.descriptor.weight_hash, "names": list(NAMES),
                "tiers": list(self.descriptor.tiers), "sinks": list(self.layers.sinks),
                "grid": packed(self._grid),
                "families": {name: family.profile() for name, family in self.families.items()}}

    def load_profile(self, data):
        """Takes over a profile and forgets the history.

        raises MappingError when it is another model's, or no profile
        """
        try:
            if data["version"] != PROFILE or tuple(data["names"]) != NAMES:
                raise ValueError("it was written by another version")
            if data["weight_hash"] != self.descriptor.weight_hash:
                raise ValueError(f"it is {data['model']}'s, not {self.descriptor.name}'s")
            grid = unpacked(data["grid"])
            if grid.shape != self._grid.shape:
                raise ValueError("its curves have another length")
            families = {name: family(self.descriptor) for name, family in FAMILIES.items()}
            for name, family in families.items():
                family.load(data["families"][name])
        except (KeyError, TypeError, ValueError) as error:
            raise MappingError(f"feature profile: {error}; calibrate again") from error
        self._grid, self.families = grid, families
        self.forget()
