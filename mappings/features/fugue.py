"""Fugue: one quarter of the depth repeats what another wrote some records before.

fugue.match     largest correlation of the subject with another band, 1 to 128 records later
fugue.lag_tokens, fugue.sign    of the last entry: how late, and -1 when it was inverted
fugue.stretto   entries that overlap now
fugue.depth     how much blocks write the first block's notes, transposed: mean over the blocks

The subject is the last 15 steps of a band when a phrase begins. An entry has to beat 98 % of what
shuffled subjects find anywhere it is listened for (three bands, plain and augmented, 128 records):
at most one false entry in twenty times 200 records of noise. One band and stretch is shuffled for
a record, so the first six of a subject are judged by what independent steps reach. Lag 0 does not
count: all layers work on the same token. Event: fugue.entry (voice: the band, augmented or not).
Thread: control.
"""
import numpy as np

from engine.rt import rt_host
from mappings.features.common import Streaming
from mappings.features.sight import VOICES

SUBJECT, LONGEST, SHUFFLES = 15, 128, 200
STRETCHES, FALSE = (1, 2), 0.02
CHANCE = 0.866                            # what independent steps reach so rarely: 3000 subjects


@rt_host
def likeness_at(subject, line, end, stretch):
    """Correlation of the subject with the n steps of a line that end at `end`; each step of the
    subject may be held for `stretch` records."""
    n = len(subject)
    if end + 1 < n * stretch:
        return np.nan
    a, b, aa, bb, ab = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        x, y = subject[n - 1 - i], 0.0
        for k in range(stretch):
            y += line[(end - i * stretch - k) % len(line)]
        a, b, aa, bb, ab = a + x, b + y, aa + x * x, bb + y * y, ab + x * y
    spread = (aa - a * a / n) * (bb - b * b / n)
    return (ab - a * b / n) / np.sqrt(spread) if spread > 0.0 else np.nan


def windows(line, stretch):
    """Every SUBJECT steps in a row of a line, oldest first, (n, SUBJECT), each with mean 0 and
    length 1; of a stretched one sums of neighbours."""
    first = np.arange(len(line) - SUBJECT * stretch + 1)[:, None]
    at = first + stretch * np.arange(SUBJECT)
    found = sum(line[at + k] for k in range(stretch))
    found = found - found.mean(axis=1, keepdims=True)
    size = np.sqrt((found * found).sum(axis=1, keepdims=True))
    return found / np.where(size > 0.0, size, 1.0)


@rt_host
def turned(profiles, out):
    """out[layer] = best correlation of a block's notes with the first block's, over rotations."""
    n = profiles.shape[1]
    for layer in range(len(out)):
        out[layer] = -2.0
        for turn in range(n):
            a, b, aa, bb, ab = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(n):
                x, y = profiles[0, k], profiles[layer, (k + turn) % n]
                a, b, aa, bb, ab = a + x, b + y, aa + x * x, bb + y * y, ab + x * y
            spread = (aa - a * a / n) * (bb - b * b / n)
            if spread > 0.0:
                out[layer] = max(out[layer], (ab - a * b / n) / np.sqrt(spread))
        if out[layer] < -1.5:
            out[layer] = np.nan


class Fugue(Streaming):
    """A subject, and who enters with it."""
    names = ("fugue.match", "fugue.lag_tokens", "fugue.sign", "fugue.stretto", "fugue.depth")
    ranges = {"fugue.match": (0, 1), "fugue.lag_tokens": (1, 128), "fugue.sign": (-1, 1),
              "fugue.stretto": (0, 4), "fugue.depth": (-1, 1)}
    tier = "T1"

    def claim(self, sight):
        """Room for the blocks' likeness; the shuffles."""
        self._turned = np.empty(sight.depth)
        random = np.random.default_rng(15)
        self._orders = np.array([random.permutation(SUBJECT) for _ in range(SHUFFLES)])

    def value(self, look, out):
        """Writes the five."""
        begins = any(name == "phrase" for name, *_ in look.events)
        self.step((look.pooling @ look.wrote)[:, look.plane[0]], begins, look, out)
        turned(look.wrote, self._turned)
        good = self._turned[1:][np.isfinite(self._turned[1:])]
        out[4] = float(good.mean()) if len(good) else np.nan

    def step(self, heights, begins, look, out):
        """One record's height of each band; whether a phrase begins."""
        out[:4] = np.nan
        if not np.isfinite(heights).all():
            return
        if self._before is not None:
            self._line[:, self._count % LONGEST] = heights - self._before
            self._count += 1
        self._before = np.array(heights)
        if self.subject is None or begins or self._count - self.begun > LONGEST:
            self._take()
        if self.subject is not None and self._count > self.begun:
            self._listen(look, out)

    def _take(self):
        """The last steps of the liveliest band become the subject."""
        if self._count < SUBJECT:
            return
        at = (np.arange(self._count - SUBJECT, self._count)) % LONGEST
        steps = self._line[:, at]
        self.band = int(np.argmax((steps ** 2).sum(axis=1)))
        self.subject, self.begun = steps[self.band].copy(), self._count
        self._open, self.threshold = {}, CHANCE
        past = min(self._count, LONGEST)
        self._past = self._line[:, (self._count - past + np.arange(past)) % LONGEST]
        self._pairs = [(band, stretch) for band in range(len(VOICES)) if band != self.band
                       for stretch in STRETCHES if past >= SUBJECT * stretch]
        self._null, self._share = np.zeros(SHUFFLES), 0.0
        shuffled = (self.subject - self.subject.mean())[self._orders]
        self._shuffled = shuffled / max(float(np.sqrt((shuffled[0] ** 2).sum())), 1e-30)

    def _rehearse(self):
        """Shuffled subjects against one more band and stretch; the threshold, when all are done."""
        if not self._pairs:
            return
        band, stretch = self._pairs.pop()
        found = windows(self._past[band], stretch)
        self._null = np.maximum(self._null, np.abs(found @ self._shuffled.T).max(axis=0))
        self._share += len(found) / (LONGEST * len(STRETCHES) * (len(VOICES) - 1))
        if not self._pairs:
            self.threshold = max(CHANCE, float(np.quantile(self._null, 1.0 - FALSE * self._share)))

    def _listen(self, look, out):
        self._rehearse()
        best, lag = 0.0, self._count - self.begun
        for band in range(len(self._line)):
            if band == self.band:
                continue
            for stretch in STRETCHES:
                r = likeness_at(self.subject, self._line[band], self._count - 1, stretch) \
                    if lag >= 1 else np.nan
                if not abs(r) > best:
                    continue
                best = abs(r)
                if best > self.threshold and band not in self._open:
                    self._open[band], self._last = self._count, (float(lag), float(np.sign(r)))
                    look.event("fugue.entry", best,
                               VOICES[band] + (" augmented" if stretch > 1 else ""), 0)
        self._open = {b: at for b, at in self._open.items() if self._count - at < SUBJECT}
        out[0], out[1], out[2], out[3] = best, *self._last, len(self._open)

    def forget(self):
        """No subject was heard."""
        self._line, self._count = np.zeros((len(VOICES), LONGEST)), 0
        self._before, self.subject, self.begun, self.band = None, None, 0, 0
        self._open, self._last, self.threshold = {}, (np.nan, np.nan), CHANCE
        self._past, self._pairs = None, []
