"""How long from the end of the model's last block, a key, a knob or a prompt to what is heard.

Everything is read from what the rig says it applied, at which sample, and the stream's own grid of
block times: a sample's time is its place in the time of the block that held it. The device's own
latency comes on top of every figure and is given beside them. Thread: control.
"""
import contextlib
import os
import time
from collections import defaultdict, deque

import numpy as np

from bench.jack import BLOCK, JackServer
from engine import session
from engine import stream_callback as layout
from engine.clock import STEPS_PER_BAR
from engine.errors import EngineError
from engine.performance import Options
from engine.records import PANIC, PREFILL, TARGET

QUICK_S, AIM_BLOCKS, PATIENCE_S = 12.0, 2.0, 60.0
AIM_MS, LEANS, PAUSE_S = 10.0, 4, 0.3     # beyond a token, of a knob that steers; of them a round
KNOB = "calm"                             # a direction that the embedded model ships with
PROMPTS = ("The rain began again before the morning came.", "A ship came slowly into the harbour.",
           "Nobody in the village knew her name.", "Far above them, the snow was falling.")


class Probe:
    """A session's recorder and eavesdropper: which record moved what, and when it sounded."""
    states, fault = False, ""

    def __init__(self, live):
        self.live, self.words, self.first = live, live.stream.words, None
        self.done, self.waiting = {}, defaultdict(deque)
        self.seen_ns, self.links, self.notes, self.applied = [], [], [], []
        self.generations, self._ahead, self._record = {}, deque(), None
        self.records = {}                 # generation -> when its first record was seen
        source, rig = live.conductor.source, live.rig
        self._arrive, self._early, self._target = source.arrive, source.early, rig.target
        source.arrive, source.early, rig.target = self.arrive, self.early, self.target

    # ---- in place of the source's and the rig's own
    def arrive(self):
        pair = self._arrive()
        self._see(pair and pair[0])
        return pair

    def early(self):
        state = self._early()
        self._see(state)
        return state

    def _see(self, state):
        """From here on, links move for this record."""
        self._record = None
        if state is None:
            return
        self._record = int(state["seq"]), int(state["generation"]), int(state["flags"])
        done_ns, seen_ns = int(state["done_ns"]), time.perf_counter_ns()
        self.records.setdefault(self._record[1], seen_ns)
        fresh = self.done.get(self._record[0]) != done_ns
        self.done[self._record[0]] = done_ns
        if fresh and not self._record[2] & PREFILL:   # a prompt's rows wait for their turn
            self.seen_ns.append(seen_ns - done_ns)

    def target(self, sample, path, value, rise_s=None, fall_s=None, deck=0, **more):
        if sample == 0 and self._record is not None:
            index, param = self.live.rig.tables[deck].registry.find(path, "a target")
            self.waiting[index, np.float32(param.clip(value))].append(self._record)
        return self._target(sample, path, value, rise_s, fall_s, deck, **more)

    # ---- in place of the recorder
    def chunk(self, kind, payload):
        if kind == b"STEP":
            self._step = payload
        elif kind == b"FRAM" and self._step["notes"] and not payload["flags"] & PREFILL:
            steps = min(note[3] for note in self._step["notes"])
            clock = self.live.performance.clock
            self._ahead.append((clock.sample_of(self._step["step"] + steps),
                                self.done[payload["seq"]]))

    def events(self, rows):
        """Rows that the rig has just applied."""
        for row in rows:
            sample, kind = int(row["sample"]), int(row["kind"])
            if kind in (TARGET, PANIC):
                self.applied.append((kind, int(row["part"]), float(row["level"]), self.at(sample)))
            queue = self.waiting.get((int(row["part"]), row["level"])) if kind == TARGET else None
            if queue:
                seq, generation, flags = queue.popleft()
                now = self.at(sample)
                self.generations.setdefault(generation, now)
                if not flags & PREFILL:
                    self.links.append((seq, now - self.done[seq]))
        while self._ahead and self._ahead[0][0] < self.live.rig.sample - BLOCK:
            sample, done_ns = self._ahead.popleft()
            self.notes.append(self.at(sample) - done_ns)

    def table(self, *_):
        """A set that takes over is of no interest here."""

    def close(self, samples):
        self.live = None

    def shut(self):
        """Nothing is held open."""

    def at(self, sample):
        """When a sample of the last blocks sounded, ns."""
        while True:
            places = [layout.FRAMES, layout.DUE_NS, layout.LENGTH_NS, layout.BLOCKS]
            first, again = self.words[places].copy(), self.words[places].copy()
            if (first == again).all():
                break
        frames, due, length, _ = (int(word) for word in first)
        block = length * self.live.performance.clock.rate_hz / 1e9
        start = self.live.begin + frames - block        # of the newest block, in the rig's samples
        return due + (sample - start) * 1e9 / self.live.performance.clock.rate_hz


def spread(times_ns):
    """p50, p95, p99, greatest, in ms, and of how many."""
    names, shares = ("p50_ms", "p95_ms", "p99_ms", "max_ms"), (50, 95, 99, 100)
    if not len(times_ns):
        return dict.fromkeys(names, float("nan")) | {"of": 0}
    found = np.percentile(times_ns, shares) / 1e6
    return {name: round(float(ms), 3) for name, ms in zip(names, found, strict=True)} | {
        "of": len(times_ns)}


def until(test):
    """Waits for test() to give something; None when it does not for a minute."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := test():
            return found
        time.sleep(0.01)
    return None


def after(probe, begin_ns, fits):
    """The time from begin_ns to the first applied event after it that fits, ns, or None."""
    return next((row[3] - begin_ns for row in list(probe.applied)
                 if row[3] > begin_ns and fits(row)), None)


def press(live, probe, key, fits):
    """Presses a key; ns until the event that it causes is heard."""
    begin_ns = time.perf_counter_ns()
    live.key(key)
    return until(lambda: after(probe, begin_ns, fits))


def ask(live, probe, words):
    """Gives a prompt; ns until the first link of its first record is heard."""
    before, begin_ns = live.performance.supervised.worker.generation, time.perf_counter_ns()
    live.prompt(words)
    found = until(lambda: [ns for generation, ns in list(probe.generations.items())
                           if generation > before])
    return found and min(found) - begin_ns


def lean(live, probe, path, amount):
    """Turns a knob that steers the model; ns until the first record under it is seen, and until
    its first link is heard."""
    before, begin_ns = live.performance.supervised.worker.generation, time.perf_counter_ns()
    live.ask(lambda: live.actions.steer(path, amount))
    found = until(lambda: [(seen, heard) for generation, heard in list(probe.generations.items())
                           if generation > before
                           and (seen := probe.records.get(generation)) is not None])
    return found and tuple(ns - begin_ns for ns in found[0])


def measure(seconds, model, audio):
    """Plays so long, then presses keys, gives prompts and turns a knob."""
    knob = (("steer", KNOB, 0.0),) if model == "embedded" else ()
    with session.play(Options(set="house", model=model, audio=audio, block=BLOCK,
                              steering=knob)) as live:
        live.begin = live.rig.sample - live.stream.counters()["frames"]
        mute = live.rig.tables[0].registry.index["kick.mute"]
        probe = Probe(live)
        live.conductor.recorder = live.performance.recorder = probe
        time.sleep(seconds)
        counted = list(probe.links), list(probe.notes), list(probe.seen_ns)
        rounds = max(3, round(seconds / 5))
        prompts, mutes, panics, leans = [], [], [], []
        for number in range(rounds):
            prompts.append(ask(live, probe, PROMPTS[number % len(PROMPTS)]))
            time.sleep(1.0)
            mutes.append(press(live, probe, "mute:1", lambda r: r[:2] == (TARGET, mute)))
            panics.append(press(live, probe, "panic", lambda r: r[0] == PANIC))
        for turn in range(rounds * LEANS if knob else 0):
            time.sleep(PAUSE_S)
            leans.append(lean(live, probe, f"steer.{KNOB}", (0.5, -0.5, 0.0)[turn % 3]))
        leans = [pair for pair in leans if pair]
        bpm, rate_hz = live.performance.clock.bpm_at(0), live.performance.clock.rate_hz
        return {"link": spread(first_of_each(counted[0])), "note": spread(counted[1]),
                "record_seen": spread(counted[2]), "prompt": spread([x for x in prompts if x]),
                "mute": spread([x for x in mutes if x]), "panic": spread([x for x in panics if x]),
                "steered": spread([seen for seen, _ in leans]),
                "knob": spread([heard for _, heard in leans]),
                "token_ms": STEPS_PER_BAR * 15000.0 / bpm / live.conductor.made.tokens_per_bar,
                "bar_ms": STEPS_PER_BAR * 15000.0 / bpm, "block_ms": 1000.0 * BLOCK / rate_hz,
                "device": live.stream.device_name, "device_ms": 1e3 * live.stream.latency_s,
                "scheduling": live.stream.scheduling,
                "late_blocks": live.stream.counters()["late_blocks"]}


def first_of_each(links):
    """The first link's time of each record."""
    found = {}
    for seq, ns in links:
        found[seq] = min(ns, found.get(seq, ns))
    return list(found.values())


def run(quick=False, seconds=60.0, model="embedded"):
    """One live session on a JACK dummy server, or on nothing where there is no JACK."""
    seconds = QUICK_S if quick else seconds
    missing = JackServer.missing()
    with contextlib.ExitStack() as stack:
        if not missing:
            server = JackServer(real_time=True).start()
            stack.callback(server.close)
        found = measure(seconds, model, "null" if missing else "system")
    if not found["link"]["of"]:
        raise EngineError("bench latency: no link was heard; does the model run?")
    held = found["link"]["p99_ms"] < AIM_BLOCKS * found["block_ms"]
    holds = {f"a continuous link within {AIM_BLOCKS:g} blocks (p99)": held}
    if found["knob"]["of"]:
        holds[f"a knob that steers within a token and {AIM_MS:g} ms (p95)"] = (
            found["knob"]["p95_ms"] < found["token_ms"] + AIM_MS)
    return {"seconds": seconds, "load": os.getloadavg()[0], **found, "holds": holds}


ROWS = (("record_seen", "last block's end to the conductor"),
        ("link", "last block's end to the first sample a link changed"),
        ("note", "last block's end to its step's first note"),
        ("panic", "key ! to silence"), ("mute", "key 1 to the mute, on the bar"),
        ("prompt", "prompt to its first record's links"),
        ("steered", "knob to the first record that is steered"),
        ("knob", "knob to the first sample that it changed"))


def table(result):
    """The result for a terminal."""
    lines = [f"{'':54}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'max ms':>10}{'of':>6}"]
    lines += [f"{text:54}{result[name]['p50_ms']:10.2f}{result[name]['p95_ms']:10.2f}"
              f"{result[name]['p99_ms']:10.2f}{result[name]['max_ms']:10.2f}"
              f"{result[name]['of']:6d}" for name, text in ROWS]
    lines.append(f"block {result['block_ms']:.2f} ms, bar {result['bar_ms']:.0f} ms; the device "
                 f"({result['device']}, {result['scheduling']}) adds {result['device_ms']:.1f} ms; "
                 f"load {result['load']:.1f}")
    return "\n".join(lines + [f"{'holds' if held else 'FAILS'}: {text}"
                              for text, held in result["holds"].items()])
