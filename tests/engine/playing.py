"""A session that plays without a device, a journal that keeps everything, and waiting. Thread:
control."""
import time
from pathlib import Path

from engine import session
from engine.records import NOTE
from engine.session import Options

ROOT = Path(__file__).resolve().parents[2]
HOUSE = (ROOT / "sets" / "house.py").read_text(encoding="utf-8").replace("bpm=124", "bpm=240")
PATIENCE_S = 120.0                        # only against hanging


def until(test, what):
    """Waits for test() to be true and returns it."""
    end = time.monotonic() + PATIENCE_S
    while not (found := test()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.002)
    return found


class Kept:
    """A recorder that keeps what it is told: chunks in order, applied events."""
    states, fault = False, ""

    def __init__(self):
        self.rows, self.applied = [], []

    def chunk(self, kind, payload):
        self.rows.append((kind, payload))

    def events(self, rows):
        self.applied.extend(rows)

    def table(self, sample, deck, *_):
        self.chunk(b"TABL", {"sample": sample, "deck": deck})

    def close(self, samples):
        pass

    def shut(self):
        pass

    def of(self, kind):
        return [payload for this, payload in self.rows if this == kind]

    def notes(self, begin, end):
        return [row for row in self.applied if row["kind"] == NOTE and begin <= row["sample"] < end]


def started(folder, checkpoint, **more):
    """A session on a copy of the house set, with a recorder that keeps everything."""
    path = Path(folder) / "mine.py"
    path.write_text(HOUSE, encoding="utf-8")
    live = session.play(Options(set=str(path), model=str(checkpoint), audio="null", **more))
    if not live.options.record:
        live.conductor.recorder = live.performance.recorder = Kept()
    return live
