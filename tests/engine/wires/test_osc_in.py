"""Typing of what comes, and the line in front of the stage. Thread: control."""
import threading

import pytest

from engine.records import COMMAND, TRIGGER, VALUE
from engine.ring import Ring
from engine.surface import Entry
from engine.wires import osc_in
from engine.wires.board import PANIC, Board
from engine.wires.datagram import Message, Refusal
from engine.wires.osc_in import Asked, arguments
from engine.wires.stage import Stage

CUTOFF = Entry("/cutoff_hz", "value", "f", 20.0, 2000.0)
ALGORITHM = Entry("/algorithm", "value", "i", 1.0, 32.0)
SCENE = Entry("/scene", "trigger", "s", choices=("ebb", "flood"))
PROMPT = Entry("/prompt", "trigger", "s")
MUTE, NEXT, PLAY = (Entry("/mute", "trigger", "i"), Entry("/next", "trigger", ""),
                    Entry("/play", "trigger", "ff"))
RELEASE = Entry("/release", "trigger", "s")
PANICS, TOKEN = Entry("/panic", "trigger", ""), Entry("/token", "out", "s")


@pytest.mark.parametrize(("entry", "tags", "values", "given"), [
    (CUTOFF, "f", (440.0,), ([440.0], "")), (CUTOFF, "i", (440,), ([440.0], "")),
    (CUTOFF, "h", (440,), ([440.0], "")), (CUTOFF, "d", (440.0,), ([440.0], "")),
    (CUTOFF, "T", (True,), ([20.0], "")), (CUTOFF, "f", (9e9,), ([2000.0], "")),
    (CUTOFF, "f", (-1.0,), ([20.0], "")), (ALGORITHM, "f", (4.6,), ([5.0], "")),
    (ALGORITHM, "i", (32,), ([32.0], "")), (PROMPT, "s", ("über",), ([], "über")),
    (SCENE, "s", ("flood",), ([], "flood")), (SCENE, "i", (0,), ((), "ebb")),
    (SCENE, "f", (1.0,), ((), "flood")), (MUTE, "f", (1.0,), ([1.0], "")),
    (MUTE, "F", (False,), ([0.0], "")), (PLAY, "fi", (60.0, 1), ([60.0, 1.0], "")),
    (NEXT, "", (), ((), "")), (NEXT, "f", (1.0,), ((), "")), (NEXT, "T", (True,), ((), "")),
    (RELEASE, "", (), ((), "")), (RELEASE, "s", ("a.b",), ([], "a.b")),
    (NEXT, "f", (0.0,), None), (NEXT, "F", (False,), None),
])
def test_a_message_becomes_what_the_entry_wants(entry, tags, values, given):
    assert arguments(entry, tags, values) == given


@pytest.mark.parametrize(("entry", "tags", "values", "kind"), [
    (CUTOFF, "s", ("high",), "type"), (CUTOFF, "", (), "type"), (CUTOFF, "N", (None,), "type"),
    (CUTOFF, "ff", (1.0, 2.0), "type"), (CUTOFF, "b", (b"1234",), "type"),
    (ALGORITHM, "i", (33,), "range"), (PROMPT, "f", (1.0,), "type"),
    (PROMPT, "s", ("x" * 3000,), "text"), (PROMPT, "s", ("ü" * 1025,), "text"),
    (SCENE, "s", ("storm",), "choice"), (SCENE, "i", (2,), "choice"), (SCENE, "i", (-1,), "choice"),
    (PLAY, "f", (60.0,), "type"), (NEXT, "s", ("now",), "type"), (NEXT, "ff", (1.0, 1.0), "type"),
])
def test_what_does_not_fit_is_refused(entry, tags, values, kind):
    with pytest.raises(Refusal) as refusal:
        arguments(entry, tags, values)
    assert refusal.value.kind == kind


class Ends:
    """The stage's ends in this process, with a ring as small as wanted."""

    send = Stage.send

    def __init__(self, slots):
        self.board, self.commands = Board(None), Ring(None, COMMAND, slots=slots)
        self.entries, self.version = [CUTOFF, NEXT, PANICS, TOKEN, MUTE], 1
        self._lock, self.local = threading.Lock(), {}

    def taken(self):
        found = []
        while (row := self.commands.front()) is not None:
            found.append((bytes(row["address"][:row["address_bytes"]]).decode(), int(row["kind"]),
                          row["value"][:row["count"]].tolist(), int(row["time_ns"])))
            self.commands.pop()
        return found


def asked(slots=64):
    ends = Ends(slots)
    line = Asked(ends)
    assert line.look() and not line.look()
    return ends, line


def number(k):
    return Message("/mute", "i", (k,))


def test_of_a_value_the_latest_and_of_a_trigger_each():
    ends, line = asked()
    for k in range(20):
        assert line.take(0, Message("/cutoff_hz", "f", (100.0 + k,)), 0) == 100.0 + k
        assert line.take(4, number(k), 0) is None
    line.flush()
    assert ends.taken() == [*[("/mute", TRIGGER, [k], 0) for k in range(20)],
                            ("/cutoff_hz", VALUE, [119.0], 0)]
    assert not line.waiting


def test_a_value_for_later_is_not_overtaken():
    ends, line = asked()
    for time_ns in (500, 600):
        line.take(0, Message("/cutoff_hz", "f", (30.0,)), time_ns)
    line.flush()
    assert ends.taken() == [("/cutoff_hz", VALUE, [30.0], 500), ("/cutoff_hz", VALUE, [30.0], 600)]


def test_triggers_wait_for_room_in_their_order():
    ends, line = asked(slots=4)
    for k in range(100):
        line.take(4, number(k), 0)
    got = []
    while line.waiting:
        line.flush()
        got += [values[0] for _, _, values, _ in ends.taken()]
    assert got == list(range(100))


def test_values_leave_room_for_triggers(monkeypatch):
    monkeypatch.setattr(osc_in, "VALUES_IN_RING", 2)
    ends, line = asked()
    ends.entries = [Entry(f"/v/{k}", "value", "f") for k in range(8)]
    ends.version = 2
    assert line.look()
    for k in range(8):
        line.take(k, Message(f"/v/{k}", "f", (0.5,)), 0)
    line.flush()
    assert len(ends.commands) == 2 and line.waiting
    assert [address for address, *_ in ends.taken()] == ["/v/0", "/v/1"]


def test_the_line_is_bounded(monkeypatch):
    monkeypatch.setattr(osc_in, "MOST_TRIGGERS", 50)
    _, line = asked(slots=4)
    for k in range(50):
        assert not line.full
        line.take(4, number(k), 0)
    assert line.full
    with pytest.raises(Refusal) as refusal:
        line.take(4, number(50), 0)
    assert refusal.value.kind == "full"


def test_a_panic_acts_at_once_and_is_told_once():
    ends, line = asked(slots=4)
    for k in range(10):
        line.take(4, number(k), 0)
    for _ in range(5):
        line.take(2, Message("/panic", "", ()), 0)
    assert ends.board.words[PANIC] == 5
    line.take(2, Message("/panic", "f", (0.0,)), 0)          # the finger leaves
    assert ends.board.words[PANIC] == 5
    line.flush()
    assert [address for address, *_ in ends.taken()] == ["/panic", *["/mute"] * 3]


def test_what_is_only_sent_cannot_be_set():
    _, line = asked()
    with pytest.raises(Refusal) as refusal:
        line.take(3, Message("/token", "s", ("x",)), 0)
    assert refusal.value.kind == "out"
