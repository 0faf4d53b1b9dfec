"""Choir: up to four singers a voice, from bass to soprano, on any vowel between a, e, i, o and u.

Band-limited pulses and breath through five resonators side by side, sixteen voices at a time. A
resonator is a shrinking rotation, so it stays quiet and stable while its vowel moves. The lowest
formant follows a pitch that is above it, as singers do. Thread: audio.
source   formant tables of the IRCAM singing voices, as in the csound manual; levels as there
"""
import math

import numpy as np

from engine.kernels.tones import vswell
from engine.kernels.waves import advance, quiet, vmove_on
from engine.lanes import (
    add,
    fma,
    load,
    load_row,
    noise,
    select,
    splat,
    splat_row,
    store,
    vabs,
    vexp2,
    vmax,
    vmin,
    vrint,
    vsine,
    vsqrt,
)
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rt, sqrt
from engine.voice import Voice, fields

PARAMS = (
    Param("vowel_x", 0.0, 1.0, 0.0, "lin", 0.08),          # back to front: o to e, u to i
    Param("vowel_y", 0.0, 1.0, 1.0, "lin", 0.08),          # closed to open: i and u, e and o, a
    Param("soprano", 0.0, 1.0, 0.6, "lin", 0.1),           # the throat of a bass to a soprano's
    Param("cutoff_hz", 200.0, 16000.0, 5000.0, "exp", 0.05),          # of the pulses; soft: lower
    Param("breath", 0.0, 1.0, 0.1, "lin", 0.05),
    Param("singers", 1.0, 4.0, 3.0, "lin", 0.1),
    Param("spread_cents", 0.0, 40.0, 9.0, "lin", 0.05),
    Param("vibrato_hz", 4.4, 6.4, 5.4, "lin", 0.1),       # every singer between 4 and 7
    Param("vibrato_cents", 0.0, 100.0, 22.0, "lin", 0.05),
    Param("vibrato_s", 0.0, 3.0, 0.3, "lin", 0.05),        # before it starts to grow
    Param("attack_s", 0.01, 4.0, 0.18, "exp", 0.05),       # to 95 %
    Param("release_s", 0.02, 6.0, 0.5, "exp", 0.05),       # -60 dB
)
FORMANTS, SINGERS = 5, 4
_VOWELS = (                               # u i o e a of a bass, then of a soprano: Hz, dB, Hz wide
    ((350, 600, 2400, 2675, 2950), (0, -20, -32, -28, -36), (40, 80, 100, 120, 120)),
    ((250, 1750, 2600, 3050, 3340), (0, -30, -16, -22, -28), (60, 90, 100, 120, 120)),
    ((400, 750, 2400, 2600, 2900), (0, -11, -21, -20, -40), (40, 80, 100, 120, 120)),
    ((400, 1620, 2400, 2800, 3100), (0, -12, -9, -12, -18), (40, 80, 100, 120, 120)),
    ((600, 1040, 2250, 2450, 2750), (0, -7, -9, -9, -20), (60, 70, 110, 120, 130)),
    ((325, 700, 2700, 3800, 4950), (0, -16, -35, -40, -60), (50, 60, 170, 180, 200)),
    ((270, 2140, 2950, 3900, 4950), (0, -12, -26, -26, -44), (60, 90, 100, 120, 120)),
    ((450, 800, 2830, 3800, 4950), (0, -11, -22, -22, -50), (70, 80, 100, 130, 135)),
    ((350, 2000, 2800, 3600, 4950), (0, -20, -15, -40, -56), (60, 100, 120, 150, 200)),
    ((800, 1150, 2900, 3900, 4950), (0, -6, -32, -20, -50), (80, 90, 120, 130, 140)),
)
TABLE = np.array([[*np.log2(hz), *np.multiply(db, 0.05 * np.log2(10)), *np.log2(wide), 0]
                  for hz, db, wide in _VOWELS], np.float32).ravel()
PLACES = np.array((0.0, 0.93, -1.0, 0.41), np.float32)
PACES = np.array((1.0, 0.93, 1.08, 0.97), np.float32)
PULSE, HISS = f32(1.8), f32(1.6)
EVEN_HZ, DEEP_HZ = f32(440), f32(65)      # above, tones are equally loud; below, the pulses are
SPAN, WHOLE_S = f32(QUANTUM), f32(0.5)
STATE = fields("env", "gate", "level", "age", "dull", "seed", "keep_count", "keep_hiss",
               "keep_blown", dice=LANE, vowel=LANE, keep_turns=SINGERS, keep_error=SINGERS,
               keep_sway=SINGERS, keep_step=SINGERS, keep_re=FORMANTS, keep_im=FORMANTS,
               keep_cos=FORMANTS, keep_sin=FORMANTS, keep_gain=FORMANTS, keep_work=QUANTUM,
               keep_sum=QUANTUM)


@rt
def strike(s, v, p, pitch_hz, level):
    """A new note's singers start at chance phases, other for each; one that sounds goes on."""
    s.gate[v], s.level[v] = f32(1), level
    if s.env[v] == f32(0):
        store(s.dice, v * LANE, noise(s.seed[v], np.int64(s.keep_count[v])))
        s.keep_count[v] = advance(s.keep_count[v], f32(LANE))
        first, lane = (v // LANE) * LANE, v % LANE
        for n in range(SINGERS):
            at = first * SINGERS + n * LANE + lane
            s.keep_turns[at] = s.dice[v * LANE + n] * f32(0.5) + f32(0.5)
            s.keep_sway[at] = s.dice[v * LANE + SINGERS + n]
            s.keep_step[at] = f32(0)
        for n in range(FORMANTS):
            at = first * FORMANTS + n * LANE + lane
            s.keep_re[at], s.keep_im[at] = f32(0), f32(0)


@rt
def release(s, v, p):
    """The envelope turns round where it is."""
    s.gate[v] = f32(0)


@rt
def vowel(s, at, p):
    """Hz, gain, Hz wide of five formants into s.vowel: between the vowels around the point."""
    low, high = max(f32(1) - f32(2) * p.vowel_y, f32(0)), max(f32(2) * p.vowel_y - f32(1), f32(0))
    middle, sum_ = f32(1) - low - high, splat_row(f32(0))
    for n in range(2):
        share = p.soprano if n == 1 else f32(1) - p.soprano
        o, x = n * 5 * LANE, p.vowel_x
        sum_ = fma(load_row(TABLE, o), share * low * (f32(1) - x), sum_)
        sum_ = fma(load_row(TABLE, o + LANE), share * low * x, sum_)
        sum_ = fma(load_row(TABLE, o + 2 * LANE), share * middle * (f32(1) - x), sum_)
        sum_ = fma(load_row(TABLE, o + 3 * LANE), share * middle * x, sum_)
        sum_ = fma(load_row(TABLE, o + 4 * LANE), share * high, sum_)
    store(s.vowel, at, vexp2(sum_))


@rt
def singer(s, g, n, p, hz, depth, share, dt):
    """Add singer n of 16 voices to keep_work: a pulse each turn, its pitch on a straight line."""
    at, w = (g * SINGERS + n) * LANE, g * LANE * QUANTUM
    sway = load(s.keep_sway, at) + p.vibrato_hz * PACES[n] * dt * SPAN
    sway = sway - vrint(sway)
    store(s.keep_sway, at, sway)
    bend = vexp2(fma(vsine(sway), depth, PLACES[n] * p.spread_cents * f32(1 / 1200)))
    aim, old = vmin(hz * bend * dt, f32(0.2)), load(s.keep_step, at)
    store(s.keep_step, at, aim)
    step = select(old < f32(1e-9), aim, old)
    curve, turns = (aim - step) * f32(0.5 / QUANTUM), load(s.keep_turns, at)
    per = f32(2) / (aim + step)
    level = vmin(vmin(vsqrt(per), per * sqrt(EVEN_HZ * dt)), splat(f32(1) / sqrt(DEEP_HZ * dt)))
    loud, mean = level * (share * PULSE), (aim + step) * f32(0.5)
    for i in range(QUANTUM):
        t = fma(fma(curve, f32(i), step), f32(i), turns)
        away = vabs(t - vrint(t)) * per
        far, near = vmax(f32(2) - away, f32(0)), vmax(f32(1) - away, f32(0))
        pulse = fma(far * far, far, near * near * near * f32(-4)) * f32(1 / 6)
        to = w + i * LANE
        store(s.keep_work, to, fma(pulse - mean, loud, load(s.keep_work, to)))
    turns, error = vmove_on(turns, load(s.keep_error, at), (aim + step) * (f32(0.5) * SPAN))
    store(s.keep_turns, at, turns)
    store(s.keep_error, at, error)


@rt
def breathe(s, g, p):
    """Start keep_work with noise, another in every lane, or with nothing."""
    v, w = g * LANE, g * LANE * QUANTUM
    start, old = np.int64(s.keep_blown[v]) * (QUANTUM * LANE), s.keep_hiss[v]
    aim = p.breath * HISS
    s.keep_hiss[v], s.keep_blown[v] = aim, advance(s.keep_blown[v], f32(1))
    if old + aim > f32(0):
        for i in range(QUANTUM):
            loud = old + (aim - old) * f32(i) * f32(1 / QUANTUM)
            store(s.keep_work, w + i * LANE, noise(s.seed[v], start + i * LANE) * loud)
    else:
        for i in range(QUANTUM):
            store(s.keep_work, w + i * LANE, f32(0))


@rt
def formant(s, g, n, hz, dt):
    """Add formant n of keep_work to keep_sum, on the way from its old to its new place."""
    at, w, vowels = (g * FORMANTS + n) * LANE, g * LANE * QUANTUM, g * LANE * LANE
    place = vmin(vmax(splat(s.vowel[vowels + n]), hz if n == 0 else splat(f32(0))) * dt, f32(0.45))
    r = exp2(f32(-math.pi / math.log(2)) * s.vowel[vowels + 2 * FORMANTS + n] * dt)
    co, si = vsine(place + f32(0.25)), vsine(place)
    peak = vsqrt(fma(si * si, f32(4) * r, splat((f32(1) - r) * (f32(1) - r))))
    sign = f32(1) if n % 2 == 0 else f32(-1)
    gain = peak * (sign * s.vowel[vowels + FORMANTS + n] * (f32(1) - r) / r) / si
    co, si = co * r, si * r
    c, b, a = load(s.keep_cos, at), load(s.keep_sin, at), load(s.keep_gain, at)
    store(s.keep_cos, at, co)
    store(s.keep_sin, at, si)
    store(s.keep_gain, at, gain)
    dc, db = (co - c) * f32(1 / QUANTUM), (si - b) * f32(1 / QUANTUM)
    da = (gain - a) * f32(1 / QUANTUM)
    re, im = load(s.keep_re, at), load(s.keep_im, at)
    for i in range(QUANTUM):
        to = w + i * LANE
        x = fma(c, re, load(s.keep_work, to) * a)
        y = b * re
        re = fma(-b, im, x)
        im = fma(c, im, y)
        store(s.keep_sum, to, im if n == 0 else im + load(s.keep_sum, to))
        c, b, a = c + dc, b + db, a + da
    store(s.keep_re, at, quiet(re))
    store(s.keep_im, at, quiet(im))


@rt
def sources(s, g, p, hz, dt):
    """Breath and the singers of 16 voices into keep_work, dulled."""
    v, w, power = g * LANE, g * LANE * QUANTUM, f32(0)
    breathe(s, g, p)
    age = load(s.age, v)
    depth = vmin(vmax((age - p.vibrato_s) * (f32(1) / WHOLE_S), f32(0)), f32(1))
    depth = depth * (p.vibrato_cents * f32(1 / 1200))
    for n in range(SINGERS):
        share = min(max(p.singers - f32(n), f32(0)), f32(1))
        power += share * share
    for n in range(SINGERS):
        share = min(max(p.singers - f32(n), f32(0)), f32(1))
        if share > f32(0):
            singer(s, g, n, p, hz, depth, share / (sqrt(power) * sqrt(sqrt(power))), dt)
    store(s.age, v, vmin(age + dt * SPAN, f32(100)))
    octaves = fma(load(s.level, v), f32(1.5), f32(-1.5))
    lag = f32(1) - vexp2(vexp2(octaves) * (f32(-9.0647) * min(p.cutoff_hz, f32(0.4) / dt) * dt))
    dull = load(s.dull, v)
    for i in range(w, w + QUANTUM * LANE, LANE):
        dull = fma(load(s.keep_work, i) - dull, lag, dull)
        store(s.keep_work, i, dull)
    store(s.dull, v, quiet(dull))


@rt
def render(s, g, p, pitch_hz, out, dt):
    """Add 32 frames of voices 16 g .. 16 g + 15 to out, frame by frame; dt is seconds a sample."""
    v, w, hz = g * LANE, g * LANE * QUANTUM, vmax(load(pitch_hz, g * LANE), f32(5))
    vowel(s, v * LANE, p)
    sources(s, g, p, hz, dt)
    for n in range(FORMANTS):
        formant(s, g, n, hz, dt)
    env = load(s.env, v)
    aim = vswell(env, load(s.gate, v), p.attack_s, p.release_s, dt * SPAN)
    store(s.env, v, aim)
    level = load(s.level, v)
    loud, climb = env * level, (aim - env) * level * f32(1 / QUANTUM)
    for i in range(QUANTUM):
        add(out, i * LANE, load(s.keep_sum, w + i * LANE) * loud)
        loud = loud + climb


CHOIR = Voice("choir", PARAMS, STATE, strike, release, render, shape="lanes", narrow=True)
