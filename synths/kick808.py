"""Kick 808: a ringing circuit struck by a short pulse: a round, very long, low boom.

Its own output pulls its pitch up while it is loud, so a hard strike bends further. Thread: audio.
source   the 808 bass drum: bridged-T resonator, 1 ms trigger, 6 ms of raised pitch, its output on
         its own frequency, as analysed by Werner, Abel and Smith, DAFx 2014, and in Plaits (MIT)
"""
import math

from engine.kernels.struck import MIDDLE_C, after, ring, ring_loss, settled, trigger
from engine.kernels.waves import advance, fall_rate
from engine.lanes import add, load, noise, ramp, splat, store, vexp2, vmin
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("tune_hz", 28.0, 110.0, 48.0, "exp", 0.02),
    Param("decay_s", 0.2, 8.0, 1.6, "exp", 0.02),          # -60 dB
    Param("punch", 0.0, 1.0, 0.3, "lin", 0.02),            # how far the output bends the pitch
    Param("attack", 0.0, 1.0, 0.5, "lin", 0.02),           # how far the first 6 ms are raised
    Param("tone", 0.0, 1.0, 0.4, "lin", 0.02),             # the click of the beater
)
STATE = fields("low", "band", "age", "rise", "snap", "level", "seed", "keep_count",
               work=3 * QUANTUM)
SPAN, FAR, TURN = f32(QUANTUM), f32(2.0 ** 23), f32(2 * math.pi)
RISE_S, SNAP_S = f32(0.018), f32(0.008)


@rt
def strike(s, v, p, pitch_hz, level):
    """A pulse is on its way; a ring that still sounds gives way to it."""
    s.age[v], s.rise[v], s.snap[v], s.level[v] = f32(0), f32(1), f32(1), level


@rt
def release(s, v, p):
    """A drum rings on."""


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    w, level = v * 3 * QUANTUM, s.level[v]
    angle = min(TURN * p.tune_hz * pitch_hz * MIDDLE_C * dt, f32(0.3))
    up, snap = fall_rate(RISE_S, dt), fall_rate(SNAP_S, dt)
    higher = angle * p.attack * f32(1.5) * s.rise[v]
    trigger(s.work, w, s.age[v], level, ring_loss(p.decay_s, dt), dt)
    for i in range(0, QUANTUM, LANE):
        store(s.work, w + i, vexp2(ramp(i) * up) * higher + angle)
    s.low[v], s.band[v] = ring(s.work, w, s.low[v], s.band[v], p.punch)
    click, count = level * level * p.tone * s.snap[v] * f32(0.25), int(s.keep_count[v])
    for i in range(0, QUANTUM, LANE):
        t = ramp(i)
        white = noise(s.seed[v], count + i) + noise(s.seed[v], count + i + 1)
        soft = vmin((t + (s.age[v] + f32(1))) * f32(1 / 16), splat(f32(1)))
        beater = white * soft * vexp2(t * snap) * click
        add(out, i, load(s.work, w + QUANTUM + i) * f32(0.6) + beater)
    if s.age[v] > f32(1024) and settled(s.low[v], s.band[v]):
        s.low[v], s.band[v] = f32(0), f32(0)
    s.rise[v], s.snap[v] = after(s.rise[v], up), after(s.snap[v], snap)
    s.age[v], s.keep_count[v] = min(s.age[v] + SPAN, FAR), advance(s.keep_count[v], SPAN)


KICK808 = Voice("kick808", PARAMS, STATE, strike, release, render)
