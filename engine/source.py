"""The records of the running model, in order, whichever process writes them. Thread: control."""
import time

from engine.errors import ModelError
from engine.records import CALIBRATION, PROMPT

LOAD_S = 300.0


class Source:
    """Reads a `Supervised` model.

    next_seq  the next record to be played;  ahead  how many after it have been looked at
    enters    the first record of a process that takes over, None when none does
    """

    def __init__(self, supervised):
        self.supervised, self.next_seq, self.ahead = supervised, 0, 0
        self.enters, self._restarts, self._unanswered = None, 0, None
        self._early = None

    def poll(self):
        """Keeps the supervisor going: "starting", "ready", "recovering" or "failed"."""
        state = self.supervised.poll()
        if self.supervised.restarts != self._restarts:
            self._restarts = self.supervised.restarts
            self._changes()
        return state

    def _changes(self):
        """A process was lost: what it had published is still played, the next is a successor's.
        A prompt that it had not begun to read goes to the successor."""
        left = self.supervised.waiting()
        last = int(self.supervised.front(left - 1)[0]["seq"]) if left else -1
        enters = max(last + 1, self.next_seq)
        self.enters = enters if self.enters is None else min(self.enters, enters)
        if left:                          # whatever waits came after the last control
            self._unanswered = None
        elif self._unanswered is not None:
            self.control(*self._unanswered[1:])

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
        """Feeds the calibration records, which come first, to the meter and freezes it, or gives it
        the profile that takes their place."""
        end = time.monotonic() + timeout_s
        if (profile := getattr(self.supervised, "profile", None)) is not None:
            meter.load_profile(profile)
            meter.warm()
            return
        while True:
            pair = self.supervised.front()
            if pair is None:
                if self.poll() != "ready":
                    why = self.supervised.error
                    raise ModelError("the model stopped while it was being calibrated"
                                     + (f": {why}" if why else ""))
                if time.monotonic() > end:
                    raise ModelError(f"the model gave no record in {timeout_s:.0f} s")
                time.sleep(0.001)
                continue
            if not int(pair[0]["flags"]) & CALIBRATION:
                break
            meter.learn(*pair)
            self.supervised.pop()
        meter.freeze()
        meter.warm()

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

    def early(self):
        """The STATE that came before its TOKEN, once, or None; `arrive` brings both later."""
        supervised = self.supervised
        worker = supervised.worker
        if worker is None or worker.state is None or supervised.waiting() > len(worker.token):
            return None
        state = worker.state.front(self.ahead)
        if state is None or len(worker.token) > self.ahead:
            return None
        which = int(state["seq"]), int(state["generation"])
        if which == self._early or which[0] < self.next_seq or which[1] < worker.generation:
            return None
        self._early = which
        return state

    def take(self):
        """The oldest record has been played."""
        pair = self.supervised.front()
        self.next_seq = int(pair[0]["seq"]) + 1
        if self._unanswered is not None and int(pair[0]["generation"]) >= self._unanswered[0]:
            self._unanswered = None
        self.supervised.pop()
        self.ahead -= 1

    def control(self, kind, value=0.0, text=""):
        """A control that holds after the last record played; what was computed ahead is dropped."""
        generation = self.supervised.control(kind, value, text, self.next_seq - 1)
        if kind == PROMPT:
            self._unanswered = generation, kind, value, text
        elif self._unanswered is not None:    # it comes after the prompt, and is not begun without
            self._unanswered = generation, *self._unanswered[1:]
        self.ahead = 0
        if self.enters is not None:
            self.enters = min(self.enters, self.next_seq)
