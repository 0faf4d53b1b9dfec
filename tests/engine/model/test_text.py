"""Pieces of text join to the text, whatever the tokens. Thread: any."""
import pytest
from transformers import AutoTokenizer

from engine.model.text import START, Words, cut
from engine.records import TEXT_BYTES

TEXTS = ["The house stood at the end of the road.", "naïve café — “quoted”",
         "a 🎷🎹 and a family 👨‍👩‍👧 here", "שלום עולם, مرحبا", "line\n\nbreak   and spaces",
         "日本語のテキスト", "x" * 200, "<0x41> is not A"]


def pieces(tokenizer, ids):
    state, out, words = START, [], Words(tokenizer)
    for token in ids:
        state, piece = words.advance(state, token)
        out.append(piece)
    return out, state


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_join_to_the_text(checkpoint, text):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    said, state = pieces(tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"])
    assert "".join(said) + state[3] == text
    assert all(len(piece.encode()) <= TEXT_BYTES and "\ufffd" not in piece for piece in said)


def test_broken_bytes_do_not_hold_the_text_up(checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    byte = tokenizer.convert_tokens_to_ids("<0xF0>")
    words = tokenizer("the road was gone", add_special_tokens=False)["input_ids"]
    said, _ = pieces(tokenizer, [byte] * 9 + words)
    assert "road was gone" in "".join(said)
    assert any("\ufffd" in piece for piece in said[:9]), "nonsense is shown as such, not kept"


def test_marks_have_no_text(checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert pieces(tokenizer, [tokenizer.bos_token_id])[0] == [""]


def test_cut_never_splits_a_character():
    head, rest = cut("é" * 40)
    assert head + rest == "é" * 40 and len(head.encode()) == TEXT_BYTES
    head, rest = cut("a" + "é" * 40)
    assert head + rest == "a" + "é" * 40 and len(head.encode()) == TEXT_BYTES - 1
