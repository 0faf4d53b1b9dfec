"""The lens: the head's own rows on the states of earlier layers, and the law at other temperatures.
Thread: control.

Of the vocabulary the emitted token and 255 fixed random ones are read, so that a 270 M model's lens
is one product of 18 x 640 by 640 x 256. The head's own numbers at the last layer say by how much
its logits are scaled; where they disagree there is no lens. Source: nostalgebraist 2020.
"""
import math

import numpy as np
import torch

from engine.records import HEATS

SAMPLED, SEED = 255, 23
STRONGEST, MASS = 1024, 0.99              # of the law; below that mass there is no temperature
AGREES = 0.98                             # cosine of made and true logits


def lens_of(model, model_map):
    """The Lens of a model, None where its head is no plain matrix on the final norm's output."""
    weight = getattr(model_map.head, "weight", None)
    if model_map.final_norm is None or weight is None or weight.dim() != 2 or \
            weight.shape[1] != model_map.width or not weight.is_floating_point():
        return None
    return Lens(model_map.final_norm, model_map.head)


def laws(made):
    """Log shares of rows of logits."""
    made = made - made.max(axis=1, keepdims=True)
    return made - np.log(np.exp(made).sum(axis=1, keepdims=True))


def committed(own, others):
    """First layer (1..L) over L from which on `own` (L,) stays above all of others (L, n)."""
    behind = np.flatnonzero(own <= others.max(axis=1))
    first = behind[-1] + 2 if len(behind) else 1
    return min(first, len(own)) / len(own)


def divergence_nat(p, q):
    """Jensen-Shannon divergence of two laws given by their logs, nat."""
    p, q = np.exp(p), np.exp(q)
    m = 0.5 * (p + q) + 1e-300
    return 0.5 * float((p * np.log(p / m + 1e-300) + q * np.log(q / m + 1e-300)).sum())


def heats(logits):
    """E[-log p] of a law sampled at each of HEATS; NaN when its strongest hold too little of it."""
    kept = torch.topk(logits.float(), min(STRONGEST, logits.shape[-1])).values.double()
    logs = (kept - torch.logsumexp(logits.double(), 0)).numpy()
    if not np.exp(logs).sum() >= MASS:
        return np.full(len(HEATS), np.nan)
    tempered = logs[None] / np.array(HEATS)[:, None]
    shares = np.exp(tempered - tempered.max(axis=1, keepdims=True))
    return -(shares @ logs) / shares.sum(axis=1)


class Lens:
    """Reads one record: read(states, logits, token)."""

    def __init__(self, norm, head):
        self.norm, self.head = norm, head
        count = head.weight.shape[0]
        ids = np.random.default_rng(SEED).permutation(count)[:SAMPLED]
        self.ids = torch.from_numpy(np.sort(ids))
        self.rows = head.weight[self.ids].float()
        bias = getattr(head, "bias", None)
        self.bias = None if bias is None else bias.float()
        self.kind = next((p.dtype for p in norm.parameters()), head.weight.dtype)

    @torch.inference_mode()
    def read(self, states, logits, token):
        """(commit, slope_nat, unrest_nat, heat_nat) of states (layers + 1, width), the logits that
        followed and the token that was chosen; the first three NaN where the lens does not fit."""
        x = self.norm(torch.from_numpy(states[1:]).to(self.kind)[None])[0].float()
        made = (x @ self.rows.t()).double().numpy()
        own = (x @ self.head.weight[token].float()).double().numpy()
        if self.bias is not None:
            made, own = made + self.bias[self.ids].numpy(), own + float(self.bias[token])
        told = (math.nan,) * 3
        true, size = logits[self.ids].double().numpy(), float(made[-1] @ made[-1])
        scale = float(made[-1] @ true) / size if size > 0.0 else 0.0
        if scale > 0.0 and float(made[-1] @ true) >= AGREES * math.sqrt(size * float(true @ true)):
            told = self.told(scale * own, np.where(self.ids.numpy() == token, -np.inf,
                                                   scale * made))
        return (*told, heats(logits))

    def told(self, own, others):
        """The three numbers of logits by layer: of the token (L,) and of the sample (L, n)."""
        logs, depth = laws(np.column_stack([own, others])), len(own)
        upper = logs[depth // 2:, 0]
        slope = np.polyfit(np.arange(len(upper)), upper, 1)[0] if len(upper) > 1 else math.nan
        unrest = divergence_nat(logs[-(-3 * depth // 4) - 1], logs[-1])
        return committed(own, others), float(slope), unrest
