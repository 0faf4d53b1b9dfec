"""What events do: notes, parameters, chokes, panic, faders. Thread: audio.

Events wait in a pending list until their quantum; what was applied, and at which sample, goes back.
"""

from numba import carray

from engine.records import CHOKE, EDIT, FADE, NOTE, OFF, PANIC, SLIDE, TARGET
from engine.rig_midi_notes import offer, silence
from engine.rig_midi_words import MIDI_WORDS
from engine.rig_voices import drop_fading, fade_part, note
from engine.rig_words import (
    CHOKE_QUANTA,
    COUNT,
    DECK_FLOATS,
    DONE_ROWS,
    DONE_SLOTS,
    DONE_WORDS,
    DT,
    DUE,
    E_FIRST,
    E_STATE,
    E_UNIT,
    EDITED,
    EFFECT_ROWS,
    EFFECT_WORDS,
    EVENT_BYTES,
    EVENT_ROWS,
    EVENT_SLOTS,
    EVENT_WORDS,
    FALL,
    FLOATS,
    GAIN,
    GAIN_FROM,
    GAIN_GOAL,
    GAIN_STEP,
    GOAL,
    GOAL_HZ,
    HIGH,
    INSERT_ROWS,
    INSERTS,
    LATE,
    LOST,
    LOW,
    MIDI_OUT,
    PANIC_SEEN,
    PANIC_WORD,
    PARAMS,
    PART_ROWS,
    PART_WORDS,
    PARTS,
    PENDING,
    PENDING_ROWS,
    PENDING_SLOTS,
    PITCH,
    POLYPHONY,
    RELEASE_AT,
    RIG_FLOATS,
    RISE,
    SAMPLE,
    SENDS,
    TABLE,
    TABLE_FLOATS,
    TABLE_WORDS,
    VALUE,
    VOICE_WORDS,
    VOICES,
    WAIT_HZ,
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
def aim(t, index, value, rise_s, fall_s, quantum_s):
    """A parameter's new goal and how fast it goes there."""
    if index >= 0 and index < t[PARAMS] and finite(value):
        low, high = floats(t[LOW], t[PARAMS])[index], floats(t[HIGH], t[PARAMS])[index]
        floats(t[GOAL], t[PARAMS])[index] = min(max(value, low), high)
        floats(t[RISE], t[PARAMS])[index] = lag_per_step(rise_s, quantum_s)
        floats(t[FALL], t[PARAMS])[index] = lag_per_step(fall_s, quantum_s)


@rt
def empty(t, rows, count):
    """Effects back to the state they were born with."""
    for e in range(count):
        row = words(rows + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        call_unit(row[E_UNIT], i8(3), i8(0), i8(1), row[E_STATE], t[VALUE] + 4 * row[E_FIRST],
                  i8(0), i8(0), f32(0), f32(0))


@rt
def panic(t):
    """All voices fade; the tails of the effects are cleared."""
    for index in range(t[PARTS]):
        part = words(t[PART_ROWS] + 8 * PART_WORDS * index, PART_WORDS)
        fade_part(part, CHOKE_QUANTA)
        empty(t, part[INSERT_ROWS], part[INSERTS])
    empty(t, t[EFFECT_ROWS], t[SENDS])


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
    if (kind == TARGET or kind == FADE) and short[7] & EDIT:
        h[EDITED] = 1
    if kind == NOTE and part >= 0 and part < t[PARTS] and finite(real[8]) and finite(real[9]):
        note(h, t, part, short[7] & SLIDE, real[8], real[9], offset, long[1])
    elif kind == TARGET:
        aim(t, part, real[9], real[10], real[11], quantum_s)
    elif kind == CHOKE and part >= 0 and part < t[PARTS]:
        fade_part(words(t[PART_ROWS] + 8 * PART_WORDS * part, PART_WORDS), CHOKE_QUANTA)
    elif kind == OFF and part >= 0 and part < t[PARTS]:
        row = words(t[PART_ROWS] + 8 * PART_WORDS * part, PART_WORDS)
        voice = words(row[VOICES], row[COUNT] * VOICE_WORDS)
        goal = floats(row[PITCH] + 4 * GOAL_HZ * row[COUNT], row[COUNT])
        wait = floats(row[PITCH] + 4 * WAIT_HZ * row[COUNT], row[COUNT])
        for v in range(row[POLYPHONY]):
            if real[8] <= f32(0) or abs(wait[v] - real[8]) <= real[8] * f32(1e-4):
                voice[WAITING * row[COUNT] + v] = 0
            if real[8] > f32(0) and abs(goal[v] - real[8]) > real[8] * f32(1e-4):
                continue              # only the voice of that pitch
            voice[RELEASE_AT * row[COUNT] + v] = min(voice[RELEASE_AT * row[COUNT] + v], long[0])
            voice[DUE * row[COUNT] + v] = 0
    elif kind == PANIC:
        panic(t)
    elif kind == FADE:
        deck_floats = floats(t[DECK_FLOATS], TABLE_FLOATS)
        if deck_floats[GAIN] == f32(0):
            drop_fading(t)
        deck_floats[GAIN_GOAL] = min(max(real[9], f32(0)), f32(1))
        way = abs(deck_floats[GAIN_GOAL] - deck_floats[GAIN])
        deck_floats[GAIN_STEP] = way * quantum_s * f32(1 / QUANTUM) / max(real[10], quantum_s)
        deck_floats[GAIN_FROM] = f32(offset)


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
def panic_asked(h):
    """Panic that did not come as an event: somebody has changed the word that all may change."""
    asked = load_acquire(words(h[PANIC_WORD], 1), 0)
    if asked == h[PANIC_SEEN]:
        return
    h[PANIC_SEEN], kept = asked, i8(0)
    for at in range(h[PENDING]):
        row = h[PENDING_ROWS] + EVENT_BYTES * at
        if carray(pointer(row), (12,), i4)[4] != NOTE:
            copy_row(row, h[PENDING_ROWS] + EVENT_BYTES * kept)
            kept += 1
    h[PENDING] = kept
    for deck in range(2):
        if h[TABLE + deck]:
            panic(words(h[TABLE + deck], TABLE_WORDS))
            if kept < PENDING_SLOTS:      # in a row of its own, so that a take has it
                row = h[PENDING_ROWS] + EVENT_BYTES * kept
                for i in range(6):
                    words(row, 6)[i] = 0
                words(row, 6)[0] = h[SAMPLE]
                about = carray(pointer(row), (12,), i4)
                about[4], about[5] = PANIC, deck
                report(h, kept)
    if h[MIDI_OUT]:
        silence(words(h[MIDI_OUT], MIDI_WORDS), i8(-1), h[SAMPLE])


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
        if h[MIDI_OUT]:
            offer(words(h[MIDI_OUT], MIDI_WORDS), h[PENDING_ROWS] + EVENT_BYTES * h[PENDING],
                  h[SAMPLE])
        h[PENDING] += 1
        store_release(ring, TAIL, ring[TAIL] + 1)
    if h[PANIC_WORD]:
        panic_asked(h)
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
