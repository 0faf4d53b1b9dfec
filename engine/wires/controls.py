"""Controllers in: what knobs, pads, pedals and keyboards send becomes commands, and what moves
elsewhere goes back to their lights and motors. Thread: control (any of its process).
"""
import math
import threading
import time
from collections import deque

from engine.errors import SetError
from engine.records import TRIGGER, VALUE
from engine.wires.bound import bind, places
from engine.wires.hearing import Hearing
from engine.wires.keyboard import NOTES_OFF, SOUND_OFF, SUSTAIN, Keyboard
from engine.wires.recognise import Recogniser, learned, row_for, wants_keys
from engine.wires.turning import Control, message_of

SCENE, LEARN = "/scene", "/learn"
MOST_WAITING, MOST_HEARS, LEARN_NS = 1024, 4096, 30_000_000_000


class Controls:
    """The controllers of a set.

    entries, rows   the registry, and the rows of the control file
    send_command(address, values, text, kind, time_ns)   False while there is no room
    send_feedback(port, data)   bytes back to the controller that was heard on a port (before it was
                    heard, a row's own words for it); False: it is not there
    say(text)       a line for the performer
    change(function)   makes the control file's rows others; returns them (see ControlFile.change)
    counts          what came in and what was not understood
    """

    def __init__(self, entries, rows, send_command, send_feedback=None, say=None, change=None):
        self._command, self._back = send_command, send_feedback
        self._say, self._change = say or (lambda text: None), change
        self._lock, self._waiting = threading.RLock(), deque()
        self._hears, self._learner, self._target, self._until_ns = {}, None, "", 0
        self.entries, self.values, self.rows = list(entries), (), []
        self.counts = {"heard": 0, "malformed": 0, "unbound": 0, "no_such_scene": 0, "lost": 0}
        self.set_rows(rows)

    # ---- what is bound
    def set_rows(self, rows):
        """Other rows: those that stay keep what they know; a row that the set has no place for
        waits for one that has."""
        with self._lock:
            self.rows = list(rows)
            self._bind()

    def set_entries(self, entries, values=()):
        """Another registry: the rows are bound anew."""
        with self._lock:
            self.entries, self.values = list(entries), values
            self._bind()

    def _bind(self):
        known, faults = places(self.entries), []
        old = {} if not hasattr(self, "controls") else {
            c.bound: c for c in (*self.controls, *self.keyboards)}
        self.controls, self.keyboards, self._table = [], [], {}
        for row in self.rows:
            try:
                bound = bind(row, known)
            except SetError as fault:
                faults.append(f"{row.message}: {fault}")
                continue
            if bound.does in ("keys", "pad"):
                self.keyboards.append(old.pop(bound, None) or Keyboard(bound))
                continue
            control = old.pop(bound, None) or Control(bound)
            self.controls.append(control)
            self._table.setdefault(_key(row.message), []).append(control)
        for gone in old.values():
            if isinstance(gone, Keyboard):
                self._tell(gone.all_off(), 0)
        self._hearing = Hearing({(r.message.number, r.message.other) for r in self.rows
                                 if r.message.kind == "cc" and r.message.other >= 0})
        self._programs = any(r.message.kind == "program" for r in self.rows)
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            self._say(f"controls: {faults[0]}{more}")

    # ---- in
    def hear(self, port, time_ns, data):
        """One MIDI message from a port (its name), at a monotonic time; 0: now."""
        time_ns = time_ns or time.monotonic_ns()
        with self._lock:
            self.counts["heard"] += 1
            try:
                moves = self._hearing.moves(port, bytes(data))
            except (TypeError, ValueError):
                moves = None
            if moves is None:
                self.counts["malformed"] += 1
                return
            if self._learner and moves and self._learn_from(port, moves, time_ns):
                return
            for move in moves:
                if not self._do(port, move, time_ns) and move.key[0] != "fine":
                    self.counts["unbound"] += 1
            self._flush()

    def _do(self, port, move, time_ns):
        """Whether anything listens to a move; does it."""
        found = [c for c in self._table.get(move.key, ()) if self._heard(c.bound, port, move)]
        kind, number = move.key[0], move.key[1]
        if kind == "program":
            found += [c for c in self._table.get(("program", -1), ())
                      if self._heard(c.bound, port, move)]
            if not self._programs:
                return self._scene(number, time_ns)
        for control in found:
            control.port, control.channel = port, move.channel
            self._moved(control, move, time_ns)
        if found:
            return True
        if kind == "note":
            return self._played(port, move, time_ns)
        return kind == "cc" and self._pedal(port, move, time_ns)

    def _heard(self, bound, port, move):
        """Whether a row hears this port and channel; looked up, since knobs send hundreds."""
        key = bound.row.port, bound.row.channel, port, move.channel
        if key not in self._hears:
            if len(self._hears) > MOST_HEARS:
                self._hears.clear()
            self._hears[key] = bound.row.hears(port, move.channel)
        return self._hears[key]

    def _moved(self, control, move, time_ns):
        bound = control.bound
        if bound.does == "value":
            value = control.moved(move.raw, move.top, time_ns, self._present(bound.place))
            if value is not None:
                self._send(bound.entry.address, (value,), "", bound.kind, time_ns)
        elif bound.does == "choose":
            self._scene(move.key[1], time_ns, bound.entry)
        elif control.fired(move.raw, move.top, time_ns):
            self._send(bound.entry.address, bound.values, bound.text, bound.kind, time_ns)

    def _present(self, place):
        return float(self.values[place]) if place < len(self.values) else math.nan

    def _scene(self, number, time_ns, entry=None):
        entry = entry or next((e for e in self.entries if e.address == SCENE), None)
        if entry is None or number >= len(entry.choices):
            self.counts["no_such_scene"] += 1
            return entry is not None
        self._send(entry.address, (), entry.choices[number], TRIGGER, time_ns)
        return True

    def _played(self, port, move, time_ns):
        found = [k for k in self.keyboards if k.hears(move.key[1])
                 and self._heard(k.bound, port, move)]
        own = [k for k in found if k.bound.does == "pad"]
        for keyboard in own or found:
            self._tell(keyboard.note(port, move.channel, move.key[1], move.raw), time_ns)
        return bool(found)

    def _pedal(self, port, move, time_ns):
        found = [k for k in self.keyboards if self._heard(k.bound, port, move)]
        for keyboard in found:
            if move.key[1] == SUSTAIN and keyboard.bound.does == "keys":
                self._tell(keyboard.pedal(port, move.channel, move.raw >= 64), time_ns)
            elif move.key[1] in (SOUND_OFF, NOTES_OFF):
                self._tell(keyboard.all_off(), time_ns)
        return bool(found) and move.key[1] in (SUSTAIN, SOUND_OFF, NOTES_OFF)

    # ---- commands
    def _tell(self, commands, time_ns):
        for address, values in commands:
            self._send(address, values, "", TRIGGER, time_ns)

    def _send(self, address, values, text, kind, time_ns):
        """A command, behind those that wait; a later value takes the place of an earlier one."""
        if kind == VALUE:
            time_ns = 0
            self._waiting = deque(w for w in self._waiting if (w[0], w[3]) != (address, VALUE)
                                  ) if self._waiting else self._waiting
        if len(self._waiting) >= MOST_WAITING:
            self.counts["lost"] += 1
            return
        self._waiting.append((address, values, text, kind, time_ns))
        self._flush()

    def _flush(self):
        while self._waiting:              # out of the line first: a command may send another
            waiting = self._waiting.popleft()
            if self._command(*waiting) is False:
                self._waiting.appendleft(waiting)
                return

    # ---- out
    def values_changed(self, values, now_ns=None):
        """The values of all entries as they are; to be called some 30 times a second, also when
        nothing changed: it lets go of what moved elsewhere, and tells lights and motors."""
        now_ns = time.monotonic_ns() if now_ns is None else now_ns
        with self._lock:
            self.values = values
            self._flush()
            for control in self.controls:
                present = self._present(control.bound.place)
                control.settle(present, now_ns)
                if self._back is not None:
                    self._show(control, present, now_ns)
            if self._learner:
                self._learn_from("", (), now_ns)

    def _show(self, control, present, now_ns):
        port = control.port or control.bound.row.port
        shown = control.shows(present, now_ns) if port else None
        for data in message_of(control, *shown) if shown else ():
            if self._back(port, data) is False:
                control.unseen()

    def show_again(self):
        """A controller was plugged in: whatever it shows is told anew."""
        with self._lock:
            for control in self.controls:
                control.unseen()

    # ---- learning while playing
    def act(self, address, text=""):
        """/learn TARGET, /learn/cancel, /learn/forget TARGET; whether it was one of them."""
        if address == LEARN:
            self.learn(text)
        elif address == LEARN + "/cancel":
            self.cancel()
        elif address == LEARN + "/forget":
            self.forget(text)
        else:
            return False
        return True

    def learn(self, target, now_ns=None):
        """The next control that moves is bound to a target."""
        with self._lock:
            address = target.split(" ", 1)[0]
            if address not in places(self.entries):
                self._say(f"learn: nothing is called {address!r}")
                return
            self._learner, self._target = Recogniser(wants_keys(target)), target
            self._until_ns = (now_ns or time.monotonic_ns()) + LEARN_NS
            self._say(f"learn: move what shall move {target}")

    def cancel(self):
        with self._lock:
            if self._learner:
                self._learner = None
                self._say("learn: cancelled")

    def forget(self, target):
        """No control moves a target any more."""
        with self._lock:
            gone = [row for row in self.rows if target in (row.target, row.address)]
            if gone and self._changed(lambda rows: [r for r in rows if target not in (
                    r.target, r.address)]):
                self._say(f"learn: {', '.join(str(r.message) for r in gone)} no longer moves "
                          f"{target}")
            elif not gone:
                self._say(f"learn: no control moves {target}")

    def _learn_from(self, port, moves, time_ns):
        """Whether the moves were for learning: all are while it lasts, but a keyboard plays on."""
        if moves and moves[0].key[0] == "note" and not wants_keys(self._target) and any(
                k.hears(moves[0].key[1]) and self._heard(k.bound, port, moves[0])
                for k in self.keyboards):
            return False
        found = self._learner.hear(port, moves, time_ns) if moves else self._learner.found(time_ns)
        if found:
            self._bind_found(found)
        elif time_ns > self._until_ns:
            self._learner = None
            self._say(f"learn: nothing moved for {self._target}")
        return True

    def _bind_found(self, found):
        target, self._learner = self._target, None
        try:
            row = row_for(found, target, places(self.entries))
        except SetError as fault:
            self._say(f"learn: {found}: {fault}")
            return
        if self._changed(lambda rows: learned(rows, row)):
            self._say(f"learn: {found} now moves {target}")

    def _changed(self, change):
        try:
            self.set_rows((self._change or (lambda f: f(self.rows)))(change))
        except SetError as fault:
            self._say(f"learn: {fault}")
            return False
        return True


def _key(message):
    if message.kind == "cc" and message.other >= 0:
        return "fine", message.number, message.other
    return message.kind, message.number
