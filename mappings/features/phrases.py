"""Phrases: where the line breathes, what shape it had, whether an earlier one comes back.

phrase.novelty        1 - cosine between the mean of the last 4 and of the 4 states before them
phrase.age_tokens     records since the phrase began
contour.slope, contour.shape    of the phrase that ended: rise per record in standard deviations;
                      0 flat, 1 rise, 2 fall, 3 arch, 4 valley, 5 wave
form.likeness         largest cosine of the state's short mean to a phrase of the prompt
form.section          0 exposition (the prompt), 1 development, 2 recapitulation
variation.amount      closeness to a stored theme times the share of word pairs that are new
crescendo.rise        how the level rose over the last phrase (places a record)

Events: phrase (4 records late), development, recapitulation, theme. Thread: control.
"""
import numpy as np

from engine.records import PREFILL
from engine.rt import rt_host
from mappings.features.common import Streaming
from mappings.features.sight import SKETCH

SPAN, APART, SURE = 4, 6, 2.0             # records of a mean; between boundaries; robust score
LONGEST, THEMES = 64, 32
SHAPES = ("flat", "rise", "fall", "arch", "valley", "wave")
LINE_T, BEND_T, CENTRE, WAVE = 4.0, 4.0, 0.6, 0.6
DEVELOPS, RETURNS = (0.5, 16), (0.9, 4)   # place below which for how long; above which
SHORT = 1.0 - 0.5 ** (1.0 / 2.0)         # half-life two records


def cosine(a, b):
    """Between two rows; 0 when one has no length."""
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0.0 else 0.0


@rt_host
def novelty(ring, count, span):
    """1 - cosine of the means of the last `span` unit rows and of those before; NaN too early."""
    if count < 2 * span:
        return np.nan
    ab, aa, bb, n = 0.0, 0.0, 0.0, ring.shape[0]
    for i in range(ring.shape[1]):
        a, b = 0.0, 0.0
        for k in range(span):
            a += ring[(count - 1 - k) % n, i]
            b += ring[(count - 1 - span - k) % n, i]
        ab, aa, bb = ab + a * b, aa + a * a, bb + b * b
    return 1.0 - ab / np.sqrt(aa * bb) if aa * bb > 0.0 else np.nan


def shape_of(y):
    """(slope in standard deviations a record, number of SHAPES) of a phrase's heights."""
    n = len(y)
    if n < 5:
        return np.nan, np.nan
    x = np.linspace(-1.0, 1.0, n)
    basis = np.stack([np.ones(n), x, x * x - (x * x).mean()])
    found = np.linalg.lstsq(basis.T, y, rcond=None)[0]
    rest = y - found @ basis
    noise = np.sqrt(max(float(rest @ rest) / (n - 3), 1e-30))
    t1, t2 = found[1:] * np.sqrt((basis[1:] ** 2).sum(axis=1)) / noise
    spread = float(np.std(y))
    slope = float(found[1]) * 2.0 / (n - 1) / spread if spread > 0.0 else 0.0
    centre = -found[1] / (2.0 * found[2]) if found[2] else np.inf
    lines = np.abs(np.fft.rfft(y - y.mean())[1:]) ** 2
    if abs(t2) > BEND_T and abs(centre) < CENTRE:
        return slope, 3.0 if t2 < 0 else 4.0
    if abs(t1) > LINE_T and not _waves(y, x, t1):
        return slope, 1.0 if t1 > 0 else 2.0
    return slope, 5.0 if lines.sum() > 0 and lines.max() > WAVE * lines.sum() else 0.0


def _waves(y, x, t1):
    """Whether a whole turn explains the phrase better than a line: then it neither rises nor
    falls, though a line through a sine has a slope."""
    made = y - y.mean()
    line = made - x * (made @ x) / (x @ x)
    powers = np.abs(np.fft.rfft(made)[1:]) ** 2 * 2.0 / len(y)
    return float(made @ made) - powers.max() < float(line @ line)


class Phrases(Streaming):
    """Boundaries and what they close.

    marks_weight  0..1 how much a sentence end counts as a boundary (a knob)
    """
    names = ("phrase.novelty", "phrase.age_tokens", "contour.slope", "contour.shape",
             "crescendo.rise")
    ranges = {"phrase.novelty": (0, 2), "phrase.age_tokens": (0, np.inf),
              "contour.slope": (-np.inf, np.inf), "contour.shape": (0, 5),
              "crescendo.rise": (-1, 1)}
    tier, marks_weight = "T1", 1.0

    def claim(self, sight):
        """Windows of novelty and of the level."""
        self._novel = sight.scores.claim("phrase", 1)
        self._level = sight.scores.claim("phrase.level", 1)

    def value(self, look, out):
        """Writes the five."""
        level = look.scores.one(self._level, float(np.log(max(look.size[look.lead], 1e-30))))[0]
        ends = look.marks is not None and look.marks.sentence_end
        self.step(look.sketch[0], level, ends, look, out)

    def step(self, sketch, level, ends, look, out):
        """One sketch, its level's place, and whether the text ends a sentence."""
        size = float(np.linalg.norm(sketch))
        self._ring[self._count % len(self._ring)] = sketch / size if size > 0.0 else 0.0
        self._count += 1
        self.age += 1
        self._heights.append((float(sketch[0]), level))
        del self._heights[:-LONGEST]
        out[0] = now = novelty(self._ring, self._count, SPAN)
        _, score = look.scores.one(self._novel, now)
        before, self._before = self._before, (now, score)
        boundary = self._peak(before, now)
        if boundary or (ends and self.marks_weight >= 0.5 and self.age >= APART):
            late = SPAN if boundary else 0
            self._close(late)
            look.event("phrase", before[1] if boundary else 2.0 * self.marks_weight, "", late)
        out[1], (out[2], out[3]), out[4] = self.age, self.shape, self.rise

    def _peak(self, before, now):
        """A local maximum one record ago, high and far enough from the last boundary."""
        higher = before is not None and before[0] > self._older and before[0] >= now
        self._older = before[0] if before is not None and before[0] == before[0] else self._older
        return higher and before[1] > SURE and self.age - SPAN >= APART

    def _close(self, late):
        cut = max(len(self._heights) - late, 0)
        phrase, self._heights = np.array(self._heights[:cut]), self._heights[cut:]
        self.age = late
        if len(phrase) >= 5:
            self.shape = shape_of(phrase[:, 0])
            good = np.isfinite(phrase[:, 1])
            self.rise = float(np.polyfit(np.flatnonzero(good), phrase[good, 1], 1)[0]) \
                if good.sum() >= 3 else np.nan

    def forget(self):
        """At the beginning of a text."""
        self._ring, self._count, self.age = np.zeros((2 * SPAN, SKETCH)), 0, 0
        self._heights, self._before, self._older = [], None, np.inf
        self.shape, self.rise = (np.nan, np.nan), np.nan


class Form(Streaming):
    """Exposition, development, recapitulation: against the phrases of the prompt."""
    names = ("form.likeness", "form.section")
    ranges = {"form.likeness": (-1, 1), "form.section": (0, 2)}
    tier = "T1"

    def claim(self, sight):
        """One window of likeness."""
        self._where = sight.scores.claim("form", 1)

    def value(self, look, out):
        """Writes the two."""
        prompt = bool(int(look.state["flags"]) & PREFILL)
        ends = look.marks is not None and (look.marks.sentence_end or look.marks.punctuation)
        self.step(look.sketch[0], prompt, ends, look, out)

    def step(self, sketch, prompt, ends, look, out):
        """One sketch; whether it is the prompt's, and ends a phrase."""
        unit = sketch / max(float(np.linalg.norm(sketch)), 1e-30)
        self._short += SHORT * (unit - self._short)
        out[:] = np.nan
        if self._themes:
            out[0] = max(cosine(self._short, theme) for theme in self._themes)
            place, _ = look.scores.one(self._where, out[0])
            if self.section == 0:
                self._home = [*self._home, out[0]][-LONGEST:]
            if not prompt:
                self._move(out[0], place, look)
        if prompt:
            self._sum, self._size = self._sum + unit, self._size + 1
            self.section, self._run = 0, 0
        if self._size and (not prompt or self._size >= LONGEST // 2 or
                           ends and self._size >= SPAN):
            self._expose()
        out[1] = self.section if self._themes or prompt else np.nan

    def _move(self, likeness, place, look):
        """Away: low among all for long. Back: above nine tenths of what the development had, and
        nearer to what the exposition was."""
        (low, long), (high, short) = DEVELOPS, RETURNS
        if self.section != 1:
            self._run = self._run + 1 if place < low else 0
            if self._run >= long:
                self._home, self._away = self._home[:-long], []
                self.section, self._run = 1, 0
                look.event("development", place, "", long)
            return
        above = sum(likeness > x for x in self._away) > high * len(self._away)
        self._away = [*self._away, likeness][-APART * LONGEST:]
        home = len(self._home) < SPAN or likeness > 0.5 * (
            np.median(self._home) + np.median(self._away))
        self._run = self._run + 1 if above and home else 0
        if self._run >= short:
            self.section, self._run = 2, 0
            look.event("recapitulation", place, "", short)

    def _expose(self):
        self._themes = [*self._themes, self._sum / self._size][-THEMES:]
        self._sum, self._size = np.zeros(SKETCH), 0

    def forget(self):
        """No prompt was read."""
        self._themes, self._sum, self._size = [], np.zeros(SKETCH), 0
        self._short, self.section, self._run = np.zeros(SKETCH), 0, 0
        self._home, self._away = [], []


class Variation(Streaming):
    """Earlier phrases that come back, and how changed."""
    names, tier = ("variation.amount", "variation.likeness"), "T1"
    ranges = {"variation.amount": (0, 1), "variation.likeness": (-1, 1)}

    def value(self, look, out):
        """Writes amount and likeness, of the phrase that ended last."""
        ends = look.marks is not None and look.marks.sentence_end
        self.step(look.sketch[0], int(look.token["token"]), ends, look, out)

    def step(self, sketch, token, ends, look, out):
        """One sketch and its token; whether the phrase ends."""
        self._sum = self._sum + sketch / max(float(np.linalg.norm(sketch)), 1e-30)
        self._tokens.append(token)
        if ends and len(self._tokens) >= SPAN or len(self._tokens) >= LONGEST:
            pairs = frozenset(zip(self._tokens, self._tokens[1:], strict=False))
            self.found = self.against(self._sum, pairs)
            if self.found[0] == self.found[0]:
                look.event("theme", max(self.found[1], 0.0))
            self.themes = [*self.themes, (self._sum, pairs)][-THEMES:]
            self._sum, self._tokens = np.zeros(SKETCH), []
        out[:] = self.found

    def against(self, centre, pairs):
        """(amount, likeness) of a phrase to the stored theme that is nearest; NaN without one."""
        if not self.themes:
            return np.nan, np.nan
        near, theme = max(((cosine(centre, c), p) for c, p in self.themes), key=lambda x: x[0])
        union = len(pairs | theme)
        same = len(pairs & theme) / union if union else 0.0
        return max(0.0, near) * (1.0 - same), near

    def forget(self):
        """No theme is stored."""
        self.themes, self._sum, self._tokens = [], np.zeros(SKETCH), []
        self.found = (np.nan, np.nan)
