"""The few statistics that the suite needs, each with its control. Thread: any."""
import math
from itertools import combinations

import numpy as np
from scipy import stats

BINS = 4
SHUFFLES = 24


def share_beyond(beyond, possible):
    """How much of the agreement that chance leaves open is there; 1.0 where it leaves none, NaN
    where nothing was compared."""
    if possible > 1e-9:
        return beyond / possible
    return 1.0 if abs(beyond) < 1e-9 else math.nan


def kappa_of(labels):
    """Cohen's kappa (1960) of rows of labels (raters, places), pooled over all pairs; -1 marks a
    place that is left out."""
    labels = np.asarray(labels)
    pairs = [(a[(a >= 0) & (b >= 0)], b[(a >= 0) & (b >= 0)])
             for a, b in combinations(labels, 2)]
    one, two = (np.concatenate(side) if pairs else np.zeros(0, int)
                for side in zip(*pairs, strict=True))
    if not len(one):
        return math.nan
    size = int(max(one.max(), two.max())) + 1
    share = [np.bincount(side, minlength=size) / len(one) for side in (one, two)]
    chance, seen = float(share[0] @ share[1]), float((one == two).mean())
    return share_beyond(seen - chance, 1.0 - chance)


def spearman(x, y):
    """Rank correlation; NaN where one side never varies."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])


def binned(values, bins=BINS):
    """Places 0..bins-1 by quantile; equal values share a bin; NaN is -1."""
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.full(len(values), -1)
    known = np.unique(finite)
    edges = known[1:] if len(known) <= bins else np.unique(
        np.quantile(finite, np.arange(1, bins) / bins))
    return np.where(np.isfinite(values), np.searchsorted(edges, values, "right"), -1)


def bits(x, y):
    """Plug-in mutual information of two rows of bins, bit; -1 is left out."""
    good = (x >= 0) & (y >= 0)
    x, y = x[good], y[good]
    if not len(x):
        return 0.0
    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1.0)
    table /= len(x)
    chance = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    some = table > 0
    return float((table[some] * np.log2(table[some] / chance[some])).sum())


def information(pairs, seed=1):
    """(bits, index) of the pair of rows that shares most, less what shuffled rows share at most.

    pairs   (x bins, y bins) each; the shuffled maximum is over all of them, so that many tries cost
    """
    if not pairs:
        return 0.0, -1
    random = np.random.default_rng(seed)
    known = [bits(x, y) for x, y in pairs]
    # the bias of a table depends on its size and its samples: each pair has its own control
    control = np.array([[bits(random.permutation(x), y) for x, y in pairs]
                        for _ in range(SHUFFLES)])
    clear = np.array(known) - control.mean(0)
    luck = float((control - control.mean(0)).max(1).mean())
    best = int(clear.argmax())
    return max(0.0, float(clear[best]) - luck), best


def told_apart(real, null, groups):
    """p that two tables of window descriptors (windows, descriptors) come from one source.

    The best single descriptor (rank sum, corrected for their number) or a linear classifier on
    descriptors and their squares, tried on texts that it was not fitted to. groups  text of each
    window of `real`, then of `null`
    returns  (p, index of the descriptor that tells most, accuracy of the classifier)
    """
    real, null = np.asarray(real, float), np.asarray(null, float)
    if len(real) < 8 or len(null) < 8:
        return math.nan, -1, math.nan
    ps = []
    for k in range(real.shape[1]):
        a, b = real[np.isfinite(real[:, k]), k], null[np.isfinite(null[:, k]), k]
        ps.append(1.0 if len(a) < 4 or len(b) < 4 or np.ptp(np.concatenate([a, b])) == 0
                  else float(stats.mannwhitneyu(a, b).pvalue))
    accuracy, p_class = _classified(np.concatenate([real, null]),
                                    np.repeat([0, 1], [len(real), len(null)]), np.asarray(groups))
    best = int(np.argmin(ps))
    return min(1.0, 2.0 * min(ps[best] * len(ps), p_class)), best, accuracy


def _classified(values, labels, groups):
    """(accuracy on texts left out, its p by the binomial law)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    values = values[:, np.isfinite(values).any(0)]
    values = np.where(np.isfinite(values), values, np.nanmedian(values, axis=0))
    spread = values.std(0)
    values = (values - values.mean(0))[:, spread > 0] / spread[spread > 0]
    if not values.shape[1] or len(set(groups)) < 2:
        return math.nan, 1.0
    values, right = np.concatenate([values, values ** 2], 1), 0
    for group in sorted(set(groups)):
        out = groups == group
        if len(set(labels[~out])) < 2:
            return math.nan, 1.0
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        right += int((model.fit(values[~out], labels[~out]).predict(values[out])
                      == labels[out]).sum())
    usual = max(np.bincount(labels)) / len(labels)
    return right / len(labels), float(stats.binomtest(right, len(labels), usual,
                                                      "greater").pvalue)


def beyond_luck(rho, others):
    """p that a correlation as large is luck, from those of exchanged or shifted rows."""
    others = np.asarray([x for x in others if math.isfinite(x)])
    return float((1 + (np.abs(others) >= abs(rho)).sum()) / (1 + len(others)))
