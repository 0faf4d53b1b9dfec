"""The tempo map: steps to samples, on the one clock there is, the sample counter. Thread:
control."""

from bisect import bisect_right

from engine.errors import SetError

STEPS_PER_BAR = 16
BPM_LOW, BPM_HIGH = 20.0, 400.0


def check_bpm(bpm, where="bpm"):
    """The tempo as a float, or a SetError."""
    if not isinstance(bpm, int | float) or isinstance(bpm, bool) or not BPM_LOW <= bpm <= BPM_HIGH:
        raise SetError(f"{where} must be {BPM_LOW:g}..{BPM_HIGH:g} beats per minute, got {bpm!r}")
    return float(bpm)


class Clock:
    """Steps (16ths, counted from 0) and samples. Tempo changes hold from a step on.

    origin_sample   where step 0 stands
    """

    def __init__(self, rate_hz, bpm, origin_sample=0):
        self.rate_hz = rate_hz
        self._steps, self._samples, self._bpms = [0.0], [float(origin_sample)], [check_bpm(bpm)]

    def bpm_at(self, step):
        return self._bpms[bisect_right(self._steps, step) - 1]

    def samples_per_step(self, step):
        """Samples of one 16th at a step."""
        return self.rate_hz * 15.0 / self.bpm_at(step)

    def sample_of(self, step):
        """The sample at which a (fractional) step falls, rounded to the nearest."""
        i = max(0, bisect_right(self._steps, step) - 1)
        return round(
            self._samples[i] + (step - self._steps[i]) * self.rate_hz * 15.0 / self._bpms[i]
        )

    def step_of(self, sample):
        """The fractional step at a sample."""
        i = max(0, bisect_right(self._samples, sample) - 1)
        return self._steps[i] + (sample - self._samples[i]) * self._bpms[i] / (self.rate_hz * 15.0)

    def set_bpm(self, bpm, step):
        """A new tempo from `step` on; steps before it keep their samples."""
        bpm = check_bpm(bpm)
        if step < self._steps[-1]:
            raise SetError(f"tempo change at step {step} lies before an earlier one")
        i = len(self._steps) - 1
        at = self._samples[i] + (step - self._steps[i]) * self.rate_hz * 15.0 / self._bpms[i]
        self._steps.append(float(step))
        self._samples.append(at)
        self._bpms.append(bpm)
