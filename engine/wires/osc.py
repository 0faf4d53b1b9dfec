"""OSC in and out: one socket, drained by hand. Thread: control (wires process).

asyncio's own datagram callbacks cost more than reading a message does, so the socket is read in a
loop until it is empty, a batch at a time. What comes is looked at (`datagram`), typed (`osc_in`)
and handed to the stage; what the stage says goes to targets and subscribers (`osc_out`).
"""
import asyncio
import contextlib
import errno
import os
import socket
import time
from pathlib import Path

from engine.errors import EngineError
from engine.wires.datagram import (
    IMMEDIATELY,
    MOST_BYTES,
    MOST_ELEMENTS,
    Refusal,
    read,
    wall_ns_of,
)
from engine.wires.osc_in import PANIC, Asked
from engine.wires.osc_out import Out
from engine.wires.osc_targets import resolved

RECEIVE_BYTES = 4 << 20                   # as much as the kernel gives: for a jam
BATCH, BATCH_S = 256, 0.003               # then the stage is given it, and others have their turn
FLUSH_S, TICK_S, PAUSE_S = 0.001, 0.002, 0.1
AHEAD_NS = 2 * 10 ** 9                    # how far a timetag may lie ahead
RATE_HZ, BURST, MOST_SENDERS = 5000.0, 2000.0, 4096
BYTES_A_MESSAGE, FREE = 4, 16             # of what is refused, 2^4 bytes count as a message, and
                                          # in a bundle each after 16 counts as two
NEW_PATTERNS_HZ = 200.0
TELL_FIRST_S, TELL_S = 1.0, 60.0
_PANIC_BYTES = b"/panic\0\0"


class Budget:
    """So many a second, and so many at once."""

    def __init__(self, rate_hz, burst, now_s):
        self.rate_hz, self.burst, self.left, self.at_s = rate_hz, burst, burst, now_s

    def take(self, now_s, count=1):
        """False when nothing is left; what is taken may go below nothing."""
        left = min(self.burst, self.left + (now_s - self.at_s) * self.rate_hz)
        self.at_s, self.left = now_s, left - count if left >= 1.0 else left
        return left >= 1.0


class Senders:
    """A budget for each sender; no more of them than `MOST_SENDERS`, the oldest go."""

    def __init__(self):
        self._budgets = {}

    def of(self, sender, now_s):
        found = self._budgets.get(sender)
        if found is None:
            if len(self._budgets) >= MOST_SENDERS:
                self._forget(now_s)
            found = self._budgets[sender] = Budget(RATE_HZ, BURST, now_s)
        return found

    def _forget(self, now_s):
        """Those that were silent for a second lose nothing by it; else the older half goes."""
        kept = {s: b for s, b in self._budgets.items() if now_s - b.at_s < BURST / RATE_HZ}
        if len(kept) >= MOST_SENDERS // 2:
            kept = dict(list(kept.items())[MOST_SENDERS // 2:])
        self._budgets = kept


def listening(host, port, advice="choose another with --osc"):
    """A bound, non-blocking socket.

    raises  EngineError when the port is taken or the host is not of this machine
    """
    family, address = resolved(host, port, f"OSC cannot listen on {host!r}")
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    try:
        sock.bind(address)
    except OSError as fault:
        sock.close()
        reasons = {errno.EADDRINUSE: f"port {port} is taken by another program",
                   errno.EACCES: f"port {port} is not for every user"}
        reason = reasons.get(fault.errno, f"cannot listen on {host}:{port} ({fault.strerror})")
        raise EngineError(f"OSC {reason}; {advice}") from None
    return sock


class Osc:
    """The service of `settings["osc"]`; made (and bound) before the wires process is ready.

    raises  EngineError: port taken, no such host, no way to a target
    """

    def __init__(self, stage):
        wanted = stage.settings["osc"]
        self.stage = stage
        self.sock = listening(wanted.get("host", "127.0.0.1"), int(wanted["port"]))
        self.asked = Asked(stage)
        self.out = Out(stage, self.sock, wanted.get("to", ()), self)
        self._senders, self._paused_s = Senders(), None
        self._patterns = Budget(NEW_PATTERNS_HZ, NEW_PATTERNS_HZ, time.monotonic())
        self._flushed_s, self._timer, self._loop = 0.0, None, None
        self._told, self._tell_s = 0, time.monotonic() + TELL_FIRST_S

    async def serve(self):
        """Until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.sock, self._drain)
        try:
            while True:
                self._look()
                self.out.tick(time.monotonic())
                self._tell(time.monotonic())
                await asyncio.sleep(TICK_S)
        finally:
            self._loop.remove_reader(self.sock)
            self.sock.close()

    def _look(self):
        if self.asked.look():
            self.out.follow(self.asked.entries, self.asked.addresses)

    # ---- in
    def _drain(self):
        """Reads what is there, at most a batch."""
        now_s = time.monotonic()
        end_s = now_s + BATCH_S
        self._look()
        receive, take = self.sock.recvfrom, self._take
        for _ in range(BATCH):
            try:
                data, sender = receive(MOST_BYTES + 4)
            except BlockingIOError:
                break
            except OSError:                                # what an earlier answer met
                continue
            try:
                take(data, sender, now_s)
            except Refusal as refusal:
                self.stage.refuse(refusal.kind)
            if time.monotonic() > end_s:
                break
        if now_s - self._flushed_s >= FLUSH_S:
            self._flush()
        elif self.asked.waiting and not self._timer:
            self._timer = self._loop.call_later(FLUSH_S, self._flush)
        self._press(now_s)

    def _flush(self):
        """To the stage; again in a moment while something waits."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._flushed_s = time.monotonic()
        self.asked.flush()
        if self.asked.waiting:
            self._timer = self._loop.call_later(FLUSH_S, self._flush)
        if self._paused_s is not None:
            self._press(self._flushed_s)

    def _press(self, now_s):
        """While no trigger finds room the socket is left alone: the kernel holds what comes. But
        not for long: where the stage stands still, a panic must be heard, and the rest is
        refused."""
        if self.asked.full and self._paused_s is None:
            self._paused_s = now_s
            self._loop.remove_reader(self.sock)
        elif self._paused_s is not None and (
                not self.asked.full or now_s - self._paused_s >= PAUSE_S):
            self._loop.add_reader(self.sock, self._drain)
            if not self.asked.full:
                self._paused_s = None

    def _take(self, data, sender, now_s):
        budget = self._senders.of(sender, now_s)
        if not budget.take(now_s) and not data.startswith(_PANIC_BYTES):
            raise Refusal("rate")
        try:
            messages = read(data)
        except Refusal:                                    # what it cost to look at, it pays
            budget.left -= len(data) >> BYTES_A_MESSAGE
            raise
        budget.left -= len(messages) - 1
        if len(messages) == 1:
            self._act(messages[0], sender, now_s)
            return
        refused = 0
        for message in messages:
            try:
                self._act(message, sender, now_s)
            except Refusal as refusal:
                self.stage.refuse(refusal.kind)
                refused += 1
        budget.left -= max(0, refused - FREE)

    def _act(self, message, sender, now_s):
        time_ns = 0 if message.time == IMMEDIATELY else _due_ns(message.time)
        place = self.asked.addresses.exact.get(message.address)
        if place is not None:
            self.out.moved(sender, place, self.asked.take(place, message, time_ns), now_s)
        elif message.address == PANIC:                     # also where no registry has it
            self.asked.panic()
        elif not self.out.request(message, sender, now_s):
            self._all(message, sender, time_ns, now_s)

    def _all(self, message, sender, time_ns, now_s):
        """A pattern's message, to every entry it fits; refused when it fits none."""
        self.afford(message.address, now_s)
        reason, fitted = Refusal("unknown"), False
        for place in self.asked.addresses.matches(message.address, MOST_ELEMENTS):
            try:
                given = self.asked.take(place, message, time_ns)
            except Refusal as refusal:
                reason = refusal
                continue
            fitted = True
            self.out.moved(sender, place, given, now_s)
        if not fitted:
            raise reason

    def afford(self, pattern, now_s):
        """A pattern nobody has sent lately costs work: so many of them a second, of all senders.

        raises  Refusal
        """
        if not self.asked.addresses.known(pattern) and not self._patterns.take(now_s):
            raise Refusal("pattern")

    # ---- what is told
    def _tell(self, now_s):
        """A line for the performer about what was refused, at most one a minute."""
        refused = self.stage.refused
        count = sum(refused.values())
        if now_s < self._tell_s or count == self._told:
            return
        most = sorted(refused.items(), key=lambda pair: -pair[1])[:3]
        self.stage.say(f"OSC: {count - self._told} refused; so far "
                       + ", ".join(f"{number} {kind}" for kind, number in most))
        self._told, self._tell_s = count, now_s + TELL_S

    def lost(self):
        """Datagrams that the kernel had no room for, where it says so (Linux)."""
        number = str(os.fstat(self.sock.fileno()).st_ino)
        for table in ("/proc/net/udp", "/proc/net/udp6"):
            with contextlib.suppress(OSError):
                for line in Path(table).read_text().splitlines()[1:]:
                    words = line.split()
                    if words[9] == number:
                        return int(words[12])
        return 0


def _due_ns(tag):
    """The monotonic time of a timetag, 0 when it has passed.

    raises  Refusal("timetag") when it is too far ahead
    """
    ahead = wall_ns_of(tag) - time.time_ns()
    if ahead > AHEAD_NS:
        raise Refusal("timetag")
    return time.monotonic_ns() + ahead if ahead > 0 else 0


def serve_osc(stage):
    """The coroutine of the service, its port bound."""
    return Osc(stage).serve()
