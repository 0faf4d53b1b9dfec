"""Permanent hooks that copy each token's rows out of the forward pass. Thread: control.

The hooks copy into one preallocated array of STATE rows (float32, a row per token of a chunk) and
allocate nothing. The last block's hook calls `arrived`, before the final norm and the head ran: in
a 270 M model the head is 43 of 73 ms, so a state is on its way that much earlier.
"""
import time

import numpy as np
import torch

from engine.model.discover import first_of, hidden, text_config
from engine.records import Descriptor, state_dtype
from engine.rt import rt

CHUNK = 32                                # tokens of one prefill forward


def describe(model, model_map, name, context, weight_hash=""):
    """The Descriptor of a mapped model."""
    config = text_config(model)
    return Descriptor(
        name=name, layers=len(model_map.blocks), width=model_map.width,
        widths=tuple(block.width for block in model_map.blocks),
        heads=first_of(config, "num_attention_heads", "n_head", "n_heads"),
        vocabulary=first_of(config, "vocab_size"), context=context, weight_hash=weight_hash,
        notes=tuple(model_map.notes))


LARGEST = int(np.float32(1e17).view(np.int32))        # its square can still be summed


@rt
def largest(bits):
    """The largest magnitude of float32 numbers, as bits: infinity and NaN are above all others."""
    found = np.int32(0)
    for i in range(len(bits)):
        found = max(found, bits[i] & np.int32(0x7FFFFFFF))
    return found


class Rows:
    """Where one tap's rows go: `rows` is (chunk, width), a view into the STATE array."""

    def __init__(self, rows, scale=1.0, add=False):
        self.rows, self.scale, self.add = rows, scale, add
        self.one, self.width = rows[0].view(1, 1, -1), rows.shape[-1]
        self.plain = scale == 1.0 and not add

    def put(self, x, count):
        """Copies the last `count` tokens of x, (1, tokens, width) or (tokens, width)."""
        if self.plain and x.numel() == self.width:
            self.one.copy_(x)             # the one token of a decode step
            return
        rows, x = self.rows[:count], x.reshape(-1, x.shape[-1])[-count:]
        if self.add:
            rows.add_(x.float(), alpha=self.scale)
        else:
            rows.copy_(x)
            if self.scale != 1.0:
                rows.mul_(self.scale)


class Capture:
    """Hooks on every tap of a model, and the STATE rows they fill.

    stage     (chunk,) STATE rows; after a forward of n tokens the first n are theirs
    arrived   called with n in the last block's hook, when the rows are complete
    beat      called at every block, also while nothing is captured: a sign of life
    """

    def __init__(self, model_map, descriptor, chunk=CHUNK):
        self.stage = np.zeros(chunk, state_dtype(descriptor))
        self.count, self.done_ns = 0, 0   # tokens of this forward to keep; 0 switches capture off
        self.arrived = lambda count: None
        self.beat = lambda: None
        self._handles, self._turns = [], []
        self.stage["valid"] = self._attach(model_map)
        first = self.stage.dtype.fields["resid"][1]
        last, offset = self.stage.dtype.fields["act"][0], self.stage.dtype.fields["act"][1]
        self.bytes = self.stage.view(np.uint8).reshape(chunk, -1)
        self.numbers = self.bytes[:, first:offset + last.itemsize].view(np.int32)
        self.heads = self.bytes[:, :self.stage.dtype.fields["published_ns"][1]].view(np.int64)
        largest(self.numbers[0])          # compiled now, not at the first token

    def _attach(self, model_map):
        """Registers the hooks; returns the validity bits (4, layers + 1)."""
        fields = {n: torch.from_numpy(self.stage[n]) for n in ("resid", "attn", "mlp", "act")}
        depth = len(model_map.blocks)
        valid = np.zeros((4, depth + 1), np.uint8)
        valid[0] = 1
        calls = {}                        # (module, is input) -> rows of each of its calls
        self._embedding(model_map.blocks[0], Rows(fields["resid"][:, 0]))
        for i, block in enumerate(model_map.blocks):
            for row, name, taps in ((1, "attn", block.attention), (2, "mlp", block.mlp)):
                valid[row, i] = bool(taps)
                for k, tap in enumerate(taps):
                    target = Rows(fields[name][:, i], tap.scale, add=k > 0)
                    calls.setdefault((tap.module, False), []).append(target)
            if block.down is not None:
                valid[3, i] = 1
                target = Rows(fields["act"][:, i, :block.width])
                calls.setdefault((block.down, True), []).append(target)
        for (module, is_input), targets in calls.items():
            self._tap(module, is_input, targets)
        for i, block in enumerate(model_map.blocks):
            self._block(block, Rows(fields["resid"][:, i + 1]), last=i == depth - 1)
        return valid

    def _embedding(self, block, rows):
        stream, streams = block.stream, block.streams

        def hook(module, args, kwargs):
            self.beat()
            for turn in self._turns:
                turn[0] = 0
            if self.count:
                x = args[stream] if isinstance(stream, int) else kwargs[stream]
                rows.put(x[0] if streams else x, self.count)
        self._handles.append(block.module.register_forward_pre_hook(hook, with_kwargs=True))

    def _tap(self, module, is_input, targets):
        """One hook a module; a module that several blocks share fills their rows in call order."""
        turn = [0]
        if len(targets) > 1:
            self._turns.append(turn)

            def put(x):
                if self.count:
                    targets[turn[0]].put(x, self.count)
                    turn[0] = (turn[0] + 1) % len(targets)
        else:
            def put(x, rows=targets[0]):
                if self.count:
                    rows.put(x, self.count)

        def before(module, args):
            put(args[0])

        def after(module, args, out):
            put(out if type(out) is torch.Tensor else hidden(out))
        self._handles.append(module.register_forward_pre_hook(before) if is_input
                             else module.register_forward_hook(after))

    def _block(self, block, rows, last):
        streams = block.streams

        def hook(module, args, out):
            self.beat()
            if self.count:
                x = out if type(out) is torch.Tensor else hidden(out)
                rows.put(x[0] if streams else x, self.count)
                if last:
                    self.done_ns = time.perf_counter_ns()
                    self.arrived(self.count)
        self._handles.append(block.module.register_forward_hook(hook))

    def finite(self, row):
        """False when a captured row holds a NaN, an infinity, or numbers whose squares overflow."""
        return largest(self.numbers[row]) < LARGEST

    def close(self):
        """Takes the hooks off (tests and comparisons; a worker keeps them for life)."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

