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
from engine.priority import lift
from engine.wires.datagram import (
    IMMEDIATELY,
    MOST_BYTES,
    MOST_ELEMENTS,
    Refusal,
    read,
    wall_ns_of,
)
from engine.wires.osc_budget import Budget, Duty, Senders
from engine.wires.osc_in import PANIC, Asked
from engine.wires.osc_out import Out
from engine.wires.osc_targets import resolved

RECEIVE_BYTES = 4 << 20                   # as much as the kernel gives: for a jam
BATCH, BATCH_S = 256, 0.003               # then the stage is given it, and others have their turn
FLUSH_S, TICK_S, PAUSE_S = 0.001, 0.002, 0.1
AHEAD_NS = 2 * 10 ** 9                    # how far a timetag may lie ahead
BYTES_A_MESSAGE, FREE = 4, 16             # of what is refused, 2^4 bytes count as a message, and
                                          # in a bundle each after 16 counts as two
NEW_PATTERNS_HZ = 200.0
TELL_FIRST_S, TELL_S = 1.0, 60.0
_PANIC_BYTES = b"/panic\0\0"


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
        now_s = time.monotonic()
        self._senders, self._patterns = Senders(), Budget(NEW_PATTERNS_HZ, NEW_PATTERNS_HZ, now_s)
        self._duty, self._reads, self._paused_s, self._rest_s = Duty(now_s), False, None, 0.0
        self._flushed_s, self._timer, self._loop = 0.0, None, None
        self._told, self._tell_s = 0, now_s + TELL_FIRST_S

    async def serve(self):
        """Until cancelled."""
        lift()
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                now_s = time.monotonic()
                self.follow()
                self._press(now_s)
                self.out.tick(now_s)
                self._tell(now_s)
                await asyncio.sleep(TICK_S)
        finally:
            self._loop.remove_reader(self.sock)
            self.sock.close()

    def follow(self):
        """Another registry, if there is one."""
        if self.asked.look():
            self.out.follow(self.asked.entries, self.asked.addresses)

    # ---- in
    def _drain(self):
        """Reads what is there, at most a batch."""
        now_s = time.monotonic()
        end_s, began_s = now_s + BATCH_S, time.thread_time()
        self.follow()
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
        rest_s = self._duty.rest_s(now_s, time.thread_time() - began_s)
        if rest_s:
            self._rest_s = now_s + rest_s                  # the next tick looks again
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
        """The socket is left alone while reading has had its share of the core, and while no
        trigger finds room: the kernel holds what comes. But not for long: where the stage stands
        still, a panic must be heard, and the rest is refused."""
        if not self.asked.full:
            self._paused_s = None
        elif self._paused_s is None:
            self._paused_s = now_s
        reads = now_s >= self._rest_s and (
            self._paused_s is None or now_s - self._paused_s >= PAUSE_S)
        if reads and not self._reads:
            self._loop.add_reader(self.sock, self._drain)
        elif self._reads and not reads:
            self._loop.remove_reader(self.sock)
        self._reads = reads

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
        time_ns = due_ns(message.time)
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


def due_ns(tag):
    """The monotonic time of a timetag, 0 for now and when it has passed.

    raises  Refusal("timetag") when it is too far ahead
    """
    if tag == IMMEDIATELY:
        return 0
    ahead = wall_ns_of(tag) - time.time_ns()
    if ahead > AHEAD_NS:
        raise Refusal("timetag")
    return time.monotonic_ns() + ahead if ahead > 0 else 0


def serve_osc(stage):
    """The coroutine of the service, its port bound."""
    return Osc(stage).serve()
