"""Looks at the OSC that arrives at a port, without a stage. Thread: control."""
import select
import time

from engine.wires.datagram import IMMEDIATELY, MOST_BYTES, Refusal, read, wall_ns_of
from engine.wires.osc import listening


def opened(port, host="127.0.0.1"):
    """The socket to look at.

    raises  EngineError when the port is taken
    """
    return listening(host, port, "write another one after osc-monitor")


def arriving(sock, seconds=None):
    """Yields (sender, Message or the kind of a refusal, bytes) until the time is over."""
    end_s = float("inf") if seconds is None else time.monotonic() + seconds
    try:
        while (left_s := end_s - time.monotonic()) > 0:
            if not select.select([sock], [], [], min(left_s, 0.25))[0]:
                continue
            try:
                data, sender = sock.recvfrom(MOST_BYTES + 4)
            except OSError:                                # gone again, or what an answer met
                continue
            try:
                messages = read(data)
            except Refusal as refusal:
                yield sender, refusal.kind, len(data)
                continue
            for message in messages:
                yield sender, message, len(data)
    finally:
        sock.close()


def ahead_ms(message):
    """How far the message's timetag lies ahead of now, ms; None when it means at once."""
    if message.time <= IMMEDIATELY:
        return None
    return (wall_ns_of(message.time) - time.time_ns()) / 1e6


def words(message):
    """A message as one line: address, tags, arguments, the time it is meant for."""
    found = [message.address, f",{message.tags}"]
    for value in message.values:
        found.append(repr(value) if isinstance(value, str) else
                     f"{len(value)} bytes" if isinstance(value, bytes) else
                     f"{value:.6g}" if isinstance(value, float) else str(value))
    ahead = ahead_ms(message)
    return " ".join(found) + ("" if ahead is None else f"  (in {ahead:+.1f} ms)")


def data(sender, message):
    """A message as JSON can hold it."""
    return {"from": f"{sender[0]}:{sender[1]}", "address": message.address, "tags": message.tags,
            "values": [v.hex() if isinstance(v, bytes) else v for v in message.values],
            "ahead_ms": ahead_ms(message)}
