"""One context of one model: feeds tokens, keeps the cache, goes back. Thread: control.

How a model may be fed is tried once, not assumed: chunks against one forward, a rewound cache
against a fresh one. A model whose cache cannot be fed in chunks is fed a token at a time, one that
gives no cache reads its window anew for each token, a cache that cannot be cropped is read again.
"""
import inspect
from dataclasses import dataclass

import torch

from engine.errors import ModelError
from engine.model.capture import CHUNK

CACHE_NAMES = ("past_key_values", "cache_params", "state")
PROBE = 8                                 # tokens of the trial


@dataclass
class Ways:
    """How a model wants to be fed."""
    cache: str = ""                       # the name of its cache, "" when it has none
    chunk: int = CHUNK                    # tokens a forward may add to a cache
    crops: bool = False
    keeps: bool = False                   # takes logits_to_keep
    bare: bool = False                    # its base model can read without the head


def crop(cache, excess):
    """Takes the last `excess` tokens out of a cache; False when it cannot (it is then spoilt)."""
    if excess == 0:
        return True
    try:
        cache.crop(-excess)
    except (AttributeError, RuntimeError, ValueError, NotImplementedError, TypeError):
        return False
    return True


def cache_of(out, name=""):
    """(name, cache) of a forward's output."""
    for key in (name,) if name else CACHE_NAMES:
        if (cache := getattr(out, key, None)) is not None:
            return key, cache
    return "", None


class Context:
    """The tokens a model has read, in order, and their cache. Used inside inference_mode.

    tokens   ids in the cache;  capture  its `count` is set to how many rows of a forward are wanted
    """

    def __init__(self, model, capture, ways=None):
        self.model, self.capture = model, capture
        self.tokens, self.cache = [], None
        self.ways = ways or probe(model, capture)
        self._base = getattr(model, "base_model", None)

    def reset(self):
        """An empty context."""
        self.tokens, self.cache = [], None

    def feed(self, ids, keep=0, capture=True):
        """Reads at most CHUNK ids in one or more forwards.

        keep     rows of logits wanted: 0 none, 1 the last, -1 one for each id
        capture  whether the hooks keep these rows
        returns  (rows, vocabulary) logits or None
        """
        step = self.ways.chunk if self.tokens and self.ways.cache else len(ids)
        parts = [ids[i:i + step] for i in range(0, len(ids), step)]
        logits = []
        for k, part in enumerate(parts):
            wanted = len(part) if keep < 0 else keep * (k == len(parts) - 1)
            self.capture.count = len(part) if capture else 0
            self.capture.place = len(self.tokens)
            out = self._forward(part, wanted)
            self.capture.count = 0
            self.tokens += part
            if wanted:
                logits.append(out[0, -wanted:])
        return torch.cat(logits) if logits else None

    def _forward(self, part, wanted):
        """One forward; returns the logits, or None when none are wanted."""
        ways, arguments = self.ways, {"use_cache": bool(self.ways.cache)}
        if not ways.cache:
            part = self.tokens + part
        elif self.cache is not None:
            arguments[ways.cache] = self.cache
        ids = torch.tensor([part])
        if not wanted and ways.bare:
            out = self._base(input_ids=ids, **arguments)
        else:
            if ways.keeps:
                arguments["logits_to_keep"] = max(wanted, 1)
            out = self.model(input_ids=ids, **arguments)
        if ways.cache:
            self.cache = getattr(out, ways.cache)
        return out.logits if wanted else None

    def read(self, ids):
        """Reads ids without capturing or predicting anything."""
        for i in range(0, len(ids), CHUNK):
            self.feed(ids[i:i + CHUNK], capture=False)

    def back(self, length):
        """Goes back to the first `length` tokens: crops the cache, else reads them again."""
        if length >= len(self.tokens):
            return
        kept, excess = self.tokens[:length], len(self.tokens) - length
        if length and self.ways.crops and crop(self.cache, excess):
            self.tokens = kept
            return
        self.reset()
        if not self.ways.cache:
            self.tokens = kept
        else:
            self.read(kept)


def probe(model, capture):
    """Tries how a model can be fed; returns Ways.

    raises  ModelError when a later token changes what an earlier one predicts
    """
    capture.count = 0
    accepts = inspect.signature(model.forward).parameters
    keeps = "logits_to_keep" in accepts
    ids = torch.arange(5, 5 + PROBE) % max(8, model.get_input_embeddings().weight.shape[0])
    ids = ids.tolist()
    whole = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()
    early = model(input_ids=torch.tensor([ids[:4]]), use_cache=False).logits[0].float()
    if not same(early[-1], whole[3], model):
        raise ModelError(f"{type(model).__name__} lets later words change earlier ones: choose a "
                         "causal language model")
    base = getattr(model, "base_model", None)
    bare = base is not None and base is not model and \
        "input_ids" in inspect.signature(base.forward).parameters
    name, _ = cache_of(model(input_ids=torch.tensor([ids]), use_cache=True))
    for chunk in (CHUNK, 1) if name else ():
        for bare_too in (True, False) if bare else (False,):
            ways = Ways(name, chunk, False, keeps, bare_too)
            if agrees(model, capture, ways, ids, whole[-1]):
                ways.crops = agrees(model, capture, Ways(name, chunk, True, keeps, bare_too), ids,
                                    whole[-1], rewind=True)
                return ways
    return Ways(keeps=keeps)


def same(a, b, model):
    """Whether two rows of logits are the same but for rounding."""
    spread = float((b - b.mean()).abs().max()) + 1e-6
    tolerance = 2e-4 if model.dtype == torch.float32 else 0.15
    finite = bool(torch.isfinite(a).all() and torch.isfinite(b).all())
    return not finite or float((a - b).abs().max()) <= tolerance * spread


def agrees(model, capture, ways, ids, expected, rewind=False):
    """Whether feeding ids in pieces, or going back among them, predicts what one forward does."""
    context = Context(model, capture, ways)
    try:
        context.feed(ids[:4], capture=False)
        if rewind:
            context.feed([ids[0], ids[2], ids[1]], keep=1, capture=False)
            if not crop(context.cache, 3):
                return False
            context.tokens = ids[:4]
        context.feed(ids[4:6], capture=False)         # shorter than a convolution's memory
        context.feed(ids[6:7], capture=False)
        found = context.feed(ids[7:], keep=1, capture=False)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return False
    return found is not None and same(found[-1].float(), expected, model)
