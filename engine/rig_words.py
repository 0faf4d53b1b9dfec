"""The words of the rig's memory, and how a kernel reads them. Thread: audio.

The rig is int64 rows that hold addresses, indices and counts; `engine.table` fills them in.
"""

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from engine.rt import f32, pointer, rt

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
    GUARD,
    EDITED,
    LOUDNESS,
    MIDI_OUT,
    PANIC_WORD,
    PANIC_SEEN,
    STEMS,  # the first channel of the parts: 4, or 6 where the masters' input is given out before
    HEADER,
) = range(34)
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
    LOW,
    HIGH,
    TABLE_WORDS,
) = range(20)
# a table's floats; GAIN is the fader's place 0..1, GAIN_FROM the sample of a quantum it leaves at
GAIN, GAIN_GOAL, GAIN_STEP, GAIN_FROM, OUT_LAST, TABLE_FLOATS = range(6)
# a part's words; COUNT is POLYPHONY rounded up to whole groups of lanes, OVER the oversampling
(
    UNIT,
    OVER,
    COUNT,
    POLYPHONY,
    STATE,
    FIRST,
    STRIP,
    CHOKE_GROUP,
    VOICES,
    PITCH,
    MONO,
    HALF,
    LAST,
    SOUNDING,
    AWAKE,
    SUSPECT,
    INSERTS,
    INSERT_ROWS,
    FINISHES,
    OWN,  # its place among the parts and sends that are given out
    PART_WORDS,
) = range(21)
# an effect's words (sends first, then masters)
E_UNIT, E_STATE, E_FIRST, E_LEVEL, E_OWN, EFFECT_WORDS = range(6)
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
    FAINT,
    DUE,
    VOICE_WORDS,
) = range(14)
# floats of a voice slot, each (count,)
NOW_HZ, GOAL_HZ, WAIT_HZ, WAIT_LEVEL, VOICE_FLOATS = range(5)
LAST_LEFT, LAST_RIGHT, METER, LAST_SENDS = range(4)  # a part's floats
PART_FLOATS = LAST_SENDS + 8
# scratch floats: 64 lanes of 64 frames, the same turned for 16 of them, and single quanta
S_VOICE, S_TURNED, S_MONO, S_LEFT, S_RIGHT, S_KEY, S_CURVE, S_CURVE_B, SCRATCH_FLOATS = (
    0,
    4096,
    5120,
    5152,
    5184,
    5216,
    5248,
    5280,
    5312,
)
STEAL_QUANTA, CHOKE_QUANTA = 4, 7  # 2 ms and 4 ms, and one more to play out the voice's offset
QUIET_SAMPLES, QUIET_LEVEL = 4096, f32(2.0**-20)
FAINT_SAMPLES, FAINT_LEVEL = 2048, f32(2.0**-12)  # inaudible under a new note: taken without a fade
SLIDE_S = 0.02  # a 303's pitch lag: 95 % in 60 ms
METER_FALL = f32(0.9995)
WATCH_EVERY, FAINT_EVERY = 64, 8  # quanta between two looks at a voice that plays on, loud or faint
TOO_LOUD = f32(1e6)  # a voice above is broken
AWAKE_QUANTA, TAIL_QUANTA = 2, 6144  # a part without voices, without and with inserts (4 s)


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
