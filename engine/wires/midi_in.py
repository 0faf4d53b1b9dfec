"""MIDI into the wires process: each message with the time at which the driver saw it.

rtmidi's delta times are stamped in C++, before Python is asked for anything; their sum is a clock
of its own, tied to the monotonic one by the messages that Python was quickest to take. Thread: its
own, "midi-in".
"""
import queue
import threading
import time

import numpy as np

from engine.records import MESSAGE
from engine.ring import Ring
from engine.wires.binding import Binding
from engine.wires.ports import IN

DRIFT = 2e-4                              # how fast two clocks may part: 200 millionths
LOST_S = 2.0                              # a message so late: the sum of deltas has lost its way


class Stamps:
    """When the messages of one port came, in monotonic seconds."""

    def __init__(self):
        self._sum_s, self._offset_s, self._last_s = 0.0, None, 0.0

    def time_s(self, delta_s, arrival_s):
        """The time of a message that came delta_s after the one before."""
        self._sum_s += delta_s
        seen_s = arrival_s - self._sum_s
        if self._offset_s is None or seen_s - self._offset_s > LOST_S:
            self._offset_s = seen_s
        self._offset_s = min(seen_s, self._offset_s + DRIFT * delta_s)
        self._last_s = max(self._last_s, self._sum_s + self._offset_s)
        return self._last_s


class InPort:
    """One way in. setting: {"pattern", "name", "wait"}."""

    def __init__(self, ports, setting, number, arrived):
        self.name, self.number = setting.get("name") or setting["pattern"], number
        self._arrived, self.stamps = arrived, Stamps()
        self.binding = Binding(ports, IN, setting["pattern"], setting.get("name")
                               or f"in-{number + 1}", setting.get("wait", False), self._listen)

    def _listen(self, handle):
        self.stamps = stamps = Stamps()
        handle.ignore_types(sysex=False, timing=False, active_sense=True)
        handle.set_callback(lambda event, data=None: self._arrived(
            (self.number, stamps, event[1], time.monotonic_ns(), event[0])))

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
        self._waiting = queue.SimpleQueue()
        self.ports = [InPort(ports, setting, number, self._waiting.put)
                      for number, setting in enumerate(stage.settings.get("midi_in", ()))]
        self._thread = threading.Thread(target=self._run, name="midi-in", daemon=True)

    def start(self):
        self._thread.start()

    def look(self):
        for port in self.ports:
            if line := port.look():
                self.stage.say(line)

    def close(self):
        for port in self.ports:
            port.binding.close()
        self._waiting.put(None)

    # ---- the thread
    def _run(self):
        while (event := self._waiting.get()) is not None:
            number, stamps, delta_s, arrival_ns, message = event
            time_ns = int(stamps.time_s(delta_s, arrival_ns * 1e-9) * 1e9)
            self.received += 1
            self._write(number, time_ns, bytes(message))
            for listener in self.listeners:
                listener(number, time_ns, bytes(message))

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
