"""Stages and the surfaces that look for them, run as a process: inside a network namespace the
test made. Arguments: a JSON list of `osc` settings, one a stage; a JSON list of the peers'
arguments, "room" before those of a peer in the other namespace (that of the process $room). Prints
what each peer printed, and what the first stage was asked. Thread: any."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from engine import sets
from engine.surface import entries
from engine.wires.process import Wires

PEER = Path(__file__).with_name("query_peer.py")
SETTLE_S = 0.3


def main(settings, peers):
    found = entries(sets.load("house"))
    stages, printed = [], []
    try:
        for one in settings:
            stages.append(Wires({"osc": one}))
            stages[-1].register(found, [e.default for e in found])
            stages[-1].start()
            time.sleep(one.get("settle_s", 0.0))
        for words in peers:
            inside = words[0] == "room"
            enter = ["nsenter", "-t", os.environ["room"], "-n"] if inside else []
            done = subprocess.run([*enter, sys.executable, PEER, *words[inside:]],
                                  capture_output=True, text=True, timeout=60)
            printed.append(json.loads(done.stdout) if done.returncode == 0 else done.stderr)
        time.sleep(SETTLE_S)
        asked = [list(one) for one in stages[0].asked()]
    finally:
        for stage in stages:
            stage.close()
    print(json.dumps({"peers": printed, "asked": asked}))  # noqa: T201


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))
