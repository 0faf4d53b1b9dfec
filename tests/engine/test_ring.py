"""The ring between two processes: order, back-pressure, no torn record, no foreign file."""
import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from engine.ring import Ring

ROW = np.dtype([("seq", "i8"), ("data", "f4", 3000)])
WRITER = """
import sys, time
import numpy as np
from engine.ring import Ring
ring = Ring(sys.argv[1], np.dtype([("seq", "i8"), ("data", "f4", 3000)]))
for k in range(int(sys.argv[2])):
    while (row := ring.slot()) is None:
        time.sleep(0.0001)
    row["data"][:] = k
    row["seq"] = k
    ring.publish()
"""


def test_records_of_another_process_arrive_whole_and_in_order(tmp_path):
    ring = Ring(tmp_path / "ring", ROW, slots=8)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, ring.path, "3000"])
    try:
        for k in range(3000):
            while (row := ring.front()) is None:
                assert writer.poll() in (None, 0)
            assert row["seq"] == k and (row["data"] == k).all()
            ring.pop()
    finally:
        writer.kill()
        writer.wait()


def test_the_limit_holds_the_writer_back():
    ring = Ring(None, ROW, slots=8, limit=3)
    for _ in range(3):
        assert ring.slot() is not None
        ring.publish()
    assert ring.slot() is None and len(ring) == 3
    ring.pop()
    assert ring.slot() is not None
    ring.limit = 100
    assert ring.limit == 8


def test_front_looks_ahead_and_pop_gives_back():
    ring = Ring(None, ROW, slots=4)
    for k in range(3):
        ring.slot()["seq"] = k
        ring.publish()
    assert [int(ring.front(a)["seq"]) for a in range(3)] == [0, 1, 2] and ring.front(3) is None
    ring.pop()
    assert int(ring.front()["seq"]) == 1


def test_a_file_that_is_no_such_ring_is_refused(tmp_path):
    Ring(tmp_path / "ring", ROW, slots=4)
    with pytest.raises(ValueError, match="not a ring"):
        Ring(tmp_path / "ring", np.dtype("f8"))


def test_a_ring_without_room_is_an_error_and_no_crash_later(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device.*ring"):
        Ring(tmp_path / "ring", ROW, slots=4)
