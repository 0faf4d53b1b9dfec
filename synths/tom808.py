"""Tom 808: a ringing circuit whose own output bends its pitch, with a little low noise behind it.

Part(TOM808, preset=CONGA) is the conga: higher, shorter, no noise. Thread: audio.
source   the 808 tom and conga: bridged-T resonator, 1 ms trigger, as in kick808.py
"""
import math

from engine.kernels.struck import MIDDLE_C, after, dulled, hiss, ring, ring_loss, settled, trigger
from engine.kernels.waves import fall_rate
from engine.lanes import add, load, ramp, splat, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 60.0, 480.0, 100.0, "exp", 0.02),
    Param("decay_s", 0.08, 3.0, 0.6, "exp", 0.02),         # -60 dB
    Param("bend", 0.0, 1.0, 0.45, "lin", 0.02),            # how far the output bends the pitch
    Param("tone", 0.0, 1.0, 0.4, "lin", 0.02),             # the noise of the room
)
CONGA = {"tune_hz": 210.0, "decay_s": 0.32, "bend": 0.2, "tone": 0.0}
STATE = fields("low", "band", "age", "room", "level", "dull", "seed", "keep_count",
               work=3 * QUANTUM)
SPAN, FAR, TURN = f32(QUANTUM), f32(2.0 ** 23), f32(2 * math.pi)
ROOM_S = f32(0.25)


@rt
def strike(s, v, p, pitch_hz, level):
    """A pulse is on its way; a ring that still sounds gives way to it."""
    s.age[v], s.room[v], s.level[v] = f32(0), f32(1), level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def boom(s, v, p, pitch_hz, out, dt):
    """The ring into out."""
    w = v * 3 * QUANTUM
    angle = min(TURN * p.tune_hz * pitch_hz * MIDDLE_C * dt, f32(0.5))
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, splat(angle))
    trigger(s.work, w, s.age[v], s.level[v], ring_loss(p.decay_s, dt), dt)
    s.low[v], s.band[v] = ring(s.work, w, s.low[v], s.band[v], p.bend)
    for i in range(0, QUANTUM, LANE):
        add(out, i, load(s.work, w + QUANTUM + i) * f32(0.58))
    s.age[v] = min(s.age[v] + SPAN, FAR)
    if s.age[v] > f32(1024) and settled(s.low[v], s.band[v]):
        s.low[v], s.band[v] = f32(0), f32(0)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    boom(s, v, p, pitch_hz, out, dt)
    w, level, fade = v * 3 * QUANTUM, s.level[v], fall_rate(ROOM_S, dt)
    s.keep_count[v] = hiss(s.work, w, s.seed[v], s.keep_count[v])
    share = f32(1) - exp2(f32(-9.0647) * f32(600) * exp2(level) * dt)
    s.dull[v] = dulled(s.work, w, s.dull[v], share)
    rough = level * level * f32(0.5) * p.tone * s.room[v]
    for i in range(0, QUANTUM, LANE):
        add(out, i, load(s.work, w + i) * vexp2(ramp(i) * fade) * rough)
    s.room[v] = after(s.room[v], fade)


TOM808 = Voice("tom808", PARAMS, STATE, strike, release, render)
