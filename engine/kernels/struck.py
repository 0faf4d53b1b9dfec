"""What drums and cymbals share: falling sines, ringing circuits, filtered noise, sums of squares.

All of it runs across time, 32 samples of one voice: drums are struck one or two at a time, so
sixteen voices side by side would be mostly empty. Thread: audio.
"""
import math

from engine.kernels.waves import advance, fallen
from engine.lanes import (
    fma,
    load,
    noise,
    ramp,
    select,
    splat,
    store,
    vabs,
    vexp2,
    vfloor,
    vmax,
    vrint,
)
from engine.rt import LANE, QUANTUM, exp2, f32, floor, flush, rint, rt, tangent

SPAN, LOG2E = f32(QUANTUM), f32(1 / math.log(2))
MIDDLE_C = f32(1 / 261.6255653)           # MIDI 60 sounds a drum's own pitch, others transpose it
APART = f32(0.381966)                     # turns between the starts of two squares
PULSE_S, GRID = f32(0.001), f32(2.0 ** 27)


@rt
def step_of(hz, pitch_hz, highest, dt):
    """Turns per sample of a drum's own pitch, transposed; its partial `highest` stays in band."""
    return min(hz * pitch_hz * MIDDLE_C * dt, f32(0.45) / highest)


@rt
def bend_turns(step, times, rate):
    """The turns that a fall from (1 + times) steps to one adds in all; its rate is `fall_rate`'s.

    source   the integral of 2^(rate t) from 0 on: -1 / (rate ln 2)
    """
    return step * times * -LOG2E / rate


@rt
def vturns(phase, step, more, rate, t):
    """Phases at samples t + 1 of a sine whose pitch falls: the struck sample is not silent."""
    u = t + f32(1)
    return fma(u, splat(step), splat(phase)) + more * (f32(1) - vexp2(u * rate))


@rt
def turned(step, more, rate):
    """How far that sine moves in a quantum."""
    return step * SPAN + more * (f32(1) - exp2(rate * SPAN))


@rt
def after(env, rate):
    """An envelope one quantum on: exactly 0 once it is below -120 dB."""
    less = fallen(env, rate * SPAN)
    return less if less > f32(1e-6) and less < f32(1e6) else f32(0)


@rt
def hiss(work, at, seed, count):
    """32 samples of white noise into work; returns the count that comes next."""
    for i in range(0, QUANTUM, LANE):
        store(work, at + i, noise(seed, int(count) + i))
    return advance(count, SPAN)


@rt
def warped(hz, dt):
    """The coefficient g of a state-variable filter; hz stays below 0.4 of the rate."""
    return tangent(f32(math.pi) * dt * min(hz, f32(0.4) / dt))


@rt
def sections(g, k):
    """What a sample of the filter multiplies by: g + k and 1 / (1 + g (g + k)); k is 1 / Q."""
    return g + k, f32(1) / (f32(1) + g * (g + k))


@rt
def svf(x, low, band, g, gk, bottom):
    """One sample of a state-variable filter, trapezoidal: high, band, low; and its new state.

    source   Zavalishin, The Art of VA Filter Design, chapter 4
    """
    high = (x - low - gk * band) * bottom
    middle = g * high + band
    under = g * middle + low
    return high, middle, under, g * middle + under, g * high + middle


@rt
def squares(work, at, turns, first, ratios, step, loud):
    """Adds squares at step * ratios turns a sample to work; their phases are turns[first:].

    Only the nearer edge is rounded (a cubic B-spline): exact while a square is below 1/8 of the
    rate. A square's low state is the mirror of its high one, so one residual does for both.
    """
    for n in range(len(ratios)):
        turn = rint(step * ratios[n] * GRID) / GRID         # so that phases add up without error
        start = turns[first + n] + APART * f32(n)
        half = f32(0.5) / turn
        for i in range(0, QUANTUM, LANE):
            u = fma(ramp(i), splat(turn), splat(start))
            u = u - vfloor(u)
            side = select(u < splat(f32(0.5)), splat(loud), splat(-loud))
            d = vabs(u + u - vrint(u + u)) * half           # samples to the nearer edge
            far, near = vmax(f32(2) - d, splat(f32(0))), vmax(f32(1) - d, splat(f32(0)))
            far, near = far * far, near * near
            rest = (far * far - f32(4) * (near * near)) * f32(1 / 12)
            store(work, at + i, load(work, at + i) + side * (f32(1) - rest))
        moved = turns[first + n] + turn * SPAN
        turns[first + n] = moved - floor(moved)


@rt
def trigger(work, at, age, level, loss, dt):
    """Pushes into work[at + 32:], losses into work[at + 64:], for a ring struck age samples ago.

    For 1 ms the ring is pushed and damped to 2 % at once: it leaves with level, and a strike on one
    that still sounds neither adds up nor cancels, whatever the phase. source   the 808's trigger
    """
    length, damp = rint(PULSE_S / dt) - f32(0.5), f32(4) * dt / PULSE_S
    each = level * damp * f32(1 / (1 - math.exp(-4)))
    for i in range(0, QUANTUM, LANE):
        struck = ramp(age + f32(i)) < splat(length)
        store(work, at + QUANTUM + i, select(struck, splat(each), splat(f32(0))))
        store(work, at + 2 * QUANTUM + i, select(struck, splat(damp), splat(loss)))


@rt
def ring(work, at, low, band, sag):
    """A ringing circuit over a quantum: work holds 32 angles (radians), pushes and losses.

    Its own output raises its pitch by the share sag. The pushes leave as the output; returns the
    new state. A trapezoidal state-variable filter without loss is this rotation, and in small
    differences it stays exact however long it rings.
    source   own derivation; the bridged-T of the 808 as modelled in Plaits (MIT)
    """
    for i in range(QUANTUM):
        a = work[at + i] * (f32(1) + sag * max(band, f32(0)))
        u = a * a
        si = a * (f32(1) - u * f32(1 / 6) * (f32(1) - u * f32(1 / 20) * (f32(1) - u * f32(1 / 42))))
        less = u * f32(0.5) * (f32(1) - u * f32(1 / 12) * (f32(1) - u * f32(1 / 30)))
        band, low = band - (si * low + less * band), low + (si * band - less * low)
        loss = work[at + 2 * QUANTUM + i]
        band += work[at + QUANTUM + i] - loss * band
        low -= loss * low
        work[at + QUANTUM + i] = band
    return low, band


@rt
def ring_loss(time_s, dt):
    """The share that a ring loses each sample to fall by 60 dB in time_s."""
    x = f32(math.log(1000.0)) * dt / time_s
    return x * (f32(1) - x * f32(1 / 2) * (f32(1) - x * f32(1 / 3)))


@rt
def settled(low, band):
    """Whether a ring is below -120 dB (or not a number)."""
    size = abs(low) + abs(band)
    return not (size > f32(1e-6) and size < f32(1e6))


@rt
def dulled(work, at, y, share):
    """A one-pole low-pass over work in place; returns its state."""
    for i in range(QUANTUM):
        y += share * (work[at + i] - y)
        work[at + i] = y
    return flush(y)
