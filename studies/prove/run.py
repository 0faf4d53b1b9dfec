"""The command's work: the suite's report as data, as words, as files. Thread: control."""
import dataclasses
import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path

from engine import console, sets
from engine.errors import EngineError
from studies.prove import fidelity, rehearse
from studies.prove import report as words
from studies.prove.suite import Options, Suite
from studies.prove.takes import NEEDS_MODEL, TakeSuite

READ, CLEAR = 0.6, 0.01                   # partial R2 of a feature that is read back; p of domains


def run(options, report):
    """The report of a set, as data."""
    begin, cpu = time.monotonic(), time.process_time()
    suite = (TakeSuite if options.take else Suite)(options, report)
    try:
        found = suite.run()
    finally:
        if suite.model:
            suite.model.close()
    claimed(suite, found)
    made = suite.made
    return {
        "set": made.name, "set_hash": hashlib.sha256(made.source.encode()).hexdigest()[:16],
        "model": made.model, "take": options.take, "version": version("hiddenstage"),
        "weight_hash": getattr(getattr(suite, "stage", None), "descriptor", None)
        and suite.stage.descriptor.weight_hash,
        "seed": made.seed, "noise_seed": made.noise_seed, "bars": suite.bars,
        "records": sum(map(len, suite.frames)),
        "texts": [] if options.take else [
            {"prompt": text, "tokens": tokens, "said": said[:300]} for text, tokens, said in zip(
                suite.stage.texts, suite.stage.lengths, suite.stage.said, strict=True)],
        "passed": all(m.passed or m.decorative for m in suite.mappings) and all(
            check.passed is not False for check in suite.checks),
        "mappings": [described(m) for m in (*suite.mappings, *suite.absent)],
        "checks": [vars(check) for check in suite.checks], "fidelity": found,
        "claims": made.claims, "seconds": time.monotonic() - begin,
        "cpu_seconds": time.process_time() - cpu}


def claimed(suite, found):
    """The set's claims against what was read back from the sound."""
    claims, domains = suite.made.claims, found.get("domains") or {}
    counted = [row["name"] for row in found.get("features", ()) if row["r2"] is not None
               and row["r2"] >= READ and row["r2"] > row["shuffled"]]
    clear = domains and domains["p"] < CLEAR
    for name, value, more in (
            ("features", len(counted), ", ".join(counted)),
            ("domains", domains.get("accuracy"), f"p = {domains['p']:.3f}" if domains else "")):
        least = claims.get(name)
        if least is None:
            continue
        test, limit = f"claimed: {name} told from the sound", f">= {least:g}"
        if not found:
            suite.add(test, None, limit, None, NEEDS_MODEL if suite.options.take else
                      "not measured: without the sound")
        else:
            suite.add(test, value, limit, value >= least and (name == "features" or clear), more)


def described(m):
    """A mapping as data."""
    return {"name": m.name, "kind": m.kind, "reads": list(m.reads), "decorative": m.decorative,
            "passed": m.passed, "checks": [vars(check) for check in m.checks], "dose": m.dose}


def prove(name, report, model=None, take=None, to_json=None, to_html=None, abx=None, sound=True,
          prompts=None):
    """Proves a set and writes what was asked for; returns (passed, the report in words)."""
    for path in (to_json, to_html):       # what cannot be written is said before the work
        if path is not None and not Path(path).parent.is_dir():
            raise EngineError(f"{path}: there is no folder {Path(path).parent}")
    if prompts is not None:
        if take or abx or not sound:
            raise EngineError("--prompts are told from the sound of the model: leave out --take, "
                              "--abx and --no-sound")
        prompts = fidelity.domains(prompts)
    options = Options(str(name), model, take and str(take), fidelity=sound, prompts=prompts)
    if abx is not None:
        return True, kit(options, abx, report)
    found = run(options, report)
    if to_json is not None:
        Path(to_json).write_text(json.dumps(console.plain(found), indent=1) + "\n", "utf-8")
    if to_html is not None:
        from studies.prove.page import page
        Path(to_html).write_text(page(found), "utf-8")
    return found["passed"], words.table(found)


def kit(options, folder, report):
    """Writes a listening kit; returns what it is, in words."""
    from studies.prove import abx
    made = sets.load(options.set)
    made = dataclasses.replace(made, model=options.model) if options.model else made
    model = rehearse.Model(made, report)
    try:
        found = abx.write(folder, made, tuple(model.meter.names), model.frames_of,
                          list(rehearse.TEXTS), report=report)
    finally:
        model.close()
    return (f"{folder}: {len(found['trials'])} trials; answers.json says which X is which, "
            "README.txt how to judge")
