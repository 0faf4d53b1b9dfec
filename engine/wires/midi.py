"""MIDI through rtmidi: what the settings' "midi_out" and "midi_in" ask for. Thread: control."""
import asyncio
import threading

from engine.records import MESSAGE
from engine.ring import Ring
from engine.wires.board import MIDI_LATE, MIDI_SENT, MIDI_UNHEARD, MIDI_UNSENT
from engine.wires.midi_in import MidiIn
from engine.wires.midi_out import MidiOut
from engine.wires.ports import Ports

LOOK_S = 0.1


class Midi:
    """Ways out and in, and who watches that they stay.

    outs, ins  `MidiOut` and `MidiIn`; other services reach them as `stage.midi.outs` …
    raises     EngineError for a pattern that nothing fits
    """

    def __init__(self, stage):
        self.stage, self.ports, self._lock = stage, Ports(), threading.Lock()
        self.outs, self.ins = MidiOut(stage, self.ports), MidiIn(stage, self.ports)

    def start(self):
        _load()
        self.outs.start()
        self.ins.start()
        return self

    def look(self):
        """Ports and systems that came or went since."""
        with self._lock:
            self.ports.look()
            self.outs.look()
            self.ins.look()
        out, words = self.outs.counters(), self.stage.board.words
        words[[MIDI_SENT, MIDI_LATE, MIDI_UNSENT, MIDI_UNHEARD]] = (
            out["sent"], out["late"], out["stale"] + out["dropped"] + out["refused"],
            self.ins.lost)

    def close(self):
        """Ends what sounds; closes everything."""
        with self._lock:
            self.ports.doubt()
            self.outs.close()
            self.ins.close()
            self.ports.close()


def _load():
    """A ring's compiled code, by using one: it takes up to a second, and holds the threads up."""
    ring = Ring(None, MESSAGE, slots=2)
    ring.slot()
    ring.publish()
    ring.front()
    ring.pop()


def serve_midi(stage):
    """Opens the ports, and gives the coroutine that serves them.

    raises  EngineError for a pattern that nothing fits
    """
    stage.midi = Midi(stage).start()
    return _serve(stage.midi)


async def _serve(midi):
    try:
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(midi.look)
    finally:
        midi.close()
