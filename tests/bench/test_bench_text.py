"""The text bench: figures of the shipped report, repetition measured, one-line errors."""
import json

import pytest

from bench import text
from engine.errors import ModelError


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """A tiny checkpoint in the place of the embedded one, with a report."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    words = {f"w{k}": k for k in range(64)}
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, bos_token_id=0, eos_token_id=0)).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, "w1")),
                            bos_token="w0", eos_token="w0").save_pretrained(tmp_path)
    monkeypatch.setenv("HIDDENSTAGE_EMBEDDED", str(tmp_path))
    from engine.model.load import load
    report = {"date": "2026-01-01", "training": {}, "samples": [], "repetition": {},
              "model": {"weight_hash": load("embedded").weight_hash},
              "held_out": {"bits_per_byte": 1.5, "books": {"A Book": 1.25}},
              "controls": {"order_5": 1.878, "xz_9": 2.364, "xz_9e": 2.365,
                           "xz_9_after_training_text": 2.038}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    return tmp_path


def test_figures_are_the_reports_and_repetition_is_measured(embedded):
    result = text.run(tokens=60)
    assert result["held_out"]["bits_per_byte"] == 1.5 and result["reported"] == "2026-01-01"
    assert result["repetition"]["tokens"] == 60 and 0.0 <= result["repetition"]["repeated"] <= 1.0
    lines = text.table(result)
    for figure in ("1.500", "1.250", "1.878", "2.364", "8-grams in 60 tokens"):
        assert figure in lines
    json.dumps(result)


def test_a_report_about_other_weights_is_refused(embedded):
    report = json.loads((embedded / "report.json").read_text())
    report["model"]["weight_hash"] = "other"
    (embedded / "report.json").write_text(json.dumps(report))
    with pytest.raises(ModelError, match="other weights"):
        text.run(tokens=10)


def test_a_missing_report_says_how_to_write_it(embedded):
    (embedded / "report.json").unlink()
    with pytest.raises(ModelError, match="engine.model.train.report DATA RUN MODEL"):
        text.run(tokens=10)
