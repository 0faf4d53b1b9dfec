"""OSC under a flood: triggers lost, delay of what is good, memory, refusals, the audio beside it.

20,000 datagrams a second, good, malformed and hostile, from processes of their own over loopback
into the wires process of a stage that plays the house set. The delay is from before the sender's
system call to the stage's hands; a value that a later one overtook is not counted. First the same
stage is measured with nothing sent. Thread: control.
"""
import contextlib
import json
import os
import select
import socket
import subprocess
import sys

from bench._osc import SENDERS
from bench.jack import JackServer
from bench.startup import ROOT
from engine.errors import EngineError

QUICK_S, READY_S, PATIENCE_S = 5.0, 300.0, 60.0
GOOD_HZ, RATE_HZ = 2400.0, 20_000.0       # a good sender's: below what one sender may
MOST_P99_MS, MOST_GROWTH_MB, MOST_LATE = 10.0, 8.0, 5


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def child(*words, **more):
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(ROOT)] + ([known] if known else []))
    return subprocess.Popen((sys.executable, "-m", "bench._osc", *map(str, words)), cwd=ROOT,
                            stdout=subprocess.PIPE, text=True, env={**os.environ,
                                                                    "PYTHONPATH": path}, **more)


def line(process, seconds, what):
    """The next JSON line of a process."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        raise EngineError(f"bench osc: {what} did not answer in {seconds:g} s")
    words = process.stdout.readline()
    if not words:
        raise EngineError(f"bench osc: {what} ended")
    return json.loads(words)


def mark(stage):
    stage.stdin.write("mark\n")
    stage.stdin.flush()
    return line(stage, PATIENCE_S, "the stage")


def flood(port, seconds):
    """All senders at once; returns what each says."""
    rest = (RATE_HZ - SENDERS * GOOD_HZ) / 2
    plan = [("good", GOOD_HZ, k) for k in range(SENDERS)]
    plan += [("malformed", rest, 11), ("hostile", rest, 12)]
    senders = [(kind, child(kind, port, rate_hz, seconds, seed)) for kind, rate_hz, seed in plan]
    try:
        return [(kind, line(process, seconds + PATIENCE_S, f"the {kind} sender"))
                for kind, process in senders]
    finally:
        for _, process in senders:
            process.kill()
            process.wait()


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))] * 1e3 if values else None


def play(audio, seconds):
    """(before, quiet, warm, after, senders' words) of one stage."""
    port = free_port()
    stage = child("stage", audio, port, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        line(stage, READY_S, "the stage")
        with contextlib.suppress(subprocess.TimeoutExpired):
            stage.wait(3.0)
        before = mark(stage)
        with contextlib.suppress(subprocess.TimeoutExpired):
            stage.wait(seconds / 3)
        quiet = mark(stage)
        flood(port, max(1.0, seconds / 10))
        warm = mark(stage)
        senders = flood(port, seconds)
        return before, quiet, warm, mark(stage), senders
    finally:
        stage.stdin.close()
        try:
            stage.wait(15.0)
        except subprocess.TimeoutExpired:
            stage.kill()
            stage.wait()


def run(quick=False, seconds=60.0, audio="jack"):
    """One stage, quiet and flooded; audio "null" for a machine without a JACK server."""
    seconds = QUICK_S if quick else seconds
    if audio == "jack" and JackServer.missing():
        audio = "null"
    server = JackServer(real_time=True).start() if audio == "jack" else None
    try:
        marks = play("system" if server else "null", seconds)
    finally:
        if server:
            server.close()
    return {"audio": audio, "seconds": seconds} | judge(*marks)


def judge(before, quiet, warm, after, senders):
    """The figures, and what they say against what was promised."""
    wall_s = after["at_s"] - warm["at_s"]
    refused = {kind: count - warm["refused"].get(kind, 0)
               for kind, count in sorted(after["refused"].items())}
    lost = refused.pop("lost", None)
    sent = sum(words["triggers"] for kind, words in senders if kind == "good")
    numbers = list(after["numbers"].values())
    found = {
        "datagrams_sent": sum(words["sent"] for _, words in senders),
        "triggers_sent": sent, "triggers_received": sum(map(len, numbers)),
        "triggers_in_order": all(n == list(range(1, len(n) + 1)) for n in numbers),
        "kernel_lost": lost, "refused": refused, "refused_total": sum(refused.values()),
        "values_read": len(after["faders_s"])}
    found["datagrams_hz"] = round(found["datagrams_sent"] / max(
        1e-9, max(words["seconds"] for _, words in senders)))
    for percent in (50, 99, 99.9):
        name = f"p{percent:g}".replace(".", "")
        found[f"{name}_ms"] = percentile(after["faders_s"], percent)
        found[f"trigger_{name}_ms"] = percentile(after["hits_s"], percent)
    found["memory_growth_mb"] = round((after["resident"] - warm["resident"]) / 1e6, 2)
    found["memory_mb"] = round(after["resident"] / 1e6, 1)
    found["wires_cpu_share"] = round((after["processor_s"] - warm["processor_s"]) / wall_s, 3)
    found["late_blocks_quiet"] = quiet["late_blocks"] - before["late_blocks"]
    found["quiet_s"] = round(quiet["at_s"] - before["at_s"], 1)
    found["late_blocks"] = after["late_blocks"] - warm["late_blocks"]
    found["blocks"] = after["blocks"] - warm["blocks"]
    found["said_by_the_process"] = after["log"]
    return found | {"holds": holds(found, wall_s)}


def holds(found, wall_s):
    allowed = MOST_LATE + round(found["late_blocks_quiet"] * wall_s / max(found["quiet_s"], 1.0))
    p99_ms = found["p99_ms"]
    return {
        "every trigger arrived, in order": found["triggers_sent"] == found["triggers_received"]
        and found["triggers_in_order"],
        f"p99 of a good value at most {MOST_P99_MS:g} ms": p99_ms is not None
        and p99_ms <= MOST_P99_MS,
        f"memory grew by less than {MOST_GROWTH_MB:g} MB": found["memory_growth_mb"]
        < MOST_GROWTH_MB,
        f"at most {allowed} late blocks, as without the flood": found["late_blocks"] <= allowed,
        "the process wrote no fault": not found["said_by_the_process"]}


def table(result):
    """The result for a terminal."""
    def ms(name):
        return "none" if result[name] is None else f"{result[name]:.2f} ms"
    rows = [("datagrams a second", f"{result['datagrams_hz']}"),
            ("triggers sent, received",
             f"{result['triggers_sent']}, {result['triggers_received']}"),
            ("values: p50, p99, p99.9", f"{ms('p50_ms')}, {ms('p99_ms')}, {ms('p999_ms')}"),
            ("triggers: p50, p99, p99.9", f"{ms('trigger_p50_ms')}, {ms('trigger_p99_ms')}, "
             f"{ms('trigger_p999_ms')}"),
            ("lost by the kernel", f"{result['kernel_lost']}"),
            ("memory, growth", f"{result['memory_mb']} MB, {result['memory_growth_mb']} MB"),
            ("a core, of the wires process", f"{100 * result['wires_cpu_share']:.0f} %"),
            ("late blocks, quiet and flooded", f"{result['late_blocks_quiet']} in "
             f"{result['quiet_s']:g} s, {result['late_blocks']} in {result['seconds']:g} s "
             f"({result['audio']})"),
            ("refused", ", ".join(f"{n} {kind}" for kind, n in result["refused"].items()))]
    lines = [f"{name:32}{text}" for name, text in rows]
    return "\n".join(lines + [f"{'holds' if held else 'FAILS'}: {text}"
                              for text, held in result["holds"].items()])
