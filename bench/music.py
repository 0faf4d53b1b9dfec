"""Is it music? Patterns against corpus bands, harmony, form and alignment with the text, on ten
prompts; with planted failures that must be caught, without a model, and with a slow one.

    python -m bench.music [--json] [--quick] [--frames FILE] [--model M]

--frames keeps the model's frames for the next run. Thread: control.
"""
import argparse
import json
import math
import sys
import time
import zlib
from dataclasses import asdict
from pathlib import Path

from bench._patterns import STEPS, mean
from bench._performance import Performance, numbers
from engine.errors import ModelError
from engine.mapping import Note, Step
from engine.records import CALIBRATION, Frame
from engine.sets import load

BARS, TOKENS_PER_BAR, BPM = 128, 8, 124.0
RATES = (0.5, 2.0, 5.0, 50.0)             # tokens a second of the throttled models
WARM_BARS = 16                            # bars with a model before the continuation alone
PROMPTS = (
    "The tide went out and did not come back.",
    "Once upon a time there was a little bear who could not sleep.",
    "\"Where have you been?\" asked the old woman, and shut the door.",
    "In the year of the great frost the harbour stood still for nine weeks.",
    "He ran down the stairs, across the yard, over the wall and away.",
    "The machine was made of brass, and it was warm to the touch.",
    "My dear sister, I write to you from the mountains.",
    "How do bees find their way home?",
    "Night fell on the city. The music began.",
    "All the animals of the forest met under the oak to choose a king.",
)
#            measure                 low    high  pooled: judged by the mean over the prompts
LIMITS = {
    "similarity":                   (0.25, 0.90, False),
    "novelty":                      (0.12, 0.45, False),
    "repeats":                      (0.10, 0.70, False),
    "roots":                        (3, 12, False),
    "progressions":                 (2, 16, False),
    "voice_motion_st":              (0.0, 2.0, False),
    "strong_chord_tones":           (0.70, 1.0, False),
    "entries_on_lines":             (0.80, 1.0, False),
    "fills":                        (BARS // 16, BARS // 8, False),
    "fill_gaps":                    (0.80, 1.0, False),
    "bass_on_kick":                 (0.0, 0.10, False),
    "bass_in_register":             (1.0, 1.0, False),
    "slides":                       (0.15, 0.35, False),
    "level_deviation":              (0.02, 0.5, False),
    "drop_kicks":                   (3.8, 4.0, False),
    "open_hats_off_beat":           (1.0, 1.0, False),
    "swing":                        (0.50, 0.56, False),
    "density_order":                (1.0, 1.0, False),
    "edit_alignment":               (0.75, 1.0, False),
    "section_alignment":            (0.20, 1.0, True),
}
TEXT = ("edit_alignment", "section_alignment")    # what only a text can be judged by
#            planted failure         the measures that must catch it, by themselves
FAILURES = {"a feature per step": ("similarity", "novelty", "repeats"),
            "a frozen loop": ("similarity", "novelty", "repeats"),
            "shuffled records": ("edit_alignment",)}


def frames_of(prompt, tokens, model="embedded", timeout_s=300.0):
    """The frames of `tokens` records of a real run of the model, calibrated on its own text."""
    from engine.model.supervisor import Worker
    from mappings.features import Meter
    worker = Worker({"model": model, "prompt": prompt, "temperature": 0.9, "top_p": 0.95,
                     "model_seed": 7}).start()
    try:
        end = time.monotonic() + timeout_s
        while worker.poll() == "starting" and time.monotonic() < end:
            time.sleep(0.02)
        if worker.poll() != "ready":
            raise ModelError(worker.error or f"the model {model!r} did not load")
        meter, frames, frozen = Meter(worker.descriptor), [], False
        while len(frames) < tokens:
            state, token = worker.state.front(), worker.token.front()
            if state is None or token is None:
                if worker.poll() != "ready" or time.monotonic() > end:
                    raise ModelError(f"the model {model!r} stopped after {len(frames)} records")
                time.sleep(0.001)
                continue
            if int(state["flags"]) & CALIBRATION:
                meter.learn(state, token)
            else:
                if not frozen:
                    meter.freeze()
                    frozen = True
                frames.append(meter.measure(state, token))
            worker.state.pop()
            worker.token.pop()
        return frames
    finally:
        worker.stop()


def kept_frames(path, prompts, tokens, model):
    """prompt -> frames, from the file when it has them, else from the model (and then kept)."""
    path = Path(path) if path else None
    data = json.loads(path.read_text()) if path and path.exists() else {}
    for prompt in prompts:
        if len(data.get(prompt, ())) < tokens:
            data[prompt] = [asdict(frame) for frame in frames_of(prompt, tokens, model)]
            if path:
                path.write_text(json.dumps(data, default=lambda array: array.tolist()))
    return {prompt: [Frame(**frame | {"steered": tuple(frame.get("steered", ()))})
                     for frame in data[prompt]] for prompt in prompts}


# ---- performances
def perform(music, frames, bars=BARS, rate=None, judged=None):
    """A Player's performance. Records come as the conductor gives them: one that misses its step
    moves those after it, so that nothing comes in a burst.

    rate    tokens a second of the model, None for one never late
    judged  the text as it stands, where it is not what was played
    """
    per_token, count, due, lost = STEPS // TOKENS_PER_BAR, 0, 0, False
    player, steps, heard = music.player(per_token, bars), [], []
    for step in range(bars * STEPS):
        seconds = step * 60.0 / BPM / 4
        there = len(frames) if rate is None else min(len(frames), int(seconds * rate))
        fresh, late = [], False
        while due <= step and not late:
            if count < there:
                fresh.append(frames[count])
                heard.append((step, (judged or frames)[count]))
                due, lost, count = (step if lost else due) + per_token, False, count + 1
            else:
                late = lost = True
        steps.append(player.step(step, fresh, late))
    return Performance(steps, heard)


def continuation(music, frames, warm_bars):
    """128 bars after the model has gone for good."""
    play = perform(music, frames[:warm_bars * TOKENS_PER_BAR], warm_bars + BARS)
    return Performance(play.steps[warm_bars * STEPS:])


# ---- planted failures
def per_step(frames):
    """A feature per step: every 16th a note of the scale in every part."""
    scale, steps = (0, 2, 3, 5, 7, 8, 10), []
    parts = {"bass": (33, "resid.axis.1"), "chords": (57, "resid.axis.2"),
             "lead": (69, "resid.axis.3")}
    for step in range(BARS * STEPS):
        frame, notes = frames[step // 2], []
        for part, (low, name) in parts.items():
            place = (frame.unit.get(name, 0.0) + 0.37 * (step % 2)) % 1.0
            notes.append(Note(part, low + scale[int(place * 7) % 7], 0.7, cause=name))
        steps.append(Step(notes, [], "drop", step // STEPS, BARS, 0, "Am7"))
    return Performance(steps, [(2 * i, frame) for i, frame in enumerate(frames[:BARS * 8])])


def frozen(play):
    """A frozen loop: four bars of the drop for ever."""
    first = next(first for name, first, _ in play.sections() if name == "drop") + 4
    loop = play.steps[first * STEPS:(first + 4) * STEPS]
    return Performance([loop[i % len(loop)] for i in range(BARS * STEPS)], play.heard)


def shuffled(music, frames):
    """Shuffled records: the same frames in another order, judged by the text as it stands."""
    order = sorted(range(len(frames)), key=lambda i: zlib.crc32(str(i).encode()))
    return perform(music, [frames[i] for i in order], judged=frames)


# ---- judgement
def order_of_density(found):
    """1 when intro < build < drop > outro in strikes a bar, else 0; missing sections are passed."""
    drop = found.get("drop", math.inf)
    chain = [found.get("intro", -1.0), found.get("build", drop - 1e-9), drop]
    rising = all(a < b for a, b in zip(chain, chain[1:], strict=False))
    return float(rising and found.get("outro", -1.0) < drop)


def judge(play):
    """measure -> value."""
    found = numbers(play)
    return found | {"density_order": order_of_density(found["density"])}


def corpus_bands():
    """measure -> [5 %, 95 %] of the corpus that `bench/bands.json` was made from."""
    bands = json.loads((Path(__file__).parent / "bands.json").read_text("utf-8"))["bands"]
    return {name: [band["0.05"], band["0.95"]] for name, band in bands.items()}


def outside(rows, skip=()):
    """The measures that a set of performances fails: measure -> (low, value, high)."""
    found = {}
    for name, (low, high, pooled) in LIMITS.items():
        if name in skip:
            continue
        values = [row[name] for row in rows]
        for value in [mean(values)] if pooled else values:
            if not low <= value <= high:
                found[name] = (low, value, high)
    return found


def summary(rows):
    """measure -> least, mean and greatest value over the prompts."""
    return {name: {"min": min(r[name] for r in rows), "mean": mean([r[name] for r in rows]),
                   "max": max(r[name] for r in rows)} for name in LIMITS}


def planted(music, frames, plays):
    """failure -> for how many prompts it is caught, and by which measures."""
    made = ([per_step(f) for f in frames], [frozen(play) for play in plays],
            [shuffled(music, f) for f in frames])
    found = {}
    for (name, judges), rows in zip(FAILURES.items(), made, strict=True):
        others = [measure for measure in LIMITS if measure not in judges]
        caught = [outside([judge(play)], others) for play in rows]
        found[name] = {"caught": sum(map(bool, caught)), "of": len(caught),
                       "by": {m: sum(m in c for c in caught) for m in judges}}
    return found


def run(quick=False, frames="", model="embedded", set="house"):
    """Everything; `passed` says whether all of it holds."""
    music = load(set).music
    prompts = PROMPTS[:3] if quick else PROMPTS
    texts = list(kept_frames(frames, prompts, BARS * TOKENS_PER_BAR, model).values())
    plays = [perform(music, text) for text in texts]
    rows = [judge(play) for play in plays]
    forms = {tuple(row["sections"]) for row in rows}
    slow = {f"{rate:g} tokens/s": [judge(perform(music, text, rate=rate)) for text in texts]
            for rate in RATES}
    alone = {"after 16 bars": [judge(continuation(music, text, WARM_BARS)) for text in texts],
             "never a model": [judge(continuation(music, [], 0))]}
    result = {
        "prompts": len(texts), "bars": BARS, "corpus": corpus_bands(),
        "limits": {name: limit[:2] for name, limit in LIMITS.items()},
        "measures": summary(rows), "outside": outside(rows), "forms": len(forms),
        "sections": [row["sections"] for row in rows], "failures": planted(music, texts, plays),
        "throttled": {k: {"measures": summary(v), "outside": outside(v)} for k, v in slow.items()},
        "continuation": {k: {"measures": summary(v), "outside": outside(v, TEXT)}
                         for k, v in alone.items()}}
    result["passed"] = (
        not result["outside"] and len(forms) > 1
        and all(f["caught"] == f["of"] for f in result["failures"].values())
        and not any(found["outside"] for kind in ("throttled", "continuation")
                    for found in result[kind].values()))
    return result


def table(result):
    """The result for people."""
    lines = [f"{'measure':20} {'low':>6} {'high':>6}   {'min':>6} {'mean':>6} {'max':>6}   corpus"]
    for name, (low, high) in result["limits"].items():
        row = result["measures"][name]
        corpus = "   {:.2f} to {:.2f}".format(*result["corpus"][name]) if name in result[
            "corpus"] else ""
        mark = corpus + ("  OUTSIDE" if name in result["outside"] else "")
        lines.append(f"{name:20} {low:6.2f} {high:6.2f}   {row['min']:6.2f} {row['mean']:6.2f} "
                     f"{row['max']:6.2f}{mark}")
    lines.append(f"different forms: {result['forms']} of {result['prompts']}")
    for name, found in result["failures"].items():
        lines.append(f"planted: {name}: caught {found['caught']} of {found['of']} "
                     f"({', '.join(f'{k} {v}' for k, v in found['by'].items())})")
    for kind in ("throttled", "continuation"):
        for name, found in result[kind].items():
            bad = ", ".join(f"{k} {v[1]:.2f}" for k, v in found["outside"].items()) or "passes"
            lines.append(f"{kind}: {name}: {bad}")
    return "\n".join([*lines, f"passed: {result['passed']}"])


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.music")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--frames", default="")
    parser.add_argument("--model", default="embedded")
    given = parser.parse_args()
    result = run(given.quick, given.frames, given.model)
    sys.stdout.write((json.dumps(result) if given.json else table(result)) + "\n")


if __name__ == "__main__":
    main()
