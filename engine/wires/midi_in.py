"""MIDI into the wires process: into the stage's ring, and to other services. Thread: its own,
"midi-in".
"""
import threading
import time

import numpy as np

from engine.records import MESSAGE
from engine.ring import Ring
from engine.wires.ears import POLL_S, InPort


class MidiIn:
    """Every way in, and the thread that hands it on.

    listeners  called with (port, time_ns, bytes) of every message, system exclusive ones too
    company    what is to be watched and closed beside the ports: has `look` and `binding`
    raises     EngineError for a pattern that nothing fits
    """

    def __init__(self, stage, ports):
        self.stage, self.listeners, self.company = stage, [], []
        self.ring = Ring(stage.folder / "midi-in", MESSAGE)
        self.received = self.lost = 0
        self._leaving = threading.Event()
        self.ports = [InPort(ports, setting, number)
                      for number, setting in enumerate(stage.settings.get("midi_in", ()))]
        self._thread = threading.Thread(target=self._run, name="midi-in", daemon=True)

    def start(self):
        self._thread.start()

    def look(self):
        for port in [*self.ports, *self.company]:
            if line := port.look():
                self.stage.say(line)

    def close(self):
        self._leaving.set()
        for port in [*self.ports, *self.company]:
            port.binding.close()

    # ---- the thread
    def _run(self):
        while self.ports and not self._leaving.is_set():
            for number, port in enumerate(self.ports):
                for event in port.receive():
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
