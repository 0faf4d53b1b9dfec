"""Plain scalar versions, in float64, of what the kernels compute in lanes. Thread: any."""
import numpy as np

HALF = (0.045362164, 0.337149688, 0.708064136), (0.168087481, 0.522377854, 0.897445591)


def white(seed, start, count):
    """The noise of engine.lanes: a hash of (seed, sample number)."""
    x = (np.arange(start, start + count, dtype=np.int64) & 0xFFFFFFFF).astype(np.uint64)
    seeded = int(seed) * 0x85EBCA77 & 0xFFFFFFFF
    x = (x * 0x9E3779B1 & 0xFFFFFFFF) ^ np.uint64(seeded)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor) & np.uint64(0xFFFFFFFF)
    return x.astype(np.uint32).view(np.int32) * 2.0 ** -31


def smooth_step(x):
    """What to add x samples after a step up: the integrated cubic B-spline, less the step."""
    a = abs(x)
    rest = 0.5 - (2 * a / 3 - a ** 3 / 3 + a ** 4 / 8) if a < 1 else max(2 - a, 0) ** 4 / 24
    return rest if x < 0 else -rest


def saw(turns, step):
    t = turns % 1.0
    return 2 * t - 1 - 2 * smooth_step((t - round(t)) / step)


def tanh_like(x):
    x = min(max(x, -3.0), 3.0)
    return x * (27 + x * x) / (27 + 9 * x * x)


class Halve:
    """Two all-pass chains: one sample from two."""

    def __init__(self):
        self.memory = [[0.0] * 4, [0.0] * 4]

    def __call__(self, first, second):
        total = 0.0
        for x, gains, memory in zip((second, first), HALF, self.memory, strict=True):
            for n, gain in enumerate(gains):
                y = memory[n] + gain * (x - memory[n + 1])
                memory[n], x = x, y
            memory[3] = x
            total += x
        return 0.5 * total


def close_db(y, wanted):
    """The difference in decibels of the wanted signal's level."""
    return 10 * np.log10(np.sum((y - wanted) ** 2) / np.sum(wanted ** 2) + 1e-30)


class Svf:
    """A state-variable filter, trapezoidal: (high, band, low) of each sample."""

    def __init__(self, hz, k, rate_hz=48000):
        self.g, self.k, self.state = np.tan(np.pi * hz / rate_hz), k, (0.0, 0.0)

    def __call__(self, x):
        low, band = self.state
        high = (x - low - (self.g + self.k) * band) / (1 + self.g * (self.g + self.k))
        middle = self.g * high + band
        under = self.g * middle + low
        self.state = self.g * middle + under, self.g * high + middle
        return high, middle, under


def square(turns, step):
    """Both edges of a square as B-splines."""
    u, d = turns % 1.0, (turns + 0.5) % 1.0
    return (1 if u < 0.5 else -1) + 2 * (
        smooth_step((u - round(u)) / step) - smooth_step((d - round(d)) / step))


def step_of(hz, rate_hz=48000):
    """Turns a sample of a drum played at its own pitch, as float32 has it."""
    f32 = np.float32
    return f32(hz) * f32(261.6256) * f32(1 / 261.6255653) * f32(1 / rate_hz)


def squares(ratios, step, count, apart=0.381966):
    """The sum of squares whose starts lie apart; steps are whole parts of a turn."""
    steps = [float(np.rint(np.float32(step) * r * np.float32(2 ** 27))) / 2 ** 27 for r in ratios]
    return np.array([sum(square(x * i + apart * n, x) for n, x in enumerate(steps))
                     for i in range(count)])


def fall(t, time_s, rate_hz=48000):
    """An envelope of -60 dB in time_s at samples t."""
    return 10.0 ** (-3.0 * t / rate_hz / time_s)


def bent_turns(t, step, times, sweep_s, rate_hz=48000):
    """The phase of a sine that falls from (1 + times) steps; its first sample is one step in."""
    t, step = t + 1, float(step)
    more = step * rate_hz * times * sweep_s / np.log(1000.0)
    return step * t + more * (1 - fall(t, sweep_s, rate_hz))
