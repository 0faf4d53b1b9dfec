"""What a note does to the voices of a part: which one it takes, and how that starts, slides and
fades. Thread: audio."""

from engine.rig_words import (
    ACTIVE,
    AGE,
    AWAKE,
    AWAKE_QUANTA,
    CHOKE_GROUP,
    CHOKE_QUANTA,
    COUNT,
    DUE,
    FADE_TOTAL,
    FADING,
    FAINT,
    FAINT_SAMPLES,
    FIRST,
    GATE,
    GOAL_HZ,
    KEY_PART,
    NOW_HZ,
    OFFSET,
    PART_ROWS,
    PART_WORDS,
    PARTS,
    PITCH,
    POLYPHONY,
    QUIET,
    RELEASE_AT,
    S_KEY,
    SAMPLE,
    SCRATCH,
    SCRATCH_FLOATS,
    SERIAL,
    STATE,
    STEAL_QUANTA,
    STEALS,
    STRIKES,
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
    floats,
    i8,
    words,
)
from engine.rt import f32, rt


@rt
def clear(t, part, v):
    """Voice v back to the state it was born with."""
    n = part[COUNT]
    call_unit(part[UNIT], i8(3), v, n, part[STATE], t[VALUE] + 4 * part[FIRST], part[PITCH], i8(0),
              f32(0), f32(0))
    voice = words(part[VOICES], n * VOICE_WORDS)
    for w in range(VOICE_WORDS):
        if w != AGE:
            voice[w * n + v] = 0


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
    call_unit(part[UNIT], i8(0), v, n, part[STATE], t[VALUE] + 4 * part[FIRST], part[PITCH], i8(0),
              hz, level)
    h[SERIAL] += 1
    h[STRIKES] += 1
    voice[ACTIVE * n + v] = 1
    part[AWAKE] = max(part[AWAKE], AWAKE_QUANTA)
    voice[GATE * n + v] = 1
    voice[AGE * n + v] = h[SERIAL]
    voice[RELEASE_AT * n + v] = h[SAMPLE] + offset + length if length > 0 else i8(1) << i8(60)
    voice[DUE * n + v] = voice[RELEASE_AT * n + v]
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
        if voice[GATE * n + v] == 1 and voice[FADING * n + v] == 0 and voice[AGE * n + v] > age:
            best, age = i8(v), voice[AGE * n + v]
    if best >= 0:
        floats(part[PITCH], n * VOICE_FLOATS)[GOAL_HZ * n + best] = hz
        voice[RELEASE_AT * n + best], voice[DUE * n + best] = until, 0
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
def drop_fading(t):
    """What was fading when a deck fell silent is gone before the deck is heard again."""
    for index in range(t[PARTS]):
        part = words(t[PART_ROWS] + 8 * PART_WORDS * index, PART_WORDS)
        voice = words(part[VOICES], part[COUNT] * VOICE_WORDS)
        for v in range(part[POLYPHONY]):
            if voice[FADING * part[COUNT] + v] > 0:
                clear(t, part, v)


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
