"""MIDI inputs, each message with the time at which the driver saw it.

rtmidi's delta times are stamped in C++, before Python is asked for anything; their sum is a clock
of its own, tied to the monotonic one by the messages that Python was quickest to take. Thread: any
(one an object).
"""
import time

from engine.errors import EngineError
from engine.port_names import IN, plain
from engine.wires.binding import Binding
from engine.wires.ports import NONE, Ports

POLL_S = 0.001                            # how often the ports are asked
DRIFT = 2e-4                              # how fast two clocks may part: 200 millionths
LOST_S = 2.0                              # a message so late: the sum of deltas has lost its way
LOOK_S = 0.25


class Stamps:
    """When the messages of one port came, in monotonic seconds."""

    def __init__(self):
        self._sum_s, self._offset_s = 0.0, None

    def times_s(self, deltas_s, arrival_s):
        """The times of messages that were taken together, each so long after the one before; of
        many that waited, only the last tells how long Python slept."""
        sums_s = []
        for delta_s in deltas_s:
            self._sum_s += delta_s
            sums_s.append(self._sum_s)
        seen_s = arrival_s - self._sum_s
        if self._offset_s is None or seen_s - self._offset_s > LOST_S:
            self._offset_s = seen_s
        self._offset_s = min(seen_s, self._offset_s + DRIFT * sum(deltas_s))
        return [sum_s + self._offset_s for sum_s in sums_s]


class InPort:
    """One way in. setting: {"pattern", "name", "wait"}."""

    def __init__(self, ports, setting, number):
        self.name, self.stamps = setting.get("name") or setting["pattern"], Stamps()
        self.binding = Binding(ports, IN, setting["pattern"], setting.get("name")
                               or f"in-{number + 1}", setting.get("wait", False), self._listen)

    def _listen(self, handle):
        self.stamps = Stamps()
        handle.ignore_types(sysex=False, timing=False, active_sense=True)

    def receive(self):
        """[(time_ns, bytes)] of the messages that came in since."""
        events = []
        while (event := self.binding.receive()) is not None:
            events.append(event)
        if not events:
            return events
        times_s = self.stamps.times_s([delta_s for _, delta_s in events],
                                      time.monotonic_ns() * 1e-9)
        return [(int(time_s * 1e9), bytes(message)) for (message, _), time_s
                in zip(events, times_s, strict=True)]

    def look(self):
        change = self.binding.look()
        if change == "back":
            return f"MIDI in {self.name}: connected to {self.binding.bound}"
        return f"MIDI in {self.name}: the port is gone" if change == "gone" else None


class Ears:
    """Inputs without a stage: for commands that listen.

    patterns  one an input; none: all that are there
    raises    EngineError when there is none that fits
    """

    def __init__(self, patterns=()):
        self.ports, self.inputs, self._looked_s = Ports(), [], time.monotonic()
        try:
            patterns = patterns or [plain(name) for name in self.ports.names(IN)]
            if not patterns:
                raise EngineError(NONE if not any(system.up for system in self.ports.systems) else
                                  "no MIDI input is there: plug one in, then `hiddenstage ports`")
            self.inputs = [InPort(self.ports, {"pattern": pattern, "name": f"ears-{k + 1}"}, k)
                           for k, pattern in enumerate(patterns)]
        except EngineError:
            self.close()
            raise

    @property
    def names(self):
        """What the inputs are connected to."""
        return [one.binding.bound or one.binding.pattern for one in self.inputs]

    def hear(self):
        """[(name, time_ns, bytes)] that came since; to be called every few milliseconds."""
        if time.monotonic() - self._looked_s > LOOK_S:
            self._looked_s = time.monotonic()
            self.ports.look()
            for one in self.inputs:
                one.look()
        found = []
        for name, one in zip(self.names, self.inputs, strict=True):
            found += [(name, *event) for event in one.receive()]
        return found

    def close(self):
        for one in self.inputs:
            one.binding.close()
        self.ports.close()
