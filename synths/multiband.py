"""Multiband: three compressors side by side: tames the bass without ducking the hats.

Linkwitz-Riley crossovers of fourth order; the low band goes through the upper crossover's all-pass,
so the three add up flat. The filters of both sides run 16 samples at a time, by a table of what
16 samples and 14 states do to the bands; it is made anew when a crossover moves. Levels are those
of a sine of the same power on both sides; both get the same gain. No delay. Thread: audio.
source   Linkwitz, JAES 24(1), 1976; filters after Zavalishin; Giannoulis et al., JAES 60(6), 2012
"""
import numpy as np

from engine.lanes import fma, load, ramp, select, splat, store, turned, vabs, vexp2
from engine.logarithm import OCTAVES_PER_DB, log2
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, flush, lag_per_step, rt, tangent
from engine.voice import Effect, fields
from engine.waves import quiet

PARAMS = (
    Param("low_hz", 40.0, 500.0, 150.0, "exp", 0.05),      # where low ends
    Param("high_hz", 1000.0, 8000.0, 2500.0, "exp", 0.05),  # where high begins
    Param("low_threshold_db", -60.0, 0.0, -18.0, "lin", 0.05),
    Param("low_ratio", 1.0, 20.0, 2.5, "exp", 0.05),
    Param("low_attack_s", 0.001, 0.2, 0.03, "exp", 0.05),  # time constants of the gain
    Param("low_release_s", 0.01, 2.0, 0.2, "exp", 0.05),
    Param("low_makeup_db", 0.0, 9.0, 0.0, "lin", 0.05),
    Param("middle_threshold_db", -60.0, 0.0, -18.0, "lin", 0.05),
    Param("middle_ratio", 1.0, 20.0, 2.0, "exp", 0.05),
    Param("middle_attack_s", 0.001, 0.2, 0.015, "exp", 0.05),
    Param("middle_release_s", 0.01, 2.0, 0.15, "exp", 0.05),
    Param("middle_makeup_db", 0.0, 9.0, 0.0, "lin", 0.05),
    Param("high_threshold_db", -60.0, 0.0, -24.0, "lin", 0.05),
    Param("high_ratio", 1.0, 20.0, 2.0, "exp", 0.05),
    Param("high_attack_s", 0.001, 0.2, 0.005, "exp", 0.05),
    Param("high_release_s", 0.01, 2.0, 0.08, "exp", 0.05),
    Param("high_makeup_db", 0.0, 9.0, 0.0, "lin", 0.05),
)
INPUTS, STATES, WIDTH = LANE, 14, 4 * LANE                 # a row: three bands, then the states
KNEE, GROUP = f32(6.0) * OCTAVES_PER_DB, 8                 # octaves; samples between two levels
DETECT_S = (f32(0.01), f32(0.005), f32(0.002))             # of the power of each band
DAMPING = f32(np.sqrt(2))                                  # Butterworth
STATE = fields("made_low", "made_high", rows=2 * LANE * WIDTH, work=WIDTH * LANE, left=LANE,
               right=LANE, bands=6 * QUANTUM, line=QUANTUM, power=3, down=3, makeup=3)


@rt
def two_poles(z, at, g, x):
    """One sample of a state variable filter in 16 lanes; its states are z[at : at + 32].

    returns  low, band and high-pass
    """
    s, t = load(z, at), load(z, at + LANE)
    a = f32(1) / (f32(1) + g * (g + DAMPING))
    v = x - t
    band = fma(s, a, v * (g * a))
    low = t + band * g
    store(z, at, band * f32(2) - s)
    store(z, at + LANE, low * f32(2) - t)
    return low, band, x - band * DAMPING - low


@rt
def split(z, at, g, h, x):
    """One sample in 16 lanes into low, middle and high; g and h are the two crossovers."""
    low, _, high = two_poles(z, at, g, x)
    low, _, _ = two_poles(z, at + 2 * LANE, g, low)
    _, _, rest = two_poles(z, at + 4 * LANE, g, high)
    _, turn, _ = two_poles(z, at + 6 * LANE, h, low)
    middle, _, high = two_poles(z, at + 8 * LANE, h, rest)
    middle, _, _ = two_poles(z, at + 10 * LANE, h, middle)
    _, _, high = two_poles(z, at + 12 * LANE, h, high)
    return low - turn * (f32(2) * DAMPING), middle, high


@rt
def make_rows(s, low_hz, high_hz, dt):
    """What each of 16 samples (a lane each), then each state, adds to the bands and the states."""
    g, h = tangent(f32(np.pi) * low_hz * dt), tangent(f32(np.pi) * min(high_hz * dt, f32(0.4)))
    states = 3 * LANE * LANE
    for states_turn in range(2):
        for k in range(LANE):
            lane = ramp(-k)
            one = select(vabs(lane) < splat(f32(0.5)), splat(f32(1)), splat(f32(0)))
            store(s.work, states + k * LANE, one * f32(states_turn))
        for i in range(LANE):
            lane = ramp(-i)
            one = select(vabs(lane) < splat(f32(0.5)), splat(f32(1)), splat(f32(0)))
            low, middle, high = split(s.work, states, g, h, one * f32(1 - states_turn))
            store(s.work, i * LANE, low)
            store(s.work, (LANE + i) * LANE, middle)
            store(s.work, (2 * LANE + i) * LANE, high)
        for k in range(4):
            turned(s.work, k * LANE * LANE, LANE, s.rows, states_turn * LANE * WIDTH + k * LANE,
                   WIDTH)
    s.made_low[0], s.made_high[0] = low_hz, high_hz


@rt
def into_bands(s, side, states, place):
    """A quantum of one side into bands[place], [place + 64] and [place + 128]."""
    for i in range(0, QUANTUM, LANE):
        low, middle, high, after = splat(f32(0)), splat(f32(0)), splat(f32(0)), splat(f32(0))
        for k in range(INPUTS + STATES):
            x = splat(side[i + k] if k < INPUTS else states[k - INPUTS])
            low = fma(x, load(s.rows, k * WIDTH), low)
            middle = fma(x, load(s.rows, k * WIDTH + LANE), middle)
            high = fma(x, load(s.rows, k * WIDTH + 2 * LANE), high)
            after = fma(x, load(s.rows, k * WIDTH + 3 * LANE), after)
        store(states, 0, quiet(after))
        store(s.bands, place + i, low)
        store(s.bands, place + 2 * QUANTUM + i, middle)
        store(s.bands, place + 4 * QUANTUM + i, high)


@rt
def less(octaves, threshold, slope):
    """How far a level must come down: nothing below the knee, slope times the rest above it."""
    over = octaves - threshold + f32(0.5) * KNEE
    bent = min(max(over, f32(0)), KNEE)
    return slope * (bent * bent * (f32(0.5) / KNEE) + max(over - KNEE, f32(0)))


@rt
def compress(s, b, threshold_db, ratio, attack_s, release_s, makeup_db, dt):
    """The gain of band b in octaves, a line from level to level, into s.line; then the band."""
    step, at = f32(GROUP) * dt, b * 2 * QUANTUM
    attack, release = lag_per_step(attack_s, step), lag_per_step(release_s, step)
    detect, slope = lag_per_step(DETECT_S[b], step), f32(1) - f32(1) / ratio
    power, down, makeup = s.power[b], s.down[b], s.makeup[b]
    rise = (makeup_db * OCTAVES_PER_DB - makeup) * f32(GROUP / QUANTUM)
    threshold = threshold_db * OCTAVES_PER_DB
    for i in range(0, QUANTUM, GROUP):
        now = f32(0)
        for k in range(at + i, at + i + GROUP):
            now += s.bands[k] * s.bands[k] + s.bands[QUANTUM + k] * s.bands[QUANTUM + k]
        power += (flush(now) * f32(1 / GROUP) - power) * detect
        aim = less(f32(0.5) * log2(max(power, f32(1e-20))), threshold, slope)
        first = makeup - down
        down += (aim - down) * (attack if aim > down else release)
        makeup += rise
        bend = (makeup - down - first) * f32(1 / GROUP)
        for k in range(GROUP):
            s.line[i + k] = first + bend * f32(k + 1)
    s.power[b], s.down[b], s.makeup[b] = flush(power), flush(down), makeup


@rt
def join(s, b, left, right):
    """Band b at its gain; the first replaces what is there, the others add to it."""
    for i in range(0, QUANTUM, LANE):
        gain, at = vexp2(load(s.line, i)), b * 2 * QUANTUM + i
        x, y = load(s.bands, at) * gain, load(s.bands, at + QUANTUM) * gain
        store(left, i, x if b == 0 else load(left, i) + x)
        store(right, i, y if b == 0 else load(right, i) + y)


@rt
def render(s, p, left, right, key, dt):
    """Compress a quantum of left and right in place."""
    if s.made_low[0] != p.low_hz or s.made_high[0] != p.high_hz:
        make_rows(s, p.low_hz, p.high_hz, dt)
    into_bands(s, left, s.left, 0)
    into_bands(s, right, s.right, QUANTUM)
    compress(s, 0, p.low_threshold_db, p.low_ratio, p.low_attack_s, p.low_release_s,
             p.low_makeup_db, dt)
    join(s, 0, left, right)
    compress(s, 1, p.middle_threshold_db, p.middle_ratio, p.middle_attack_s, p.middle_release_s,
             p.middle_makeup_db, dt)
    join(s, 1, left, right)
    compress(s, 2, p.high_threshold_db, p.high_ratio, p.high_attack_s, p.high_release_s,
             p.high_makeup_db, dt)
    join(s, 2, left, right)


MULTIBAND = Effect("multiband", PARAMS, STATE, render)
