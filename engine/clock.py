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

    origin_sample   where step 0 stands
    words, halves   the map as compiled code reads it: (8,) int64 and (2, 4096, 4) float64
    """

    def __init__(self, rate_hz, bpm, origin_sample=0):
        self.rate_hz = rate_hz
        self.rows = np.array([[0.0, float(origin_sample), check_bpm(bpm), math.inf]])
        self.words = np.zeros(MAP_WORDS, np.int64)
        self.halves = np.zeros((2, ROWS, COLUMNS))
        self._publish()

    def _publish(self):
        """Writes the map into the half that nobody reads, then turns to it."""
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
        """From the tempo at `step` to another, evenly over so many steps, one tempo a step."""
        bpm, start, place = check_bpm(bpm), self.bpm_at(step), self.place_of(step)
        end = float(self._row(step)[END])
        self._from(step, "tempo change")
        if math.isfinite(end):            # nothing to ramp over while it stands
            steps = 0
        new, count = [], max(1, math.ceil(steps))
        for k in range(count + 1 if steps else 1):
            tempo = start + (bpm - start) * (k / count if steps else 1.0)
            new.append([step + k, place, tempo, math.inf])
            place += self.rate_hz * 15.0 / tempo
        if self.rows[-1, STEP] == step:
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
