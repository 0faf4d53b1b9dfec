"""Duck: the gain a kick leaves to the others; multiplies left and right by the curve, 0..1.

Down in 3 ms, held, then back along a smooth curve. A gain, not a compressor: its key is the strike
itself, so it is the same whatever the kick sounds like. Thread: audio.
"""
import math

from engine.lanes import load, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, rt
from engine.voice import Effect, fields

PARAMS = (
    Param("depth_db", 0.0, 36.0, 9.0, "lin", 0.02),
    Param("hold_s", 0.0, 0.5, 0.03, "lin", 0.02),
    Param("release_s", 0.01, 2.0, 0.22, "exp", 0.02),
)
STATE = fields("shape", "hold", "level", curve=QUANTUM)
ATTACK_S, OCTAVES = f32(0.003), f32(-0.16609640474436813)


@rt
def eased(x):
    """0..1 to 0..1, level at both ends."""
    return x * x * (f32(3) - f32(2) * x)


@rt
def uneased(y):
    """What `eased` takes to y."""
    return f32(0.5) - f32(math.sin(math.asin(f32(1) - f32(2) * min(y, f32(1))) / f32(3)))


@rt
def render(s, p, left, right, key, dt):
    """Multiply left and right by the curve; key carries the level of each strike at its sample."""
    down, up = dt / ATTACK_S, dt / p.release_s
    shape, hold, level = s.shape[0], s.hold[0], s.level[0]
    for i in range(QUANTUM):
        if key[i] > f32(0) and min(key[i], f32(1)) >= eased(shape) * level:      # not a softer one
            shape, level = uneased(eased(shape) * level / min(key[i], f32(1))), min(key[i], f32(1))
            hold = p.hold_s + ATTACK_S
        shape = min(shape + down, f32(1)) if hold > f32(0) else max(shape - up, f32(0))
        hold = max(hold - dt, f32(0))
        s.curve[i] = eased(shape) * level
    s.shape[0], s.hold[0], s.level[0] = shape, hold, level
    for i in range(0, QUANTUM, LANE):
        gain = vexp2(load(s.curve, i) * (p.depth_db * OCTAVES))
        store(left, i, load(left, i) * gain)
        store(right, i, load(right, i) * gain)


DUCK = Effect("duck", PARAMS, STATE, render)
