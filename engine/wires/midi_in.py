"""MIDI into the wires process: each message with the time at which the driver saw it.

rtmidi's delta times are stamped in C++, before Python is asked for anything; their sum is a clock
of its own, tied to the monotonic one by the messages that Python was quickest to take. Thread: its
own, "midi-in".
"""
import threading
import time

import numpy as np

from engine.records import MESSAGE
from engine.ring import Ring
from engine.wires.binding import Binding
from engine.wires.ports import IN

POLL_S = 0.001                            # how often the ports are asked
DRIFT = 2e-4                              # how fast two clocks may part: 200 millionths
LOST_S = 2.0                              # a message so late: the sum of deltas has lost its way


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


class MidiIn:
    """Every way in, and the thread that hands it on.

    listeners  called with (port, time_ns, bytes) of every message, system exclusive ones too
    raises     EngineError for a pattern that nothing fits
    """

    def __init__(self, stage, ports):
        self.stage, self.listeners = stage, []
        self.ring = Ring(stage.folder / "midi-in", MESSAGE)
        self.received = self.lost = 0
        self._leaving = threading.Event()
        self.ports = [InPort(ports, setting, number)
                      for number, setting in enumerate(stage.settings.get("midi_in", ()))]
        self._thread = threading.Thread(target=self._run, name="midi-in", daemon=True)

    def start(self):
        self._thread.start()

    def look(self):
        for port in self.ports:
            if line := port.look():
                self.stage.say(line)

    def close(self):
        self._leaving.set()
        for port in self.ports:
            port.binding.close()

    # ---- the thread
    def _run(self):
        while self.ports and not self._leaving.is_set():
            for number, port in enumerate(self.ports):
                while (event := port.receive()) is not None:
                    self._take(number, *event)
            time.sleep(POLL_S)

    def _take(self, number, time_ns, data):
        self.received += 1
        self._write(number, time_ns, data)
        for listener in self.listeners:
            listener(number, time_ns, data)

    def _write(self, number, time_ns, data):
        """Into the stage's ring; what is longer than a row (system exclusive) is for listeners."""
        row = self.ring.slot()
        if row is None or len(data) > row["data"].size:
            self.lost += row is None
            return
        row["sample"] = max(0, round(self.stage.board.sample_of(time_ns) or 0))
        row["time_ns"], row["port"], row["size"] = time_ns, number, len(data)
        row["data"][:len(data)] = np.frombuffer(data, np.uint8)
        self.ring.publish()
