"""C functions called by address, and one atomic step, for the stream's compiled threads.

Thread: audio.
"""
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def call_process(tc, function, rig, out, frames):
    """Calls void process(int64 rig, int64 out, int64 frames) at address `function`."""
    def gen(cg, b, s, a):
        i64 = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [i64, i64, i64])
        b.call(b.inttoptr(a[0], kind.as_pointer()), a[1:])
        return cg.get_dummy_value()
    return types.void(types.int64, types.int64, types.int64, types.int64), gen


@intrinsic
def call_sleep_until(tc, function, clock, time):
    """clock_nanosleep(clock, TIMER_ABSTIME, time, NULL) at address `function`."""
    def gen(cg, b, s, a):
        i64, i32 = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(i32, [i32, i32, i64, i64])
        b.call(b.inttoptr(a[0], kind.as_pointer()),
               [b.trunc(a[1], i32), ir.Constant(i32, 1), a[2], ir.Constant(i64, 0)])
        return cg.get_dummy_value()
    return types.void(types.int64, types.int64, types.int64), gen


@intrinsic
def call_sleep_for(tc, function, time):
    """nanosleep(time, NULL) at address `function`."""
    def gen(cg, b, s, a):
        i64 = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [i64, i64])
        b.call(b.inttoptr(a[0], kind.as_pointer()), [a[1], ir.Constant(i64, 0)])
        return cg.get_dummy_value()
    return types.void(types.int64, types.int64), gen


@intrinsic
def call_thread(tc, function):
    """gettid() at address `function`."""
    def gen(cg, b, s, a):
        i32 = ir.IntType(32)
        kind = ir.FunctionType(i32, [])
        return b.sext(b.call(b.inttoptr(a[0], kind.as_pointer()), []), ir.IntType(64))
    return types.int64(types.int64), gen


@intrinsic
def exchange_if(tc, array, index, old, new):
    """True when the word was `old` and has become `new`, in one step."""
    def gen(cg, b, s, a):
        data = cg.make_array(s.args[0])(cg, b, a[0]).data
        pair = b.cmpxchg(b.gep(data, [a[1]]), a[2], a[3], "acq_rel", "monotonic")
        return b.extract_value(pair, 1)
    return types.boolean(array, types.intp, types.int64, types.int64), gen


@intrinsic
def call_buffer(tc, function, port, frames):
    """void *jack_port_get_buffer(port, uint32 frames) at address `function`."""
    def gen(cg, b, s, a):
        i64, i32 = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(i64, [i64, i32])
        return b.call(b.inttoptr(a[0], kind.as_pointer()), [a[1], b.trunc(a[2], i32)])
    return types.int64(types.int64, types.int64, types.int64), gen


@intrinsic
def call_clear(tc, function, buffer):
    """void jack_midi_clear_buffer(buffer) at address `function`."""
    def gen(cg, b, s, a):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        b.call(b.inttoptr(a[0], kind.as_pointer()), [a[1]])
        return cg.get_dummy_value()
    return types.void(types.int64, types.int64), gen


@intrinsic
def call_write(tc, function, buffer, frame, data, size):
    """int jack_midi_event_write(buffer, uint32 frame, data, size_t size) at address `function`."""
    def gen(cg, b, s, a):
        i64, i32 = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(i32, [i64, i32, i64, i64])
        done = b.call(b.inttoptr(a[0], kind.as_pointer()),
                      [a[1], b.trunc(a[2], i32), a[3], a[4]])
        return b.sext(done, i64)
    return types.int64(*[types.int64] * 5), gen


@intrinsic
def call_count(tc, function, buffer):
    """uint32 jack_midi_get_event_count(buffer) at address `function`."""
    def gen(cg, b, s, a):
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)])
        return b.zext(b.call(b.inttoptr(a[0], kind.as_pointer()), [a[1]]), ir.IntType(64))
    return types.int64(types.int64, types.int64), gen


@intrinsic
def call_get(tc, function, event, buffer, index):
    """int jack_midi_event_get(event, buffer, uint32 index) at address `function`."""
    def gen(cg, b, s, a):
        i64, i32 = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(i32, [i64, i64, i32])
        done = b.call(b.inttoptr(a[0], kind.as_pointer()), [a[1], a[2], b.trunc(a[3], i32)])
        return b.sext(done, i64)
    return types.int64(*[types.int64] * 4), gen
