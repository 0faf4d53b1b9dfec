"""MIDI out of the wires process: the rings of the ports, each message at the time of its sample.

A port that goes away is missed by nobody: its messages are dropped until it is back, and then what
was left sounding is ended. Nothing is left sounding at the end. Thread: its own, "midi-out".
"""
import contextlib
import ctypes
import os
import sys
import threading
import time

from engine.port_names import OUT
from engine.records import MESSAGE
from engine.ring import Ring
from engine.wires.binding import Binding
from engine.wires.board import PANIC
from engine.wires.midi_words import (
    CLOCK,
    CONTINUE,
    CONTROL,
    ENDINGS,
    NOTE_OFF,
    NOTE_ON,
    SENSING,
    START,
    STOP,
    whole,
)

POLL_S = 0.001                            # how long a new row may wait unseen
LATE_NS, STALE_NS = 2_000_000, 200_000_000    # counted as late; too late for a note to begin
SENSING_S = 0.25
AGAIN_S = 0.12                            # a client of JACK that comes or goes may cost a cycle
PATIENCE_S = 0.3                          # how long an ending waits for room
SLACK = 29                                # PR_SET_TIMERSLACK


class Ledger:
    """What was sent to a port and is not over: notes, channels in use, a clock that runs."""

    def __init__(self):
        self.held, self.channels, self.running = set(), set(), False

    def note(self, data):
        """Takes a message down."""
        status = data[0]
        if status > 0xEF:
            if status in (CLOCK, START, CONTINUE, STOP):
                self.running = status != STOP
            return
        kind, channel = status & 0xF0, status & 15
        self.channels.add(channel)
        if kind == NOTE_ON and data[2]:
            self.held.add((channel, data[1]))
        elif kind in (NOTE_OFF, NOTE_ON):
            self.held.discard((channel, data[1]))

    def endings(self, stop=False):
        """The messages that end everything, with `stop` the clock's run too."""
        for channel, key in sorted(self.held):
            yield bytes((NOTE_OFF | channel, key, 0))
        for channel in sorted(self.channels):
            for controller in ENDINGS:
                yield bytes((CONTROL | channel, controller, 0))
        if stop and self.running:
            yield bytes((STOP,))


class OutPort:
    """One way out. setting: {"pattern", "name", "wait", "sensing"}, see `engine.wires.process`."""

    def __init__(self, ports, setting, number, ring):
        self.name = setting.get("name") or setting["pattern"]
        self.binding = Binding(ports, OUT, setting["pattern"], setting.get("name")
                               or f"out-{number + 1}", setting.get("wait", False))
        self.ring, self.ledger, self.sensing = ring, Ledger(), setting.get("sensing", False)
        self.sent = self.late = self.stale = self.dropped = self.refused = 0
        self._last_s, self._again = 0.0, (0.0, set())
        self._lock = threading.Lock()

    def send(self, data):
        """As `Binding.send`, and into the ledger. What is no message is refused and counted."""
        with self._lock:
            if not whole(data):
                self.refused += 1
                return True
            done = self.binding.send(data)
            if done:
                self.ledger.note(data)
                self.sent, self._last_s = self.sent + 1, time.monotonic()
            return done

    def sense(self):
        """Active Sensing, when nothing else has gone out for a while."""
        if self.sensing and time.monotonic() - self._last_s > SENSING_S:
            self.send(bytes((SENSING,)))

    def end(self, stop=False):
        """Ends all that sounds, and with `stop` the clock's run; the messages for it."""
        with self._lock:
            messages = list(self.ledger.endings(stop))
            if self._push(messages):
                self.ledger.held.clear()
                self.ledger.running = self.ledger.running and not stop
            return messages

    def _push(self, messages):
        """True when all of them are on their way; waits a little for room."""
        until = time.monotonic() + PATIENCE_S
        for message in messages:
            while (done := self.binding.send(message)) is False and time.monotonic() < until:
                time.sleep(POLL_S)
            if not done:
                return False
        return True

    def close(self, messages):
        """Says the endings once more, and closes."""
        with self._lock:
            self._push(messages)
            self.binding.close()

    def look(self):
        """Follows the port's coming and going; a line for the performer, or None."""
        change = self.binding.look()
        if self._again[1] and time.monotonic() > self._again[0]:
            for channel, key in self._again[1] - self.ledger.held:
                self.send(bytes((NOTE_OFF | channel, key, 0)))
            self._again = 0.0, set()
        if change == "back":
            self._again = time.monotonic() + AGAIN_S, set(self.ledger.held)
            self.end()
            return f"MIDI out {self.name}: connected to {self.binding.bound}"
        if change == "gone":
            return f"MIDI out {self.name}: the port is gone; its notes wait for it to come back"
        return None


class MidiOut:
    """Every way out, and the thread that sends.

    raises  EngineError for a pattern that nothing fits
    """

    def __init__(self, stage, ports):
        self.stage, self._leaving = stage, threading.Event()
        self.ports = [OutPort(ports, setting, number,
                              Ring(stage.folder / f"midi-out-{number}", MESSAGE))
                      for number, setting in enumerate(stage.settings.get("midi_out", ()))]
        self._panics = int(stage.board.words[PANIC])
        self._thread = threading.Thread(target=self._run, name="midi-out", daemon=True)

    def start(self):
        if self.ports:
            self._thread.start()

    def send(self, port, data):
        """Something that has no sample (feedback to a controller's lights), now, from any
        thread."""
        return self.ports[port].send(data)

    def look(self):
        for port in self.ports:
            if line := port.look():
                self.stage.say(line)

    def close(self):
        """Ends all that sounds, and closes."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        ended = [(port, port.end(stop=True)) for port in self.ports]
        if any(messages for _, messages in ended):
            time.sleep(AGAIN_S)
        for port, messages in ended:
            port.close(messages)

    def counters(self):
        return {name: sum(getattr(port, name) for port in self.ports)
                for name in ("sent", "late", "stale", "dropped", "refused")}

    # ---- the thread
    def _run(self):
        hurry()
        while not self._leaving.is_set():
            if self._panics != int(self.stage.board.words[PANIC]):
                self._panics = int(self.stage.board.words[PANIC])
                for port in self.ports:
                    port.end()
            wait_ns = min((self._serve(port) for port in self.ports), default=POLL_S * 1e9)
            for port in self.ports:
                port.sense()
            if wait_ns > 0:
                time.sleep(min(POLL_S, wait_ns * 1e-9))

    def _serve(self, port):
        """Sends what is due; ns until the next."""
        while (row := port.ring.front()) is not None:
            now_ns = time.monotonic_ns()
            sample = int(row["sample"])
            due_ns = (sample and self.stage.board.ns_of(sample)) or now_ns
            if due_ns > now_ns:
                return due_ns - now_ns
            if not self._give(port, bytes(row["data"][:row["size"]]), now_ns - due_ns):
                return POLL_S * 1e9       # no room: this port waits, the others go on
            port.ring.pop()
        return POLL_S * 1e9

    def _give(self, port, data, late_ns):
        """Sends one message; False when it must be tried again."""
        tick = data[:1] == bytes((CLOCK,))
        strike = len(data) == 3 and data[0] & 0xF0 == NOTE_ON and data[2]
        if (tick or strike) and late_ns > STALE_NS:
            port.stale += 1
            return True
        done = port.send(data)
        if done is None:
            port.dropped += 1
        elif done and late_ns > LATE_NS:
            port.late += 1
        return done is not False


def hurry():
    """As much of the processor's attention as this thread may have: real-time priority where the
    system allows it, sleeps that end within microseconds where there is a timer's slack."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SLACK, 1000, 0, 0, 0)
