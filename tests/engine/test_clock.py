"""The tempo map."""
import pytest

from engine.clock import Clock, check_bpm
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
    with pytest.raises(SetError):
        clock.set_bpm(100.0, 16)


@pytest.mark.parametrize("bpm", [0, -1, float("nan"), float("inf"), 10_000, "fast", True])
def test_a_tempo_that_is_none_is_refused(bpm):
    with pytest.raises(SetError, match="beats per minute"):
        check_bpm(bpm)
