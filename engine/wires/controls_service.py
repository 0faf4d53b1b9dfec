"""The controllers in the wires process, and their file, which may be saved while playing. Thread:
control."""
import asyncio

from engine.errors import SetError
from engine.wires.bound import check
from engine.wires.control_file import ControlFile
from engine.wires.controls import Controls

TELL_S, SAVED_S = 1 / 30, 0.5


async def service(stage, listeners, send_feedback=None):
    """The controllers in the wires process: `settings["controls"]` is the path of the file.

    listeners   of MIDI in: callables (port, time_ns, data)
    raises      SetError when the file is wrong at the start
    """
    while not stage.version:
        await asyncio.sleep(TELL_S)
    file = ControlFile(stage.settings["controls"])
    controls = Controls(stage.entries, file.read(check(stage.entries)), stage.send, send_feedback,
                        stage.say, file.change)
    stage.controls = controls
    listeners.append(controls.hear)
    try:
        await asyncio.gather(_tell(stage, controls), _watch(stage, controls, file))
    finally:
        listeners.remove(controls.hear)


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
        reload(controls, file, stage.say)
        await asyncio.sleep(SAVED_S)


def reload(controls, file, say):
    """A control file that was saved takes over; a wrong one is told, and the old rows stay."""
    if not file.changed():
        return
    try:
        rows = file.read(check(controls.entries))
    except SetError as fault:
        say(f"{fault}; the controls stay as they were")
        return
    controls.set_rows(rows)
    say(f"{file.path.name}: {len(rows)} control{'s' * (len(rows) != 1)}")
