"""The tempo map."""
import numpy as np
import pytest

from engine.clock import COUNTS, HALF, Clock, check_bpm
from engine.errors import SetError


def test_steps_fall_on_their_samples_and_back():
    clock = Clock(48000, 125.0, origin_sample=100)
    assert clock.sample_of(0) == 100 and clock.sample_of(16) == 100 + 92160
    assert clock.step_of(clock.sample_of(37.5)) == pytest.approx(37.5, abs=1e-3)


def test_no_drift_over_hours():
    clock = Clock(44100, 128.37)
    steps = 16 * 60 * 60
    assert abs(clock.sample_of(steps) - steps * 44100 * 15.0 / 128.37) <= 0.5


def test_a_tempo_change_leaves_earlier_steps_alone():
    clock = Clock(48000, 120.0)
    before = [clock.sample_of(s) for s in range(33)]
    clock.set_bpm(140.0, 32)
    assert [clock.sample_of(s) for s in range(33)] == before
    assert clock.sample_of(48) - clock.sample_of(32) == round(16 * 48000 * 15 / 140)
    clock.set_bpm(100.0, 16)                  # the change at 32 was only planned
    assert [clock.sample_of(s) for s in range(17)] == before[:17]
    assert clock.bpm_at(40) == 100.0
    with pytest.raises(SetError):
        clock.set_bpm(100.0, -1)


def test_a_ramp_is_a_tempo_a_step_and_ends_on_its_goal():
    clock = Clock(48000, 120.0)
    clock.ramp(140.0, 16, 32)
    tempos = [clock.bpm_at(16 + k) for k in range(40)]
    assert tempos[0] == 120.0 and tempos[32:] == [140.0] * 8
    assert np.allclose(np.diff(tempos[:33]), 20 / 32)
    seconds = sum(15.0 / tempo for tempo in tempos[:32])
    assert clock.sample_of(48) - clock.sample_of(16) == pytest.approx(48000 * seconds, abs=1)


def test_the_transport_stands_and_goes_on_where_it_stood():
    clock = Clock(48000, 120.0)
    clock.stop(20)
    assert not clock.rolls and clock.step_of(10 ** 9) == 20.0
    clock.go_on(32, 2_000_000)
    assert clock.rolls and clock.sample_of(32) == 2_000_000
    assert clock.step_of(1_000_000) == 20.0 and clock.sample_of(19) == 19 * 6000
    with pytest.raises(SetError):
        clock.go_on(8, 3_000_000)


def test_compiled_code_reads_the_newest_map():
    clock = Clock(48000, 120.0)
    for bpm in (100.0, 90.0, 80.0):
        clock.set_bpm(bpm, 16)
        half = int(clock.words[HALF]) - 1
        count = int(clock.words[COUNTS + half])
        assert np.array_equal(clock.halves[half, :count], clock.rows)


@pytest.mark.parametrize("bpm", [0, -1, float("nan"), float("inf"), 10_000, "fast", True])
def test_a_tempo_that_is_none_is_refused(bpm):
    with pytest.raises(SetError, match="beats per minute"):
        check_bpm(bpm)
