"""Keeps our JACK ports connected to the ports that fit; those may vanish, and return.

Thread: control.
"""
import re
import threading
from dataclasses import dataclass, field

from engine import jack
from engine.errors import DeviceError, suggestion
from engine.stream_jack_callback import CHANGES, DOWN

LOOK_S = 0.25


@dataclass
class Wish:
    """One port of ours, and which ports it is to be connected with.

    ours    its full name;  midi, takes  what it is
    fits    a pattern that a port's name or alias holds; None for the physical port number `place`
    bound   the ports it is connected with, by us
    """
    ours: str
    midi: bool
    takes: bool
    fits: re.Pattern | None
    place: int = 0
    bound: set = field(default_factory=set)


def pattern(text):
    """What the performer wrote, compiled; `|` separates alternatives.

    raises DeviceError  not a regular expression
    """
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as fault:
        raise DeviceError(f"port pattern {text!r} is no regular expression: {fault}; write a part "
                          "of the port's name") from None


class Connections:
    """The thread that looks four times a second; `say(line)` is told what comes and goes."""

    def __init__(self, client, name, words, wishes, say):
        self.client, self.name, self.words, self.wishes = client, name, words, wishes
        self._say, self._stop, self._changes, self._lost = say, threading.Event(), -1, set()
        self._aliases = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name="JACK connections")

    def start(self):
        """Connects what is there, and begins to look."""
        self.look()
        for wish in self.wishes:
            if wish.midi and wish.fits and not wish.bound:
                self._say(f"no MIDI port fits {wish.fits.pattern!r}, waiting for one"
                          f"{suggestion(wish.fits.pattern, self._candidates(wish))}")
        self._thread.start()

    def stop(self):
        """True when the client is nobody's any more; False when JACK keeps the thread waiting."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(jack.PATIENCE_S)
        return not self._thread.is_alive()

    def _run(self):
        while not self._stop.wait(LOOK_S) and not self.words[DOWN]:
            self.look()

    def _candidates(self, wish):
        """The names of the ports that could be meant, ours excluded."""
        flags = (jack.FROM if wish.takes else jack.INTO) | (0 if wish.midi else jack.PHYSICAL)
        kind = jack.MIDI if wish.midi else jack.AUDIO
        if wish.fits and not wish.midi:
            flags &= ~jack.PHYSICAL
        own = f"{self.name}:"
        return [name for name in jack.names_of(self.client, kind, flags)
                if not name.startswith(own)]

    def _fitting(self, wish, fresh):
        names = self._candidates(wish)
        if not wish.midi:
            names = [name for name in names if not wish.fits or wish.fits.search(name)]
            return set(names[wish.place:wish.place + 1])
        for name in names:
            if fresh or name not in self._aliases:
                self._aliases[name] = jack.aliases_of(self.client, name)
        return {name for name in names
                if any(wish.fits.search(one) for one in (name, *self._aliases[name]))}

    def look(self):
        """Connects what has come; a cable that somebody pulled in a patch bay stays pulled."""
        changes = int(self.words[CHANGES])
        fresh, self._changes = changes != self._changes, changes
        for wish in self.wishes:
            fits = self._fitting(wish, fresh)
            for name in sorted(wish.bound - fits):
                wish.bound.discard(name)
                self._tell(wish, name, gone=True)
            for name in sorted(fits):
                if name not in wish.bound:
                    self._connect(wish, name)
                elif fresh and not self._connected(wish, name):     # gone and back between looks
                    self._lost.add((wish.ours, name))
                    self._connect(wish, name)

    def _connected(self, wish, name):
        port = jack.library().port_by_name(self.client, wish.ours.encode())
        return bool(port and jack.library().port_connected_to(port, name.encode()))

    def _connect(self, wish, name):
        ends = (name, wish.ours) if wish.takes else (wish.ours, name)
        jack.library().connect(self.client, *(end.encode() for end in ends))
        if self._connected(wish, name):
            wish.bound.add(name)
            self._tell(wish, name)

    def _tell(self, wish, name, gone=False):
        """One line when a port goes, and one when it is back."""
        what = "MIDI port" if wish.midi else "sound port"
        if gone:
            self._lost.add((wish.ours, name))
            self._say(f"{what} {name!r} is gone; playing on without it")
        elif (wish.ours, name) in self._lost:
            self._lost.discard((wish.ours, name))
            self._say(f"{what} {name!r} is back")
        elif wish.midi:
            self._say(f"{wish.ours!r} {'hears' if wish.takes else 'plays to'} {name!r}")
