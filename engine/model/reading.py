"""Reads texts through a model's hooks, without rings: the states of their last tokens, and of the
neutral text. Thread: control.
"""
import numpy as np
import torch

from engine.errors import ModelError
from engine.model.calibrate import windows
from engine.model.capture import CHUNK, Capture, describe
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
        with torch.inference_mode():
            self.context = Context(self.loaded.model, self.capture)

    def close(self):
        self.capture.close()

    def ids(self, text, chat=False):
        """What the model reads of a text: its last window, with the mark that begins texts, or in
        the model's own template up to where its answer begins."""
        if chat:
            if not getattr(self.tokenizer, "chat_template", None):
                raise ModelError(f"{self.shape.name} has no chat template: leave out --chat")
            said = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
            ids = self.tokenizer(said, add_special_tokens=False)["input_ids"]
            return list(ids)[-self.window:]
        ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return self.mark + ids[-(self.window - len(self.mark)):]

    def last(self, text, chat=False):
        """(layers + 1, width) float32: the residual stream at a text's last token."""
        ids = self.ids(text, chat)
        if len(ids) < 2:
            raise ModelError(f"{text[:40]!r} is no text to {self.shape.name}: write some words")
        with torch.inference_mode():
            self.context.reset()
            for i in range(0, len(ids), CHUNK):
                part = ids[i:i + CHUNK]
                self.context.feed(part, capture=i + CHUNK >= len(ids))
        state = self.capture.stage[len(part) - 1]
        if not np.isfinite(state["resid"][state["valid"][0] > 0]).all():
            raise ModelError(f"{self.shape.name} gives no finite numbers after {text[-40:]!r}")
        return state["resid"].copy()

    def neutral(self):
        """The STATE rows of the neutral text's first context, each valid until the next."""
        ids = windows(self)[0]
        self.context.reset()
        for i in range(0, len(ids), CHUNK):
            part = ids[i:i + CHUNK]
            with torch.inference_mode():
                self.context.feed(part)
            for k in range(len(part)):
                state = self.capture.stage[k]
                state["position"] = i + k
                yield state
