"""The other end of a cable, a process of its own: `midi_peer.py in NAME` prints what arrives at
JACK port NAME:in, `midi_peer.py out NAME` sends the lines it reads from NAME:out.

A line is "monotonic ns, bytes in hex"; sent at that time, 0 for now. Thread: control."""
import contextlib
import os
import queue
import subprocess
import sys
import threading
import time


class Peer:
    """`way` "in" or "out"; `got` is what it heard so far: (ns, bytes)."""

    def __init__(self, way, name):
        self.got, self.way = [], way
        self.process = subprocess.Popen([sys.executable, __file__, way, name], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        assert self.process.stdout.readline() == "up\n"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            ns, data = line.split()
            self.got.append((int(ns), bytes.fromhex(data)))

    def send(self, data, ns=0):
        self.process.stdin.write(f"{ns} {bytes(data).hex()}\n")

    def heard(self, wanted, patience_s=3.0):
        """Waits until `wanted(messages)` holds; the messages."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end and not wanted([data for _, data in self.got]):
            time.sleep(0.005)
        return [data for _, data in self.got]

    def sounding(self):
        """(channel, key) of the notes that are on."""
        held = set()
        for _, data in list(self.got):
            if data[0] & 0xF0 == 0x90 and data[2]:
                held.add((data[0] & 15, data[1]))
            elif data[0] & 0xF0 in (0x80, 0x90):
                held.discard((data[0] & 15, data[1]))
        return held

    def pull(self):
        """Out with the plug: the process dies."""
        self.process.kill()
        self.process.wait()
        self._thread.join(2)

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.pull()


def listen(name):
    import rtmidi
    port, waiting = rtmidi.MidiIn(rtapi=rtmidi.API_UNIX_JACK, name=name), queue.SimpleQueue()
    port.ignore_types(sysex=False, timing=False, active_sense=False)
    port.set_callback(lambda event, data: waiting.put((time.monotonic_ns(), bytes(event[0]))))
    port.open_virtual_port("in")
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    tell("up")
    while True:
        ns, data = waiting.get()
        tell(f"{ns} {data.hex()}")


def play(name):
    import rtmidi
    port = rtmidi.MidiOut(rtapi=rtmidi.API_UNIX_JACK, name=name)
    port.open_virtual_port("out")
    tell("up")
    for line in sys.stdin:
        ns, data = line.split()
        time.sleep(max(0.0, (int(ns) - time.monotonic_ns()) * 1e-9))
        port.send_message(bytes.fromhex(data))
    time.sleep(0.1)
    os._exit(0)


def tell(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"in": listen, "out": play}[sys.argv[1]](sys.argv[2])
