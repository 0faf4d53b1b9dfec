"""What heads look at, rebuilt beside the kernel, is what eager computed. Thread: control."""
import numpy as np
import pytest
import torch

from engine.model.attention import unfolded
from engine.model.capture import Capture, describe
from engine.model.decode import Context
from engine.model.discover import discover
from engine.model.tiers import extras_of
from engine.records import GAZE, ROWS
from tests.engine.model import zoo

TEXT = [7, 3, 99, 42, 5, 64, 21, 8, 33, 77, 12, 54, 90, 1, 28, 6, 31, 45, 71, 14, 9, 63, 11, 2]
SEEN = ["llama", "qwen2", "gpt2", "gemma3_text", "gemma2", "mistral", "gpt_neox", "cohere",
        "mixtral", "gpt_oss", "deepseek_v3", "gptj", "bloom", "qwen3_next"]
torch.set_num_threads(1)


def watched(model, tiers=("T4",), context=64, **more):
    """(capture, map) of a model with the rows of all layers kept whole."""
    found = discover(model)
    extras = extras_of(model, found, tiers, chosen=range(len(found.blocks)), **more)
    return Capture(found, describe(model, found, "tiny", context, extras=extras),
                   extras=extras), found


def rows_of(model, capture, pieces):
    """The STATE rows of a text fed in pieces, and every weight matrix that was noted."""
    context, rows, noted = Context(model, capture), [], []
    take = capture.gaze.take

    def keep(count, place):
        noted.append([n and weights(n, count) for n in capture.gaze.noted])
        take(count, place)
    capture.gaze.take = keep
    capture.arrived = lambda count: rows.append(capture.stage[:count].copy())
    for piece in pieces:
        context.feed(piece)
    return np.concatenate(rows), noted


def weights(noted, count):
    """(heads, count, columns): softmax of the scores, written out."""
    scores, seen, scale, given = unfolded(noted, count)
    if given:
        return scores
    scores = torch.from_numpy(scores * scale).masked_fill(~torch.from_numpy(seen).bool(), -1e30)
    return torch.softmax(scores, -1).numpy()


def eager_of(model, ids, mask=None):
    """The model's own attention of one forward, a (heads, tokens, tokens) array a layer."""
    model.set_attn_implementation("eager")
    more = {} if mask is None else {"attention_mask": torch.tensor([mask])}
    out = model(input_ids=torch.tensor([ids]), output_attentions=True, use_cache=False, **more)
    return [a[0].numpy() for a in out.attentions if a is not None]


def by_hand(row, sinks=(0,)):
    """The numbers of GAZE for one head's row, whose last column is the place itself."""
    row, n = row.astype(np.float64), len(row)
    seen, back = np.count_nonzero(row > 0), np.arange(n - 1, -1, -1)
    free = np.array([p for i, p in enumerate(row) if i not in sinks and p > 0])
    far = np.array([back[i] for i, p in enumerate(row) if i not in sinks and p > 0])
    if seen < 3 or not len(free):
        return None
    q = free / free.sum()
    entropy = -(row[row > 0] * np.log(row[row > 0])).sum() / np.log(seen)
    sunk = row[[i for i in sinks if i < n]].sum()
    return (entropy, -(q * np.log(q)).sum() / np.log(len(q)), sunk,
            row[-2], row[-1], (q * np.log2(1 + far)).sum(), far[np.argmax(q)], free.max())


@pytest.mark.parametrize("name", SEEN)
@torch.inference_mode()
def test_rows_are_those_of_the_eager_kernel(name):
    """Grouped queries, rotary, sliding windows (16 of 24), capped scores, learned sinks,
    experts, parallel branches: chunked and cached here, in one eager forward there."""
    model = zoo.tiny(name, spread=12.0)
    capture, found = watched(model)
    mine, noted = rows_of(model, capture, [TEXT[:9], TEXT[9:21], *[[i] for i in TEXT[21:]]])
    capture.close()
    layers = np.flatnonzero(capture.stage["valid"][0, ROWS])
    theirs = eager_of(model, TEXT)
    assert len(layers) == len(theirs) >= (1 if name == "qwen3_next" else zoo.LAYERS)
    peak = max(float(a[:, -1].max()) for a in theirs)
    assert peak > 2 / len(TEXT), "even rows would prove nothing"
    for layer, whole in zip(layers, theirs, strict=True):
        mean = whole.mean(0)
        assert np.abs(mine["row"][:, layer, :len(TEXT)] - mean).max() < 1e-5
        assert not mine["row"][:, layer, len(TEXT):].any()
        last = noted[-1][layer]
        assert np.abs(last[:, 0] - whole[:, -1, -last.shape[2]:]).max() < 1e-5
        for t in range(2, len(TEXT)):
            for head in range(whole.shape[0]):
                expected = by_hand(whole[head, t, :t + 1])
                if expected is not None and name != "gpt_oss":
                    found_ = mine["gaze"][t, layer, head]
                    assert np.allclose(found_[:6], expected[:6], atol=1e-4), (t, head)
                    assert found_[6] == expected[6] or \
                        np.isclose(found_[7], expected[7], atol=1e-6)


@torch.inference_mode()
def test_entropy_knows_neither_caching_nor_padding():
    model = zoo.tiny("llama")
    capture, _ = watched(model)
    whole, _ = rows_of(model, capture, [TEXT])
    single, _ = rows_of(model, capture, [[i] for i in TEXT])
    assert np.nanmax(np.abs(whole["gaze"] - single["gaze"])[..., :6]) < 1e-4
    capture.close()
    capture, _ = watched(model)
    padding = [0] * 7
    capture.count, capture.place = len(TEXT), 0
    model(input_ids=torch.tensor([padding + TEXT]), use_cache=False,
          attention_mask=torch.tensor([[0] * 7 + [1] * len(TEXT)]),
          position_ids=torch.tensor([[0] * 7 + list(range(len(TEXT)))]))
    padded = capture.stage[:len(TEXT)]
    assert np.nanmax(np.abs(whole["gaze"] - padded["gaze"])[..., :6]) < 1e-4
    raw = np.nan_to_num(whole["gaze"][..., 0]) * np.log(np.arange(1, len(TEXT) + 1))[:, None, None]
    assert raw[-1].mean() > 1.5 * raw[2].mean(), "the trap: raw entropy grows with the place"


@torch.inference_mode()
def test_planted_rows_are_read_as_planted():
    from engine.model.attention import look
    octaves, sinks = np.log2(1.0 + np.arange(65)), np.zeros(65, np.uint8)
    sinks[0] = 1

    def seen(weights, place=None, mark=sinks):
        weights = np.atleast_2d(np.array(weights, np.float32))
        out, mean = np.zeros((len(weights), len(GAZE)), np.float32), np.zeros(64)
        n = weights.shape[1]
        look(weights, np.ones(n, np.uint8), 1.0, True, n - 1 if place is None else place, mark,
             octaves, np.zeros(n, np.float32), out, mean)
        return dict(zip(GAZE, out[0], strict=True))
    even = seen(np.full(9, 1 / 9))
    assert even["entropy"] == pytest.approx(1.0) and even["spread"] == pytest.approx(1.0)
    single = seen([0, 0, 0, 1, 0, 0, 0, 0])
    assert single["entropy"] == 0.0 and single["link_tokens"] == 4 and single["link"] == 1.0
    assert single["gaze_octaves"] == pytest.approx(np.log2(5))
    previous = seen([0, 0, 0, 0, 0, 0, 1, 0])
    assert previous["previous"] == 1.0 and previous["itself"] == 0.0
    drone = seen([0.9, 0, 0, 0, 0, 0.1, 0, 0])                   # the trap: a sink not left out
    assert drone["sink"] == pytest.approx(0.9) and drone["link_tokens"] == 2
    assert drone["gaze_octaves"] == pytest.approx(np.log2(3))
    unmasked = seen([0.9, 0, 0, 0, 0, 0.1, 0, 0], mark=np.zeros(65, np.uint8))
    assert unmasked["gaze_octaves"] > 2.8 and unmasked["link_tokens"] == 7
    window = seen([0.9, 0.1, 0.0, 0.0], place=40)                 # the sink has left the window
    assert window["sink"] < 1e-6 and window["link_tokens"] == 3
    assert np.isnan(seen([1.0])["entropy"])


@torch.inference_mode()
def test_off_by_one_layer_and_wrong_axis_are_seen():
    """The rows of a layer are not those of its neighbour, nor columns rows."""
    model = zoo.tiny("llama")
    capture, _ = watched(model)
    mine, _ = rows_of(model, capture, [TEXT])
    capture.close()
    theirs = [a.mean(0) for a in eager_of(model, TEXT)]
    for layer in range(zoo.LAYERS):
        row = mine["row"][:, layer, :len(TEXT)]
        assert np.abs(row - theirs[(layer + 1) % zoo.LAYERS]).max() > 1e-2
        assert np.abs(row.T - theirs[layer]).max() > 1e-2


@torch.inference_mode()
def test_the_text_is_the_same_whatever_is_captured():
    model = zoo.tiny("gemma3_text")
    plain = model(input_ids=torch.tensor([TEXT])).logits
    capture, _ = watched(model, ("T3", "T4"))
    capture.count = len(TEXT)
    assert torch.equal(model(input_ids=torch.tensor([TEXT])).logits, plain)
    capture.close()


@torch.inference_mode()
def test_a_fused_kernel_out_of_reach_leaves_the_rows_out():
    model = zoo.tiny("falcon")            # calls the kernel itself and returns no weights
    found = discover(model)
    extras = extras_of(model, found, ("T3", "T4"))
    assert describe(model, found, "falcon", 64, extras=extras).tiers == ("T0", "T1", "T2", "T3")


@pytest.mark.parametrize("name", ["mamba", "rwkv"])
@torch.inference_mode()
def test_a_model_without_attention_has_no_such_tier(name):
    model = zoo.tiny(name)
    found = discover(model)
    extras = extras_of(model, found, ("T3", "T4"))
    shape = describe(model, found, name, 64, extras=extras)
    assert shape.tiers == ("T0", "T1", "T2") and shape.chosen == ()
    assert not {"gaze", "row", "head_norm", "heads"} & set(Capture(found, shape).stage.dtype.names)


@torch.inference_mode()
def test_layers_left_out_are_absent():
    model = zoo.tiny("llama")
    capture, _ = watched(model, ("T3", "T4"), layers=[1])
    assert capture.stage["valid"][0, ROWS].tolist() == [0, 1, 0, 0, 0]
    assert capture.stage["valid"][0, 4].tolist() == [0, 1, 0, 0, 0]
    capture.close()
