"""A stage that follows a MIDI clock on JACK, and sends its own: how far its ticks are from true.

`python -m bench._follow SECONDS MODEL` is that stage; `measure` is the sequencer beside it, a JACK
client whose ticks carry an error, lose two beats, and change their tempo. Thread: control.
"""
import json
import subprocess
import sys
import time

import numpy as np

from bench.jack import JackServer
from bench.jack_peer import EVENT, Peer
from engine import session
from engine.errors import EngineError
from engine.performance import Options

TICKS, LOAD_S, SETTLE_BEATS, SECTION_BEATS = 24, 50.0, 4, 32
TICK, START = 0xF8, 0xFA
BPM, FASTER_BPM, JITTER_MS = 120.0, 140.0, 3.0


def rows_of(rate_hz, jitter_ms=JITTER_MS, seed=1):
    """(rows to send, true frames of the ticks from the start on): `LOAD_S` of ticks, a start, 32
    beats, two that are lost, 32 beats, 32 at another tempo."""
    random, before = np.random.default_rng(seed), round(LOAD_S * BPM / 60.0) * TICKS
    lengths = np.full(before + (2 * SECTION_BEATS + 2) * TICKS, 60.0 / BPM / TICKS)
    faster = np.full(SECTION_BEATS * TICKS, 60.0 / FASTER_BPM / TICKS)
    true = rate_hz * (0.1 + np.cumsum(np.concatenate([[0.0], lengths, faster])))
    sent = np.sort(true + random.uniform(-jitter_ms, jitter_ms, len(true)) * rate_hz / 1e3)
    lost = before + SECTION_BEATS * TICKS + np.arange(2 * TICKS)
    kept = np.setdiff1d(np.arange(len(true)), lost)
    rows = np.zeros(len(kept) + 1, EVENT)
    rows["size"], at = 1, int(np.searchsorted(kept, before))
    rows["frame"] = np.insert(sent[kept], at, sent[before] - rate_hz / 1000.0).astype(np.int64)
    rows["data"][:, 0] = np.where(np.arange(len(rows)) == at, START, TICK)
    return rows, true[before:]


def judged(true, frames, rate_hz):
    """Errors of the stage's ticks in ms, in each stretch, its first four beats left out."""
    place = np.interp(frames, true, np.arange(len(true)))
    inside = (frames > true[0]) & (frames < true[-1])
    place, frames = place[inside], frames[inside]
    nearest = np.rint(place)
    errors = (frames - np.interp(nearest, np.arange(len(true)), true)) / rate_hz * 1e3
    first = (place > SETTLE_BEATS * TICKS) & (place < SECTION_BEATS * TICKS)
    offset, found = float(np.median(errors[first])), {}
    ends = np.array([0, SECTION_BEATS, SECTION_BEATS + 2, 2 * SECTION_BEATS + 2]) * TICKS
    for name, begin, end in zip(("jitter", "drop_out", "after", "faster"), ends,
                                (*ends[1:], len(true)), strict=True):
        settle = 0 if name in ("drop_out", "after") else SETTLE_BEATS * TICKS
        part = errors[(place >= begin + settle) & (place < end)] - offset
        found[name] = {"rms_ms": round(float(np.sqrt(np.mean(part ** 2))), 3),
                       "max_ms": round(float(np.abs(part).max()), 3), "ticks": len(part)}
    return found | {"offset_ms": round(offset, 3)}


def measure(model="embedded", jitter_ms=JITTER_MS):
    """The stage's errors, ms, beside what it said."""
    if reason := JackServer.missing():
        raise EngineError(f"bench clock needs a JACK server: {reason}")
    server = JackServer(real_time=True).start()
    try:
        rows, true = rows_of(server.rate_hz, jitter_ms)
        seconds = true[-1] / server.rate_hz
        peer = Peer("desk", seconds + 60.0, midi=["-"], sends=[(rows, "-")])
        begun = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "bench._follow", str(seconds), model],
                              capture_output=True, text=True, timeout=seconds + 120.0)
        heard = peer.finish()
        if done.returncode:
            raise EngineError(f"the stage failed: {done.stderr.strip().splitlines()[-1]}")
        said = json.loads(done.stdout.splitlines()[-1])
        if said["began_s"] - begun > LOAD_S - 4.0:
            raise EngineError("the stage took too long to load; measure again")
    finally:
        server.close()
    events = heard["events"]
    frames = events["frame"][events["data"][:, 0] == TICK] - heard["start_frame"]
    return judged(true, frames.astype(float), server.rate_hz) | said | {"gaps": heard["gaps"]}


def play(seconds, model):
    begun = time.monotonic()
    options = Options(set="house", model=model, bpm=126.0, clock=True, midi_out=("desk:midi_1",),
                      midi_in=("desk:out_1",), follow=True, audio="jack")
    with session.play(options) as live:
        began_s = time.monotonic()
        time.sleep(seconds - (began_s - begun))
        follower = live.connections.follower
        return {"began_s": began_s, "latency_ms": live.stream.latency_s * 1e3,
                "state": follower.state, "relocks": follower.relocks, "bpm": follower.source.bpm,
                "late_notes": live.conductor.late_notes, "messages": [m for _, m in live.messages]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(play(float(sys.argv[1]), sys.argv[2])) + "\n")
