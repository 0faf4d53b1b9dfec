"""Bytes of MIDI as moves of a control: fine controllers and registered numbers put together.
Thread: control.

source  MIDI 1.0: a coarse controller's fine one comes after it, and is 0 until it does; data entry
        (6, 38) belongs to the number that 99 and 98 chose, until 101 and 100 choose another
"""
from typing import NamedTuple

LENGTHS = {0x80: 3, 0x90: 3, 0xA0: 3, 0xB0: 3, 0xC0: 2, 0xD0: 2, 0xE0: 3}
NRPN_HIGH, NRPN_LOW, RPN_HIGH, RPN_LOW, DATA, DATA_FINE = 99, 98, 101, 100, 6, 38
FULL, FINE_FULL = 127, 16383


class Move(NamedTuple):
    """What a control did: raw of 0..top. key is (kind, number) or, of a fine controller,
    ("fine", coarse, fine)."""
    key: tuple
    channel: int                          # 1..16
    raw: int
    top: int = FULL


class _Halves:
    """A coarse and a fine half of one number."""

    def __init__(self):
        self.coarse, self.waiting, self.fine_comes = 0, False, False

    def high(self, value):
        """The number after its coarse half, None while the fine one is still to come."""
        alone, self.coarse, self.waiting = self.waiting, value, True
        if alone:                         # the last one had no fine half: none comes
            self.fine_comes = False
        return None if self.fine_comes else value << 7

    def low(self, value):
        self.waiting, self.fine_comes = False, True
        return self.coarse << 7 | value


class Hearing:
    """What comes in, put together.

    pairs   (coarse, fine) controllers that belong together
    """

    def __init__(self, pairs=()):
        self._high = {high: (high, low) for high, low in pairs}
        self._low = {low: (high, low) for high, low in pairs}
        self._halves, self._chosen = {}, {}

    def moves(self, port, data):
        """[Move] of one message; None for one that is broken; what is no control has none."""
        status = data[0] if data else 0
        if status >= 0xF0:
            return []
        if status < 0x80 or len(data) != LENGTHS[status & 0xF0] or max(data[1:]) > 127:
            return None
        kind, channel = status & 0xF0, (status & 15) + 1
        if kind == 0xB0:
            return self._controller(port, channel, data[1], data[2])
        if kind in (0x80, 0x90):
            return [Move(("note", data[1]), channel, data[2] if kind == 0x90 else 0)]
        if kind == 0xA0:
            return [Move(("pressure", data[1]), channel, data[2])]
        if kind == 0xE0:
            return [Move(("bend", -1), channel, data[1] | data[2] << 7, FINE_FULL)]
        if kind == 0xC0:
            return [Move(("program", data[1]), channel, FULL)]
        return [Move(("pressure", -1), channel, data[1])]

    def _controller(self, port, channel, number, value):
        found = [Move(("cc", number), channel, value)]
        for pairs, half in ((self._high, _Halves.high), (self._low, _Halves.low)):
            if number in pairs:
                found += self._joined(half, (port, channel, *pairs[number]),
                                      ("fine", *pairs[number]), channel, value)
        return found + self._registered(port, channel, number, value)

    def _joined(self, half, place, key, channel, value):
        raw = half(self._halves.setdefault(place, _Halves()), value)
        return [] if raw is None else [Move(key, channel, raw, FINE_FULL)]

    def _registered(self, port, channel, number, value):
        where = port, channel
        if number in (RPN_HIGH, RPN_LOW):
            self._chosen.pop(where, None)
        elif number in (NRPN_HIGH, NRPN_LOW):
            high, low = self._chosen.get(where, (None, None))
            self._chosen[where] = (value, low) if number == NRPN_HIGH else (high, value)
            self._halves.setdefault(where, _Halves()).waiting = False
        elif number in (DATA, DATA_FINE):
            high, low = self._chosen.get(where, (None, None))
            if high is None or low is None or (high, low) == (FULL, FULL):
                return []
            halves = self._halves[where]
            raw = halves.high(value) if number == DATA else halves.low(value)
            if raw is not None:
                return [Move(("nrpn", high << 7 | low), channel, raw, FINE_FULL)]
        return []
