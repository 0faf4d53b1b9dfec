"""The stage's end of one model process: starts it, asks how it is, sends controls. Thread: control.

No torch here. Each worker has a folder of its own in shared memory, so one that wakes up beside its
successor writes into rings nobody reads. The stage holds a lock on a file in it: where the lock is
free, a stage was killed.
"""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from engine.errors import ModelError
from engine.records import CONTROL, CONTROL_TEXT, PROMPT, STOP, TOKEN, Descriptor, state_dtype
from engine.ring import BEAT, Ring, shared_folder

POLITE_S = 1.0                            # how long a worker may take to stop before it is killed
SILENT_S, SILENT_LOADING_S = 2.0, 15.0    # without a sign of life, a worker is taken for dead
LOADING = 10                              # word of the control ring: the sign of life while loading
PREFIX, LOCK = "hiddenstage-worker-", "stage"      # of a worker's folder; the file that is locked
YOUNG_S = 10.0                            # a folder may be this old before its lock is held
ROOT = Path(__file__).resolve().parents[2]


def environment(threads):
    """A worker's environment: threads that do not spin (spinning costs the audio its core)."""
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT)] + ([known] if known else [])),
            "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def default_threads():
    """Cores the model may use: all but two, at least one."""
    return max(1, (os.cpu_count() or 1) - 2)


def sweep(prefix=PREFIX):
    """Removes what killed stages left in shared memory: folders, and workers that were stopped."""
    for folder in shared_folder().glob(f"{prefix}*"):
        with contextlib.suppress(OSError, ValueError):        # held by its stage, or not ours
            with open(folder / LOCK) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - folder.stat().st_mtime > YOUNG_S:
                    end_orphan(file.read(), folder)
                    shutil.rmtree(folder)


def end_orphan(pid, folder):
    """Kills the worker of a folder, if the process of that number is still it."""
    with contextlib.suppress(OSError, ValueError):
        if str(folder).encode() in Path(f"/proc/{int(pid)}/cmdline").read_bytes().split(b"\0"):
            os.kill(int(pid), signal.SIGKILL)


class Worker:
    """One model process and the stage's end of its rings.

    settings  see `engine.model.worker`
    state, token, descriptor  None until `poll` has said "ready"
    profile  what its meter learned earlier, None when it calibrates;  trouble  why it does, or ""
    """

    def __init__(self, settings):
        self.settings = {"threads": default_threads(), **settings}
        model = str(self.settings.get("model", ""))
        if model != "embedded" and os.path.exists(os.path.expanduser(model)):
            self.settings["model"] = os.path.abspath(os.path.expanduser(model))   # from any folder
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared_folder()))
        self._lock = open(self.folder / LOCK, "w")    # until this process ends, however it ends
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.process = self.descriptor = self.state = self.token = self.control_ring = None
        self.error, self.seconds, self.profile, self.trouble = "", 0.0, None, ""
        self.generation = int(self.settings.get("generation", 0))
        self._failed = False

    def start(self):
        """Launches the process; `poll` tells what becomes of it.

        raises  OSError when shared memory is full or no process can be made
        """
        try:
            self._launch()
        except OSError:
            self.kill()
            raise
        return self

    def _launch(self):
        self.control_ring = Ring(self.folder / "control", CONTROL, slots=16)
        self.control_ring.words[LOADING] = time.perf_counter_ns()
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine.model.worker", str(self.folder),
                 json.dumps(self.settings)], stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, env=environment(self.settings["threads"]), cwd=str(ROOT))
        self._lock.write(str(self.process.pid))
        self._lock.flush()

    def poll(self):
        """"starting", "ready", "failed" (see `error`) or "dead"."""
        if self.process is None:
            return "starting"
        ended = self.process.poll() is not None
        if self.state is None and not self._failed:
            if (self.folder / "error.json").exists():
                self.error = self._read("error.json")["message"]
                self._failed = True
            elif (self.folder / "ready.json").exists():
                self._open()
            elif ended:
                self.error, self._failed = self._last_words(), True
        if self._failed:
            return "failed"
        if ended:
            if not self.error and (self.folder / "error.json").exists():
                self.error = self._read("error.json")["message"]
            return "dead"
        return "starting" if self.state is None else "ready"

    def _read(self, name):
        return json.loads((self.folder / name).read_text())

    def _open(self):
        ready = self._read("ready.json")
        self.descriptor = Descriptor.from_data(ready["descriptor"])
        self.seconds, self.trouble = float(ready["seconds"]), ready["trouble"]
        self.profile = self._read("profile.json") if ready["profile"] else None
        self.state = Ring(self.folder / "state", state_dtype(self.descriptor))
        self.token = Ring(self.folder / "token", TOKEN)

    def _last_words(self):
        """The last line that a process wrote before it ended."""
        try:
            lines = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        code = self.process.returncode
        return f"the model process ended with code {code} while loading" + (
            f" ({lines[-1][:160]})" if lines else "") + ": try again, or --model embedded"

    def control(self, kind, value=0.0, text="", after_seq=-1):
        """Sends a control; returns the generation that its records will carry.

        after_seq  the last record that has been played: the next one is written under the control
        raises     ModelError for an empty prompt, or when 16 controls wait already
        """
        if kind == PROMPT and not text.strip():
            raise ModelError("the prompt is empty: type some words")
        row = self.control_ring.slot()
        if row is None:
            raise ModelError("the model does not answer (16 controls are waiting): wait a moment")
        data = text.encode()[:CONTROL_TEXT].decode(errors="ignore").encode()
        self.generation += 1
        row["kind"], row["generation"], row["after_seq"] = kind, self.generation, after_seq
        row["value"], row["text_bytes"] = value, len(data)
        row["text"][:len(data)] = np.frombuffer(data, np.uint8)
        self.control_ring.publish()
        return self.generation

    def take_over(self, settings):
        """Gives a worker that stands by its task."""
        self.settings.update(settings)
        self.generation = int(settings.get("generation", 0))
        side = self.folder / ".takeover.part"
        side.write_text(json.dumps({**self.settings, "standby": False}))
        os.replace(side, self.folder / "takeover.json")
        row = self.control_ring.slot()
        row["kind"], row["generation"], row["text_bytes"] = PROMPT, self.generation, 0
        self.control_ring.publish()

    def beat_age_s(self):
        """Seconds since the worker last showed life."""
        if self.control_ring is None:
            return 0.0
        beat_ns = int(self.control_ring.words[LOADING] if self.state is None
                      else self.state.words[BEAT])
        return max(0.0, (time.perf_counter_ns() - beat_ns) * 1e-9)

    def silent(self):
        """Whether it has shown no life for so long that another should take over."""
        limit_s = SILENT_LOADING_S if self.state is None else SILENT_S
        return self.process is not None and self.beat_age_s() > limit_s

    def stop(self):
        """Asks the process to end, kills it if it does not, and removes its folder."""
        if self.process is not None and self.process.poll() is None:
            if self.control_ring is not None and self.control_ring.slot() is not None:
                self.control(STOP)
            self.process.stdin.close()
            try:
                self.process.wait(POLITE_S)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        if self.process is not None:
            self.process.wait()

    def kill(self):
        """Ends the process at once, and removes its folder. Does not wait: a large one takes a
        while to go, and the music is conducted on the thread that calls this."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
                threading.Thread(target=self.process.wait, daemon=True, name="reaper").start()
            if not self.process.stdin.closed:
                self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()
