"""Steering moves what it says by what it says, never past its limit, and leaves nothing behind."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.errors import ModelError
from engine.model.capture import Capture, describe
from engine.model.decode import Context, probe
from engine.model.discover import discover
from engine.model.load import load
from engine.model.steer import Steer, divergence_nat, limited
from tests.engine.model import zoo
from tests.engine.model.test_generate import Desk, inputs, said

IDS = [7, 3, 99, 42, 5, 64, 21, 8, 33, 80, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24]
PROMPT = "The house stood at the end of the road, where the fields began."
torch.set_num_threads(1)


def direction(name, layer, width, seed=1):
    vector = np.random.default_rng(seed).normal(size=width)
    return SimpleNamespace(name=name, layer=layer, vector=vector / np.linalg.norm(vector))


class Tokens:
    """A tokenizer of tiny models: any text is the same ids."""
    def __call__(self, words, **more):
        return {"input_ids": [k * 7 % 120 + 3 for k in range(40)]}


def bench(model, layers, limit_nat=0.7, tokenizer=None):
    """(steer, context, capture): directions "a", "b" at layers (from 1), prepared."""
    found = discover(model)
    steer = Steer(found, [direction(name, layer, found.width, k) for k, (name, layer) in enumerate(
        zip("abcdefgh", layers, strict=False))], limit_nat)
    capture = Capture(found, describe(model, found, "x", 96))
    ways = probe(model, capture)
    steer.prepare(SimpleNamespace(model=model, tokenizer=tokenizer or Tokens()), capture, ways)
    return steer, Context(model, capture, ways), capture


def law(logits):
    return torch.log_softmax(logits.double(), -1)


def nat(logits, plain):
    """The divergence, reckoned another way than the product does."""
    p, q = law(logits).exp().numpy(), law(plain).exp().numpy()
    return float(np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-300) / q), 0.0)))


SOME = ("gemma2", "qwen2_moe", "gptj", "gemma3n_text", "mamba", "rwkv")


@pytest.mark.parametrize("name", [name if name in SOME else pytest.param(
    name, marks=pytest.mark.slow) for name in zoo.ALL])
def test_every_architecture_is_steered_and_let_go(name):
    """What is captured has moved by the amount, what is remembered has not moved at all."""
    model = zoo.tiny(name)
    with torch.inference_mode():
        steer, context, capture = bench(model, (2,))
        assert not steer.refused
        plain, rows = [], []
        for place in range(18, 22):       # beyond the sliding window of 16 too
            context.read(IDS[:18] if place == 18 else [])
            plain.append(context.feed([IDS[place]], keep=1)[-1].clone())
            rows.append(capture.stage["resid"][0, 2].copy())
        context.reset()
        context.read(IDS[:18])
        vector, step = steer._layers[2][0][1].numpy(), steer.reds["a"] * steer.norms[2]
        for k, place in enumerate(range(18, 21)):
            steer.set("steer.a", 1.0)
            logits = steer.feed(context, [IDS[place]])
            moved = capture.stage["resid"][0, 2] - rows[k]
            assert np.allclose(moved, step * vector, atol=1e-3 * max(step, np.abs(rows[k]).max()))
            assert 0.0 < steer.told[0] <= 0.7 and not torch.equal(logits[0], plain[k])
            assert nat(logits[0], plain[k]) == pytest.approx(steer.told[0], abs=1e-6)
        steer.set("steer.a", 0.0)
        assert not steer.wanted and steer.told is None
        assert torch.equal(context.feed([IDS[21]], keep=1)[-1], plain[3]), "bit for bit"


@pytest.fixture(scope="module")
def embedded():
    """The embedded model and eight directions in it, prepared."""
    loaded = load("embedded")
    with torch.inference_mode():
        yield loaded, *bench(loaded.model, (1, 2, 3, 1, 4, 3, 5, 6), 0.7, loaded.tokenizer)


@pytest.mark.parametrize("limit_nat, tokens", [(0.05, 15), (0.7, 50), (3.0, 15)])
def test_the_limit_holds_for_every_token_and_is_used(embedded, limit_nat, tokens):
    """Eight directions at their ends and far beyond, some taken out as well."""
    (_, steer, context, _), chance, reached = embedded, np.random.default_rng(3), 0
    with torch.inference_mode():
        steer.reds = dict.fromkeys(steer.reds, 3.0)
        steer.limit_nat = limit_nat
        context.reset()
        context.read(IDS[:9])
        for token in chance.integers(3, 2000, tokens).tolist():
            for path in steer.amounts:
                steer.set(path, float(chance.choice([-1.0, 0.0, 1.0])))
            steer.set("steer.a", 1.0)
            logits = steer.feed(context, [token])[0]
            context.back(len(context.tokens) - 1)
            found = nat(logits, context.feed([token], keep=1)[-1])
            assert found <= limit_nat and found == pytest.approx(steer.told[0], abs=1e-6)
            if steer.told[1] < 1.0:
                assert found >= 0.98 * limit_nat, "no more is cut than must be"
                reached += 1
    assert reached > tokens // 3, "the limit was put to the test"


def test_limited_on_laws_of_every_kind():
    chance = torch.Generator().manual_seed(1)
    for spread in (0.1, 3.0, 60.0, 1000.0):
        for _ in range(20):
            a, b = (torch.randn(500, generator=chance) * s for s in (3.0, spread))
            for limit_nat in (0.01, 0.7, 5.0):
                logits, told, share = limited(a, b, limit_nat)
                assert told == divergence_nat(logits, a) <= limit_nat and 0.0 < share <= 1.0
                assert nat(logits, a) == pytest.approx(told, abs=1e-9)
                assert share == 1.0 or told >= 0.98 * limit_nat
    assert limited(a, a, 0.7)[1:] == (0.0, 1.0)
    barred = a.clone()
    barred[7] = -torch.inf
    logits, told, _ = limited(barred, b, 0.7)
    assert logits[7] == -torch.inf and told <= 0.7
    for bad in (torch.nan, torch.inf):
        broken = b.clone()
        broken[3] = bad
        logits, told, share = limited(a, broken, 0.7)
        assert torch.equal(logits, a) and (told, share) == (0.0, 0.0)


def test_amounts_move_the_projection_in_step_and_the_law_further(embedded):
    """Adding: by amount * red * norm. Taking out: the share of what is there. Both at one layer."""
    loaded, steer, context, capture = embedded
    with torch.inference_mode():
        steer.limit_nat, steer.reds["c"] = 50.0, 1.0
        for path in steer.amounts:
            steer.set(path, 0.0)
        context.reset()
        vector = steer._layers[3][0][1].numpy()
        context.read(loaded.tokenizer(PROMPT, add_special_tokens=False)["input_ids"])
        length, found, nats = len(context.tokens), [], []
        for amount in (-1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0):
            steer.set("steer.c", amount)
            steer.feed(context, [262])
            context.back(length)
            found.append(float(capture.stage["resid"][0, 3] @ vector))
            nats.append(steer.told[0])
        unit = steer.reds["c"] * steer.norms[3]
        assert np.diff(found) / unit == pytest.approx([0.5, 0.4, 0.1, 0.1, 0.4, 0.5], abs=1e-4)
        assert sorted(nats[:4], reverse=True) == nats[:4] and sorted(nats[3:]) == nats[3:]
        usual = found[3]
        steer.set("steer.c", 0.0)
        for share in (0.25, 1.0):
            steer.set("ablate.c", share)
            steer.feed(context, [262])
            context.back(length)
            left = float(capture.stage["resid"][0, 3] @ vector)
            assert left == pytest.approx((1.0 - share) * usual, abs=1e-3)
        steer.set("steer.c", 0.5)         # out with all of it, then half a red zone in
        steer.feed(context, [262])
        assert float(capture.stage["resid"][0, 3] @ vector) == pytest.approx(0.5 * unit, rel=1e-3)


def desk_of(checkpoint, folder, **settings):
    """A Desk whose generator can be steered along "a", and its Steer."""
    desk = Desk(checkpoint, folder, **settings)
    generator = desk.generator
    generator.capture.close()
    found = discover(generator.context.model)
    steer = Steer(found, [direction("a", 2, found.width)], 0.7)
    generator.capture = generator.context.capture = Capture(
        found, describe(generator.context.model, found, "tiny", 192))
    steer.prepare(SimpleNamespace(model=generator.context.model, tokenizer=generator.tokenizer),
                  generator.capture, generator.context.ways)
    generator.capture.arrived, generator.capture.beat = generator.arrived, desk.rings.beat
    generator.steer = steer
    return desk, steer


def test_a_knob_acts_with_the_next_record_and_so_does_its_release(checkpoint, tmp_path):
    """As controls come: rewound to what was heard, whatever had been computed ahead."""
    with torch.inference_mode():
        texts = []
        for ahead in (0, 7):
            (tmp_path / str(ahead)).mkdir()
            desk, steer = desk_of(checkpoint, tmp_path / str(ahead))
            desk.generator.open(PROMPT)
            before = desk.read(40)
            for amount, count in ((1.0, 12), (0.0, 12), (-0.5, 5)):
                for _ in range(ahead):
                    desk.generator.step()
                desk.empty()
                desk.generator.rewind(int(before[-1][0]["seq"]), desk.generator.generation + 1)
                steer.set("steer.a", amount)
                records = desk.read(count)
                nats = np.array([float(token["steer_nat"]) for _, token in records])
                assert (nats > 0.0).all() if amount else np.isnan(nats).all()
                assert not amount or (nats <= 0.7 + 1e-6).all()
                before += records
            texts.append((inputs(before), said(before)))
        assert texts[0] == texts[1]
        ids = torch.tensor([inputs(before)])
        free, _ = before[40 + 20]         # released: its states are those of the words alone
        whole = desk.generator.context.model(
            input_ids=ids, output_hidden_states=True).hidden_states[2][0, 60].numpy()
        assert np.allclose(free["resid"][2], whole, atol=1e-4 * np.abs(whole).max())


def test_without_amounts_nothing_differs_and_no_second_forward_is_paid(checkpoint, tmp_path):
    with torch.inference_mode():
        (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
        plain = Desk(checkpoint, tmp_path / "a")
        desk, _ = desk_of(checkpoint, tmp_path / "b")
        forwards, found = [0, 0], []
        for k, one in enumerate((plain, desk)):
            count_forwards(one.generator.context, forwards, k)
            one.generator.open(PROMPT)
            found.append(one.read(60))
        assert forwards[0] == forwards[1]
        for (a, b), (c, d) in zip(*found, strict=True):
            assert np.array_equal(a["resid"], c["resid"]) and int(b["token"]) == int(d["token"])
            assert np.array_equal(b["top_log_probability"], d["top_log_probability"],
                                  equal_nan=True)


def count_forwards(context, forwards, k):
    inner = context._forward

    def forward(*arguments):
        forwards[k] += 1
        return inner(*arguments)
    context._forward = forward


def test_a_model_whose_cache_cannot_be_copied_plays_on_unsteered(checkpoint, tmp_path,
                                                                 monkeypatch):
    with torch.inference_mode():
        monkeypatch.setattr("engine.model.steer.shallow", lambda cache: cache)
        monkeypatch.setattr("engine.model.steer.deepcopy", lambda cache: cache)
        desk, steer = desk_of(checkpoint, tmp_path)
        assert "cannot be steered" in steer.refused
        steer.set("steer.a", 1.0)
        desk.generator.open(PROMPT)
        tokens = [t for _, t in desk.read(60) if np.isfinite(t["surprisal_nat"])]
    told = {(float(t["steer_nat"]), float(t["steer_share"])) for t in tokens}
    assert len(tokens) > 20 and told == {(0.0, 0.0)}


@pytest.mark.parametrize("vector, layer, words", [
    (np.full(32, np.nan), 2, "holds NaN"), (np.full(32, np.inf), 2, "holds NaN"),
    (np.zeros(32), 2, "holds nothing"), (np.ones(31), 2, "31 wide"), (np.ones(32), 9, "layer 9"),
    (np.ones(32), 0, "layer 0")])
def test_what_is_no_direction_is_refused(vector, layer, words):
    found = discover(zoo.tiny("llama"))
    with pytest.raises(ModelError, match=words):
        Steer(found, [SimpleNamespace(name="x", layer=layer, vector=vector)], 0.7)


def test_amounts_that_are_none_change_nothing():
    steer = Steer(discover(zoo.tiny("llama")), [direction("a", 2, 32)], 0.7)
    for path, amount in (("steer.a", np.nan), ("steer.a", np.inf), ("steer.a", 1.5),
                         ("steer.b", 1.0), ("", 1.0)):
        steer.set(path, amount)
    assert not steer.wanted and set(steer.amounts.values()) == {0.0}
    steer.set("ablate.a", -0.5)
    assert not steer.wanted, "less than nothing cannot be taken out"
