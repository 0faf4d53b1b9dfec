"""Sight: what one record shows, worked out once for all features of this folder that stream.

z         standardised states, masked (`layers`);  size  their norms
write     norm of what a block adds;  turn  cosine of it to what the block before added
triad     cosines of state before, attention and MLP, each pair;  parts  their raw products
notes     of the lead layer's state on the twelve directions;  wrote  of every block's write
sketch    the lead layer's state on 64 fixed orthonormal directions

The twelve notes are the positive and negative halves of the lead layer's six principal axes in the
calibration text, else random orthonormal rows. Which is which pitch class is a convention: those
that sound together lie next to each other on the circle of fifths (Fiedler order). They are taken
to the writes of all layers, which live in one space. Thread: control.
"""
import math

import numpy as np

from engine.lanes import fma, load, splat, total
from engine.records import lead_layer
from engine.rt import f32, rt, rt_host
from mappings.features.common import packed, unpacked
from mappings.features.resid import orthonormal, principal_axes
from mappings.features.scores import Scores

NOTES, SKETCH, LANES = 12, 64, 16
VOICES = ("bass", "tenor", "alto", "soprano")
SETTLED, EVERY = 64, 32                   # records until notes are chosen; until renewed
STEADY = 1.0 - 0.5 ** (1.0 / 256.0)       # half-life 256 records
LOUDNESS = 1.0 - 0.5 ** (1.0 / 128.0)


@rt
def dot(a, at, b, bt, n):
    """The product of n numbers from a[at] and b[bt]; n is whole lanes."""
    x = splat(f32(0))
    for i in range(0, n, 16):
        x = fma(load(a, at + i), load(b, bt + i), x)
    return np.float64(total(x))


@rt_host
def products(rows, vectors, first, width, out):
    """out[r, k] = rows[r] * vectors[first * width + k]; flat arrays of whole lanes."""
    for r in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[r, k] = dot(rows, r * width, vectors, (first + k) * width, width)


@rt_host
def states(resid, valid, mean, scale, usable, z, w, a, steady, seen, share, size, write, turn,
           pedal):
    """Fills z and w (flat, whole lanes) and what follows from them; NaN where a row is absent.

    steady  flat, weighted mean of earlier states, moved on;  seen  records in it;  a  scratch
    """
    rows, width, room = resid.shape[0], resid.shape[1], len(z) // resid.shape[0]
    for layer in range(rows):
        at = layer * room
        for i in range(width):
            z[at + i] = (resid[layer, i] - mean[layer, i]) * scale[layer, i]
        size[layer] = np.sqrt(dot(z, at, z, at, room)) if valid[0, layer] else np.nan
        for i in range(width):
            a[i] = resid[layer, i] * usable[layer, i]
        raw, own = dot(a, 0, a, 0, room), dot(steady, at, steady, at, room)
        common = dot(a, 0, steady, at, room)
        pedal[layer] = common * common / (own * raw) if seen and own * raw > 0.0 else np.nan
        if valid[0, layer] and np.isfinite(raw):
            part = f32(share if seen else 1.0)
            for i in range(width):
                steady[at + i] += part * (a[i] - steady[at + i])
    for layer in range(1, rows):
        at = (layer - 1) * room
        for i in range(width):
            w[at + i] = (resid[layer, i] - resid[layer - 1, i]) * usable[layer, i]
        there = valid[0, layer] and valid[0, layer - 1]
        write[layer - 1] = np.sqrt(dot(w, at, w, at, room)) if there else np.nan
        turn[layer - 1] = np.nan
        if layer > 1:
            both = write[layer - 1] * write[layer - 2]
            if both > 0.0:
                turn[layer - 1] = min(max(dot(w, at, w, at - room, room) / both, -1.0), 1.0)


@rt_host
def writes(attn, mlp, valid, scale, usable, z, a, m, parts, scaled, triad):
    """Of attention's and the MLP's write: parts  squares and product;  scaled  squares in standard
    units;  triad  cosines state-attention, state-MLP, attention-MLP. a, m  scratch, whole lanes."""
    room = len(a)
    for layer in range(attn.shape[0]):
        parts[layer], scaled[layer], triad[layer] = np.nan, np.nan, np.nan
        if not (valid[0, layer] and valid[1, layer] and valid[2, layer]):
            continue
        for i in range(attn.shape[1]):
            a[i], m[i] = attn[layer, i] * usable[layer + 1, i], mlp[layer, i] * usable[layer + 1, i]
        parts[layer, 0], parts[layer, 1] = dot(a, 0, a, 0, room), dot(m, 0, m, 0, room)
        parts[layer, 2] = dot(a, 0, m, 0, room)
        for i in range(attn.shape[1]):
            a[i], m[i] = a[i] * scale[layer + 1, i], m[i] * scale[layer + 1, i]
        aa, mm = dot(a, 0, a, 0, room), dot(m, 0, m, 0, room)
        zz = dot(z, layer * room, z, layer * room, room)
        scaled[layer, 0], scaled[layer, 1] = aa, mm
        if aa > 0.0 and mm > 0.0 and zz > 0.0:
            triad[layer, 0] = dot(z, layer * room, a, 0, room) / np.sqrt(aa * zz)
            triad[layer, 1] = dot(z, layer * room, m, 0, room) / np.sqrt(mm * zz)
            triad[layer, 2] = dot(a, 0, m, 0, room) / np.sqrt(aa * mm)


def seriated(active):
    """Pitch class of each of twelve notes from their activations (records, 12): rank j in the
    Fiedler order of how they sound together is pitch class 7 j mod 12."""
    together = active.T @ active
    norm = np.sqrt(np.maximum(np.diag(together), 1e-30))
    together = together / np.outer(norm, norm)
    np.fill_diagonal(together, 0.0)
    _, vectors = np.linalg.eigh(np.diag(together.sum(axis=1)) - together)
    fiedler = vectors[:, 1] * np.sign(vectors[np.argmax(np.abs(vectors[:, 1])), 1])
    return 7 * np.argsort(np.argsort(fiedler, kind="stable"), kind="stable") % NOTES


class Sight:
    """One record after another.

    layers   a `Layers`, whose means, spreads and sinks count;  bands  of the four voices
    events   (name, strength, voice, latency in records) of this record
    rows     name -> numbers over depth, notes or steps of this record
    """

    def __init__(self, descriptor, layers):
        self.model, self.layers, self.scores = descriptor, layers, Scores()
        self.depth, self.width = descriptor.layers, descriptor.width
        self.room, self.lead = -(-self.width // LANES) * LANES, lead_layer(descriptor.layers) + 1
        cuts = [k * self.depth // len(VOICES) for k in range(len(VOICES) + 1)]
        self.bands = [(a, max(b, a + 1)) for a, b in zip(cuts, cuts[1:], strict=False)]
        self.bands = [(min(a, self.depth - 1), min(b, self.depth)) for a, b in self.bands]
        self.pooling = np.zeros((len(VOICES), self.depth))
        for voice, (a, b) in enumerate(self.bands):
            self.pooling[voice, a:b] = 1.0 / (b - a)
        self.tiers, self.rehearsed = set(descriptor.tiers), False
        depth, rows = self.depth, self.depth + 1
        self._z, self._w, self._a, self._m = (np.zeros(n * self.room, np.float32)
                                              for n in (rows, depth, 1, 1))
        self.size, self.pedal, self.write, self.turn = (np.full(n, np.nan) for n in (
            rows, rows, depth, depth))
        self.parts, self.triad, self.scaled, self.wrote = (np.full((depth, n), np.nan) for n in (
            3, 3, 2, NOTES))
        self.along, self.sketch = np.full((1, NOTES), np.nan), np.full((1, SKETCH), np.nan)
        self.directions(orthonormal(NOTES, self.width, 5))
        self._points = self._flat(orthonormal(SKETCH, self.width, 6))
        self._held = []
        self.standard()
        self.forget()

    def _flat(self, rows):
        made = np.zeros((len(rows), self.room), np.float32)
        made[:, :self.width] = rows
        return made.reshape(-1)

    def directions(self, rows, plane=(0, 1)):
        """Takes (12, width) unit rows as the notes, by pitch class; the two of them that span the
        plane of the pitch."""
        self.notes_at, self.plane = np.array(rows, np.float64), tuple(map(int, plane))
        self._notes = self._flat(rows)
        self._in_writes = None

    def standard(self, mean=None, scale=None):
        """What states are standardised by: the calibration's, or (while it runs) these."""
        mean = self.layers.mean if mean is None else mean
        scale = self.layers.scale if scale is None else scale
        self._mean = np.nan_to_num(mean).astype(np.float32)
        self._scale = np.nan_to_num(scale).astype(np.float32)
        self._usable = (self._scale > 0.0).astype(np.float32)
        self.known = bool(self._usable.any())
        self._in_writes = None

    def _writes_on(self):
        """The notes for writes: the same functionals on states that are not standardised."""
        if self._in_writes is None:
            rows = self.notes_at * self._scale[self.lead]
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            self._in_writes = self._flat(rows / np.where(norms > 0, norms, 1.0))
        return self._in_writes

    def forget(self):
        """No record came before."""
        self._steady, self._seen = np.zeros((self.depth + 1) * self.room, np.float32), 0
        self.loudness, self.count = np.full(self.depth, np.nan), 0

    def see(self, state, token, marks):
        """Looks at one record; False where it may not be measured: a sink, no lead state, nothing
        known yet."""
        self.events, self.rows = [], {}
        self.state, self.token, self.marks = state, token, marks
        self.position = int(state["position"])
        if self.position in self.layers.sinks or not self.known:
            return False
        states(state["resid"], state["valid"], self._mean, self._scale, self._usable, self._z,
               self._w, self._a, self._steady, self._seen, STEADY, self.size, self.write,
               self.turn, self.pedal)
        if not math.isfinite(self.size[self.lead]):
            return False
        way = (state["resid"][-1] - state["resid"][0]) * self._usable[-1]
        self.straight = float(np.sqrt((way * way).sum()))
        self._seen, self.count = self._seen + 1, self.count + 1
        if "T2" in self.tiers:
            writes(state["attn"], state["mlp"], state["valid"], self._scale, self._usable, self._z,
                   self._a, self._m, self.parts, self.scaled, self.triad)
        lead = self._z[self.lead * self.room:(self.lead + 1) * self.room]
        products(lead, self._notes, 0, self.room, self.along)
        products(lead, self._points, 0, self.room, self.sketch)
        products(self._w, self._writes_on(), 0, self.room, self.wrote)
        self.notes = np.maximum(self.along[0], 0.0) / max(self.size[self.lead], 1e-30)
        self._louder()
        return True

    def _louder(self):
        """Write notes in units of the block's usual write: its weighted root mean square."""
        square = self.write * self.write
        before = self.loudness * self.loudness
        moved = np.where(np.isfinite(before), before + LOUDNESS * (square - before), square)
        self.loudness = np.sqrt(np.where(np.isfinite(square), moved, before))
        self.share = self.write / np.maximum(self.loudness, 1e-30)
        self.wrote /= np.maximum(self.loudness, 1e-30)[:, None]

    @property
    def z(self):
        """(layers + 1, width) standardised states."""
        return self._z.reshape(-1, self.room)[:, :self.width]

    def event(self, name, strength, voice="", latency=0):
        """Something happened; latency  records ago."""
        self.events.append((name, float(strength), voice, latency))

    # ---- calibration
    def rehearse(self, state):
        """Before a calibration record is measured: renews means, chooses notes when it is time."""
        if not self.known or self.count % EVERY == 0:
            if (learned := self.layers.so_far()) is not None:
                self.standard(*learned)
        if self.known and not self.rehearsed:
            row = (state["resid"][self.lead] - self._mean[self.lead]) * self._scale[self.lead]
            if np.isfinite(row).all():
                self._held.append(row.astype(np.float64))
            if len(self._held) >= SETTLED:
                self.choose(np.array(self._held))
                self._held = []

    def choose(self, rows):
        """The notes from standardised states of the lead layer, (records, width)."""
        axes = principal_axes(rows)[:NOTES // 2]
        self.rehearsed = True
        if not np.isfinite(axes).all():
            return
        halves = np.concatenate([axes, -axes])
        active = np.array([(rows * half).sum(axis=1) for half in halves]).T
        places = seriated(np.maximum(active, 0.0))
        ordered = np.empty_like(halves)
        ordered[places] = halves
        self.directions(ordered, places[:2])

    def fit(self):
        """The calibration is over: its means stand, its windows are what is usual."""
        if not self.rehearsed and len(self._held) >= NOTES:
            self.choose(np.array(self._held))
        self._held = []
        self.standard()
        self.scores.fit()

    def pause(self):
        """What the calibration has learned so far."""
        held, scores = [np.array(row) for row in self._held], self.scores
        return [self.rehearsed, self.notes_at, list(self.plane), held, scores.ring, scores.rising,
                scores.counts]

    def resume(self, state):
        """Takes it over."""
        rehearsed, notes, plane, self._held, ring, rising, counts = state
        if notes.shape != self.notes_at.shape or ring.shape != self.scores.ring.shape:
            raise ValueError("sight: another shape")
        self.directions(notes, plane)
        self.rehearsed = bool(rehearsed)
        self.scores.ring, self.scores.rising, self.scores.counts = ring, rising, counts

    def profile(self):
        """Notes and the calibration of every score."""
        return {"notes": packed(self.notes_at), "plane": list(self.plane),
                "rehearsed": self.rehearsed, "scores": self.scores.profile()}

    def load(self, data):
        """Takes them over."""
        notes = unpacked(data["notes"])
        if notes.shape != self.notes_at.shape:
            raise ValueError("sight: another width")
        self.scores.load(data["scores"])
        self.standard()
        self.directions(notes, data["plane"])
        self.rehearsed = bool(data["rehearsed"])
