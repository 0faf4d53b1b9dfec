"""Looks at a machine: what is there, what is missing, and what to do about it. Thread: control.

A check that must hold for playing is "bad" when it fails; one that makes things better is "note".
"""
import os
import platform
import resource
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from engine.errors import EngineError

RING_MB = 128                             # shared memory that two workers may map
CACHE_MB = 200                            # compiled kernels of a few source states


@dataclass(frozen=True)
class Check:
    """state "ok", "note" or "bad"; advice says what to do when it is not ok."""
    name: str
    state: str
    found: str
    advice: str = ""


def _verdict(name, good, found, advice, bad="bad"):
    return Check(name, "ok", found) if good else Check(name, bad, found, advice)


def python():
    version = platform.python_version()
    return _verdict("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or 3.12")


def packages():
    """The distribution's own requirements against what is installed."""
    wrong, count = [], 0
    for line in metadata.requires("hiddenstage") or []:
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            version = None
        if version is None or not need.specifier.contains(version, prereleases=True):
            wrong.append(f"{need.name} {version or 'missing'} (needs {need.specifier})")
    return _verdict("packages", not wrong, ", ".join(wrong) or f"{count} as required",
                    "remove .venv and run ./stage again")


def kernels():
    """The cache of compiled kernels of this source."""
    try:
        from engine.rt import cache_folder
    except ImportError as error:
        return Check("kernels", "bad", f"numba does not load: {error}",
                     "remove .venv and run ./stage again")
    folder = cache_folder()
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(parent, os.W_OK):
        return Check("kernels", "bad", f"{parent} is not writable",
                     "set HIDDENSTAGE_CACHE to a folder that is")
    files = list(folder.glob("objects/*.o"))
    mb = sum(file.stat().st_size for file in files) / 1e6
    return _verdict("kernels", files, f"{len(files)} compiled, {mb:.1f} MB in {folder}",
                    "the first play compiles them, once, in about a minute", "note")


def sound():
    try:
        from engine.stream import devices
        found = devices()
    except (EngineError, OSError) as error:
        return Check("sound", "note", str(error),
                     "install libportaudio2; without it `play` renders to a file")
    return _verdict("sound", found, f"{len(found)} devices", "plug one in or start a sound server; "
                    "without one `play` renders to a file", "note")


def jack():
    from engine.jack import library
    path = shutil.which("jackd")
    found = f"libjack; {path or 'no jackd here (PipeWire will do)'}" if library() else "no libjack"
    return _verdict("JACK", library(), found, "for sample-exact MIDI and a port a part: install "
                    "jackd2 or pipewire-jack", "note")


def priority():
    if sys.platform != "linux":
        return Check("real time", "ok", "given by the system")
    allowed = os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] != 0
    return _verdict("real time", allowed, "allowed" if allowed else "not allowed", "join the group "
                    "audio and give it rtprio 95 in /etc/security/limits.d", "note")


def shared_memory():
    from engine.ring import shared_folder
    folder = shared_folder()
    free_mb = shutil.disk_usage(folder).free / 1e6
    return _verdict("shared memory", free_mb > RING_MB, f"{free_mb:.0f} MB free in {folder}",
                    f"free {RING_MB} MB there: the model's records cross it")


def disk():
    free_mb = shutil.disk_usage(Path.cwd()).free / 1e6
    return _verdict("disk", free_mb > CACHE_MB, f"{free_mb:.0f} MB free here",
                    "takes and WAV files need room: 12 MB a minute", "note")


def model():
    folder = Path(__file__).parent / "model" / "embedded"
    found = list(folder.glob("*.safetensors"))
    mb = sum(file.stat().st_size for file in found) / 1e6
    return _verdict("embedded model", found, f"{mb:.1f} MB" if found else "missing",
                    "this copy is incomplete: clone it again, or play --model FOLDER")


def terminal():
    size, encoding = shutil.get_terminal_size(), (sys.stderr.encoding or "").lower()
    if not sys.stderr.isatty():
        return Check("terminal", "note", "none", "the view is one plain line a bar")
    good = size.columns >= 60 and size.lines >= 16 and encoding.startswith("utf")
    return _verdict("terminal", good, f"{size.columns} x {size.lines}, {encoding or 'no encoding'}",
                    "the view likes 60 x 16 and UTF-8", "note")


CHECKS = (python, packages, kernels, sound, jack, priority, shared_memory, disk, model, terminal)


def examine():
    """Every check, in order."""
    return [check() for check in CHECKS]


def healthy(found):
    return all(check.state != "bad" for check in found)


def table(found):
    """Two columns and, under what is not right, what to do."""
    lines = []
    for check in found:
        lines.append(f"{check.state:5} {check.name:15} {check.found}")
        if check.advice:
            lines.append(f"{'':21} {check.advice}")
    return "\n".join(lines)
