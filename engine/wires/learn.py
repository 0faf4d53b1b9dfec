"""`hiddenstage learn`: touch a control, say what it moves, and the row is in the control file.
Thread: control.
"""
import contextlib
import difflib
import queue
import threading
import time

from engine.errors import SetError
from engine.wires.bound import places
from engine.wires.control_file import ControlFile, file_of
from engine.wires.hearing import Hearing
from engine.wires.recognise import Recogniser, learned, row_for, wants_keys

WAIT_S, MOST_NEAR = 0.1, 8


class Heard:
    """MIDI as it comes, from whatever thread, for one that waits."""

    def __init__(self):
        self._queue = queue.Queue(4096)

    def __call__(self, port, time_ns, data):
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait((port, time_ns, data))

    def next(self):
        """(port, time_ns, data), or None after a moment in which nothing came."""
        try:
            return self._queue.get(timeout=WAIT_S)
        except queue.Empty:
            return None

    def clear(self):
        while not self._queue.empty():
            self._queue.get_nowait()


def control(heard, target=""):
    """The Found of the next control that is moved."""
    hearing, recogniser = Hearing(), Recogniser(wants_keys(target))
    heard.clear()
    while True:
        message = heard.next()
        if message is None:
            found = recogniser.found(time.monotonic_ns())
        else:
            port, time_ns, data = message
            moves = hearing.moves(port, bytes(data))
            found = recogniser.hear(port, moves, time_ns) if moves else None
        if found:
            return found


def target_of(words, known):
    """A target that was typed: an address, or enough of one; raises SetError with the near ones."""
    words = " ".join(words.split())
    address, _, told = words.partition(" ")
    if address in known:
        return words
    near = [name for name in known if address.strip("/") and address.lower() in name.lower()]
    if len(near) == 1:
        return f"{near[0]} {told}".strip()
    near = near or difflib.get_close_matches(address, known, MOST_NEAR, 0.4) or [
        name for name in known if any(difflib.get_close_matches(address, name.split("/"), 1))]
    more = f" and {len(near) - MOST_NEAR} more" if len(near) > MOST_NEAR else ""
    raise SetError(f"which? {', '.join(near[:MOST_NEAR])}{more}" if near else
                   f"nothing is called {words!r:.60}")


def learn(entries, file, heard, ask, say, target="", rows=None):
    """Binds one control after another, or only the one of `target`.

    ask(text)   a line from the performer; raises EOFError when there are no more
    returns     the rows that were written; they are in `rows` also when it is interrupted
    raises      SetError when `target` is none, or the file cannot be read or written
    """
    known, rows = places(entries), [] if rows is None else rows
    if target:
        target = target_of(target, known)
    file.read()
    while True:
        say(f"move what shall move {target}" if target else
            "turn a knob both ways, press a pad or a pedal (Ctrl-C ends)")
        found = control(heard, target)
        with contextlib.suppress(EOFError):
            if row := _row(found, target, known, ask, say):
                file.change(lambda rows, row=row: learned(rows, row))
                rows.append(row)
                say(f"{found} moves {row.target}, in {file.path}")
            if row and target:
                return rows
            continue
        return rows


def _row(found, target, known, ask, say):
    """The Row for what was found; None for an empty answer, or for what does not fit."""
    said = target
    while True:
        try:
            if not target:
                said = ask(f"{found} moves? ").strip()
                if not said:
                    return None
            return row_for(found, target_of(said, known), known)
        except SetError as fault:
            say(str(fault))
            if target:
                return None


def completion(known):
    """Completes addresses at the Tab key, where the system can."""
    try:
        import readline
    except ImportError:
        return

    def complete(text, state):
        near = [name for name in known if name.startswith(text)] or [
            name for name in known if text.lower() in name.lower()]
        return near[state] if state < len(near) else None
    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")


def run(name, target, patterns, say, path=None):
    """The command: a set's name, a target or "", patterns of ports (none: all that are there).

    path     of the control file; None: the set's own
    returns  {"file", "learned", "rows"}
    """
    from engine import sets
    from engine.surface import entries
    found = entries(sets.load(name))
    file = ControlFile(path or file_of(name, sets.find(name)))
    known = places(found)
    if target:                            # what is wrong is said before a port is opened
        target_of(target, known)
    file.read()
    completion(known)
    heard, rows = Heard(), []
    with listening(patterns, heard, say), contextlib.suppress(KeyboardInterrupt):
        learn(found, file, heard, input, say, target, rows)
    return {"file": file.path, "learned": len(rows), "rows": len(file.read())}


@contextlib.contextmanager
def listening(patterns, heard, say):
    """Opens MIDI inputs; `heard` is told (port, time_ns, data) of all that comes.

    raises  EngineError when there is none that fits
    """
    from engine.wires.ears import POLL_S, Ears
    ears, leaving = Ears(patterns), threading.Event()

    def ask():
        while not leaving.wait(POLL_S):
            for event in ears.hear():
                heard(*event)
    thread = threading.Thread(target=ask, name="ears", daemon=True)
    thread.start()
    try:
        say(f"listening to {', '.join(ears.names)}")
        yield
    finally:
        leaving.set()
        thread.join()
        ears.close()
