"""The compiled rig calls nobody: no allocation, no exception, nothing of Python, no libm."""
import re

from numba import njit, types

from engine import rig
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
    for part in ("quantum", "take_events", "play_part", "strip", "settle", "strike"):
        assert part in text
    assert set(calls(text)) <= ALLOWED


def test_the_check_can_fail():
    text = fresh(rig.run.py_func, types.int64, types.int64, types.int64)
    assert "fmul" in text
    spoiled = text.replace("@NRT_decref", "@NRT_Allocate") + (
        "\ndefine void @_ZN6engine3bad() {\n  %x = call i8* @NRT_Allocate(i64 8)\n}\n")
    assert not set(calls(spoiled)) <= ALLOWED
