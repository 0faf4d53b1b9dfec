"""MIDI ports: found by pattern among what rtmidi lists; systems of ports that come and go.

A pattern is alternatives, "IAC|Ableton|hiddenstage", the first that exists wins; `virtual:NAME`
makes a port. Never by place in a list, never one of our own. Thread: control (one thread a Ports).
"""
import contextlib
import ctypes
import os
import re
import time

import rtmidi

from engine.errors import EngineError
from engine.port_names import IN, OUT, VIRTUAL, alternatives, choose, unknown

OURS = "hiddenstage-"                     # how every client of ours is called
DEAD_S, DOUBT_S = 1.0, 0.3                # what goes round has stayed away so long
LISTINGS = 10                             # tries to list ports while some come and go
LOOP = [0xFE]                             # Active Sensing: what goes round
NONE = ("no MIDI on this machine: load the sequencer (modprobe snd-seq) or start a JACK server "
        "(jackd -d dummy), then `hiddenstage ports`")
NO_VIRTUAL = ("Windows has no virtual MIDI ports: make one named {0!r} in loopMIDI and ask for "
              "{0!r} instead of virtual:{0}")


def known():
    """Name to rtmidi's number of every system of ports that was compiled in and could work."""
    names = {rtmidi.API_LINUX_ALSA: "ALSA", rtmidi.API_UNIX_JACK: "JACK",
             rtmidi.API_MACOSX_CORE: "CoreMIDI", rtmidi.API_WINDOWS_MM: "Windows"}
    return {names[number]: number for number in rtmidi.get_compiled_api() if number in names
            and (number != rtmidi.API_LINUX_ALSA or os.path.exists("/dev/snd/seq"))}


@contextlib.contextmanager
def quiet():
    """libjack and libasound write to standard error whatever is asked of them."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def close(handle):
    """Closes a client of rtmidi whose server lives."""
    handle.close_port()
    handle.delete()


class System:
    """ALSA, JACK, CoreMIDI or Windows: a client of each direction that lists its ports, kept open.

    JACK never says that its server died: every call "succeeds" from then on. So a byte goes round
    from our own output to our own input; when it stays away, everything of JACK is given up.

    No callbacks here or elsewhere: rtmidi holds the interpreter while it opens or closes a client,
    JACK waits meanwhile for its cycle to end, and a callback in that cycle for the interpreter.
    """

    def __init__(self, name, number, watched=True):
        self.name, self.number = name, number
        self.watched = watched and name == "JACK"
        self.listing, self.bindings, self.up = {}, set(), False
        self.loops = self._sent = self._sent_ns = 0

    def open(self):
        """Asks for the system again; True when it is there."""
        if self.up:
            return True
        client = f"{OURS}alive-{os.getpid()}"
        try:
            with quiet():
                self.listing = {OUT: rtmidi.MidiOut(rtapi=self.number, name=client),
                                IN: rtmidi.MidiIn(rtapi=self.number, name=client)}
                if self.watched:
                    self._loop(client)
        except (rtmidi.RtMidiError, OSError, ValueError):
            self.listing = {}
            return False
        self.up = True
        return True

    def _loop(self, client):
        source, ear = self.listing[OUT], self.listing[IN]
        ear.open_virtual_port("loop")
        ear.ignore_types(active_sense=False)
        mine = [k for k, name in enumerate(source.get_ports())
                if re.match(re.escape(client) + r"(-\d+)?:loop$", name)]
        source.open_port(mine[-1], name="loop-out")
        self.loops = self._sent = self._sent_ns = 0

    def alive(self, patience_s=DEAD_S):
        """Sends the byte round; False when the last one has not come back in time."""
        now_ns = time.monotonic_ns()
        if not self.watched:
            return True
        while self.listing[IN].get_message():
            self.loops += 1
        if self.loops < self._sent:
            return now_ns - self._sent_ns < patience_s * 1e9
        self._sent, self._sent_ns = self.loops + 1, now_ns
        self.listing[OUT].send_message(LOOP)
        return True

    def names(self, direction):
        """The ports of others, as the system lists them now."""
        for _ in range(LISTINGS if self.up else 0):
            with contextlib.suppress(rtmidi.InvalidPortError):      # one went after the count
                return [name for name in self.listing[direction].get_ports()
                        if not name.startswith(OURS)]
        return []

    def give_up(self):
        """After the server's death: forgets every client without closing it. Closing waits a second
        each with the interpreter held, and closing after a new client came crashes."""
        handles = [*self.listing.values(), *(binding.lose() for binding in self.bindings)]
        for handle in handles:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))
        self.bindings.clear()
        self.listing, self.up = {}, False

    def close(self):
        for handle in self.listing.values():
            close(handle)
        self.listing, self.up = {}, False


class Ports:
    """Every system of this machine."""

    def __init__(self, watched=True):
        self.systems = [System(name, number, watched) for name, number in known().items()]
        for system in self.systems:
            system.open()

    def look(self):
        """Notices systems that died and systems that came."""
        for system in self.systems:
            if system.up and not system.alive():
                system.give_up()
            elif not system.up:
                system.open()

    def doubt(self):
        """Before closing: gives up what has not answered for a moment."""
        for system in self.systems:
            if system.up and not system.alive(DOUBT_S):
                system.give_up()

    def names(self, direction):
        return [name for system in self.systems for name in system.names(direction)]

    def find(self, direction, pattern):
        """(system, name) of the port that a pattern means now, or None; `virtual:` names a new
        one."""
        for wanted in alternatives(pattern):
            if wanted.startswith(VIRTUAL):
                able = [s for s in self.systems if s.up and s.name != "Windows"]
                if not able and any(s.name == "Windows" for s in self.systems):
                    raise EngineError(NO_VIRTUAL.format(wanted[len(VIRTUAL):]))
                if able:
                    return able[0], wanted
                continue
            found = {name: s for s in self.systems for name in s.names(direction)}
            if (name := choose(wanted, found)) is not None:
                return found[name], name
        return None

    def demand(self, direction, pattern):
        """As `find`; raises EngineError with near names when there is no such port."""
        found = self.find(direction, pattern)
        if found is None:
            if not any(system.up for system in self.systems):
                raise EngineError(NONE)
            raise EngineError(unknown(direction, pattern, self.names(direction)))
        return found

    def close(self):
        for system in self.systems:
            if system.up:
                system.close()
