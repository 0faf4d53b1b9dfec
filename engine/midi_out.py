"""MIDI out as the stage holds it: ports, which part plays where, and what the rig is told. Thread:
control.

The rig's memory is laid out here; `engine.rig_midi` writes messages with their samples into a ring
a port. A set's parts get their channels from `engine.midi_parts`, live as in a file.
"""
from dataclasses import dataclass

import numpy as np

from engine import midi_parts
from engine import rig_midi_words as M
from engine import rig_words as R
from engine.records import EVENT, MESSAGE, MIDI
from engine.ring import Ring

SLOTS = 1024                              # messages of a port that nobody has taken yet
KEYS = 16 * 128
CLOCK_START, CLOCK_CONTINUE, CLOCK_STOP, SONG_POSITION = 0xFA, 0xFB, 0xFC, 0xF2


@dataclass
class Port:
    """One way out.

    name       what the performer sees
    clock      the tempo leaves as 24 ticks a quarter, with start, stop and song position
    frames_s   frames a second of MIDI time code, 24, 25 or 30; 0 for none
    offset_ms  how much later than the sound, or earlier
    ring       who takes the messages; made when it is left out
    """
    name: str
    clock: bool = False
    frames_s: int = 0
    offset_ms: float = 0.0
    ring: Ring | None = None

    def __post_init__(self):
        if self.ring is None:
            self.ring = Ring(None, MESSAGE, slots=SLOTS)


class MidiOut:
    """The rig's MIDI.

    held   (ports, 2048) uint8: what sounds, as the guard reads it; made when it is left out
    """

    def __init__(self, rig, clock, ports, held=None):
        self.rig, self.ports = rig, ports
        self.held = np.zeros((len(ports), KEYS), np.uint8) if held is None else held
        self.words = np.zeros(M.MIDI_WORDS, np.int64)
        self.rows = np.zeros((len(ports), M.PORT_WORDS), np.int64)
        self.routes = np.zeros((2, M.PARTS_MOST, M.ROUTE_WORDS), np.int64)
        self.routes[:, :, M.R_PORT] = -1
        self._keep = []
        waiting = self._array(M.WAITING_MOST, EVENT)
        sounding = self._array((M.SOUNDING_MOST, M.SOUNDING_WORDS), np.int64)
        gather = self._array((len(ports), M.GATHER_MOST, M.MESSAGE_INTS), np.int64)
        for row, port, held_row in zip(self.rows, ports, self.held, strict=True):
            row[[M.P_RING, M.P_ROWS, M.P_SLOTS, M.P_HELD]] = (
                port.ring.words.ctypes.data, port.ring.rows.ctypes.data, port.ring.slots,
                held_row.ctypes.data)
            row[[M.P_CLOCK, M.P_FRAMES_S, M.P_ORIGIN]] = port.clock, port.frames_s, M.NOWHERE
            row[M.P_OFFSET] = self._samples(port.offset_ms)
        self.words[[M.M_PORTS, M.M_PORT_ROWS, M.M_ROUTES, M.M_WAITING_ROWS, M.M_SOUNDING_ROWS,
                    M.M_GATHER, M.M_RATE_HZ]] = (
            len(ports), self.rows.ctypes.data, self.routes.ctypes.data, waiting.ctypes.data,
            sounding.ctypes.data, gather.ctypes.data, rig.rate_hz)
        self.follow(clock)
        rig.header[R.MIDI_OUT] = self.words.ctypes.data
        rig.midi = self                   # its memory lives as long as the rig's

    def _array(self, shape, dtype):
        array = np.zeros(shape, dtype)
        self._keep.append(array)
        return array

    def _samples(self, ms):
        return round(ms * self.rig.rate_hz / 1000.0)

    def follow(self, clock):
        """The tempo map that the clock and the time code are counted on; before the first step."""
        self._keep.append(clock)
        self.words[[M.M_MAP, M.M_HALVES]] = clock.words.ctypes.data, clock.halves.ctypes.data
        self.rows[:, M.P_TICK] = 0

    def offset(self, port, ms):
        """Moves a port against the sound."""
        self.ports[port].offset_ms = ms
        self.rows[port, M.P_OFFSET] = self._samples(ms)

    def route(self, deck, made, table):
        """Where the parts of a deck's table play, and which parameters are controllers; tells the
        channels their programs.

        returns  names of parts that need a port that was not opened
        raises   SetError when its parts do not fit on the channels
        """
        found = midi_parts.midi_of(made.parts, made.tuning, tuple(made.sends))
        rows = np.zeros((M.PARTS_MOST, M.ROUTE_WORDS), np.int64)
        rows[:, M.R_PORT], controls, used = -1, [], [0] * len(self.ports)
        left = [name for name, midi in found.items() if midi.port >= len(self.ports)]
        for number, (name, midi) in enumerate(list(found.items())[:M.PARTS_MOST]):
            if name in left:
                continue
            rows[number] = (midi.port, midi.channel - 1, -1 if midi.key is None else midi.key,
                            midi.mpe, table.registry.index[f"{name}.mute"])
            used[midi.port] |= 0xFFFF if midi.mpe else 1 << (midi.channel - 1)
            for controller, parameter in midi.cc.items():
                index = table.registry.index[f"{name}.{parameter}"]
                controls.append((deck, index, midi.port, midi.channel - 1, controller,
                                 table.registry.params[index].curve == "exp", -1))
            for message in midi_parts.opening(midi):
                self.send(0, midi.port, message)
        self.routes[deck] = rows
        self.rows[:, M.P_CHANNELS] |= used
        self._control(controls)
        return left

    def _control(self, controls):
        """Lays out the controllers anew, those of the deck that takes over alone; the rig turns to
        them by their count."""
        rows = self._array((max(1, len(controls)), M.CONTROL_WORDS), np.int64)
        for row, control in zip(rows, controls, strict=False):
            row[:] = control
        self.words[M.M_CONTROLS] = 0
        self.words[M.M_CONTROL_ROWS] = rows.ctypes.data
        self.words[M.M_CONTROLS] = len(controls)

    def send(self, sample, port, message):
        """A message of up to seven bytes, at its sample (0: now); False when the rig is full."""
        packed = sum(byte << (8 * k) for k, byte in enumerate(message))
        return self.rig.push(sample, MIDI, 0, port, length=packed | len(message) << 56)

    def transport(self, sample, status, position_16ths=None, seconds=0.0):
        """Start, continue or stop, with a song position before it, on every port with a clock; time
        code goes on from `seconds` of the song, or stands."""
        self._time_code(None if status == CLOCK_STOP else sample, seconds)
        for number, port in enumerate(self.ports):
            if not port.clock:
                continue
            if position_16ths is not None:
                place = int(position_16ths) & 0x3FFF
                self.send(sample, number, (SONG_POSITION, place & 127, place >> 7))
            self.send(sample, number, (status,))

    def _time_code(self, sample, seconds):
        """From a sample on MIDI time code counts from so many seconds; None: it stands. It begins
        with the first of the eight quarter frames that carry a time."""
        self.rows[:, M.P_ORIGIN] = M.NOWHERE
        if sample is None:
            return
        eights = np.ceil(seconds * self.rows[:, M.P_FRAMES_S] / 2 - 1e-9)
        self.rows[:, M.P_QUARTER] = 8 * eights
        self.rows[:, M.P_ORIGIN] = sample - round(seconds * self.rig.rate_hz)

    @property
    def sounding(self):
        """Notes that were let out and are not yet over."""
        return int(self.words[M.M_SOUNDING])

    def counters(self):
        """messages, and what was not as it should be: dropped notes, lost and late messages."""
        return {"midi_messages": int(self.words[M.M_EMITTED]),
                "midi_dropped": int(self.words[M.M_DROPPED] + self.words[M.M_FULL]),
                "midi_lost": int(self.rows[:, M.P_LOST].sum()),
                "midi_late": int(self.rows[:, M.P_LATE].sum())}
