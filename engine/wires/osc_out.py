"""What the stage says, as OSC: events at once, what flows at 30 Hz. Thread: control (wires
process).

A target knows a value of each entry: what it was told last, or what it sent itself. Thirty times a
second it is told where the stage's value is another. So a change reaches every surface but the one
that made it, and that one too when the stage made something else of it.
"""
import numpy as np

from engine.wires.addresses import Addresses
from engine.wires.datagram import IMMEDIATELY, Refusal, body, bundle, head, message, tag_of
from engine.wires.osc_targets import Targets

PERIOD_S = 1 / 30
QUIET_S = 0.3                             # a hand on a fader is not answered
SLACK_NS = 100_000                        # between wall time and what is taken for it
BUNDLE_BYTES, ECHOES = 1400, 256          # within one Ethernet frame; a target a period
LARGEST, LARGEST_WHOLE = float(np.finfo(np.float32).max), 2 ** 31 - 1


def flows(entry):
    """True for what may be overtaken by a later one: a value, a feature; not a note or a beat."""
    return entry.kind == "value" or entry.kind == "out" and bool(entry.tags) and (
        not entry.tags.strip("f"))


def laid(entry, values, text):
    """The arguments in the entry's order, as OSC can carry them; None when they are no numbers."""
    numbers, found = iter(values), []
    for tag in entry.tags:
        value = text if tag == "s" else next(numbers, 0.0)
        if tag != "s" and not abs(value) <= LARGEST:
            return None
        found.append(max(-LARGEST_WHOLE, min(LARGEST_WHOLE, round(value))) if tag == "i" else value)
    return found


class Out:
    """Everything that is sent.

    sock    the socket that also receives: answers come from the port that was asked
    to      [[host, port]], for as long as the stage plays
    gate    the Osc that receives: what it can `afford`, what it `lost`
    """

    def __init__(self, stage, sock, to, gate):
        self.stage, self.gate = stage, gate
        self.targets = Targets(stage, sock, to)
        self.entries, self.addresses, self._heads = [], Addresses(()), []
        self._flowing, self._sent_s, self._events = {}, {}, []
        self._echoed_s, self._is_value, self._offset_ns = 0.0, np.zeros(0, bool), 0
        stage.listeners.append(self._hear)

    def follow(self, entries, addresses):
        """Another registry."""
        self.entries, self.addresses = entries, addresses
        self._heads = [head(entry.address, entry.tags) for entry in entries]
        self._is_value = np.array([e.shows for e in entries], bool)
        self._flowing, self._sent_s, self._events = {}, {}, []
        self.targets.follow(addresses, len(entries))

    def tick(self, now_s):
        """Sends what is due; every 2 ms."""
        offset_ns = self.stage.wall_offset_ns()
        if abs(offset_ns - self._offset_ns) > SLACK_NS:      # one sample keeps one timetag
            self._offset_ns = offset_ns
        self.stage.hear()
        self.targets.forget(now_s)
        self._give(self._events)
        self._events = []
        due = [place for place in self._flowing
               if now_s - self._sent_s.get(place, -1.0) >= PERIOD_S]
        self._give([self._flowing.pop(place) for place in due])
        self._sent_s.update(dict.fromkeys(due, now_s))
        if now_s - self._echoed_s >= PERIOD_S:
            self._echoed_s = now_s
            for target in self.targets.all:
                self._echo(target, now_s)

    def _hear(self, place, values, text, sample):
        """One thing that the stage said."""
        self.gate.follow()
        if not self.targets.all or place >= len(self.entries):
            return
        entry = self.entries[place]
        arguments = laid(entry, values, text)
        if arguments is None:
            return
        item = place, self._heads[place] + body(entry.tags, arguments), self._tag(sample)
        if flows(entry):
            self._flowing[place] = item
        else:
            self._events.append(item)

    def _tag(self, sample):
        """The timetag of when a sample is heard."""
        ns = self.stage.board.ns_of(sample) if sample > 0 else None
        return IMMEDIATELY if ns is None else tag_of(ns + self._offset_ns)

    def _give(self, items):
        """[(place, message, timetag)] to each target that wants them: a bundle a time."""
        if not items:
            return
        items.sort(key=lambda item: item[2])
        for target in self.targets.all:
            wanted = [item for item in items if target.wants[item[0]]]
            for time, messages in bundles(wanted):
                self.targets.send(target, bundle(messages, time))

    def _echo(self, target, now_s):
        """The values that a target does not know yet."""
        values = self.stage.values[:len(self.entries)].astype(np.float32)
        if len(values) != len(target.wants):
            return                                         # a registry that is just changing
        places = np.flatnonzero(target.wants & self._is_value & np.isfinite(values)
                                & (values != target.knows) & (target.quiet_s <= now_s))[:ECHOES]
        if not len(places):
            return
        target.knows[places] = values[places]
        items = [(k, self._heads[k] + body(self.entries[k].tags, self._present(k)), IMMEDIATELY)
                 for k in places.tolist()]
        for time, messages in bundles(items):
            self.targets.send(target, bundle(messages, time))

    def _present(self, place):
        """The present value of an entry, as its arguments."""
        entry, value = self.entries[place], float(self.stage.values[place])
        if entry.tags == "s":
            known = 0 <= value < len(entry.choices)
            return [entry.choices[int(value)] if known else ""]
        return laid(entry, [value], "") or [0.0]

    def moved(self, sender, place, number, now_s):
        """A sender set a value: it knows it."""
        if number is None or not self.targets.all:
            return
        for target in self.targets.of(sender):
            target.knows[place] = number
            target.quiet_s[place] = now_s + QUIET_S

    # ---- questions
    def request(self, asked, sender, now_s):
        """True when the message was a question to this service itself, answered."""
        answer = self._answers.get(asked.address)
        if answer is None:
            return False
        tags, values = answer(self, asked, sender, now_s)
        if tags is not None:
            name = asked.values[0] if asked.address == "/get" else self._names[asked.address]
            self.targets.answer(sender, message(name, tags, values))
        return True

    def _subscribe(self, asked, sender, now_s):
        pattern, seconds, count = self.targets.subscribe(asked, sender, now_s, self.gate.afford)
        return "sfi", (pattern, seconds, count)

    def _unsubscribe(self, asked, sender, now_s):
        self.targets.unsubscribe(asked, sender)
        return None, ()

    def _get(self, asked, sender, now_s):
        place = self.addresses.exact.get(asked.values[0]) if asked.tags == "s" else None
        if place is None or not self._is_value[place]:
            raise Refusal("unknown" if asked.tags == "s" else "type")
        return self.entries[place].tags, self._present(place)

    def _refused(self, asked, sender, now_s):
        """Kind and count, and what never arrived."""
        counts = {**self.stage.refused, "lost": self.gate.lost()}
        pairs = sorted(counts.items())[:32]
        return "si" * len(pairs), [part for pair in pairs for part in pair]

    def _ping(self, asked, sender, now_s):
        return asked.tags if asked.tags in ("", "i", "s") else "", (
            asked.values if asked.tags in ("i", "s") else ())

    _answers = {"/subscribe": _subscribe, "/subscribe/to": _subscribe, "/get": _get,
                "/unsubscribe": _unsubscribe, "/refused": _refused, "/ping": _ping}
    _names = {"/subscribe": "/subscribed", "/subscribe/to": "/subscribed", "/refused": "/refused",
              "/ping": "/pong", "/unsubscribe": ""}


def bundles(items):
    """(time, messages) of items in order: one time together, no larger than a frame."""
    time, messages, size = None, [], 16
    for _, words, tag in items:
        if messages and (tag != time or size + len(words) + 4 > BUNDLE_BYTES):
            yield time, messages
            messages, size = [], 16
        time, size = tag, size + len(words) + 4
        messages.append(words)
    if messages:
        yield time, messages
