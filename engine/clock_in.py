"""Another machine's MIDI clock, and a finger's taps: where the beat is, and how fast. Thread:
control.

A straight line is fitted through the newest ticks by least squares. Ticks that run away from it
together are a new tempo: the line begins again with them. A tick far off its place is put aside
until the next three say what it was: after a gap, twice, or the first of another tempo.
"""
import math
from collections import deque

from engine.clock import BPM_HIGH, BPM_LOW
from engine.errors import SetError

TICKS = 24                                # a beat
WINDOW, ENOUGH = 48, 6                    # ticks in the line; fewer keep the tempo they had
RUN, RUN_SIGMAS = 6, 4.0                  # so many ticks off to one side, so far: another tempo
FIRST_SIGMA_NS, LEAST_SIGMA_NS = 1e6, 0.1e6
OFF_TICKS, OFF_SIGMAS = 0.6, 3.0          # off its place: by so much, and so unusual
ASIDE = 4                                 # ticks that decide about one that is off
TWICE_NS = 1_000_000                      # before the tempo is known: the same tick again
SAME_TEMPO, REGULAR, NEXT = 0.15, 0.25, 0.35
REPHASED_TICKS = 0.25                     # a Start may begin the grid anew
HOLDING_TICKS, LOST_BEATS = 3.0, 8.0      # silent for longer: holding, lost
CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
TAPS, FORGET_S = 9, 2.0


def line_of(points):
    """(x, y, slope) of the least-squares line through (x, y) points; (x, y) is their middle."""
    count = len(points)
    x = sum(p[0] for p in points) / count
    first = points[0][1]
    y = sum(p[1] - first for p in points) / count
    spread = sum((p[0] - x) ** 2 for p in points)
    slope = sum((p[0] - x) * (p[1] - first - y) for p in points) / spread if spread else 0.0
    return x, first + y, slope


class ClockIn:
    """Feed it messages with the times they were stamped with; ask it for beats at any time.

    playing  None until a Start, Continue or Stop was heard
    aligned  True once a Start or a song position has told which beat it is
    events   deque of (name, ns, beat): "start", "continue" (at the tick that follows it), "stop",
             "position"; whoever reads it takes them out
    """
    waits_for_bar = False

    def __init__(self, bpm=120.0):
        self.playing, self.aligned, self.events = None, False, deque()
        self._tick_ns, self._measured = 60e9 / (bpm * TICKS), False
        self._ticks, self._aside = deque(maxlen=WINDOW), []
        self._misses, self._sigma = deque(maxlen=RUN), FIRST_SIGMA_NS
        self._count, self._newest_ns = None, 0
        self._at, self._at_ns = 0.0, 0.0                  # the line: this tick at this time
        self._base, self._base_beat, self._next, self._begun = 0, 0.0, None, ""

    # ---- what is heard
    def message(self, data, time_ns):
        """One MIDI message's bytes; what is not about time is left alone."""
        if not len(data):
            return
        kind = int(data[0])
        if kind == CLOCK:
            self.tick(time_ns)
        elif kind == START:
            self._next, self._begun = 0.0, "start"
        elif kind == CONTINUE:
            self._next = self._place() if self._next is None else self._next
            self._begun = "continue"
        elif kind == STOP:
            if self.playing and not self._begun:
                self._next = self._place()
            self.playing, self._begun = False, ""
            self.events.append(("stop", time_ns, self._next or 0.0))
        elif kind == POSITION and len(data) >= 3:
            self._next = (int(data[1]) + 128 * int(data[2])) / 4.0
            self.events.append(("position", time_ns, self._next))
            if self.playing:                              # some senders jump without a Stop
                self._begun = "continue"

    def _place(self):
        """The beat of the tick after the newest."""
        return self._base_beat + ((self._count or 0) + 1 - self._base) / TICKS

    def tick(self, time_ns):
        """One F8."""
        expected = (self._count or 0) + 1
        if not self._measured and 0 <= time_ns - self._newest_ns < TWICE_NS:
            return
        if self._count is None or self._silent_ticks(time_ns) > LOST_BEATS * TICKS:
            count = 0 if self._count is None else max(expected, round(self._tick_at(time_ns)))
            self._again([(count, time_ns)])
        elif self._begun and abs(self._tick_at(time_ns) - expected) > REPHASED_TICKS:
            self._again([(expected, time_ns)])
        elif self._aside or abs(self._tick_at(time_ns) - expected) > self._off_ticks():
            self._aside.append(time_ns)
            if len(self._aside) == ASIDE:
                self._decide()
        else:
            self._add(expected, time_ns)
        self._newest_ns = time_ns
        if self._begun:
            self._begin()

    def _begin(self):
        """The tick after a Start or a Continue: it says which beat this is."""
        self._base, self._base_beat = self._count, self._next
        self.playing = self.aligned = True
        self.events.append((self._begun, round(self._ns_at(self._count)), self._next))
        self._next, self._begun = None, ""

    # ---- which tick is it?
    def _off_ticks(self):
        """How far off its place a tick must be to be put aside: further while the line is young."""
        count = len(self._ticks)
        if not self._measured or count < 2:
            return OFF_TICKS if self._measured else math.inf
        ahead = 1.0 + count / 2.0
        sigma = self._sigma * math.sqrt(1.0 + 1.0 / count + 12.0 * ahead ** 2 / count ** 3)
        return max(OFF_TICKS, OFF_SIGMAS * sigma / self._tick_ns)

    def _decide(self):
        """Four ticks off their places: another tempo, or the old one with some missing or twice."""
        aside, self._aside = self._aside, []
        points = list(enumerate(aside))
        x, y, length = line_of(points)
        off = max(abs(t - y - (k - x) * length) for k, t in points)
        same = abs(length / self._tick_ns - 1.0) < SAME_TEMPO
        next_one = abs((aside[0] - self._ticks[-1][1]) / length - 1.0) < NEXT
        slowest, fastest = (60e9 / (b * TICKS) for b in (BPM_LOW, BPM_HIGH))
        regular = off < REGULAR * length and fastest * 0.9 < length < slowest * 1.1
        first = self._count + 1
        if regular and same and next_one:             # none is missing: it drifts away
            self._again(self._drifting() + [(first + k, t) for k, t in points])
        elif regular and not same:
            if not next_one:
                first = max(first, round(self._tick_at(aside[0])))
            self._again([(first + k, t) for k, t in points])
            self._tick_ns = length
            self._fit()
        else:
            for time_ns in aside:
                count = round(self._tick_at(time_ns))
                if count > self._count:
                    self._add(count, time_ns)

    def _drifting(self):
        """The newest ticks of the line that were off to one side, most lately."""
        late, count = self._misses[-1] > 0 if self._misses else True, 0
        while count < len(self._misses) and (self._misses[-1 - count] > 0) == late:
            count += 1
        return list(self._ticks)[-count:] if count else []

    def _again(self, points):
        """The line begins anew with these ticks."""
        self._ticks.clear()
        self._aside, self._count = [], points[-1][0]
        self._misses.clear()
        self._ticks.extend(points)
        self._fit()

    def _add(self, count, time_ns):
        if len(self._misses) == RUN:
            usual = min(abs(self._misses[0]), RUN_SIGMAS * self._sigma)
            self._sigma = max(LEAST_SIGMA_NS,
                              math.sqrt(self._sigma ** 2 * 0.97 + usual ** 2 * 0.03))
        self._misses.append(time_ns - self._ns_at(count))
        self._ticks.append((count, time_ns))
        self._count = count
        if len(self._misses) == RUN and len(self._ticks) > RUN:
            mean = sum(self._misses) / RUN
            if abs(mean) > RUN_SIGMAS * self._sigma / math.sqrt(RUN):
                self._again(list(self._ticks)[-RUN:])
                return
        self._fit()

    def _fit(self):
        self._at, self._at_ns, length = line_of(self._ticks)
        if len(self._ticks) >= (ENOUGH if self._measured else 3):
            slowest, fastest = (60e9 / (b * TICKS) for b in (BPM_LOW, BPM_HIGH))
            self._tick_ns = min(max(length, fastest), slowest)
            self._measured = self._measured or len(self._ticks) >= ENOUGH

    # ---- what is known
    def _silent_ticks(self, ns):
        return (ns - self._newest_ns) / self._tick_ns

    def _tick_at(self, ns):
        return self._at + (ns - self._at_ns) / self._tick_ns

    def _ns_at(self, count):
        return self._at_ns + (count - self._at) * self._tick_ns

    @property
    def bpm(self):
        """Beats per minute; of a silent sender the last."""
        return 60e9 / (self._tick_ns * TICKS)

    def beat_at(self, ns):
        """The sender's beat (quarters) at a monotonic time, later ones too."""
        return self._base_beat + (self._tick_at(ns) - self._base) / TICKS

    def state(self, ns):
        """"locked", "holding" (no tick where some were due) or "lost" at a monotonic time."""
        silent = self._silent_ticks(ns)
        if not self._measured or silent > LOST_BEATS * TICKS:
            return "lost"
        return "holding" if silent > HOLDING_TICKS else "locked"


class Tap:
    """Tap tempo: the median of the newest intervals; two seconds of rest begin it anew."""

    def __init__(self):
        self._taps_s = deque(maxlen=TAPS)

    def tap(self, time_s):
        """A tap at a time; the tempo once there are two, else None.

        raises  SetError for a tempo outside 20 to 400; the next tap begins anew
        """
        taps = self._taps_s
        if taps and not 0.0 < time_s - taps[-1] <= FORGET_S:
            taps.clear()
        taps.append(time_s)
        if len(taps) < 2:
            return None
        gaps = sorted(b - a for a, b in zip(taps, list(taps)[1:], strict=False))
        middle = len(gaps) // 2
        bpm = 60.0 / (gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle]) / 2.0)
        if not BPM_LOW <= bpm <= BPM_HIGH:
            taps.clear()
            raise SetError(f"tapped {bpm:.0f} beats per minute; a tempo is {BPM_LOW:g} to "
                           f"{BPM_HIGH:g}: tap again")
        return bpm
