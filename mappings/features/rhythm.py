"""Rhythm: depth laid out as a bar, work as tempo.

rhythm.stability      how much this bar of writes resembles the usual one, -1..1; row
                      `rhythm.steps`: sixteen strengths, the robust score of what blocks write
meter.period_blocks   smallest period of the writes over depth, absent when there is none (free),
                      anew every 32 records, told 7 later;  meter.strength  its correlation
syncopation.balance   (MLP - attention) / (MLP + attention), each over its usual size, -1..1
rubato.tempo          0.84..1.19: hard records slow it; what was stolen is given back
rubato.work           robust score of the way through the layers;  rubato.straightness  how direct

Layers do not play one after another in the room: laying depth out in time is a choice of the
instrument. Compute per record is fixed; only the way differs. Thread: control.
"""
import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming

STEPS, SHUFFLES, EVERY, PARTS = 16, 199, 32, 8
KEEP = 1.0 - 0.5 ** (1.0 / 16.0)
STRONGEST = -STEPS // 4                   # the top quarter of the steps is strong
LEAK_TOKENS, DEEPEST = 32.0, 2.0


@rt_host
def pool(values, out):
    """The mean of values over each of len(out) even steps, NaN where a step has none."""
    n, steps = len(values), len(out)
    for s in range(steps):
        first, last = s * n // steps, max((s + 1) * n // steps, s * n // steps + 1)
        total, count = 0.0, 0
        for i in range(first, min(last, n)):
            if np.isfinite(values[i]):
                total += values[i]
                count += 1
        out[s] = total / count if count else np.nan


@rt_host
def correlation(a, b):
    """Between two rows, NaN when one does not vary."""
    n, x, y, xx, yy, xy = len(a), 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        x, y = x + a[i], y + b[i]
        xx, yy, xy = xx + a[i] * a[i], yy + b[i] * b[i], xy + a[i] * b[i]
    spread = (xx - x * x / n) * (yy - y * y / n)
    return (xy - x * y / n) / np.sqrt(spread) if spread > 0.0 else np.nan


@rt_host
def autocorrelation(x, order, first, out):
    """out[k] = correlation of x[order] with itself shifted by first + k; x has mean 0."""
    n, total = len(order), 0.0
    for i in range(n):
        total += x[order[i]] * x[order[i]]
    for k in range(len(out)):
        product = 0.0
        for i in range(n - first - k):
            product += x[order[i]] * x[order[i + first + k]]
        out[k] = product / total if total > 0.0 else 0.0


@rt_host
def highest(x, orders, first, lags, out):
    """The largest autocorrelation of every shuffle."""
    found = np.empty(lags)
    for s in range(len(orders)):
        autocorrelation(x, orders[s], first, found)
        out[s] = found.max()


def shuffled(x, orders):
    """(len(orders),) the largest autocorrelation of each shuffle of x; x has mean 0."""
    null = np.empty(len(orders))
    highest(x, orders, 2, len(x) // 2 - 1, null)
    return null


def period(x, null):
    """(smallest period, its correlation) that beats 99 % of shuffles; (NaN, largest) else."""
    found = np.empty(len(x) // 2 - 1)
    autocorrelation(x, np.arange(len(x)), 2, found)
    above = np.flatnonzero(found > np.quantile(null, 0.99))
    return (2.0 + above[0], float(found[above[0]])) if len(above) else (np.nan,
                                                                      float(found.max()))


class Cadence(Streaming):
    """What blocks write, as a bar and as a period."""
    names = ("rhythm.stability", "meter.period_blocks", "meter.strength")
    ranges = {"rhythm.stability": (-1, 1), "meter.period_blocks": (2, np.inf),
              "meter.strength": (-1, 1)}
    tier = "T1"

    def claim(self, sight):
        """A window a block."""
        self._blocks = sight.scores.claim("cadence", sight.depth)
        random = np.random.default_rng(13)
        self._orders = np.array([random.permutation(sight.depth) for _ in range(SHUFFLES)])

    def value(self, look, out):
        """Writes the three; rows `rhythm.steps`, `rhythm.strong`."""
        _, beats = look.scores.take(self._blocks, look.write)
        self.step(beats, look, out)

    def step(self, beats, look, out):
        """One record's robust scores of the blocks' writes."""
        out[:] = np.nan
        bar = np.empty(STEPS)
        pool(beats, bar)
        look.rows["rhythm.steps"] = bar
        if np.isfinite(bar).all():
            look.rows["rhythm.strong"] = bar >= np.sort(bar)[STRONGEST]
            if self._bar is None:
                self._bar = bar.copy()
            out[0] = correlation(bar, self._bar)
            self._bar += KEEP * (bar - self._bar)
        if np.isfinite(beats).all():
            self._mean += max(KEEP, 1.0 / (self._count + 1)) * (beats - self._mean)
            self._count += 1
            if self._count % EVERY == 0 and len(beats) > 3:
                self._still, self._null = self._mean - self._mean.mean(), []
        if self._still is not None:
            self._shuffle()
        out[1], out[2] = self._found

    def _shuffle(self):
        """One eighth of the shuffles of the mean as it stood; the period, when all are done."""
        self._null.append(shuffled(self._still, self._orders[len(self._null)::PARTS]))
        if len(self._null) == PARTS:
            self._found, self._still = period(self._still, np.concatenate(self._null)), None

    def forget(self):
        """No bar came before."""
        self._bar, self._count, self._found = None, 0, (np.nan, np.nan)
        self._still, self._null = None, []
        self._mean = np.zeros(self._orders.shape[1])


def balance(on, off):
    """(off - on) / (off + on) of the beats' and off-beats' strength; NaN when both are silent."""
    both = on + off
    return float((off - on) / both) if both > 0.0 else np.nan


class Syncopation(Streaming):
    """Attention on the beat, MLP off it."""
    names, tier = ("syncopation.balance",), "T2"
    ranges = {"syncopation.balance": (-1, 1)}

    def claim(self, sight):
        """Two windows a block."""
        self._where = sight.scores.claim("syncopation", 2 * sight.depth)

    def value(self, look, out):
        """Writes the balance; row `syncopation.accents`: (blocks, 2) over their usual size."""
        norms = np.sqrt(look.parts[:, :2])
        usual = medians(look.scores.rising[self._where], look.scores.counts[self._where])
        look.scores.take(self._where, norms.reshape(-1))
        accents = norms / np.maximum(usual.reshape(-1, 2), 1e-30)
        look.rows["syncopation.accents"] = accents
        on, off = np.nansum(accents, axis=0)
        out[0] = balance(on, off) if np.isfinite(usual).all() else np.nan


@rt_host
def medians(rising, counts):
    """Median of every window, NaN of an empty one."""
    out = np.full(len(counts), np.nan)
    for s in range(len(counts)):
        n = min(counts[s], rising.shape[1])
        if n:
            out[s] = 0.5 * (rising[s, (n - 1) // 2] + rising[s, n // 2])
    return out


class Rubato(Streaming):
    """Work as tempo."""
    names = ("rubato.tempo", "rubato.work", "rubato.straightness")
    ranges = {"rubato.tempo": (0.84, 1.19), "rubato.work": (-99, 99),
              "rubato.straightness": (0, 1)}
    tier = "T1"

    def claim(self, sight):
        """One window of work, and one a block for its usual size."""
        self._work = sight.scores.claim("rubato", 1)

    def value(self, look, out):
        """Writes the three; work is over each block's usual write (`Sight.share`)."""
        self.step(float(np.nansum(look.share)) if np.isfinite(look.share).any() else np.nan,
                  look, out)
        whole = np.nansum(look.write)
        out[2] = look.straight / whole if whole > 0.0 else np.nan

    def step(self, work, look, out):
        """One record's work; tempo with the time that was stolen given back."""
        out[:] = np.nan
        _, score = look.scores.one(self._work, work)
        if score != score:
            return
        strict = 2.0 ** (-np.clip(score, -DEEPEST, DEEPEST) / 8.0)
        longer = 1.0 / strict - 1.0           # beats stolen by this record
        back = self._stolen / LEAK_TOKENS
        self._stolen += longer - back
        out[0], out[1] = float(np.clip(1.0 / (1.0 / strict - back), 0.84, 1.19)), score

    def forget(self):
        """No time is stolen."""
        self._stolen = 0.0


