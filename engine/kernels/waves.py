"""Band-limited shapes, envelopes and phases in lanes, a decimator's coefficients. Thread: audio."""
from engine.lanes import fma, ramp, select, signed, vabs, vfloor, vmax, vrint, vsine
from engine.rt import QUANTUM, exp2, f32, floor, rt, rt_inlined

# six first-order all-pass coefficients of an elliptic half-band (flat to 20 kHz and -94.8 dB from
# 28 kHz at 96 kHz); even ones filter the even samples, odd ones the odd samples
A0, A1, A2 = f32(0.045362164), f32(0.168087481), f32(0.337149688)
A3, A4, A5 = f32(0.522377854), f32(0.708064136), f32(0.897445591)
FAR, NEAR = f32(24 ** -0.25), f32(6 ** -0.25)    # the two powers of a step's residual, in it
NIL = f32(1e-9)                           # for vmax: of a 0, LLVM makes two instructions


@rt
def quiet(x):
    """x, or exactly 0 below -240 dB or where it is not a number; feedback state passes through."""
    size = vabs(x)
    return select(size > f32(1e-12), select(size < f32(1e12), x, f32(0)), f32(0))


@rt
def vstep(x):
    """What to add x samples after a unit step up, so that it is band-limited; 0 from 2 samples on.

    source   cubic B-spline residual (Valimaki, Pekonen, Nam, JASA 131, 2012)
    """
    far = vmax(f32(2) - vabs(x), f32(0))
    near = vmax(f32(1) - vabs(x), f32(0))
    far, near = far * far, near * near
    rest = (far * far - f32(4) * (near * near)) * f32(1 / 24)
    return select(x < f32(0), rest, -rest)


@rt
def vsaw(turns, samples_per_turn):
    """A rising saw in [-1/2, 1/2], band-limited at its wrap as by `vstep`; any finite turns.

    Between two wraps it is t - sign(t) / 2 at t turns from the nearer one.
    """
    t = turns - vrint(turns)
    size = vabs(t)
    far = vmax(fma(size, samples_per_turn * -FAR, f32(2) * FAR), NIL)
    near = vmax(fma(size, samples_per_turn * -NEAR, NEAR), NIL)
    far, near = far * far, near * near
    return t - signed(fma(near, near, fma(-far, far, f32(0.5))), t)


@rt
def vtangent(x):
    """tan(x) for 0 <= x < pi/2 - 0.02 in 16 lanes; relative error 2e-6."""
    t = x * f32(0.15915494309189535)
    return vsine(t) / vmax(vsine(t + f32(0.25)), f32(1e-6))


@rt
def fall_rate(time_s, dt):
    """The power of two per sample (below 0) of what falls by 60 dB in time_s; for (v)exp2."""
    return f32(-9.965784284662087) * dt / max(time_s, f32(1e-4))


@rt
def less(octaves):
    """2**octaves - 1 for octaves <= 0, exact to the last bit also near 0."""
    r = octaves * f32(0.6931471805599453)
    near = r * (f32(1) + r * (f32(1 / 2) + r * (f32(1 / 6) + r * (f32(1 / 24) + r * f32(1 / 120)))))
    return near if r > f32(-0.25) else exp2(octaves) - f32(1)


@rt
def vfalling(t, rate):
    """2**(t rate) in lanes, for -2 < t rate <= 0: what falls within a quantum; error 1e-7 to -0.5,
    1e-3 at -2."""
    r = t * (rate * f32(0.6931471805599453))
    y = fma(r, f32(1 / 720), f32(1 / 120))
    y = fma(r, y, f32(1 / 24))
    y = fma(r, y, f32(1 / 6))
    y = fma(r, y, f32(1 / 2))
    return fma(r, fma(r, y, f32(1)), f32(1))


@rt
def fallen(x, octaves):
    """x times 2**octaves (octaves <= 0), exact to the last bit also when that is nearly x."""
    return x + x * less(octaves)


@rt
def faded(x):
    """An envelope's value, or exactly 0 once it is below -120 dB (or not a number)."""
    return x if x > f32(1e-6) and x < f32(1e6) else f32(0)


@rt
def vfaded(x):
    """`faded` in 16 lanes."""
    return select(x > f32(1e-6), select(x < f32(1e6), x, f32(0)), f32(0))


@rt
def advance(count, samples):
    """A sample counter kept in float32: back to 0 before integers stop being exact."""
    return f32(0) if count >= f32(2.0 ** 23) else count + samples


@rt
def move_on(phase, error, turns):
    """A phase in turns and its rounding error, both `turns` later: no drift over hours (Kahan)."""
    more = turns - error
    moved = phase + more
    return moved - floor(moved), (moved - phase) - more


@rt
def vmove_on(phase, error, turns):
    """`move_on` in 16 lanes."""
    more = turns - error
    moved = phase + more
    return moved - vfloor(moved), (moved - phase) - more


@rt_inlined
def gliding(start, aim, i):
    """Samples i .. i + 15 of a number that goes from start to aim in a quantum."""
    return fma(ramp(i), (aim - start) * f32(1 / QUANTUM), start)
