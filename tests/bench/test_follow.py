"""The judge of a stage that follows: what it is given to hear, and what it makes of it."""
import numpy as np
import pytest

from bench._follow import JITTER_MS, SECTION_BEATS, START, TICK, TICKS, judged, rows_of

RATE_HZ = 48000


def test_the_sequencer_sends_what_it_should():
    rows, true = rows_of(RATE_HZ)
    status, frames = rows["data"][:, 0], rows["frame"]
    assert np.all(np.diff(frames) >= 0) and set(status) == {TICK, START}
    start = int(np.flatnonzero(status == START)[0])
    assert abs(frames[start + 1] - true[0]) <= JITTER_MS * 48 + 1
    gaps = np.diff(frames[start + 1:]) / RATE_HZ
    assert 0.95 < gaps.max() < 1.1                        # two beats at 120
    beats = (true[-1] - true[0]) / RATE_HZ
    assert beats == pytest.approx(66 / 2 + 32 * 60 / 140, abs=0.05)
    assert len(true) == (3 * SECTION_BEATS + 2) * TICKS + 1


def test_ticks_on_their_places_have_no_error_and_wrong_ones_have_theirs():
    _, true = rows_of(RATE_HZ)
    perfect = judged(true, true[:-1] - 48.0, RATE_HZ)     # a latency is no error
    assert perfect["offset_ms"] == pytest.approx(-1.0, abs=1e-3)
    assert all(perfect[name]["max_ms"] < 1e-3 for name in
               ("jitter", "drop_out", "after", "faster"))
    random = np.random.default_rng(2)
    off = judged(true, true + random.normal(0.0, 24.0, len(true)), RATE_HZ)
    assert off["jitter"]["rms_ms"] == pytest.approx(0.5, rel=0.1)
    slow = true.copy()
    slow[(2 * SECTION_BEATS + 10) * TICKS:] += 96.0       # late once it is faster
    assert judged(true, slow, RATE_HZ)["faster"]["max_ms"] == pytest.approx(2.0, abs=0.01)
