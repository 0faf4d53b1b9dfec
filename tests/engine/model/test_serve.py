"""A model from somebody's own process is played from a folder. Thread: control."""
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.errors import ModelError
from engine.model.load import load
from engine.model.serve import save


def test_saved_and_loaded_it_is_the_same_model(checkpoint, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    folder = save(model, tokenizer, tmp_path)
    loaded = load(str(folder))
    ids = torch.tensor([tokenizer("The house stood").input_ids])
    assert torch.equal(loaded.model(ids).logits, model(ids).logits)
    assert loaded.tokenizer("The house").input_ids == tokenizer("The house").input_ids


def test_something_else_is_refused(checkpoint):
    with pytest.raises(ModelError, match="transformers model, not a str"):
        save("gpt2", None)
