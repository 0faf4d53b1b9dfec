"""The records of the running model, in order, whichever process writes them. Thread: control."""
import time

from engine.errors import ModelError
from engine.records import CALIBRATION

LOAD_S = 300.0


class Source:
    """Reads a `Supervised` model.

    next_seq  the next record to be played;  ahead  how many after it have been looked at
    changed   a new process took over, and nothing of it has been played yet
    """

    def __init__(self, supervised):
        self.supervised, self.next_seq, self.ahead = supervised, 0, 0
        self.changed, self._restarts = False, 0

    def poll(self):
        """Keeps the supervisor going: "starting", "ready", "recovering" or "failed"."""
        state = self.supervised.poll()
        if self.supervised.restarts != self._restarts:
            self._restarts, self.changed = self.supervised.restarts, True
        return state

    def wait_ready(self, progress=None, timeout_s=LOAD_S):
        """Blocks until the model is loaded; raises ModelError with its own words when it cannot."""
        begin = time.monotonic()
        while (state := self.poll()) != "ready":
            if state == "failed":
                raise ModelError(self.supervised.error)
            if time.monotonic() - begin > timeout_s:
                raise ModelError(f"the model did not load in {timeout_s:.0f} s")
            if progress:
                progress(time.monotonic() - begin)
            time.sleep(0.01)

    def calibrate(self, meter, timeout_s=LOAD_S):
        """Feeds the calibration records, which come first, to the meter and freezes it."""
        end = time.monotonic() + timeout_s
        while True:
            pair = self.supervised.front()
            if pair is None:
                if self.poll() != "ready":
                    raise ModelError("the model stopped while it was being calibrated")
                if time.monotonic() > end:
                    raise ModelError(f"the model gave no record in {timeout_s:.0f} s")
                time.sleep(0.001)
                continue
            if not int(pair[0]["flags"]) & CALIBRATION:
                break
            meter.learn(*pair)
            self.supervised.pop()
        meter.freeze()

    def arrive(self):
        """The next record not looked at yet (STATE row, TOKEN row: views), or None."""
        while (pair := self.supervised.front(self.ahead)) is not None:
            seq = int(pair[0]["seq"])
            if seq >= self.next_seq and not int(pair[0]["flags"]) & CALIBRATION:
                self.ahead += 1
                return pair
            if self.ahead:
                return None
            self.supervised.pop()
        return None

    def take(self):
        """The oldest record has been played."""
        pair = self.supervised.front()
        self.next_seq = int(pair[0]["seq"]) + 1
        self.supervised.pop()
        self.ahead -= 1

    def control(self, kind, value=0.0, text=""):
        """A control that holds after the last record played; what was computed ahead is dropped."""
        self.supervised.control(kind, value, text, self.next_seq - 1)
        self.ahead = 0
