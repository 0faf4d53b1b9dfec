"""One traced forward of a causal LM: every module call, in the order of return. Thread: control."""
from dataclasses import dataclass

import torch
from torch import nn

TOKENS = 3                                # length of the traced forward


@dataclass
class Call:
    """One call seen by the trace. `out` is a copy of the main output, `ref` the tensor itself."""
    module: nn.Module
    inputs: dict
    ref: torch.Tensor | None
    out: torch.Tensor | None
    address: int
    source: torch.Tensor | None           # a copy of a linear module's input

    def kept(self):
        """Whether, at the end of the forward, the output is still what it was."""
        return self.out is not None and torch.equal(self.ref, self.out)

    def source_kept(self):
        return self.source is not None and torch.equal(self.inputs[0], self.source)


def hidden(out):
    """The main tensor in whatever a module returned, or None."""
    if torch.is_tensor(out):
        return out
    if hasattr(out, "last_hidden_state"):
        return out.last_hidden_state
    values = out.values() if isinstance(out, dict) else out if isinstance(out, tuple | list) else ()
    return next((t for t in map(hidden, values) if t is not None), None)


def text_config(model):
    config = model.config
    return config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config


def first_of(config, *names):
    """The first of several names a config has as an int, else 0."""
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int)), 0)


def is_linear(module):
    """nn.Linear, GPT-2's Conv1D, and quantised ones by their name."""
    kind = type(module).__name__
    return isinstance(module, nn.Linear) or "Linear" in kind or "Conv1D" in kind


def features(module):
    """(in, out) features of a linear-like module; 0 where it does not say."""
    if hasattr(module, "nx"):
        return module.nx, module.nf
    if hasattr(module, "in_features"):
        return module.in_features, module.out_features
    shape = getattr(getattr(module, "weight", None), "shape", (0, 0))
    return (shape[0], shape[1]) if "Conv1D" in type(module).__name__ else (shape[-1], shape[0])


@torch.inference_mode()
def trace(model):
    """Every module call of one forward of TOKENS tokens, in the order in which they returned."""
    calls = []

    def hook(module, args, kwargs, out):
        named = {**dict(enumerate(args)), **kwargs}
        inputs = {k: v for k, v in named.items() if torch.is_tensor(v)}
        ref = hidden(out)
        small = ref is not None and ref.numel() < 1 << 22
        source = inputs[0].clone() if small and 0 in inputs and is_linear(module) else None
        calls.append(Call(module, inputs, ref, ref.clone() if small else None,
                          ref.data_ptr() if ref is not None else 0, source))

    handles = [m.register_forward_hook(hook, with_kwargs=True) for m in model.modules()]
    vocabulary = max(8, first_of(text_config(model), "vocab_size"))
    try:
        ids = torch.arange(3, 3 + TOKENS)[None] % vocabulary
        model(input_ids=ids.to(next(model.parameters()).device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return calls
