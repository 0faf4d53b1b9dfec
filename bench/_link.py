"""Link's peers in a network of their own: ours against plain ones. Thread: control.

`measure(seconds)` runs itself again inside a new network namespace with nothing but loopback, where
multicast reaches only who is in it; there the other peers are processes of their own.
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from engine.clock import Clock
from engine.follow import Follower, LinkIn
from engine.timeline import Timeline
from engine.transport import Transport
from engine.wires.process import Wires

ROOT = Path(__file__).parents[1]
QUANTUM, RATE_HZ, BLOCK, LATENCY_S = 4.0, 48000, 128, 0.012
NETWORK = "ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo"
ENTER = ["unshare", "--net", "sh", "-c", f"{NETWORK} && exec \"$@\"", "sh"]
WAIT_S = 5.0
OLDER_S = 1.0                             # Link takes sessions within half a second as equally old


def missing():
    """Why there can be no such measurement here, or ""."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "needs unshare and ip (Debian: util-linux, iproute2)"
    try:
        import link  # noqa: F401 - only whether it is there
    except ImportError as fault:
        return f"needs the extra [link]: {fault}"
    tried = subprocess.run([*ENTER, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no network namespace: {tried.stderr.strip()}"


def inside(scenario, seconds=3.0):
    """What a scenario found, run inside a network namespace of its own."""
    done = subprocess.run([*ENTER, sys.executable, "-m", "bench._link", scenario, str(seconds)],
                          capture_output=True, text=True, cwd=ROOT, check=False,
                          timeout=120 + 4 * seconds, env=os.environ | {"PYTHONPATH": str(ROOT)})
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr else "no answer")
    return json.loads(done.stdout.splitlines()[-1])


def measure(seconds=20.0):
    """For `bench clock`: how two sessions meet and how far apart their beats are, ms."""
    return inside("join", seconds)


# ---- a plain peer: nothing of the engine
def peer(bpm):
    """Answers one JSON line for each on standard input; its own reading of the two clocks."""
    import link
    session = link.Link(bpm)
    session.startStopSyncEnabled = session.enabled = True
    clock = session.clock()
    for line in sys.stdin:
        state, asked = session.captureAppSessionState(), json.loads(line)
        if "bpm" in asked:
            state.setTempo(asked["bpm"], clock.micros())
        if "playing" in asked:
            state.setIsPlaying(asked["playing"], clock.micros())
        if asked:
            session.commitAppSessionState(state)
        pairs = []
        for _ in range(5):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            pairs.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC) - before, before, raw))
        span, before, raw = min(pairs)
        sys.stdout.write(json.dumps({
            "ns": before + span // 2, "beat": state.beatAtTime(raw // 1000, QUANTUM),
            "bpm": state.tempo(), "peers": session.numPeers(),
            "playing": state.isPlaying()}) + "\n")
        sys.stdout.flush()


class Peer:
    """A plain peer in a process of its own."""

    def __init__(self, bpm):
        self.process = subprocess.Popen([sys.executable, "-m", "bench._link", "peer", str(bpm)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=ROOT)
        self.look()

    def look(self, **asked):
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return SimpleNamespace(**json.loads(self.process.stdout.readline()))

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(WAIT_S)


class Ours:
    """The wires process, and a stage that plays into nothing in real time: its own conductor."""

    def __init__(self, bpm):
        self.wires = Wires({"link": True}).start()
        self.clock, self.begin_ns = Clock(RATE_HZ, bpm, 4800), time.monotonic_ns()
        self.step, self.due, self.lead, self.midi = 0, 0, round(0.055 * RATE_HZ), None
        self.deck, self.rig = 0, SimpleNamespace(tables=[SimpleNamespace(parts=())])
        self.timeline, self.transport = Timeline(RATE_HZ, LATENCY_S), Transport(self)
        self.link = LinkIn(self.wires.board)
        self.follower = Follower(self.transport, self.timeline, self.link)
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self._play, daemon=True)
        self.thread.start()

    def _play(self):
        told = 0.0
        while not self.leaving.wait(0.001):
            block = (time.monotonic_ns() - self.begin_ns) * RATE_HZ // 10 ** 9 // BLOCK
            self.timeline.feed(block * BLOCK, self.begin_ns + block * BLOCK * 1e9 / RATE_HZ)
            if time.monotonic() - told > 0.02:
                told = time.monotonic()
                self.timeline.publish(self.wires.board, self.clock.step_of(self.timeline.sample),
                                      self.clock.bpm_at(self.step), self.clock.rolls)
            now = (block + 1) * BLOCK
            self.follower.update(now)
            while self.clock.rolls and self.clock.sample_of(self.step) < now + self.lead:
                self.step += 1

    @property
    def bpm(self):
        return self.link.bpm

    def session_beat(self, ns):
        return self.link.beat_at(ns)

    def heard_beat(self, ns):
        return self.clock.step_of(self.timeline.sample_heard(ns)) / 4.0

    def close(self):
        self.leaving.set()
        self.thread.join()
        self.wires.close()


# ---- what is measured
def until(holds, wait_s=WAIT_S):
    """Seconds until it holds; inf when it does not."""
    begin = time.monotonic()
    while time.monotonic() - begin < wait_s:
        if holds():
            return time.monotonic() - begin
        time.sleep(0.01)
    return float("inf")


def near(bpm, other):
    """Link keeps whole µs a beat."""
    return abs(bpm / other - 1.0) < 1e-5


def off_ms(beat, other, bpm):
    return ((beat - other + QUANTUM / 2) % QUANTUM - QUANTUM / 2) * 60e3 / bpm


def skews(ours, peers, seconds):
    """Percentiles of how far beats are apart, ms: the sessions', and what ours would be heard."""
    session, heard, end = [], [], time.monotonic() + seconds
    while time.monotonic() < end:
        for other in peers:
            seen = other.look()
            session.append(abs(off_ms(ours.session_beat(seen.ns), seen.beat, seen.bpm)))
            heard.append(abs(off_ms(ours.heard_beat(seen.ns), seen.beat, seen.bpm)))
        time.sleep(0.005)
    return {f"{name}_p{percent}_ms": round(float(np.percentile(values, percent)), 4)
            for name, values in (("session", session), ("heard", heard))
            for percent in (50, 99, 100)}


def join(seconds):
    """Ours at 100 joins two at 130: TEMPO-2. Then the tempo goes both ways: TEMPO-1."""
    first = Peer(130.0)
    time.sleep(OLDER_S)
    second = Peer(90.0)
    found = {"peers_s": until(lambda: first.look().peers == 1 and near(second.look().bpm, 130.0))}
    ours, began = Ours(100.0), time.monotonic()
    until(lambda: ours.link.peers == 2 and near(ours.bpm, 130.0))
    found["joined_s"] = time.monotonic() - began
    until(lambda: abs(off_ms(ours.heard_beat(t := time.monotonic_ns()),
                             ours.session_beat(t), 130.0)) < 1.0)
    found["heard_s"] = time.monotonic() - began
    found["bpm"] = [ours.bpm, first.look().bpm, second.look().bpm]
    time.sleep(2.0)
    found |= skews(ours, (first, second), seconds)
    first.look(bpm=140.0)
    found["theirs_to_ours_s"] = until(lambda: near(ours.bpm, 140.0))
    ours.follower.tempo(125.0)
    found["ours_to_theirs_s"] = until(lambda: near(second.look().bpm, 125.0))
    time.sleep(2.0)
    found["after"] = skews(ours, (first, second), min(seconds, 3.0))
    for one in (ours, first, second):
        one.close()
    return found


def session(_seconds):
    """TEMPO-3, TEMPO-4, starts and stops, a peer that goes."""
    other = Peer(130.0)
    time.sleep(OLDER_S)
    ours = Ours(100.0)
    found = {"joined_s": until(lambda: near(ours.bpm, 130.0))}
    until(lambda: ours.follower.state == "locked")
    found["left_out"] = ours.follower.loaded(99.0)
    time.sleep(0.5)
    found["playing"] = [ours.link.playing, other.look().playing, ours.clock.rolls]
    found["after_load"] = [ours.bpm, other.look().bpm]
    for bpm in (20.0, 999.0):
        other.look(bpm=bpm)
        until(lambda bpm=bpm: near(ours.bpm, bpm))
        slow_s = until(lambda bpm=bpm: abs(ours.clock.bpm_at(ours.step) / min(bpm, 249.75) - 1)
                       < 0.01)
        found[f"at_{bpm:g}"] = [ours.bpm, ours.clock.bpm_at(ours.step), slow_s]
    other.look(bpm=120.0)
    until(lambda: near(ours.bpm, 120.0))
    other.look(playing=True)                  # no news for ours, which plays
    time.sleep(0.2)
    for name, on in (("stops", False), ("starts", True)):
        other.look(playing=on)
        found[f"theirs_{name}_s"] = until(lambda on=on: ours.link.playing == on)
        found[f"stage_{name}_s"] = until(lambda on=on: ours.clock.rolls == on)
    time.sleep(2.5)                           # the bar line it waits for
    found["started"] = skews(ours, (other,), 0.5)
    for name, on in (("stops", False), ("starts", True)):
        ours.follower.playing(on)
        found[f"ours_{name}_s"] = until(lambda on=on: other.look().playing == on)
    other.close()
    found["gone_s"] = until(lambda: ours.link.peers == 0, 10.0)
    found["bpm_alone"] = ours.bpm
    ours.close()
    return found


def alone(_seconds):
    """TEMPO-5, BEATTIME-1: alone nothing changes. BEATTIME-2: nor when another joins."""
    ours = Ours(107.0)
    until(lambda: ours.follower.state == "locked")
    time.sleep(1.0)                           # half a bar
    found = {"state": ours.follower.state, "relocks": ours.follower.relocks, "bpm": ours.bpm}

    def apart_ms():
        now = time.monotonic_ns()
        return off_ms(ours.heard_beat(now), ours.session_beat(now), 107.0)

    found["apart_ms"] = max(abs(apart_ms()) for _ in range(100))
    before_ns, before = time.monotonic_ns(), ours.heard_beat(time.monotonic_ns())
    other = Peer(90.0)
    found["joined_s"] = until(lambda: ours.link.peers == 1 and near(other.look().bpm, 107.0))
    time.sleep(1.0)
    now = time.monotonic_ns()
    straight = before + (now - before_ns) * 107.0 / 60e9
    found["moved_ms"] = abs(ours.heard_beat(now) - straight) * 60e3 / 107.0
    found |= {"bpm_after": ours.bpm, "relocks_after": ours.follower.relocks}
    found |= skews(ours, (other,), 1.0)
    ours.follower.tempo(112.0)
    found["wish_s"] = until(lambda: near(other.look().bpm, 112.0))
    for one in (ours, other):
        one.close()
    return found


if __name__ == "__main__":
    _, what, number = sys.argv
    if what == "peer":
        peer(float(number))
    else:
        sys.stdout.write(json.dumps({"join": join, "session": session, "alone": alone}[what](
            float(number))) + "\n")
