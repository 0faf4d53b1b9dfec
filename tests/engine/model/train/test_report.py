"""The report on a tiny checkpoint, its figures against known answers, and the card it writes."""
import json
import math

import numpy as np
import pytest
from tokenizers import Tokenizer

from engine.errors import ModelError
from engine.model.load import load
from engine.model.train import card, recipe, report


@pytest.fixture
def run(data, tiny, tmp_path, monkeypatch):
    """The folder of a finished tiny run; its checkpoint is in `embedded`."""
    monkeypatch.setattr(report, "HALF_HOUR", 40)
    monkeypatch.setattr(report, "SAMPLE_TOKENS", 12)
    recipe.train(data, tmp_path / "out", 0.005, threads=1, say=lambda line: None)
    return tmp_path / "out"


def test_repeated_grams_counts_runs_that_were_there_before():
    assert report.repeated_grams(range(100)) == 0.0
    assert report.repeated_grams([7] * 100) == pytest.approx(92 / 93)
    assert report.repeated_grams(list(range(50)) * 2) == pytest.approx(43 / 93)
    assert report.repeated_grams([1, 2, 3, 1, 2, 3], length=3) == pytest.approx(1 / 4)
    assert math.isnan(report.repeated_grams([1, 2, 3]))


def test_books_are_told_apart_by_their_people():
    books = report.by_book(["Zixi ruled.", "Fleming Stone rose.", "Old Zixi."])
    assert [len(parts) for parts in books.values()] == [2, 1]


def test_held_out_of_an_untrained_model_is_the_uniform_in_bits_per_byte(run, data):
    folder = run / "embedded"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    recipe.torch.manual_seed(1)
    model = recipe.LlamaForCausalLM(recipe.LlamaConfig(**recipe.SHAPE))
    text = "Zixi said: " + "the tide went out. " * 60
    found = report.held_out(model, tokenizer, [text], say=lambda line: None)
    count = len(tokenizer.encode(text, add_special_tokens=False).ids) + 1
    assert found["tokens"] == count and found["bytes"] == len(text)
    expected = math.log2(4096) * count / len(text)
    assert found["bits_per_byte"] == pytest.approx(expected, rel=0.05)
    assert list(found["books"].values()) == [found["bits_per_byte"]]


def test_writing_repeats_itself_by_seed_alone(run):
    loaded = load(str(run / "embedded"), 64)
    first = report.write(loaded, "the tide", 30, seed=1)
    assert first == report.write(loaded, "the tide", 30, seed=1)
    assert first[0] != report.write(loaded, "the tide", 30, seed=2)[0]
    assert len(first[0]) == 30 and first[1].startswith("the tide")


def test_the_guard_keeps_a_run_of_eight_from_coming_back(run):
    loaded = load(str(run / "embedded"), 64)
    found = report.repetition(loaded, 400)
    assert found["repeated"] <= found["repeated_without_guard"] and found["tokens"] == 400
    assert found["repeated"] < 0.02


def test_the_report_writes_figures_card_and_attributions(run, data):
    folder = run / "embedded"
    result = report.report(data, run, folder, say=lambda line: None)
    assert json.loads((folder / "report.json").read_text()) == result
    assert (folder / "attributions.tsv").read_text() == "source\tid\n"
    written = (folder / "README.md").read_text()
    for figure in (result["held_out"]["bits_per_byte"], result["controls"]["order_5"]):
        assert f"{figure:.3f} bits/byte" in written
    for sample in result["samples"]:
        assert card.quoted(sample["text"]) in written and sample["prompt"] in sample["text"]
    assert len(result["samples"]) == 3 and "attributions.tsv" in written
    assert max(len(line) for line in written.splitlines() if line[:1] not in ">|-S") <= 100
    assert result["model"]["parameters"] == sum(
        np.prod(p.shape) for p in load(str(folder)).model.parameters())


def test_a_folder_that_is_no_run_is_one_line(tmp_path):
    with pytest.raises(ModelError) as error:
        report.training(tmp_path)
    assert "not the folder of a training run" in str(error.value) and "\n" not in str(error.value)
