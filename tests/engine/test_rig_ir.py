"""The compiled rig calls nobody: no allocation, no exception, nothing of Python, no libm."""
import re

from numba import njit, types

from engine import rig, rig_play
from engine.rt import SAFE

ALLOWED = {"NRT_incref", "NRT_decref",               # counts of ownerless arrays: nothing
           "exp", "log"}                              # a glide, once a quantum


def calls(text):
    """Named functions that our own functions in an LLVM module call."""
    ours = False
    for line in text.splitlines():
        if line.startswith("define"):
            ours = "@_ZN6engine" in line or "@_ZN5tests" in line
        name = re.search(r"call [^@]*@([\w.]+)\(", line)
        if ours and name and not name[1].startswith(("llvm.", "_ZN6engine")):
            yield name[1]


def fresh(function, *signature):
    compiled = njit(nogil=True, error_model="numpy", fastmath=SAFE)(function)
    compiled.compile(signature)
    return compiled.inspect_llvm(signature)


def test_the_rig_calls_nobody():
    text = fresh(rig.run.py_func, types.int64, types.int64, types.int64)
    for part in ("quantum", "take_events", "play_part", "strip", "strike"):
        assert part in text
    assert set(calls(text)) <= ALLOWED


def test_what_the_units_do_with_voices_calls_nobody():
    run, row = types.Array(types.float32, 1, "C"), types.Array(types.int64, 1, "C")
    text = fresh(rig_play.settle.py_func, row, row, row, row, types.int64, run, types.int64)
    text += fresh(rig_play.attend.py_func, row, row, row, row, types.int64)
    assert "end_fade" in text
    assert set(calls(text)) <= ALLOWED


def test_the_check_can_fail():
    text = fresh(rig.run.py_func, types.int64, types.int64, types.int64)
    assert "fmul" in text
    spoiled = text.replace("@NRT_decref", "@NRT_Allocate") + (
        "\ndefine void @_ZN6engine3bad() {\n  %x = call i8* @NRT_Allocate(i64 8)\n}\n")
    assert not set(calls(spoiled)) <= ALLOWED
