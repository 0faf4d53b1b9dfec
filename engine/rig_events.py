"""What events do to voices and parameters: strikes, stealing, chokes, panic. Thread: audio.

Events wait in a pending list until their quantum; what was applied, and at which sample, goes back.
"""

from numba import carray

from engine.records import CHOKE, FADE, NOTE, OFF, PANIC, SLIDE, TARGET
from engine.rig_words import (
    ACTIVE,
    AGE,
    CARRY,
    CHOKE_GROUP,
    CHOKE_QUANTA,
    COUNT,
    DECK_FLOATS,
    DONE_ROWS,
    DONE_SLOTS,
    DONE_WORDS,
    DT,
    E_FIRST,
    E_STATE,
    E_UNIT,
    EFFECT_ROWS,
    EFFECT_WORDS,
    EVENT_BYTES,
    EVENT_ROWS,
    EVENT_SLOTS,
    EVENT_WORDS,
    FADE_TOTAL,
    FADING,
    FAINT,
    FAINT_SAMPLES,
    FALL,
    FIRST,
    FLOATS,
    GAIN,
    GAIN_GOAL,
    GAIN_STEP,
    GATE,
    GOAL,
    GOAL_HZ,
    KEY_PART,
    LATE,
    LOST,
    NOW_HZ,
    OFFSET,
    PARAMS,
    PART_ROWS,
    PART_WORDS,
    PARTS,
    PENDING,
    PENDING_ROWS,
    PENDING_SLOTS,
    PITCH,
    POLYPHONY,
    QUIET,
    RELEASE_AT,
    RIG_FLOATS,
    RISE,
    S_KEY,
    SAMPLE,
    SCRATCH,
    SCRATCH_FLOATS,
    SENDS,
    SERIAL,
    STATE,
    STEAL_QUANTA,
    STEALS,
    STRIKES,
    TABLE,
    TABLE_WORDS,
    UNIT,
    VALUE,
    VOICE_FLOATS,
    VOICE_WORDS,
    VOICES,
    WAIT_HZ,
    WAIT_LENGTH,
    WAIT_LEVEL,
    WAIT_OFFSET,
    WAITING,
    call_unit,
    finite,
    floats,
    i4,
    i8,
    words,
)
from engine.ring import HEAD, TAIL
from engine.rt import QUANTUM, f32, lag_per_step, load_acquire, pointer, rt, store_release


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
    voice[FAINT * n + v] = 0
    voice[FADING * n + v] = 0
    voice[WAITING * n + v] = 0


@rt
def pick(t, part, voice):
    """The voice for a new note: a free one, a faint one, the oldest released, the oldest."""
    n, best, best_rank = part[COUNT], i8(0), i8(1) << i8(62)
    for v in range(part[POLYPHONY]):
        if voice[ACTIVE * n + v] == 0 and voice[WAITING * n + v] == 0:
            return i8(v)
    for v in range(part[POLYPHONY]):
        if voice[FAINT * n + v] >= FAINT_SAMPLES and voice[WAITING * n + v] == 0:
            clear(t, part, v)
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
    n, v = part[COUNT], pick(t, part, voice)
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
