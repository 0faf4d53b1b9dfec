"""Joins STATE and TOKEN of the running worker into records in order; survives its replacement.
Thread: control."""
import time
from dataclasses import dataclass

from engine.errors import ModelError
from engine.records import CALIBRATION, RENEWED, SINK

HISTORY = 512                             # spoken tokens kept, for a worker that takes over
LOAD_S = 300.0


@dataclass
class Record:
    """One record: STATE and TOKEN rows (copies), and whether a new worker made it."""
    state: object
    token: object


class Source:
    """Reads a `Supervised` worker's rings.

    arrive()  the next record that is ready, or None; take() gives the oldest its place back
    """

    def __init__(self, supervised):
        self.supervised, self.generation = supervised, 0
        self.next_seq, self.ahead = 0, 0          # the next to consume; how many wait unconsumed
        self.history, self.changed = [], False
        self._worker = None

    @property
    def worker(self):
        return self.supervised.current

    def poll(self):
        """Keeps the supervisor going; notices a new worker."""
        self.supervised.poll(self.next_seq, self.history)
        if self.worker is not self._worker:
            self.changed = self._worker is not None
            self._worker, self.ahead = self.worker, 0
            self.generation = self.supervised.generation
        return self.supervised.state

    def wait_ready(self, progress=None, timeout_s=LOAD_S):
        """Blocks until a worker is loaded; raises ModelError with its own words when it cannot
        be."""
        begin = time.monotonic()
        while self.poll() != "ready":
            if self.supervised.state == "failed":
                raise ModelError(self.supervised.error)
            if time.monotonic() - begin > timeout_s:
                raise ModelError(f"the model did not load in {timeout_s:.0f} s")
            if progress:
                progress(time.monotonic() - begin)
            time.sleep(0.01)

    def calibrate(self, meter, timeout_s=120.0):
        """Feeds the calibration rows, which come first, to the meter and freezes it."""
        end = time.monotonic() + timeout_s
        worker, old_limit = self.worker, self.worker.state.limit
        worker.state.limit = worker.token.limit = worker.state.slots
        while time.monotonic() < end:
            state, token = worker.state.front(), worker.token.front()
            if state is None or token is None:
                if self.poll() != "ready" or self.worker is not worker:
                    raise ModelError("the model stopped while it was being calibrated")
                time.sleep(0.001)
                continue
            if not int(state["flags"]) & CALIBRATION:
                break
            meter.learn(state, token)
            worker.state.pop()
            worker.token.pop()
        else:
            raise ModelError(f"the model gave no calibration in {timeout_s:.0f} s")
        worker.state.limit = worker.token.limit = old_limit
        meter.freeze()

    def arrive(self):
        """The record after those that wait, or None while it is not there."""
        worker = self.worker
        if worker is None or worker.state is None:
            return None
        while True:
            state, token = worker.state.front(self.ahead), worker.token.front(self.ahead)
            if state is None or token is None:
                return None
            stale = int(state["generation"]) < self.generation or int(
                state["flags"]) & CALIBRATION or int(state["seq"]) != self.next_seq + self.ahead
            if not stale:
                self.ahead += 1
                return Record(state, token)
            if self.ahead:
                return None                   # stale rows leave when they come to the front
            worker.state.pop()
            worker.token.pop()

    def take(self):
        """The oldest waiting record has been consumed."""
        worker = self.worker
        state, token = worker.state.front(), worker.token.front()
        if int(state["flags"]) & (SINK | RENEWED):
            del self.history[:-64]
        if not self.history:
            self.history.append(int(state["token"]))
        elif self.history[-1] != int(state["token"]):
            self.history.append(int(state["token"]))
        self.history.append(int(token["token"]))
        del self.history[:-HISTORY]
        worker.state.pop()
        worker.token.pop()
        self.ahead -= 1
        self.next_seq += 1

    def control(self, kind, value=0.0, text=""):
        """Sends a control that holds after the last consumed record; what was computed ahead is
        dropped."""
        self.generation = self.supervised.control(kind, value=value, text=text,
                                                  after_seq=self.next_seq - 1)
        self.ahead = 0

    def close(self):
        self.supervised.stop()
