"""Bars on paper: the tempo map as a file writes it, without standstills. Thread: control.

A file's beats never stop while its time goes on. So what lies before the first bar, and a stop,
become beats too: as many as bring the next bar back to a bar line, at the tempo that fills them.
"""
import math

import numpy as np

from engine.clock import BPM, END, SAMPLE, STEP, STEPS_PER_BAR

HAIR = 1e-3                               # samples: two rows that meet


class Grid:
    """Steps on paper (16ths, 0 at sample 0) and samples.

    rows   (n, 3): step on paper, sample, beats a minute from there on
    """

    def __init__(self, tempo, rate_hz):
        self.rate_hz, rows = rate_hz, []
        at, sample, bpm = 0.0, 0.0, float(tempo[0, BPM])
        phase = 0.0                       # the clock's step at `sample`, whatever its bar
        for index, row in enumerate(tempo):
            if row[SAMPLE] > sample + HAIR:
                steps = self._filled(row[SAMPLE] - sample, bpm, (row[STEP] - phase) % STEPS_PER_BAR)
                rows.append((at, sample, steps * 15.0 * rate_hz / (row[SAMPLE] - sample)))
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

    def _filled(self, samples, bpm, phase):
        """How many steps a gap has: `phase`, and the whole bars that come nearest."""
        wanted = samples * bpm / (15.0 * self.rate_hz)
        steps = phase + STEPS_PER_BAR * round((wanted - phase) / STEPS_PER_BAR)
        return steps if steps > HAIR else steps + STEPS_PER_BAR

    def steps_of(self, samples):
        """(n,) samples as steps on paper."""
        samples = np.asarray(samples, np.float64)
        at = np.maximum(np.searchsorted(self.rows[:, 1], samples, "right") - 1, 0)
        row = self.rows[at]
        return row[..., 0] + (samples - row[..., 1]) * row[..., 2] / (15.0 * self.rate_hz)

    def step_of(self, sample):
        return float(self.steps_of(sample))
