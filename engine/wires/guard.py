"""The guard: a process that does nothing until the stage dies, and then ends its notes.

`python -m engine.wires.guard FOLDER` reads standard input, which the stage holds: a byte is a
goodbye, the end without one is a death, SIGKILL included. It opens its ports beforehand, for a
dying stage leaves no time, and says everything four times, for a dying client of JACK takes cycles
of the others with it. Thread: control.
"""
import contextlib
import json
import mmap
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.port_names import OUT, VIRTUAL, alternatives
from engine.wires.binding import Binding
from engine.wires.midi_words import CONTROL, ENDINGS, NOTE_OFF
from engine.wires.ports import NONE, Ports

HELD, PLAN, SAID = "held", "guard.json", "guard-said"
ROW = 16 * 128                            # bytes of a port: 1 where a key of a channel sounds
ROUNDS_S = (0.0, 0.1, 0.3, 1.2)           # after the death
LOOK_S, LINGER_S, POLITE_S = 0.25, 0.2, 1.0
ROOT = Path(__file__).resolve().parents[2]


class Guard:
    """The stage's side.

    destinations  for each port either {"pattern": as for rtmidi} or {"jack": [port names]}: where
                  its notes go
    held          (ports, 2048) uint8 in shared memory, for the rig's MIDI to keep

    numpy is imported here, for the process itself starts in a tenth of a second without it.
    """

    def __init__(self, folder, destinations):
        import numpy as np

        self.folder, self.process = Path(folder), None
        (self.folder / HELD).write_bytes(bytes(ROW * max(1, len(destinations))))
        self.held = np.memmap(self.folder / HELD, np.uint8, "r+",
                              shape=(max(1, len(destinations)), ROW))
        self.send_to(destinations)

    def send_to(self, destinations):
        """Other destinations than before; the guard follows within a quarter of a second."""
        (self.folder / (PLAN + ".part")).write_text(json.dumps(destinations))
        os.replace(self.folder / (PLAN + ".part"), self.folder / PLAN)

    def start(self):
        """Launches the process; `said` tells when it watches."""
        with open(self.folder / "guard-log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine.wires.guard", str(self.folder)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                cwd=str(ROOT), env={**os.environ, "PYTHONPATH": os.pathsep.join(
                    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])})
        return self

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def said(self):
        """What it watches, in one line; "" until it does."""
        with contextlib.suppress(OSError):
            return (self.folder / SAID).read_text()
        return ""

    def goodbye(self):
        """The stage leaves in order: nothing needs to be ended. Again does nothing."""
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.write(b".")
            self.process.stdin.close()
        try:
            self.process.wait(POLITE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


# ---- the process
class Watch:
    """The destinations, and what the stage holds on them."""

    def __init__(self, folder):
        self.folder, self.ports, self.bindings, self._plan = Path(folder), Ports(), {}, None
        with open(self.folder / HELD, "r+b") as file:
            self.held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.used = [set() for _ in range(len(self.held) // ROW)]

    def look(self):
        """Follows plan and ports; notes which channels are in use."""
        self.ports.look()
        with contextlib.suppress(OSError, ValueError):
            if (text := (self.folder / PLAN).read_text()) != self._plan:
                self._plan = text
                self._follow(json.loads(text))
        for binding in self.bindings.values():
            binding.look()
        for port, used in enumerate(self.used):
            used |= {key // 128 for key in self.sounding(port)}

    def _follow(self, destinations):
        """Binds what is new, lets go of what is gone; raises ValueError when it is no plan."""
        if not (isinstance(destinations, list)
                and all(isinstance(place, dict) for place in destinations)):
            raise ValueError(destinations)
        wanted = {}
        for port, place in enumerate(destinations[:len(self.used)]):
            for pattern in _patterns(place):
                wanted[port, pattern] = None
        for gone in set(self.bindings) - set(wanted):
            self.bindings.pop(gone).close()
        for port, pattern in wanted:
            if (port, pattern) not in self.bindings:
                self.bindings[port, pattern] = Binding(self.ports, OUT, pattern,
                                                       f"guard-{port + 1}", wait=True)

    def sounding(self, port):
        """Places of a port's keys that are held: channel * 128 + key."""
        row = self.held[port * ROW:(port + 1) * ROW]
        return [place for place, down in enumerate(row) if down] if row.strip(b"\0") else []

    def end(self, every_channel):
        """One round: every note off, every channel in use silenced."""
        for (port, _), binding in self.bindings.items():
            sounding = self.sounding(port)
            self.used[port] |= {place // 128 for place in sounding}
            for place in sounding:
                binding.send(bytes((NOTE_OFF | place // 128, place % 128, 0)))
            for channel in range(16) if every_channel else sorted(self.used[port]):
                for controller in ENDINGS:
                    binding.send(bytes((CONTROL | channel, controller, 0)))

    def say(self):
        """One line: what is watched, or why nothing is."""
        open_ = [binding.bound for binding in self.bindings.values() if binding.bound]
        line = ", ".join(open_) or "nothing to guard yet"
        (self.folder / SAID).write_text(
            line if any(system.up for system in self.ports.systems) else NONE)


def _patterns(place):
    """The patterns of one destination; a port of JACK's is meant to the letter. A virtual port of
    the wires process is out of reach."""
    if "jack" in place:
        return [f"^{re.escape(name)}$" for name in place["jack"]]
    reachable = [one for one in alternatives(place.get("pattern", ""))
                 if not one.startswith(VIRTUAL)]
    return ["|".join(reachable)] if reachable else []


def main(folder):
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGINT)):
        signal.signal(number, signal.SIG_IGN)
    watch = Watch(folder)
    watch.look()
    watch.say()
    while not select.select([0], [], [], LOOK_S)[0]:
        watch.look()
    if os.read(0, 1):
        return
    begun_s = time.monotonic()
    for at_s in ROUNDS_S:
        time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
        watch.end(every_channel=at_s == ROUNDS_S[-1])
        watch.ports.look()
    time.sleep(LINGER_S)                  # JACK takes what was written at its next cycle


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)                           # closing a client of a server that died takes a second
