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
from engine.object_code import is_kept
from engine.table import RIG
from engine.unit import is_compiled, module_of, units_folder

PROCESSES = 8                             # at most: each takes up to 510 MB
# reads modules and names of C functions, compiles each, says when it has and whether it went well
LOOP = """
import sys
from engine.object_code import c_function
sys.path.append(sys.argv[1])
for line in sys.stdin:
    try:
        c_function(*line.split())
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
    missing = {} if is_kept(*RIG) else {RIG: "the rig"}
    missing |= {(module_of(sound), "unit"): sound.name for sound in longest_first
                if not is_compiled(sound)}
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

    def compiled(what):
        with suppress(OSError):                           # one that has ended
            print(*what, file=own.child.stdin, flush=True)
        return own.child.stdout.readline().strip() or "has to wait"

    pool = ThreadPoolExecutor(count, initializer=begin)
    try:
        jobs = {pool.submit(compiled, what): name for what, name in missing.items()}
        for done, job in enumerate(as_completed(jobs), start=1):
            progress(f"compiling: {jobs[job]} {job.result()}, {done} of {len(jobs)}")
    finally:
        for child in children:
            child.kill()
        pool.shutdown(cancel_futures=True)
        for child in children:
            child.communicate()
