"""The peers of `bench synths`: programs of theirs that play the same voices, timed as children.

A run's cost is the processor time of its process; what it takes to start falls out of the
difference of two runs. Thread: control.
"""
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.errors import EngineError

SOURCES, RATE_HZ, SECONDS = Path(__file__).parent / "synths_peers", 48000, 10
SPAN = {"tb303": 24}                       # semitones the notes are spread over; others 69
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Program:
    """One way of a peer to play a case: line(voices, seconds), and two sizes to compare."""

    case: str
    name: str
    line: Callable
    small: tuple
    large: tuple

    def each(self, share=1.0):
        """Processor seconds of one voice (or the whole set) for one second of audio."""
        (few, short), (many, long) = ((count, seconds * share) for count, seconds in (
            self.small, self.large))
        spent = processor_s(self.line(many, long)) - processor_s(self.line(few, short))
        return spent / (many * long - few * short)


def processor_s(line):
    """The processor time of a program that must end well, user and system."""
    child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise EngineError(f"bench synths: {' '.join(line)} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime


def told(line, **more):
    """What a program says; an EngineError with its last words when it fails."""
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S,
                          stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no reason given"]
        raise EngineError(f"bench synths: {line[0]}: {last[0]}")
    return done.stdout.strip()


class SuperCollider:
    """scsynth's mode for scores, blocks of 128 (its own 64 is slower), one synth a voice."""

    name, package = "supercollider", "supercollider-server supercollider-language"
    programs = ("scsynth", "sclang")
    sizes = {"string": (60, 300), "string_shared": (60, 300), "fm": (100, 600),
             "tb303": (40, 200), "tb303_rlpf": (60, 300), "reverb": (1, 9)}
    kinds = {"string_shared": "string"}
    alike = {"string": "string_shared", "fm": "fm", "tb303": "tb303", "reverb": "reverb"}

    def __init__(self, folder, sets=()):
        """Writes every score; sets are names of whole sets with their count, as ("set", 4)."""
        self.folder, self.sets = Path(folder), sets
        words = [f"{name}:{count}:{SECONDS}" for name, two in self.sizes.items() for count in two]
        words += [f"{name}:1:2" for name in self.sizes]
        words += [f"{name}:{count}:{seconds}" for name, count in sets
                  for seconds in (2, 2 + SECONDS)]
        config = self.folder / "sclang.yaml"
        config.write_text("includePaths: []\nexcludePaths: []\npostInlineWarnings: false\n")
        aside = {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(folder),
                 "QTWEBENGINE_DISABLE_SANDBOX": "1", "HOME": str(folder)}
        done = subprocess.run(
            ("sclang", "-l", str(config), str(SOURCES / "supercollider.scd"), str(folder), *words),
            env={**os.environ, **aside}, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S)
        scores = [self.folder / f"{word.replace(':', '_')}.osc" for word in words]
        if not all(score.exists() for score in scores):    # it may fall at its end, all written
            raise EngineError(f"bench synths: sclang wrote no scores: {done.stdout[-300:]}")

    def line(self, name, count, seconds, out="out.wav"):
        score = str(self.folder / f"{name}_{count}_{seconds:g}.osc")
        return ("scsynth", "-N", score, "_", str(self.folder / out), str(RATE_HZ), "WAV",
                "float", "-o", "2", "-z", "128", "-m", "1048576", "-n", "32768", "-w", "256",
                "-D", "0", "-V", "-1")

    def ready(self):
        """Every way of every case; a whole set is one voice of two lengths."""
        found = [Program(self.kinds.get(name, name), name, partial(self.line, name),
                         *((count, SECONDS) for count in two)) for name, two in self.sizes.items()]
        for name, parts in self.sets:
            found.append(Program(f"set{parts}", name, lambda count, seconds, name=name, parts=parts:
                                 self.line(name, parts, seconds), (1, 2), (1, 2 + SECONDS)))
        return found

    def heard(self, name):
        """(samples, channels): two seconds of one voice of this program."""
        import soundfile
        told(self.line(name, 1, 2, f"{name}.wav"))
        return soundfile.read(self.folder / f"{name}.wav")[0]

    @staticmethod
    def about():
        return told(("scsynth", "-v")).splitlines()[0].split(" (")[0]


class Faust:
    """C++ of Faust, every way of building it that was ever the best: the best of a trial stays."""

    name, package = "faust", "faust g++ (clang too, where it makes the better program)"
    programs = ("faust", "g++")
    # voices: whole programs of 32
    vectors = "-vec -vs 32 -lv 1"
    sizes = {"string": (64, 384), "fm": (64, 512), "fm_table": (64, 512), "tb303": (64, 384),
             "reverb": (1, 9), "reverb_plate": (1, 13)}
    kinds = {"fm_table": "fm"}
    alike = {name: name for name in ("string", "fm", "tb303", "reverb")}

    def __init__(self, folder, keep=2):
        self.folder, self.keep, self.best = Path(folder), keep, {}

    def build(self, name, voices, flags, compiler, processor="native"):
        """The path of a program, built once."""
        tag = "_".join((name, str(voices), flags.split()[0].strip("-"), compiler, processor))
        path = self.folder / tag
        if not path.exists():
            source = (SOURCES / f"{name}.dsp").read_text().replace("VOICES", str(voices))
            path.with_suffix(".dsp").write_text(source)
            told(("faust", *flags.split(), "-a", str(SOURCES / "faust.cpp"), "-o", f"{path}.cpp",
                  f"{path}.dsp"))
            told((compiler, "-std=c++17", "-O3", f"-march={processor}", "-ffast-math",
                  "-o", str(path), f"{path}.cpp"))
        return path

    def program(self, name, way, processor="native"):
        path, span = self.build(name, *way, processor), str(SPAN.get(name, 69))
        return Program(self.kinds.get(name, name), path.name,
                       lambda count, seconds: (str(path), str(count), str(seconds), span),
                       *((count, SECONDS) for count in self.sizes[name]))

    def ready(self, processor="native"):
        """The best of all ways for each case; for another processor the same ways, built for it."""
        with ThreadPoolExecutor(2) as pool:
            if not self.best:
                self._try(pool)
            ways = [(name, way, processor) for kept in self.best.values() for name, way in kept]
            return list(pool.map(lambda words: self.program(*words), ways))

    def _try(self, pool):
        ways = [(name, (voices, flags, compiler)) for name in self.sizes
                for voices in ((1,) if name.startswith("reverb") else (1, 32))
                for flags in ("-scal", self.vectors) for compiler in compilers()]
        programs = list(pool.map(lambda words: self.program(*words), ways))
        found = sorted((program.each(0.2), n) for n, program in enumerate(programs))
        for _, n in found:
            kept = self.best.setdefault(programs[n].case, [])
            if len(kept) < self.keep:
                kept.append(ways[n])

    def heard(self, name):
        """(samples, 1): two seconds of one voice of this program; the last block is cut."""
        import numpy as np
        path, out = self.build(name, 1, self.vectors, "g++"), self.folder / f"{name}.f32"
        told((str(path), "1", "2", str(SPAN.get(name, 69)), str(out)))
        return np.fromfile(out, np.float32).reshape(-1, 1)

    @staticmethod
    def about():
        words = [told((one, "--version")).splitlines()[0] for one in ("faust", *compilers())]
        return ", ".join(words)


def compilers():
    """g++, and the newest clang++ there is."""
    clangs = [f"clang++-{n}" for n in range(25, 13, -1)] + ["clang++"]
    return ("g++", *[one for one in clangs if shutil.which(one)][:1])


PEERS = (SuperCollider, Faust)


def missing():
    """Peer's name -> what to install, for those that are not here."""
    return {peer.name: peer.package for peer in PEERS
            if not all(shutil.which(program) for program in peer.programs)}
