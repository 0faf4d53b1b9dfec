"""The rig: a fixed compiled loop over tables, in quanta of 32 samples. Thread: audio.

`engine.rig_process` gives `run` a C address, called alike by PortAudio, JACK, the null thread and
the offline renderer. Memory is laid out by `engine.table`.
"""

from engine.kernels import guard, loudness
from engine.rig_events import take_events
from engine.rig_midi import midi_quantum
from engine.rig_midi_words import MIDI_WORDS
from engine.rig_parts import glide, play_part, pour, run_effect, strip
from engine.rig_words import (
    BUS,
    CHANNELS,
    DECK_FLOATS,
    DT,
    DUCK_PARAM,
    DUCK_STATE,
    DUCK_UNIT,
    E_LEVEL,
    E_OWN,
    EDITED,
    EFFECT_ROWS,
    EFFECT_WORDS,
    FIFO,
    FIFO_LEFT,
    FINAL_PARAMS,
    FINAL_STATE,
    FINAL_UNIT,
    FLOATS,
    GAIN,
    GAIN_FROM,
    GAIN_GOAL,
    GAIN_STEP,
    GUARD,
    HEADER,
    LAST,
    LOUDNESS,
    MASTERS,
    METER,
    METER_FALL,
    MIDI_OUT,
    OUT,
    OUT_LAST,
    OUT_LEVEL,
    PARAMS,
    PART_FLOATS,
    PART_ROWS,
    PART_WORDS,
    PARTS,
    PEAK,
    RIG_FLOATS,
    S_CURVE,
    S_CURVE_B,
    S_KEY,
    SAMPLE,
    SCRATCH,
    SENDS,
    STEMS,
    TABLE,
    TABLE_FLOATS,
    TABLE_WORDS,
    VALUE,
    call_unit,
    finite,
    floats,
    i8,
    words,
)
from engine.rt import (
    QUANTUM,
    denormals_off,
    denormals_restore,
    f32,
    from_db,
    load_acquire,
    rt,
    sine,
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
        call_unit(t[DUCK_UNIT], i8(2), h[SCRATCH] + 4 * S_KEY, i8(1), t[DUCK_STATE],
                  t[VALUE] + 4 * t[DUCK_PARAM], h[SCRATCH] + 4 * S_CURVE_B,
                  h[SCRATCH] + 4 * S_CURVE, dt, f32(0))
    for index in range(t[PARTS]):
        part = words(t[PART_ROWS] + 8 * PART_WORDS * index, PART_WORDS)
        if play_part(h, t, part, dt):
            strip(h, t, part, index, curve, dt)
        else:
            floats(part[LAST], PART_FLOATS)[METER] *= METER_FALL
    for e in range(sends):
        row = words(t[EFFECT_ROWS] + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        base = (2 + 2 * e) * QUANTUM
        run_effect(h, t, row, t[BUS] + 4 * base, t[BUS] + 4 * (base + QUANTUM), dt)
        level = from_db(floats(t[VALUE], t[PARAMS])[row[E_LEVEL]])
        own = h[STEMS] + 2 * row[E_OWN]
        for side in range(2):
            back = floats(t[BUS] + 4 * (base + side * QUANTUM), QUANTUM)
            for i in range(QUANTUM):
                back[i] *= level
            pour(back, bus, side * QUANTUM)
            if own + 1 < channels:
                pour(back, out, (own + side) * QUANTUM)
    if h[STEMS] > 4:                                        # what the masters are given
        for side in range(2):
            pour(floats(t[BUS] + 4 * side * QUANTUM, QUANTUM), out, (4 + side) * QUANTUM)
    for e in range(sends, sends + t[MASTERS]):
        row = words(t[EFFECT_ROWS] + 8 * EFFECT_WORDS * e, EFFECT_WORDS)
        run_effect(h, t, row, t[BUS], t[BUS] + 4 * QUANTUM, dt)
    deck_to_out(h, t, bus, out)


@rt
def deck_to_out(h, t, bus, out):
    """The deck's bus at its fader and master level into outputs 1 and 2.

    The fader leaves at the very sample of its event; its law is a quarter sine, so that two decks
    that cross keep their power.
    """
    deck = floats(t[DECK_FLOATS], TABLE_FLOATS)
    start, goal, step, at = deck[GAIN], deck[GAIN_GOAL], deck[GAIN_STEP], deck[GAIN_FROM]
    aim = from_db(floats(t[VALUE], t[PARAMS])[t[OUT_LEVEL]])
    first, slope, place = deck[OUT_LAST], (aim - deck[OUT_LAST]) * f32(1 / QUANTUM), start
    for i in range(QUANTUM):
        way = step * max(f32(i + 1) - at, f32(0))
        place = min(start + way, goal) if goal > start else max(start - way, goal)
        gain = (first + slope * f32(i + 1)) * (
            sine(place * f32(0.25)) if place < f32(1) else f32(1))
        out[i] += bus[i] * gain
        out[QUANTUM + i] += bus[QUANTUM + i] * gain
    deck[OUT_LAST], deck[GAIN], deck[GAIN_FROM] = aim, place, f32(0)


@rt
def master(h, dt):
    """Outputs 1 and 2 through the guard and the limiter; what leaves is metered."""
    left, right = floats(h[OUT], QUANTUM), floats(h[OUT] + 4 * QUANTUM, QUANTUM)
    guard.hold_back(floats(h[GUARD], guard.FLOATS), left, right, h[EDITED], dt)
    h[EDITED] = 0
    if h[FINAL_UNIT]:
        call_unit(h[FINAL_UNIT], i8(2), h[SCRATCH] + 4 * S_KEY, i8(1), h[FINAL_STATE],
                  h[FINAL_PARAMS], h[OUT] + 4 * QUANTUM, h[OUT], dt, f32(0))
    loudness.meter(floats(h[LOUDNESS], loudness.FLOATS), left, right, dt)


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
    if h[MIDI_OUT]:
        midi_quantum(h, words(h[MIDI_OUT], MIDI_WORDS), h[SAMPLE])
    for deck in range(2):
        address = load_acquire(h, TABLE + deck)
        if address:
            t = words(address, TABLE_WORDS)
            glide(t)
            fader = floats(t[DECK_FLOATS], TABLE_FLOATS)
            if fader[GAIN] > f32(0) or fader[GAIN_GOAL] > f32(0):
                play_deck(h, t, real[DT])
    master(h, real[DT])
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
