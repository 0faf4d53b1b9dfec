"""Where events come from: numbers that the rig carries in an event's flags, explained in the take.
Thread: control.

A chunk CAUS says what a number means: by whom, in words, and which link. The notes of a step have
numbers of their own, from the "first" of its STEP on.
"""
from dataclasses import asdict

from engine.records import CAUSE_BIT

MOST = (1 << 31 - CAUSE_BIT) - 1          # what fits beside an event's flags: 70 hours of house


class Causes:
    """One take's numbers, counted from 1; 0 is for what is not recorded."""

    def __init__(self):
        self._known, self._next, self._recorder = {}, 1, None

    def of(self, recorder, by, text, link=None):
        """The number of a cause, explained in the take when it is new.

        by  "link", "music", "hand", "tempo", "set", "panic" or "transport"
        """
        if recorder is not self._recorder:
            self._known, self._recorder = {}, recorder
        number = self._known.get((by, text, link))
        if number is None and (number := self.several(recorder, 1)):
            self._known[by, text, link] = number
            recorder.chunk(b"CAUS", {"number": number, "by": by, "text": text,
                                     "link": asdict(link) if link else None})
        return number

    def several(self, recorder, count):
        """The first of `count` numbers in a row; 0 when there are none."""
        first = self._next
        if recorder is None or first + count > MOST:
            return 0
        self._next += count
        return first
