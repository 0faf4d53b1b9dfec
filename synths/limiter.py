"""Limiter: nothing above the ceiling gets out, nor between the samples; below it nothing changes.

Peaks are measured at eight times the rate. The gain that each needs is held over a window and
smoothed by a filter of the same length, so it is down before the peak arrives: no overshoot by
construction. What is not a number is silence here. Thread: audio.
latency  LATENCY samples (1.67 ms at 48 kHz)
source   ITU-R BS.1770-4 annex 2 for the true peak
"""
import numpy as np

from engine.lanes import fma, load, select, splat, store, vabs, vmax, vmin
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, from_db, rt
from engine.voice import Effect, fields

PARAMS = (
    Param("ceiling_db", -24.0, 0.0, -1.3, "lin", 0.05),    # 0.3 dB for the meter
    Param("release_s", 0.02, 2.0, 0.12, "exp", 0.05),      # time constant
)
PHASES, TAPS, WINDOW = 8, 32, 64
LATENCY = WINDOW + TAPS // 2              # 80 samples


def _interpolator():
    """(7, 32) float32, flat: the samples between the samples, a Kaiser-windowed sinc."""
    rows = []
    for phase in range(1, PHASES):
        t = np.arange(TAPS) - (TAPS // 2 - 1) - phase / PHASES
        row = np.sinc(t) * np.i0(6.0 * np.sqrt(1 - (t / (TAPS / 2)) ** 2))
        rows.append(row / row.sum())
    return np.concatenate(rows).astype(np.float32)


def _smoother():
    """(64,) float32: a Hann window whose sum is one."""
    window = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
    return (window / window.sum()).astype(np.float32)


BETWEEN, SMOOTH = _interpolator(), _smoother()
PAST = 128                                # samples kept for the detector, the window and the delay
STATE = fields("down", left=PAST + QUANTUM, right=PAST + QUANTUM, need=PAST + QUANTUM,
               held=PAST + QUANTUM, fall=WINDOW + QUANTUM)
MOST = f32(1000.0)                        # 60 dB over; beyond it the input itself is clipped


@rt
def shift(line, kept):
    """Make room for a quantum behind `kept` samples."""
    for i in range(0, kept, LANE):
        store(line, i, load(line, i + QUANTUM))


@rt
def enter(line, side):
    """Append a quantum; what is not a number, or absurd, becomes harmless."""
    shift(line, PAST)
    for i in range(0, QUANTUM, LANE):
        x = load(side, i)
        known = select(vabs(x) < splat(f32(3e38)), x, splat(f32(0)))
        store(line, PAST + i, vmin(vmax(known, splat(-MOST)), splat(MOST)))


@rt
def peak(line, at, most):
    """The larger of `most` and the highest point in and after each of 16 samples."""
    most = vmax(most, vabs(load(line, at)))
    for phase in range(PHASES - 1):
        y = splat(f32(0))
        for k in range(TAPS):
            y = fma(load(line, at + k - (TAPS // 2 - 1)), splat(BETWEEN[phase * TAPS + k]), y)
        most = vmax(most, vabs(y))
    return most


@rt
def measure(s, ceiling):
    """The share that each sample must lose, into need, for the quantum the detector sees whole."""
    shift(s.need, PAST)
    for i in range(0, QUANTUM, LANE):
        at = PAST + i - TAPS // 2
        most = peak(s.right, at, peak(s.left, at, splat(ceiling)))
        store(s.need, PAST + i, f32(1) - splat(ceiling) / most)


@rt
def hold(s):
    """held: the largest need of the last 66 samples, by doubling."""
    for i in range(0, PAST + QUANTUM, LANE):
        store(s.held, i, load(s.need, i))
    for turn in range(7):
        back = 1 << turn if turn < 6 else 2
        for i in range(PAST + QUANTUM - LANE, 2 * LANE, -LANE):
            store(s.held, i, vmax(load(s.held, i), load(s.held, i - back)))


@rt
def recover(s, release_s, dt):
    """fall: held, but coming back no faster than the release; exactly 0 in the end."""
    shift(s.fall, WINDOW)
    keep, down = exp2(f32(-1.4426950408889634) * dt / release_s), s.down[0]
    for i in range(QUANTUM):
        down = down * keep if down > f32(1e-4) else f32(0)  # the window smooths it
        down = max(down, s.held[PAST + i])
        s.fall[WINDOW + i] = down
    s.down[0] = down


@rt
def render(s, p, left, right, key, dt):
    """Limit a quantum of left and right in place, LATENCY samples late, both by the same gain."""
    ceiling = from_db(p.ceiling_db)
    enter(s.left, left)
    enter(s.right, right)
    measure(s, ceiling)
    hold(s)
    recover(s, p.release_s, dt)
    for i in range(0, QUANTUM, LANE):
        down = splat(f32(0))
        for k in range(WINDOW):
            down = fma(load(s.fall, WINDOW + i - k), splat(SMOOTH[k]), down)
        gain, at = f32(1) - down, PAST + i - LATENCY
        store(left, i, vmin(vmax(load(s.left, at) * gain, splat(-ceiling)), splat(ceiling)))
        store(right, i, vmin(vmax(load(s.right, at) * gain, splat(-ceiling)), splat(ceiling)))


LIMITER = Effect("limiter", PARAMS, STATE, render)
