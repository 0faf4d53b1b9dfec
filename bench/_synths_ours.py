"""This project's side of `bench synths`: voices in the rig, timed on their own thread.

Run as a program it answers requests, one a line of JSON, so that a process may have a processor
target of its own (NUMBA_CPU_NAME). Thread: control.
"""
import ctypes
import json
import os
import sys
import time

import numpy as np

from engine import rig_words as R
from engine.parts import Fx, Part
from engine.records import NOTE
from engine.render import caller
from engine.rt import LANE, QUANTUM, f32
from engine.sounds import sounds
from engine.table import Rig, Table

RATE_HZ, BLOCK, AHEAD, WARM_S, EVERY_S = 48000, 128, 1024, 1.0, 0.5
PART_VOICES, GOLDEN = 64, 0.618034
LOOP_S = {"string": 4.0, "fm": 1.0}
VALUES = {"string": {"decay_s": 4.0}, "fm": {"ratio": 1.41, "index": 5.0, "decay_s": 1.0},
          "tb303": {"cutoff_hz": 300.0, "resonance": 0.8, "env_mod": 0.6}}
KIT = ("kick", "snare", "clap", "rim", "hat", "openhat", "tom", "cowbell", "ride", "crash",
       "cymbal", "shaker", "conga")


def midi(name, i):
    """The note of voice i: six octaves, two in the bass for an acid line."""
    return 28 + i * 7 % (24 if name == "tb303" else 69)


def hertz(note):
    return 440.0 * 2.0 ** ((note - 69) / 12.0)


def voices(name, count):
    """(Table, notes) of `count` voices, 64 a part, each struck every half second, staggered."""
    starts = range(0, count, PART_VOICES)
    parts = {f"part{k}": Part(sounds()[name], voices=min(PART_VOICES, count - first),
                              level_db=-30.0, pan=k % 5 / 2.5 - 0.8, **VALUES.get(name, {}))
             for k, first in enumerate(starts)}
    return Table(parts), [(i // PART_VOICES, hertz(midi(name, i)), i * GOLDEN % 1.0 * EVERY_S,
                           EVERY_S) for i in range(count)]


def reverbs(name, count):
    """(Table, notes) of one hat into `count` effects of this name, each a send."""
    sends = {f"send{k}": Fx(sounds()[name]) for k in range(count)}
    part = Part(sounds()["hat"], voices=2, **{f"{send}_send": 0.5 for send in sends})
    return Table({"hat": part}, sends), [(0, 440.0, 0.0, EVERY_S)]


def mixed(name, count):
    """(Table, notes) of a whole set: "set" (as supercollider.scd has it) or "budget"."""
    large, known = name == "budget", sounds()
    wanted = {"strings": ("string", 64 if large else 16), "stabs": ("fm", 32 if large else 8)}
    if large and "fm6" in known:
        wanted["bells"] = ("fm6", 8)
    wanted |= {f"acid{k}": ("tb303", 1) for k in range(4 if large else 2)}
    kit = [drum for drum in (KIT if large else ("kick", "clap", "hat")) if drum in known]
    wanted |= {drum: (drum, 2) for drum in kit} | {"pad": ("pad", 12 if large else 4)}
    if large:
        wanted["openhat"] = ("hat", 2)
    parts, notes = {}, []
    for number, (part, (voice, size)) in enumerate(wanted.items()):
        parts[part] = Part(known[voice], voices=size, level_db=-18.0, pan=number % 5 / 2.5 - 0.8,
                           duck=0.0 if part == "kick" else 0.5, reverb_send=0.15, delay_send=0.15,
                           **VALUES.get(voice, {}))
        for i in range(1 if voice in kit else size):
            every = 4.0 if voice == "pad" else EVERY_S
            notes.append((number, hertz(midi(voice, i)), i * GOLDEN % 1.0 * EVERY_S, every))
    table = Table(parts, {"delay": Fx(known["delay"]), "reverb": Fx(known["reverb"])},
                  (known["djfilter"],) if large else (), known["duck"], "kick")
    return table, notes


CASES = {"voices": voices, "effect": reverbs, "set": mixed}


def events(notes, end_s, length_s=None):
    """[(sample, part, pitch_hz, length)] of every note before end_s, in time."""
    return sorted((round((phase_s + turn * every_s) * RATE_HZ), part, pitch_hz,
                   round((length_s or every_s) * RATE_HZ))
                  for part, pitch_hz, phase_s, every_s in notes
                  for turn in range(int(end_s / every_s) + 1))


def sounding(table):
    """How many voices of a table are awake."""
    def at(address, count):
        return np.frombuffer((ctypes.c_int64 * count).from_address(int(address)), np.int64)
    rows = at(table.words[R.PART_ROWS], len(table.parts) * R.PART_WORDS).reshape(-1, R.PART_WORDS)
    return sum(int(at(row[R.VOICES] + 8 * R.ACTIVE * row[R.COUNT], row[R.COUNT]).sum())
               for row in rows)


class Player:
    """A rig on one table that takes its notes as a stage would, a few blocks before they sound."""

    def __init__(self, table, rows, limiter=None):
        self.rig, self.table, self.rows, self.at = Rig(RATE_HZ, 2, limiter), table, rows, 0
        self.rig.load(table)
        self.call = caller(self.rig)
        self.buffer, self.position, self.peak = np.zeros((BLOCK, 2), np.float32), 0, 0.0

    def play(self, seconds):
        """(processor seconds of the rig, voices awake on average)."""
        spent, awake, end = 0.0, [], self.position + round(seconds * RATE_HZ)
        while self.position < end:
            while self.at < len(self.rows) and self.rows[self.at][0] < self.position + 2 * AHEAD:
                sample, part, pitch_hz, length = self.rows[self.at]
                self.rig.push(sample, NOTE, part=part, length=length, pitch_hz=pitch_hz, level=0.8)
                self.at += 1
            begin = time.thread_time()
            for _ in range(0, AHEAD, BLOCK):
                self.call(self.buffer, BLOCK)
            spent += time.thread_time() - begin
            self.position += AHEAD
            self.peak = max(self.peak, float(np.abs(self.buffer).max()))
            self.rig.collect()
            awake.append(sounding(self.table))
        return spent, float(np.mean(awake))


def measure(kind, name, count, seconds):
    """Processor seconds a second of audio, and what was heard, of one case."""
    table, notes = CASES[kind](name, count)
    limiter = sounds()["limiter"] if kind == "set" else None
    player = Player(table, events(notes, seconds + WARM_S), limiter)
    player.play(WARM_S)
    begun = player.position
    spent, awake = player.play(seconds)
    return {"share": spent / ((player.position - begun) / RATE_HZ), "sounding": awake,
            "peak": player.peak, "parts": {n: part.voice.name for n, part in table.parts.items()},
            **player.rig.counters()}


def _renders():
    """A compiled loop over the units of a part, without the rig."""
    from numba import njit

    @njit
    def renders(unit, turns, quanta, count, state, params, pitch, out, dt):
        for _ in range(quanta):
            for v in range(turns):
                R.call_unit(unit, np.int64(2), np.int64(v), count, state, params, pitch, out, dt,
                            f32(0))
    return renders


def split(name, count, seconds):
    """Nanoseconds a voice a quantum: in its own kernel, in the rig around it, and in its strikes.

    the kernel runs over the state that the rig has left, every voice sounding
    """
    table, notes = voices(name, count)
    player = Player(table, events(notes, EVERY_S - 0.001, 4.0))
    player.play(EVERY_S)
    spent, awake = player.play(seconds)
    quanta = max(1, round(seconds * RATE_HZ / QUANTUM))
    rows = (ctypes.c_int64 * (len(table.parts) * R.PART_WORDS)).from_address(
        int(table.words[R.PART_ROWS]))
    rows = np.frombuffer(rows, np.int64).reshape(-1, R.PART_WORDS)
    out, call = np.zeros(QUANTUM * LANE, np.float32), _renders()
    alone = 0.0
    for turn in (1, quanta):
        begin = time.thread_time()
        for row in rows:
            size = int(row[R.COUNT])
            call(int(row[R.UNIT]), size // LANE if row[R.LANES] else size, turn, size,
                 int(row[R.STATE]), int(table.words[R.VALUE]) + 4 * int(row[R.FIRST]),
                 int(row[R.PITCH]), out.ctypes.data, f32(1.0 / RATE_HZ))
            out[:] = 0.0
        alone = time.thread_time() - begin
    struck = measure("voices", name, count, seconds)
    each = 1e9 * QUANTUM / RATE_HZ
    rig, whole = spent / seconds / awake * each, struck["share"] / struck["sounding"] * each
    kernel = alone / quanta / count * 1e9
    return {"kernel_ns": kernel, "rig_ns": rig - kernel, "strikes_ns": whole - rig}


def target():
    """What LLVM compiles for: the processor's name, and the widest vectors it knows."""
    from llvmlite import binding
    name = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    if "NUMBA_CPU_NAME" in os.environ:
        known = {"generic": "sse2", "nehalem": "sse4.2", "haswell": "avx2"}
        return {"processor": name, "vectors": known.get(name, "unknown")}
    has = binding.get_host_cpu_features()
    names = ("avx512f", "avx2", "avx", "sse4.2", "sse2", "sve", "neon")
    return {"processor": name, "vectors": next((n for n in names if has.get(n)), "none")}


REQUESTS = {"measure": measure, "split": split, "target": target}


def main():
    for line in sys.stdin:
        name, values = json.loads(line)
        sys.stdout.write(json.dumps(REQUESTS[name](**values)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
