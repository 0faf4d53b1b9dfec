"""The tempo map: steps to samples, on the one clock there is, the sample counter. Thread: control;
the rig reads the published rows.

A row is a tempo that holds from a step on, at a sample, up to the step `END` (where the transport
stopped; infinity while it rolls). A ramp is a row a 16th: so the map, a MIDI file's tempo events
and the clock that leaves the rig are the same numbers.
"""
import math

import numpy as np

from engine.errors import SetError
from engine.rt import rt_host, store_release

STEPS_PER_BAR = 16
BPM_LOW, BPM_HIGH = 20.0, 400.0
STEP, SAMPLE, BPM, END, COLUMNS = range(5)
ROWS = 4096                               # of a published map: the newest
# words of a published map: which of the two halves holds (0: none yet), rows in each
HALF, COUNTS, MAP_WORDS = 0, 1, 8


@rt_host
def _flip(words, half):
    store_release(words, HALF, half)


def check_bpm(bpm, where="bpm"):
    """The tempo as a float, or a SetError."""
    if not isinstance(bpm, int | float) or isinstance(bpm, bool) or not BPM_LOW <= bpm <= BPM_HIGH:
        raise SetError(f"{where} must be {BPM_LOW:g}..{BPM_HIGH:g} beats per minute, got {bpm!r}")
    return float(bpm)


class Clock:
    """Steps (16ths, counted from 0) and samples.

    origin_sample   where step 0 stands;  changes  how often the map was published
    words, halves   the map as compiled code reads it: (8,) int64 and (2, 4096, 4) float64
    """

    def __init__(self, rate_hz, bpm, origin_sample=0):
        self.rate_hz = rate_hz
        self.rows = np.array([[0.0, float(origin_sample), check_bpm(bpm), math.inf]])
        self.words = np.zeros(MAP_WORDS, np.int64)
        self.halves, self.changes = np.zeros((2, ROWS, COLUMNS)), 0
        self._publish()

    def _publish(self):
        """Writes the map into the half that nobody reads, then turns to it."""
        self.changes += 1
        half = 1 - max(0, int(self.words[HALF]) - 1)
        newest = self.rows[-ROWS:]
        self.halves[half, :len(newest)] = newest
        self.words[COUNTS + half] = len(newest)
        _flip(self.words, half + 1)

    def _row(self, step):
        return self.rows[max(0, int(np.searchsorted(self.rows[:, STEP], step, "right")) - 1)]

    def bpm_at(self, step):
        return float(self._row(step)[BPM])

    def samples_per_step(self, step):
        """Samples of one 16th at a step."""
        return self.rate_hz * 15.0 / self.bpm_at(step)

    def place_of(self, step):
        """The fractional sample at which a (fractional) step falls."""
        row = self._row(step)
        return float(row[SAMPLE] + (step - row[STEP]) * self.rate_hz * 15.0 / row[BPM])

    def sample_of(self, step):
        """The sample at which a (fractional) step falls, rounded to the nearest."""
        return round(self.place_of(step))

    def step_of(self, sample):
        """The fractional step at a sample; while the transport stands, the one it stands at."""
        row = self.rows[max(0, int(np.searchsorted(self.rows[:, SAMPLE], sample, "right")) - 1)]
        return float(min(row[STEP] + (sample - row[SAMPLE]) * row[BPM] / (self.rate_hz * 15.0),
                         row[END]))

    @property
    def rolls(self):
        """False while the transport stands."""
        return math.isinf(self.rows[-1, END])

    def _from(self, step, what):
        """Forgets the rows after a step that were only planned; raises for a step in the past."""
        if step < self.rows[0, STEP]:
            raise SetError(f"{what} at step {step} lies before the beginning")
        self.rows = self.rows[:max(1, int(np.searchsorted(self.rows[:, STEP], step)))]

    def set_bpm(self, bpm, step):
        """A new tempo from `step` on; steps before it keep their samples, plans after it go."""
        self.ramp(bpm, step, 0)

    def ramp(self, bpm, step, steps):
        """From the tempo at `step` to another, evenly over so many steps, one tempo a step; at once
        while the transport stands: there is nothing to go over."""
        bpm, start = check_bpm(bpm), self.bpm_at(step)
        count = max(1, math.ceil(steps))
        share = np.arange(count + 1) / count if steps and math.isinf(
            self._row(step)[END]) else np.ones(1)
        self.plan(step + np.arange(len(share)), start + (bpm - start) * share)

    def plan(self, steps, bpms):
        """Tempos from ascending steps on, published together; other plans after the first go."""
        steps, bpms = np.asarray(steps, float), np.array([check_bpm(float(b)) for b in bpms])
        place, end = self.place_of(steps[0]), float(self._row(steps[0])[END])
        self._from(steps[0], "tempo change")
        lengths = np.diff(steps) * self.rate_hz * 15.0 / bpms[:-1]
        new = np.column_stack([steps, np.cumsum([place, *lengths]), bpms,
                               np.full(len(steps), math.inf)])
        if self.rows[-1, STEP] == steps[0]:
            self.rows = self.rows[:-1]
        self.rows = np.concatenate([self.rows, new])
        self.rows[-1, END] = end
        self._publish()

    def stop(self, step):
        """The transport stands from `step` on."""
        self._from(step + 1e-9, "stop")
        self.rows[-1, END] = float(step)
        self._publish()

    def go_on(self, step, sample, bpm=None):
        """From `sample` on the transport rolls at `step`, never before the step it stands at."""
        before = float(self.rows[-1, STEP] if self.rolls else self.rows[-1, END])
        bpm = float(self.rows[-1, BPM]) if bpm is None else check_bpm(bpm)
        if step < before:
            raise SetError(f"going on at step {step} lies before step {before:g}")
        if self.rolls:
            self._from(step, "going on")
            self.rows[-1, END] = float(step)
        self.rows = np.concatenate([self.rows, [[float(step), float(sample), bpm, math.inf]]])
        self._publish()
