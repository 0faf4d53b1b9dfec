"""The two controls against answers that are known."""
import math

import numpy as np
import pytest

from engine.model.train import controls


def plain_witten_bell(train, held):
    """The same model as a slow dictionary, byte by byte."""
    tables = [{} for _ in range(controls.ORDER + 1)]
    for i in range(len(train) - controls.ORDER):
        for order, table in enumerate(tables):
            counts = table.setdefault(train[i:i + order], {})
            counts[train[i + order]] = counts.get(train[i + order], 0) + 1
    nats, row = [], controls.MARK * controls.ORDER + held
    for i in range(controls.ORDER, len(row)):
        p = 1.0 / 256.0
        for order, table in enumerate(tables):
            counts = table.get(row[i - order:i])
            if counts:
                total, kinds = sum(counts.values()), len(counts)
                p = (counts.get(row[i], 0) + kinds * p) / (total + kinds)
        nats.append(-math.log(p))
    return nats


def test_the_fast_character_model_is_the_plain_one():
    train = b"\0the tide went out and the tide came back, and the boat with it. " * 5
    held = b"\0the boat went out! and zebras came"
    assert controls.character_nats(train, held) == pytest.approx(plain_witten_bell(train, held))


def test_probabilities_of_all_bytes_sum_to_one():
    train = b"abracadabra " * 40
    for context in (b"abra", b"zzzzz", b"ra ab"):
        nats = [controls.character_nats(train, context + bytes([byte]))[-1] for byte in range(256)]
        assert np.exp(-np.array(nats)).sum() == pytest.approx(1.0)


def test_random_letters_cost_their_entropy_and_repetition_next_to_nothing():
    random = np.random.default_rng(1)
    letters = bytes(random.integers(97, 99, 60_000).astype(np.uint8))
    train, held = [letters[:50_000].decode()], [letters[50_000:].decode()]
    assert controls.character_bits(train, held) == pytest.approx(1.0, abs=0.02)
    assert controls.character_bits(["tick tock " * 999], ["tick tock " * 99]) < 0.1
    assert 1.0 < controls.xz_bits(held) < 1.5


def test_xz_after_the_training_text_finds_what_it_saw():
    random = np.random.default_rng(2)
    seen = "".join(chr(c) for c in random.integers(32, 127, 20_000))
    assert controls.xz_bits_after([seen], [seen]) < 0.1 * controls.xz_bits([seen])


def test_all_controls_are_reported():
    lines = []
    found = controls.controls(["a text to learn " * 50], ["a text to guess " * 20], lines.append)
    assert set(found) == {"xz_9", "xz_9e", "order_5", "xz_9_after_training_text"}
    assert len(lines) == 4 and all(value > 0.0 for value in found.values())
