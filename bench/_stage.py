"""A stage: the house set on its environment's JACK server, beside a busy Python thread.

`python -m bench._stage compiled|python SECONDS MODEL LOG` prints one JSON object. Thread: control.
"""
import ctypes
import json
import re
import sys
import threading
import time
from pathlib import Path

import numpy as np

from engine import session
from engine import stream_callback as layout
from engine.performance import Options
from engine.stream import Stream, promote

WARM_S = 3.0
ORDINARY_SWITCH_S = 0.005                 # the interpreter's own; a session of ours asks for 0.5 ms
OWN = re.compile(r"JackTimedDriver::Process XRun")
NOT_FINISHED = re.compile(r"XRun: client = \S+ was not finished")


class PythonStream(Stream):
    """The same rig and the same accounting behind an ordinary sounddevice callback, in Python."""

    def __init__(self, process_address, rig_pointer, channels, rate_hz, device, block, **wires):
        super().__init__(process_address, rig_pointer, channels, rate_hz, "null", block)
        self._process = ctypes.PYFUNCTYPE(None, *[ctypes.c_int64] * 3)(process_address)
        self._rig, self._buffer = rig_pointer, np.zeros((4096, channels), np.float32)
        self._wanted, self._called = device, 0
        self.words[[layout.SKIPS, layout.GRACE_NS]] = 1, 10 ** 9
        layout.account(self.words.copy(), 0, 0, 1, 1, 0)        # compiled aside

    def _call(self, out, frames, times, status):
        start = time.monotonic_ns()
        if self._called == 0:
            self.scheduling = promote(threading.get_native_id())
        self._process(self._rig, self._buffer.ctypes.data, frames)
        out[:] = self._buffer[:frames, :out.shape[1]]
        layout.account(self.words, self._called, start, time.monotonic_ns(), frames, bool(status))
        self.words[layout.BROKEN] += bool(status)
        self._called = start

    def start(self):
        import sounddevice
        self._sound = sounddevice.OutputStream(
            samplerate=self.rate_hz, blocksize=self.block or 0, device=self._wanted, channels=2,
            dtype="float32", latency="low", callback=self._call)
        self._sound.start()

    def stop(self):
        pass

    def close(self):
        self._sound.abort()
        self._sound.close()


def xruns(log):
    """(the server's own, those it blames on a client), so far."""
    text = Path(log).read_text(errors="replace")
    return len(OWN.findall(text)), len(NOT_FINISHED.findall(text))


def burn(stop):
    x = 0
    while not stop.is_set():
        x = (x * 31 + 7) % 1000003


def play(kind, seconds, model, log):
    """Plays, waits, counts."""
    if kind == "python":
        session.open_stream = PythonStream
    stop = threading.Event()
    with session.play(Options(set="house", model=model, audio="system")) as live:
        if kind == "python":
            sys.setswitchinterval(ORDINARY_SWITCH_S)
        threading.Thread(target=burn, args=(stop,), daemon=True).start()
        time.sleep(WARM_S)
        words = live.stream.words
        words[layout.MAX_COST_NS] = words[layout.MAX_LATE_NS] = 0
        before, own, blamed = live.stream.words.copy(), *xruns(log)
        begin, steps = time.monotonic(), live.conductor.step
        time.sleep(seconds)
        after, wall_s = live.stream.words.copy(), time.monotonic() - begin
        own, blamed = xruns(log)[0] - own, xruns(log)[1] - blamed
        steps = live.conductor.step - steps
        state = live.performance.supervised.worker.poll()
        stop.set()
        return summary(kind, before, after, wall_s, own, blamed) | {
            "scheduling": live.stream.scheduling, "model": state, "steps": steps}


def summary(kind, before, after, wall_s, own, blamed):
    change = after - before
    blocks, frames = int(change[layout.BLOCKS]), int(change[layout.FRAMES])
    histogram, rate_hz = change[layout.HISTOGRAM:], int(after[layout.RATE_HZ])
    found = {"callback": kind, "seconds": round(wall_s, 1), "blocks": blocks,
             "late_blocks": int(change[layout.LATE]), "server_xruns": own,
             "server_blames_client": blamed, "status_flags": int(change[layout.BROKEN]),
             "blocks_missing": round(blocks * (wall_s * rate_hz / max(frames, 1) - 1))}
    for percent in (50, 99):
        found[f"cost_p{percent}_us"] = layout.percentile_ns(histogram, percent) / 1e3
    found["cost_max_us"] = int(after[layout.MAX_COST_NS]) / 1e3
    found["latest_ms"] = int(after[layout.MAX_LATE_NS]) / 1e6
    block_us = 1e6 * frames / max(blocks, 1) / rate_hz
    found["cost_p99_share"] = round(found["cost_p99_us"] / max(block_us, 1.0), 4)
    return found


if __name__ == "__main__":
    _, kind, seconds, model, log = sys.argv
    sys.stdout.write(json.dumps(play(kind, float(seconds), model, log)) + "\n")
