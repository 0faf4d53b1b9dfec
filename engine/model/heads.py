"""What each head writes, from the input of the output projection. Thread: control.

A head's write is its slice of the projection times its slice of the projection's input, so any
attention kernel may run. Of all heads only the norm (through W'W of the slice) and the place on one
fixed direction are worked out; of chosen layers the writes themselves. A norm behind the projection
(Gemma-2, OLMo-2) and a residual multiplier (Granite) belong to the write: the heads of a layer and
the projection's bias add up to what attention wrote, or the layer has no heads.
"""
import re
from dataclasses import dataclass

import numpy as np
import torch

from engine.model.trace import first_of, is_linear, text_config, trace
from engine.rt import rt_host

ATTENTION = re.compile(r"attn|attention", re.I)
CLOSE = 2e-3                              # of the write's norm; bfloat16: CLOSE_HALF
CLOSE_HALF = 3e-2
PROBES = 64                               # coordinates that say what a norm did to a token
AXIS_SEED = 12                            # of the fixed direction of each layer


@dataclass
class Projection:
    """The output projection of one block's attention.

    gain    what multiplies its output: a number, or (width,) where a norm follows, which also
            rescales every token (`normed`);  size  of a head's slice of the input
    kept    nothing writes into its input later in the forward
    """
    module: torch.nn.Module
    gain: torch.Tensor
    heads: int
    size: int
    normed: bool
    kept: bool

    def parts(self):
        """The weight, (width, heads, size) float32, and the bias (width,), all folded in."""
        weight, bias = matrix(self.module)
        weight = weight * self.gain.reshape(-1, 1)
        return weight.reshape(len(weight), self.heads, self.size).contiguous(), bias * self.gain


def matrix(module):
    """(out, in) weights of a linear-like module and its bias, float32; None where not plain."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if weight is None or weight.dim() != 2 or not weight.is_floating_point():
        return None
    weight = weight.float().t() if "Conv1D" in type(module).__name__ else weight.float()
    return weight, (torch.zeros(weight.shape[0]) if bias is None else bias.float())


def gain_of(module, width, like):
    """What a norm multiplies each coordinate with, once a token is scaled; None when it is no plain
    scaling (a norm that also takes the mean away)."""
    if any(True for _ in module.children()) or is_linear(module):
        return None
    try:
        flat = module(torch.ones(1, 1, width, dtype=like.dtype)).float().reshape(-1)
        turned = torch.linspace(-1.0, 2.0, width, dtype=like.dtype)[None, None]
        seen = module(turned).float().reshape(-1)
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None
    if flat.numel() != width:
        return None
    expected = flat * turned.float().reshape(-1)
    scale = (seen @ expected) / (expected @ expected + 1e-30)
    return flat if (seen - scale * expected).norm() <= CLOSE_HALF * seen.norm() else None


def closes(write, rows, weight, offset, normed, tolerance):
    """Whether heads and offset add up to the write, token by token."""
    made = rows @ weight.t() + offset
    if normed:
        share = (write * made).sum(1) / ((made * made).sum(1) + 1e-30)
        made = made * share[:, None]
    return bool(((write - made).norm(dim=1) <= tolerance * write.norm(dim=1) + 1e-12).all())


def projection(block, calls, heads, tolerance):
    """The Projection of a block, or None: the last linear module of its attention whose output
    becomes the write."""
    names = {m: n for n, m in block.module.named_modules()}
    if not block.attention or not heads:
        return None
    tap = next((t for t in block.attention if ATTENTION.search(t.name.split(".")[0])), None)
    tap = tap or block.attention[0]
    ends = [c for c in calls if c.module is tap.module and c.out is not None]
    for call in reversed(calls):
        if len(ends) != 1 or call.module not in names or not is_linear(call.module) or \
                not ATTENTION.search(names[call.module]) or call.source is None:
            continue
        found = matrix(call.module)
        rows = call.source.float().reshape(-1, call.source.shape[-1])
        write = ends[0].out.float().reshape(len(rows), -1) * tap.scale
        if found is None or rows.shape[1] % heads or found[0].shape[1] != rows.shape[1] or \
                found[0].shape[0] != write.shape[1] or call.module is block.down:
            continue
        plain = torch.tensor([float(tap.scale)])
        for gain in (plain, gain_of(tap.module, write.shape[1], ends[0].out)):
            if gain is not None and closes(write, rows, found[0] * gain.reshape(-1, 1),
                                           found[1] * gain, gain is not plain, tolerance):
                return Projection(call.module, gain, heads, rows.shape[1] // heads,
                                  gain is not plain, call.source_kept())
    return None


@torch.inference_mode()
def projections(model, model_map):
    """One Projection or None for each block; a module that several blocks share has none."""
    heads = first_of(text_config(model), "num_attention_heads", "n_head", "n_heads")
    half = next(model.parameters()).dtype != torch.float32
    calls, found = trace(model), []
    for block in model_map.blocks:
        inside = set(block.module.modules())
        mine = [call for call in calls if call.module in inside]
        found.append(projection(block, mine, heads, CLOSE_HALF if half else CLOSE))
    modules = [p.module for p in found if p is not None]
    return [p if p is None or modules.count(p.module) == 1 else None for p in found]


def axes(layers, width):
    """The fixed direction of each layer, (layers, width) unit rows."""
    made = np.random.default_rng(AXIS_SEED).normal(size=(layers, width))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@rt_host
def measure(values, grams, places, dots, sizes, scales, norms, on_axis):
    """The norm of every head's write and its place on the layer's direction.

    values  (rows, layers, widest) inputs of the projections;  grams  W'W of every slice, one after
    another, (size, size) each, from places[layer];  dots  (layers, widest) direction times W
    sizes   of a slice, 0 where a layer has no heads;  scales  (rows, layers)
    norms, on_axis  (rows, layers, heads), written
    """
    image = np.empty(values.shape[2], np.float32)
    for layer in range(norms.shape[1]):
        size = sizes[layer]
        if size == 0:
            continue
        for head in range(norms.shape[2]):
            first, gram = head * size, places[layer] + head * size * size
            for row in range(values.shape[0]):
                image[:size] = np.float32(0.0)
                square, place = 0.0, 0.0
                for j in range(size):     # half of it: a Gram matrix is symmetric
                    share = values[row, layer, first + j]
                    for i in range(j):
                        image[i] += share * grams[gram + j * size + i]
                    square += np.float64(share) * share * grams[gram + j * size + j]
                for i in range(size):
                    square += 2.0 * np.float64(image[i]) * values[row, layer, first + i]
                    place += np.float64(dots[layer, first + i]) * values[row, layer, first + i]
                scale = np.float64(scales[row, layer])
                norms[row, layer, head] = np.sqrt(max(square, 0.0)) * abs(scale)
                on_axis[row, layer, head] = place * scale


class Heads:
    """Works out a record's T3 fields once its rows are complete.

    values  (chunk, layers, widest) where the hooks put the projections' inputs
    """

    def __init__(self, stage, descriptor, found):
        self.stage, self.found, self.chosen = stage, found, descriptor.chosen
        layers, heads = descriptor.layers, descriptor.heads
        self.sizes = np.array([0 if p is None else p.size for p in found], np.int64)
        self.values = np.zeros((len(stage), layers, max(1, heads * int(self.sizes.max()))),
                               np.float32)
        counts = heads * self.sizes ** 2
        self.places = np.cumsum(counts) - counts
        self.grams = np.zeros(max(1, int(counts.sum())), np.float32)
        self.dots = np.zeros(self.values.shape[1:], np.float32)
        self.scales = np.ones((len(stage), layers), np.float32)
        self.slices = {}                  # (heads, width, size) of chosen layers
        self.probes = {}                  # (coordinates, weight, bias) of layers with a norm
        for layer, axis in enumerate(axes(layers, descriptor.width)):
            if found[layer] is not None:
                self._prepare(layer, torch.from_numpy(axis))
        self.take(1)                      # compiled now, not at the first token

    def _prepare(self, layer, axis):
        p = self.found[layer]
        weight, offset = p.parts()
        slices = weight.permute(1, 0, 2)                          # heads, width, size
        gram = torch.bmm(slices.transpose(1, 2), slices).reshape(-1).numpy()
        self.grams[self.places[layer]:self.places[layer] + len(gram)] = gram
        self.dots[layer, :p.heads * p.size] = torch.einsum("w,whs->hs", axis, weight).reshape(-1)
        if layer in self.chosen:
            self.slices[layer] = slices.contiguous()
        if p.normed:
            at = torch.linspace(0, len(weight) - 1, min(PROBES, len(weight))).long()
            self.probes[layer] = at.numpy(), weight[at].reshape(len(at), -1), offset[at]

    def take(self, count):
        """Fills head_norm, head_axis and heads of the first `count` rows."""
        stage, values = self.stage, self.values[:count]
        for layer in self.probes:
            self._rescale(layer, count)
        measure(values, self.grams, self.places, self.dots, self.sizes, self.scales[:count],
                stage["head_norm"][:count], stage["head_axis"][:count])
        for k, layer in enumerate(self.chosen):
            if (p := self.found[layer]) is None:
                continue
            x = torch.from_numpy(values[:, layer, :p.heads * p.size])
            x = x.reshape(count, p.heads, p.size).permute(1, 2, 0)
            made = torch.bmm(self.slices[layer], x).permute(2, 0, 1).numpy()
            stage["heads"][:count, k] = made * self.scales[:count, layer, None, None]

    def _rescale(self, layer, count):
        """What the norm behind the projection did to each token, from what was written: one number
        a token, so a few coordinates of the product say it."""
        at, weight, offset = self.probes[layer]
        x = torch.from_numpy(self.values[:count, layer, :weight.shape[1]])
        made = (x @ weight.t() + offset).numpy()
        write = self.stage["attn"][:count, layer][:, at]
        self.scales[:count, layer] = (write * made).sum(1) / ((made * made).sum(1) + 1e-30)
