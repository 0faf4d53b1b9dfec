"""The worker's end of the rings: records out, controls in, a sign of life. Thread: control."""
import time

import numpy as np

from engine.records import INVALID, TEXT_BYTES, TOKEN, TOP, slots_for, state_dtype
from engine.ring import BEAT, CLOSED, HEAD, Ring

WAIT_S = 5e-4
LENS = ("commit", "slope_nat", "unrest_nat", "heat_nat")
STEERED = ("steer_nat", "steer_share")


class Interrupted(Exception):
    """A control arrived while a record waited for room."""


class Rings:
    """The three rings of one worker, in its folder.

    Rings(folder, descriptor, limit) makes `state` and `token`; `control` is there already
    """

    def __init__(self, folder, descriptor, limit, control):
        dtype = state_dtype(descriptor)
        slots = slots_for(dtype)
        self.state = Ring(folder / "state", dtype, slots=slots, limit=min(limit or slots, slots))
        self.token = Ring(folder / "token", TOKEN, slots=slots)
        self.control = control
        self._bytes = self.state.rows.view(np.uint8).reshape(slots, -1)
        self._words, self._published = self.state.words, self.state.rows["published_ns"]
        self._blank = np.zeros(1, TOKEN)[0]
        self._blank["top_log_probability"] = np.nan
        for name in ("surprisal_nat", "entropy_nat", "margin_nat", "temperature", *LENS,
                     *STEERED):
            self._blank[name] = np.nan

    def beat(self):
        self._words[BEAT] = time.perf_counter_ns()

    def room(self):
        """Whether a STATE and its TOKEN can be published now."""
        return self.state.slot() is not None and self.token.slot() is not None

    def wait(self, interruptible=True):
        """Waits for room, showing life.

        raises  Interrupted when a control is waiting to be read
        """
        while not self.room():
            self.beat()
            if interruptible and len(self.control):
                raise Interrupted
            time.sleep(WAIT_S)
        self.beat()

    def put_state(self, capture, row, seq, generation, token, position, flags):
        """Publishes one captured row; returns its flags, INVALID if its numbers are not finite."""
        if not capture.finite(row):
            flags |= INVALID
        capture.heads[row] = seq, generation, token, position, flags, capture.done_ns
        at = int(self._words[HEAD]) % self.state.slots
        self._bytes[at] = capture.bytes[row]
        self._published[at] = time.perf_counter_ns()
        self.state.publish()
        return flags

    def put_token(self, seq, generation, token, flags, text, temperature, choice=None, lens=None,
                  steered=None):
        """Publishes the TOKEN of a record; without a Choice, what the lens read or what steering
        did, those numbers are absent (NaN)."""
        at = int(self.token.words[HEAD]) % self.token.slots
        row = self.token.rows[at]
        self.token.rows[at] = self._blank
        row["seq"], row["generation"], row["token"], row["flags"] = seq, generation, token, flags
        row["sampled_ns"] = time.perf_counter_ns()
        if choice is not None:
            row["temperature"] = temperature
            row["surprisal_nat"], row["entropy_nat"] = choice.surprisal_nat, choice.entropy_nat
            row["margin_nat"] = choice.margin_nat
            row["top_log_probability"] = choice.top[:TOP]
        for name, value in (*zip(LENS, lens or (), strict=False),
                            *zip(STEERED, steered or (), strict=False)):
            row[name] = value
        data = text.encode()[:TEXT_BYTES]
        row["text_bytes"] = len(data)
        row["text"][:len(data)] = np.frombuffer(data, np.uint8)
        self.token.publish()

    def close(self):
        """Says that this worker has left."""
        self._words[CLOSED] = 1


def token_text(row):
    """The text of a TOKEN row."""
    return bytes(row["text"][:int(row["text_bytes"])]).decode(errors="replace")
