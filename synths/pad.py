"""Pad: seven detuned saws a voice (a supersaw) through a gentle low-pass, slow in and slow out.

Sixteen voices side by side at twice the rate, so that no saw folds back. Thread: audio.
source   JP-8000 detune proportions (A. Szabo, 2010); state-variable filter after Zavalishin
"""
import math

import numpy as np

from engine.kernels.waves import advance, quiet, vsaw
from engine.lanes import add, fma, load, noise, select, store, vfloor, vmax, vmin
from engine.param import Param
from engine.rt import LANE, QUANTUM, decay_per_sample, exp2, f32, rt, sqrt, tangent
from engine.voice import Voice, fields

PARAMS = (
    Param("cutoff_hz", 80.0, 12000.0, 1400.0, "exp", 0.05),
    Param("resonance", 0.0, 1.0, 0.15, "lin", 0.05),
    Param("attack_s", 0.005, 8.0, 0.35, "exp", 0.05),      # to 95 %
    Param("release_s", 0.02, 12.0, 1.4, "exp", 0.05),      # -60 dB
    Param("detune_cents", 0.0, 60.0, 14.0, "lin", 0.05),
    Param("thin", 0.0, 1.0, 0.0, "lin", 0.05),             # the high-pass: 30 Hz, or up to the note
)
SAWS, FRAMES = 7, 2 * QUANTUM
PLACES = np.array((0.0, -0.1765, 0.1812, -0.5714, 0.5658, -1.0, 0.9759), np.float32)
LOUDS = np.array((1.0, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8), np.float32)
STATE = fields("env", "gate", "level", "low", "band", "deep", "seed", "keep_count",
               keep_turns=SAWS, keep_work=FRAMES, dice=LANE)
SPAN = f32(FRAMES)


@rt
def strike(s, v, p, pitch_hz, level):
    """Every saw starts at its own chance phase, other for each strike."""
    s.gate[v], s.level[v] = f32(1), level
    store(s.dice, v * LANE, noise(s.seed[v], np.int64(s.keep_count[v])))
    s.keep_count[v] = advance(s.keep_count[v], f32(LANE))
    at = (v // LANE) * LANE * SAWS + v % LANE
    for n in range(SAWS):
        s.keep_turns[at + n * LANE] = s.dice[v * LANE + n] * f32(0.5) + f32(0.5)


@rt
def release(s, v, p):
    """The envelope turns round where it is."""
    s.gate[v] = f32(0)


@rt
def saws(s, g, p, hz, dt):
    """The sum of seven saws into keep_work, 64 frames for 16 voices."""
    w = g * LANE * FRAMES
    for n in range(SAWS):
        bend = exp2(p.detune_cents * PLACES[n] * f32(1 / 1200))
        step = vmin(hz * (bend * dt), f32(0.1))
        per, loud, at = f32(1) / step, LOUDS[n], (g * SAWS + n) * LANE
        turns = load(s.keep_turns, at)
        for i in range(FRAMES):
            y, to = vsaw(fma(step, f32(i), turns), per) * loud, w + i * LANE
            store(s.keep_work, to, y if n == 0 else y + load(s.keep_work, to))
        turns = fma(step, f32(FRAMES), turns)
        store(s.keep_turns, at, turns - vfloor(turns))


@rt
def envelope(s, v, p, dt):
    """Where the 16 envelopes are and where this quantum takes them; exactly 0 in the end."""
    env, gate = load(s.env, v), load(s.gate, v)
    rise = f32(1) - decay_per_sample(p.attack_s * f32(2.3059), dt * SPAN)
    up = fma(f32(1) - env, rise, env)
    aim = select(gate < f32(0.5), env * decay_per_sample(p.release_s, dt * SPAN), up)
    aim = select(aim < f32(1e-6), f32(0), aim)
    store(s.env, v, aim)
    return env, aim


@rt
def render(s, g, p, pitch_hz, out, dt):
    """Add 64 frames of voices 16 g .. 16 g + 15 to out, frame by frame; dt is seconds a frame."""
    v, w = g * LANE, g * LANE * FRAMES
    hz = vmax(load(pitch_hz, v), f32(5))
    saws(s, g, p, hz, dt)
    env, aim = envelope(s, v, p, dt)
    k = f32(1.5) - f32(1.3) * p.resonance                   # a high peak is made up for
    level = load(s.level, v) * (f32(0.28) * sqrt(min(k * f32(1 / 1.305), f32(1))))
    loud, climb = env * level, (aim - env) * level * (f32(1) / SPAN)
    wide = tangent(f32(math.pi) * dt * min(p.cutoff_hz, f32(0.2) / dt))
    bottom, over = f32(1) / (f32(1) + wide * (wide + k)), vmax(hz * p.thin, f32(30))
    sag = vmin(over * f32(6.2832) * dt, f32(0.9))
    low, band, deep = load(s.low, v), load(s.band, v), load(s.deep, v)
    for i in range(FRAMES):
        x = load(s.keep_work, w + i * LANE)
        deep = fma(x - deep, sag, deep)
        high = (x - deep - low - band * (wide + k)) * bottom
        middle = fma(high, wide, band)
        band = fma(high, wide, middle)
        y = fma(middle, wide, low)
        low = fma(middle, wide, y)
        add(out, i * LANE, y * loud)
        loud = loud + climb
    store(s.low, v, quiet(low))
    store(s.band, v, quiet(band))
    store(s.deep, v, quiet(deep))


PAD = Voice("pad", PARAMS, STATE, strike, release, render, shape="lanes", narrow=True,
            oversample=2)
