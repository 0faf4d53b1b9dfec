"""A JACK client in a process of its own that stamps what it hears, frame by frame.

    python -m bench.jack_peer NAME SECONDS OUT.npz [--midi PATTERN]... [--audio PATTERN]...
           [--record] [--onset LEVEL] [--send ROWS.npy --out PATTERN]... [--wait]

NAME       the client's name; its ports are midi_1, midi_2, ..., audio_1, ..., out_1, ...
SECONDS    ends then, counted from "ready", or at SIGTERM; then OUT.npz is written
--midi     one MIDI input, connected with every output that fits the regular expression (as they
           appear); "-" leaves it to others
--audio    one audio input, likewise
--record   keep all sound (float32, NaN where a cycle was missed), not only onsets
--onset    an onset is the first sample above LEVEL (0.001) after 20 ms below it
--send     one MIDI output a file: rows of EVENT, `frame` counted from `start_frame`, `port` ignored
--out      what that output plays to, in the order of the --send
--wait     say "ready" only when every pattern has a port

It prints "ready" when it hears. OUT.npz holds events (EVENT: absolute frame of JACK, port from 0,
size, bytes), onsets (ONSET), sound (ports, frames) from first_frame on, rate_hz, period,
start_frame (-1: nothing sent), gaps (cycles that JACK left out) and lost (events without room).
`Peer` starts one and reads what it wrote. Thread: control.
"""
import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numba import carray, cfunc, types

from engine import jack
from engine.rt import address_of, f32, pointer, rt
from engine.stream_calls import call_buffer, call_clear, call_count, call_get, call_write

EVENT = np.dtype([("frame", "i8"), ("port", "i4"), ("size", "i4"), ("data", "u1", 16)])
ONSET = np.dtype([("frame", "i8"), ("port", "i8"), ("level", "f8")])
(CLIENT, LAST_FRAME, GET_BUFFER, CLEAR, WRITE, COUNT, GET, MIDIS, AUDIOS, OUTS, EVENTS, EVENT_ROOM,
 ONSETS, ONSET_ROOM, SOUND, SOUND_ROOM, LEVEL_PER_MILLION, REST, GO, RING) = range(20)
HEARD, STRUCK, NOW, FIRST, START, GAPS, LOST, CYCLE, STRUCTURE = 32, 33, 34, 35, 36, 37, 38, 39, 40
MIDI_PORTS, AUDIO_PORTS, OUT_PORTS, LOUD = 64, 128, 192, 256      # OUT_PORTS: port, rows, left
SEND_WORDS, WORDS = 4, 320
ROOM, LOOK_S, REST_S = 1 << 18, 0.05, 0.02


@rt
def row(address, count):
    return carray(pointer(address), (count,), np.int64)


@rt
def hear(p, index, now, frames, before):
    """The MIDI events of one input; `before` is how many were heard before this call."""
    buffer = call_buffer(p[GET_BUFFER], p[MIDI_PORTS + index], frames)
    for number in range(call_count(p[COUNT], buffer)):
        if call_get(p[GET], address_of(p) + 8 * STRUCTURE, buffer, number):
            continue
        if p[HEARD] >= p[EVENT_ROOM]:
            p[LOST] += 1
            continue
        at, size = p[EVENTS] + 32 * p[HEARD], p[STRUCTURE + 1]
        row(at, 1)[0] = now + (p[STRUCTURE] & 0xFFFFFFFF)
        about = carray(pointer(at + 8), (2,), np.int32)
        about[0], about[1] = index, size
        source = carray(pointer(p[STRUCTURE + 2]), (size,), np.uint8)
        target = carray(pointer(at + 16), (16,), np.uint8)
        for i in range(16):
            target[i] = source[i] if i < size else 0
        p[HEARD] += not heard_before(p, at, before)


@rt
def heard_before(p, at, before):
    """True of an event that an earlier call of this cycle, up to `before`, has heard as well."""
    for number in range(p[CYCLE], before):
        same = np.int64(1)
        for word in range(4):
            same &= row(at, 4)[word] == row(p[EVENTS] + 32 * number, 4)[word]
        if same:
            return True
    return False


@rt
def listen(p, index, now, frames):
    """The onsets of one input, and its sound where there is room for it."""
    source = carray(pointer(call_buffer(p[GET_BUFFER], p[AUDIO_PORTS + index], frames)), (frames,),
                    np.float32)
    level = f32(p[LEVEL_PER_MILLION]) * f32(1e-6)
    for i in range(frames):
        if abs(source[i]) > level:
            if now + i - p[LOUD + index] > p[REST] and p[STRUCK] < p[ONSET_ROOM]:
                onset = row(p[ONSETS] + 24 * p[STRUCK], 2)
                onset[0], onset[1] = now + i, index
                carray(pointer(p[ONSETS] + 24 * p[STRUCK] + 16), (1,), np.float64)[0] = source[i]
                p[STRUCK] += 1
            p[LOUD + index] = now + i
    place = now - p[FIRST]
    if place + frames <= p[SOUND_ROOM]:
        target = carray(pointer(p[SOUND] + 4 * (index * p[SOUND_ROOM] + place)), (frames,),
                        np.float32)
        for i in range(frames):
            target[i] = source[i]


@rt
def say(p, index, now, frames):
    """The rows of one output that fall into this cycle."""
    port = row(address_of(p) + 8 * (OUT_PORTS + SEND_WORDS * index), SEND_WORDS)
    buffer = call_buffer(p[GET_BUFFER], port[0], frames)
    call_clear(p[CLEAR], buffer)
    if p[GO] == 0:
        return
    if p[START] < 0:
        p[START] = now + frames
    while port[2] > 0:
        frame = row(port[1], 1)[0] + p[START] - now
        size = np.int64(carray(pointer(port[1] + 8), (2,), np.int32)[1])
        if frame >= frames or call_write(p[WRITE], buffer, max(frame, 0), port[1] + 16, size):
            return
        port[1] += 32
        port[2] -= 1


def _process(frames, user):
    """One cycle; JACK calls a client a second time in it that woke up too late for the one before.
    """
    p, count = carray(user, (WORDS,), np.int64), np.int64(frames)
    now, before = call_count(p[LAST_FRAME], p[CLIENT]), p[HEARD]
    again = p[FIRST] >= 0 and now + count == p[NOW]
    p[GAPS] += p[FIRST] >= 0 and not again and now != p[NOW]
    if p[FIRST] < 0:
        p[FIRST] = now
    if not again:
        p[CYCLE] = before
    p[NOW] = now + count
    for index in range(p[MIDIS]):
        hear(p, index, now, count, before)
    for index in range(p[AUDIOS]):
        listen(p, index, now, count)
    for index in range(p[OUTS]):
        if not again:
            say(p, index, now, count)
    return np.int32(0)


class Client:
    """The peer itself, in its own process."""

    def __init__(self, options):
        self.options, self.library = options, jack.library()
        self.client = jack.open_client(options.name)
        self.rate_hz = self.library.get_sample_rate(self.client)
        self.period = self.library.get_buffer_size(self.client)
        self.name = self.library.get_client_name(self.client).decode()
        p = self.words = np.zeros(WORDS, np.int64)
        address = self.library.address_of("last_frame_time")
        p[[CLIENT, LAST_FRAME, FIRST, START]] = self.client, address, -1, -1
        p[GET_BUFFER:GET + 1] = self.library.addresses
        p[LEVEL_PER_MILLION], p[REST] = options.onset * 1e6, REST_S * self.rate_hz
        p[LOUD:] = -(1 << 40)
        self.pairs = [*self._ports("midi", options.midi, jack.MIDI, MIDI_PORTS, MIDIS),
                      *self._ports("audio", options.audio, jack.AUDIO, AUDIO_PORTS, AUDIOS),
                      *self._outs(options.send, options.out)]
        self._rooms()
        self._callback = cfunc(types.int32(types.uint32, types.voidptr), cache=True,
                               error_model="numpy")(_process)
        self.library.set_process_callback(self.client, self._callback.address, p.ctypes.data)

    def _register(self, name, kind, way):
        return self.library.port_register(self.client, name.encode(), kind.encode(), way, 0)

    def _ports(self, name, patterns, kind, at, count):
        for index, pattern in enumerate(patterns):
            self.words[at + index] = self._register(f"{name}_{index + 1}", kind, jack.INTO)
            yield f"{self.name}:{name}_{index + 1}", pattern, kind, False
        self.words[count] = len(patterns)

    def _outs(self, files, patterns):
        self.rows = [np.ascontiguousarray(np.load(file).astype(EVENT)) for file in files]
        for index, rows in enumerate(self.rows):
            at = OUT_PORTS + SEND_WORDS * index
            self.words[at] = self._register(f"out_{index + 1}", jack.MIDI, jack.FROM)
            self.words[at + 1:at + 3] = rows.ctypes.data, len(rows)
            pattern = patterns[index] if index < len(patterns) else "-"
            yield f"{self.name}:out_{index + 1}", pattern, jack.MIDI, True
        self.words[OUTS] = len(files)

    def _rooms(self):
        """All the room there will be, every page touched: the callback only writes."""
        p, options = self.words, self.options
        self.events, self.onsets = np.zeros(ROOM, EVENT), np.zeros(ROOM // 4, ONSET)
        self.events["size"], self.onsets["port"] = -1, -1
        frames = int((options.seconds + 2) * self.rate_hz) if options.record else 0
        self.sound = np.full((len(options.audio), frames), np.nan, np.float32)
        p[[EVENTS, EVENT_ROOM]] = self.events.ctypes.data, len(self.events)
        p[[ONSETS, ONSET_ROOM]] = self.onsets.ctypes.data, len(self.onsets)
        p[[SOUND, SOUND_ROOM]] = self.sound.ctypes.data, frames

    def connect(self):
        """Connects whatever has come; True when every pattern has a port."""
        done = True
        for ours, pattern, kind, speaks in self.pairs:
            if pattern == "-":
                continue
            names = [name for name in
                     jack.names_of(self.client, kind, jack.INTO if speaks else jack.FROM)
                     if re.search(pattern, name) and not name.startswith(f"{self.name}:")]
            done &= bool(names)
            port = self.library.port_by_name(self.client, ours.encode())
            for name in names:
                if not self.library.port_connected_to(port, name.encode()):
                    ends = (ours, name) if speaks else (name, ours)
                    self.library.connect(self.client, *(end.encode() for end in ends))
        return done

    def run(self):
        stop = []                         # no Event: set in a handler, it waits for its own waiter
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.append(True))
        self.library.activate(self.client)
        while not self.connect() and self.options.wait and not stop:
            time.sleep(LOOK_S)
        self.words[GO] = 1
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        end = time.monotonic() + self.options.seconds
        while time.monotonic() < end and not stop:
            time.sleep(LOOK_S)
            self.connect()
        self.library.deactivate(self.client)
        self.save()
        self.library.client_close(self.client)

    def save(self):
        p, first = self.words, int(self.words[FIRST])
        heard = max(int(p[NOW]) - first, 0)
        np.savez(self.options.path, events=self.events[:p[HEARD]], onsets=self.onsets[:p[STRUCK]],
                 sound=self.sound[:, :heard], first_frame=first, start_frame=int(p[START]),
                 rate_hz=self.rate_hz, period=self.period, gaps=int(p[GAPS]), lost=int(p[LOST]))


class Peer:
    """Starts a peer and waits until it hears; `finish` ends it and returns what it wrote, a dict.

    sends  [(rows of EVENT, pattern)]
    """

    def __init__(self, name, seconds=60.0, midi=(), audio=(), sends=(), record=False, wait=False):
        self._folder = tempfile.TemporaryDirectory(prefix="peer-")
        folder = Path(self._folder.name)
        self.path = folder / "heard.npz"
        line = [sys.executable, "-m", "bench.jack_peer", name, str(seconds), str(self.path)]
        for index, (rows, pattern) in enumerate(sends):
            np.save(folder / f"{index}.npy", rows)
            line += ["--send", str(folder / f"{index}.npy"), f"--out={pattern}"]
        line += [f"--midi={one}" for one in midi] + [f"--audio={one}" for one in audio]
        line += ["--record"] * record + ["--wait"] * wait
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise RuntimeError(f"the JACK peer {name!r} did not start")

    def finish(self, wait=False):
        """Ends it now, or waits for its seconds."""
        if not wait:
            self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        with np.load(self.path) as found:
            heard = {key: found[key] if found[key].ndim else found[key].item() for key in found}
        self._folder.cleanup()
        return heard

    def kill(self):
        """As if its cable was pulled."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._folder.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("name")
    add("seconds", type=float)
    add("path")
    for name in ("--midi", "--audio", "--send", "--out"):
        add(name, action="append", default=[])
    add("--record", action="store_true")
    add("--wait", action="store_true")
    add("--onset", type=float, default=0.001)
    Client(parser.parse_args()).run()


if __name__ == "__main__":
    main()
