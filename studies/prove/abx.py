"""A listening kit: triples of WAV files, a page for the listener, and the answers apart from it.

Of A and B, one is the set as the model plays it, the other the same set fed the same records in
another order. X is one of the two again, with other noise in its sounds. Who cannot hear the model
guesses. Thread: control.
"""
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from studies.prove.heard import RATE_HZ, hear

TRIALS, BARS, FIRST, LAST = 12, 16, 8, 12          # which bars of a piece of so many are heard
LOUD_DB, PEAK = -20.0, 0.97
LEVELS = (0.05, 0.01)
README = """A listening test: {count} trials, {set}.

Each trial has three files: A, B and X. A and B are the same piece of music made in two ways. X was
made in the same way as one of the two (its noises differ a little, the music does not). Listen as
often as you like, in any order, and write down for each trial whether X is A or B. Guess where you
hear no difference. Headphones help. Do not open the answers before you are done.

Score: count the right ones with answers.json. Of {count} trials, a listener who only guesses gets
{scores}.
"""


def needed(trials, level):
    """How many right answers of `trials` guessing reaches with a chance of `level` at most; None
    when not even all of them are enough. Exact (binomial law)."""
    from scipy.stats import binom
    return next((k for k in range(trials + 1) if binom.sf(k - 1, trials, 0.5) <= level), None)


def shuffled(frames, random):
    """The frames in another order, each with the number of the place that it comes to."""
    return [replace(frames[k], seq=frame.seq)
            for frame, k in zip(frames, random.permutation(len(frames)), strict=True)]


def excerpt(made, frames, names, noise_seed):
    """(samples, 2) the bars that are judged, at the loudness of all others, faded at its ends."""
    heard = hear(made, frames, names, BARS, noise_seed, LAST)
    a, b = (heard.edges[bar * made.tokens_per_bar] for bar in (FIRST, LAST))
    sound = heard.sound[a:b]
    loud = 10.0 ** (LOUD_DB / 20.0) / max(float(np.sqrt((sound ** 2).mean())), 1e-6)
    fade = np.minimum(1.0, np.minimum(np.arange(b - a), np.arange(b - a)[::-1]) / (0.01 * RATE_HZ))
    return sound * fade[:, None] * min(loud, PEAK / max(float(np.abs(sound).max()), 1e-6))


def write(folder, made, names, frames_of, texts, trials=TRIALS, seed=None,
          report=lambda share, words="": None):
    """Writes a kit into a new or empty folder; returns the answers.

    frames_of  frames_of(prompt, count);  texts  the prompts, taken in turn
    seed       of the order of A and B, and of the records; None: nobody knows it
    """
    import soundfile
    folder, random = Path(folder), np.random.default_rng(seed)
    if trials < 1:
        raise EngineError(f"a listening kit needs at least one trial, got {trials}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EngineError(f"{folder} is there already: give a new or an empty folder")
    answers = []
    for number in range(1, trials + 1):
        report((number - 1) / trials, f"trial {number} of {trials}")
        text = texts[(number - 1) % len(texts)]
        frames = frames_of(text, BARS * made.tokens_per_bar)
        ways = {"model": frames, "shuffled": shuffled(frames, random)}
        first, x = random.permutation(list(ways)), random.integers(2)
        order = dict(zip("AB", map(str, first), strict=True))
        sounds = {letter: excerpt(made, ways[way], names, made.noise_seed)
                  for letter, way in order.items()}
        sounds["X"] = excerpt(made, ways[order["AB"[x]]], names, made.noise_seed + 1)
        folder.mkdir(parents=True, exist_ok=True)
        for letter, sound in sounds.items():
            soundfile.write(folder / f"{number:02d}{letter}.wav", sound, RATE_HZ, "PCM_16")
        answers.append({"trial": number, "x": "AB"[x], **order, "prompt": text})
    marks = {f"{level:g}": needed(trials, level) for level in LEVELS}
    found = {"set": made.name, "trials": answers, "needed": marks}
    (folder / "answers.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    scores = " and ".join(f"{count} or more right with a chance of {level} at most"
                          for level, count in marks.items() if count is not None)
    (folder / "README.txt").write_text(README.format(
        count=trials, set=made.name, scores=scores or "everything right too often to prove much"),
        encoding="utf-8")
    return found
