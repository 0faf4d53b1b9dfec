"""How long until something is heard: `--help`, a warm `play`, the first one ever; what it costs.

The first one ever compiles every kernel into an empty cache and says what it is compiling. First
sound is the first sample of the first bar, from the start of the process. Thread: control.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[1]
HELP_S, WARM_S, FIRST_S, MEMORY_MB = 0.5, 5.0, 90.0, 600.0
PATIENCE_S, PLAYED_S = 900.0, 3.0


def child(model):
    """One stage without a device: prints when what happened, monotonic s, and what it holds."""
    told = []

    def progress(share, text):
        told.append((time.monotonic(), text))
    from engine import session
    imported_s = time.monotonic()
    options = session.Options(set="house", model=model, audio="null")
    with session.play(options, progress) as live:
        origin = live.performance.clock.sample_of(0)
        while live.rig.sample < origin:
            time.sleep(0.001)
        heard_s = time.monotonic()
        time.sleep(PLAYED_S)
        sys.stdout.write(json.dumps({
            "imported_s": imported_s, "heard_s": heard_s, "told": told, "memory_mb": memory_mb(),
            "torch": "torch" in sys.modules, "late_blocks": live.stream.counters()["late_blocks"]}))


def memory_mb():
    """What this process holds in memory, MB."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


def stage(model, cache=None):
    """Runs a child; returns its figures with times from its start."""
    more = {"HIDDENSTAGE_CACHE": str(cache)} if cache else {}
    known = os.environ.get("PYTHONPATH")
    environment = {**os.environ, **more, "PYTHONPATH": os.pathsep.join(
        [str(ROOT)] + ([known] if known else []))}
    line, begin_s = (sys.executable, "-m", "bench.startup", model), time.monotonic()
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S,
                              cwd=ROOT, env=environment)
    except subprocess.TimeoutExpired:
        raise EngineError("bench startup: the stage did not begin to play") from None
    if done.returncode:
        raise EngineError("bench startup: the stage failed: "
                          f"{(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    found["told"] = [(round(at - begin_s, 2), text) for at, text in found["told"]]
    for name in ("imported_s", "heard_s"):
        found[name] = round(found[name] - begin_s, 2)
    return found


def helped():
    """Seconds that `--help` takes."""
    begin_s = time.monotonic()
    subprocess.run((sys.executable, "-m", "engine.cli", "--help"), stdout=subprocess.DEVNULL,
                   check=True, cwd=ROOT)
    return time.monotonic() - begin_s


def silence_s(found):
    """The longest time without a word while sounds were compiled."""
    times = [found["imported_s"], *(at for at, _ in found["told"]), found["heard_s"]]
    return max(b - a for a, b in zip(times, times[1:], strict=False))


def run(quick=False, model="embedded"):
    """`--help`, a first and warm plays, one after the other; quick leaves the first one out."""
    helps, first = [helped() for _ in range(3)], None
    if not quick:
        with tempfile.TemporaryDirectory(prefix="hiddenstage-cache-") as cache:
            first = stage(model, cache)
    stage(model)                          # compiles what is not there yet
    warm = [stage(model) for _ in range(1 if quick else 3)]
    found = {"help_s": round(median(helps), 3), "warm_s": median(w["heard_s"] for w in warm),
             "memory_mb": round(max(w["memory_mb"] for w in warm), 1),
             "torch_in_the_stage": any(w["torch"] for w in warm), "load": os.getloadavg()[0]}
    holds = {f"--help within {HELP_S:g} s": found["help_s"] <= HELP_S,
             f"warm play sounds within {WARM_S:g} s": found["warm_s"] <= WARM_S,
             f"the stage holds less than {MEMORY_MB:g} MB": found["memory_mb"] < MEMORY_MB,
             "the stage does not import torch": not found["torch_in_the_stage"]}
    if first:
        found |= {"first_s": first["heard_s"], "first_imports_s": first["imported_s"],
                  "longest_silence_s": round(silence_s(first), 1), "told": first["told"]}
        holds[f"the first play sounds within {FIRST_S:g} s"] = first["heard_s"] <= FIRST_S
    return found | {"holds": holds}


def table(result):
    """The result for a terminal."""
    rows = [("--help", f"{result['help_s']:.2f} s"), ("warm play to sound",
                                                      f"{result['warm_s']:.1f} s")]
    if "first_s" in result:
        rows += [("first play to sound", f"{result['first_s']:.0f} s, of it "
                  f"{result['first_imports_s']:.0f} s for the engine's own loops"),
                 ("longest wait without a word", f"{result['longest_silence_s']:.0f} s")]
    rows.append(("memory of the stage", f"{result['memory_mb']:.0f} MB"))
    lines = [f"{name:30}{text}" for name, text in rows] + [f"load {result['load']:.1f}"]
    return "\n".join(lines + [f"{'holds' if held else 'FAILS'}: {text}"
                              for text, held in result["holds"].items()])


if __name__ == "__main__":
    child(sys.argv[1])
