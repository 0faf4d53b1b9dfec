"""Where to tap any causal LM: by structure, then confirmed by one traced forward. Thread: control.

Blocks are the `ModuleList` whose children the trace saw called in order with hidden-wide outputs.
What attention and MLP write into the residual stream is found by arithmetic, not by name: of all
hidden-wide outputs inside a block, those two that add up to block output - block input. So a norm
after the write (Gemma-2, OLMo-2), a residual multiplier (Granite), parallel branches (GPT-J) and
an MLP that returns MLP + residual (BLOOM) need no cases of their own. What does not add up is
absent, never guessed.
"""
import re
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import nn

from engine.errors import ModelError
from engine.model.trace import TOKENS, features, first_of, is_linear, text_config, trace

MIXER = re.compile(r"attn|attention|mixer|mamba|conv|temporal_block|time_mix|rnn", re.I)
MLP = re.compile(r"mlp|feed_forward|ffn|ff$|moe|channel_mix|experts", re.I)
NORM = re.compile(r"norm|ln_|ln\d|dropout", re.I)


@dataclass
class Tap:
    """A module whose output, times `scale`, is what is captured.

    kept  nothing writes into that output later in the forward, so that it may be read at the end
    """
    module: nn.Module
    name: str
    scale: float = 1.0
    kept: bool = False


@dataclass
class Block:
    """One block: the taps of both writes, and the projection whose input is the activation."""
    module: nn.Module
    name: str
    attention: tuple = ()                 # Taps that sum to the token mixer's write; () is absent
    mlp: tuple = ()
    down: nn.Module | None = None
    width: int = 0                        # of the activation
    stream: int | str = 0                 # which argument of the block is the residual stream
    streams: bool = False                 # several residual streams (Gemma-3n): the first is read
    kept: bool = False                    # as in Tap, of the block's output
    down_kept: bool = False               # and of the down projection's input


@dataclass
class ModelMap:
    blocks: list
    width: int
    final_norm: nn.Module | None
    final_norm_name: str
    head: nn.Module | None
    notes: list = field(default_factory=list)


def declared_blocks(model):
    """Class names that the model itself lists as producers of hidden states (transformers 5)."""
    names = set()
    for module in model.modules():
        table = getattr(type(module), "_can_record_outputs", None)
        entry = table.get("hidden_states") if isinstance(table, dict) else None
        for item in entry if isinstance(entry, list | tuple) else [entry]:
            target = getattr(item, "target_class", item)
            names |= {getattr(target, "__name__", target)} if target is not None else set()
    return names


def find_blocks(model, calls):
    """(name, ModuleList, index of each block's call in `calls`).

    raises  ModelError when no list of blocks was called in order with hidden-wide outputs
    """
    layers = first_of(text_config(model), "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    declared, ranked = declared_blocks(model), []
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module):
            kinds = {type(child).__name__ for child in module}
            score = 2 * bool(kinds & declared) + (len(module) == layers)
            ranked += [(-score, len(ranked), name, module)] if score else []
    for _, _, name, module in sorted(ranked, key=lambda r: r[:2]):
        places = [[i for i, c in enumerate(calls) if c.module is child] for child in module]
        if all(places) and sorted(first := [p[0] for p in places]) == first:
            shapes = [calls[i].ref.shape if calls[i].ref is not None else () for i in first]
            if all(len(s) >= 3 and s[-2] == TOKENS for s in shapes):
                return name, module, first
    raise ModelError(f"{type(model).__name__} has no list of blocks that a forward calls in order: "
                     "choose a decoder-only model")


def stream_argument(call, before):
    """Which argument of a block is the residual stream: the previous block's output."""
    if before is not None:
        for key, value in call.inputs.items():
            if value is before.ref or value.data_ptr() == before.address:
                return key
    return "hidden_states" if "hidden_states" in call.inputs else next(iter(call.inputs), 0)


def close(start, end, parts, tolerance):
    """Scales s of `parts` with end - start == sum(s * part), or None; scales of one come first.

    tolerance  of each element, relative to the sizes of what was added there
    """
    start, end = start.double().reshape(-1), end.double().reshape(-1)
    stacked = torch.stack([p.double().reshape(-1) for p in parts], 1)
    write = end - start
    size = start.abs() + end.abs() + stacked.abs().sum(1) + 1e-30
    if bool(((write - stacked.sum(1)).abs() <= tolerance * size).all()):
        return (1.0,) * len(parts)
    scales = torch.linalg.lstsq(stacked, write[:, None]).solution[:, 0]
    if not bool(torch.isfinite(scales).all()) or float(scales.abs().min()) < 1e-3:
        return None
    fits = bool(((write - stacked @ scales).abs() <= tolerance * size).all())
    return tuple(map(float, scales)) if fits else None


def find_writes(start, end, mixers, mlps, tolerance):
    """The Taps of attention and MLP that add up to end - start: ((...), (...)), () where absent.

    mixers, mlps  candidates [(name, Call)], the preferred ones first
    """
    if end.shape != start.shape or not bool(torch.isfinite(end).all()):
        return (), ()
    choices = [((a,), (m,)) for a in mixers for m in mlps]
    choices += [((a,), ()) for a in mixers] + [((), (m,)) for m in mlps]
    tops = [entry for entry in mixers if not NORM.search(entry[0]) and "." not in entry[0]]
    choices += [(pair, (m,)) for pair in combinations(tops, 2) for m in mlps[:6]]   # Falcon-H1
    best = None
    for attention, mlp in choices:
        every = attention + mlp
        found = close(start, end, [c.out.reshape(start.shape) for _, c in every], tolerance)
        plain = found is not None and set(found) == {1.0}
        if found is not None and (best is None or (plain and not best[0])):
            taps = [Tap(c.module, n, s, c.kept()) for (n, c), s in zip(every, found, strict=True)]
            best = plain, tuple(taps[:len(attention)]), tuple(taps[len(attention):])
        if plain:
            break
    return best[1:] if best else ((), ())


def candidates(block, inside, elements):
    """(mixer, MLP) candidates [(name, Call)] of a block's calls: outer modules first."""
    names = {module: name for name, module in block.named_modules()}
    def mixes(name):
        top = name.split(".")[0]
        return bool(MIXER.search(top)) and not MLP.search(top) and not NORM.search(top)
    wide = [(names[c.module], c) for c in inside if c.module in names and names[c.module]
            and c.out is not None and c.out.numel() == elements]
    mixers = [(n, c) for n, c in wide if mixes(n)]
    norms = [(n, c) for n, c in wide if not mixes(n) and "." not in n and NORM.search(n)]
    others = [(n, c) for n, c in wide if not mixes(n)]
    def order(entry):
        name = entry[0]
        return name.count(".") + 2 * bool(NORM.search(name)), -len(others)
    return sorted(mixers, key=order) + norms, sorted(others, key=order)


def find_down(block, inside, width):
    """The projection back to the residual width, outside the mixer, with the widest input; or None.

    A block without an MLP (Mamba) gives its mixer's own output projection.
    """
    names = {module: name for name, module in block.named_modules()}
    linear = [(features(c.module), k, c.module) for k, c in enumerate(inside)
              if c.module in names and is_linear(c.module) and features(c.module)[1] == width]
    def mixes(module):
        top = names[module].split(".")[0]
        return bool(MIXER.search(top)) and not MLP.search(top)
    free = [entry for entry in linear if not mixes(entry[2])]
    if not free and not any(MLP.search(name.split(".")[0]) for name in names.values()):
        free = [entry for entry in linear if entry[0][0] > width]
    return max(free, key=lambda e: (e[0][0], e[1]))[2] if free else None


def find_final_norm(model, calls, last):
    """(module, name) of the norm that consumed the last block's output, or (None, "")."""
    names = {module: name for name, module in model.named_modules()}
    state = calls[last]
    for call in calls[last + 1:]:
        if any(True for _ in call.module.children()) or call.ref is None:
            continue
        fed = any(v is state.ref or v.data_ptr() == state.address for v in call.inputs.values())
        if fed and re.search("norm|ln", type(call.module).__name__ + names[call.module], re.I):
            return call.module, names[call.module]
    return None, ""


def map_block(name, module, calls, place, before, tolerance):
    """One Block from the calls since the block before it returned."""
    call = calls[place]
    inside = calls[before + 1 if before is not None else 0:place]
    stream = stream_argument(call, calls[before] if before is not None else None)
    width = call.ref.shape[-1]
    block = Block(module, name, stream=stream, streams=call.ref.dim() > 3)
    start = call.inputs.get(stream)
    if not block.streams and start is not None and call.out is not None:
        mixers, mlps = candidates(module, inside, call.ref.numel())
        block.attention, block.mlp = find_writes(start, call.out, mixers, mlps, tolerance)
    block.down = find_down(module, inside, width)
    block.width = features(block.down)[0] if block.down is not None else 0
    block.kept = call.kept()
    block.down_kept = all(c.source_kept() for c in inside if c.module is block.down)
    return block


def discover(model):
    """The ModelMap of a causal LM in eval mode.

    raises  ModelError when it has no blocks that a forward calls in order
    """
    calls = trace(model)
    name, modules, places = find_blocks(model, calls)
    tolerance = 4 * torch.finfo(next(model.parameters()).dtype).eps
    blocks = [map_block(f"{name}.{i}", module, calls, places[i], places[i - 1] if i else None,
                        tolerance) for i, module in enumerate(modules)]
    width = int(calls[places[0]].ref.shape[-1])
    if len(blocks) > 1 and isinstance(blocks[1].stream, int):
        blocks[0].stream = blocks[1].stream if blocks[1].stream in calls[places[0]].inputs else 0
    norm, norm_name = find_final_norm(model, calls, places[-1])
    head = model.get_output_embeddings()
    return ModelMap(blocks, width, norm, norm_name, head, notes(blocks, norm))


def notes(blocks, norm):
    """What a listener should know about this architecture, in a few words each."""
    def where(test):
        return ", ".join(str(i) for i, b in enumerate(blocks) if test(b))
    said = [(where(lambda b: b.down is None), "no MLP projection to tap in blocks"),
            (where(lambda b: not b.attention), "attention write not separable in blocks"),
            (where(lambda b: not b.mlp), "MLP write not separable in blocks")]
    lines = [f"{text} {found}" for found, text in said if found]
    lines += ["several residual streams: the first is read"] if blocks[0].streams else []
    return lines + ([] if norm is not None else ["no norm after the last block"])
