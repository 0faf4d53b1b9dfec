"""Reads texts through a model's hooks, without rings: a state a text, and the neutral text's rows.
Thread: control.
"""
import numpy as np
import torch

from engine.errors import ModelError
from engine.model.calibrate import windows
from engine.model.capture import CHUNK, Capture, describe
from engine.model.chat import Chat
from engine.model.decode import Context
from engine.model.discover import discover
from engine.model.load import load
from engine.model.tiers import extras_of


class Reading:
    """A loaded model that reads; close() takes its hooks off.

    tiers   the dearer tiers of capture that it is to have, where it can
    shape   its Descriptor;  found  its map
    """

    def __init__(self, model, tiers=()):
        self.loaded = load(model)
        self.tokenizer, self.window = self.loaded.tokenizer, self.loaded.context
        self.found = discover(self.loaded.model)
        extras = extras_of(self.loaded.model, self.found, tiers)
        self.shape = describe(self.loaded.model, self.found, self.loaded.name, self.window,
                              self.loaded.weight_hash, extras)
        self.capture = Capture(self.found, self.shape, extras=extras)
        first = self.tokenizer.bos_token_id
        self.mark = [first] if first is not None else []
        self.marks = frozenset(self.tokenizer.all_special_ids)
        with torch.inference_mode():
            self.context = Context(self.loaded.model, self.capture)

    def close(self):
        self.capture.close()

    def ids(self, text, chat=False):
        """What the model reads of a text: its last window, with the mark that begins texts, or in
        the model's own template up to where its answer begins."""
        if chat:
            return Chat(self.tokenizer, self.shape.name, self.window).open(text)
        ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return self.mark + ids[-(self.window - len(self.mark)):]

    def states(self, text, chat=False, last=False, skip=(0,)):
        """(tokens, layers + 1, width) float32: the residual stream in a text.

        last   only at its last token; else without marks and the places to skip
        """
        ids, found = self.ids(text, chat), []
        for state in self.rows(ids):
            place = int(state["position"])
            if place not in skip and (place == len(ids) - 1 if last else
                                      ids[place] not in self.marks):
                found.append(state["resid"].copy())
        if not found:
            raise ModelError(f"{text[:40]!r} is no text to {self.shape.name}: write some words")
        found = np.array(found)
        if not np.isfinite(found[:, state["valid"][0] > 0]).all():
            raise ModelError(f"{self.shape.name} gives no finite numbers in {text[:40]!r}")
        return found

    def neutral(self):
        """The STATE rows of the neutral text's first context, each valid until the next."""
        return self.rows(windows(self)[0])

    def rows(self, ids):
        """The STATE rows of ids, read as one context."""
        self.context.reset()
        for i in range(0, len(ids), CHUNK):
            part = ids[i:i + CHUNK]
            with torch.inference_mode():
                self.context.feed(part)
            for k in range(len(part)):
                state = self.capture.stage[k]
                state["position"] = i + k
                yield state
