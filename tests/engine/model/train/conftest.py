"""A tiny training text and a recipe of a size that trains in seconds. Thread: control."""
import gzip

import numpy as np
import pytest

from engine.model.train import corpus, recipe

WORDS = "the tide went out and came back with a small red boat on its long wet back".split()


def words_of(seed, count=400):
    """Sentences of a few words in a random order."""
    random = np.random.default_rng(seed)
    return " ".join(" ".join(random.choice(WORDS, 6)) + "." for _ in range(count // 6))


@pytest.fixture
def data(tmp_path):
    """A data folder of the corpus's shape: four books, one of them held out by a name."""
    folder = tmp_path / "data"
    held = "Zixi said: " + words_of(3)
    for name, file, parts in (
            ("gutenberg-simple", "books-00.txt.gz", [words_of(1), words_of(2), held]),
            ("gutenberg-simple", "books-01.txt.gz", [words_of(4)]),
            ("storybooks-ccby", "stories.txt.gz", [words_of(5, 100)])):
        (folder / name).mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / name / file, "wt") as out:
            out.write("".join(f"{part}\n{corpus.END}\n" for part in parts))
    (folder / "storybooks-ccby" / "attributions.tsv").write_text("source\tid\n")
    (folder / "gutenberg-simple" / "manifest.tsv").write_text("gutenberg_no\ttitle\n")
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """The recipe at a size that trains in seconds."""
    for name, value in {"CONTEXT": 32, "BATCH": 4, "MICRO": 2, "CHECK": 5, "SAY_S": 0.0}.items():
        monkeypatch.setattr(recipe, name, value)
    monkeypatch.setattr(recipe, "SHAPE", recipe.SHAPE | dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, intermediate_size=48, max_position_embeddings=64))
