"""MIDI inputs, each message with the time at which the driver saw it.

rtmidi's delta times are stamped in C++, before Python is asked for anything; their sum is a clock
of its own, tied to the monotonic one by the messages that Python was quickest to take. Thread: any
(one an object).
"""
import time

from engine.errors import EngineError
from engine.wires.binding import Binding
from engine.wires.ports import IN, NONE, Ports, plain

POLL_S = 0.001                            # how often the ports are asked
DRIFT = 2e-4                              # how fast two clocks may part: 200 millionths
LOST_S = 2.0                              # a message so late: the sum of deltas has lost its way
LOOK_S = 0.25


class Stamps:
    """When the messages of one port came, in monotonic seconds."""

    def __init__(self):
        self._sum_s, self._offset_s = 0.0, None

    def time_s(self, delta_s, arrival_s):
        """The time of a message that came delta_s after the one before."""
        self._sum_s += delta_s
        seen_s = arrival_s - self._sum_s
        if self._offset_s is None or seen_s - self._offset_s > LOST_S:
            self._offset_s = seen_s
        self._offset_s = min(seen_s, self._offset_s + DRIFT * delta_s)
        return self._sum_s + self._offset_s


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
        """(time_ns, bytes) of the next message that came in, or None."""
        if (event := self.binding.receive()) is None:
            return None
        time_s = self.stamps.time_s(event[1], time.monotonic_ns() * 1e-9)
        return int(time_s * 1e9), bytes(event[0])

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
            while (event := one.receive()) is not None:
                found.append((name, *event))
        return found

    def close(self):
        for one in self.inputs:
            one.binding.close()
        self.ports.close()
