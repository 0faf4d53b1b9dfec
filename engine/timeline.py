"""When a sample is heard: the sample counter over the system's monotonic time. Thread: control.

A delay-locked loop (Adriaensen, "Using a DLL to filter time", LAC 2005) takes the wobble out of the
times at which a device asked for its blocks. A step that stays (the device was lost, or left blocks
out) is taken over whole, because there the sound itself has moved.
"""
import math
from collections import deque

import numpy as np

from engine.rt import load_acquire, rt_host
from engine.stream_callback import BLOCKS, DUE_NS, FRAMES, LENGTH_NS, RATE_HZ, TURN
from engine.wires.board import TIME_COUNT

BAND_HZ, FIRST_BAND_HZ = 0.1, 2.0         # of the loop, later and at first
WIDEST = 0.5                              # of the loop, radians an observation: stable beyond gaps
OFF_RATE = 0.005                          # a sound card is never further from its nominal rate
RUN, STEP_SIGMAS, STEP_NS = 5, 4.0, 100e3  # so many errors, of one side and so large: a step
FIRST_SIGMA_NS = 500e3


@rt_host
def _read_block(words, found):
    """Begin (in frames), due time and length of the newest block; False while one is written."""
    if load_acquire(words, TURN):
        return False
    blocks = load_acquire(words, BLOCKS)
    found[0] = load_acquire(words, FRAMES)
    found[1] = load_acquire(words, DUE_NS)
    found[2] = load_acquire(words, LENGTH_NS)
    return blocks > 0 and load_acquire(words, TURN) == 0 and load_acquire(words, BLOCKS) == blocks


class NewestBlock:
    """Reads a stream's newest block whole, or not at all.

    origin_sample  the rig's sample of the stream's first frame
    """

    def __init__(self, words, origin_sample=0):
        self.words, self.origin_sample = words, origin_sample
        self._found = np.zeros(3, np.int64)
        self.read()                       # compiled aside

    def read(self):
        """(the rig's sample at its begin, ns at which it was due), or None: ask again later."""
        if not _read_block(self.words, self._found):
            return None
        frames, due, length_ns = map(int, self._found)
        length = round(length_ns * int(self.words[RATE_HZ]) / 1e9)
        return self.origin_sample + frames - length, due


class Timeline:
    """Samples and monotonic ns: a straight line between two feeds, newer samples never earlier.

    latency_s  from the due time of a block to the loudspeaker, kept by `publish`
    steps      how often the time was moved by a step
    """

    def __init__(self, rate_hz, latency_s=0.0):
        self.rate_hz, self.latency_s, self.steps = rate_hz, latency_s, 0
        self.sample, self.ns, self.ns_per_sample = None, 0.0, 1e9 / rate_hz
        self._errors, self._sigma, self._fed_s = deque(maxlen=RUN), FIRST_SIGMA_NS, 0.0

    def feed(self, sample, due_ns):
        """The newest block begins at a sample and was due at a time; False when it is known."""
        if self.sample is None:
            self.sample, self.ns = sample, float(due_ns)
            return True
        span = sample - self.sample
        if span <= 0:
            return False
        expected = self.ns + span * self.ns_per_sample
        error = due_ns - expected
        if self._stepped(error):
            ordered = sorted(self._errors)
            self._move(sample, expected + ordered[RUN // 2])
            self._errors.clear()
            self.steps += 1
            return True
        most = STEP_SIGMAS * self._sigma + STEP_NS      # one that is alone pulls no further
        error = min(max(error, -most), most)
        seconds = span / self.rate_hz
        self._fed_s += seconds
        band = max(BAND_HZ, FIRST_BAND_HZ / (1.0 + 4.0 * self._fed_s))
        omega = min(WIDEST, 2.0 * math.pi * band * seconds)
        self._move(sample, expected + math.sqrt(2.0) * omega * error)
        rate = self.ns_per_sample + omega * omega * error / span
        even = 1e9 / self.rate_hz
        self.ns_per_sample = min(max(rate, even * (1.0 - OFF_RATE)), even * (1.0 + OFF_RATE))
        return True

    def _move(self, sample, ns):
        self.sample, self.ns = sample, max(ns, self.ns + 1.0)

    def _stepped(self, error):
        """True when the newest errors say together that the time has moved."""
        errors = self._errors
        if len(errors) == RUN:            # what is past the question teaches how much is usual
            usual = min(abs(errors[0]), STEP_SIGMAS * self._sigma)
            self._sigma = math.sqrt(self._sigma ** 2 * 0.97 + usual ** 2 * 0.03)
        errors.append(error)
        if len(errors) < RUN:
            return False
        limit = STEP_SIGMAS * self._sigma / math.sqrt(RUN) + STEP_NS
        mean = sum(errors) / RUN
        return abs(mean) > limit and all(e * mean > 0 for e in errors)

    # ---- the device's side
    def ns_of(self, sample):
        """When a sample is due at the device, monotonic ns; None before the first block."""
        if self.sample is None:
            return None
        return self.ns + (sample - self.sample) * self.ns_per_sample

    def sample_of(self, ns):
        """The (fractional) sample that is due at the device at a time; None before the first."""
        if self.sample is None:
            return None
        return self.sample + (ns - self.ns) / self.ns_per_sample

    # ---- the listener's side
    def heard_ns(self, sample):
        """When a sample leaves the loudspeaker, monotonic ns; None before the first block."""
        due = self.ns_of(sample)
        return None if due is None else due + self.latency_s * 1e9

    def sample_heard(self, ns):
        """Which (fractional) sample leaves the loudspeaker at a time; None before the first."""
        return self.sample_of(ns - self.latency_s * 1e9)

    def publish(self, board, step, bpm, playing, latency_s=None):
        """Tells wires and guard the time, and that `step` stands at this timeline's `sample`."""
        self.latency_s = self.latency_s if latency_s is None else latency_s
        if self.sample is None:
            return
        board.write(TIME_COUNT, SAMPLE=self.sample, NS=self.heard_ns(self.sample),
                    NS_PER_SAMPLE=self.ns_per_sample, STEP=step, BPM=bpm,
                    PLAYING=float(playing), LATENCY_S=self.latency_s)
