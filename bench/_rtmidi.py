"""The wires process's way out by itself: a clock in a port's ring, no sound, no model.

`python -m bench._rtmidi BPM SECONDS` prints one JSON object; `jitter` gives it to `bench clock`.
Ticks stand in the ring long before they are due, so that only the way out is measured; another
client of JACK stamps them in frames, and the error of each is what is left beside the straight line
through all of them. RtMidi writes to JACK at the beginning of a period: no less than a period's
width can be seen through it. Thread: control.
"""
import json
import sys
import time

import numpy as np

from bench.jack import JackServer
from bench.jack_peer import Peer
from engine.errors import EngineError
from engine.records import MESSAGE
from engine.ring import Ring
from engine.wires.board import MIDI_LATE, MIDI_SENT, MIDI_UNSENT, TIME_COUNT
from engine.wires.process import Wires

SETTLE_S, PATIENCE_S, TICKS, TICK = 0.5, 30.0, 24, 0xF8


def play(wires, bpm, seconds, rate_hz):
    """Puts the ticks into the ring, as many ahead as it holds; how many."""
    warm = Ring(None, MESSAGE, slots=2)
    warm.slot()
    warm.publish()                        # loading compiled code may take a second
    begin_ns = time.monotonic_ns() + int(SETTLE_S * 1e9)
    wires.board.write(TIME_COUNT, SAMPLE=0.0, NS=float(begin_ns), NS_PER_SAMPLE=1e9 / rate_hz)
    count, ring = int(seconds * bpm * TICKS / 60), wires.outs[0]
    for tick in range(count):
        due_s = tick * 60 / (bpm * TICKS)
        while (row := ring.slot()) is None:
            time.sleep(0.01)
        row["sample"], row["port"], row["size"] = max(1, round(due_s * rate_hz)), 0, 1
        row["data"][0] = TICK
        ring.publish()
    time.sleep(max(0.0, begin_ns * 1e-9 + seconds + SETTLE_S - time.monotonic()))
    return count


def judged(heard, bpm, count, words):
    """Errors of the ticks in ms against the line through them, and what was lost."""
    frames = heard["events"]["frame"][heard["events"]["data"][:, 0] == TICK].astype(float)
    if len(frames) < 3:
        raise EngineError("bench: no clock was heard from the wires process")
    ticks = np.round((frames - frames[0]) / (heard["rate_hz"] * 60 / (bpm * TICKS)))
    errors_ms = (frames - np.polyval(np.polyfit(ticks, frames, 1), ticks)) / heard["rate_hz"] * 1e3
    quantiles = {f"p{name}_ms": round(float(np.quantile(np.abs(errors_ms), share)), 3)
                 for name, share in (("50", 0.5), ("99", 0.99), ("999", 0.999))}
    return quantiles | {"max_ms": round(float(np.abs(errors_ms).max()), 3),
                        "spread_ms": round(float(errors_ms.std()), 3), "ticks": len(frames),
                        "lost": count - len(frames), "sent": int(words[MIDI_SENT]),
                        "late": int(words[MIDI_LATE]), "unsent": int(words[MIDI_UNSENT]),
                        "server_gaps": int(heard["gaps"]),
                        "period_ms": round(heard["period"] / heard["rate_hz"] * 1e3, 3)}


def jitter(bpm=128.37, seconds=10.0, osc=None):
    """On the JACK server that runs; {p50_ms, p99_ms, p999_ms, max_ms, lost, …}.

    osc  settings of OSC for the same process, to see what a flood there costs
    """
    peer = Peer("follower", seconds + PATIENCE_S, midi=["-"])
    wires = Wires({"midi_out": [{"pattern": "follower:midi_1"}]} | ({"osc": osc} if osc else {}))
    try:
        count = play(wires.start(), bpm, seconds, 48_000)
        words = wires.board.words.copy()
    finally:
        wires.close()
        heard = peer.finish()
    return judged(heard, bpm, count, words)


if __name__ == "__main__":
    server = JackServer(real_time=True).start()
    try:
        sys.stdout.write(json.dumps(jitter(float(sys.argv[1]), float(sys.argv[2]))) + "\n")
    finally:
        server.close()
