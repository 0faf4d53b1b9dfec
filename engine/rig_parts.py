"""Parts into buses: their voices' sum, inserts, level, pan, duck, sends. Thread: audio."""

from engine.kernels.waves import A0, A1, A2, A3, A4, A5
from engine.lanes import add, fma, largest, load, ramp, select, splat, store, vabs, vmax
from engine.rig_play import peak_of
from engine.rig_words import (
    AWAKE,
    AWAKE_QUANTA,
    BUS,
    CHANNELS,
    COUNT,
    CUE,
    DUCK,
    E_FIRST,
    E_STATE,
    E_UNIT,
    EFFECT_WORDS,
    FALL,
    FINISHES,
    FIRST,
    GOAL,
    HALF,
    HIGH,
    INSERT_ROWS,
    INSERTS,
    LAST,
    LAST_LEFT,
    LAST_RIGHT,
    LAST_SENDS,
    LEVEL_DB,
    LOW,
    METER,
    METER_FALL,
    MONO,
    MUTE,
    OUT,
    OVER,
    OWN,
    PAN,
    PARAMS,
    PART_FLOATS,
    QUIET_LEVEL,
    RISE,
    S_KEY,
    S_LEFT,
    S_MONO,
    S_RIGHT,
    SCRATCH,
    SENDS,
    SOUNDING,
    STATE,
    STEMS,
    STRIP,
    STRIP_SENDS,
    SUSPECT,
    TAIL_QUANTA,
    TOO_LOUD,
    UNIT,
    VALUE,
    call_unit,
    floats,
    i8,
    words,
)
from engine.rt import LANE, QUANTUM, address_of, f32, flush, from_db, rt, sine


@rt
def glide(t):
    """Every parameter one step nearer to its goal; there, exactly, when it is all but there."""
    n = t[PARAMS]
    value, goal = floats(t[VALUE], n), floats(t[GOAL], n)
    rise, fall = floats(t[RISE], n), floats(t[FALL], n)
    low, high = floats(t[LOW], n), floats(t[HIGH], n)
    for i in range(0, n, LANE):
        now, end = load(value, i), load(goal, i)
        way, near = end - now, (load(high, i) - load(low, i)) * f32(1e-7)
        rate = select(way > f32(0), load(rise, i), load(fall, i))
        store(value, i, select(vabs(way) > near, fma(way, rate, now), end))


@rt
def run_effect(h, t, row, left, right, dt):
    """One effect over a quantum, in place; left and right are addresses."""
    call_unit(row[E_UNIT], i8(2), h[SCRATCH] + 4 * S_KEY, i8(1), row[E_STATE],
              t[VALUE] + 4 * row[E_FIRST], right, left, dt, f32(0))


@rt
def halved(twice, z, out):
    """Thirty-two samples from 64 at twice the rate, by the two all-pass chains of
    `engine.kernels.waves`; z (8,) is the filter's own."""
    a0, a1, a2, a3, b0, b1, b2, b3 = z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7]
    for i in range(QUANTUM):
        first, second = twice[2 * i], twice[2 * i + 1]
        a = a0 + A0 * (second - a1)
        b = a1 + A2 * (a - a2)
        c = a2 + A4 * (b - a3)
        d = b0 + A1 * (first - b1)
        e = b1 + A3 * (d - b2)
        f = b2 + A5 * (e - b3)
        a0, a1, a2, a3, b0, b1, b2, b3 = second, a, b, c, first, d, e, f
        out[i] = f32(0.5) * (c + f)
    z[0], z[1], z[2], z[3] = flush(a0), flush(a1), flush(a2), flush(a3)
    z[4], z[5], z[6], z[7] = flush(b0), flush(b1), flush(b2), flush(b3)


@rt
def play_part(h, t, part, dt):
    """Renders a part's voices into the mono scratch; False when it is asleep: none sounds, and what
    they left has died away."""
    if part[AWAKE] == 0:
        return False
    over = part[OVER]
    size = over * QUANTUM
    mono = floats(part[MONO], 2 * size)
    out = floats(h[SCRATCH] + 4 * S_MONO, QUANTUM)
    call_unit(part[UNIT], i8(4), address_of(h), part[COUNT], part[STATE],
              t[VALUE] + 4 * part[FIRST], address_of(t), address_of(part), dt / f32(over), f32(0))
    if part[SOUNDING] > 0:
        part[AWAKE] = max(part[AWAKE], AWAKE_QUANTA)
    part[AWAKE] -= 1
    part[SUSPECT] = max(part[SUSPECT] - 1, 0)
    if peak_of(mono, size) > TOO_LOUD:                      # some voice is broken: which one?
        part[SUSPECT] = 2
        for i in range(0, 2 * size, LANE):
            store(mono, i, f32(0))
    if over == 2:
        halved(mono, floats(part[HALF], 8), out)
    else:
        for i in range(0, QUANTUM, LANE):
            store(out, i, load(mono, i))
    if part[FINISHES]:
        call_unit(part[UNIT], i8(5), i8(0), part[COUNT], part[STATE],
                  t[VALUE] + 4 * part[FIRST], i8(0), address_of(out), dt, f32(0))
        if peak_of(out, QUANTUM) > QUIET_LEVEL:
            part[AWAKE] = max(part[AWAKE], AWAKE_QUANTA)
    for i in range(0, size, LANE):
        store(mono, i, load(mono, size + i))
        store(mono, size + i, f32(0))
    return True


@rt
def inserts(h, t, part, dt):
    """The mono scratch into left and right, through the part's own effects."""
    at_left, at_right = h[SCRATCH] + 4 * S_LEFT, h[SCRATCH] + 4 * S_RIGHT
    mono = floats(h[SCRATCH] + 4 * S_MONO, QUANTUM)
    left, right = floats(at_left, QUANTUM), floats(at_right, QUANTUM)
    for i in range(0, QUANTUM, LANE):
        store(left, i, load(mono, i))
        store(right, i, load(mono, i))
    for e in range(part[INSERTS]):
        row = words(part[INSERT_ROWS] + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        run_effect(h, t, row, at_left, at_right, dt)
    if part[INSERTS] > 0:
        if max(peak_of(left, QUANTUM), peak_of(right, QUANTUM)) > QUIET_LEVEL:
            part[AWAKE] = TAIL_QUANTA


@rt
def pour(source, target, at):
    """target[at : at + 32] += source: sums are formed here alone, so that whether stems are taken
    does not change how the compiler rounds the master."""
    for i in range(0, QUANTUM, LANE):
        add(target, at + i, load(source, i))


@rt
def strip(h, t, part, index, curve, dt):
    """A part's quantum through inserts, level, pan, duck and sends into buses and outputs."""
    value = floats(t[VALUE], t[PARAMS])
    inserts(h, t, part, dt)
    a = floats(h[SCRATCH] + 4 * S_LEFT, QUANTUM)
    b = floats(h[SCRATCH] + 4 * S_RIGHT, QUANTUM)
    last = floats(part[LAST], PART_FLOATS)
    bus = floats(t[BUS], (1 + t[SENDS]) * 2 * QUANTUM)
    out, channels = floats(h[OUT], h[CHANNELS] * QUANTUM), h[CHANNELS]
    first = part[STRIP]
    if value[first + CUE] > f32(0.5) and channels >= 4:
        pour(a, out, 2 * QUANTUM)
        pour(b, out, 3 * QUANTUM)
    opened = f32(1) - min(max(value[first + MUTE], f32(0)), f32(1))
    gain = from_db(value[first + LEVEL_DB]) * opened
    angle = (value[first + PAN] + f32(1)) * f32(0.125)
    left, right = gain * sine(angle + f32(0.25)), gain * sine(angle)
    from_left, from_right, step = last[LAST_LEFT], last[LAST_RIGHT], f32(1 / QUANTUM)
    slope_left, slope_right = (left - from_left) * step, (right - from_right) * step
    depth, peak = value[first + DUCK], splat(f32(0))
    for i in range(0, QUANTUM, LANE):
        t16 = ramp(i + 1)
        open_ = fma(load(curve, i) - f32(1), depth, f32(1))
        x = load(a, i) * open_ * fma(t16, slope_left, from_left)
        y = load(b, i) * open_ * fma(t16, slope_right, from_right)
        store(a, i, x)
        store(b, i, y)
        peak = vmax(vabs(x), vmax(vabs(y), peak))
    pour(a, bus, 0)
    pour(b, bus, QUANTUM)
    own = h[STEMS] + 2 * part[OWN]
    if own + 1 < channels:
        pour(a, out, own * QUANTUM)
        pour(b, out, (own + 1) * QUANTUM)
    for s in range(t[SENDS]):
        start, goal = last[LAST_SENDS + s], value[first + STRIP_SENDS + s]
        if start != f32(0) or goal != f32(0):
            slope = (goal - start) * step
            for i in range(0, QUANTUM, LANE):
                share = fma(ramp(i + 1), slope, start)
                add(bus, (2 + 2 * s) * QUANTUM + i, load(a, i) * share)
                add(bus, (3 + 2 * s) * QUANTUM + i, load(b, i) * share)
            last[LAST_SENDS + s] = goal
    last[LAST_LEFT], last[LAST_RIGHT] = left, right
    last[METER] = max(last[METER] * METER_FALL, largest(peak))
