"""Steering: directions added to the residual stream, or taken out of it, while the model writes.
Thread: control.

Only the newest token's states are moved, in a forward on a copy of the cache; then the same token
is read as it is, on the cache itself. So what was steered leaves no trace but the words that were
chosen: the law after a release is, bit for bit, that of a model which never was steered. Both laws
of the token are known by then, and the one that is played lies on the line between their logits,
as far from the unsteered one as the limit lets it: along that line the divergence only rises.

Sources: adding, Turner et al., arXiv 2308.10248; taking out, Arditi et al., arXiv 2406.11717; the
line is an exponential family, its divergence d KL / d share = share * variance >= 0.
"""
import functools
from copy import copy, deepcopy

import numpy as np
import torch

from engine.errors import ModelError
from engine.model.calibrate import NEUTRAL
from engine.model.capture import CHUNK
from engine.model.decode import PROBE, Context
from engine.model.directions import MOST
from engine.model.trace import hidden
from engine.steering import LOWEST

RED, STOP = 0.3, 1.0                      # an amount of 1, in norms of the layer's median state:
                                          # where its measurement begins, and at most
NEUTRAL_TOKENS = 160                      # of the neutral text, for the median norms
CLOSE, TRIES = 0.99, 40                   # the limit is used to this share; attempts to do so
GUESSES, FEW = 3, 4                       # of a red zone; tokens that say too little for it


def check_direction(one, model_map):
    """The unit vector of a direction, (width,) float32 on torch.

    raises  ModelError: another width, no such layer, NaN, infinity, or no length
    """
    vector, depth = np.asarray(one.vector, np.float64), len(model_map.blocks)
    if vector.shape != (model_map.width,) or not 1 <= one.layer <= depth:
        raise ModelError(f"the direction {one.name!r} is for layer {one.layer} of a model "
                         f"{vector.size} wide; this one has {depth} of {model_map.width}")
    size = float(np.linalg.norm(vector))
    if not np.isfinite(size) or not size > 0.0:
        raise ModelError(f"the direction {one.name!r} holds {'nothing' if size == 0 else 'NaN'}: "
                         "learn it again")
    return torch.from_numpy((vector / size).astype(np.float32))


def exchanged(out, old, new):
    """What a block returned, with `new` in place of its tensor `old`."""
    if out is old:
        return new
    if type(out) in (tuple, list):
        return type(out)(exchanged(part, old, new) for part in out)
    return out


class Steer:
    """Wraps the blocks at whose output a direction stands. Make it before the Capture, which then
    sees what was steered.

    directions  with `name`, `layer` (from 1) and `vector`;  limit_nat  the most that the law of the
                next token may diverge from the unsteered one
    amounts     "steer.NAME" -1..1, "ablate.NAME" 0..1 of the projection
    reds        of each direction, what an amount of 1 adds, in median norms of its layer: there
                half of the words would diverge by more than the limit (STOP at most)
    wanted      whether any amount is not 0;  refused  why this model cannot be steered, or ""
    told        (nat that the last law diverged, share of the way that it went), None unsteered
    """

    def __init__(self, model_map, directions, limit_nat):
        if len(directions) > MOST:
            raise ModelError(f"{len(directions)} directions: at most {MOST} at once")
        self.limit_nat, self.refused, self.told = float(limit_nat), "", None
        self.amounts = {f"{kind}.{one.name}": 0.0 for one in directions for kind in LOWEST}
        self.reds = {one.name: RED for one in directions}
        self.wanted, self._on, self._twin = False, False, shallow
        self._layers, self._blocks = {}, model_map.blocks
        for one in directions:
            vector = check_direction(one, model_map)
            self._layers.setdefault(one.layer, []).append((one.name, vector))
        self.norms = dict.fromkeys(self._layers, 1.0)
        for layer in self._layers:
            self._wrap(self._blocks[layer - 1], layer)

    def _wrap(self, block, layer):
        inner = block.module.forward

        @functools.wraps(inner)
        def forward(*args, **kwargs):
            out = inner(*args, **kwargs)
            return self._moved(out, layer, block.streams) if self._on else out
        block.module.forward = forward

    def _moved(self, out, layer, streams):
        """A block's output with the last token's state moved, or with all, while that is tried."""
        old = hidden(out)
        new = old.clone()
        rows = (new[0, 0] if streams else new[0])[0 if self._on == "all" else -1:]
        rows.copy_(self.moved(rows.float(), layer))
        return exchanged(out, old, new)

    def moved(self, states, layer):
        """States (n, width) float32 of a layer as they are steered: first what is taken out."""
        for name, vector in self._layers[layer]:
            if share := self.amounts[f"ablate.{name}"]:
                states = states - share * (states @ vector)[:, None] * vector
        for name, vector in self._layers[layer]:
            if amount := self.amounts[f"steer.{name}"]:
                states = states + amount * self.reds[name] * self.norms[layer] * vector
        return states

    # ---- before the first note
    def prepare(self, loaded, capture, ways):
        """Measures the median norms on the neutral text, and how a cache can be gone back to."""
        context, norms = Context(loaded.model, capture, ways), {n: [] for n in self.norms}
        words = NEUTRAL.read_text("utf-8")
        ids = loaded.tokenizer(words, add_special_tokens=False)["input_ids"][:NEUTRAL_TOKENS]
        for i in range(0, len(ids), CHUNK):
            part = ids[i:i + CHUNK]
            context.feed(part)
            rows = capture.stage["resid"][:len(part)]
            for layer, found in norms.items():
                found += np.linalg.norm(rows[:, layer].astype(np.float64), axis=1).tolist()
        self.norms = {layer: float(np.median(found[1:])) for layer, found in norms.items()}
        if not all(0.0 < norm < 1e17 for norm in self.norms.values()):
            raise ModelError("the states of this model are no numbers: it cannot be steered")
        self.refused = "" if self._find_twin(context, ids[:PROBE]) else (
            "this model cannot be steered: its cache cannot be copied")
        for name in self.reds:
            self._find_red(context, ids[:CHUNK], name)

    def _find_red(self, context, ids, name):
        """Measures where a direction's red zone begins; the divergence grows as a square."""
        def law():
            context.reset()
            return context.feed(ids, keep=-1, capture=False)[FEW:].clone()
        plain, self.amounts[f"steer.{name}"] = law(), 1.0
        for _ in range(GUESSES):
            self._on = "all"
            try:
                steered = law()
            finally:
                self._on = False
            nats = [divergence_nat(*rows) for rows in zip(steered, plain, strict=True)]
            ratio = (self.limit_nat / max(float(np.median(nats)), 1e-12)) ** 0.5
            if not 0.0 < ratio < float("inf"):
                break                     # steered to no numbers: left where it is
            self.reds[name] = float(min(self.reds[name] * ratio, STOP))
        self.amounts[f"steer.{name}"] = 0.0

    def _find_twin(self, context, ids):
        """Whether a way to copy the cache leaves the original as it was, to the last bit."""
        other = ids[0]

        def law(*before):
            context.reset()
            context.read(ids[:4])
            for look in before:
                look()
            context.read(ids[4:6])
            return context.feed(ids[6:7], keep=1, capture=False).clone()
        plain = law()
        for self._twin in (shallow, deepcopy):
            try:
                if torch.equal(plain, law(lambda: self._aside(
                        context, lambda: context.feed([other, other], keep=1, capture=False)))):
                    return True
            except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError):
                continue
        return False

    def _aside(self, context, read):
        """What read() gives on a copy of the context's cache; the context is then as before."""
        kept, length = context.cache, len(context.tokens)
        try:
            context.cache = None if kept is None else self._twin(kept)
            return read()
        finally:
            context.cache = kept
            del context.tokens[length:]

    # ---- while it plays
    def set(self, path, amount):
        """Sets one amount, from the next token on; what is not there or no number is ignored."""
        if path in self.amounts and abs(amount) <= 1.0:
            self.amounts[path] = max(0.0, amount) if path.startswith("ablate.") else float(amount)
        self.wanted = any(self.amounts.values())
        self.told = None

    def feed(self, context, ids):
        """(1, vocabulary) logits after ids: those of the model, moved towards the steered ones as
        far as the limit lets them. What is captured is steered, what is remembered is not."""
        if self.refused:
            self.told = 0.0, 0.0
            return context.feed(ids, keep=1)
        self._on = True
        try:
            steered = self._aside(context, lambda: context.feed(ids, keep=1))
        finally:
            self._on = False
        plain = context.feed(ids, keep=1, capture=False)
        logits, *self.told = limited(plain[-1], steered[-1], self.limit_nat)
        return logits[None]

    def close(self):
        """Takes the wrapping off (tests; after the Capture's)."""
        for layer in self._layers:
            del self._blocks[layer - 1].module.forward


def shallow(cache):
    """A copy of a cache that shares its tensors: enough where they are never written into."""
    twin = copy(cache)
    twin.layers = [copy(layer) for layer in cache.layers]
    return twin


def divergence_nat(logits, base):
    """KL of the law of `logits` from that of `base`, (vocabulary,) each; -inf bars a token."""
    logs, usual = (torch.log_softmax(x.double(), 0) for x in (logits, base))
    weights = logs.exp()
    return float((weights * torch.where(weights > 0, logs - usual, 0.0)).sum().clamp_min(0.0))


def limited(plain, steered, limit_nat):
    """(logits, nat, share): how far the law may go from `plain` to `steered`, both (vocabulary,).

    share  of the way between the logits: 1 all of it;  nat  the divergence of what is returned, at
           most limit_nat. Steered logits that are no numbers are not followed at all
    """
    base = plain.double()
    step = torch.where(torch.isfinite(base), steered.double() - base, 0.0)
    if not bool(torch.isfinite(step).all()):
        return plain, 0.0, 0.0

    def at(share):
        logits = (base + share * step).float()
        return logits, divergence_nat(logits, base), share
    best, high, over = (plain, 0.0, 0.0), 1.0, at(1.0)
    if over[1] <= limit_nat:
        return over
    for attempt in range(TRIES):          # the root of KL is nearly straight: chords of it, and
        low, rise = best[2], over[1] ** 0.5 - best[1] ** 0.5              # halves when they stick
        chord = low + (high - low) * (0.997 * limit_nat ** 0.5 - best[1] ** 0.5) / rise
        share = chord if attempt % 3 != 2 and low < chord < high else 0.5 * (low + high)
        tried = at(share)
        if tried[1] > limit_nat:
            high, over = share, tried
        else:
            best = tried
            if tried[1] >= CLOSE * limit_nat:
                break
    return best
