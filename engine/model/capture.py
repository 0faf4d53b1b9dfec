"""Permanent hooks that copy each token's rows out of the forward pass. Thread: control.

The hooks fill one preallocated array of STATE rows (float32, a row per token of a chunk). Of a
prompt they copy at once; of a single token they note the tensors, and the last block's hook copies
all in one compiled pass (half the cost of 25 small copies), save those that something writes into
later in the forward. What heads write and look at is worked out there too, where those tiers are
captured. That hook then calls `arrived`, before the final norm and the head have run:
in a 270 M model the head is 43 of 73 ms, so a state is on its way that much earlier.
"""
import functools
import time

import numpy as np
import torch
from numba import carray

from engine.model.attention import Gaze
from engine.model.heads import Heads
from engine.model.trace import first_of, hidden, text_config
from engine.records import DEARER, HEADS, ROWS, TIERS, Descriptor, state_dtype
from engine.rt import from_bits, pointer, rt_host

CHUNK = 32                                # tokens of one prefill forward


def describe(model, model_map, name, context, weight_hash="", extras=None, sinks=(0,)):
    """The Descriptor of a mapped model;  extras  see `engine.model.tiers`."""
    config, extras = text_config(model), extras or {}
    return Descriptor(
        name=name, layers=len(model_map.blocks), width=model_map.width,
        widths=tuple(block.width for block in model_map.blocks),
        heads=first_of(config, "num_attention_heads", "n_head", "n_heads"),
        vocabulary=first_of(config, "vocab_size"), context=context, weight_hash=weight_hash,
        notes=tuple(model_map.notes), sinks=tuple(sinks),
        tiers=(*TIERS[:3], *(tier for tier in DEARER if tier in extras)),
        chosen=extras.get("chosen", ()) if {"T3", "T4"} & set(extras) else ())


LARGEST = int(np.float32(1e17).view(np.int32))        # its square can still be summed


@rt_host
def largest(bits):
    """The largest magnitude of float32 numbers, as bits: infinity and NaN are above all others."""
    found = np.int32(0)
    for i in range(len(bits)):
        found = max(found, bits[i] & np.int32(0x7FFFFFFF))
    return found


@rt_host
def copy_rows(sources, targets, widths, halves, scales):
    """Copies rows from address to address as float32; halves: from bfloat16."""
    for k in range(len(sources)):
        out = carray(pointer(targets[k]), (widths[k],), np.float32)
        if halves[k]:
            short = carray(pointer(sources[k]), (widths[k],), np.uint16)
            for i in range(widths[k]):
                out[i] = from_bits(np.int32(short[i]) << np.int32(16)) * scales[k]
        else:
            whole = carray(pointer(sources[k]), (widths[k],), np.float32)
            for i in range(widths[k]):
                out[i] = whole[i] * scales[k]


class Notes:
    """Tensors noted during a one-token forward, and their rows.

    note(k, x) keeps x until the next token; copy() brings all to their rows
    """

    def __init__(self):
        self.rows, self.tensors = [], []
        self._ready = False

    def place(self, rows):
        """A place for one more tap; returns its number."""
        self.rows.append(rows)
        self.tensors.append(None)
        return len(self.rows) - 1

    def _prepare(self):
        """Addresses and sizes, once a first token has shown what kinds of tensors come."""
        self._ready, first = True, self.tensors
        self._plain = all(x is not None and x.dtype in (torch.float32, torch.bfloat16)
                          and x.is_contiguous() and x.device.type == "cpu" for x in first)
        if not self._plain:
            return
        self._halves = np.array([x.dtype == torch.bfloat16 for x in first])
        self._widths = np.array([rows.width for rows in self.rows], np.int64)
        self._total = int(self._widths.sum())
        self._targets = np.array([rows.one.data_ptr() for rows in self.rows], np.int64)
        self._scales = np.array([rows.scale for rows in self.rows], np.float32)
        self._sources = np.zeros(len(first), np.int64)

    def copy(self):
        tensors = self.tensors
        if not self._ready:
            self._prepare()
        if self._plain and sum([x.numel() for x in tensors]) == self._total:
            self._sources[:] = [x.data_ptr() for x in tensors]
            copy_rows(self._sources, self._targets, self._widths, self._halves, self._scales)
        else:
            for rows, x in zip(self.rows, tensors, strict=True):
                if x is not None:         # a module that a single token does not call
                    rows.put(x, 1)


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

    def __init__(self, model_map, descriptor, chunk=CHUNK, extras=None):
        self.stage, extras = np.zeros(chunk, state_dtype(descriptor)), extras or {}
        self.count, self.done_ns = 0, 0   # tokens of this forward to keep; 0 switches capture off
        self.place = 0                    # of the first of them in its context
        self.of_heads = Heads(self.stage, descriptor, extras["T3"]) if "T3" in extras else None
        self.gaze = Gaze(self.stage, descriptor, extras["T4"], lambda: self.count) \
            if "T4" in extras else None
        self.lens = extras.get("lens")
        self.arrived = lambda count: None
        self.beat = lambda: None
        self._wrapped, self._turns, self._notes = [], [], Notes()
        self.stage["valid"] = self._attach(model_map)
        first = self.stage.dtype.fields["resid"][1]
        last, offset = self.stage.dtype.fields["act"][0], self.stage.dtype.fields["act"][1]
        self.bytes = self.stage.view(np.uint8).reshape(chunk, -1)
        self.numbers = self.bytes[:, first:offset + last.itemsize].view(np.int32)
        self.heads = self.bytes[:, :self.stage.dtype.fields["published_ns"][1]].view(np.int64)
        largest(self.numbers[0])          # compiled now, not at the first token

    def _attach(self, model_map):
        """Registers the hooks; returns the validity bits (6, layers + 1)."""
        fields = {n: torch.from_numpy(self.stage[n]) for n in ("resid", "attn", "mlp", "act")}
        depth = len(model_map.blocks)
        valid = np.zeros((6, depth + 1), np.uint8)
        valid[0] = 1
        calls = {}                        # (module, is input) -> rows of each of its calls
        self._embedding(model_map.blocks[0], Rows(fields["resid"][:, 0]))
        for i, block in enumerate(model_map.blocks):
            for row, name, taps in ((1, "attn", block.attention), (2, "mlp", block.mlp)):
                valid[row, i] = bool(taps)
                for k, tap in enumerate(taps):
                    target = Rows(fields[name][:, i], tap.scale, add=k > 0)
                    late = tap.kept and len(taps) == 1
                    calls.setdefault((tap.module, False), []).append((target, late))
            if block.down is not None:
                valid[3, i] = 1
                target = Rows(fields["act"][:, i, :block.width])
                calls.setdefault((block.down, True), []).append((target, block.down_kept))
        self._attach_heads(valid, calls)
        for (module, is_input), targets in calls.items():
            self._tap(module, is_input, targets)
        for i, block in enumerate(model_map.blocks):
            self._block(block, Rows(fields["resid"][:, i + 1]), last=i == depth - 1)
        return valid

    def _attach_heads(self, valid, calls):
        """The dearer tiers: validity bits, and taps on the projections' inputs."""
        if self.gaze:
            valid[ROWS, :-1] = [entry is not None for entry in self.gaze.found]
        for i, p in enumerate(self.of_heads.found if self.of_heads else ()):
            if p is not None:
                valid[HEADS, i] = 1
                values = torch.from_numpy(self.of_heads.values)
                calls.setdefault((p.module, True), []).append(
                    (Rows(values[:, i, :p.heads * p.size]), p.kept))

    def _embedding(self, block, rows):
        stream, streams = block.stream, block.streams

        def hook(args, kwargs):
            self.beat()
            for turn in self._turns:
                turn[0] = 0
            if self.count:
                x = args[stream] if isinstance(stream, int) else kwargs[stream]
                rows.put(x[0] if streams else x, self.count)
        self._hook(block.module, before=hook)

    def _put(self, rows, late):
        """The function that takes one tap's tensor: notes it when it may be read later."""
        if not late:
            def put(x):
                if self.count:
                    rows.put(x, self.count)
            return put
        k, tensors = self._notes.place(rows), self._notes.tensors

        def note(x):
            if self.count == 1:
                tensors[k] = x
            elif self.count:
                rows.put(x, self.count)
        return note

    def _tap(self, module, is_input, targets):
        """One hook a module; a module that several blocks share fills their rows in call order."""
        puts, turn = [self._put(rows, late) for rows, late in targets], [0]
        put = puts[0]
        if len(puts) > 1:
            self._turns.append(turn)

            def put(x):
                if self.count:
                    puts[turn[0]](x)
                    turn[0] = (turn[0] + 1) % len(puts)

        if is_input:
            self._hook(module, before=lambda args, kwargs: put(args[0]))
        else:
            self._hook(module, after=lambda out: put(
                out if type(out) is torch.Tensor else hidden(out)))

    def _block(self, block, rows, last):
        streams, put = block.streams, self._put(rows, block.kept and not block.streams)

        def hook(out):
            self.beat()
            if self.count:
                x = out if type(out) is torch.Tensor else hidden(out)
                put(x[0] if streams else x)
                if last:
                    self.done_ns = time.perf_counter_ns()
                    if self.count == 1:
                        self._notes.copy()
                    if self.of_heads:
                        self.of_heads.take(self.count)
                    if self.gaze:
                        self.gaze.take(self.count, self.place)
                    self.arrived(self.count)
        self._hook(block.module, after=hook)

    def _hook(self, module, before=None, after=None):
        """Calls before(args, kwargs) or after(out) around a module's forward.

        The forward itself is wrapped: torch's own hooks take every call through a slow path, 5 % of
        a token of the embedded model for 25 empty ones.
        """
        inner, old = module.forward, module.__dict__.get("forward")
        if before is not None:
            @functools.wraps(inner)
            def forward(*args, **kwargs):
                before(args, kwargs)
                return inner(*args, **kwargs)
        else:
            @functools.wraps(inner)
            def forward(*args, **kwargs):
                out = inner(*args, **kwargs)
                after(out)
                return out
        module.forward = forward
        self._wrapped.append((module, old))

    def finite(self, row):
        """False when a captured row holds a NaN, an infinity, or numbers whose squares overflow."""
        return largest(self.numbers[row]) < LARGEST

    def close(self):
        """Takes the hooks off (tests and comparisons; a worker keeps them for life)."""
        for module, old in reversed(self._wrapped):
            if old is None:
                del module.forward
            else:
                module.forward = old
        self._wrapped = []
        if self.gaze:
            self.gaze.close()
