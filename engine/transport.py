"""Tempo, start, stop and song position of a conductor. Thread: control.

Steps are counted for good; a place of the song (what a sequencer shows) is the step and `shift`.
"""
import numpy as np

from engine.clock import COLUMNS, STEPS_PER_BAR
from engine.midi_out import CLOCK_CONTINUE, CLOCK_START, CLOCK_STOP
from engine.records import OFF

JOURNALED = 8192                          # rows of the tempo map that a change may replace


class Transport:
    """Belongs to one conductor, and acts on its clock, its steps and its ports.

    follower   of another clock (see `engine.follow`), or None
    """

    def __init__(self, conductor):
        self.conductor, self.shift, self.follower = conductor, 0, None
        self._changes, self._written = 0, (0, np.zeros((0, COLUMNS)))

    def tempo(self, bpm, bars=0.0):
        """A tempo from the next step on, or reached over some bars."""
        self.conductor.clock.ramp(bpm, self.conductor.step, round(bars * STEPS_PER_BAR))

    def led(self, bpm):
        """True when another clock keeps the tempo, so that a new set's own does not count."""
        return self.follower is not None and self.follower.loaded(bpm)

    def stop(self):
        """The music stands at the next step; what sounds is let go there."""
        c = self.conductor
        if not c.clock.rolls:
            return
        c.clock.stop(c.step)
        sample = c.clock.sample_of(c.step)
        for part in range(len(c.rig.tables[c.deck].parts)):
            c.send(c.rig.push(sample, OFF, c.deck, part, cause=c.why("transport", "stop")))
        if c.midi:
            c.midi.transport(sample, CLOCK_STOP)

    def go_on(self, sample, place=None, bpm=None):
        """The music rolls from a sample on, where it stood, or at a 16th of the song.

        A place keeps its place in the bar; the steps in between are not played. A music that rolls
        moves there at once; the map stands between its last step and that sample, so that whatever
        reads it leaves out the steps in between too.
        """
        c = self.conductor
        step = c.step
        if place is not None:
            step += (place - step) % STEPS_PER_BAR
            self.shift = place - step
        sample = max(sample, c.clock.place_of(c.step))    # a stop may still lie ahead
        if c.clock.rolls:
            c.clock.stop(c.step)
        c.clock.go_on(step, sample, bpm)
        sample = round(sample)
        c.due, c.step = c.due + step - c.step, step
        if c.midi:
            song = step + self.shift
            c.midi.transport(sample, CLOCK_CONTINUE if song else CLOCK_START, song or None,
                             song * 15.0 / c.clock.bpm_at(step))

    def journal(self, recorder):
        """What is new in the tempo map goes into the take."""
        clock = self.conductor.clock
        if clock.changes != self._changes:
            rows, (first, old) = clock.rows, self._written
            self._changes = clock.changes
            new = rows[first:]
            both = min(len(old), len(new))
            differ = np.flatnonzero((old[:both] != new[:both]).any(axis=1))
            since = first + int(differ[0] if len(differ) else both)
            first = max(0, len(rows) - JOURNALED)
            self._written = first, rows[first:].copy()
            recorder.chunk(b"TMPO", {"from": since, "rows": [
                [None if x == float("inf") else x for x in row] for row in rows[since:].tolist()]})
