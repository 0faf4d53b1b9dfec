"""Our own JACK client as an output: sound and MIDI ports in one compiled callback. Thread: control.

A client whose server died is left as it is: libjack clears it away when the next one is opened, and
closing it after that would end the process. One whose server hangs is closed when it answers.
"""
import functools
import threading
import time
from dataclasses import replace

import numpy as np

from engine import jack
from engine import stream_jack_callback as layout
from engine.errors import DeviceError
from engine.jack_connections import Connections, Wish
from engine.records import MESSAGE
from engine.ring import Ring
from engine.stream_portaudio import JACK, Device
from engine.stream_wires import (
    CHANNELS,
    KEYS,
    NOTE_OFF,
    clean,
    port_name,
    put,
    ring_words,
    silence,
    sound_names,
    wants,
)

NAME = "jack"
URGENT_SLOTS, FLUSH_S, STEP_S = 4096, 0.25, 0.001


def device_of(name, channels):
    """The Device that stands for JACK. No client is opened for it."""
    return Device(-1, name, JACK, channels, 0.0, 0.0, False)


class JackOutput:
    """An open client; like stream_portaudio.Output.

    block  the server's period, frames
    raises DeviceError  no server, another rate, a name that is taken twice
    """

    def __init__(self, name, channels, rate_hz, stream_words, wires, say):
        self.wires, self._say, self.width = wires, say, channels
        self._stream = stream_words
        self._connections, self._one = None, threading.Lock()     # one call of libjack at a time
        self._lib, self.client = jack.library(), jack.open_client()
        try:
            own_hz = self._lib.get_sample_rate(self.client)
            self.device = replace(device_of(name, channels), rate_hz=float(own_hz))
            if own_hz != rate_hz:
                raise DeviceError(f"sound device {name!r} does not run at {rate_hz:g} Hz; "
                                  f"its own rate is {own_hz:g} Hz")
            self.block = self._lib.get_buffer_size(self.client)
            self.name = self._lib.get_client_name(self.client).decode()
            self._register(channels)
            self.latency_s = self._latency_frames() / rate_hz
        except BaseException:
            self._ask(self._lib.client_close)
            raise

    def _ask(self, function):
        """function(client), when what was asked before is answered. Raises DeviceError."""
        def ask():
            with self._one:
                return function(self.client)
        return jack.patiently(ask)

    # ---- ports
    def _port(self, name, midi, takes):
        kind, way = (jack.MIDI, jack.AUDIO)[not midi], jack.INTO if takes else jack.FROM
        port = self._lib.port_register(self.client, name.encode(), kind.encode(), way, 0)
        if not port:
            raise DeviceError(f"JACK refuses a port {name!r}: is the name there twice?")
        return port

    def _register(self, channels):
        words, wires = np.zeros(layout.WORDS, np.int64), self.wires
        sounds = np.zeros((channels, layout.SOUND_WORDS), np.int64)
        outs = np.zeros((max(len(wires.midi_outs), 1), layout.OUT_WORDS), np.int64)
        ins = np.zeros((max(len(wires.midi_ins), 1), layout.IN_WORDS), np.int64)
        for channel, name in enumerate(sound_names(channels, wires.part_names)):
            sounds[channel, :2] = self._port(name, False, False), channel
        self.urgent = [Ring(None, MESSAGE, URGENT_SLOTS) for _ in wires.midi_outs]
        self.greetings = [[] for _ in wires.midi_outs]      # what a port hears when it is bound
        for row, urgent, (name, ring, fits) in zip(outs, self.urgent, wires.midi_outs,
                                                   strict=False):
            row[layout.PORT] = self._port(port_name(name, fits), True, False)
            row[layout.URGENT:layout.URGENT + 3] = ring_words(urgent)
            row[layout.MAIN:layout.MAIN + 3] = ring_words(ring)
        if wires.held is not None and wires.midi_outs:
            outs[:, layout.HELD] = [row.ctypes.data for row in wires.held[:len(outs)]]
        for index, (name, fits) in enumerate(wires.midi_ins):
            ins[index, :2] = self._port(port_name(name, fits), True, True), index
        words[layout.GET_BUFFER:layout.GET + 1] = self._lib.addresses
        words[[layout.SOUNDS, layout.SOUND_ROWS]] = channels, sounds.ctypes.data
        words[[layout.OUTS, layout.OUT_ROWS]] = len(wires.midi_outs), outs.ctypes.data
        words[[layout.INS, layout.IN_ROWS]] = len(wires.midi_ins), ins.ctypes.data
        if wires.midi_ins:
            words[layout.RING:layout.RING + 3] = ring_words(wires.midi_in)
        words[layout.STREAM] = self._stream.ctypes.data
        self.words, self.sounds, self.outs, self.ins = words, sounds, outs, ins
        process, xrun, shutdown, port, _ = layout.callbacks()
        user = words.ctypes.data
        self._lib.set_process_callback(self.client, process, user)
        self._lib.set_xrun_callback(self.client, xrun, user)
        self._lib.set_port_registration_callback(self.client, port, user)
        self._lib.on_shutdown(self.client, shutdown, user)

    def _wishes(self):
        target = None if self.device.name == NAME else self.device.name
        names = sound_names(self.width, self.wires.part_names)[:2]
        yield from (Wish(f"{self.name}:{name}", False, False, target, place)
                    for place, name in enumerate(names))
        ends = [(name, fits, False, functools.partial(self._greet, index))
                for index, (name, _, fits) in enumerate(self.wires.midi_outs)]
        ends += [(name, fits, True, tuple) for name, fits in self.wires.midi_ins]
        yield from (Wish(f"{self.name}:{clean(name)}", True, takes, fits, greet=greet)
                    for name, fits, takes, greet in ends if wants(fits))

    def _greet(self, index):
        """Says to a MIDI port what it has to hear first."""
        while self.greetings[index]:
            put(self.urgent[index], self.greetings[index].pop(0))

    def _latency_frames(self):
        """What the playback ports say, at least one period."""
        found = jack.names_of(self.client, jack.AUDIO, jack.INTO | jack.PHYSICAL)
        return max([self.block, *(jack.playback_frames(self.client, one) for one in found[:2])])

    # ---- what Stream asks of an output
    def start(self):
        """Begins the calls, then connects. Raises DeviceError when JACK refuses."""
        self.words[[layout.FLUSH, layout.FLUSHED]] = 0
        if self._ask(self._lib.activate):
            raise DeviceError("JACK refuses to activate the client; see the server's own messages")
        self._connections = Connections(self.client, self.name, self.words, list(self._wishes()),
                                        self._say, self._one)
        self._ask(lambda client: self._connections.start())
        for index, (_, _, fits) in enumerate(self.wires.midi_outs):
            if not wants(fits):                     # a patch bay's: who knows when
                self._greet(index)

    def unfit(self):
        """The line for the first of our MIDI ports that no port fits, "" when there is none."""
        looking = Connections(self.client, self.name, self.words, [], self._say, self._one)
        for wish in self._wishes():
            if wish.midi and not looking.fitting(wish, True):
                return looking.unfit(wish)
        return ""

    @property
    def lost(self):
        """True when the server said goodbye."""
        return bool(self.words[layout.DOWN])

    def stop(self):
        """Sends what waits, ends what sounds, then ends the calls. Raises DeviceError when lost."""
        if self._connections:
            self._connections.stop()
        if self.lost:
            raise DeviceError("the JACK server has gone")
        if self.wires.midi_outs:
            self._flush()
            if self._end_held() and self._flush():
                self.wires.held[:] = 0
        self._ask(self._lib.deactivate)

    def _flush(self):
        """True when the callback has sent all there is, and its readers have had their turn."""
        end = time.monotonic() + FLUSH_S
        self.words[layout.FLUSHED] = 0
        self.words[layout.FLUSH] = 1
        while self.words[layout.FLUSHED] < 3 and not self.lost and time.monotonic() < end:
            time.sleep(STEP_S)
        return self.words[layout.FLUSHED] >= 3

    def _end_held(self):
        """Asks for the end of every note of the ledger; True when there was one."""
        held = self.wires.held
        if held is None or not held[:len(self.urgent)].any():
            return False
        for ring, row in zip(self.urgent, held, strict=False):
            keys = row.reshape(CHANNELS, KEYS)
            for channel, key in np.argwhere(keys):
                put(ring, (NOTE_OFF | channel, key, 0))
            for channel in np.flatnonzero(keys.any(axis=1)):
                for data in silence(channel):
                    put(ring, data)
        return True

    def close(self):
        """Gives the client back. Raises DeviceError when it does not answer: then call `leave`."""
        if self.lost:
            raise DeviceError("the JACK server has gone")
        self._ask(self._lib.client_close)

    def leave(self):
        """Silences a client whose server died or hangs; one that only hangs is closed then."""
        self.words[layout.STREAM] = 0
        if self._connections:
            self._connections.stop()
        threading.Thread(target=self._close_late, daemon=True, name="close JACK").start()

    def _close_late(self):
        with self._one:
            if not self.lost:
                self._lib.client_close(self.client)

    def counters(self):
        """Messages out and in: late; refused for want of room, sent later; ends of notes said again
        after an xrun; lost."""
        return {"midi_sent": int(self.outs[:, layout.SENT].sum()),
                "midi_late": int(self.outs[:, layout.LATE].sum()),
                "midi_refused": int(self.outs[:, layout.REFUSED].sum()),
                "midi_again": int(self.outs[:, layout.AGAIN].sum()),
                "midi_received": int(self.ins[:, layout.RECEIVED].sum()),
                "midi_too_long": int(self.words[layout.LONG]),
                "midi_in_lost": int(self.words[layout.LOST])}
