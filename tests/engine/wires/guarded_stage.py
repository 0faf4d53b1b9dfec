"""A stage to be killed: `guarded_stage.py PATTERN PORT` holds wires, a guard and the shared ledger
as the stage does, starts three notes through the wires process, and waits. Thread: control."""
import sys
import time

import numpy as np

from engine.wires.board import TIME_COUNT
from engine.wires.guard import Guard
from engine.wires.process import Wires

NOTES = ((0, 60), (0, 64), (9, 36))


def main(pattern, port):
    wires = Wires({"midi_out": [{"pattern": pattern}]} if pattern != "-" else {})
    guard = Guard(wires.folder, [{"jack": [port]}]).start()
    wires.board.write(TIME_COUNT, SAMPLE=0.0, NS=float(time.monotonic_ns()), NS_PER_SAMPLE=20833.0)
    wires.start()
    while port not in guard.said:
        time.sleep(0.01)
    for channel, key in NOTES:
        guard.held[0, channel * 128 + key] = 1
        for ring in wires.outs:
            row = ring.slot()
            row["sample"], row["port"], row["size"] = 0, 0, 3
            row["data"][:3] = np.array([0x90 | channel, key, 100], np.uint8)
            ring.publish()
    sys.stdout.write(f"{wires.folder} {wires.process.pid} {guard.process.pid}\n")
    sys.stdout.flush()
    if sys.stdin.read():                  # a line: the stage leaves in order
        guard.goodbye()
        wires.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
