"""Bars on paper: where samples lie when the clock ramps, stops and goes on."""
import numpy as np
import pytest

from engine.clock import Clock
from engine.grid import Grid
from engine.journal import Recorder, Take


def test_without_a_stop_paper_is_the_clock():
    clock = Clock(48000, 120)
    clock.ramp(140.7, 8.0, 32)
    clock.set_bpm(77, 100)
    grid = Grid(clock.rows, 48000)
    samples = np.linspace(0, 3e6, 999)
    assert np.abs(grid.steps_of(samples) - [clock.step_of(s) for s in samples]).max() < 1e-6


def place_in_bar(grid, sample):
    """How many steps after its bar line, by the signatures."""
    step = grid.step_of(sample)
    start, bar = [one for one in grid.signatures if one[0] <= step + 1e-6][-1]
    return (step - start) % bar


@pytest.mark.parametrize("origin", (1, 4800, 6848, 30000, 96000, 1234567))
def test_what_lies_before_the_first_bar_is_beats_and_an_odd_bar(origin):
    grid = Grid(Clock(48000, 124, origin).rows, 48000)
    first = grid.step_of(origin)
    assert first == round(first) >= 1 and grid.step_of(0) == 0.0
    assert grid.rows[0, 2] == pytest.approx(first * 15 * 48000 / origin)
    assert place_in_bar(grid, origin) == place_in_bar(grid, 0) == 0.0
    if origin > 6000:
        assert grid.rows[0, 2] == pytest.approx(124, rel=0.2)
    assert len({step for step, _ in grid.signatures}) == len(grid.signatures)


@pytest.mark.parametrize("gap", (1000, 48000, 500000))
@pytest.mark.parametrize("place", (37, 48, 200.0))
def test_after_a_standstill_the_bar_line_is_where_the_clock_has_it(gap, place):
    clock = Clock(48000, 120)
    clock.stop(37)
    stood = clock.sample_of(37)
    clock.go_on(place, stood + gap)
    clock.ramp(90, place + 16, 8)
    grid = Grid(clock.rows, 48000)
    assert grid.step_of(stood) == pytest.approx(37)
    assert place_in_bar(grid, stood + gap) == pytest.approx(place % 16, abs=1e-6) or (
        place_in_bar(grid, clock.sample_of(place + 16 - place % 16)) == pytest.approx(0, abs=1e-3))
    for bars in (1, 2, 3):
        line = clock.place_of(place + 16 * bars - place % 16)
        assert place_in_bar(grid, line + 0.5) == pytest.approx(0, abs=1e-3)
    assert all(1 <= bar <= 16 for _, bar in grid.signatures)
    later = clock.sample_of(place + 30)
    assert grid.step_of(later) - grid.step_of(stood + gap) == pytest.approx(30, abs=1e-3)
    assert (np.diff(grid.rows[:, 0]) > 0).all() and (grid.rows[:, 2] > 0).all()


def test_a_take_keeps_the_map_and_one_without_has_its_first_tempo(tmp_path):
    for name, changes in (("a", []), ("b", [
            {"from": 0, "rows": [[0, 100, 120, None]]},
            {"from": 0, "rows": [[0, 100, 120, 16], [16, 999999, 90, None]]},
            {"from": 1, "rows": [[16, 999999, 91, None]]}])):
        recorder = Recorder(tmp_path / name, {"bpm": 133.0, "rate_hz": 48000})
        recorder.table(0, 0, "", "", 1)
        recorder.chunk(b"STEP", {"step": 2, "sample": 500})
        for change in changes:
            recorder.chunk(b"TMPO", change)
        recorder.close(1000)
    assert Take(tmp_path / "a").tempo().tolist() == [[2, 500, 133, np.inf]]
    assert Take(tmp_path / "b").tempo().tolist() == [[0, 100, 120, 16], [16, 999999, 91, np.inf]]
