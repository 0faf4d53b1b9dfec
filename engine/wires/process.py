"""The stage's end of the wires process: starts it, feeds it, reads what surfaces ask. Thread:
control."""
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.model.process import LOCK, ROOT, environment, sweep
from engine.records import COMMAND, FEED, MESSAGE
from engine.ring import Ring, shared_folder
from engine.wires.board import STAGE_NS, Board
from engine.wires.stage import BOARD, REGISTRY, SETTINGS

PREFIX, READY_S, POLITE_S = "hiddenstage-wires-", 10.0, 1.0
COMMANDS, FEEDS, MESSAGES = 1024, 4096, 1024


class Wires:
    """The wires process.

    settings  {"midi_out": [{"name", "pattern", "clock", "offset_ms", "wait": a port may come
              later, "sensing": Active Sensing}], "midi_in": [{"name", "pattern", "wait"}],
              "osc": {"host", "port", "to": [[host, port]]}, "link": bool}; a part that is not
              wanted is left out
    outs      a Ring of MESSAGE for each of midi_out, in its order; the rig's side writes
    ins       a Ring of MESSAGE, from all of midi_in
    """

    def __init__(self, settings):
        self.settings, self.version, self.values = settings, 0, np.zeros(0)
        sweep(PREFIX)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared_folder()))
        self._lock = open(self.folder / LOCK, "w")    # until this process ends, however it ends
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.board = Board(self.folder / BOARD, new=True)
        self.commands = Ring(self.folder / "commands", COMMAND, slots=COMMANDS)
        self.feed = Ring(self.folder / "feed", FEED, slots=FEEDS)
        self.outs = [Ring(self.folder / f"midi-out-{k}", MESSAGE, slots=MESSAGES)
                     for k in range(len(settings.get("midi_out", ())))]
        self.ins = Ring(self.folder / "midi-in", MESSAGE, slots=MESSAGES)
        self.process = None

    def register(self, entries, values):
        """A registry for the surfaces: entries and their present values."""
        self.version += 1
        name = f"values-{self.version}"
        np.asarray(values, np.float64).tofile(self.folder / name)
        self.values = np.memmap(self.folder / name, np.float64, "r+", shape=(len(entries),))
        text = json.dumps({"version": self.version, "values": name,
                           "entries": [e.data() for e in entries]})
        (self.folder / "registry.part").write_text(text)
        os.replace(self.folder / "registry.part", self.folder / REGISTRY)
        (self.folder / f"values-{self.version - 2}").unlink(missing_ok=True)    # read by nobody now

    def start(self):
        """Launches the process and waits until it listens.

        raises  EngineError with what it said: a port that is taken, no such MIDI port …
        """
        for name in ("ready", "error"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / SETTINGS).write_text(json.dumps(self.settings))
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine.wires.worker", str(self.folder)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                env=environment(1), cwd=str(ROOT))
        end = time.monotonic() + READY_S
        while not (self.folder / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise EngineError(self.fault())
            time.sleep(0.005)
        return self

    def fault(self):
        """Why the process ended, in one line."""
        for name in ("error", "log"):
            with contextlib.suppress(OSError, IndexError):
                return (self.folder / name).read_text(errors="replace").strip().splitlines()[-1]
        return "the wires process ended without a word"

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def beat(self):
        """A sign of life; the guard and the wires process watch for it."""
        self.board.words[STAGE_NS] = time.monotonic_ns()

    def asked(self):
        """The commands since the last call: (address, values, text, kind, time_ns)."""
        while (row := self.commands.front()) is not None:
            taken = (bytes(row["address"][:row["address_bytes"]]).decode(errors="replace"),
                     row["value"][:row["count"]].tolist(),
                     bytes(row["text"][:row["text_bytes"]]).decode(errors="replace"),
                     int(row["kind"]), int(row["time_ns"]))
            self.commands.pop()
            yield taken

    def tell(self, entry, values=(), text="", sample=0):
        """Something for the surfaces; what finds no room is left out."""
        row = self.feed.slot()
        if row is None:
            return
        words = text.encode()[:row["text"].size]
        row["sample"], row["entry"], row["count"] = sample, entry, min(len(values), 4)
        row["value"][:len(values[:4])] = values[:4]
        row["text_bytes"], row["text"][:len(words)] = len(words), np.frombuffer(words, np.uint8)
        self.feed.publish()

    def close(self):
        """Ends the process and removes its folder; again does nothing."""
        if self.process:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            try:
                self.process.wait(POLITE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)


