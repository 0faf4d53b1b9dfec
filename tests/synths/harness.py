"""Runs one voice or effect alone, through the compiled unit that the rig calls. Thread: any."""
import ctypes

import numpy as np

from engine.parts import Part
from engine.rig_parts import halved
from engine.rt import QUANTUM, f32, rt_host
from engine.unit import CLEAR, FINISH, RELEASE, RENDER, STRIKE, unit_of

RATE_HZ = 48000
CALL = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7, ctypes.c_float, ctypes.c_float)


@rt_host
def halve(twice, memory, out):
    """The rig's decimator, for Python."""
    halved(twice, memory, out)


class Sound:
    """State and parameters of one part, and its unit."""

    def __init__(self, thing, count, rate_hz, params):
        self.thing, self.count, self.dt = thing, count, 1.0 / rate_hz
        self.call = CALL(unit_of(thing))
        self.state = np.zeros(thing.state.floats * count, f32)
        self.runs, at = {}, 0
        for name, size in thing.state.sizes.items():
            self.runs[name] = self.state[at:at + size * count]
            at += size * count
        if "seed" in self.runs:
            self.runs["seed"][:] = np.arange(1, count + 1)
        if getattr(thing, "begin", None):
            values, self.keep = thing.begin(Part(thing, voices=count, **params), rate_hz)
            for name, words in values.items():
                self.runs[name][:2 * len(words)] = words.view(f32)
        self.params = np.array([p.default for p in thing.params], f32)
        self.set(**params)

    def set(self, **params):
        """Some parameters, from now on; an unknown name fails."""
        names = [p.name for p in self.thing.params]
        for name, value in params.items():
            self.params[names.index(name)] = value

    def run(self, op, index, pitch, out, a=0.0, b=0.0):
        self.call(op, index, self.count, self.state.ctypes.data, self.params.ctypes.data, pitch,
                  out, a, b)


class Player(Sound):
    """One part: strike, release and play as the rig would."""

    def __init__(self, voice, voices=None, rate_hz=RATE_HZ, **params):
        count, self.group = voice.layout(voices or 1)
        super().__init__(voice, count, rate_hz, params)
        self.pitch_hz = np.full(self.count, 261.6256, f32)
        self.half, self.sums = None, {}

    def strike(self, pitch_hz=261.6256, level=1.0, v=0):
        self.pitch_hz[v] = pitch_hz
        self.run(CLEAR, v, 0, 0)
        self.run(STRIKE, v, 0, 0, pitch_hz, level)

    def release(self, v=0):
        self.run(RELEASE, v, 0, 0)

    def play(self, seconds):
        """(samples, voices) float32."""
        quanta = int(np.ceil(seconds / self.dt / QUANTUM))
        wide, over = self.group, self.thing.oversample
        out = np.zeros((self.count // wide, quanta, QUANTUM * over * wide), f32)
        for q in range(quanta):
            for g in range(len(out)):
                self.run(RENDER, g, self.pitch_hz.ctypes.data, out[g, q].ctypes.data,
                         self.dt / over)
        out = out.reshape(len(out), quanta * QUANTUM * over, wide)
        out = np.moveaxis(out, 0, 1).reshape(quanta * QUANTUM * over, self.count)
        out = out if over == 1 else self._halved(out)
        return self._finished(out) if self.thing.finish else out

    def _finished(self, out):
        """Every voice through what the unit does to the sum of all, as if it were alone."""
        for v in np.flatnonzero(np.abs(out).max(0)):
            own = self.sums.setdefault(v, np.zeros_like(self.state))
            column = np.ascontiguousarray(out[:, v])
            for at in range(0, len(out), QUANTUM):
                self.call(FINISH, 0, self.count, own.ctypes.data, self.params.ctypes.data, 0,
                          column[at:].ctypes.data, self.dt, 0.0)
            out[:, v] = column
        return out

    def _halved(self, twice):
        """Every voice through the rig's decimator; its memory goes on from call to call."""
        if self.half is None:
            self.half = np.zeros((self.count, 8), f32)
        out = np.zeros((len(twice) // 2, self.count), f32)
        for v in np.flatnonzero(np.abs(twice).max(0) + np.abs(self.half).max(1)):
            column = np.ascontiguousarray(twice[:, v])
            for at in range(0, len(out), QUANTUM):
                halve(column[2 * at:2 * (at + QUANTUM)], self.half[v], out[at:at + QUANTUM, v])
        return out

    def note(self, seconds, pitch_hz=261.6256, level=1.0):
        """(samples,) float64: one strike of voice 0."""
        self.strike(pitch_hz, level)
        return self.play(seconds)[:, 0].astype(np.float64)


class Chain(Sound):
    """One effect."""

    def __init__(self, effect, rate_hz=RATE_HZ, **params):
        super().__init__(effect, 1, rate_hz, params)

    def play(self, left, right=None, key=()):
        """(samples, 2) float64: the effect over a signal, in whole quanta."""
        count = -(-len(left) // QUANTUM) * QUANTUM
        sides = np.zeros((3, count), f32)
        for row, x in zip(sides, (left, left if right is None else right, key), strict=True):
            row[:len(x)] = x
        for q in range(0, count, QUANTUM):
            a, b, c = (row[q:].ctypes.data for row in sides)
            self.run(RENDER, c, b, a, self.dt)
        return sides[:2].T.astype(np.float64)


def pitch_hz(y, near_hz, rate_hz=RATE_HZ):
    """The frequency of the strongest line within a semitone of near_hz."""
    spectrum = np.abs(np.fft.rfft(y * np.blackman(len(y)), 8 * len(y)))
    step = rate_hz / (8 * len(y))
    low, high = int(near_hz / 1.06 / step), int(near_hz * 1.06 / step)
    k = low + np.argmax(spectrum[low:high])
    a, b, c = np.log(spectrum[k - 1:k + 2])
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * step


def cents(hz, wanted_hz):
    return 1200 * np.log2(hz / wanted_hz)


def db(x):
    return 20 * np.log10(np.maximum(np.abs(x), 1e-30))


def t60_s(y, hz, start_s, stop_s, rate_hz=RATE_HZ):
    """The -60 dB time of the partial at hz, from a line through its level between two times."""
    size = int(rate_hz * max(0.03, 6 / hz))
    t = np.arange(len(y)) / rate_hz
    turned = y * np.exp(-2j * np.pi * hz * t)
    starts = np.arange(int(start_s * rate_hz), int(stop_s * rate_hz) - size, size)
    levels = db([turned[i:i + size].dot(np.hanning(size)) for i in starts])
    return -60 / np.polyfit(starts / rate_hz, levels, 1)[0]


def aliasing_db(y, hz, top_hz=16000.0, rate_hz=RATE_HZ):
    """The strongest line between the harmonics of hz, against the strongest harmonic."""
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 20)))
    line = np.fft.rfftfreq(len(y), 1 / rate_hz)
    near = np.abs(line - np.rint(line / hz) * hz) < 40
    return db(spectrum[~near & (line < top_hz)].max() / spectrum[near].max())


def crossings_hz(y, rate_hz=RATE_HZ):
    """(times in s, frequency of each half wave) by zero crossings."""
    at = np.flatnonzero(np.diff(np.signbit(y)))
    at = at + y[at] / (y[at] - y[at + 1])
    return (at[1:] + at[:-1]) / 2 / rate_hz, rate_hz / 2 / np.diff(at)


def decay_s(voice, start_s, stop_s, hits=32, **params):
    """The -60 dB time between two times, from the mean energy of many hits in a row."""
    player, power = Player(voice, **params), 0.0
    for _ in range(hits):
        power = power + player.note(stop_s) ** 2
    level = 10 * np.log10(np.convolve(power, np.ones(480) / 480, "valid")[int(start_s * RATE_HZ):])
    return -60 / np.polyfit(np.arange(len(level)) / RATE_HZ, level, 1)[0]
