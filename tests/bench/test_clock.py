"""The clock bench: what it makes of ticks that were heard, and a short run on a real server."""
import numpy as np
import pytest

from bench import clock
from bench.jack import JackServer
from bench.jack_peer import EVENT

ROWS = [[0.0, 1000.0, 128.37]]
RATE_HZ, PERIOD = 48000, 128


def heard(frames, gaps=0):
    events = np.zeros(len(frames) + 1, EVENT)
    events["frame"][1:] = frames
    events["data"][0, 0], events["data"][1:, 0] = clock.START, clock.TICK
    return {"events": events, "period": PERIOD, "gaps": gaps}


SAID = {"rows": ROWS, "rate_hz": RATE_HZ, "tokens": 1, "counters": {"late_blocks": 0}}


def exact(count=600):
    return np.rint(clock.places(ROWS, RATE_HZ, count)) + 77000


def test_exact_ticks_are_half_a_sample_off_at_most():
    found = clock.judged(SAID, heard(exact()))
    assert found["p999_ms"] <= 0.0105 and not found["lost"] and abs(found["drift_ppm"]) < 0.2


def test_what_is_missing_late_or_drifting_is_seen():
    frames = exact()
    found = clock.judged(SAID, heard(np.delete(frames, [100, 101, 300])))
    assert (found["missing"], found["lost"]) == (3, 3)
    assert clock.judged(SAID, heard(np.delete(frames, 100), gaps=1))["lost"] == 0
    assert clock.judged(SAID, heard(np.delete(frames, range(100, 110))))["lost"] == 10
    late = frames.copy()
    late[200] += 48
    assert clock.judged(SAID, heard(late))["max_ms"] == pytest.approx(1.0, abs=0.02)
    drifting = frames + (frames - frames[0]) * 20e-6
    assert clock.judged(SAID, heard(drifting))["drift_ppm"] == pytest.approx(20.0, abs=1.0)
    assert clock.judged(SAID, heard(np.sort([*frames, frames[50] + 3])))["doubled"] == 1


@pytest.mark.parametrize("periods", (1, 3, 4, 11))
@pytest.mark.parametrize("bpm", (40.0, 128.37, 240.0))
def test_periods_that_the_server_left_out_are_no_error(bpm, periods):
    """More than half a tick of them, too; nor is one tick that a client without time sent late."""
    rows = [[0.0, 1000.0, bpm]]
    frames = np.rint(clock.places(rows, RATE_HZ, 600)) + 77000
    frames[300:] += periods * PERIOD
    frames[400] += PERIOD
    found = clock.judged({**SAID, "rows": rows}, heard(frames, gaps=2))
    assert found["max_ms"] <= 0.0105 and not found["missing"] and not found["doubled"]


@pytest.mark.parametrize("bpm, goal, seconds", [
    (128.37, 128.37, 5.0),
    *(pytest.param(bpm, goal, 600.0, marks=pytest.mark.slow) for bpm, goal in clock.TEMPOS)])
def test_ticks_leave_through_jack_at_their_frame(bpm, goal, seconds):
    if reason := JackServer.missing():
        pytest.skip(reason)
    for left in reversed(range(3 if seconds < 60.0 else 1)):     # a busy host takes cycles away
        server = JackServer(real_time=True).start()
        try:
            found = clock.judged(*clock.stage("jack", seconds, bpm, goal, "embedded"))
        finally:
            server.close()
        exact = found["p50_ms"] <= 0.0105 and not found["lost"] and not found["doubled"]
        assert exact or left, found
        if exact:
            break
    if seconds > 60.0:                    # in a few seconds one hiccup of a shared machine is all
        assert found["p999_ms"] <= clock.MOST_P999_MS and abs(found["drift_ppm"]) < 1.0
