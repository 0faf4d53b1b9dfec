"""Training text: reads the data folder, holds whole books out, trains the tokenizer, packs ids.

Folders read (each with its licence file beside it): `gutenberg-simple` (public domain) and
`storybooks-ccby` (CC BY). Sections of a book are shuffled in the source, so a book is held out by
the names of its people: every section that mentions one of them leaves the training text.
Thread: control.
"""
import gzip
import json
import zlib
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from engine.errors import ModelError

END = "<|endoftext|>"
VOCABULARY = 4096
STORYBOOK_PASSES = 4                     # modern and simple, but 1/36 of the text: read four times
HELD_OUT = {                             # book -> names found in nearly every section of it
    "The Story Girl; The Golden Road (L. M. Montgomery)": ("Felicity",),
    "Queen Zixi of Ix (L. Frank Baum)": ("Zixi",),
    "The Fleming Stone novels (Carolyn Wells)": ("Fleming Stone",),
    "The Invisible Man (H. G. Wells)": ("Iping", "Kemp"),
}
NAMES = tuple(name for names in HELD_OUT.values() for name in names)


def sections(path):
    """The sections of one packed file, without the end marks."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            text = file.read()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as fault:
        raise ModelError(f"training: {path} is no whole gzip file of UTF-8 text ({fault}): get it "
                         "again") from fault
    return [part.strip() for part in text.split(END) if part.strip()]


def read(folder):
    """(training sections, held-out sections) of the data folder.

    raises  ModelError when a part of it is missing
    """
    folder = Path(folder)
    books = sorted((folder / "gutenberg-simple").glob("books-0*.txt.gz"))
    stories = folder / "storybooks-ccby" / "stories.txt.gz"
    if not books or not stories.is_file():
        raise ModelError(f"training: {folder} needs gutenberg-simple/books-0*.txt.gz and "
                         "storybooks-ccby/stories.txt.gz; give the folder that holds both")
    every = [part for path in books for part in sections(path)]
    held = [part for part in every if any(name in part for name in NAMES)]
    train = [part for part in every if not any(name in part for name in NAMES)]
    train += sections(stories) * STORYBOOK_PASSES
    return train, held


def train_tokenizer(texts):
    """A byte-fallback BPE tokenizer: any text in, the same text out.

    Words, punctuation, line ends and digits never share a token.
    """
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex("\n+"), "isolated"),
        pre_tokenizers.Split(Regex("\u2581?[^\u2581\\s\\p{P}\\d]+|\\d|\u2581?\\p{P}|\u2581+"),
                             "isolated"),
    ])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    marks = [END] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=marks, show_progress=False, min_frequency=2))
    # the byte tokens are vocabulary, not marks: text that spells "<0x41>" must stay text
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] == END]
    return Tokenizer.from_str(json.dumps(data))


def pack(tokenizer, texts, seed):
    """All texts as one row of uint16 ids, each after an end mark, in a fixed shuffled order."""
    order = np.random.default_rng(seed).permutation(len(texts))
    end = tokenizer.token_to_id(END)
    rows = []
    for start in range(0, len(order), 256):
        batch = [texts[i] for i in order[start:start + 256]]
        encoded = tokenizer.encode_batch(batch, add_special_tokens=False)
        rows += [np.array([end] + e.ids, np.uint16) for e in encoded]
    return np.concatenate(rows)
