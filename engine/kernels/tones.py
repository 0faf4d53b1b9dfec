"""What several sustained voices share: slow envelopes in lanes, the fade of partials near half the
rate, sums over lanes. Thread: audio."""
from numba.extending import intrinsic

from engine.lanes import fma, load, select, splat, vexp2, vmax, vmin
from engine.lanes_type import INT, constant, lanes
from engine.rt import LANE, decay_per_sample, f32, rt

TOP = f32(0.45)                           # turns a sample; a partial from here on is silent ...
SEMITONE = f32(0.45 - 0.45 * 2 ** (-1 / 12))                      # ... and whole a semitone below


@rt
def vheard(step):
    """The share of partials with these turns a sample that is let through, in lanes."""
    return vmin(vmax((TOP - step) * (f32(1) / SEMITONE), f32(0)), f32(1))


@rt
def vfallen(x, octaves):
    """x times 2**octaves (octaves <= 0) in lanes, exact to the last bit also when nearly x."""
    r = octaves * f32(0.6931471805599453)
    less = fma(r, fma(r, fma(r, fma(r, f32(1 / 120), f32(1 / 24)), f32(1 / 6)), f32(1 / 2)), f32(1))
    less = select(r < f32(-0.25), vexp2(octaves) - f32(1), less * r)
    return fma(x, less, x)


@rt
def vfaded(x):
    """Envelopes in lanes, each exactly 0 once it is below -120 dB (or not a number)."""
    return select(x > f32(1e-6), vmin(x, f32(1e6)), splat(f32(0)))


@rt
def vswell(env, gate, attack_s, release_s, span_s):
    """Where span_s takes 16 slow envelopes: to 95 % in attack_s, by -60 dB in release_s."""
    rise = f32(1) - decay_per_sample(attack_s * f32(2.3059), span_s)
    fall = decay_per_sample(release_s, span_s)
    return vfaded(select(gate < f32(0.5), env * fall, fma(f32(1) - env, rise, env)))


@intrinsic
def pairs(tc, x, y):
    """Sums of neighbours: eight of x, then eight of y."""

    def gen(cg, b, s, a):
        even = b.shuffle_vector(a[0], a[1], constant(list(range(0, 2 * LANE, 2)), INT))
        odd = b.shuffle_vector(a[0], a[1], constant(list(range(1, 2 * LANE, 2)), INT))
        return b.fadd(even, odd)

    return lanes(x, y), gen


@rt
def four_rows(array, at):
    a = pairs(load(array, at), load(array, at + LANE))
    return pairs(a, pairs(load(array, at + 2 * LANE), load(array, at + 3 * LANE)))


@rt
def row_sums(array, at):
    """The sums of 16 rows of 16 numbers, the first at array[at], in 16 lanes."""
    a = pairs(four_rows(array, at), four_rows(array, at + 4 * LANE))
    return pairs(a, pairs(four_rows(array, at + 8 * LANE), four_rows(array, at + 12 * LANE)))
