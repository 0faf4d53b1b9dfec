"""Drive: saturation from warm to torn, at eight times the rate, so that what it adds is harmonic.

Twice the rate by two chains of all-passes, four times that by a short filter, the curve, and both
ways back: 8 samples late in all, and the dry that is mixed in with it. With bias the halves of
a wave bend differently: even harmonics, as in a valve. Thread: audio.
source   the curve is a rational tanh; polyphase filters as in Vaidyanathan 1993, chapter 4
"""
import numpy as np

from engine.kernels.blocks import product
from engine.kernels.lines import POLE, low_pass, pole_of
from engine.kernels.waves import A0, A1, A2, A3, A4, A5, gliding, quiet
from engine.lanes import fma, load, splat, store, vtanh
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, from_db, rt, rt_inlined
from engine.voice import Effect, fields

PARAMS = (
    Param("drive_db", 0.0, 30.0, 12.0, "lin", 0.03),
    Param("bias", 0.0, 1.0, 0.0, "lin", 0.03),
    Param("tone_hz", 300.0, 20000.0, 20000.0, "exp", 0.03),  # low-pass behind; highest: none
    Param("mix", 0.0, 1.0, 1.0, "lin", 0.03),
    Param("level_db", -24.0, 6.0, -3.0, "lin", 0.03),
)
TAPS, STATES = 10, 6                      # of a phase of the short filter; of both chains
CHAINS = (A0, A2, A4), (A1, A3, A5)
UP, DOWN = STATES + LANE, STATES + 2 * LANE
RUN, DC_HZ, LEAN = LANE + QUANTUM, f32(5), f32(0.8)
STATE = fields("dt", "tone_hz", known=4, column=4 * LANE, up=2 * LANE, down=2 * LANE,
               double=4 * RUN, eightfold=16 * RUN, bright=2, deep=2, high_pole=POLE, low_pole=POLE)


def _matrices(sources, streams):
    """(3, columns, 16): the first chain's samples, the second's and the states after, made of 6
    states and 16 samples of each stream; sources: which stream a chain hears."""
    columns = []
    for n in range(STATES + LANE * streams):
        state, made = np.float64(np.arange(LANE) == n) * (n < STATES), np.zeros((3, LANE))
        for i in range(LANE):
            for chain in range(2):
                x = float(n == STATES + LANE * sources[chain] + i)
                for k, gain in enumerate(CHAINS[chain], 3 * chain):
                    y = float(gain) * x + state[k]
                    state[k], x = x - float(gain) * y, y
                made[chain, i] = x
        made[2] = state
        columns.append(made)
    return np.swapaxes(columns, 0, 1)


def _short():
    """(3 * 10,) float32: the three samples between two, a windowed sinc."""
    t = np.arange(TAPS) - TAPS // 2 + np.arange(1, 4)[:, None] / 4
    window = np.i0(7.5 * np.sqrt(1 - (t / (TAPS / 2)) ** 2)) / np.i0(7.5)
    return (np.sinc(t) * window).astype(np.float32).ravel()


RAISE, LOWER, SHORT = _matrices((0, 0), 1), _matrices((1, 0), 2), _short()
LOWER = np.stack((0.5 * (LOWER[0] + LOWER[1]), LOWER[2])).astype(np.float32).ravel()
RAISE = RAISE.astype(np.float32).ravel()


@rt_inlined
def doubled(s, side, i, x):
    """Sixteen samples at twice the rate: the even ones and the odd ones into double."""
    to = 2 * side * RUN + LANE + i
    store(s.column, 0, load(s.up, side * LANE))
    store(s.column, STATES, quiet(x))
    store(s.double, to, product(RAISE, 0, s.column, 0, UP))
    store(s.double, to + RUN, product(RAISE, UP * LANE, s.column, 0, UP))
    store(s.up, side * LANE, quiet(product(RAISE, 2 * UP * LANE, s.column, 0, UP)))


@rt_inlined
def between(s, side, i, half, phase):
    """Sixteen samples of one eighth of those at eight times the rate."""
    if phase == 0:
        return load(s.double, (2 * side + 1 - half) * RUN + LANE + i - 3 + half)
    y = splat(f32(0))
    for k in range(TAPS):
        at = (2 * side + (half + k & 1)) * RUN + LANE + i + (half - k >> 1)
        y = fma(load(s.double, at), SHORT[(phase - 1) * TAPS + k], y)
    return y


@rt_inlined
def bent(s, side, i, gain, bias, mix):
    """Sixteen samples of each eighth through the curve, into eightfold."""
    rest = vtanh(bias)
    for half in range(2):
        for phase in range(4):
            x = between(s, side, i, half, phase)
            y = fma(mix, vtanh(fma(x, gain, bias)) - rest - x, x)
            store(s.eightfold, (8 * side + 4 * half + phase) * RUN + LANE + i, y)


@rt_inlined
def quartered(s, side, i, half):
    """Sixteen samples of one half of those at twice the rate, from eightfold."""
    at = (8 * side + 4 * (1 - half)) * RUN + LANE + i - 3 + half
    y = load(s.eightfold, at)
    for phase in range(1, 4):
        for k in range(TAPS):
            back = half - 1 - k
            at = (8 * side + 4 * (back & 1) + phase) * RUN + LANE + i + (back >> 1)
            y = fma(load(s.eightfold, at), SHORT[phase * TAPS - 1 - k], y)
    return y * f32(0.25)


@rt_inlined
def halved(s, side, i):
    """Sixteen samples at the rate again."""
    store(s.column, 0, load(s.down, side * LANE))
    store(s.column, STATES, quartered(s, side, i, 0))
    store(s.column, STATES + LANE, quartered(s, side, i, 1))
    y = product(LOWER, 0, s.column, 0, DOWN)
    store(s.down, side * LANE, quiet(product(LOWER, DOWN * LANE, s.column, 0, DOWN)))
    return y


@rt
def tune(s, p, dt):
    """The filters behind the curve, if they are not as they were; the first time, all at rest."""
    if s.dt[0] == f32(0):
        s.known[0], s.known[1], s.known[2] = from_db(p.drive_db), p.bias * LEAN, p.mix
        s.known[3] = from_db(p.level_db)
    if s.tone_hz[0] != p.tone_hz or s.dt[0] != dt:
        s.tone_hz[0], s.dt[0] = p.tone_hz, dt
        high = exp2(f32(-9.0647) * dt * p.tone_hz)
        pole_of(f32(0) if p.tone_hz > f32(19999) else high, s.high_pole, 0)
        pole_of(exp2(f32(-9.0647) * dt * DC_HZ), s.low_pole, 0)


@rt_inlined
def polished(s, side, x, out, i):
    """As dark as tone says and without what bias adds to the middle of the wave; out is free."""
    x = low_pass(x, s.bright, side, s.high_pole, out, i)
    return x - low_pass(x, s.deep, side, s.low_pole, out, i)


@rt_inlined
def driven(s, side, out, aim):
    """A quantum of one side, in place."""
    for n in range(2):
        at = (2 * side + n) * RUN
        store(s.double, at, load(s.double, at + QUANTUM))
    for n in range(8):
        at = (8 * side + n) * RUN
        store(s.eightfold, at, load(s.eightfold, at + QUANTUM))
    for i in range(0, QUANTUM, LANE):
        gain, bias = gliding(s.known[0], aim[0], i), gliding(s.known[1], aim[1], i)
        doubled(s, side, i, load(out, i))
        bent(s, side, i, gain, bias, gliding(s.known[2], aim[2], i))
        y = polished(s, side, halved(s, side, i), out, i)
        store(out, i, y * gliding(s.known[3], aim[3], i))


@rt
def render(s, p, left, right, key, dt):
    """Drive a quantum of left and right in place."""
    tune(s, p, dt)
    aim = from_db(p.drive_db), p.bias * LEAN, p.mix, from_db(p.level_db)
    driven(s, 0, left, aim)
    driven(s, 1, right, aim)
    s.known[0], s.known[1], s.known[2], s.known[3] = aim


DRIVE = Effect("drive", PARAMS, STATE, render)
