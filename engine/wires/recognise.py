"""Which control a hand moves, and of what make it is, told from what it sends. Thread: control.

An absolute control sends where it stands, so that neighbours differ; an endless encoder sends how
far it went, so that its small numbers come again and again; a button sends two values, or one. A
fader that sends a note under the finger is told from a pad by what else comes.
"""
from collections import deque
from dataclasses import dataclass

from engine.formats.controls import RELATIVE, Message, Row
from engine.wires.bound import BUTTON_MODES, PLAY, bind
from engine.wires.turning import ticks_of

QUIET_NS, PAD_NS = 1_200_000_000, 500_000_000
MOST_STREAMS, MOST_MESSAGES = 512, 64
SPREAD, FAST_TICKS = 8, 16                # an idle pot trembles less; an encoder goes no faster
ENOUGH_TICKS, ENOUGH_ONE_WAY, ENOUGH_SMALL = 6, 24, 10
NUMBER_CONTROLLERS = (6, 38, 96, 97, 98, 99, 100, 101)
LOUD = 100                                # what a button without a release sends at least


@dataclass(frozen=True)
class Found:
    """style   "absolute", "button", "note", "program", or one of RELATIVE"""
    port: str
    channel: int
    message: Message
    style: str

    def __str__(self):
        what = "" if self.style in (self.message.kind, "absolute") else f", {self.style}"
        return f"{self.message} on channel {self.channel} of {self.port}{what}"


def style_of(raws, quiet):
    """The make of a 7-bit controller by what it has sent; None while it cannot be told.

    quiet   nothing more comes: the likelier of two is taken
    """
    distinct, count = set(raws), len(raws)
    if len(distinct) == 2 and 0 in distinct and max(distinct) >= 64:
        return "button" if raws[-1] == 0 else None
    if len(distinct) == 1 and count < 4 and raws[0] >= LOUD:
        return "button" if quiet else None
    steps = [abs(b - a) for a, b in zip(raws, raws[1:], strict=False)]
    makes = [make for make in RELATIVE if all(
        0 < abs(ticks_of(make, raw)) <= FAST_TICKS for raw in raws)]
    again = steps.count(0) * (8 if count > 2 * ENOUGH_TICKS else 4) >= count
    if makes and again and count >= (3 if quiet else ENOUGH_TICKS):
        if len(makes) == 1 or quiet or count >= ENOUGH_ONE_WAY:
            return makes[0]
        return None
    spread = max(distinct) - min(distinct)
    if makes and 2 * max(steps, default=0) > spread:
        return None                       # an encoder's turn back, more likely
    if spread >= SPREAD and count >= (ENOUGH_SMALL if makes and not quiet else 4):
        return "absolute"
    return None


class Recogniser:
    """Hears everything until one control is told from all others.

    keys   whether a keyboard is wanted: any note then means all of its notes
    """

    def __init__(self, keys=False):
        self._keys, self._streams, self._down = keys, {}, {}

    def hear(self, port, moves, now_ns):
        """The Found that these moves decide, or None."""
        for move in moves:
            kind, number = move.key[0], move.key[1]
            where = port, move.channel, kind, number
            if kind == "program":
                return Found(port, move.channel, Message(kind, number), "program")
            if kind == "note":
                if found := self._note(where, move.raw, now_ns):
                    return found
            elif where in self._streams or len(self._streams) < MOST_STREAMS:
                self._streams.setdefault(where, deque(maxlen=MOST_MESSAGES)).append(
                    (now_ns, move.raw))
        return self.found(now_ns)

    def _note(self, where, raw, now_ns):
        port, channel, kind, number = where
        if raw and self._keys:
            return Found(port, channel, Message("notes"), "notes")
        if raw:
            self._down[where] = now_ns
            return None
        down = self._down.pop(where, None)
        if down is None or self._turning(down):
            return None
        return Found(port, channel, Message(kind, number), "note")

    def _turning(self, since_ns):
        """Whether something has turned since: then a note was a touch of it."""
        return any(key[2] != "pressure" and len(s) > 2 and s[-1][0] > since_ns
                   for key, s in self._streams.items())

    def found(self, now_ns):
        """What can be told by now; call it now and then while nothing comes."""
        for where, stream in self._streams.items():
            raws = [raw for _, raw in stream]
            if found := self._judge(where, raws, now_ns - stream[-1][0] > QUIET_NS):
                return found
        for (port, channel, kind, number), since in self._down.items():
            if now_ns - since > PAD_NS and not self._turning(since):
                return Found(port, channel, Message(kind, number), "note")
        return None

    def _judge(self, where, raws, quiet):
        port, channel, kind, number = where
        if kind == "cc":
            return self._controller(where, raws, quiet)
        if kind == "pressure" and any(key[:2] == where[:2] for key in self._down):
            return None                   # of a pad that is held
        if len(raws) < 4 or max(raws) - min(raws) < SPREAD:
            return None
        return Found(port, channel, Message(kind, number), "absolute")

    def _controller(self, where, raws, quiet):
        port, channel, _, number = where
        if number in NUMBER_CONTROLLERS and any(
                (key[0], key[1], key[2]) == (port, channel, "nrpn") for key in self._streams):
            return None
        coarse = number % 32
        high, fine = (self._streams.get((port, channel, "cc", n), ()) for n in (
            coarse, coarse + 32))
        if number < 64 and len(fine) >= 4 and 2 * len(high) >= len(fine):
            return Found(port, channel, Message("cc", coarse, coarse + 32), "absolute")
        if number < 64 and high and fine and len(raws) < 8 and not quiet:
            return None                   # perhaps the half of a fine one
        style = style_of(raws, quiet)
        return style and Found(port, channel, Message("cc", number), style)


def row_for(found, target, known):
    """The Row that binds what was found to a target; raises SetError where they do not fit.

    known   see `engine.wires.bound.places`
    """
    row = Row(found.message, target, port=_lasting(found.port), channel=found.channel)
    bound = bind(row, known)
    if bound.does != "value":
        return row
    mode = ""
    if found.style in RELATIVE:
        mode = found.style
    elif found.style == "button" and bound.mode not in BUTTON_MODES:
        mode = "toggle"
    row = Row(found.message, target, row.port, row.channel, mode)
    bind(row, known)
    return row


def _lasting(port):
    """A port's name without the numbers that ALSA gives anew each time ("X:X MIDI 1 24:0")."""
    name, _, numbers = port.rpartition(" ")
    client, colon, place = numbers.partition(":")
    return name if colon and client.isdigit() and place.isdigit() and name else port


def wants_keys(target):
    return target.startswith(PLAY) and " " not in target


def learned(rows, row):
    """The rows with a new one: it takes the place of others of its control and its target."""
    return [*(r for r in rows if r.target != row.target and not (
        r.message == row.message and r.hears(row.port, row.channel))), row]
