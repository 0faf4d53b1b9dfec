"""A set heard without its model: measured frames in, the master's samples out. Thread: control."""
from dataclasses import dataclass

import numpy as np

from engine.clock import STEPS_PER_BAR, Clock
from engine.conductor import Conductor
from engine.render import caller
from engine.rt import QUANTUM
from engine.table import Rig
from studies.prove.paper import Given, Plain

RATE_HZ, BLOCK = 48000, 1024


@dataclass
class Heard:
    """A sound and the frames it was made from: frame k fills samples edges[k] to edges[k + 1].

    places   (name, bar of the section) in each slot
    """
    sound: np.ndarray
    edges: np.ndarray
    frames: list
    places: list


class Places:
    """What a conductor tells of its steps: where each stands in the form."""

    def __init__(self):
        self.found = []

    def step(self, step, sample, made, frames):
        """One 16th was made."""
        self.found.append((made.section, made.section_bar))

    def note(self, sample, note):
        """Notes are heard, not read."""


def hear(made, frames, names, bars, noise_seed=None, heard_bars=None):
    """Plays frames through a set, offline and into memory; as many frames as the bars need.

    names   all features that a frame may carry
    bars    of the piece;  heard_bars  how many of them are played; None: all
    """
    table = made.table(noise_seed, rate_hz=RATE_HZ)
    rig, clock = Rig(RATE_HZ, 4, made.limiter), Clock(RATE_HZ, made.bpm)
    rig.load(table)
    conductor = Conductor(made, rig, Given(frames), Plain(names), clock, bars=bars,
                          tokens_per_bar=made.tokens_per_bar)
    conductor.feed = places = Places()
    last = (heard_bars or bars) * STEPS_PER_BAR
    total = clock.sample_of(last)
    play, buffer = caller(rig), np.zeros((BLOCK, rig.channels), np.float32)
    sound, position = np.zeros((total, 2), np.float32), 0
    while position < total:
        count = min(BLOCK, total - position)
        conductor.advance(position + count + QUANTUM)
        play(buffer, count)
        rig.collect()
        sound[position:position + count] = buffer[:count, :2]
        position += count
    per_token = STEPS_PER_BAR // made.tokens_per_bar
    steps = np.arange(0, last + 1, per_token)
    return Heard(sound, np.array([clock.sample_of(int(step)) for step in steps]),
                 list(frames[:len(steps) - 1]), places.found[:last:per_token])
