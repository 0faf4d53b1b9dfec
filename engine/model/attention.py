"""The last rows of attention, rebuilt beside whatever kernel computes it. Thread: control.

Fused kernels give no weights. So the function that calls them is wrapped, in this process only: it
notes the queries and the cached keys (normed, rotated, not yet repeated for their groups), the mask
and the scale, and calls the kernel as ever: the text is the same whatever is captured. After the
last block the rows are worked out from what was noted. A model without that function (GPT-J, BLOOM)
runs an attention of its own that returns its weights; those are noted.
"""
import functools

import numpy as np
import torch
from transformers import AttentionInterface

from engine.model.trace import TOKENS, first_of, text_config
from engine.records import GAZE
from engine.rt import from_bits, rt, rt_host

LOG2_E, LN_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
LISTENERS = {}                            # attention module -> who notes its calls


@rt
def exponential(x):
    """e to a number of at most 0, within 3e-7 of its size; 0 below -87."""
    x = max(x, np.float32(-87.0)) * LOG2_E
    whole = np.floor(x)
    t = (x - whole) * LN_2
    y = np.float32(1.0 / 5040.0)
    for c in (1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0):
        y = y * t + np.float32(c)
    return y * from_bits((np.int32(whole) + np.int32(127)) << np.int32(23))


@rt_host
def look(scores, seen, scale, given, place, sinks, octaves, row, out, mean):
    """What every head looks at, of one query row.

    scores   (heads, columns) before softmax and scale; given: weights, which may sum to less than
             one (learned sinks take the rest)
    seen     (columns,) uint8, 0 where masked;  place  of the query in its context
    sinks    (places,) uint8, 1 at a sink;  octaves  log2(1 + n)
    row      (columns,) scratch;  out  (heads, len(GAZE));  mean  (places,) mean weights, added to
    """
    columns, heads = scores.shape[1], scores.shape[0]
    count, free = 0, 0
    for c in range(columns):
        at = place - (columns - 1 - c)
        count += seen[c]
        free += seen[c] and not (0 <= at < sinks.shape[0] and sinks[at])
    for h in range(heads):
        top, total = np.float32(-3e38), 1.0
        if given:
            row[:] = scores[h]
        else:
            for c in range(columns):
                top = max(top, scores[h, c] * scale if seen[c] else np.float32(-3e38))
            total = 0.0
            for c in range(columns):
                row[c] = exponential(scores[h, c] * scale - top)
            for c in range(columns):
                row[c] *= np.float32(seen[c])
                total += row[c]
        open_, entropy, spread, gaze, link, back = 0.0, 0.0, 0.0, 0.0, 0.0, 0
        share = 1.0 / total
        for c in range(columns):
            p, far = row[c] * share, columns - 1 - c
            if p <= 0.0:
                continue
            at = place - far
            bits = p * np.log(p)
            entropy -= bits
            if 0 <= at < mean.shape[0]:
                mean[at] += p / heads
            if 0 <= at < sinks.shape[0] and sinks[at]:
                continue
            open_ += p
            spread -= bits
            gaze += p * octaves[far]
            if p > link:
                link, back = p, far
        free_ = free > 1 and open_ > 1e-6
        out[h, 0] = entropy / np.log(count) if count > 1 else np.nan
        out[h, 1] = (spread / open_ + np.log(open_)) / np.log(free) if free_ else np.nan
        out[h, 2] = 1.0 - open_
        out[h, 3] = row[columns - 2] * share if count > 1 else np.nan
        out[h, 4] = row[columns - 1] * share
        out[h, 5] = gaze / open_ if open_ > 1e-6 else np.nan
        out[h, 6] = back if link > 0.0 else np.nan
        out[h, 7] = link


def listening(kernel):
    """The attention function `kernel`, which also tells the listener of the module that calls."""
    @functools.wraps(kernel)
    def attend(module, query, key, value, attention_mask, *args, **kwargs):
        out = kernel(module, query, key, value, attention_mask, *args, **kwargs)
        listener = LISTENERS.get(module)
        if listener is not None:
            listener(query, key, attention_mask, out[1], kwargs)
        return out
    return attend


def install():
    """Makes every attention function that a model asks for a listening one; once in a process."""
    inner, made = getattr(AttentionInterface, "get_interface", None), {}
    if inner is None or hasattr(inner, "__wrapped__"):
        return

    @functools.wraps(inner)
    def get_interface(self, name, default):
        kernel = inner(self, name, default)
        if kernel not in made:
            made[kernel] = listening(kernel)
        return made[kernel]
    AttentionInterface.get_interface = get_interface


def weights_in(out, heads, tokens):
    """The attention weights among what a module returned, or None."""
    for x in out if isinstance(out, tuple) else ():
        if torch.is_tensor(x) and x.dim() == 4 and x.shape[:2] == (1, heads) and \
                x.shape[2] == tokens and x.shape[3] >= tokens and x.is_floating_point():
            return x
    return None


@torch.inference_mode()
def places(model, model_map):
    """For each block (module, routed) whose attention can be seen, or None.

    routed  whether it calls the common attention function; else it returns its weights
    """
    install()
    heads = first_of(text_config(model), "num_attention_heads", "n_head", "n_heads")
    called, returned, handles = [], [], []
    for module in model.modules():
        LISTENERS[module] = lambda q, *rest, module=module: called.append((module, q.shape[1]))
        handles.append(module.register_forward_hook(lambda module, args, out: returned.append(
            module) if weights_in(out, heads, TOKENS) is not None else None))
    vocabulary = max(8, first_of(text_config(model), "vocab_size"))
    try:
        ids = torch.arange(3, 3 + TOKENS)[None] % vocabulary
        model(input_ids=ids.to(next(model.parameters()).device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
        for module in model.modules():
            LISTENERS.pop(module, None)
    found = []
    for block in model_map.blocks:
        inside = set(block.module.modules())
        mine = [m for m, n in called if m in inside and n == heads]
        own = [m for m in returned if m in inside and m is not block.module]
        single = len(mine) == 1 and [m for m, _ in called].count(mine[0]) == 1
        found.append((mine[0], True) if single else
                     (own[0], False) if own and not mine and returned.count(own[0]) == 1 else None)
    return found


def visible(mask, rows, columns):
    """(rows, columns) uint8: what each of the last query rows may see."""
    if mask is None:
        ones = np.ones((rows, columns), np.uint8)
        return np.tril(ones, columns - rows) if rows > 1 else ones
    mask = mask[0, 0, -rows:, :columns]
    seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return seen.expand(rows, columns).to("cpu", torch.uint8).numpy()


class Gaze:
    """Notes attention calls and works out a record's T4 fields once its rows are complete.

    count()  how many of the last rows are wanted now, 0 for none
    """

    def __init__(self, stage, descriptor, found, count):
        self.stage, self.found, self.count = stage, found, count
        self.chosen, self.heads = descriptor.chosen, descriptor.heads
        self.noted = [None] * descriptor.layers
        self.octaves = np.log2(1.0 + np.arange(2 * descriptor.context + 1))
        self.sinks = np.zeros(2 * descriptor.context + 1, np.uint8)
        self.sinks[list(descriptor.sinks)] = 1
        self.scratch = np.zeros(len(self.octaves), np.float32)
        self.mean = np.zeros(descriptor.context)
        self.handles = []
        for layer, entry in enumerate(found):
            if entry is not None:
                self._listen(layer, *entry)
        look(np.zeros((2, 2, 2), np.float32)[:, 0, :1], np.ones(1, np.uint8), 1.0, False, 0,
             self.sinks, self.octaves, self.scratch[:1], np.zeros((2, len(GAZE)), np.float32),
             self.mean)

    def _listen(self, layer, module, routed):
        if routed:
            def note(query, key, mask, weights, options):
                if self.count():
                    self.noted[layer] = query, key, mask, weights, options
            LISTENERS[module] = note
            return

        def after(module, args, out):
            if self.count():
                tokens = args[0].shape[1] if args else out[0].shape[1]
                self.noted[layer] = None, None, None, weights_in(out, self.heads, tokens), {}
        self.handles.append(module.register_forward_hook(after))

    def take(self, count, place):
        """Fills gaze and row of the first `count` rows; the first stands at `place`."""
        self.stage["row"][:count] = np.nan
        for layer, noted in enumerate(self.noted):
            if noted is None:
                continue
            self.noted[layer] = None
            scores, seen, scale, given = unfolded(noted, count)
            columns = scores.shape[2]
            if columns > len(self.scratch):                       # beyond the window: not known
                self.stage["gaze"][:count, layer] = np.nan
                continue
            for row in range(count):
                upto = columns - count + row + 1                  # its own place and what is before
                self.mean[:] = 0.0
                look(scores[:, row, :upto], seen[row, :upto], scale, given, place + row,
                     self.sinks, self.octaves, self.scratch[:upto],
                     self.stage["gaze"][row, layer], self.mean)
                if layer in self.chosen:
                    self.stage["row"][row, self.chosen.index(layer)] = self.mean

    def close(self):
        """Listens no more."""
        for entry in self.found:
            if entry is not None:
                LISTENERS.pop(entry[0], None)
        for handle in self.handles:
            handle.remove()


def unfolded(noted, count):
    """(scores (heads, count, columns) float32, what is seen, scale, whether they are weights)."""
    query, key, mask, weights, options = noted
    if weights is not None:
        weights = weights[0, :, -count:].float().cpu().numpy()
        seen = visible(mask, *weights.shape[1:]) if mask is not None else (
            weights > 0.0).any(axis=0).astype(np.uint8)
        return weights, seen, 1.0, True
    heads, groups, size, columns = query.shape[1], key.shape[1], query.shape[3], key.shape[2]
    asked = query[0, :, -count:].reshape(groups, heads // groups * count, size)
    scores = torch.matmul(asked, key[0].transpose(1, 2)).float().reshape(heads, count, columns)
    scale = options.get("scaling")
    scale = size ** -0.5 if scale is None else float(scale)
    seen = visible(mask, count, columns)
    for more in (options.get("position_bias"), mask):
        if more is not None and more.dtype != torch.bool:
            scores, scale = scores * scale + more[0, :, -count:, -columns:].float(), 1.0
    return scores.cpu().numpy(), seen, scale, False
