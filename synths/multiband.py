"""Multiband: three compressors side by side: tames the bass without ducking the hats.

The crossovers are the isolator's: the bands add up flat. Levels are those of a sine of the same
power on both sides; both get the same gain. No delay. Thread: audio.
source   Giannoulis, Massberg, Reiss, JAES 60(6), 2012
"""
from engine.kernels.crossover import BANDS, CROSSOVER, bands, tune
from engine.kernels.logarithm import OCTAVES_PER_DB, log2
from engine.lanes import load, store, vexp2
from engine.param import Param
from engine.rt import LANE, QUANTUM, f32, flush, lag_per_step, rt
from engine.voice import Effect, fields

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
KNEE, GROUP = f32(6.0) * OCTAVES_PER_DB, 8                 # octaves; samples between two levels
DETECT_S = (f32(0.01), f32(0.005), f32(0.002))             # of the power of each band
STATE = fields(**CROSSOVER, bands=BANDS * 2 * QUANTUM, line=QUANTUM, power=BANDS, down=BANDS,
               makeup=BANDS)


@rt
def apart(s, side, sound):
    """A quantum of a side into its three places of `bands`."""
    for i in range(0, QUANTUM, LANE):
        low, middle, high = bands(s.matrix, s.memory, s.column, side, load(sound, i))
        store(s.bands, side * QUANTUM + i, low)
        store(s.bands, (2 + side) * QUANTUM + i, middle)
        store(s.bands, (4 + side) * QUANTUM + i, high)


@rt
def excess(octaves, threshold, slope):
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
        aim = excess(f32(0.5) * log2(max(power, f32(1e-20))), threshold, slope)
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
    tune(s.known, s.z, s.rows, s.matrix, p.low_hz, p.high_hz, dt)
    apart(s, 0, left)
    apart(s, 1, right)
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
