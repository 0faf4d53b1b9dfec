"""Fugue: one quarter of the depth repeats what another wrote some records before.

fugue.match     largest correlation of the subject with another band, 1 to 128 records later
fugue.lag_tokens, fugue.sign    of the last entry: how late, and -1 when it was inverted
fugue.stretto   entries that overlap now
fugue.depth     how much blocks write the first block's notes, transposed: mean over the blocks

The subject is the last 15 steps of a band when a phrase begins. An entry has to beat 95 % of
shuffled subjects. Lag 0 does not count: all layers work on the same token. Event: fugue.entry
(voice: the band, augmented or not). Thread: control.
"""
import numpy as np

from engine.rt import rt, rt_host
from mappings.features.common import Streaming
from mappings.features.sight import VOICES

SUBJECT, LONGEST, SHUFFLES = 15, 128, 199
QUANTILE = 0.95


@rt
def likeness(subject, line, end, stretch):
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


@rt_host
def likeness_at(subject, line, end, stretch):
    """The same for whoever is not compiled."""
    return likeness(subject, line, end, stretch)


@rt_host
def null(subjects, line, ends, quantile):
    """The given quantile of the largest |correlation| of shuffled subjects with a line."""
    found = np.zeros(len(subjects))
    for s in range(len(subjects)):
        for end in range(len(subjects[s]) - 1, ends):
            r = abs(likeness(subjects[s], line, end, 1))
            if r > found[s]:
                found[s] = r
    found = np.sort(found)
    return found[int(quantile * (len(found) - 1))]


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
        """Room for the blocks' likeness."""
        self._turned = np.empty(sight.depth)

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
        self._open = {}
        random = np.random.default_rng(self._count)
        shuffled = np.array([random.permutation(self.subject) for _ in range(SHUFFLES)])
        past = min(self._count, LONGEST)
        self.threshold = max(0.8, null(shuffled, self._line[(self.band + 1) % len(VOICES)],
                                       past, QUANTILE)) if past > 2 * SUBJECT else 0.81

    def _listen(self, look, out):
        best, lag = 0.0, self._count - self.begun
        for band in range(len(self._line)):
            if band == self.band:
                continue
            for stretch in (1, 2):
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
        self._open, self._last, self.threshold = {}, (np.nan, np.nan), 0.81


