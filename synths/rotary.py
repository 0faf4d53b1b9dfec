"""Rotary speaker: a horn and a drum turn against each other in front of two microphones.

Each is louder, brighter and higher on its way towards a microphone than on its way from it. Told
to turn faster, the light horn is there within a second, the heavy drum in four. All wet at mix 1;
the wet is a millisecond late. Thread: audio.
source   Smith, Serafin, Abel and Berners, DAFx 2002, for the model; a Leslie 122's speeds
"""
from engine.kernels.lines import GUARD, POLE, between, low_pass, mirror, pole_of
from engine.kernels.waves import gliding, move_on, quiet
from engine.lanes import fma, load, ramp, store, vmin, vsine
from engine.param import Param
from engine.rt import (
    LANE,
    QUANTUM,
    exp2,
    f32,
    floor,
    flush,
    lag_per_step,
    rint,
    rt,
    rt_inlined,
)
from engine.voice import Effect, fields

PARAMS = (
    Param("speed", 0.0, 1.0, 0.0, "lin", 0.0),             # 0 slow, 1 fast
    Param("brake", 0.0, 1.0, 0.0, "lin", 0.0),             # 1 stands still
    Param("inertia", 0.1, 4.0, 1.0, "exp", 0.0),           # of a real one's
    Param("depth", 0.0, 1.0, 0.8, "lin", 0.05),
    Param("width", 0.0, 1.0, 0.8, "lin", 0.05),            # 1: a microphone on either side
    Param("balance", -1.0, 1.0, 0.0, "lin", 0.05),         # -1 drum only, 1 horn only
    Param("mix", 0.0, 1.0, 1.0, "lin", 0.03),
)
RING, SPAN = 1024, f32(QUANTUM)
HORN, DRUM = 0, 1
SLOW_HZ, FAST_HZ = (f32(0.8), f32(0.67)), (f32(6.7), f32(5.7))
RISE_S, FALL_S = (f32(0.35), f32(1.5)), (f32(0.5), f32(1.9))      # time constants
REACH_S = f32(0.19 / 343), f32(0.14 / 343)                # from the axle, as sound travels
LOUDER, DULLER = (f32(0.45), f32(0.3)), f32(0.6)
SPLIT_HZ, TOP_HZ, REST_S = f32(800), f32(3000), f32(0.001)
STATE = fields("place", "dt", speed=2, turn=2, slip=2, pole=4, known=4, split_pole=POLE,
               top_pole=POLE, way=4 * QUANTUM, line=4 * (RING + GUARD))


@rt
def tune(s, aim, dt):
    """The filters, when the rate is known."""
    if s.dt[0] == f32(0):
        s.known[0], s.known[1], s.known[2], s.known[3] = aim
    if s.dt[0] != dt:
        pole_of(exp2(f32(-9.0647) * dt * SPLIT_HZ), s.split_pole, 0)
        pole_of(exp2(f32(-9.0647) * dt * TOP_HZ), s.top_pole, 0)


@rt_inlined
def spin(s, p, n, dt):
    """The speeds of rotor n, in turns a sample, at both ends of a quantum; it leans into a new
    one."""
    wanted = (SLOW_HZ[n] + p.speed * (FAST_HZ[n] - SLOW_HZ[n])) * (f32(1) - p.brake)
    before = wanted if s.dt[0] == f32(0) else s.speed[n]
    lean_s = (RISE_S[n] if wanted > before else FALL_S[n]) * p.inertia
    s.speed[n] = flush(before + lag_per_step(lean_s, dt * SPAN) * (wanted - before))
    return before * dt, s.speed[n] * dt


@rt_inlined
def divided(s, x, i):
    """What horn and drum get, 12 dB an octave each, and how much of the horn's is top."""
    low = low_pass(x, s.pole, 0, s.split_pole, s.way, i)
    high = x - low
    high = high - low_pass(high, s.pole, 1, s.split_pole, s.way, i)
    low = low_pass(low, s.pole, 2, s.split_pole, s.way, i)
    return high, low, high - low_pass(high, s.pole, 3, s.top_pole, s.way, i)


@rt_inlined
def sent(s, n, side, x, top, toward, depth, reach, at, i):
    """Sixteen samples of rotor n, turned that far toward a microphone, on their way to it."""
    line, share = 2 * n + side, depth * LOUDER[n]
    if n == HORN:
        x = fma(depth * DULLER * f32(0.5) * (toward - f32(1)), top, x)
    x = x * fma(share, toward, f32(1) - share * f32(0.5))
    store(s.line, line * (RING + GUARD) + at, quiet(x))
    store(s.way, line * QUANTUM + i, -depth * reach * toward)


@rt_inlined
def arrived(s, n, side, at, i):
    """Sixteen samples of rotor n as a microphone hears them: higher as it comes nearer."""
    line = 2 * n + side
    away = load(s.way, line * QUANTUM + i)
    back = floor(s.way[line * QUANTUM + i + LANE // 2]) + f32(1)
    at = (at - int(back) - 1) & (RING - 1)
    return between(s.line, line * (RING + GUARD) + at, back - away)


@rt_inlined
def turned_by(s, n, speeds, i):
    """Sixteen samples of rotor n's angle; the drum turns the other way."""
    t = ramp(i)
    more = t * fma(t, (speeds[1] - speeds[0]) * (f32(0.5) / SPAN), speeds[0])
    return s.turn[n] + more if n == HORN else -(s.turn[n] + more)


@rt
def send(s, p, left, right, aim, horn, drum, dt):
    """A quantum of the middle of left and right through both rotors towards both microphones."""
    place = int(s.place[0])
    for i in range(0, QUANTUM, LANE):
        x = (quiet(load(left, i)) + quiet(load(right, i))) * f32(0.5)
        high, low, top = divided(s, x, i)
        depth, aside = gliding(s.known[0], aim[0], i), gliding(s.known[1], aim[1], i)
        front = turned_by(s, HORN, horn, i) + f32(0.25), turned_by(s, DRUM, drum, i) + f32(0.25)
        for side in range(2):
            off = -aside if side == 0 else aside
            toward = vsine(front[0] + off)
            sent(s, HORN, side, high, top, toward, depth, REACH_S[0] / dt, place + i, i)
            toward = vsine(front[1] + off)
            sent(s, DRUM, side, low, top, toward, depth, REACH_S[1] / dt, place + i, i)
    mirror(s.line, 4, RING, place)


@rt
def render(s, p, left, right, key, dt):
    """A quantum of left and right becomes what two microphones hear."""
    aim = p.depth, p.width * f32(0.25), p.balance, p.mix
    horn, drum = spin(s, p, HORN, dt), spin(s, p, DRUM, dt)
    tune(s, aim, dt)
    s.dt[0] = dt
    send(s, p, left, right, aim, horn, drum, dt)
    place, rest = int(s.place[0]), int(rint(REST_S / dt))
    for i in range(0, QUANTUM, LANE):
        balance, mix = gliding(s.known[2], aim[2], i), gliding(s.known[3], aim[3], i)
        loud, deep = vmin(balance + f32(1), f32(1)), vmin(f32(1) - balance, f32(1))
        for side in range(2):
            out = left if side == 0 else right
            x = quiet(load(out, i))
            wet = deep * arrived(s, DRUM, side, place + i - rest, i)
            wet = wet - loud * arrived(s, HORN, side, place + i - rest, i)
            store(out, i, fma(mix, wet - x, x))
    s.known[0], s.known[1], s.known[2], s.known[3] = aim
    for n in range(2):
        speeds = horn if n == HORN else drum
        turns = (speeds[0] + speeds[1]) * f32(0.5) * SPAN
        s.turn[n], s.slip[n] = move_on(s.turn[n], s.slip[n], turns)
    s.place[0] = f32((place + QUANTUM) & (RING - 1))


ROTARY = Effect("rotary", PARAMS, STATE, render)
