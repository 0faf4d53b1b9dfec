"""The training recipe on a tiny text: it stops on Ctrl-C, goes on, and its checkpoint loads."""
import gzip
import json
import signal

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from engine.errors import ModelError
from engine.model.train import corpus, recipe


class Screen(list):
    """Progress lines; Ctrl-C comes after the line that holds `at`."""

    def __init__(self, at=None):
        super().__init__()
        self.at = at

    def __call__(self, line):
        self.append(line)
        if self.at and self.at in line:
            signal.raise_signal(signal.SIGINT)


def progress_of(out):
    from safetensors import safe_open
    with safe_open(out / "state.safetensors", "pt") as file:
        return json.loads(file.metadata()["progress"])


def test_ctrl_c_saves_and_the_same_command_goes_on(data, tiny, tmp_path):
    out, handler = tmp_path / "out", signal.getsignal(signal.SIGINT)
    first = Screen(at="step 6 ")
    recipe.train(data, out, 100.0, threads=1, say=first)
    assert signal.getsignal(signal.SIGINT) is handler
    assert "stopped and saved at step 6" in first[-1] and "the same command" in first[-1]
    before = progress_of(out)
    assert before["step"] == 6 and before["seconds"] > 0.0 and len(before["log"]) == 1
    second = Screen(at="step 12 ")
    recipe.train(data, out, 100.0, threads=1, say=second)
    assert "going on at step 6" in second[0] and any(line.startswith("step 7 ") for line in second)
    assert progress_of(out)["step"] == 12 and progress_of(out)["seconds"] > before["seconds"]
    assert not (out / "state.safetensors.part").exists()


def test_it_ends_when_its_minutes_are_used_and_the_checkpoint_loads(data, tiny, tmp_path):
    screen = Screen()
    folder = recipe.train(data, tmp_path / "out", 0.02, threads=1, say=screen)
    assert progress_of(tmp_path / "out")["seconds"] >= 1.2
    losses = [float(line.split("loss ")[1].split()[0]) for line in screen if "loss" in line]
    assert losses[-1] < losses[0] - 0.5, "it learns"
    assert any("held out:" in line for line in screen)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert str(model.dtype) == "torch.bfloat16" and model.config.hidden_size == 32


def test_resuming_keeps_weights_and_optimisers(data, tiny, tmp_path):
    out = tmp_path / "out"
    recipe.train(data, out, 100.0, threads=1, say=Screen(at="step 3 "))
    run = recipe.open_run(data, out, 100.0, 1, Screen())
    model, opts, progress = run[:3]
    assert progress["step"] == 3
    momentum = [slot for opt in opts for slots in opt.state.values() for slot in slots.values()]
    assert momentum and any(float(slot.abs().sum()) > 0.0 for slot in momentum)
    fresh = recipe.LlamaForCausalLM(recipe.LlamaConfig(**recipe.SHAPE))
    assert any(not np.array_equal(a.detach(), b.detach()) for a, b in
               zip(model.parameters(), fresh.parameters(), strict=True))


def test_a_loss_that_is_no_number_stops_with_the_last_state_kept(data, tiny, tmp_path):
    out = tmp_path / "out"
    recipe.train(data, out, 100.0, threads=1, say=Screen(at="step 3 "))
    saved = (out / "state.safetensors").read_bytes()
    model, opts, _, ids, *_ = recipe.open_run(data, out, 100.0, 1, Screen())
    with recipe.torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="loss is nan"):
        recipe.learn(model, opts, recipe.batch_at(ids, 0), 1.0)
    assert (out / "state.safetensors").read_bytes() == saved


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_wrong_minutes_are_refused(data, tmp_path, minutes):
    with pytest.raises(ModelError, match="minutes"):
        recipe.train(data, tmp_path / "out", minutes)


def test_a_missing_data_folder_is_one_line(tmp_path):
    with pytest.raises(ModelError) as error:
        recipe.train(tmp_path / "nowhere", tmp_path / "out", 1.0, say=Screen())
    assert "gutenberg-simple" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("damage", "said"), [
    (lambda file: file.write_bytes(file.read_bytes()[:-40]), "books-00.txt.gz is no whole gzip"),
    (lambda file: file.write_bytes(b"no"), "books-00.txt.gz is no whole gzip"),
    (lambda file: file.write_bytes(gzip.compress(b"\xff\xfe")), "books-00.txt.gz is no whole gzip"),
    (lambda file: file.write_bytes(gzip.compress(b"a boat")), "no text to hold out")])
def test_damaged_text_is_one_line(data, tiny, tmp_path, damage, said):
    damage(data / "gutenberg-simple" / "books-00.txt.gz")
    with pytest.raises(ModelError, match=said) as error:
        recipe.train(data, tmp_path / "out", 1.0, say=Screen())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["corpus.json", "train.npy", "tokenizer.json",
                                  "state.safetensors"])
def test_what_was_made_and_is_damaged_is_one_line(data, tiny, tmp_path, name):
    out = tmp_path / "out"
    recipe.train(data, out, 0.02, say=Screen())
    if name == "tokenizer.json":
        (out / name).unlink()
    else:
        (out / name).write_bytes((out / name).read_bytes()[:20])
    with pytest.raises(ModelError, match="damaged") as error:
        recipe.train(data, out, 1.0, say=Screen())
    made = name if name in ("state.safetensors", "tokenizer.json") else "corpus.json"
    assert "\n" not in str(error.value) and made in str(error.value)


def test_every_window_is_read_once_a_pass(tiny):
    ids = np.arange(32 * 8 + 1, dtype=np.uint16)
    rows = np.concatenate([recipe.batch_at(ids, step).numpy() for step in (0, 1)])
    assert len({int(row[0]) // 32 for row in rows}) >= 7, "an offset may join the last two"
    assert all(np.array_equal(row, np.arange(row[0], row[0] + 33)) for row in rows)
    assert np.array_equal(rows[:4], recipe.batch_at(ids, 0).numpy())


def test_the_rate_warms_up_holds_and_falls():
    rates = [recipe.rate(share) for share in (0.0, 0.01, 0.02, 0.5, 0.775, 1.0)]
    assert rates == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.5, 0.02])


def test_held_out_nats_of_an_untrained_model_are_near_the_uniform(tiny):
    recipe.torch.manual_seed(1)
    model = recipe.LlamaForCausalLM(recipe.LlamaConfig(**recipe.SHAPE))
    ids = np.random.default_rng(1).integers(1, 4096, 200).astype(np.uint16)
    assert recipe.held_out_nats(model, ids) == pytest.approx(np.log(4096), abs=0.3)
    assert model.training


def test_books_are_held_out_whole_and_stories_read_more_often(data):
    train, held = corpus.read(data)
    assert len(held) == 1 and held[0].startswith("Zixi")
    assert not any(name in part for part in train for name in corpus.NAMES)
    assert len(train) == 3 + corpus.STORYBOOK_PASSES


def test_the_tokenizer_keeps_any_text(data):
    tokenizer = corpus.train_tokenizer(corpus.read(data)[0])
    for words in ("The tide, 1914!", "  two  spaces\n\n\nlines", "\U0001f389 \u0645\u0631",
                  "<0x41> stays text", "tabs\tand\r\n"):
        ids = tokenizer.encode(words, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == words
    assert tokenizer.token_to_id(corpus.END) == 0
    pieces = [tokenizer.id_to_token(i) for i in tokenizer.encode("the tide.").ids]
    assert pieces == ["the", "\u2581tide", "."] or pieces[-1] == "." and len(pieces) > 3


def test_packing_is_fixed_and_marks_each_text(data):
    tokenizer = corpus.train_tokenizer(corpus.read(data)[0])
    texts = [" ".join(np.random.default_rng(k).choice(list("abcde"), 30)) for k in range(5)]
    row = corpus.pack(tokenizer, texts, seed=1)
    assert np.array_equal(row, corpus.pack(tokenizer, texts, seed=1)) and row[0] == 0
    assert (row == 0).sum() == 5 and row.dtype == np.uint16
    assert isinstance(tokenizer, Tokenizer)
