"""Keeps our JACK ports connected to the ports that fit; those may vanish, and return.

Thread: control.
"""
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine import jack
from engine.port_names import IN, OUT, alternatives, choose, unknown
from engine.stream_jack_callback import CHANGES, DOWN

LOOK_S = 0.25


@dataclass
class Wish:
    """One port of ours, and which ports it is to be connected with.

    ours    its full name;  midi, takes  what it is
    fits    the pattern of a MIDI port; of sound the client's name, or None for the physical port
            number `place`
    bound   the ports it is connected with, by us
    greet   called when a port has been bound: what it should hear first
    """
    ours: str
    midi: bool
    takes: bool
    fits: str | None
    place: int = 0
    bound: set = field(default_factory=set)
    greet: Callable = tuple


class Connections:
    """The thread that looks four times a second; `say(line)` is told what comes and goes.

    one  the lock of the client: libjack is asked one thing at a time
    """

    def __init__(self, client, name, words, wishes, say, one):
        self.client, self.name, self.words, self.wishes = client, name, words, wishes
        self._one = one
        self._say, self._stop, self._changes, self._lost = say, threading.Event(), -1, set()
        self._aliases = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name="JACK connections")

    def start(self):
        """Connects what is there, says what is missing, and goes on looking."""
        self.look()
        for wish in self.wishes:
            if wish.midi and not wish.bound:
                self._say(f"{self.unfit(wish)}; waiting for it")
        self._thread.start()

    def stop(self):
        """No look begins after this."""
        self._stop.set()

    def _run(self):
        while not self._stop.wait(LOOK_S):
            with self._one:
                if self._stop.is_set() or self.words[DOWN]:
                    return
                self.look()

    def candidates(self, wish):
        """The names of the ports that could be meant: never one of ours, or of our helpers'."""
        flags = (jack.FROM if wish.takes else jack.INTO) | (0 if wish.midi else jack.PHYSICAL)
        kind = jack.MIDI if wish.midi else jack.AUDIO
        if wish.fits and not wish.midi:
            flags &= ~jack.PHYSICAL
        own = f"{jack.CLIENT}:", f"{jack.CLIENT}-", f"{self.name}:"
        return [name for name in jack.names_of(self.client, kind, flags)
                if not name.startswith(own)]

    def unfit(self, wish):
        """The line for a wish that no port fits."""
        return unknown(IN if wish.takes else OUT, wish.fits, self.candidates(wish))

    def fitting(self, wish, fresh):
        """The name of the port that a wish means, as a set; the one it has as long as that is
        there. `fresh` asks for aliases again."""
        names = self.candidates(wish)
        if not wish.midi:
            client = f"{wish.fits}:" if wish.fits else ""
            names = [name for name in names if name.startswith(client)]
            return set(names[wish.place:wish.place + 1])
        if wish.bound & set(names):
            return wish.bound & set(names)
        for name in names:
            if fresh or name not in self._aliases:
                self._aliases[name] = jack.aliases_of(self.client, name)
        found = (choose(wanted, names, self._aliases) for wanted in alternatives(wish.fits))
        return set(itertools.islice(filter(None, found), 1))

    def look(self):
        """Connects what has come; a cable that somebody pulled in a patch bay stays pulled."""
        changes = int(self.words[CHANGES])
        fresh, self._changes = changes != self._changes, changes
        for wish in self.wishes:
            fits = self.fitting(wish, fresh)
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
            wish.greet()
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
