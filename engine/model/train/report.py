"""What the embedded model is worth: held-out books against two controls, samples, repetition.

    python -m engine.model.train.report DATA RUN MODEL

DATA is the folder of training text, RUN the folder of the training run, MODEL the checkpoint to
judge; `report.json`, the model card and the attributions are written beside it. Thread: control.
"""
import datetime
import json
import math
import shutil
import sys
from collections import deque
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from tokenizers import Tokenizer

from engine.errors import ModelError
from engine.model.capture import Capture, describe
from engine.model.discover import discover
from engine.model.generate import Generator
from engine.model.load import EMBEDDED_CONTEXT, load
from engine.model.train import card, corpus, recipe
from engine.model.train.controls import controls, text_bytes

SETTINGS = {"temperature": 0.9, "top_p": 0.95, "repetition_guard": 0.5}
HALF_HOUR = 7440                          # tokens of 30 minutes: 124 bpm, 8 tokens a bar
GRAM = 8
SAMPLE_TOKENS = 160
SAMPLES = (("The tide went out and did not come back.", 1),
           ("Once upon a time there was a little tailor who had no thread.", 2),
           ("\"Who is there?\" cried the captain, and he held up the lantern.", 3))


class Page:
    """Stands where the rings stand and keeps the words: the generator writes on paper."""

    def __init__(self):
        self.tokens, self.words = [], []

    def beat(self):
        """Nobody waits."""

    def wait(self, interruptible=True):
        """There is always room."""

    def room(self):
        """Always."""
        return True

    def put_state(self, capture, row, seq, generation, token, position, flags):
        """Nobody looks at the states."""
        return flags

    def put_token(self, seq, generation, token, flags, text, temperature, choice=None, lens=None,
                  steered=None):
        """Keeps the text, and the id of a sampled token."""
        self.words.append(text)
        if choice is not None:
            self.tokens.append(int(token))


def write(loaded, prompt, tokens, seed, **settings):
    """(ids of the sampled tokens, the whole text) the project's own generator writes."""
    found, page = discover(loaded.model), Page()
    capture = Capture(found, describe(loaded.model, found, loaded.name, loaded.context))
    with torch.inference_mode():
        generator = Generator(loaded, capture, page, SETTINGS | settings | {"model_seed": seed})
        generator.open(prompt)
        while len(page.tokens) < tokens:
            generator.step()
    return page.tokens, "".join(page.words)


def repeated_grams(tokens, length=GRAM):
    """Share of runs of `length` tokens that were there before; NaN when there is none."""
    seen, again, window = set(), 0, deque(maxlen=length)
    for token in tokens:
        window.append(int(token))
        if len(window) == length:
            again += tuple(window) in seen
            seen.add(tuple(window))
    runs = len(tokens) - length + 1
    return again / runs if runs > 0 else math.nan


def by_book(held):
    """Held-out sections of each book: title -> sections, by the first of its names found."""
    books = {title: [] for title in corpus.HELD_OUT}
    for part in held:
        title = next(t for t, names in corpus.HELD_OUT.items() if any(n in part for n in names))
        books[title].append(part)
    return {title: parts for title, parts in books.items() if parts}


def held_out(model, tokenizer, held, say=recipe.tell):
    """Bits per byte of every held-out book and of all, each token with half a window before it."""
    end, books, nats, tokens, size = tokenizer.token_to_id(corpus.END), {}, 0.0, 0, 0
    for title, parts in by_book(held).items():
        rows = [[end, *e.ids] for e in tokenizer.encode_batch(parts, add_special_tokens=False)]
        ids = np.array([i for row in rows for i in row], np.uint16)
        if len(ids) <= recipe.CONTEXT + 1:
            raise ModelError(f"report: the held-out text of {title!r} is too short to judge by")
        book_nats, book_bytes = recipe.held_out_nats(model, ids) * len(ids), text_bytes(parts)
        books[title] = round(book_nats / math.log(2) / book_bytes, 4)
        say(f"held out: {books[title]:.3f} bits/byte in {title}")
        nats, tokens, size = nats + book_nats, tokens + len(ids), size + book_bytes
    return {"bits_per_byte": round(nats / math.log(2) / size, 4),
            "nats_per_token": round(nats / tokens, 4), "tokens": tokens, "bytes": size,
            "sections": len(held), "books": books}


def training(run):
    """What the training run was, from its folder."""
    run = Path(run)
    try:
        with safe_open(run / "state.safetensors", "pt") as file:
            progress = json.loads(file.metadata()["progress"])
        ids = len(np.load(run / "train.npy", mmap_mode="r"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"report: {run} is not the folder of a training run ({error})") from None
    tokens = progress["step"] * recipe.BATCH * recipe.CONTEXT
    return {"steps": progress["step"], "tokens": tokens, "tokens_a_pass": ids,
            "passes": round(tokens / ids, 2), "minutes": round(progress["seconds"] / 60.0, 1)}


def repetition(loaded, tokens, guards=(SETTINGS["repetition_guard"], 0.0)):
    """Share of repeated 8-grams in `tokens` tokens, with the guard of the sets and without."""
    found = {"tokens": tokens, "gram": GRAM, **SETTINGS}
    for guard in guards:
        ids, _ = write(loaded, SAMPLES[0][0], tokens, 17, repetition_guard=guard)
        found["repeated" if guard else "repeated_without_guard"] = round(repeated_grams(ids), 4)
    return found


def report(data, run, folder, say=recipe.tell):
    """Judges the checkpoint in `folder`; writes report.json, README.md, attributions; returns it.

    raises  ModelError when a folder is not what it should be
    """
    train, held = corpus.read(data)
    folder, loaded = Path(folder), load(str(folder), EMBEDDED_CONTEXT)
    weights = folder / "model.safetensors"
    weights.chmod(0o644)                                     # safetensors writes for its owner only
    result = {
        "date": datetime.date.today().isoformat(),
        "model": {"parameters": sum(p.numel() for p in loaded.model.parameters()),
                  "bytes": weights.stat().st_size, "weight_hash": loaded.weight_hash},
        "training": training(run)}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    result["held_out"] = held_out(loaded.model, tokenizer, held, say)
    loaded.model.eval()
    result["controls"] = controls(train, held, say)
    result["samples"] = [
        {"prompt": prompt, "seed": seed, "text": write(loaded, prompt, SAMPLE_TOKENS, seed)[1]}
        for prompt, seed in SAMPLES]
    say("samples written; writing half an hour of text twice")
    result["repetition"] = repetition(loaded, HALF_HOUR)
    (folder / "report.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "README.md").write_text(card.card(result, recipe.SHAPE))
    shutil.copyfile(Path(data) / "storybooks-ccby" / "attributions.tsv",
                    folder / "attributions.tsv")
    shutil.copyfile(Path(data) / "gutenberg-simple" / "manifest.tsv", folder / "books.tsv")
    return result


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m engine.model.train.report DATA RUN MODEL")
    recipe.tell(card.table(report(*sys.argv[1:])))
