"""The next token: the 64 likeliest, then temperature, top-p, a repetition guard. Thread: control.

A full sort of a 262,144-entry vocabulary costs 23 ms a token, the top 64 cost 0.3 ms. The random
number of a token is a hash of (seed, sequence number): a rewound performance takes the same turns.
"""
import math
from typing import NamedTuple

import numpy as np
import torch

from engine.records import TOP

CANDIDATES = 64
MASK = (1 << 64) - 1
SHORTEST, LONGEST = 3, 7                  # tokens of repeated context that cost; the longest bars
COST_NAT, GROWTH = 2.0, 1.8               # a repetition after 3 tokens at guard 1; growth per token
WINDOW = 12_000                           # tokens remembered: more than half an hour of a set
COMPARED = 512                            # places compared, at most


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
    """Remembers where each run of SHORTEST tokens stood in the last WINDOW tokens.

    strength  0 off .. 1: scales what a repetition costs; above 0, no LONGEST + 1 repeat
    """

    def __init__(self, strength):
        self.strength = float(strength)
        self.tokens = []
        self.dropped = 0                  # tokens forgotten for good, before `tokens`
        self._places = {}                 # hash of a run -> indices of the tokens after it, rising

    def __len__(self):
        return self.dropped + len(self.tokens)

    def _run(self, place):
        """The key of the run before tokens[place], or None."""
        at = place - self.dropped
        return hash(tuple(self.tokens[at - SHORTEST:at])) if at >= SHORTEST else None

    def _forget(self, place, which):
        """Takes the first (0) or last (-1) mention of the run before `place` out."""
        places = self._places.get(run := self._run(place))
        if places:
            places.pop(which)
            if not places:
                del self._places[run]

    def push(self, token):
        """One more token was written."""
        self.tokens.append(int(token))
        place = len(self) - 1
        if (run := self._run(place)) is not None:
            self._places.setdefault(run, []).append(place)
        if place >= WINDOW:
            self._forget(place - WINDOW, 0)
        if len(self.tokens) > 3 * WINDOW:
            del self.tokens[:WINDOW]
            self.dropped += WINDOW

    def rewind(self, length):
        """Forgets all but the first `length` tokens."""
        while len(self) > length and self.tokens:
            place = len(self) - 1
            if place >= WINDOW and (run := self._run(place - WINDOW)) is not None:
                self._places.setdefault(run, []).insert(0, place - WINDOW)
            self._forget(place, -1)
            self.tokens.pop()

    def costs(self, candidates):
        """What each candidate's repetition costs, nats; inf bars it.

        candidates  (n,) token ids; returns (n,) float64, or None when nothing repeats
        """
        places = self._places.get(self._run(len(self))) if self.strength > 0.0 else None
        if not places:
            return None
        tokens, longest = self.tokens, {}
        for place in places[-COMPARED:]:
            at, same = place - self.dropped, 0
            while same < LONGEST and same < at and tokens[at - 1 - same] == tokens[-1 - same]:
                same += 1
            longest[tokens[at]] = max(longest.get(tokens[at], 0), same)
        return np.array([self._cost(longest.get(int(token), 0)) for token in candidates])

    def _cost(self, same):
        """What it costs to go on as before after `same` equal tokens."""
        if same < SHORTEST:
            return 0.0
        return math.inf if same >= LONGEST else \
            self.strength * COST_NAT * GROWTH ** (same - SHORTEST)


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
