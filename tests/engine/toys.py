"""Small sounds for tests of the rig: a bell, a lane voice, a gain, a way to run a rig.
Thread: control.
"""
import ctypes

import numpy as np

from engine.lanes import add, load, power, ramp, store, vsine
from engine.param import Param
from engine.rt import LANE, QUANTUM, decay_per_sample, exp2, f32, flush, rt, wrap
from engine.table import Rig, Table
from engine.voice import Effect, Voice, fields

PARAMS = (Param("bright", 0.0, 1.0, 0.5), Param("fade_s", 0.01, 12.0, 0.3, "exp"))


@rt
def strike(s, v, p, pitch_hz, level):
    s.env[v], s.phase[v] = level, f32(0.25)


@rt
def release(s, v, p):
    s.env[v] = s.env[v] * f32(0.1)


@rt
def render(s, v, p, pitch_hz, out, dt):
    step, fade = pitch_hz * dt, decay_per_sample(p.fade_s, dt)
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        add(out, i, power(fade, t) * s.env[v] * vsine(t * step + s.phase[v]))
    s.phase[v] = wrap(s.phase[v] + step * f32(QUANTUM))
    s.env[v] = flush(s.env[v] * exp2(f32(np.log2(fade)) * f32(QUANTUM)))


BELL = Voice("toybell", PARAMS, fields("env", "phase"), strike, release, render)


@rt
def wide_strike(s, v, p, pitch_hz, level):
    s.level[v] = level


@rt
def wide_release(s, v, p):
    s.level[v] = f32(0)


@rt
def wide_render(s, g, p, pitch_hz, out, dt):
    held = load(s.level, g * LANE)
    for i in range(QUANTUM):
        store(out, i * LANE, load(out, i * LANE) + held)


STEADY = Voice("toysteady", (), fields("level"), wide_strike, wide_release, wide_render, "lanes")


@rt
def broken_render(s, v, p, pitch_hz, out, dt):
    for i in range(QUANTUM):
        out[i] += s.level[v] / f32(0.0) - s.level[v] / f32(0.0)


BROKEN = Voice("toybroken", (), fields("level"), wide_strike, wide_release, broken_render)


@rt
def gain_render(s, p, left, right, key, dt):
    for i in range(QUANTUM):
        left[i] *= p.amount
        right[i] *= p.amount


GAIN = Effect("toygain", (Param("amount", 0.0, 1.0, 0.5),), fields("unused"), gain_render)


@rt
def duck_render(s, p, left, right, key, dt):
    for i in range(QUANTUM):
        if key[i] > f32(0):
            s.hold[0] = f32(480)
        left[i] = right[i] = f32(0) if s.hold[0] > f32(0) else f32(1)
        s.hold[0] = max(s.hold[0] - f32(1), f32(0))


DUCK = Effect("toyduck", (), fields("hold"), duck_render)


def rig_of(parts, channels=4, **more):
    """A rig with one table loaded."""
    rig = Rig(48000, channels)
    rig.load(Table(parts, **more))
    return rig


def play(rig, frames, block=128):
    """(frames, channels) float32 rendered in blocks."""
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(rig.process)
    out, at = np.zeros((frames, rig.channels), np.float32), 0
    while at < frames:
        n = min(block, frames - at)
        call(rig.pointer, out[at:].ctypes.data, n)
        at += n
    return out
