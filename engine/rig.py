"""The rig: a fixed compiled loop over tables, in quanta of 32 samples. Thread: audio.

`process(rig, out, frames)` is called alike by PortAudio, JACK, the null thread and the offline
renderer. Memory is laid out by `engine.table`; here are the words of each row and what is done
with them. Events wait in a pending list until their quantum; what was applied, and at which
sample, goes back.
"""

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, types
from numba.extending import intrinsic

from engine.records import CHOKE, FADE, NOTE, OFF, PANIC, SLIDE, TARGET
from engine.ring import HEAD, TAIL
from engine.rt import (
    LANE,
    QUANTUM,
    denormals_off,
    denormals_restore,
    exp2,
    f32,
    from_db,
    lag_per_step,
    load_acquire,
    pointer,
    rt,
    sine,
    store_release,
)

i8, i4 = np.int64, np.int32
# the rig's header, int64 words
(
    SAMPLE,
    FIFO_LEFT,
    CHANNELS,
    EVENT_WORDS,
    EVENT_ROWS,
    EVENT_SLOTS,
    DONE_WORDS,
    DONE_ROWS,
    DONE_SLOTS,
    PENDING_ROWS,
    PENDING,
    SERIAL,
    LATE,
    LOST,
    STEALS,
    STRIKES,
    NOT_FINITE,
    TABLE,
    TABLE_B,
    OUT,
    FIFO,
    SCRATCH,
    FINAL_UNIT,
    FINAL_STATE,
    FINAL_PARAMS,
    FLOATS,
    HEADER,
) = range(27)
PENDING_SLOTS, EVENT_BYTES = 2048, 48
# the rig's floats
DT, PEAK, RIG_FLOATS = 0, 1, 8
# a table's words (one table a deck)
(
    PARTS,
    SENDS,
    MASTERS,
    PARAMS,
    VALUE,
    GOAL,
    RISE,
    FALL,
    PART_ROWS,
    EFFECT_ROWS,
    DUCK_UNIT,
    DUCK_STATE,
    DUCK_PARAM,
    KEY_PART,
    OUT_LEVEL,
    BUS,
    DECK_FLOATS,
    TABLE_WORDS,
) = range(18)
GAIN, GAIN_GOAL, GAIN_STEP, OUT_LAST, MASTER_PEAK = range(5)  # a table's floats
# a part's words
(
    UNIT,
    LANES,
    COUNT,
    POLYPHONY,
    STATE,
    FIRST,
    STRIP,
    CHOKE_GROUP,
    VOICES,
    PITCH,
    CARRY,
    LAST,
    PART_WORDS,
) = range(13)  # COUNT is POLYPHONY rounded up to whole lanes
# an effect's words (sends first, then masters)
E_UNIT, E_STATE, E_FIRST, E_LEVEL, EFFECT_WORDS = range(5)
# a strip's parameters, then one `<send>_send` each
LEVEL_DB, PAN, MUTE, CUE, DUCK, STRIP_SENDS = range(6)
# words of a voice slot, each (count,) int64
(
    ACTIVE,
    GATE,
    AGE,
    RELEASE_AT,
    QUIET,
    OFFSET,
    FADING,
    FADE_TOTAL,
    WAITING,
    WAIT_OFFSET,
    WAIT_LENGTH,
    VOICE_WORDS,
) = range(12)
# floats of a voice slot, each (count,)
NOW_HZ, GOAL_HZ, WAIT_HZ, WAIT_LEVEL, VOICE_FLOATS = range(5)
LAST_LEFT, LAST_RIGHT, METER, LAST_SENDS = range(4)  # a part's floats
PART_FLOATS = LAST_SENDS + 8
# scratch floats
S_VOICE, S_MONO, S_LEFT, S_RIGHT, S_KEY, S_CURVE, S_CURVE_B, SCRATCH_FLOATS = (
    0,
    512,
    544,
    576,
    608,
    640,
    672,
    1024,
)
STEAL_QUANTA, CHOKE_QUANTA, QUIET_SAMPLES, QUIET_LEVEL = 3, 6, 4096, f32(2.0**-20)
SLIDE_S = f32(0.02)  # a 303's pitch lag: 95 % in 60 ms
METER_FALL = f32(0.9995)


@intrinsic
def call_unit(tc, address, op, index, count, state, params, pitch, out, a, b):
    """Calls a unit (engine.unit.SIGNATURE) by its address."""

    def gen(cg, builder, s, args):
        word, number = ir.IntType(64), ir.FloatType()
        kind = ir.FunctionType(ir.VoidType(), [word] * 7 + [number] * 2)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), list(args[1:]))
        return cg.get_dummy_value()

    return types.void(*([types.int64] * 8), types.float32, types.float32), gen


@rt
def words(address, count):
    return carray(pointer(address), (count,), i8)


@rt
def floats(address, count):
    return carray(pointer(address), (count,), f32)


@rt
def finite(x):
    return abs(x) < f32(3e38)


@rt
def clear(t, part, v):
    """Voice v back to the state it was born with."""
    n = part[COUNT]
    call_unit(
        part[UNIT],
        i8(3),
        v,
        n,
        part[STATE],
        t[VALUE] + 4 * part[FIRST],
        part[PITCH],
        i8(0),
        f32(0),
        f32(0),
    )
    voice = words(part[VOICES], n * VOICE_WORDS)
    carry = floats(part[CARRY], n * QUANTUM)
    for w in range(VOICE_WORDS):
        if w != AGE:
            voice[w * n + v] = 0
    for i in range(QUANTUM):
        carry[v * QUANTUM + i] = f32(0)


@rt
def strike(h, t, part, v, hz, level, offset, length):
    """Starts voice v of a part; a sounding voice of a part of one is struck in place."""
    n = part[COUNT]
    voice = words(part[VOICES], n * VOICE_WORDS)
    pitch = floats(part[PITCH], n * VOICE_FLOATS)
    if voice[ACTIVE * n + v] == 0:
        clear(t, part, v)
        voice[OFFSET * n + v] = offset
    pitch[NOW_HZ * n + v] = hz
    pitch[GOAL_HZ * n + v] = hz
    call_unit(
        part[UNIT],
        i8(0),
        v,
        n,
        part[STATE],
        t[VALUE] + 4 * part[FIRST],
        part[PITCH],
        i8(0),
        hz,
        level,
    )
    h[SERIAL] += 1
    h[STRIKES] += 1
    voice[ACTIVE * n + v] = 1
    voice[GATE * n + v] = 1
    voice[AGE * n + v] = h[SERIAL]
    voice[RELEASE_AT * n + v] = h[SAMPLE] + offset + length if length > 0 else i8(1) << i8(60)
    voice[QUIET * n + v] = 0
    voice[FADING * n + v] = 0
    voice[WAITING * n + v] = 0


@rt
def pick(part, voice):
    """The voice for a new note: a free one, else the oldest released, else the oldest."""
    n, best, best_rank = part[COUNT], i8(0), i8(1) << i8(62)
    for v in range(part[POLYPHONY]):
        if voice[ACTIVE * n + v] == 0 and voice[WAITING * n + v] == 0:
            return i8(v)
        rank = voice[AGE * n + v] + (i8(1) << i8(50)) * voice[GATE * n + v]
        rank += (i8(1) << i8(52)) * voice[WAITING * n + v]
        if rank < best_rank:
            best, best_rank = i8(v), rank
    return best


@rt
def slide(part, voice, hz, until):
    """Glides the newest held voice to hz and holds it on; False when none is held."""
    n, best, age = part[COUNT], i8(-1), i8(-1)
    for v in range(part[POLYPHONY]):
        if voice[GATE * n + v] == 1 and voice[AGE * n + v] > age:
            best, age = i8(v), voice[AGE * n + v]
    if best >= 0:
        floats(part[PITCH], n * VOICE_FLOATS)[GOAL_HZ * n + best] = hz
        voice[RELEASE_AT * n + best] = until
    return best >= 0


@rt
def fade_part(part, quanta):
    """Fades every sounding voice of a part; strikes that wait are dropped."""
    n = part[COUNT]
    voice = words(part[VOICES], n * VOICE_WORDS)
    for v in range(part[POLYPHONY]):
        voice[WAITING * n + v] = 0
        if voice[ACTIVE * n + v] == 1 and voice[FADING * n + v] == 0:
            voice[FADING * n + v] = quanta
            voice[FADE_TOTAL * n + v] = quanta


@rt
def note(h, t, index, slid, hz, level, offset, length):
    """A note for part `index` at `offset` samples into this quantum."""
    rows = words(t[PART_ROWS], t[PARTS] * PART_WORDS)
    part = words(t[PART_ROWS] + 8 * PART_WORDS * index, PART_WORDS)
    voice = words(part[VOICES], part[COUNT] * VOICE_WORDS)
    hz = min(max(hz, f32(1)), f32(20000))
    level = min(max(level, f32(0)), f32(1))
    if slid and slide(part, voice, hz, h[SAMPLE] + offset + length):
        return
    if index == t[KEY_PART]:
        floats(h[SCRATCH], SCRATCH_FLOATS)[S_KEY + offset] = level
    if part[CHOKE_GROUP] > 0:
        for other in range(t[PARTS]):
            if other != index and rows[other * PART_WORDS + CHOKE_GROUP] == part[CHOKE_GROUP]:
                fade_part(words(t[PART_ROWS] + 8 * PART_WORDS * other, PART_WORDS), CHOKE_QUANTA)
    n, v = part[COUNT], pick(part, voice)
    if voice[ACTIVE * n + v] == 0 or part[POLYPHONY] == 1:
        strike(h, t, part, v, hz, level, offset, length)
        return
    h[STEALS] += 1
    if voice[FADING * n + v] == 0:
        voice[FADING * n + v] = STEAL_QUANTA
        voice[FADE_TOTAL * n + v] = STEAL_QUANTA
    voice[WAITING * n + v] = 1
    voice[WAIT_OFFSET * n + v] = offset
    voice[WAIT_LENGTH * n + v] = length
    pitch = floats(part[PITCH], n * VOICE_FLOATS)
    pitch[WAIT_HZ * n + v] = hz
    pitch[WAIT_LEVEL * n + v] = level


@rt
def aim(t, index, value, rise_s, fall_s, quantum_s):
    """A parameter's new goal and how fast it goes there."""
    if index >= 0 and index < t[PARAMS] and finite(value):
        floats(t[GOAL], t[PARAMS])[index] = value
        floats(t[RISE], t[PARAMS])[index] = lag_per_step(rise_s, quantum_s)
        floats(t[FALL], t[PARAMS])[index] = lag_per_step(fall_s, quantum_s)


@rt
def panic(t):
    """All voices fade; the tails of the effects are cleared."""
    for index in range(t[PARTS]):
        fade_part(words(t[PART_ROWS] + 8 * PART_WORDS * index, PART_WORDS), CHOKE_QUANTA)
    for e in range(t[SENDS]):
        row = words(t[EFFECT_ROWS] + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        call_unit(
            row[E_UNIT],
            i8(3),
            i8(0),
            i8(1),
            row[E_STATE],
            t[VALUE] + 4 * row[E_FIRST],
            i8(0),
            i8(0),
            f32(0),
            f32(0),
        )


@rt
def apply(h, at):
    """Carries out the event at pending slot `at`; its sample becomes the one at which it was."""
    long = words(h[PENDING_ROWS] + EVENT_BYTES * at, 6)
    short = carray(pointer(h[PENDING_ROWS] + EVENT_BYTES * at), (12,), i4)
    real = floats(h[PENDING_ROWS] + EVENT_BYTES * at, 12)
    kind, deck, part = short[4], short[5], i8(short[6])
    if long[0] < h[SAMPLE]:
        if long[0] > 0:
            h[LATE] += 1
        long[0] = h[SAMPLE]
    offset = long[0] - h[SAMPLE]
    if deck < 0 or deck > 1 or h[TABLE + deck] == 0:
        return
    t = words(h[TABLE + deck], TABLE_WORDS)
    quantum_s = floats(h[FLOATS], RIG_FLOATS)[DT] * f32(QUANTUM)
    if kind == NOTE and part >= 0 and part < t[PARTS] and finite(real[8]) and finite(real[9]):
        note(h, t, part, short[7] & SLIDE, real[8], real[9], offset, long[1])
    elif kind == TARGET:
        aim(t, part, real[9], real[10], real[11], quantum_s)
    elif kind == CHOKE and part >= 0 and part < t[PARTS]:
        fade_part(words(t[PART_ROWS] + 8 * PART_WORDS * part, PART_WORDS), CHOKE_QUANTA)
    elif kind == OFF and part >= 0 and part < t[PARTS]:
        row = words(t[PART_ROWS] + 8 * PART_WORDS * part, PART_WORDS)
        voice = words(row[VOICES], row[COUNT] * VOICE_WORDS)
        for v in range(row[POLYPHONY]):
            voice[RELEASE_AT * row[COUNT] + v] = min(voice[RELEASE_AT * row[COUNT] + v], long[0])
    elif kind == PANIC:
        panic(t)
    elif kind == FADE:
        deck_floats = floats(t[DECK_FLOATS], 8)
        deck_floats[GAIN_GOAL] = min(max(real[9], f32(0)), f32(1))
        way = abs(deck_floats[GAIN_GOAL] - deck_floats[GAIN])
        deck_floats[GAIN_STEP] = way * quantum_s / max(real[10], quantum_s)


@rt
def copy_row(source, target):
    a, b = words(source, 6), words(target, 6)
    for i in range(6):
        b[i] = a[i]


@rt
def report(h, at):
    """Gives the applied event back; when nobody reads, it is counted as lost."""
    done = words(h[DONE_WORDS], 32)
    if done[HEAD] - load_acquire(done, TAIL) >= h[DONE_SLOTS]:
        h[LOST] += 1
        return
    copy_row(
        h[PENDING_ROWS] + EVENT_BYTES * at,
        h[DONE_ROWS] + EVENT_BYTES * (done[HEAD] & (h[DONE_SLOTS] - 1)),
    )
    store_release(done, HEAD, done[HEAD] + 1)


@rt
def take_events(h):
    """Moves new events into the pending list and applies, in their order, those due in this
    quantum."""
    ring = words(h[EVENT_WORDS], 32)
    arrived = load_acquire(ring, HEAD)
    while ring[TAIL] < arrived and h[PENDING] < PENDING_SLOTS:
        copy_row(
            h[EVENT_ROWS] + EVENT_BYTES * (ring[TAIL] & (h[EVENT_SLOTS] - 1)),
            h[PENDING_ROWS] + EVENT_BYTES * h[PENDING],
        )
        h[PENDING] += 1
        store_release(ring, TAIL, ring[TAIL] + 1)
    end, kept = h[SAMPLE] + QUANTUM, i8(0)
    for at in range(h[PENDING]):
        row = h[PENDING_ROWS] + EVENT_BYTES * at
        if words(row, 6)[0] < end:
            apply(h, at)
            report(h, at)
        else:
            if kept != at:
                copy_row(row, h[PENDING_ROWS] + EVENT_BYTES * kept)
            kept += 1
    h[PENDING] = kept


@rt
def glide(t):
    """Every parameter one step nearer to its goal."""
    n = t[PARAMS]
    value, goal = floats(t[VALUE], n), floats(t[GOAL], n)
    rise, fall = floats(t[RISE], n), floats(t[FALL], n)
    for i in range(n):
        way = goal[i] - value[i]
        value[i] += way * (rise[i] if way > f32(0) else fall[i])


@rt
def settle(h, t, part, v, block, mono, voice, carry):
    """One voice's quantum into the part: fade, sample offset, sleep."""
    n = part[COUNT]
    peak = f32(0)
    for i in range(QUANTUM):
        peak = max(peak, abs(block[i])) if finite(block[i]) else f32(1e38)
    if peak > f32(1e6):
        h[NOT_FINITE] += 1
        clear(t, part, v)
        return
    if voice[FADING * n + v] > 0:
        left, whole = f32(voice[FADING * n + v]), f32(voice[FADE_TOTAL * n + v])
        for i in range(QUANTUM):
            block[i] *= (left - f32(i) * f32(1 / QUANTUM)) / whole
    offset = voice[OFFSET * n + v]
    if offset == 0:
        for i in range(QUANTUM):
            mono[i] += block[i]
    else:
        for i in range(offset):
            mono[i] += carry[v * QUANTUM + i]
            carry[v * QUANTUM + i] = block[QUANTUM - offset + i]
        for i in range(offset, QUANTUM):
            mono[i] += block[i - offset]
    voice[QUIET * n + v] = voice[QUIET * n + v] + QUANTUM if peak < QUIET_LEVEL else 0
    if voice[FADING * n + v] > 0:
        voice[FADING * n + v] -= 1
        if voice[FADING * n + v] == 0:
            waits = voice[WAITING * n + v]
            at, length = voice[WAIT_OFFSET * n + v], voice[WAIT_LENGTH * n + v]
            clear(t, part, v)
            if waits:
                pitch = floats(part[PITCH], n * VOICE_FLOATS)
                strike(h, t, part, v, pitch[WAIT_HZ * n + v], pitch[WAIT_LEVEL * n + v], at, length)
    elif voice[QUIET * n + v] >= QUIET_SAMPLES:
        clear(t, part, v)


@rt
def held(h, t, part, voice):
    """Releases and glides of a part's voices; how many lane groups hold a sounding one."""
    n, groups = part[COUNT], i8(0)
    pitch = floats(part[PITCH], n * VOICE_FLOATS)
    k = lag_per_step(SLIDE_S, floats(h[FLOATS], RIG_FLOATS)[DT] * f32(QUANTUM))
    for v in range(part[POLYPHONY]):
        if voice[ACTIVE * n + v]:
            groups = v // LANE + 1
            if voice[GATE * n + v] and voice[RELEASE_AT * n + v] < h[SAMPLE] + QUANTUM:
                voice[GATE * n + v] = 0
                call_unit(
                    part[UNIT],
                    i8(1),
                    v,
                    n,
                    part[STATE],
                    t[VALUE] + 4 * part[FIRST],
                    part[PITCH],
                    i8(0),
                    f32(0),
                    f32(0),
                )
            if pitch[NOW_HZ * n + v] != pitch[GOAL_HZ * n + v]:
                way = f32(np.log2(pitch[GOAL_HZ * n + v] / pitch[NOW_HZ * n + v]))
                pitch[NOW_HZ * n + v] *= exp2(k * way)
    return groups


@rt
def play_part(h, t, part, dt):
    """Renders a part's voices into the mono scratch; False when all are silent."""
    n = part[COUNT]
    scratch = h[SCRATCH]
    mono = floats(scratch + 4 * S_MONO, QUANTUM)
    voice, carry = words(part[VOICES], n * VOICE_WORDS), floats(part[CARRY], n * QUANTUM)
    for i in range(QUANTUM):
        mono[i] = f32(0)
    groups = held(h, t, part, voice)
    if groups == 0:
        return False
    params = t[VALUE] + 4 * part[FIRST]
    if part[LANES] == 0:
        block = floats(scratch + 4 * S_VOICE, QUANTUM)
        for v in range(part[POLYPHONY]):
            if voice[ACTIVE * n + v]:
                for i in range(QUANTUM):
                    block[i] = f32(0)
                call_unit(
                    part[UNIT],
                    i8(2),
                    v,
                    n,
                    part[STATE],
                    params,
                    part[PITCH],
                    scratch + 4 * S_VOICE,
                    dt,
                    f32(0),
                )
                settle(h, t, part, v, block, mono, voice, carry)
        return True
    wide = floats(scratch + 4 * S_VOICE, QUANTUM * LANE)
    block = floats(scratch + 4 * S_LEFT, QUANTUM)
    for g in range(groups):
        for i in range(QUANTUM * LANE):
            wide[i] = f32(0)
        call_unit(
            part[UNIT],
            i8(2),
            g,
            n,
            part[STATE],
            params,
            part[PITCH],
            scratch + 4 * S_VOICE,
            dt,
            f32(0),
        )
        for lane in range(LANE):
            if g * LANE + lane < part[POLYPHONY] and voice[ACTIVE * n + g * LANE + lane]:
                for i in range(QUANTUM):
                    block[i] = wide[i * LANE + lane]
                settle(h, t, part, g * LANE + lane, block, mono, voice, carry)
    return True


@rt
def strip(h, t, part, index, curve):
    """A part's mono quantum through level, pan, duck and sends into the deck's buses and
    outputs."""
    value = floats(t[VALUE], t[PARAMS])
    mono = floats(h[SCRATCH] + 4 * S_MONO, QUANTUM)
    last = floats(part[LAST], PART_FLOATS)
    bus = floats(t[BUS], (1 + t[SENDS]) * 2 * QUANTUM)
    out, channels = floats(h[OUT], h[CHANNELS] * QUANTUM), h[CHANNELS]
    first = part[STRIP]
    gain = from_db(value[first + LEVEL_DB]) * (
        f32(1) - min(max(value[first + MUTE], f32(0)), f32(1))
    )
    angle = (value[first + PAN] + f32(1)) * f32(0.125)
    left, right = gain * sine(angle + f32(0.25)), gain * sine(angle)
    step = f32(1 / QUANTUM)
    from_left, from_right = last[LAST_LEFT], last[LAST_RIGHT]
    slope_left, slope_right = (left - from_left) * step, (right - from_right) * step
    depth, cue, meter = value[first + DUCK], value[first + CUE] > f32(0.5), last[METER] * METER_FALL
    own = 4 + 2 * index
    for i in range(QUANTUM):
        x = mono[i] * (f32(1) - depth * (f32(1) - curve[i]))
        a, b = (
            x * (from_left + slope_left * f32(i + 1)),
            x * (from_right + slope_right * f32(i + 1)),
        )
        bus[i] += a
        bus[QUANTUM + i] += b
        if channels >= 4 and cue:
            out[2 * QUANTUM + i] += mono[i]
            out[3 * QUANTUM + i] += mono[i]
        if own + 1 < channels:
            out[own * QUANTUM + i] += a
            out[(own + 1) * QUANTUM + i] += b
        meter = max(meter, max(abs(a), abs(b)))
        for s in range(t[SENDS]):
            amount = last[LAST_SENDS + s]
            amount += (value[first + STRIP_SENDS + s] - amount) * step * f32(i + 1)
            bus[(2 + 2 * s) * QUANTUM + i] += a * amount
            bus[(3 + 2 * s) * QUANTUM + i] += b * amount
    last[LAST_LEFT], last[LAST_RIGHT], last[METER] = left, right, meter
    for s in range(t[SENDS]):
        last[LAST_SENDS + s] = value[first + STRIP_SENDS + s]


@rt
def run_effect(h, t, row, left, right, dt):
    call_unit(
        row[E_UNIT],
        i8(2),
        h[SCRATCH] + 4 * S_KEY,
        i8(1),
        row[E_STATE],
        t[VALUE] + 4 * row[E_FIRST],
        right,
        left,
        dt,
        f32(0),
    )


@rt
def play_deck(h, t, dt):
    """One deck's quantum, added to the outputs at the deck's gain."""
    sends, bus = t[SENDS], floats(t[BUS], (1 + t[SENDS]) * 2 * QUANTUM)
    out, channels = floats(h[OUT], h[CHANNELS] * QUANTUM), h[CHANNELS]
    curve = floats(h[SCRATCH] + 4 * S_CURVE, QUANTUM)
    for i in range((1 + sends) * 2 * QUANTUM):
        bus[i] = f32(0)
    for i in range(QUANTUM):
        curve[i] = f32(1)
    if t[DUCK_UNIT]:
        call_unit(
            t[DUCK_UNIT],
            i8(2),
            h[SCRATCH] + 4 * S_KEY,
            i8(1),
            t[DUCK_STATE],
            t[VALUE] + 4 * t[DUCK_PARAM],
            h[SCRATCH] + 4 * S_CURVE_B,
            h[SCRATCH] + 4 * S_CURVE,
            dt,
            f32(0),
        )
    for index in range(t[PARTS]):
        part = words(t[PART_ROWS] + 8 * PART_WORDS * index, PART_WORDS)
        if play_part(h, t, part, dt):
            strip(h, t, part, index, curve)
        else:
            floats(part[LAST], PART_FLOATS)[METER] *= METER_FALL
    for e in range(sends):
        row = words(t[EFFECT_ROWS] + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        base = (2 + 2 * e) * QUANTUM
        run_effect(h, t, row, t[BUS] + 4 * base, t[BUS] + 4 * (base + QUANTUM), dt)
        level = from_db(floats(t[VALUE], t[PARAMS])[row[E_LEVEL]])
        own = 4 + 2 * (t[PARTS] + e)
        for i in range(2 * QUANTUM):
            x = bus[base + i] * level
            bus[i] += x
            if own + 1 < channels:
                out[own * QUANTUM + i] += x
    for e in range(sends, sends + t[MASTERS]):
        row = words(t[EFFECT_ROWS] + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        run_effect(h, t, row, t[BUS], t[BUS] + 4 * QUANTUM, dt)
    deck_to_out(h, t, bus, out)


@rt
def deck_to_out(h, t, bus, out):
    """The deck's bus at its fader and master level into outputs 1 and 2."""
    deck = floats(t[DECK_FLOATS], 8)
    start, goal = deck[GAIN], deck[GAIN_GOAL]
    way = min(max(goal - start, -deck[GAIN_STEP]), deck[GAIN_STEP])
    level = from_db(floats(t[VALUE], t[PARAMS])[t[OUT_LEVEL]])
    first, slope = deck[OUT_LAST], ((start + way) * level - deck[OUT_LAST]) * f32(1 / QUANTUM)
    for i in range(QUANTUM):
        gain = first + slope * f32(i + 1)
        out[i] += bus[i] * gain
        out[QUANTUM + i] += bus[QUANTUM + i] * gain
    deck[OUT_LAST] = (start + way) * level
    deck[GAIN] = start + way


@rt
def quantum(h):
    """Computes the next 32 samples of every output into the FIFO."""
    real = floats(h[FLOATS], RIG_FLOATS)
    out, n = floats(h[OUT], h[CHANNELS] * QUANTUM), h[CHANNELS]
    key = floats(h[SCRATCH] + 4 * S_KEY, QUANTUM)
    for i in range(QUANTUM):
        key[i] = f32(0)
    for i in range(n * QUANTUM):
        out[i] = f32(0)
    take_events(h)
    for deck in range(2):
        address = load_acquire(h, TABLE + deck)
        if address:
            t = words(address, TABLE_WORDS)
            glide(t)
            fader = floats(t[DECK_FLOATS], 8)
            if fader[GAIN] > f32(0) or fader[GAIN_GOAL] > f32(0):
                play_deck(h, t, real[DT])
    if h[FINAL_UNIT]:
        call_unit(
            h[FINAL_UNIT],
            i8(2),
            h[SCRATCH] + 4 * S_KEY,
            i8(1),
            h[FINAL_STATE],
            h[FINAL_PARAMS],
            h[OUT] + 4 * QUANTUM,
            h[OUT],
            real[DT],
            f32(0),
        )
    fifo = floats(h[FIFO], n * QUANTUM)
    peak = real[PEAK] * METER_FALL
    for i in range(QUANTUM):
        for c in range(n):
            x = out[c * QUANTUM + i]
            fifo[i * n + c] = min(max(x, f32(-4)), f32(4)) if finite(x) else f32(0)
        peak = max(peak, max(abs(fifo[i * n]), abs(fifo[i * n + 1])))
    real[PEAK] = peak
    h[SAMPLE] += QUANTUM


@rt
def run(rig, out, frames):
    """Writes `frames` frames of interleaved float32; a device block need not be whole quanta."""
    old = denormals_off()
    h = words(rig, HEADER)
    n, done = h[CHANNELS], i8(0)
    target, fifo = floats(out, frames * n), floats(h[FIFO], n * QUANTUM)
    while done < frames:
        if h[FIFO_LEFT] == 0:
            quantum(h)
            h[FIFO_LEFT] = QUANTUM
        start = QUANTUM - h[FIFO_LEFT]
        count = min(h[FIFO_LEFT], frames - done)
        for i in range(count * n):
            target[done * n + i] = fifo[start * n + i]
        h[FIFO_LEFT] -= count
        done += count
    denormals_restore(old)


@cfunc(types.void(types.int64, types.int64, types.int64), cache=True)
def process(rig, out, frames):
    """The C function the back ends call."""
    run(rig, out, frames)
