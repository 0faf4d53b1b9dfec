"""The processes of `bench osc`: a stage with its wires, and senders of three kinds.

`python -m bench._osc stage AUDIO PORT` plays until its standard input ends; a line there is a mark.
`python -m bench._osc KIND PORT DATAGRAMS_HZ SECONDS SEED` sends. Thread: control.
"""
import json
import os
import select
import socket
import sys
import time
from pathlib import Path

from bench import _osc_fuzz as fuzz
from bench.startup import ROOT
from engine.wires import datagram

FADERS, SENDERS, TRIGGER_EVERY, POOL = 4, 2, 6, 4000
SOCKETS = {"good": 1, "malformed": 8, "hostile": 8}
READ_S = 0.0005                           # as the session does


def entries():
    """What the senders move: faders and triggers, each with its time."""
    from engine.surface import Entry
    found = [Entry(f"/bench/{k}/fader/{f}", "value", "f", 0.0, 1e12)
             for k in range(SENDERS) for f in range(FADERS)]
    return found + [Entry(f"/bench/{k}/hit", "trigger", "if") for k in range(SENDERS)]


class Reader:
    """Reads what the surfaces ask, and notes how old it is."""

    def __init__(self, wires):
        self.wires = wires
        self.begin()

    def begin(self):
        self.faders_s, self.hits_s, self.numbers, self.others = [], [], {}, 0

    def read(self):
        for address, values, _, _, _ in self.wires.asked():
            now_s = time.monotonic()
            if address.endswith("/hit"):
                self.numbers.setdefault(address, []).append(int(values[0]))
                self.hits_s.append(now_s - values[1])
            elif "/fader/" in address:
                self.faders_s.append(now_s - values[0])
            else:
                self.others += 1


def process_figures(pid):
    """(resident bytes, processor seconds) of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (pages * os.sysconf("SC_PAGE_SIZE"),
            (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"))


def question(port, name, seconds=2.0):
    """The answer to a question to the service, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.sendto(datagram.message(name), ("127.0.0.1", port))
        try:
            return datagram.read(sock.recv(datagram.MOST_BYTES))[0].values
        except TimeoutError:
            return ()


def counted(port):
    """Refusals by kind, with `lost`: what the kernel had no room for."""
    values = question(port, "/refused")
    return dict(zip(values[::2], values[1::2], strict=True))


def snapshot(live, wires, reader, port):
    """What is known at a mark; the reader begins anew."""
    refused = counted(port)
    resident, processor_s = process_figures(wires.process.pid)
    found = {"at_s": time.monotonic(), "resident": resident, "processor_s": processor_s,
             "refused": refused, "faders_s": reader.faders_s, "hits_s": reader.hits_s,
             "numbers": reader.numbers, "others": reader.others, "log": (
                 wires.folder / "log").read_text(errors="replace")[-400:],
             **{name: int(live.stream.counters()[name]) for name in ("late_blocks", "blocks")}}
    reader.begin()
    return found


def stage(audio, port):
    """Plays the house set with its wires; one JSON line a mark."""
    from engine import session
    from engine.performance import Options
    from engine.surface import entries as registry
    from engine.wires.process import Wires
    with session.play(Options(set="house", model="embedded", audio=audio)) as live:
        known = registry(live.conductor.made) + entries()
        wires = Wires({"osc": {"host": "127.0.0.1", "port": port, "to": []}})
        wires.register(known, [e.default for e in known])
        try:
            wires.start()
            reader = Reader(wires)
            tell({"ready": True})
            while True:
                reader.read()
                if select.select([sys.stdin], [], [], READ_S)[0]:
                    if not sys.stdin.readline():
                        return
                    tell(snapshot(live, wires, reader, port))
        finally:
            wires.close()


def tell(found):
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


# ---- senders
def good(number):
    """Makes the next datagram of a good sender: faders, and a trigger now and then."""
    heads = [datagram.head(f"/bench/{number}/fader/{f}", "d") for f in range(FADERS)]
    hit, state = datagram.head(f"/bench/{number}/hit", "id"), [0, 0]

    def make():
        state[0] += 1
        if state[0] % TRIGGER_EVERY:
            return heads[state[0] % FADERS] + datagram.body("d", (time.monotonic(),))
        state[1] += 1
        return hit + datagram.body("id", (state[1], time.monotonic()))
    return make, state


def from_pool(make, seed):
    """Makes datagrams from a pool, so that making them costs the machine nothing."""
    rnd = fuzz.seeded(seed)
    pool = [words for words in (make(rnd) for _ in range(POOL)) if words]
    return lambda: pool[rnd.randrange(len(pool))]


def send(kind, port, rate_hz, seconds, seed):
    """Sends evenly, by the clock; returns how many datagrams and triggers."""
    state = [0, 0]
    if kind == "good":
        make, state = good(seed % SENDERS)
    else:
        make = from_pool({"malformed": fuzz.mutated, "hostile": fuzz.hostile}[kind], seed)
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS[kind])]
    begin_s, sent, late_s = time.monotonic(), 0, 0.0
    while (now_s := time.monotonic() - begin_s) < seconds:
        due = int(min(now_s, seconds) * rate_hz)
        late_s = max(late_s, (due - sent) / rate_hz)
        while sent < due:
            socks[sent % len(socks)].sendto(make(), ("127.0.0.1", port))
            sent += 1
        time.sleep(0.001)
    return {"sent": sent, "triggers": state[1], "late_ms": late_s * 1e3, "seconds": seconds}


def main(kind, *words):
    sys.path.insert(0, str(ROOT))
    if kind == "stage":
        stage(words[0], int(words[1]))
    else:
        port, rate_hz, seconds, seed = words
        tell(send(kind, int(port), float(rate_hz), float(seconds), int(seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
