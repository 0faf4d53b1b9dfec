"""One WebSocket of OSCQuery: what it listens to, and what of that it knows. Thread: control (wires
process)."""
import json
from collections import deque

import numpy as np

from engine.wires.datagram import Refusal, message
from engine.wires.osc_out import QUIET_S, flows
from engine.wires.query_tree import present

MOST_EVENTS = 256
NEVER = float("nan")                      # equals nothing: it is told


class Socket:
    """web, transport: aiohttp's;  budget: what it may send a second;  changed: the path that it has
    to read again, "" for none."""

    def __init__(self, web, transport, budget):
        self.web, self.transport, self.budget, self.changed = web, transport, budget, ""
        self.wants, self._quiet_s = {}, {}
        self._flowing, self._events = {}, deque(maxlen=MOST_EVENTS)

    def command(self, text, exact):
        """A message of text: LISTEN or IGNORE.

        raises  Refusal
        """
        try:
            said = json.loads(text)
            what, address = said["COMMAND"], said["DATA"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Refusal("command") from None
        if what not in ("LISTEN", "IGNORE") or not isinstance(address, str):
            raise Refusal("command")
        if address not in exact:
            raise Refusal("unknown")
        if what == "LISTEN":
            self.wants.setdefault(address, NEVER)
        else:
            self.wants.pop(address, None)
            self._flowing.pop(address, None)

    def follow(self, exact, path):
        """Another registry: what is gone is listened to no more."""
        if path:
            self.changed = path if self.changed in ("", path) else "/"
        self.wants = {a: NEVER for a in self.wants if a in exact}
        self._flowing.clear()
        self._events.clear()

    def hear(self, entry, arguments):
        """Something that is only sent: events in their order, of what flows the latest."""
        if entry.address not in self.wants:
            return
        words = message(entry.address, entry.tags, arguments)
        if flows(entry):
            self._flowing[entry.address] = words
        else:
            self._events.append(words)

    def moved(self, address, number, now_s):
        """It set a value itself: it knows it, and is not answered while its hand moves."""
        if address in self.wants:
            self.wants[address], self._quiet_s[address] = number, now_s + QUIET_S

    def forget(self):
        """It does not read: what was waiting for it is old."""
        self._events.clear()
        self._flowing.clear()

    def due(self, query, now_s):
        """The OSC messages to send it now."""
        found = [*self._events, *self._flowing.values()]
        self.forget()
        exact, entries, values = query.asked.addresses.exact, query.asked.entries, (
            query.stage.values)
        for address, known in self.wants.items():
            entry = entries[exact[address]]
            if not entry.shows or self._quiet_s.get(address, 0.0) > now_s:
                continue
            number = float(values[exact[address]])
            if np.float32(number) != np.float32(known):
                arguments = present(entry, number)
                if arguments is not None:
                    self.wants[address] = number
                    found.append(message(address, entry.tags, arguments))
        return found
