"""Where OSC is sent: targets of the command line, and who subscribed. Thread: control (wires
process)."""
import contextlib
import ipaddress
import queue
import socket
import threading

import numpy as np

from engine.errors import EngineError
from engine.wires.datagram import Refusal, message, read

MOST_SUBSCRIBERS, MOST_PATTERNS = 32, 8
SUBSCRIBED_S, LONGEST_S = 60.0, 3600.0
RESOLVE_S = 3.0


def resolved(host, port, what):
    """(family, socket address) of a host; a name server that is silent is not waited for.

    raises  EngineError beginning with `what`
    """
    if not 0 <= port <= 65535:
        raise EngineError(f"{what}: ports are 1..65535, got {port}")
    answers = queue.Queue()

    def ask():
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0])
        except (OSError, UnicodeError) as fault:
            answers.put(fault)
    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=RESOLVE_S)
    except queue.Empty:
        found = OSError(0, "the name server does not answer")
    if isinstance(found, Exception):
        reason = getattr(found, "strerror", None) or str(found)
        raise EngineError(f"{what}: {reason}; write a name this machine knows, or an IP address")
    return found[0], found[4]


class Target:
    """One receiver.

    wants    (entries,) bool;  knows  (entries,) float32: the values it has, NaN for none
    quiet_s  (entries,) float64: until when it is not told, because it speaks itself
    patterns pattern -> until when, monotonic s; None for a target of the command line
    """

    def __init__(self, address, name, patterns=None):
        self.address, self.name, self.patterns = address, name, patterns
        self.failed = False

    def follow(self, addresses, count):
        self.knows = np.full(count, np.nan, np.float32)
        self.quiet_s = np.zeros(count)
        self.choose(addresses, count)

    def choose(self, addresses, count):
        """What its patterns mean in a registry."""
        self.wants = np.full(count, self.patterns is None)
        for pattern in self.patterns or ():
            self.wants[addresses.matches(pattern)] = True


class Targets:
    """All receivers; `all` is the list of them.

    raises  EngineError for a name that is unknown, or an address without a way to it
    """

    def __init__(self, stage, sock, to):
        self.stage, self.sock, self.all, self._count = stage, sock, [], 0
        self._by_address, self._by_host, self._addresses = {}, {}, None
        for host, port in to:
            self.all.append(self._fixed(host, port))
        self._index()

    def _fixed(self, host, port):
        what = f"--osc-to {host}:{port}"
        family, address = resolved(host, int(port), what)
        if family != self.sock.family:
            kind = "IPv4" if self.sock.family == socket.AF_INET else "IPv6"
            raise EngineError(f"{what}: the OSC socket speaks {kind}; write that kind of address")
        if not address[1]:
            raise EngineError(f"{what}: ports are 1..65535")
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(address)
            except OSError as fault:
                raise EngineError(f"{what}: no way there ({fault.strerror}); is the network up?"
                                  ) from None
        if self._is_own(address):
            raise EngineError(f"{what}: the stage listens there itself: what it sends would come "
                              "back as a hand's; write the surface's own address")
        return Target(address, f"{host}:{port}")

    def _is_own(self, address):
        """Whether what is sent there comes to our own socket."""
        own, to = self.sock.getsockname(), ipaddress.ip_address(address[0].split("%")[0])
        everywhere = ipaddress.ip_address(own[0].split("%")[0]).is_unspecified
        if address[1] != own[1] or not everywhere and address[0] != own[0]:
            return False
        if not everywhere or to.is_loopback or to.is_unspecified:
            return True
        with contextlib.suppress(OSError), socket.socket(self.sock.family,
                                                         socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            return probe.getsockname()[0] == address[0]    # a way that does not leave this machine
        return False

    def _index(self):
        self._by_address = {target.address: [target] for target in self.all}
        self._by_host = {}
        for target in self.all:
            if not ipaddress.ip_address(target.address[0].split("%")[0]).is_loopback:
                self._by_host.setdefault(target.address[0], []).append(target)

    def follow(self, addresses, count):
        """Another registry."""
        self._addresses, self._count = addresses, count
        for target in self.all:
            target.follow(addresses, count)

    def of(self, sender):
        """The targets that a sender is: its very address, or else those on its host. On this host
        there are many programs: there only the address counts."""
        return self._by_address.get(sender) or self._by_host.get(sender[0], ())

    def send(self, target, data):
        """One datagram; what fails is counted, and told once a target."""
        try:
            self.sock.sendto(data, target.address)
        except OSError as fault:
            self.stage.refuse("send")
            if not target.failed and not isinstance(fault, BlockingIOError):
                target.failed = True
                self.stage.say(f"OSC to {target.name} fails ({fault.strerror}); "
                               "the others are sent on")

    def answer(self, sender, data):
        try:
            self.sock.sendto(data, sender)
        except OSError:
            self.stage.refuse("send")

    # ---- subscribers
    def subscribe(self, asked, sender, now_s, afford):
        """(pattern, seconds, entries) of a subscription: "/subscribe" s:pattern [seconds] for the
        sender, "/subscribe/to" s:host i:port s:pattern [seconds] for another port of its host.

        raises  Refusal: type, pattern, subscriber, range
        """
        values, tags, address = asked.values, asked.tags, sender
        if asked.address == "/subscribe/to":
            if tags[:2] != "si":
                raise Refusal("type")
            if not 0 < values[1] <= 65535:
                raise Refusal("range")
            address = (self._near(values[0], sender), values[1], *sender[2:])
            values, tags = values[2:], tags[2:]
        if tags not in ("s", "sf", "si", "sd"):
            raise Refusal("type")
        pattern, target = checked(values[0]), self._subscriber(address)
        seconds = min(max(float(values[1]), 1.0), LONGEST_S) if tags[1:] else SUBSCRIBED_S
        if pattern not in target.patterns:
            if len(target.patterns) >= MOST_PATTERNS:
                raise Refusal("subscriber")
            afford(pattern, now_s)
            target.patterns[pattern] = now_s + seconds
            target.choose(self._addresses, self._count)
        target.patterns[pattern] = now_s + seconds
        if target not in self.all:
            self.all.append(target)
            self._index()
        return pattern, seconds, len(self._addresses.matches(pattern))

    def _near(self, host, sender):
        """The host as an address, if it is the sender's own."""
        try:
            given = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
            own = ipaddress.ip_address(sender[0].split("%")[0])
        except ValueError:
            raise Refusal("subscriber") from None
        if given != own and not (given.is_loopback and own.is_loopback
                                 and given.version == own.version):
            raise Refusal("subscriber")
        return str(given)

    def _subscriber(self, address):
        """The subscriber at an address, or a new one while there is room."""
        for target in self._by_address.get(address, ()):
            if target.patterns is None:
                raise Refusal("subscriber")                # it is sent everything already
            return target
        if sum(target.patterns is not None for target in self.all) >= MOST_SUBSCRIBERS:
            raise Refusal("subscriber")
        if self._is_own(address):
            raise Refusal("subscriber")                    # its echoes would be hands
        target = Target(address, f"{address[0]}:{address[1]}", {})
        target.follow(self._addresses, self._count)
        return target

    def unsubscribe(self, asked, sender):
        """"/unsubscribe" [s:pattern]: one, or all of the sender's."""
        if asked.tags not in ("", "s"):
            raise Refusal("type")
        for target in self._by_address.get(sender, ()):
            if target.patterns is None:
                raise Refusal("subscriber")
            for pattern in asked.values or list(target.patterns):
                target.patterns.pop(pattern, None)
        self.forget(float("-inf"), True)

    def forget(self, now_s, changed=False):
        """Leaves out what has run out."""
        for target in self.all:
            for pattern in [p for p, until_s in (target.patterns or {}).items()
                            if until_s < now_s]:
                del target.patterns[pattern]
                changed = True
        if changed:
            self.all = [t for t in self.all if t.patterns is None or t.patterns]
            for target in self.all:
                if target.patterns is not None:
                    target.choose(self._addresses, self._count)
            self._index()


def checked(pattern):
    """An address or pattern that came as a text, held to the rules of those that come as such.

    raises  Refusal
    """
    try:
        return read(message(pattern))[0].address
    except UnicodeEncodeError:
        raise Refusal("pattern") from None
