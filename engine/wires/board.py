"""One page of shared memory that stage, wires and guard read without asking. Thread: any.

Words are written by one process each, named below. What belongs together is written between two
steps of a count (odd while it changes), so that a reader never takes half of it.
"""
import mmap
import os

import numpy as np

from engine.rt import rt_host, store_release

# anybody adds to it: the rig silences everything when it has changed
PANIC = 0
# the stage: signs of life, ns; the count of TIMELINE and TRANSPORT
STAGE_NS, TIME_COUNT = 8, 9
# the stage: the count of LINK_WISH; each write is one wish, and a part of it that is NaN is none
LINK_WISHES = 10
# the wires process: signs of life; the count of LINK
WIRES_NS, LINK_COUNT, LINK_PEERS, LINK_PLAYING = 16, 17, 18, 19
# and its MIDI: messages sent, late, not sent (too late, refused, the port away), lost on the way in
MIDI_SENT, MIDI_LATE, MIDI_UNSENT, MIDI_UNHEARD = 24, 25, 26, 27
# and LINK_WISHES as it was when the newest wish was carried out
LINK_GRANTED = 20
WORDS = 64
# floats, written by the stage: sample `SAMPLE` is heard at monotonic `NS`; step `STEP` at `SAMPLE`
SAMPLE, NS, NS_PER_SAMPLE, STEP, BPM, PLAYING, LATENCY_S = 0, 1, 2, 3, 4, 5, 6
# floats, written by the wires process: Link's beat (quarters) at a monotonic time, ns
LINK_BEAT, LINK_NS, LINK_BPM = 16, 17, 18
# floats, written by the stage: a tempo, a start (1) or stop (0) for everyone in Link's session
LINK_WISH_BPM, LINK_WISH_PLAYING = 24, 25
FLOATS = 64
SIZE = 8 * (WORDS + FLOATS)


@rt_host
def _publish(words, index, value):
    store_release(words, index, value)


class Board:
    """Board(path, new=True) makes the file, Board(path) opens it, Board(None) is this process's
    own. `words` (64,) int64 and `floats` (64,) float64 are views of it."""

    def __init__(self, path, new=False):
        if path is None:
            self._map = mmap.mmap(-1, SIZE)
        else:
            with open(path, "w+b" if new else "r+b") as file:
                if new:
                    file.write(bytes(SIZE))
                    file.flush()
                self._map = mmap.mmap(file.fileno(), SIZE)
        self.words = np.frombuffer(self._map, np.int64, WORDS)
        self.floats = np.frombuffer(self._map, np.float64, FLOATS, 8 * WORDS)

    def write(self, count, **values):
        """Floats by name (`SAMPLE=…`) that belong together, under one of the counts."""
        _publish(self.words, count, self.words[count] + 1)
        for name, value in values.items():
            self.floats[globals()[name]] = value
        _publish(self.words, count, self.words[count] + 1)

    def read(self, count, *names):
        """The floats of those names as they were at one moment; None before the first write, or
        while a writer that died half way left them half written."""
        places = [globals()[name] for name in names]
        for _ in range(1000):
            before = int(self.words[count])
            values = self.floats[places].tolist()
            if before and before % 2 == 0 and before == int(self.words[count]):
                return values
            if not before:
                return None
            os.sched_yield()
        return None

    def ns_of(self, sample):
        """When a sample is heard, monotonic ns; None before the stage has begun."""
        read = self.read(TIME_COUNT, "SAMPLE", "NS", "NS_PER_SAMPLE")
        return read and read[1] + (sample - read[0]) * read[2]

    def sample_of(self, ns):
        """Which sample is heard at a monotonic time; None before the stage has begun."""
        read = self.read(TIME_COUNT, "SAMPLE", "NS", "NS_PER_SAMPLE")
        return read and read[0] + (ns - read[1]) / read[2]

    def panic(self):
        """Silences the rig and every port, whatever the conductor does."""
        self.words[PANIC] += 1
