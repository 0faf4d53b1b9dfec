"""Runs one voice or effect alone: its kernels over quanta on numpy arrays, no rig. Thread: any."""
from collections import namedtuple

import numpy as np

from engine.rt import LANE, QUANTUM

RATE_HZ = 48000
f32 = np.float32


def values(thing, **changed):
    """A namedtuple of the table's defaults with some changed; an unknown name fails."""
    table = {p.name: f32(p.default) for p in thing.params}
    assert set(changed) <= set(table), f"no such parameter: {set(changed) - set(table)}"
    table.update({name: f32(value) for name, value in changed.items()})
    return namedtuple("Values", table)(**table)


def state(thing, voices=1):
    """A namedtuple of zeroed flat float32 arrays, one per field; seeds are 1, 2, ..."""
    sizes = thing.state.sizes
    made = namedtuple("State", sizes)(*(np.zeros(voices * n, f32) for n in sizes.values()))
    if "seed" in sizes:
        made.seed[:] = np.arange(1, voices + 1)
    return made


def clear(thing, s, v):
    """What the rig does to voice v before a strike."""
    for name, size in thing.state.sizes.items():
        if name != "seed" and not name.startswith("keep_"):
            getattr(s, name)[v * size:(v + 1) * size] = 0


class Player:
    """One part: strike(), release() and play() as the rig would call the kernels."""

    def __init__(self, voice, voices=None, rate_hz=RATE_HZ, **params):
        lanes = voice.shape == "lanes"
        self.voice, self.voices = voice, voices or (LANE if lanes else 1)
        self.s, self.p = state(voice, self.voices), values(voice, **params)
        self.pitch_hz = np.full(self.voices, 261.6256, f32)
        self.dt = f32(1.0 / rate_hz)

    def set(self, **params):
        self.p = self.p._replace(**{k: f32(x) for k, x in params.items()})

    def strike(self, pitch_hz=261.6256, level=1.0, v=0):
        clear(self.voice, self.s, v)
        self.pitch_hz[v] = pitch_hz
        self.voice.strike(self.s, v, self.p, f32(pitch_hz), f32(level))

    def release(self, v=0):
        self.voice.release(self.s, v, self.p)

    def play(self, seconds):
        """(samples, voices) float32."""
        quanta = int(np.ceil(seconds / self.dt / QUANTUM))
        out = np.zeros((quanta, QUANTUM, self.voices), f32)
        if self.voice.shape == "lanes":
            block = np.zeros(QUANTUM * LANE, f32)
            for q in range(quanta):
                for g in range(self.voices // LANE):
                    block[:] = 0
                    self.voice.render(self.s, g, self.p, self.pitch_hz, block, self.dt)
                    out[q, :, g * LANE:(g + 1) * LANE] = block.reshape(QUANTUM, LANE)
        else:
            block = np.zeros(QUANTUM, f32)
            for q in range(quanta):
                for v in range(self.voices):
                    block[:] = 0
                    self.voice.render(self.s, v, self.p, self.pitch_hz[v], block, self.dt)
                    out[q, :, v] = block
        return out.reshape(-1, self.voices)

    def note(self, seconds, pitch_hz=261.6256, level=1.0):
        """(samples,) float32: one strike of voice 0."""
        self.strike(pitch_hz, level)
        return self.play(seconds)[:, 0]


def run(effect, left, right=None, key=None, rate_hz=RATE_HZ, s=None, **params):
    """(samples, 2) float32: an effect over a signal, in whole quanta."""
    s, p = s or state(effect), values(effect, **params)
    right = left if right is None else right
    count = -(-len(left) // QUANTUM) * QUANTUM
    sides = np.zeros((3, count), f32)
    for row, x in zip(sides, (left, right, key if key is not None else []), strict=True):
        row[:len(x)] = x
    for q in range(0, count, QUANTUM):
        block = [np.ascontiguousarray(row[q:q + QUANTUM]) for row in sides]
        effect.render(s, p, block[0], block[1], block[2], f32(1.0 / rate_hz))
        sides[0, q:q + QUANTUM], sides[1, q:q + QUANTUM] = block[0], block[1]
    return sides[:2].T.copy()
