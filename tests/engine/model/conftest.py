"""A tiny random checkpoint with a byte-fallback tokenizer, as a folder. Thread: any."""
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.model.calibrate import NEUTRAL
from engine.model.train import corpus

torch.set_num_threads(1)


def make(folder, **shape):
    """Saves a tiny random Llama and its tokenizer into folder."""
    inner = corpus.train_tokenizer([NEUTRAL.read_text()])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=corpus.END,
                                        eos_token=corpus.END, clean_up_tokenization_spaces=False)
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
             "intermediate_size": 48, "max_position_embeddings": 192, "bos_token_id": 0,
             "eos_token_id": 0, "tie_word_embeddings": True} | shape
    torch.manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig(**sizes))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(4.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The folder of a tiny random causal LM with a window of 192 tokens."""
    return make(tmp_path_factory.mktemp("checkpoint"))
