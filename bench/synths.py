"""Voices a core of this engine beside SuperCollider and Faust, and what a whole mixed set costs.

All play the same notes at 48 kHz; processor time is measured, the runs go round in turns and the
median counts. Every figure is the difference of two sizes, so that what is there once is not
counted: ours of 64 and 256 voices in parts of 64 in the whole rig, with events, smoothing, steals,
strips, panning and the sum. Of all ways of a peer to play a voice the cheapest counts. Reverbs are
few, as in a set: many share no cache. tb303 stands beside SuperCollider's MoogFF, tb303_rlpf beside
two of its cheapest filters. Thread: control.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, median

from bench._synths_peers import Faust, SuperCollider, missing
from engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[1]
VOICES, EFFECTS, SECONDS, REPEATS, ROUNDS, QUICK_ROUNDS = (64, 256), (1, 3), 2.5, 4, 3, 1
CASES = {"string": ("voices", VOICES), "fm": ("voices", VOICES), "tb303": ("voices", VOICES),
         "reverb": ("effect", EFFECTS)}
SAME = {"reverb_plate": "reverb", "tb303_rlpf": "tb303"}      # what of ours stands beside these
SETS = (4, 1)                              # parts of the set's four acid voices
HASWELL = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}   # else AVX-512 stays
RATIOS = {"supercollider": ("string", "fm", "tb303", "tb303_rlpf"),
          "faust": ("string", "fm", "tb303", "reverb", "reverb_plate")}
BUDGET = "64 string, 32 fm, 8 fm6, 4 tb303, 10 drums, pad, delay, reverb, master"


class Ours:
    """A process of ours for one processor target and one kernel cache."""

    name = "ours"

    def __init__(self, **environment):
        known = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            (sys.executable, "-m", "bench._synths_ours"), text=True, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(known)})

    def ask(self, name, /, **values):
        self.child.stdin.write(json.dumps((name, values)) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise EngineError("bench synths: our own process ended; its reason is above")
        return json.loads(line)

    def each(self, case):
        """Processor seconds a voice and second of audio, or those of a whole set; both sizes in
        turns, because what others do on the machine comes and goes within seconds."""
        if case.startswith("set"):
            return fmean(self.measure("set", "set", int(case[3:]))["share"] for _ in range(REPEATS))
        kind, sizes = CASES[case]
        few, many = zip(*([self.measure(kind, case, count) for count in sizes]
                          for _ in range(REPEATS)), strict=True)
        more = [fmean(run[what] for run in many) - fmean(run[what] for run in few)
                for what in ("share", "sounding")]
        return more[0] / more[1]

    def measure(self, kind, name, count):
        return self.ask("measure", kind=kind, name=name, count=count, seconds=SECONDS)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def compiled(cache):
    """Seconds until every sound is ready, from nothing and again, the start of Python included."""
    found = {}
    for name in ("cold", "warm"):
        ours = Ours(HIDDENSTAGE_CACHE=str(cache))
        told = ours.ask("load")
        found |= {f"{name}_s": time.monotonic() - ours.began, "sounds": told["sounds"],
                  f"{name}_processor_s": told["processor_s"]}
        ours.close()
    return found


def in_turns(ours, programs, turns):
    """{(who, case): (processor seconds a voice, of which way)}, and every sample, all in turns."""
    jobs = [(target, case, "rig", one.each, (case,)) for target, one in ours.items()
            for case in (*CASES, *(f"set{count}" for count in SETS))]
    jobs += [(who, program.case, program.name, program.each, ())
             for who, group in programs.items() for program in group]
    found = {}
    for _ in range(turns):
        for who, case, name, measure, words in jobs:
            found.setdefault((who, case), {}).setdefault(name, []).append(measure(*words))
    return {key: min((median(values), name) for name, values in ways.items())
            for key, ways in found.items()}, found


def figures(best, ours, supercollider, faust):
    """The result's numbers for one target: who plays for us, and beside whom."""
    names = {"ours": ours, "supercollider": supercollider, "faust": faust}
    each = {who: {case: value for (one, case), (value, _) in best.items() if one == name}
            for who, name in names.items()}
    each["ours"] |= {case: each["ours"][same] for case, same in SAME.items()}
    ratios = {f"ratio_{who}": {case: round(each[who][case] / each["ours"][case], 2)
                               if case in each[who] else None for case in cases}
              for who, cases in RATIOS.items()}
    whole, theirs = each["ours"], each["supercollider"]
    sets = {count: round(theirs[f"set{count}"] / whole[f"set{count}"], 2)
            if f"set{count}" in theirs else None for count in SETS}
    return ratios | {
        "voices_per_core": {who: {case: round(1.0 / value) for case, value in values.items()
                                  if not case.startswith("set") and (
                                      who != "ours" or case not in SAME)}
                            for who, values in each.items()},
        "set_percent_of_core": round(100.0 * whole["set4"], 3),
        "set_ratio_supercollider": sets[4],
        "set_one_acid_part": {"percent_of_core": round(100.0 * whole["set1"], 3),
                              "ratio_supercollider": sets[1]}}


def run(quick=False, rounds=ROUNDS):
    """Every case; quick takes one round and does not compile from cold."""
    absent, turns = missing(), QUICK_ROUNDS if quick else rounds
    with tempfile.TemporaryDirectory(prefix="hiddenstage-synths-") as folder:
        cache = {} if quick else {"HIDDENSTAGE_CACHE": str(Path(folder) / "cache")}
        times = {} if quick else compiled(Path(folder) / "cache")
        ours = {"ours": Ours(**cache), "ours on haswell": Ours(**HASWELL)}
        try:
            targets = {name: one.ask("target") for name, one in ours.items()}
            parts = ours["ours"].ask("measure", kind="set", name="set", count=4, seconds=0.1)
            six = any("fm6" in part for part in parts["parts"].values())
            programs, about = _programs(folder, absent, "set6" if six else "set", quick)
            best, samples = in_turns(ours, programs, turns)
        finally:
            for one in ours.values():
                one.close()
    vectors = "SSE2, the distribution's build" if "supercollider" in about else None
    more = {"supercollider": vectors, "faust": "-march=native" if "faust" in about else None}
    return figures(best, "ours", "supercollider", "faust") | {
        "instruction_set": {"ours": targets["ours"], **more},
        "haswell": figures(best, "ours on haswell", "supercollider", "faust on haswell") | {
            "instruction_set": {"ours": targets["ours on haswell"], **more,
                                **({"faust": "-march=haswell"} if "faust" in about else {})}},
        "set": {"budget": BUDGET, "parts": parts["parts"], "left_out": [] if six else ["8 fm6"]},
        "compile": times, "peers": about, "missing": absent, "rounds": turns,
        "ways": ways_of(samples),
        "load": os.getloadavg()[0]}


def ways_of(samples):
    """Voices a core (of a set percent of a core) of every way of everyone: median and ends."""
    found = {}
    for (who, case), ways in samples.items():
        for name, each in ways.items():
            low, middle, high = (100.0 * x if case.startswith("set") else 1.0 / x
                                 for x in (min(each), median(each), max(each)))
            found.setdefault(who, {})[f"{case}: {name}"] = {
                "median": round(middle, 2), "ends": sorted((round(low, 2), round(high, 2)))}
    return found


def _programs(folder, absent, whole, quick):
    """Who plays what, and what they say of themselves."""
    found, about = {}, {}
    if "supercollider" not in absent:
        peer = SuperCollider(folder, tuple((whole, count) for count in SETS))
        found["supercollider"], about["supercollider"] = peer.ready(), peer.about()
    if "faust" not in absent:
        peer = Faust(folder, 1 if quick else 2)
        found["faust"], about["faust"] = peer.ready(), peer.about()
        if os.uname().machine == "x86_64":
            found["faust on haswell"] = peer.ready("haswell")
    return found, about


def _block(title, found):
    """A target's lines: voices a core of each, and our lead."""
    lines = [title, f"{'voices a core':14}{'ours':>9}{'scsynth':>10}{'':>7}{'Faust':>9}"]
    per = found["voices_per_core"]
    for case in dict.fromkeys((*RATIOS["supercollider"], *RATIOS["faust"])):
        ours = per["ours"][SAME.get(case, case)]
        cells = f"{case.replace('_', ' '):14}{ours:>9}"
        for who in ("supercollider", "faust"):
            lead = found[f"ratio_{who}"].get(case)
            cells += f"{per[who].get(case, '-'):>10}{f' {lead:>4.1f} x' if lead else '':7}"
        lines.append(cells.rstrip())
    four, one = found["set_ratio_supercollider"], found["set_one_acid_part"]
    for title, percent, lead in (
            ("set, 4 acid parts", found["set_percent_of_core"], four),
            ("set, 1 acid part", one["percent_of_core"], one["ratio_supercollider"])):
        lines.append(f"{title:18} {percent:.2f} % of a core"
                     + (f", scsynth's takes {lead:.2f} times as much" if lead else ""))
    return lines


def table(result):
    """The result for a terminal."""
    lines = []
    for found in (result, result["haswell"]):
        kind = found["instruction_set"]
        lines += _block(f"ours: {kind['ours']['processor']}, {kind['ours']['vectors']}; scsynth: "
                        f"{kind['supercollider'] or 'absent'}; Faust: {kind['faust'] or 'absent'}",
                        found)
        lines.append("")
    if left := result["set"]["left_out"]:
        lines.append(f"the set is without {', '.join(left)}: no such sound here")
    if times := result["compile"]:
        lines.append(f"every sound ({times['sounds']}) compiled from nothing in "
                     f"{times['cold_s']:.0f} s, read again in {times['warm_s']:.1f} s")
    lines += [f"{name}: not here; install {packages}"
              for name, packages in result["missing"].items()]
    lines += [f"{name}: {text}" for name, text in result["peers"].items()]
    return "\n".join([*lines, f"load {result['load']:.1f}, {result['rounds']} rounds"])
