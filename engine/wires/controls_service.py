"""The controllers in the wires process, and their file, which may be saved while playing. Thread:
control (MIDI comes on a thread of its own, see `engine.wires.midi_in`).
"""
import asyncio
import math
import time

from engine.errors import SetError
from engine.wires.bound import check
from engine.wires.control_file import ControlFile
from engine.wires.controls import LEARN, Controls

TELL_S, SAVED_S = 1 / 30, 0.5
AWAKE_S = 1.0                             # a controller just plugged in may not listen yet


class Desk:
    """A set's controllers and their file, for whatever process they come to.

    path      of the control file; one that is not there has no rows yet
    say       say(text): a line for the performer
    raises    SetError for a file that is not readable
    """

    def __init__(self, path, say):
        self.file, self._say, self.controls = ControlFile(path), say, None
        self.rows = self.file.read()
        self._told_s = self._looked_s = 0.0

    def begin(self, entries, values, send, back=None):
        """A set is there; see `Controls` for send and back."""
        self.controls = Controls(entries, self.rows, send, back, self._say, self.file.change)
        self.controls.values = values

    def attend(self, values):
        """To be called often: lights and motors, and the file, each in its time."""
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_S:
            self._told_s = now_s
            self.controls.values_changed(values)
        if now_s - self._looked_s >= SAVED_S:
            self._looked_s = now_s
            self.look()

    def look(self):
        """A file that was saved takes over; a wrong one is told, and the old rows stay."""
        if not self.file.changed():
            return
        try:
            rows = self.file.read(check(self.controls.entries))
        except SetError as fault:
            self._say(f"{fault}; the controls stay as they were")
            return
        self.controls.set_rows(rows)
        self._say(f"{self.file.path.name}: {len(rows)} control{'s' * (len(rows) != 1)}")


class Lights:
    """The way back to one MIDI input: the output that the same pattern means, if there is one.

    Keeps the inputs of `engine.wires.midi_in` company, which look after it.
    """

    def __init__(self, ports, port, again):
        from engine.port_names import OUT
        from engine.wires.binding import Binding
        self.port, self.name, self._again, self._awake_s = port, port.name, again, math.inf
        self.binding = Binding(ports, OUT, port.binding.pattern, f"{port.name} lights", wait=True)

    def is_for(self, name):
        """Whether it belongs to what was heard under a name, or to a row's words for a port."""
        return name == name_of(self.port) or any(
            word and word in name_of(self.port).casefold()
            for word in (part.strip().casefold() for part in name.split("|")))

    def look(self):
        """Follows the port's coming and going, of which its input tells the performer."""
        now_s = time.monotonic()
        if self.binding.look() == "back":
            self._awake_s = now_s + AWAKE_S
            self._again()
        elif now_s > self._awake_s:
            self._awake_s = math.inf
            self._again()


def name_of(port):
    """How rows of a control file know an input: what it is connected to, else what was asked."""
    return port.binding.bound or port.name


def serve_controls(stage):
    """The coroutine of `settings["controls"]`, the path of a control file; after `serve_midi`.

    raises  SetError for a file that is not readable
    """
    return _serve(stage, Desk(stage.settings["controls"], stage.say))


async def _serve(stage, desk):
    while not stage.version:              # no set yet
        await asyncio.sleep(TELL_S)
    ins = stage.midi.ins
    lights = []

    def back(name, data):
        return any([light.binding.send(data) for light in lights if light.is_for(name)])
    desk.begin(stage.entries, stage.values, stage.send, back)
    heard = list(ins.ports)
    lights += [Lights(stage.midi.ports, port, desk.controls.show_again) for port in heard]
    for address in (LEARN, f"{LEARN}/cancel", f"{LEARN}/forget"):
        stage.local[address] = lambda values, text, address=address: desk.controls.act(
            address, text)
    ins.company.extend(lights)
    ins.listeners.append(lambda number, time_ns, data: desk.controls.hear(
        name_of(heard[number]), time_ns, data))
    version = stage.version
    while True:
        if stage.version != version:
            version = stage.version
            desk.controls.set_entries(stage.entries, stage.values)
        desk.attend(stage.values)
        await asyncio.sleep(TELL_S)
