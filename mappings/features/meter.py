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
from mappings.features import text
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
from mappings.features.directions import Directions
from mappings.features.families import (
    AFTER,
    CORE,
    FAMILIES,
    NAMES,
    RANGES,
    STREAMS,
    TIER,
    families_of,
)

ON_STATE = ("resid", "writes", "mlp")      # families that need no TOKEN
BLIND = ("T0", "lens")                    # tiers that need no STATE
WARM_RECORDS = 170                        # until every stream has computed all it computes
UNCOUNTED = SINK | TEMPLATE | INVALID
PROFILE = 3                               # version of `profile`'s layout


def spoken(token_row):
    """The text of a TOKEN row; a character cut at the row's end is left out."""
    return token_row["text"][:int(token_row["text_bytes"])].tobytes().decode("utf-8", "ignore")


def steered(token_row):
    """(nat, share) of what steering did to a record's law, () where it did nothing."""
    nat, share = float(token_row["steer_nat"]), float(token_row["steer_share"])
    return (nat, share) if math.isfinite(nat) else ()


def _which(state_row):
    return int(state_row["seq"]), int(state_row["generation"])


class Meter:
    """One model's features: learn(...) on calibration rows, freeze() once, then measure(...).

    wanted     features that are read, raw or as places, beside the core; None: all there are
    directions  the set's Directions of this model (`engine.model.directions`), measured too
    signature  of what is measured: a profile with another one was learned by another meter
    layers     what is usual in each layer, for whoever measures with it
    """
    names, ranges, tier_of = NAMES, RANGES, TIER
    signature = f"{PROFILE}-{hashlib.sha256(' '.join(NAMES).encode()).hexdigest()[:12]}"

    def __init__(self, descriptor, wanted=None, directions=()):
        self.descriptor = descriptor
        self.direct(directions)
        self.families, self.sight = families_of(descriptor)
        self._captured = {name for name, family in FAMILIES.items()
                          if family.tier in descriptor.tiers}
        self._streams = []
        self.want(NAMES if wanted is None else wanted)
        self._reader, self._looks = text.Reader(), []
        self._grid = np.full((len(NAMES), GRID), np.nan)
        self._values, self._places = np.full(len(NAMES), np.nan), np.empty(len(NAMES))
        self._glanced = None
        ends = np.cumsum([len(family.names) for family in FAMILIES.values()])
        self._parts = {name: self._values[end - len(family.names):end]
                       for (name, family), end in zip(FAMILIES.items(), ends, strict=True)}

    def want(self, features):
        """Measures these too from now on."""
        read = {name for name, family in STREAMS.items() for feature in family.names
                if {feature, feature.rpartition("_")[0]} & set(features)}
        read |= {AFTER[name] for name in read if name in AFTER} | set(self._streams)
        self._streams = [name for name in STREAMS if name in read & self._captured]

    def direct(self, directions):
        """Measures these directions from now on, and no others."""
        self.directions, self.names = Directions(directions), self.named(directions)

    @staticmethod
    def named(directions):
        """Every feature there is with these directions."""
        return (*NAMES, *Directions(directions).names)

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
        """What each family keeps of a calibration row; of a stream its values."""
        looks = [self.families[name].look(state_row, token_row, marks)
                 if name in self._captured else None for name in CORE]
        if not self._streams:
            return looks
        self.sight.rehearse(state_row)
        self._stream(state_row, token_row, marks)
        return [*looks, np.concatenate([self._parts[name] for name in STREAMS])]

    def _value(self, look):
        for name, seen in zip(CORE, look, strict=False):
            if name in self._captured and len(self._parts[name]):
                self.families[name].value(seen, self._parts[name])
        if len(look) > len(CORE):
            self._values[-len(look[-1]):] = look[-1]

    def _stream(self, state_row, token_row, marks):
        """The values of the streams, in their order; NaN where the record does not count."""
        sees = self.sight.see(state_row, token_row, marks)
        for name in self._streams:
            family, part = self.families[name], self._parts[name]
            if sees or family.tier in BLIND:
                family.value(self.sight, part)
            else:
                part[:] = np.nan

    def _again(self):
        """The streams' histories end; what is usual stays."""
        self.sight.forget()
        for name in STREAMS:
            self.families[name].forget()

    def learn(self, state_row, token_row):
        """Takes in one calibration row."""
        flags = int(state_row["flags"]) | int(token_row["flags"])
        if int(state_row["position"]) == 0:       # another context: its text begins anew
            self._reader.forget()
            self._again()
        marks = self._reader.read(spoken(token_row), flags)
        if not flags & UNCOUNTED:
            self._looks.append(self._look(state_row, token_row, marks))
            for name in CORE:
                if name in self._captured:
                    self.families[name].learn(state_row)

    @property
    def learned(self):
        """How many calibration rows have counted so far."""
        return len(self._looks)

    def pause(self):
        """What was taken in so far, as JSON data, between two contexts of the text."""
        return {"looks": kept(self._looks),
                "sight": kept(self.sight.pause()),
                "families": {name: kept(self.families[name].pause()) for name in CORE}}

    def resume(self, data):
        """Goes on from what `pause` gave; raises KeyError or ValueError when it does not fit."""
        looks = restored(data["looks"])
        if any(len(look) - len(CORE) not in (0, 1) for look in looks):
            raise ValueError("other families")
        for name in CORE:
            self.families[name].resume(restored(data["families"][name]))
        self.sight.resume(restored(data["sight"]))
        self._looks = looks

    def freeze(self):
        """Fits every family to the rows learned and draws each feature's curve."""
        for k, name in enumerate(CORE):
            if self._looks and name in self._captured:
                self.families[name].fit([look[k] for look in self._looks])
        self.sight.fit()
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
        for name in CORE:
            self.families[name].forget()
        self.sight.scores.forget()
        self._again()

    def warm(self):
        """Measures records of noise, so that nothing is compiled while playing; forgets them."""
        state, token = np.zeros(1, state_dtype(self.descriptor))[0], np.zeros(1, TOKEN)[0]
        random = np.random.default_rng(1)
        for name in ("resid", "attn", "mlp", "act"):
            state[name] = random.normal(size=state[name].shape)
        state["valid"] = 1
        for place in range(WARM_RECORDS if self._streams else 1):
            state["position"] = 64 + place
            self.measure(state, token)
            state["resid"] += 0.1 * random.normal(size=state["resid"].shape)
        self.glance(state)
        self.forget()

    def measure(self, state_row, token_row):
        """The frame of one record; what it does not have is missing, on uncounted rows all is."""
        flags = int(state_row["flags"]) | int(token_row["flags"])
        words = spoken(token_row)
        marks = self._reader.read(words, flags)
        frame = Frame(int(state_row["seq"]), int(token_row["token"]), words, flags,
                      sentence_end=marks.sentence_end, punctuation=marks.punctuation,
                      paragraph_end=marks.paragraph_end, steered=steered(token_row))
        if flags & (UNCOUNTED | CALIBRATION):
            return frame
        known = ON_STATE if self._glanced == _which(state_row) else ()
        self._read([name for name in CORE if name not in known], state_row, token_row, marks)
        frame.rows = dict(self.families["writes"].rows)
        if self._streams:
            self._stream(state_row, token_row, marks)
            frame.events = self.sight.events
            frame.rows |= self.sight.rows
        return self._filled(frame, state_row)

    def glance(self, state_row):
        """What a record's STATE says before its TOKEN is there: a frame without the rest, or None
        for a row that is not counted. `measure` of the same record goes on from it."""
        if int(state_row["flags"]) & (UNCOUNTED | CALIBRATION):
            return None
        self._values[:] = np.nan
        self._read(ON_STATE, state_row, None, None)
        self._glanced = _which(state_row)
        return self._filled(Frame(int(state_row["seq"]), -1, "", int(state_row["flags"])),
                            state_row)

    def _read(self, names, state_row, token_row, marks):
        for name in names:
            family, part = self.families[name], self._parts[name]
            if name in self._captured and len(part):
                family.value(family.look(state_row, token_row, marks), part)

    def _filled(self, frame, state_row):
        places(self._values, self._grid, self._places)
        raw = zip(NAMES, self._values.tolist(), strict=True)
        unit = zip(NAMES, self._places.tolist(), strict=True)
        frame.raw = {name: x for name, x in raw if math.isfinite(x)}
        frame.unit = {name: x for name, x in unit if math.isfinite(x)}
        self.directions.add(state_row, frame)
        return frame

    def profile(self):
        """Everything learned, as JSON data: a loaded profile measures bit for bit alike."""
        return {"version": PROFILE, "signature": self.signature, "model": self.descriptor.name,
                "weight_hash": self.descriptor.weight_hash, "names": list(NAMES),
                "tiers": list(self.descriptor.tiers), "sinks": list(self.layers.sinks),
                "grid": packed(self._grid),
                "sight": self.sight.profile(),
                "families": {name: self.families[name].profile() for name in CORE}}

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
            families, sight = families_of(self.descriptor)
            for name in CORE:
                families[name].load(data["families"][name])
            sight.load(data["sight"])
        except (KeyError, TypeError, ValueError) as error:
            raise MappingError(f"feature profile: {error}; calibrate again") from error
        self._grid, self.families, self.sight = grid, families, sight
        self.forget()
