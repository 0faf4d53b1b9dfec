"""Limiter: nothing above the ceiling gets out, nor between the samples; below it nothing changes.

Peaks are measured at eight times the rate. The octaves that each must come down are held over a
window and smoothed by a filter of the same length, so the gain is down before the peak arrives: no
overshoot by construction, however far over. What is not a number is silence here. Thread: audio.
latency  LATENCY samples (1.67 ms at 48 kHz)
source   ITU-R BS.1770-4 annex 2 for the true peak
"""
import numpy as np

from engine.kernels.logarithm import vlog2
from engine.kernels.truepeak import REACH, highest, may_reach
from engine.lanes import (
    fma,
    load,
    ramp,
    select,
    shift1,
    shift2,
    shift4,
    shift8,
    splat,
    store,
    vabs,
    vexp2,
    vmax,
    vmin,
)
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, from_db, rt
from engine.voice import Effect, fields

PARAMS = (
    Param("ceiling_db", -24.0, 0.0, -1.2, "lin", 0.05),    # 0.2 dB for the meter: -1 dBTP
    Param("release_s", 0.02, 2.0, 0.12, "exp", 0.05),      # time constant
)
WINDOW = 64
LATENCY = WINDOW + REACH                  # 80 samples
PAST = 128                                # samples kept for the detector, the window and the delay
STATE = fields("down", "calm", left=PAST + QUANTUM, right=PAST + QUANTUM, need=PAST + QUANTUM,
               held=PAST + QUANTUM, fall=WINDOW + QUANTUM)
MOST = f32(1e30)                          # 600 dB over; beyond it the input itself is clipped
CALM = f32(8.0)                           # quanta after which need, held and fall are all zero
SLOW = f32(4.0)                           # of more than 24 dB only these wait for the release


def _smoother():
    """(64,) float32: a Hann window whose sum is one."""
    window = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
    return (window / window.sum()).astype(np.float32)


SMOOTH = _smoother()


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
def measure(s, ceiling, loud_l, loud_r):
    """The octaves that each sample must come down, into need, for the quantum seen whole."""
    shift(s.need, PAST)
    for i in range(0, QUANTUM, LANE):
        at, most = PAST + i - REACH, splat(f32(0))
        if loud_l:
            most = vmax(most, highest(s.left, at))
        if loud_r:
            most = vmax(most, highest(s.right, at))
        store(s.need, PAST + i, vlog2(vmax(most * (f32(1) / ceiling), splat(f32(1)))))


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
    pace = f32(-1.4426950408889634) * dt / release_s
    k1, k2, k4, k8 = exp2(pace), exp2(f32(2) * pace), exp2(f32(4) * pace), exp2(f32(8) * pace)
    faded, down = vexp2(ramp(1) * pace), min(s.down[0], SLOW)
    for i in range(0, QUANTUM, LANE):
        v = load(s.held, PAST + i)
        v = vmax(v, shift1(v) * k1)
        v = vmax(v, shift2(v) * k2)
        v = vmax(v, shift4(v) * k4)
        v = vmax(vmax(v, shift8(v) * k8), faded * down)
        store(s.fall, WINDOW + i, v)
        down = s.fall[WINDOW + i + LANE - 1]
    s.down[0] = down if down > f32(1e-4) else f32(0)        # the window smooths it


@rt
def leave(s, side, line, i, gain, ceiling):
    """16 samples out, late, at their gain."""
    y = load(line, PAST + i - LATENCY) * gain
    store(side, i, vmin(vmax(y, splat(-ceiling)), splat(ceiling)))


@rt
def render(s, p, left, right, key, dt):
    """Limit a quantum of left and right in place, LATENCY samples late, both by the same gain."""
    ceiling = from_db(p.ceiling_db)
    enter(s.left, left)
    enter(s.right, right)
    loud_l = may_reach(s.left, PAST - REACH, ceiling)
    loud_r = may_reach(s.right, PAST - REACH, ceiling)
    s.calm[0] = min(s.calm[0] + f32(1), CALM)
    if loud_l or loud_r or s.down[0] > f32(0):
        s.calm[0] = f32(0)
    if s.calm[0] < CALM:
        measure(s, ceiling, loud_l, loud_r)
        hold(s)
        recover(s, p.release_s, dt)
    for i in range(0, QUANTUM, LANE):
        down = splat(f32(0))
        if s.calm[0] < CALM:
            for k in range(WINDOW):
                down = fma(load(s.fall, WINDOW + i - k), splat(SMOOTH[k]), down)
        gain = vexp2(-down)
        leave(s, left, s.left, i, gain, ceiling)
        leave(s, right, s.right, i, gain, ceiling)


LIMITER = Effect("limiter", PARAMS, STATE, render)
