"""Late blocks and cost of the compiled callback, beside the same rig behind a Python one.

The house set plays live through a JACK dummy server at 48 kHz and 128 frames with real-time
priority, a busy Python thread in the stage process, and the model generating. A block is late when
its callback finished after its deadline, by the stream's own accounting in both cases; the server's
own xruns are counted from its log. Thread: control.
"""
import argparse
import json
import subprocess
import sys

from bench.jack import JackServer
from engine.errors import EngineError

QUICK_S, PATIENCE_S = 6.0, 400.0          # patience: a first run compiles the set's kernels
MOST_LATE, LEAST_RATIO, MOST_COST = 5, 100, 0.20
COLUMNS = ("blocks", "late_blocks", "server_xruns", "blocks_missing", "cost_p50_us", "cost_p99_us",
           "cost_max_us", "latest_ms")


def play(kind, seconds, model, server):
    """One stage in a process of its own; returns what it counted."""
    line = (sys.executable, "-m", "bench._stage", kind, str(seconds), model, str(server.log_path))
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise EngineError(f"bench callback: the {kind} stage did not end") from None
    if done.returncode:
        raise EngineError(f"bench callback: the {kind} stage failed: "
                          f"{(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def judge(ours, theirs):
    """What the numbers say, against what was promised."""
    beyond = max(ours["late_blocks"] - ours["server_xruns"], 0)
    allowed = MOST_LATE * max(ours["seconds"] / 60.0, 1.0)
    ratio = theirs["late_blocks"] / max(ours["late_blocks"], 1)
    return {"late_beyond_server": beyond, "python_over_compiled": round(ratio, 1), "holds": {
        f"at most {allowed:g} late blocks beyond the server's own xruns": beyond <= allowed,
        f"at least {LEAST_RATIO} times fewer late blocks": ratio >= LEAST_RATIO,
        "cost p99 at most 20 % of a block": ours["cost_p99_share"] <= MOST_COST}}


def run(quick=False, seconds=60.0, model="embedded"):
    """Both stages, one after the other, on one server."""
    if reason := JackServer.missing():
        raise EngineError(f"bench callback needs a JACK server: {reason}")
    seconds = QUICK_S if quick else seconds
    server = JackServer(real_time=True).start()
    try:
        ours, theirs = (play(kind, seconds, model, server) for kind in ("compiled", "python"))
        real_time = "Cannot use real-time scheduling" not in server.log
    finally:
        server.close()
    return {"rate_hz": server.rate_hz, "block": server.block, "server_real_time": real_time,
            "compiled": ours, "python": theirs, **judge(ours, theirs)}


def table(result):
    """The result for a terminal."""
    rows = [("", "compiled", "Python")]
    rows += [(name.replace("_", " "), f"{result['compiled'][name]:g}",
              f"{result['python'][name]:g}") for name in COLUMNS]
    lines = [f"{name:16}{ours:>12}{theirs:>12}" for name, ours, theirs in rows]
    lines += [f"{'holds' if held else 'FAILS'}: {text}" for text, held in result["holds"].items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = run(options.quick, options.seconds, options.model)
    (sys.stderr if options.json else sys.stdout).write(table(result) + "\n")
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
