"""A conductor over a rig of toys, with a twin for its model. Thread: control."""
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from toys import BELL, STEADY, play

from engine.clock import Clock
from engine.conductor import Conductor
from engine.mapping import Note, Step, Target
from engine.parts import Part
from engine.records import Frame
from engine.sets import Set
from engine.table import Rig

RATE_HZ, BPM = 48000, 125.0
STEP = 5760                               # samples of a 16th


@dataclass
class Script:
    """A music that strikes the bell on each step, and keeps what it was told."""
    part: str = "bell"
    path: str = ""
    heard: list = field(default_factory=list, compare=False)
    delay_steps: float = 0.0

    def player(self, steps_per_token, bars):
        self.per_token, self.bars = steps_per_token, bars
        return self

    def step(self, step, frames, late):
        self.heard.append((step, [f.seq for f in frames], late))
        targets = [Target(self.path, 1.0)] if self.path else []
        return Step([Note(self.part, 69.0, 0.5, self.delay_steps, 0.5, cause="script")], targets,
                    "scene")


class Twin:
    """A source that gives what it was given, and keeps what was asked of it."""

    def __init__(self):
        self.ready, self.next_seq, self.enters, self.controls = deque(), 0, None, []
        self.playing, self.before = deque(), deque()

    def give(self, *seqs, word="w"):
        for seq in seqs:
            value = seq % 10 / 10
            self.ready.append(Frame(seq, seq, f"{word}{seq} ", 0, {"token.surprisal_nat": value},
                                    {"token.surprisal_nat": value}))

    def arrive(self):
        if not self.ready:
            return None
        self.playing.append(self.ready.popleft())
        return self.playing[-1], None

    def early(self):
        return self.before.popleft() if self.before else None

    def take(self):
        self.next_seq = self.playing.popleft().seq + 1

    def control(self, kind, value=0.0, text=""):
        self.controls.append((kind, value, text, self.next_seq - 1))
        self.playing.clear()
        self.ready.clear()


class Plain:
    names = ("token.surprisal_nat", "resid.mid.speed")

    def want(self, features):
        self.wanted = features

    def direct(self, directions):
        self.names = self.named(directions)

    @staticmethod
    def named(directions):
        return (*Plain.names, *(f"direction.{one.name}" for one in directions))

    def glance(self, state):
        return state

    def measure(self, state, token):
        return state


def stage(live=False, music=None, parts=None, links=(), bars=None, tokens=8, throttle=None,
          recorder=None, wait=None, **more):
    """A conductor over a rig of toys, with a twin for its model."""
    parts = parts or {"bell": Part(BELL, voices=4), "pad": Part(STEADY)}
    made = Set(parts=parts, music=music or Script(), links=links, bpm=BPM, tokens_per_bar=tokens,
               name="toy", source="x", **more)
    rig, source = Rig(RATE_HZ), Twin()
    rig.load(made.table())
    conductor = Conductor(made, rig, source, Plain(), Clock(RATE_HZ, BPM), recorder, live, bars,
                          tokens, throttle, wait or (lambda: source.give(source.next_seq)))
    return conductor, source, rig


def run(conductor, steps):
    """Plays so many steps through the rig, sending each a little ahead; returns applied rows."""
    rows = []
    for _ in range(steps):
        conductor.arrive()
        conductor.advance(conductor.clock.sample_of(conductor.step) + 1)
        play(conductor.rig, STEP)
        rows.append(conductor.rig.collect())
    return np.concatenate(rows)
