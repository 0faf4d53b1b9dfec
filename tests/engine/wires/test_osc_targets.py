"""Where OSC goes: names, who a sender is, and what cannot be sent. Thread: control."""
import socket
import time

import pytest

from engine.errors import EngineError
from engine.wires import osc_targets
from engine.wires.addresses import Addresses
from engine.wires.datagram import Refusal, message, read
from engine.wires.osc_targets import Target, Targets, resolved


class Ends:
    """What the targets tell the stage."""

    def __init__(self):
        self.said, self.refused = [], []
        self.say, self.refuse = self.said.append, self.refused.append


class Wire:
    """A socket that keeps what is sent, or fails."""

    family = socket.AF_INET

    def __init__(self, fault=None):
        self.sent, self.fault = [], fault

    def sendto(self, data, address):
        if self.fault:
            raise self.fault
        self.sent.append((data, address))


@pytest.fixture
def targets():
    """One target on another host, one on this."""
    made = Targets(Ends(), Wire(), [])
    for address in (("192.0.2.7", 9001), ("127.0.0.1", 9001)):
        made.all.append(Target(address, f"{address[0]}:{address[1]}"))
    made._index()
    made.follow(Addresses(["/a"]), 1)
    return made


def test_a_tablet_is_known_by_its_host_and_a_program_here_by_its_port(targets):
    tablet, program = targets.all
    assert list(targets.of(("192.0.2.7", 50123))) == [tablet]
    assert list(targets.of(("192.0.2.7", 9001))) == [tablet]
    assert list(targets.of(("127.0.0.1", 9001))) == [program]
    assert not targets.of(("127.0.0.1", 50123)) and not targets.of(("192.0.2.8", 9001))


def test_of_two_programs_on_a_tablet_the_one_that_sends_is_meant(targets):
    second = Target(("192.0.2.7", 9002), "second")
    targets.all.append(second)
    targets._index()
    assert list(targets.of(("192.0.2.7", 9002))) == [second]
    assert len(targets.of(("192.0.2.7", 50123))) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_nothing_is_sent_to_the_stage_itself(host):
    """It would come back as a hand's, and take every parameter from the model."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        port = sock.getsockname()[1]
        with pytest.raises(EngineError, match="the stage listens there itself"):
            Targets(Ends(), sock, [("localhost", port)])
        made = Targets(Ends(), sock, [("127.0.0.1", port % 65535 + 1)])
        made.follow(Addresses(["/a"]), 1)
        asked = read(message("/subscribe/to", "sis", ["127.0.0.1", port, "/a"]))[0]
        with pytest.raises(Refusal) as refusal:
            made.subscribe(asked, ("127.0.0.1", 50123), 0.0, lambda *_: None)
        assert refusal.value.kind == "subscriber" and len(made.all) == 1


def test_what_cannot_be_sent_is_counted_and_told_once(targets):
    targets.sock.fault = OSError(101, "Network is unreachable")
    for _ in range(3):
        targets.send(targets.all[0], b"x")
    assert targets.stage.refused == ["send"] * 3
    assert targets.stage.said == ["OSC to 192.0.2.7:9001 fails (Network is unreachable); "
                                  "the others are sent on"]
    targets.sock.fault = BlockingIOError()
    targets.send(targets.all[1], b"x")
    assert len(targets.stage.said) == 1 and len(targets.stage.refused) == 4
    targets.sock.fault = None
    targets.send(targets.all[0], b"y")
    assert targets.sock.sent == [(b"y", ("192.0.2.7", 9001))]


def test_a_silent_name_server_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(osc_targets, "RESOLVE_S", 0.05)
    monkeypatch.setattr(osc_targets.socket, "getaddrinfo",
                        lambda *_, **__: time.sleep(2.0) or [None])
    begin_s = time.monotonic()
    with pytest.raises(EngineError) as fault:
        resolved("tablet.local", 9001, "--osc-to tablet.local:9001")
    assert time.monotonic() - begin_s < 1.5
    assert str(fault.value) == ("--osc-to tablet.local:9001: the name server does not answer; "
                                "write a name this machine knows, or an IP address")
