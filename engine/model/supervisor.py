"""Watches the model process and puts another in place of one that died. Thread: control.

No torch here: this is the stage's side.
"""
import os
import time
from collections import deque
from pathlib import Path

import numpy as np

from engine.errors import ModelError
from engine.model.process import Worker, sweep
from engine.records import HOLD, PROMPT, STEER, TEMPERATURE

__all__ = ["Supervised", "Worker"]
HISTORY, RESERVE_AFTER_S = 1000, 8.0      # tokens handed over; when the reserve starts loading
LONGEST_S = 10.0                          # between two attempts to start another


def memory_allows(pid):
    """Whether the machine has room for a second process as large as `pid`, and 1 GB to spare."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 > 1.5 * used + (1 << 30)
    except (OSError, ValueError, IndexError):
        return False                      # no /proc: a cold start takes over instead
    return False


class Supervised:
    """A model that comes back: one worker, a loaded one in reserve where memory allows.

    front, pop  records in order, stale ones dropped;  messages  what happened, for the view
    """

    def __init__(self, settings, reserve=True):
        self.settings = dict(settings)
        self.worker = self.descriptor = self.reserve = None
        self.error, self.messages, self.restarts = "", [], 0
        self.wants_reserve = reserve
        self.last_seq = int(settings.get("first_seq", 0)) - 1
        self._history, self._sampled = deque(maxlen=HISTORY), None
        self._backlog, self._mid_prompt, self._calibrated = deque(), False, False
        self._pending, self._ready_at, self._retry_at = [], 0.0, 0.0

    @property
    def profile(self):
        """What the meter learned about this model earlier, or None."""
        return self.worker.profile if self.worker is not None else None

    def start(self):
        sweep()
        self.worker = Worker(self.settings).start()
        return self

    def poll(self):
        """"starting", "ready", "recovering" or "failed" (at the first start only; see `error`)."""
        now, state = time.monotonic(), self.worker.poll() if self.worker else "none"
        if state == "none":
            if now >= self._retry_at:
                self._try_to_replace(now)
            return "recovering"
        if state == "failed" and self.descriptor is None:
            self.error = self.worker.error
            return "failed"
        if state in ("failed", "dead") or self.worker.silent():
            self._lose(state, now)
            return "recovering"
        if state == "ready":
            if self.descriptor is None or not self._ready_at:
                self._ready_at, self.descriptor = now, self.worker.descriptor
                if self.worker.trouble and not self.restarts:
                    self.messages.append(self.worker.trouble)
                if self.restarts:
                    self.messages.append("the model is back")
            self._keep_reserve(now)
        return "starting" if self.descriptor is None else \
            state if state == "ready" else "recovering"

    def _lose(self, state, now):
        """Buries a worker that ended, failed or fell silent; keeps what it had published."""
        why = {"failed": self.worker.error, "dead": self.worker.error or "the model process ended"
               }.get(state, "the model process shows no life")
        self.messages.append(f"{why}; another takes over")
        while (pair := self._waiting()) is not None:
            self._backlog.append((pair[0].copy(), pair[1].copy()))
            self.worker.state.pop()
            self.worker.token.pop()
        generation = self.worker.generation
        self.settings["generation"] = generation + 1
        self.worker.kill()
        lived_s = now - self._ready_at if self._ready_at else 0.0
        self.worker, self._ready_at = None, 0.0
        self._retry_at = now + (
            0.0 if lived_s > 5.0 else min(0.25 * 2 ** min(self.restarts, 8), LONGEST_S))
        self.restarts += 1

    def _try_to_replace(self, now):
        try:
            self._replace()
        except OSError as fault:
            self._retry_at = now + LONGEST_S
            self.messages.append(f"no model process can be started ({fault.strerror or fault}); "
                                 f"trying again in {LONGEST_S:.0f} s")

    def _replace(self):
        """Gives the task to the worker in reserve, or to a new one."""
        history, first_seq = list(self._history), self.last_seq + 1
        sampled, mid_prompt = self._sampled, self._mid_prompt
        for state, token in self._backlog:
            if int(state["seq"]) >= 0:
                first_seq = int(state["seq"]) + 1
                history.append(int(state["token"]))
                sampled, mid_prompt = after(token)
        settings = {**self.settings, "standby": False, "first_seq": first_seq,
                    "history": history + ([sampled] if sampled is not None else []),
                    "mid_prompt": mid_prompt, "calibrate": not self._calibrated}
        reserve, self.reserve = self.reserve, None
        if reserve is not None and reserve.poll() in ("ready", "starting") \
                and not reserve.silent():
            reserve.take_over(settings)
            self.worker = reserve
        else:
            if reserve is not None:
                reserve.kill()
            self.worker = Worker(settings).start()
        for pending in self._pending:
            self.worker.control(*pending)
        self._pending = []

    def _keep_reserve(self, now):
        if not self.wants_reserve:
            return
        if self.reserve is None:
            if now - self._ready_at > RESERVE_AFTER_S and memory_allows(self.worker.process.pid):
                self._load_reserve()
        elif self.reserve.poll() in ("failed", "dead") or self.reserve.silent():
            self.reserve.kill()
            self.reserve, self.wants_reserve = None, False

    def _load_reserve(self):
        try:
            self.reserve = Worker({**self.settings, "standby": True}).start()
        except OSError:                   # a cold start takes over instead
            self.wants_reserve = False

    def _waiting(self):
        """The worker's next whole record (state row, token row), stale ones dropped, or None."""
        worker = self.worker
        while worker is not None and worker.state is not None:
            state, token = worker.state.front(), worker.token.front()
            if state is None or token is None:
                return None
            if int(state["seq"]) < 0 or int(state["generation"]) >= worker.generation:
                return state, token
            worker.state.pop()
            worker.token.pop()
        return None

    def front(self, ahead=0):
        """The next record (state row, token row) or the one `ahead` after it, or None.

        The rows are views, valid until their `pop`.
        """
        if ahead < len(self._backlog):
            return self._backlog[ahead]
        ahead -= len(self._backlog)
        first = self._waiting()
        if first is None or ahead == 0:
            return first
        state, token = self.worker.state.front(ahead), self.worker.token.front(ahead)
        if state is None or token is None or int(state["generation"]) < self.worker.generation:
            return None
        return state, token

    def pop(self):
        """The record at the front has been used."""
        pair = self.front()
        state, token = pair
        if int(state["seq"]) >= 0:
            self._calibrated, self.last_seq = True, int(state["seq"])
            self._history.append(int(state["token"]))
            self._sampled, self._mid_prompt = after(token)
        if self._backlog:
            self._backlog.popleft()
        else:
            self.worker.state.pop()
            self.worker.token.pop()

    def waiting(self):
        """How many records are ready (stale ones counted too)."""
        ring = self.worker.token if self.worker is not None else None
        return len(self._backlog) + (len(ring) if ring is not None else 0)

    def control(self, kind, value=0.0, text="", after_seq=None):
        """Sends a control that holds after the last record used (or `after_seq`).

        While a worker is being replaced the control is kept for its successor.
        returns  the generation of the records under it
        """
        after_seq = self.last_seq if after_seq is None else after_seq
        if kind == PROMPT and not text.strip():
            raise ModelError("the prompt is empty: type some words")
        if kind == TEMPERATURE:
            self.settings["temperature"] = value
        elif kind == STEER:
            self.settings["steering"] = {**self.settings.get("steering", {}), text: value}
        elif kind == HOLD:
            self.settings["held"] = value > 0
        elif kind == PROMPT:
            self.settings["prompt"] = text
        if self.worker is None:
            self._pending.append((kind, value, text, after_seq))
            generation = int(self.settings["generation"]) + len(self._pending)
        else:
            generation = self.worker.control(kind, value, text, after_seq)
        self._backlog.clear()
        return generation

    def stop(self):
        for worker in (self.worker, self.reserve):
            if worker is not None:
                worker.stop()
        self.worker = self.reserve = None


def after(token):
    """(sampled id or None, whether a prompt goes on) after a TOKEN row."""
    given = bool(np.isnan(token["temperature"]))
    return (None, True) if given else (int(token["token"]), False)
