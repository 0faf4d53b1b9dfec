"""This project's side of `bench synths`: voices in the rig, timed on their own thread.

Run as a program it answers requests, one a line of JSON, so that a process may have a processor
target of its own (NUMBA_CPU_NAME). Thread: control.
"""
import ctypes
import functools
import json
import os
import sys
import time

import numpy as np

from engine import rig_words as R
from engine import sounds as finder
from engine.compiling import compile_missing
from engine.parts import Fx, Part
from engine.records import NOTE
from engine.render import caller
from engine.table import Rig, Table
from engine.unit import unit_of
from engine.voice import Voice

RATE_HZ, BLOCK, AHEAD, WARM_S, EVERY_S = 48000, 128, 1024, 1.0, 0.5
PART_VOICES, GOLDEN = 64, 0.618034
VALUES = {"string": {"decay_s": 4.0}, "fm": {"ratio": 1.41, "index": 5.0, "decay_s": 1.0},
          "tb303": {"cutoff_hz": 300.0, "resonance": 0.8, "env_mod": 0.6}}
sounds = functools.cache(finder.sounds)
KIT = ("kick", "snare", "clap", "rim", "hat", "openhat", "tom", "cowbell", "crash", "maracas")


def midi(name, i):
    """The note of voice i, over six octaves, or two in the bass for an acid line; the first 33."""
    return 28 + (5 + i * 7) % (24 if name == "tb303" else 69)


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


def effects(name, count):
    """(Table, notes) of one hat into `count` effects of this name, each a send."""
    sends = {f"send{k}": Fx(sounds()[name]) for k in range(count)}
    part = Part(sounds()["hat"], voices=2, **{f"{send}_send": 0.5 for send in sends})
    return Table({"hat": part}, sends), [(0, 440.0, 0.0, EVERY_S)]


def mixed(name, count):
    """(Table, notes) of a whole set, as supercollider.scd has it, with `count` acid lines.

    Four voices of a 303 are four parts, each with its own knobs, or one; "fm6" where there is one.
    """
    known, wanted = sounds(), {"strings": ("string", 64), "stabs": ("fm", 32), "pad": ("pad", 4)}
    wanted |= {"bells": ("fm6", 8)} if "fm6" in known else {}
    wanted |= {f"acid{k}": ("tb303", 4 // count) for k in range(count)}
    wanted |= {drum: ("hat" if drum == "openhat" else drum, 2) for drum in KIT}
    parts, notes = {}, []
    for number, (part, (voice, size)) in enumerate(wanted.items()):
        parts[part] = Part(known[voice], voices=size, level_db=-18.0, pan=number % 5 / 2.5 - 0.8,
                           duck=0.0 if part == "kick" else 0.5, reverb_send=0.15, delay_send=0.15,
                           **VALUES.get(voice, {}))
        every = 4.0 if voice == "pad" else EVERY_S
        notes += [(number, hertz(midi(voice, i)), i * GOLDEN % 1.0 * every, every)
                  for i in range(1 if part in KIT else size)]
    table = Table(parts, {"delay": Fx(known["delay"]), "reverb": Fx(known["reverb"])},
                  (known["djfilter"],), known["duck"], "kick")
    return table, notes


CASES = {"voices": voices, "effect": effects, "set": mixed}


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
        self.buffer, self.position, self.peak = np.zeros((AHEAD, 2), np.float32), 0, 0.0

    def play(self, seconds, keep=None):
        """(processor seconds of the rig, voices awake on average); keep(block) hears it."""
        spent, awake, end = 0.0, [], self.position + round(seconds * RATE_HZ)
        while self.position < end:
            while self.at < len(self.rows) and self.rows[self.at][0] < self.position + 2 * AHEAD:
                sample, part, pitch_hz, length = self.rows[self.at]
                self.rig.push(sample, NOTE, part=part, length=length, pitch_hz=pitch_hz, level=0.8)
                self.at += 1
            begin = time.thread_time()
            for at in range(0, AHEAD, BLOCK):
                self.call(self.buffer[at:], BLOCK)
            spent += time.thread_time() - begin
            if keep:
                keep(self.buffer.copy())
            self.position += AHEAD
            self.peak = max(self.peak, float(np.abs(self.buffer).max()))
            self.rig.collect()
            awake.append(sounding(self.table))
        return spent, float(np.mean(awake))


def measure(kind, name, count, seconds):
    """Processor seconds a second of audio, and what was heard, of one case.

    sounding  the voices awake on average, or the effects
    """
    table, notes = CASES[kind](name, count)
    limiter = sounds()["limiter"] if kind == "set" else None
    player = Player(table, events(notes, seconds + WARM_S), limiter)
    player.play(WARM_S)
    spent, awake = player.play(seconds)
    share = spent / seconds
    return {"share": share, "sounding": count if kind == "effect" else awake, "peak": player.peak,
            "parts": {n: f"{part.voices} {part.voice.name}" for n, part in table.parts.items()},
            **player.rig.counters()}


def heard(name, seconds):
    """(samples, 2): one voice, or one effect behind a hat, from its first strike on."""
    kind = "voices" if isinstance(sounds()[name], Voice) else "effect"
    table, notes = CASES[kind](name, 1)
    player, blocks = Player(table, events(notes, seconds)), []
    for _ in range(round(seconds * RATE_HZ / AHEAD)):
        player.play(AHEAD / RATE_HZ, blocks.append)
    return np.concatenate(blocks)


def load():
    """Every sound compiled, or read from the cache: how many, and the processors' time so far."""
    known = sounds()
    compile_missing(known.values(), lambda text: None)
    for sound in known.values():
        unit_of(sound)
    return {"sounds": len(known), "processor_s": sum(os.times()[:4])}


def target():
    """What LLVM compiles for: the processor's name, and the widest vectors it knows."""
    from llvmlite import binding
    has = binding.get_host_cpu_features()
    if os.environ.get("NUMBA_CPU_NAME"):
        has = {one.strip("+"): True for one in os.environ["NUMBA_CPU_FEATURES"].split(",")}
    names = ("avx512f", "avx2", "avx", "sse4.2", "sse2", "sve", "neon")
    return {"processor": os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name(),
            "vectors": next((n for n in names if has.get(n)), "none")}


REQUESTS = {"measure": measure, "load": load, "target": target}


def main():
    for line in sys.stdin:
        name, values = json.loads(line)
        sys.stdout.write(json.dumps(REQUESTS[name](**values)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
