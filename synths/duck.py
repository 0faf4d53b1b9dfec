"""Duck: the gain a kick leaves to the others; multiplies left and right by the curve, 0..1.

Down in 3 ms, held, then back along a smooth curve. A gain, not a compressor: its key is the strike
itself, so it is the same whatever the kick sounds like. Thread: audio.
"""
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
def render(s, p, left, right, key, dt):
    """Multiply left and right by the curve; key carries the level of each strike at its sample."""
    down, up = dt / ATTACK_S, dt / p.release_s
    shape, hold, level = s.shape[0], s.hold[0], s.level[0]
    for i in range(QUANTUM):
        if key[i] > f32(0):
            hold, level = p.hold_s + ATTACK_S, max(min(key[i], f32(1)), level * shape)
        shape = min(shape + down, f32(1)) if hold > f32(0) else max(shape - up, f32(0))
        hold = max(hold - dt, f32(0))
        s.curve[i] = shape * shape * (f32(3) - f32(2) * shape) * level
    s.shape[0], s.hold[0], s.level[0] = shape, hold, level
    for i in range(0, QUANTUM, LANE):
        gain = vexp2(load(s.curve, i) * (p.depth_db * OCTAVES))
        store(left, i, load(left, i) * gain)
        store(right, i, load(right, i) * gain)


DUCK = Effect("duck", PARAMS, STATE, render)
