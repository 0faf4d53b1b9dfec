"""The rig and sounds that are not compiled yet, compiled by as many processes as there are cores.
Thread: control.

A process takes one after the other and leaves the code in the kernel cache, where everyone finds
it. What it cannot compile (a voice in a performer's own file, a mistake) is left to the caller.
"""
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress

from engine.model.process import environment
from engine.unit import compiled_code, module_of, units_folder

PROCESSES = 8                             # at most: each takes up to 510 MB
RIG = "engine.rig_process"
# reads names of modules, imports each, says when it has and whether that went well
LOOP = """
import importlib, sys
import engine.unit
sys.path.append(sys.argv[1])
for line in sys.stdin:
    try:
        importlib.import_module(line.strip())
        print("is ready", flush=True)
    except Exception:
        print("does not compile", flush=True)
"""


def cores():
    """How many this process may use."""
    known = getattr(os, "sched_getaffinity", None)       # not on macOS
    return len(known(0)) if known else os.cpu_count() or 1


def compile_missing(sounds, progress):
    """Compiles what the cache does not have of the rig and the sounds, side by side.

    progress(text) is called when one is done; an interrupt ends the processes. A single one, or all
    on a single core, is left to the caller
    """
    longest_first = sorted(sounds, key=lambda sound: getattr(sound, "shape", "") != "wide")
    known = compiled_code()
    missing = {} if "rig_process.process" in known else {RIG: "the rig"}
    missing |= {name: sound.name for sound in longest_first
                if f"{(name := module_of(sound))}.unit" not in known}
    count = min(cores(), len(missing), PROCESSES)
    if count < 2:
        if missing:
            progress(f"compiling {next(iter(missing.values()))}")
        return
    own, children = threading.local(), []

    def begin():
        own.child = subprocess.Popen(
            [sys.executable, "-c", LOOP, str(units_folder())], stdin=subprocess.PIPE, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(1))
        children.append(own.child)

    def compiled(name):
        with suppress(OSError):                           # one that has ended
            print(name, file=own.child.stdin, flush=True)
        return own.child.stdout.readline().strip() or "has to wait"

    pool = ThreadPoolExecutor(count, initializer=begin)
    try:
        jobs = {pool.submit(compiled, name): what for name, what in missing.items()}
        for done, job in enumerate(as_completed(jobs), start=1):
            progress(f"compiling: {jobs[job]} {job.result()}, {done} of {len(jobs)}")
    finally:
        for child in children:
            child.kill()
        pool.shutdown(cancel_futures=True)
        for child in children:
            child.communicate()
