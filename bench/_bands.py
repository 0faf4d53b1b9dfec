"""Corpus bands: the three pattern measures over a folder of MIDI files, as quantiles.

    python -m bench._bands FOLDER > bench/bands.json

Every .mid file under FOLDER counts; pitched parts are (track, channel) pairs but the drum channel,
and a file is measured over its first 128 bars of 4/4. Thread: control.
"""
import json
import sys
from pathlib import Path

import mido
import numpy as np

from bench._patterns import STEPS, bars_of, patterns

BARS, DRUMS, SHORTEST = 128, 9, 16
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def strikes_of(path):
    """(step, part, pitch) of a file's pitched parts, rounded to 16ths."""
    song = mido.MidiFile(path, clip=True)
    found = []
    for number, track in enumerate(song.tracks):
        ticks = 0
        for message in track:
            ticks += message.time
            if message.type == "note_on" and message.velocity and message.channel != DRUMS:
                step = round(4 * ticks / song.ticks_per_beat)
                found.append((step, (number, message.channel), message.note))
    return found


def measure(folder):
    """The bands: measure -> quantile -> value, with how many files were read and left out."""
    rows, left_out = [], 0
    for path in sorted(Path(folder).rglob("*.mid")):
        try:
            strikes = strikes_of(path)
        except (OSError, ValueError, EOFError, KeyError, IndexError):
            left_out += 1
            continue
        bars = min(BARS, max((step for step, _, _ in strikes), default=0) // STEPS + 1)
        if bars < SHORTEST:
            left_out += 1
            continue
        rows.append(patterns(bars_of(strikes, bars)))
    return {"command": "python -m bench._bands FOLDER > bench/bands.json",
            "corpus": "/".join(Path(folder).parts[-2:]), "files": len(rows), "left_out": left_out,
            "bands": {name: {f"{q:g}": round(float(np.nanquantile([r[name] for r in rows], q)), 4)
                             for q in QUANTILES} for name in ("similarity", "novelty", "repeats")}}


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("give the folder of MIDI files: python -m bench._bands FOLDER")
    sys.stdout.write(json.dumps(measure(sys.argv[1]), indent=1) + "\n")
