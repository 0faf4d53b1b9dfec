"""What a stream carries beside its sound: MIDI's rings and names, and what a gap leaves. Thread:
control.
"""
import re
import threading
from dataclasses import dataclass

import numpy as np

from engine.port_names import VIRTUAL
from engine.records import MESSAGE
from engine.ring import Ring

NOTE_OFF, NOTE_ON, PRESSURE, CONTROL, SYSTEM = 0x80, 0x90, 0xA0, 0xB0, 0xF0
SUSTAIN, SOUND_OFF, NOTES_OFF = 64, 120, 123
CHANNELS, KEYS = 16, 128
_PUT = threading.Lock()                             # the urgent rings' writers: one at a time


@dataclass(frozen=True)
class Wires:
    """What a stream carries beside its sound.

    midi_outs   (port's name, Ring(MESSAGE), pattern of the port to play to, or None) each; the
                pattern "virtual:NAME" connects nothing, and names the port
    midi_in     the Ring(MESSAGE) for what comes in, or None
    midi_ins    (port's name, pattern of the port to hear, or None) each; a message's `port` is
                the place here
    part_names  the names of the rig's channels 5 and 6, 7 and 8, ...: parts, then sends
    held        (ports, 16 * 128) uint8, 1 where a note sounds on that port, or None
    """
    midi_outs: tuple = ()
    midi_in: Ring | None = None
    midi_ins: tuple = ()
    part_names: tuple = ()
    held: np.ndarray | None = None

    def __post_init__(self):
        for ring in (*(ring for _, ring, _ in self.midi_outs), *filter(None, [self.midi_in])):
            if ring.dtype != MESSAGE or ring.slots & (ring.slots - 1):
                raise ValueError("a MIDI ring holds MESSAGE rows, a power of two of them")
        if self.held is not None and len(self.held) < len(self.midi_outs):
            raise ValueError("held has a row for each of midi_outs")
        if self.midi_ins and self.midi_in is None:
            raise ValueError("midi_ins needs the ring midi_in")

    @property
    def midi(self):
        return bool(self.midi_outs or self.midi_ins)


def sound_names(channels, part_names=()):
    """The ports' names of a rig's channels: the master, the cue, then a pair per part and send."""
    pairs = ["out", "cue", *part_names]
    pairs += [f"more_{number}" for number in range(1, channels)]
    found = []
    for name in map(clean, pairs):
        while name in found:
            name += "+"                             # a part may be called as the cue is
        found.append(name)
    return [f"{name}_{side}" for name in found for side in (1, 2)][:channels]


def clean(name):
    """A name as JACK takes it: the colon is between a client and its port."""
    return re.sub(r"[^\w .+-]", "-", str(name))[:48] or "port"


def wants(fits):
    """True of a pattern of ports to be connected."""
    return bool(fits) and not fits.startswith(VIRTUAL)


def port_name(name, fits):
    """A MIDI port's name: its own, or the one its pattern asks for."""
    return clean(fits[len(VIRTUAL):] if fits and fits.startswith(VIRTUAL) else name)


class Backlog:
    """What the rings go on to hold while there is no server: notes pass, controllers are kept."""

    def __init__(self, wires):
        self.wires, self.kept = wires, [{} for _ in wires.midi_outs]

    def pass_by(self, sample):
        """Takes out what would have been heard by now. No callback may be running."""
        for (_, ring, _), kept in zip(self.wires.midi_outs, self.kept, strict=True):
            while (row := ring.front()) is not None and int(row["sample"]) <= sample:
                data = bytes(row["data"][:min(max(int(row["size"]), 0), 16)])
                if data and (key := key_of(data)) is not None:
                    kept.pop(key, None)
                    kept[key] = data
                ring.pop()

    def hand_over(self, output):
        """Ends what was sounding when the server went, and says again what has been set since."""
        for greeting, kept in zip(output.greetings, self.kept, strict=True):
            greeting += [data for channel in range(CHANNELS) for data in silence(channel)]
            greeting += kept.values()


def key_of(data):
    """What a message sets, so that a later one takes its place; None when it passes."""
    status = data[0]
    if status >= SYSTEM or status & 0xF0 in (NOTE_OFF, NOTE_ON, PRESSURE) or status < NOTE_OFF:
        return None
    return data[:2] if status & 0xF0 == CONTROL else data[:1]


def ring_words(ring):
    return ring.words.ctypes.data, ring.rows.ctypes.data, ring.slots


def put(ring, data):
    """A message for now; one too many is dropped."""
    with _PUT:
        row = ring.slot()
        if row is not None:
            row["sample"], row["time_ns"], row["port"], row["size"] = 0, 0, 0, len(data)
            row["data"][:len(data)] = list(data)
            ring.publish()


def silence(channel):
    """Pedal up, all sound off, all notes off."""
    return [bytes((CONTROL | channel, number, 0)) for number in (SUSTAIN, SOUND_OFF, NOTES_OFF)]
