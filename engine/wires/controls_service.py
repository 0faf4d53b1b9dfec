"""The controllers in the wires process, and their file, which may be saved while playing. Thread:
control (MIDI comes on a thread of its own, see `engine.wires.midi_in`).
"""
import asyncio

from engine.errors import SetError
from engine.wires.bound import check
from engine.wires.control_file import ControlFile
from engine.wires.controls import LEARN, Controls

TELL_S, SAVED_S = 1 / 30, 0.5


class Lights:
    """The way back to one MIDI input: the output that the same pattern means, if there is one.

    Keeps the inputs of `engine.wires.midi_in` company, which look after it.
    """

    def __init__(self, ports, port):
        from engine.wires.binding import Binding
        from engine.wires.ports import OUT
        self.port, self.name = port, port.name
        self.binding = Binding(ports, OUT, port.binding.pattern, f"{port.name} lights", wait=True)

    def look(self):
        """Follows the port's coming and going, of which its input tells the performer."""
        self.binding.look()


def name_of(port):
    """How rows of a control file know an input: what it is connected to, else what was asked."""
    return port.binding.bound or port.name


def serve_controls(stage):
    """The coroutine of `settings["controls"]`, the path of a control file; after `serve_midi`.

    raises  SetError for a file that is not readable
    """
    file = ControlFile(stage.settings["controls"])
    return _serve(stage, file, file.read())


async def _serve(stage, file, rows):
    while not stage.version:              # no set yet
        await asyncio.sleep(TELL_S)
    ins = stage.midi.ins
    heard, lights = list(ins.ports), [Lights(stage.midi.ports, port) for port in ins.ports]

    def back(name, data):
        for light in lights:
            if name in (name_of(light.port), light.name):
                light.binding.send(data)
    controls = Controls(stage.entries, rows, stage.send, back, stage.say, file.change)

    def hear(number, time_ns, data):
        controls.hear(name_of(heard[number]), time_ns, data)
    for address in (LEARN, f"{LEARN}/cancel", f"{LEARN}/forget"):
        stage.local[address] = lambda values, text, address=address: controls.act(address, text)
    ins.company.extend(lights)
    ins.listeners.append(hear)
    await asyncio.gather(_tell(stage, controls), _watch(stage, controls, file))


async def _tell(stage, controls):
    version = stage.version
    while True:
        if stage.version != version:
            version = stage.version
            controls.set_entries(stage.entries, stage.values)
        controls.values_changed(stage.values)
        await asyncio.sleep(TELL_S)


async def _watch(stage, controls, file):
    while True:
        await asyncio.sleep(SAVED_S)
        reload(controls, file, stage.say)


def reload(controls, file, say):
    """A control file that was saved takes over; a wrong one is told, and the old rows stay. To be
    called now and then."""
    if not file.changed():
        return
    try:
        rows = file.read(check(controls.entries))
    except SetError as fault:
        say(f"{fault}; the controls stay as they were")
        return
    controls.set_rows(rows)
    say(f"{file.path.name}: {len(rows)} control{'s' * (len(rows) != 1)}")
