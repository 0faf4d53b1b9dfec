"""FluidSynth called by address from the compiled callback, one small synth a voice. Thread: audio.

Each voice of a part has a synth of its own (0.4 MB; they share the part's font): so it starts at
its sample, fades, sleeps and is stolen like any voice. The addresses come through the state, laid
there by `engine.fonts`: none is in a cached kernel. Where there is no FluidSynth or no font, the
unit of an own voice is called instead.

source   FluidSynth 2 API: fluid_synth_write_float renders blocks of 64 frames and keeps what is
         left; fluid_synth_set_gen adds to a generator of a channel (SoundFont 2.04, 8.1.3)
"""
import math

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from engine.lanes import add, load, splat
from engine.rig_words import call_unit, floats, i8
from engine.rt import LANE, QUANTUM, address_of, f32, flush, pointer, rt

# words of a voice: what to call, with what; UNIT and the rest are the stand-in's
(WRITE, ON, OFF, GEN, SELECT, SILENCE, SYNTH, FONT, FIRST_BANK, FIRST_PROGRAM, HALF_RATE,
 UNIT, STATE, COUNT, PARAMS, PITCH, WORDS) = range(17)
BLOCK, CHANNELS = 64, 16
FILTER, FINE_TUNE = i8(8), i8(52)         # generators, both in cents
MOST_CENTS = f32(200)                     # a quantum: its filter rings up when it leaps each block


@intrinsic
def call_words(tc, address, synth, a, b, c, d):
    """Calls int f(synth, a, b, c, d); a C function that takes fewer does not look at the rest."""

    def gen(cg, b, s, args):
        word, number = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(number, [word] + [number] * 4)
        done = b.call(b.inttoptr(args[0], kind.as_pointer()),
                      [args[1], *(b.trunc(x, number) for x in args[2:])])
        return b.sext(done, word)

    return types.int64(*([types.int64] * 6)), gen


@intrinsic
def call_gen(tc, address, synth, channel, generator, value):
    """Calls fluid_synth_set_gen."""

    def gen(cg, b, s, args):
        word, number = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(number, [word, number, number, ir.FloatType()])
        done = b.call(b.inttoptr(args[0], kind.as_pointer()),
                      [args[1], b.trunc(args[2], number), b.trunc(args[3], number), args[4]])
        return b.sext(done, word)

    return types.int64(*([types.int64] * 4), types.float32), gen


@intrinsic
def call_write(tc, address, synth, frames, left, right):
    """Calls fluid_synth_write_float into two runs of float32, by their addresses."""

    def gen(cg, b, s, args):
        word, number = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(number, [word, number] + [word, number, number] * 2)
        none, one = ir.Constant(number, 0), ir.Constant(number, 1)
        done = b.call(b.inttoptr(args[0], kind.as_pointer()),
                      [args[1], b.trunc(args[2], number), args[3], none, one, args[4], none, one])
        return b.sext(done, word)

    return types.int64(*([types.int64] * 5)), gen


@rt
def words_of(s, v):
    """Voice v's words."""
    return carray(pointer(address_of(s.keep_words) + 8 * WORDS * v), (WORDS,), i8)


@rt
def strike_of(s, v, hz, level):
    """A note for voice v; the synth hears of it in the next render."""
    w = words_of(s, v)
    if w[UNIT]:
        if s.alive[v] == f32(0):
            stand_in(w, i8(3), i8(0), f32(0), f32(0))
        stand_in(w, i8(0), i8(0), hz, level)
    s.fresh[v] = f32(1) - s.alive[v]
    s.alive[v], s.level[v], s.struck[v], s.let_go[v] = f32(1), level, f32(1), f32(0)


@rt
def release_of(s, v):
    """The key goes up."""
    w = words_of(s, v)
    if w[UNIT]:
        stand_in(w, i8(1), i8(0), f32(0), f32(0))
    s.let_go[v] = f32(1)


@rt
def stand_in(w, op, out, a, b):
    """Calls the unit of the own voice; it is the first of a part of its own."""
    call_unit(w[UNIT], op, i8(0), w[COUNT], w[STATE], w[PARAMS], w[PITCH], out, a, b)


@rt
def within(x, low, high):
    """x clipped; what is no number is low: FluidSynth reads memory by it."""
    return min(x, high) if x > low else low


@rt
def render_of(s, v, program, bank, filter_cents, hz, gain, out, dt):
    """Adds one quantum of voice v to out."""
    w = words_of(s, v)
    if w[UNIT]:
        floats(w[PITCH], 1)[0] = hz
        stand_in(w, i8(2), address_of(out), dt, f32(0))
    elif w[SYNTH]:
        hz = within(hz, f32(8), f32(20000))
        filter_cents = within(filter_cents, f32(-12000), f32(12000))
        if s.struck[v] > f32(0):
            begin_note(s, w, v, program, bank, filter_cents, hz, gain)
        else:
            follow(s, w, v, filter_cents, hz)
        if s.let_go[v] > f32(0) and s.key[v] > f32(0):
            call_words(w[OFF], w[SYNTH], i8(s.keep_channel[v]), i8(s.key[v]) - 1, i8(0), i8(0))
            s.key[v] = f32(0)
        pull(s, w, v, out)


@rt
def begin_note(s, w, v, program, bank, filter_cents, hz, gain):
    """The old note goes, on its own channel; a voice born again starts at this very sample."""
    channel, synth, s.struck[v] = i8(s.keep_channel[v]), w[SYNTH], f32(0)
    if s.fresh[v] > f32(0):
        forget(s, w, v)
    elif s.key[v] > f32(0):
        call_words(w[OFF], synth, channel, i8(s.key[v]) - 1, i8(0), i8(0))
    s.key[v] = f32(0)
    speed = i8(np.rint(within(s.level[v], f32(0), f32(1)) * f32(127)))
    if not s.level[v] > f32(0):
        return
    channel = (channel + 1) & (CHANNELS - 1)
    s.keep_channel[v] = f32(channel)
    number = i8(np.rint(within(program, f32(0), f32(127))))
    kit = i8(np.rint(within(bank, f32(0), f32(128))))
    if call_words(w[SELECT], synth, channel, w[FONT], kit, number) < 0:
        if call_words(w[SELECT], synth, channel, w[FONT], i8(0), number) < 0:
            call_words(w[SELECT], synth, channel, w[FONT], w[FIRST_BANK], w[FIRST_PROGRAM])
    key = min(max(i8(np.rint(key_of(hz))), i8(0)), i8(127))
    s.at_hz[v], s.at_filter[v], s.struck_key[v] = f32(0), filter_cents, f32(key)
    s.loud[v] = gain * f32(0.5) if kit == 128 else gain    # drums are as loud again
    call_gen(w[GEN], synth, channel, FILTER, filter_cents)
    follow(s, w, v, filter_cents, hz)
    call_words(w[ON], synth, channel, key, max(speed, i8(1)), i8(0))
    s.key[v] = f32(key + 1)


@rt
def forget(s, w, v):
    """Whatever sounded is over, and the next note is at the start of a block. (It may rise over
    that block: FluidSynth's memory of a note fades in from the side where its last one was.)"""
    call_words(w[SILENCE], w[SYNTH], i8(-1), i8(0), i8(0), i8(0))
    if s.keep_place[v] > f32(0):
        read(s, w, v, BLOCK - i8(s.keep_place[v]))
    s.keep_place[v], s.keep_before[v] = f32(0), f32(0)


@rt
def key_of(hz):
    """MIDI number of a pitch, float64: once a change."""
    return 69.0 + 12.0 * math.log2(np.float64(hz) / 440.0)


@rt
def follow(s, w, v, filter_cents, hz):
    """Pitch and filter move with the note that sounds."""
    channel = i8(s.keep_channel[v])
    if hz != s.at_hz[v]:
        cents = 100.0 * (key_of(hz) - np.float64(s.struck_key[v])) + 0.5    # it cuts to whole ones
        call_gen(w[GEN], w[SYNTH], channel, FINE_TUNE, f32(cents))
        s.at_hz[v] = hz
    if filter_cents != s.at_filter[v]:
        s.at_filter[v] += within(filter_cents - s.at_filter[v], -MOST_CENTS, MOST_CENTS)
        call_gen(w[GEN], w[SYNTH], channel, FILTER, s.at_filter[v])


@rt
def read(s, w, v, frames):
    call_write(w[WRITE], w[SYNTH], frames, address_of(s.keep_left) + 4 * BLOCK * v,
               address_of(s.keep_right) + 4 * BLOCK * v)


@rt
def pull(s, w, v, out):
    """A quantum of the synth, both sides as one; over 96 kHz it runs at half the rate."""
    at, gain = v * BLOCK, s.loud[v]
    if w[HALF_RATE] == 0:
        read(s, w, v, QUANTUM)
        for i in range(0, QUANTUM, LANE):
            add(out, i, (load(s.keep_left, at + i) + load(s.keep_right, at + i)) * splat(gain))
    else:
        read(s, w, v, QUANTUM // 2)
        before = s.keep_before[v]
        for i in range(QUANTUM // 2):
            x = flush(s.keep_left[at + i] + s.keep_right[at + i]) * gain
            out[2 * i] += f32(0.5) * (before + x)
            out[2 * i + 1] += x
            before = x
        s.keep_before[v] = before
    s.keep_place[v] = f32((i8(s.keep_place[v]) + (QUANTUM >> w[HALF_RATE])) & (BLOCK - 1))
