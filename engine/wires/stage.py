"""The wires process's ends of the rings to the stage. Thread: control (any of the wires
process)."""
import json
import os
import threading
import time
from pathlib import Path

import numpy as np

from engine.records import ADDRESS_BYTES, COMMAND, COMMAND_TEXT, FEED, SAY, VALUE
from engine.ring import Ring
from engine.surface import Entry
from engine.wires.board import Board

REGISTRY, SETTINGS, BOARD = "registry.json", "settings.json", "board"


class Stage:
    """The stage as the wires process sees it.

    settings   what was asked for (see `engine.wires.process`)
    entries    the registry, newest; `version` changes with it
    values     (entries,) float64: each entry's present value, written by the stage
    local      address -> function(values, text): what this process does itself
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.settings = json.loads((self.folder / SETTINGS).read_text())
        self.board = Board(self.folder / BOARD)
        self.commands, self.feed = Ring(self.folder / "commands", COMMAND), Ring(
            self.folder / "feed", FEED)
        self.entries, self.version, self.values = [], 0, np.zeros(0)
        self._lock, self.local, self._seen = threading.Lock(), {}, None
        self.refused = {}                     # kind of refusal -> count
        self.listeners = []                   # called with each (entry, values, text, sample)
        self.midi = None                      # `engine.wires.midi.Midi`, where ports are asked for
        self.look()

    def look(self):
        """Reads the registry when it is another; True then. Costs a glance at the file."""
        try:
            glance = os.stat(self.folder / REGISTRY)
            seen = glance.st_ino, glance.st_mtime_ns
            if seen == self._seen:
                return False
            found = json.loads((self.folder / REGISTRY).read_text())
        except (OSError, ValueError):
            return False
        self._seen = seen
        if found["version"] == self.version:
            return False
        self.entries = [Entry.from_data(e) for e in found["entries"]]
        self.values = np.memmap(self.folder / found["values"], np.float64, "r+",
                                shape=(max(1, len(self.entries)),))
        self.version = found["version"]
        return True

    def send(self, address, values=(), text="", kind=VALUE, time_ns=0):
        """One command; False while the stage has no room (try again, or let it be overtaken)."""
        if address in self.local:
            self.local[address](values, text)
            return True
        name, words = address.encode()[:ADDRESS_BYTES], text.encode()[:COMMAND_TEXT]
        with self._lock:
            row = self.commands.slot()
            if row is None:
                return False
            row["time_ns"], row["kind"], row["count"] = time_ns, kind, min(len(values), 4)
            row["value"][:len(values[:4])] = values[:4]
            row["address_bytes"], row["text_bytes"] = len(name), len(words)
            row["address"][:len(name)] = np.frombuffer(name, np.uint8)
            row["text"][:len(words)] = np.frombuffer(words, np.uint8)
            self.commands.publish()
        return True

    def hear(self):
        """Gives every listener what the stage has said since; any service may call it, often."""
        if len(self.feed):
            self.look()                       # what was said may be of a newer registry
        while (row := self.feed.front()) is not None:
            said = (int(row["entry"]), row["value"][:row["count"]].tolist(),
                    bytes(row["text"][:row["text_bytes"]]).decode(errors="replace"),
                    int(row["sample"]))
            self.feed.pop()
            for listener in self.listeners:
                listener(*said)

    @staticmethod
    def wall_offset_ns():
        """What wall time is ahead of the monotonic clock: timetags are wall time."""
        return time.time_ns() - time.monotonic_ns()

    def say(self, text):
        """A line for the performer."""
        self.send("", text=text, kind=SAY)

    def refuse(self, kind):
        """Counts what was not let in."""
        self.refused[kind] = self.refused.get(kind, 0) + 1
