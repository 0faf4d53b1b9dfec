"""Evidence: whether a difference of class means tells texts apart that it was not learned from.
Thread: control.

A direction is the mean state of the positive class minus that of the negative one, of standardised
states. Everything here needs only the states' products with each other, per layer a matrix
(texts, texts): a direction is a weight a text, its score of another text a row of products.

auc        held out: in each of five parts, the direction of the other four. 0.5 is chance
control    the same with labels that were dealt out anew: its mean, and the share of deals whose
           best layer does as well (p, so the choice of the layer is paid for)
stability  cosine between the direction and those of texts drawn again with replacement

Not the first component of the pairs' differences: PCA takes the mean out, and the mean is the
direction. Source: Marks and Tegmark 2023 (difference of means); Arditi 2024 (not the last fifth of
the layers); Ojala and Garriga, JMLR 11 (2010), permutation tests of classifiers.
"""
import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

PARTS, DEALS, DRAWS, SEED = 5, 500, 500, 1
DEEPEST = 0.8                             # of the layers: above, states turn into the next word


@dataclass(frozen=True)
class Evidence:
    """layer: the chosen one, counted from 1. Of it: auc of texts and of single tokens, control_auc,
    p, cosine and its lowest 2.5 %; aucs, token_aucs: of every layer. None: tokens were not read."""
    layer: int
    auc: float
    token_auc: float | None
    control_auc: float
    p: float
    cosine: float
    cosine_low: float
    aucs: tuple
    token_aucs: tuple | None


@dataclass(frozen=True)
class Heard:
    """text: of which text each token is; products: (layers, texts, tokens), with texts' states."""
    text: np.ndarray
    products: np.ndarray


def parts_of(positive, groups, random):
    """Which of PARTS each text tests: groups stay whole, each part has its share of each class."""
    part, names = np.zeros(len(groups), int), np.unique(groups)
    sides = np.array([positive[groups == name].mean() for name in names])
    order = random.permutation(len(names))
    order = order[np.argsort(sides[order], kind="stable")]
    for k, name in enumerate(names[order]):
        part[groups == name] = k % PARTS
    return part


def deals(positive, groups, part, paired, random):
    """(DEALS, texts) labels dealt out anew: swapped within pairs, else within each part."""
    out = np.tile(positive, (DEALS, 1))
    cells = groups if paired else part
    for name in np.unique(cells):
        at = np.flatnonzero(cells == name)
        out[:, at] = random.permuted(out[:, at], axis=1)
    return out


def weights(labels):
    """A weight a text: 1 / positives, -1 / negatives; labels (…, texts) bool."""
    positive = labels.astype(float)
    negative = 1.0 - positive
    return positive / positive.sum(-1, keepdims=True) - negative / negative.sum(-1, keepdims=True)


def auc(scores, labels):
    """(deals,) share of pairs whose positive text scores higher; both (deals, texts)."""
    count = labels.sum(axis=1)
    above = (rankdata(scores, axis=1) * labels).sum(axis=1) - 0.5 * count * (count + 1)
    return above / np.maximum(count * (labels.shape[1] - count), 1)


def tested(products, labels, learn, test):
    """(deals,) AUC on the texts `test` of the direction of the texts `learn`."""
    w = weights(labels[:, learn])
    return auc(w @ products[np.ix_(learn, test)], labels[:, test])


def held_out(products, labels, part):
    """(deals,) mean AUC over the parts."""
    return np.mean([tested(products, labels, part != k, part == k)
                    for k in np.unique(part)], axis=0)


def heard_out(heard, positive, part):
    """(layers,) AUC of single tokens of held-out texts."""
    found = []
    for k in np.unique(part):
        learn, tokens = part != k, part[heard.text] == k
        scores = weights(positive[learn]) @ heard.products[:, learn][:, :, tokens]
        labels = np.broadcast_to(positive[heard.text[tokens]], scores.shape)
        found.append(auc(scores, labels))
    return np.mean(found, axis=0)


def cosines(products, positive, groups, paired, random):
    """(DRAWS,) cosines to the direction of those of texts (pairs) drawn with replacement."""
    w, out = weights(positive), np.empty(DRAWS)
    size = np.sqrt(max(w @ products @ w, 1e-30))
    sides = [np.unique(groups, return_inverse=True)[1]] if paired else [
        np.flatnonzero(positive), np.flatnonzero(~positive)]
    for k in range(DRAWS):
        count = np.zeros(len(positive))
        if paired:
            drawn = random.integers(0, sides[0].max() + 1, sides[0].max() + 1)
            count = np.bincount(drawn, minlength=sides[0].max() + 1)[sides[0]].astype(float)
        else:
            for side in sides:
                count += np.bincount(side[random.integers(0, len(side), len(side))],
                                     minlength=len(positive))
        v = np.where(positive, count / max(count[positive].sum(), 1.0),
                     -count / max(count[~positive].sum(), 1.0))
        out[k] = (v @ products @ w) / (np.sqrt(max(v @ products @ v, 1e-30)) * size)
    return out


def weigh(states, contrast, layer=None, heard=None):
    """The Evidence of standardised states (texts, layers, width), row 0 being layer 1.

    layer   the one to take; None: of those below DEEPEST the one with the best AUC, of tokens if
            they are there (they are what is heard), else of texts
    heard   the tokens of the texts, a Heard
    """
    positive, groups, paired = contrast.positive, contrast.groups, contrast.paired
    random = np.random.default_rng(SEED)
    part = parts_of(positive, groups, random)
    labels = np.vstack([positive[None], deals(positive, groups, part, paired, random)])
    products = [np.asarray(z, np.float64) @ np.asarray(z, np.float64).T
                for z in np.moveaxis(states, 1, 0)]
    aucs = np.array([held_out(p, labels, part) for p in products])         # (layers, 1 + deals)
    tokens = None if heard is None else heard_out(heard, positive, part)
    if layer is None:
        judged = aucs[:, 0] if tokens is None else tokens
        layer = 1 + int(np.argmax(judged[:math.ceil(DEEPEST * len(judged))].round(9)))
        rival = aucs[:, 1:].max(axis=0)
    else:
        rival = aucs[layer - 1, 1:]
    found, spread = aucs[layer - 1], cosines(products[layer - 1], positive, groups, paired, random)
    return Evidence(
        int(layer), float(found[0]), None if tokens is None else float(tokens[layer - 1]),
        float(found[1:].mean()), float((1 + (rival >= found[0] - 1e-12).sum()) / (1 + DEALS)),
        float(spread.mean()), float(np.quantile(spread, 0.025)),
        tuple(float(x) for x in aucs[:, 0]),
        None if tokens is None else tuple(float(x) for x in tokens))
