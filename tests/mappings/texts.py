"""Frames made by hand: features that wander, sentences that end. Thread: control."""
import numpy as np

from engine.records import Frame
from mappings.memory import NAMES


def frames(seed, count=1024, drift=0.6):
    """`count` frames of a text of its own: AR(1) places, sentences of 8 to 24 tokens."""
    random = np.random.default_rng(seed)
    noise, found, left = random.normal(size=len(NAMES)), [], 12
    for seq in range(count):
        noise = drift * noise + np.sqrt(1.0 - drift ** 2) * random.normal(size=len(NAMES))
        places = 1.0 / (1.0 + np.exp(-1.7 * noise))
        left -= 1
        ends = left == 0
        if ends:
            left = int(random.integers(8, 25))
        comma = not ends and bool(random.random() < 0.08)
        found.append(Frame(seq, int(random.integers(4000)), "." if ends else "," if comma else " a",
                           0, {}, dict(zip(NAMES, places.tolist(), strict=True)),
                           sentence_end=ends, punctuation=ends or comma))
    return found
