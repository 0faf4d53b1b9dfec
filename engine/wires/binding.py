"""A MIDI port that is bound by its pattern, and bound again when it comes back. Thread: any (`look`
and `close`: one)."""
import contextlib
import re
import threading

import rtmidi

from engine.errors import EngineError
from engine.port_names import OUT, VIRTUAL
from engine.wires.ports import OURS, close, quiet

ROOM_BYTES = 12_000                       # of RtMidi's 16 KB to JACK: a full one hangs the process


class Binding:
    """A pattern, and the port that it means now.

    client  what our side is called in a patch bay
    ready   called with rtmidi's client before a port is opened
    bound   the port's name, None while it is away
    raises  EngineError when there is no such port, unless `wait`
    """

    def __init__(self, ports, direction, pattern, client, wait=False, ready=None):
        self.ports, self.direction, self.pattern = ports, direction, pattern
        self.client, self.ready = OURS + re.sub(r"[^\w .-]", "-", client)[:40], ready
        self.handle = self.system = self.bound = None
        self._lock, self._marks = threading.RLock(), [0, 0, 0]
        if not wait:
            found = ports.demand(direction, pattern)
            try:
                self._open(*found)
            except (rtmidi.RtMidiError, ValueError) as fault:
                raise EngineError(f"MIDI port {found[1]!r} cannot be opened ({fault}): "
                                  "close the program that holds it") from None

    def _open(self, system, name):
        make = rtmidi.MidiOut if self.direction == OUT else rtmidi.MidiIn
        with quiet():
            handle = make(rtapi=system.number, name=self.client)
        if self.ready:
            self.ready(handle)
        if name.startswith(VIRTUAL):
            handle.open_virtual_port(name[len(VIRTUAL):])
        else:
            handle.open_port(handle.get_ports().index(name), name=self.direction)
        with self._lock:
            self.handle, self.system, self.bound = handle, system, name
            self._marks = [system.loops, 0, 0]
            system.bindings.add(self)

    def look(self):
        """"gone" when the port has just been lost, "back" when it has just been bound, or None."""
        if self.bound is not None:
            lost = self.handle is None
            if not lost and not self.bound.startswith(VIRTUAL):
                lost = self.bound not in self.system.names(self.direction)
            if lost:
                self.close()
                return "gone"
            return None
        with contextlib.suppress(rtmidi.RtMidiError, ValueError):
            if (found := self.ports.find(self.direction, self.pattern)) is not None:
                self._open(*found)
                return "back"
        return None

    def lose(self):
        """Takes the client away, unclosed; gives it back."""
        with self._lock:
            handle, self.handle = self.handle, None
            return handle

    def close(self):
        """Closes it; what was sent before is delivered."""
        with self._lock:
            if self.handle is not None:
                self.system.bindings.discard(self)
                close(self.handle)
            self.handle = self.bound = None

    def send(self, data):
        """True when it is on its way, False while there is no room, None while the port is away."""
        with self._lock:
            if self.handle is None:
                return None
            if not self._room(len(data) + 4):
                return False
            self.handle.send_message(data)
            return True

    def receive(self):
        """(message, seconds since the one before) that came in, or None."""
        with self._lock:
            return self.handle and self.handle.get_message()

    def _room(self, size):
        """Whether RtMidi's own ring to JACK holds so many bytes more: with a dead server nobody
        empties it, and a full one holds the interpreter for ever. What was written before the last
        loop was sent is gone when it has come back."""
        if not self.system.watched:
            return True
        if self._marks[0] != self.system.loops:
            self._marks = [self.system.loops, self._marks[2], 0]
        if self._marks[1] + self._marks[2] + size > ROOM_BYTES:
            return False
        self._marks[2] += size
        return True
