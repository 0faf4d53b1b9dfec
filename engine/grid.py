"""Bars on paper: the tempo map as a file writes it, without standstills. Thread: control.

A file's beats never stop while its time goes on. So what lies before the first bar, and a stop,
become beats too, at all but the tempo before; one odd bar brings the next back to a bar line.
"""
import math

import numpy as np

from engine.clock import BPM, END, SAMPLE, STEP, STEPS_PER_BAR

HAIR = 1e-3                               # samples: two rows that meet


class Grid:
    """Steps on paper (16ths, 0 at sample 0) and samples.

    rows        (n, 3): step on paper, sample, beats a minute from there on
    signatures  (step on paper, sixteenths of a bar from there on), the first (0, 16)
    """

    def __init__(self, tempo, rate_hz):
        self.rate_hz, self.signatures, rows = rate_hz, [(0, STEPS_PER_BAR)], []
        at, sample, bpm = 0.0, 0.0, float(tempo[0, BPM])
        phase = 0.0                       # the clock's step at `sample`, whatever its bar
        for index, row in enumerate(tempo):
            if row[SAMPLE] > sample + HAIR:
                steps = self._filled(row[SAMPLE] - sample, bpm, (row[STEP] - phase) % 1.0)
                rows.append((at, sample, steps * 15.0 * rate_hz / (row[SAMPLE] - sample)))
                self._odd_bar(at, at + steps - row[STEP] % STEPS_PER_BAR)
                at += steps
            sample, bpm = max(sample, float(row[SAMPLE])), float(row[BPM])
            rows.append((at, sample, bpm))
            last = index + 1 == len(tempo)
            until = math.inf if last else float(tempo[index + 1, SAMPLE])
            stands = row[SAMPLE] + (row[END] - row[STEP]) * 15.0 * rate_hz / bpm
            if last and not math.isfinite(stands):
                break
            end = max(min(stands, until), sample)
            rolled = (end - sample) * bpm / (15.0 * rate_hz)
            at, sample, phase = at + rolled, end, row[STEP] + rolled
        self.rows = np.array(rows)

    def _filled(self, samples, bpm, part):
        """How many steps a gap has: the nearest count that ends in this part of a step."""
        steps = part + round(samples * bpm / (15.0 * self.rate_hz) - part)
        return steps if steps > HAIR else steps + 1.0

    def _odd_bar(self, at, line):
        """A bar of another length, so that there is a bar line at step `line`, after a gap that
        begins at step `at`."""
        known = self.signatures[-1][0]
        bar = known + (at - known) // STEPS_PER_BAR * STEPS_PER_BAR
        odd = round(line - bar) % STEPS_PER_BAR
        if odd:
            bar += max(0, round(line - bar) // STEPS_PER_BAR) * STEPS_PER_BAR
            self.signatures += [(round(bar), odd), (round(bar) + odd, STEPS_PER_BAR)]
            if self.signatures[0][0] == self.signatures[1][0]:
                del self.signatures[0]

    def steps_of(self, samples):
        """(n,) samples as steps on paper."""
        samples = np.asarray(samples, np.float64)
        at = np.maximum(np.searchsorted(self.rows[:, 1], samples, "right") - 1, 0)
        row = self.rows[at]
        return row[..., 0] + (samples - row[..., 1]) * row[..., 2] / (15.0 * self.rate_hz)

    def step_of(self, sample):
        return float(self.steps_of(sample))
