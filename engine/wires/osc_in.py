"""What an OSC message asks of the stage: typed, kept in order, never lost where it must not be.
Thread: control (wires process).

Triggers wait in a line and go first; of a continuous value only the latest waits. Both are bounded,
so whatever is sent, this holds the same memory.
"""
from collections import deque

from engine.records import COMMAND_TEXT, TRIGGER, VALUE
from engine.wires.addresses import Addresses
from engine.wires.datagram import Refusal

MOST_TRIGGERS, MOST_VALUES = 10_000, 4096
VALUES_IN_RING = 256                      # so that a trigger never stands behind a thousand values
NUMBERS = frozenset("fdihTFI")
PANIC = "/panic"
ALONE = frozenset(("/release",))           # with a text, or alone: all


def arguments(entry, tags, sent):
    """(numbers, text) as the entry wants them, or None for a button that is only let go.

    raises  Refusal: type, choice, range, text
    """
    if not entry.tags or entry.address in ALONE and not tags:
        return _button(tags, sent)
    if entry.choices and entry.tags == "s" and tags and tags in NUMBERS:
        if not 0 <= sent[0] < len(entry.choices):
            raise Refusal("choice")
        return (), entry.choices[int(sent[0])]
    if len(tags) != len(entry.tags):
        raise Refusal("type")
    numbers, text = [], ""
    for wanted, tag, value in zip(entry.tags, tags, sent, strict=True):
        if wanted == "s" and tag == "s":
            text = value
        elif wanted == "s" or tag not in NUMBERS:
            raise Refusal("type")
        else:
            numbers.append(float(value) if wanted == "f" else float(round(value)))
    if entry.choices and text not in entry.choices:
        raise Refusal("choice")
    if len(text) > COMMAND_TEXT // 4 and len(text.encode()) > COMMAND_TEXT:
        raise Refusal("text")
    if entry.kind == "value":
        numbers = _within(entry, numbers)
    return numbers, text


def _button(tags, sent):
    """A trigger without arguments also takes a button's 1; its 0 is the finger leaving."""
    if len(tags) > 1 or tags and tags not in NUMBERS:
        raise Refusal("type")
    return None if sent and not sent[0] else ((), "")


def _within(entry, numbers):
    """A fader sends what it sends: clipped. A number of something is right or refused."""
    if entry.tags == "f":
        return [min(max(numbers[0], entry.low), entry.high)]
    if any(not entry.low <= number <= entry.high for number in numbers):
        raise Refusal("range")
    return numbers


class Asked:
    """What waits for the stage.

    entries, addresses   the registry that `look` read last
    """

    def __init__(self, stage):
        self.stage, self.version, self.entries = stage, -1, []
        self.addresses = Addresses(())
        self._line, self._latest, self._panics = deque(), {}, False

    def look(self):
        """Follows the registry; True when it is another."""
        if self.version == self.stage.version:
            return False
        self.version, self.entries = self.stage.version, self.stage.entries
        self.addresses = Addresses([entry.address for entry in self.entries])
        return True

    @property
    def waiting(self):
        return bool(self._line or self._latest)

    @property
    def full(self):
        """No more triggers can wait."""
        return len(self._line) >= MOST_TRIGGERS

    def take(self, place, message, time_ns):
        """One message for one entry; returns the number a continuous entry was given, or None.

        raises  Refusal
        """
        entry = self.entries[place]
        if entry.kind == "out":
            raise Refusal("out")
        given = arguments(entry, message.tags, message.values)
        if given is None:
            return None
        numbers, text = given
        if entry.address == PANIC:
            self.panic()
        elif entry.kind == "value" and not time_ns:
            self._overtake(entry, numbers, text)
        else:
            self._append(entry.address, numbers, text,
                         VALUE if entry.kind == "value" else TRIGGER, time_ns)
        return numbers[0] if entry.kind == "value" and len(numbers) == 1 else None

    def panic(self):
        """Silence at once, past the conductor; and a command, so that the conductor knows."""
        self.stage.board.panic()
        if not self._panics:
            self._panics = True
            self._line.appendleft((PANIC, (), "", TRIGGER, 0))

    def _overtake(self, entry, numbers, text):
        key = (entry.address, text) if numbers else (entry.address, "")
        if key not in self._latest and len(self._latest) >= MOST_VALUES:
            raise Refusal("full")
        self._latest[key] = numbers, text

    def _append(self, *command):
        if self.full:
            raise Refusal("full")
        self._line.append(command)

    def flush(self):
        """Hands over what there is room for: triggers first."""
        stage, line, latest = self.stage, self._line, self._latest
        while line:
            if not stage.send(*line[0]):
                return
            if line.popleft()[0] == PANIC:
                self._panics = False
        room = VALUES_IN_RING - len(stage.commands) if latest else 0
        while latest and room > 0:
            key = next(iter(latest))
            numbers, text = latest[key]
            if not stage.send(key[0], numbers, text, VALUE):
                return
            del latest[key]
            room -= 1
