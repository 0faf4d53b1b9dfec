"""The next token: the 64 likeliest, then temperature, top-p, a repetition guard. Thread: control.

A full sort of a 262,144-entry vocabulary costs 23 ms a token, the top 64 cost 0.3 ms. The random
number of a token is a hash of (seed, sequence number): a rewound performance takes the same turns.
"""
import math
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import torch

from engine.records import TOP

CANDIDATES = 64
MASK = (1 << 64) - 1
SHORTEST, LONGEST = 3, 7                  # tokens of repeated context that cost; the longest bars
COST_NAT, GROWTH = 2.0, 1.8               # a repetition after 3 tokens at guard 1; growth per token
WINDOW = 12_000                           # tokens remembered: more than half an hour of a set


class Choice(NamedTuple):
    token: int
    surprisal_nat: float
    entropy_nat: float
    margin_nat: float
    top: np.ndarray                       # (TOP,) log-probabilities, falling


def uniform(seed, count):
    """A number in [0, 1) from two integers (splitmix64: Steele, Lea and Flood 2014)."""
    x = (int(seed) * 0x9E3779B97F4A7C15 + int(count) * 0xD1B54A32D192ED03) & MASK
    for _ in range(2):
        x = (x + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        x ^= x >> 31
    return (x >> 11) / (1 << 53)


class Guard:
    """Remembers which token followed which context in the last WINDOW tokens.

    strength  0 off .. 1: scales what a repetition costs; above 0, no LONGEST + 1 repeat
    """

    def __init__(self, strength):
        self.strength = float(strength)
        self.tokens = []
        self.dropped = 0                  # tokens forgotten for good, before `tokens`
        self._after = {n: defaultdict(dict) for n in range(SHORTEST, LONGEST + 1)}

    def __len__(self):
        return self.dropped + len(self.tokens)

    def _count(self, end, step):
        """Adds `step` to every n-gram that ends with tokens[end]."""
        for n, table in self._after.items():
            if end >= n:
                context, token = tuple(self.tokens[end - n:end]), self.tokens[end]
                counts = table[context]
                counts[token] = counts.get(token, 0) + step
                if not counts[token]:
                    del counts[token]
                    if not counts:
                        del table[context]

    def push(self, token):
        """One more token was written."""
        self.tokens.append(int(token))
        end = len(self.tokens) - 1
        self._count(end, 1)
        if end >= WINDOW:
            self._count(end - WINDOW, -1)
        if len(self.tokens) > 3 * WINDOW:
            del self.tokens[:WINDOW]
            self.dropped += WINDOW

    def rewind(self, length):
        """Forgets all but the first `length` tokens."""
        while len(self) > length and self.tokens:
            end = len(self.tokens) - 1
            if end >= WINDOW:
                self._count(end - WINDOW, 1)
            self._count(end, -1)
            self.tokens.pop()

    def costs(self, candidates):
        """What each candidate's repetition costs, nats; inf bars it.

        candidates  (n,) token ids; returns (n,) float64, or None when nothing repeats
        """
        if self.strength <= 0.0:
            return None
        costs = None
        for n, table in self._after.items():
            counts = table.get(tuple(self.tokens[-n:])) if len(self.tokens) >= n else None
            if counts:
                costs = np.zeros(len(candidates)) if costs is None else costs
                cost = self.strength * COST_NAT * GROWTH ** (n - SHORTEST)
                costs[np.isin(candidates, list(counts))] = math.inf if n == LONGEST else cost
        return costs


def statistics(logits):
    """(log of the normaliser, entropy in nats) of a row of float32 logits; NaN in, NaN out."""
    top = logits.max()
    shifted = logits - top
    weights = torch.exp(shifted)
    total = float(weights.sum())
    mean = float(torch.dot(weights, shifted)) / total
    if math.isnan(mean):                  # 0 * -inf: masked entries have no share
        mean = float(torch.dot(weights, torch.where(weights > 0, shifted, 0.0))) / total
    log_total = math.log(total) if total > 0 else math.nan
    return float(top) + log_total, log_total - mean


def pick(values, temperature, top_p, u):
    """Index into falling log-weights, by inverse of the cumulative sum at u in [0, 1)."""
    if temperature < 1e-3:
        return int(np.argmax(values))
    weights = np.exp((values - values.max()) / temperature)
    order = np.argsort(-weights, kind="stable")
    sums = np.cumsum(weights[order])
    keep = min(int(np.searchsorted(sums, top_p * sums[-1])) + 1, len(values))
    return int(order[min(int(np.searchsorted(sums[:keep], u * sums[keep - 1], "right")), keep - 1)])


def sample(logits, temperature, top_p, guard, u):
    """Chooses the next token from (vocabulary,) logits.

    u        uniform number in [0, 1)
    returns  Choice; surprisal, entropy and margin are those of the model's own distribution,
             before temperature and guard. Logits without a finite number give a token by u, and NaN
    """
    logits = logits.float()
    values, indices = torch.topk(logits, min(CANDIDATES, logits.shape[-1]))
    values, indices = values.double().numpy(), indices.numpy()
    if not np.isfinite(values[0]):
        logits = torch.nan_to_num(logits, nan=-math.inf, posinf=3e38, neginf=-math.inf)
        values, indices = torch.topk(logits, len(values))
        values, indices = values.double().numpy(), indices.numpy()
        if not np.isfinite(values[0]):
            return Choice(int(u * logits.shape[-1]), math.nan, math.nan, math.nan,
                          np.full(TOP, math.nan, np.float32))
    norm, entropy_nat = statistics(logits)
    weights = values if (costs := guard.costs(indices)) is None else values - costs
    if not np.isfinite(weights.max()):
        weights = values                  # all 64 would repeat: rather repeat than stop
    at = pick(weights, temperature, top_p, u)
    top = np.full(TOP, -math.inf, np.float32)
    top[:min(TOP, len(values))] = values[:TOP] - norm
    margin = float(values[0] - values[1]) if len(values) > 1 else math.inf
    return Choice(int(indices[at]), float(norm - values[at]), entropy_nat, margin, top)
