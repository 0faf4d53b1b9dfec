"""What the music remembers of the model: its recent frames, read by name; and what is recalled.

While the model is late, remembered frames come back in their order: first as they were, then each
four bars turned by the golden section of the unit circle. So the continuation is the model's own
last phrases, varied, and never a frozen loop. Thread: control.
"""
import zlib
from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import replace
from statistics import fmean

from engine.records import CALIBRATION, INVALID, SINK, TEMPLATE, Frame

SILENT = CALIBRATION | INVALID | SINK | TEMPLATE
KEPT, TRUSTED = 512, 64                   # frames remembered; enough of them to rank by
NEVER = -1 << 40
DIRECTION = "direction."
BAR, LONGEST = 16, 128                    # steps of a bar; of the longest wait for its tokens
SPREAD = 0.9                              # of means, against that of places: 1 / root(count)
GOLDEN = 0.6180339887498949
NAMES = ("token.surprisal_nat", "token.entropy_nat", "token.margin_nat", "resid.low.speed",
         "resid.mid.speed", "resid.high.speed", "resid.mid.turn", "attn.low.write",
         "attn.mid.write", "attn.high.write", "mlp.low.write", "mlp.mid.write", "mlp.high.write",
         "mlp.low.sparsity", "mlp.mid.sparsity", "mlp.high.sparsity",
         *(f"resid.axis.{i}" for i in range(1, 9)))


def neutral(count):
    """A frame from no model: evenly spread places, for the bars before the first record."""
    unit = {name: (count * GOLDEN + i * 0.7548776662) % 1.0 for i, name in enumerate(NAMES)}
    return Frame(-1, -1, "", 0, {}, unit, sentence_end=count % 14 == 13)


def read(frame, name):
    """(place 0..1, name read). For an absent feature a present one stands in, of its own family
    if there is one; without any, the token itself. A set's directions stand in for nothing."""
    value = frame.unit.get(name)
    if value is not None and value == value:
        return value, name
    here = sorted(n for n, v in frame.unit.items() if v == v and not n.startswith(DIRECTION))
    near = [n for n in here if n.split(".")[0] == name.split(".")[0]] or here
    if near:
        stand_in = near[zlib.crc32(name.encode()) % len(near)]
        return frame.unit[stand_in], stand_in
    return zlib.crc32(f"{name} {frame.token}".encode()) % 1024 / 1023.0, "token"


def _opened(mean, count):
    return min(max(0.5 + SPREAD * count ** 0.5 * (mean - 0.5), 0.0), 0.999)


class Settled:
    """A feature's place among its own last values: 0.5 is usual here, whatever the model and the
    temperature. The calibrated place stands until `TRUSTED` values are in."""

    def __init__(self):
        self.order, self.sorted = deque(), []

    def place(self, value):
        """Takes a calibrated place in; its place among the remembered ones."""
        low, high = bisect_left(self.sorted, value), bisect_right(self.sorted, value)
        count = len(self.sorted)
        insort(self.sorted, value)
        self.order.append(value)
        if count >= KEPT:
            del self.sorted[bisect_left(self.sorted, self.order.popleft())]
        trust = min(1.0, count / TRUSTED)
        return value + trust * ((low + high + 1) / (2 * count + 2) - value)


class Memory:
    """Frames heard so far, oldest first; `per_bar` tokens make a bar.

    absolute  features whose calibrated places stand, where those of the others settle; None: all
    """

    def __init__(self, per_bar, absolute=()):
        self.absolute = absolute
        self.per_bar = max(1, round(per_bar))
        self.real, self.heard = deque(maxlen=KEPT), deque(maxlen=KEPT)
        self.recalled, self.steady, self.settled = 0, 0, {}
        self.real_steps = deque(maxlen=self.per_bar)
        self.end_step = self.recalled_end_step = NEVER

    def hear(self, step, frames, late, due):
        """The frames that count at this step: those that came, or a recalled one for one due."""
        fresh = [self._settle(frame) if self.absolute is not None else frame for frame in frames
                 if not frame.flags & SILENT]
        for frame in fresh:
            self.real.append(frame)
            self.real_steps.append(step)
            if frame.sentence_end or frame.paragraph_end:
                self.end_step = step
        self.steady += len(fresh)
        if self.steady >= self.per_bar:   # the model is back: the next miss begins anew
            self.recalled = 0
        if late and due and not fresh:
            self.steady, fresh = 0, [self._recall(step)]
        self.heard.extend(fresh)
        return fresh

    def _settle(self, frame):
        settled = self.settled
        for name in frame.unit:
            if name not in settled:
                settled[name] = Settled()
        return replace(frame, unit={name: value if name in self.absolute
                                    else settled[name].place(value)
                                    for name, value in frame.unit.items() if value == value})

    def _recall(self, step):
        count, phrase = self.recalled, 4 * self.per_bar
        self.recalled += 1
        if not self.real:
            return neutral(count)
        size = len(self.real)
        source = self.real[(max(0, size - phrase) + count) % size]
        turn = (count // phrase) * GOLDEN
        unit = {name: (value + turn) % 1.0 for name, value in source.unit.items()}
        if source.sentence_end:
            self.recalled_end_step = step
        return Frame(-1, source.token, "", 0, {}, unit, sentence_end=source.sentence_end,
                     rows=source.rows, of=source.seq)

    @property
    def newest(self):
        """The last record heard or recalled; -1 for none."""
        return self.heard[-1].record if self.heard else -1

    def presence(self, step):
        """How much of the last bar's worth of tokens came from the model itself, 0..1."""
        fresh = sum(step - then < BAR for then in self.real_steps)
        return min(1.0, max(1, fresh) / self.per_bar)

    def phrase_ended(self, step):
        """True when a sentence of the text ended among the last bar's worth of tokens, however long
        they took, up to LONGEST steps; a recalled one counts when nothing else is heard."""
        if not self.real_steps or step - self.real_steps[-1] > LONGEST // 2:
            return step - max(self.end_step, self.recalled_end_step) <= BAR
        return step - self.end_step <= min(max(step - self.real_steps[0], BAR), LONGEST)

    def window(self, count):
        """The last `count` frames, oldest first; a short memory goes round."""
        heard = list(self.heard)[-count:]
        if not heard:
            return [neutral(i) for i in range(count)]
        return [heard[(i - count) % len(heard)] for i in range(count)]

    def mean(self, name, count):
        """The mean place of a feature over the last `count` frames, 0..1."""
        return sum(read(frame, name)[0] for frame in self.window(count)) / max(1, count)

    def spread(self, name, count):
        """The mean, its likely range opened to 0..1: means of many places crowd in the middle."""
        return _opened(self.mean(name, count), count)

    def own(self, name, count):
        """As `spread`, but nothing stands in: of the frames that have the feature; None without."""
        found = [read(frame, name) for frame in self.window(count)]
        places = [place for place, was in found if was == name]
        return _opened(fmean(places), count) if places else None

    def choose(self, name, count, options):
        """One of `options` by a feature's mean place over the last `count` frames."""
        return options[int(self.spread(name, count) * len(options))]
