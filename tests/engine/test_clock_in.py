"""Another machine's clock: jitter filtered, drop-outs ridden through, tempo followed, none lost."""
import math

import numpy as np
import pytest

from engine.clock_in import TICKS, ClockIn, Tap
from engine.errors import SetError

START, CONTINUE, STOP, F8 = [0xFA], [0xFB], [0xFC], [0xF8]


class Sender:
    """A sequencer: ticks at their true times; they arrive with a uniform error, in order."""

    def __init__(self, bpm=120.0, jitter_ns=0.0, seed=1, begin_ns=10_000_000_000):
        self.random, self.jitter_ns = np.random.default_rng(seed), jitter_ns
        self.ns, self.bpm, self.ticks, self.heard_ns = float(begin_ns), bpm, 0, 0

    def play(self, clock, ticks, sent=True, see=None):
        for _ in range(ticks):
            ns = self.ns + self.random.uniform(-self.jitter_ns, self.jitter_ns)
            self.heard_ns = max(self.heard_ns + 1, round(ns))
            if sent:
                clock.message(F8, self.heard_ns)
            if see:
                see(self)
            self.ns += 60e9 / (self.bpm * TICKS)
            self.ticks += 1

    def error_ms(self, clock, ahead_ns=0.0):
        """Of the clock's beat at this tick, in ms of time; counted ticks enter."""
        beat = clock.beat_at(self.ns + ahead_ns) - ahead_ns * self.bpm / 60e9
        return (beat - self.ticks / TICKS) * 60e3 / self.bpm


def started(bpm, jitter_ns=0.0, seed=1):
    clock, sender = ClockIn(), Sender(bpm, jitter_ns, seed)
    clock.message(START, 9_990_000_000)
    return clock, sender


def errors(clock, sender, ticks):
    found = []
    sender.play(clock, ticks, see=lambda s: found.append(s.error_ms(clock)))
    return np.array(found)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bpm", [60.0, 120.0, 174.0])
def test_three_ms_of_jitter_leave_less_than_one(bpm, seed):
    clock, sender = started(bpm, 3e6, seed)
    errors(clock, sender, 4 * TICKS)
    later = errors(clock, sender, 16 * TICKS)
    assert math.sqrt(np.mean(later ** 2)) < 1.0 and np.abs(later).max() < 3.0
    assert clock.bpm == pytest.approx(bpm, rel=0.005)


@pytest.mark.parametrize("bpm", [20.0, 40.0, 128.37, 240.0, 400.0])
def test_a_clean_clock_is_exact_at_any_tempo(bpm):
    clock, sender = started(bpm)
    sender.play(clock, 30 * TICKS, see=lambda s: None)
    sender.ns -= 60e9 / (bpm * TICKS)
    sender.ticks -= 1
    assert abs(sender.error_ms(clock)) < 0.01 and clock.bpm == pytest.approx(bpm, rel=1e-6)
    assert clock.state(round(sender.ns)) == "locked"


@pytest.mark.parametrize("seed", range(6))
def test_the_fastest_clock_with_jitter_loses_no_count(seed):
    clock, sender = started(400.0, 2.5e6, seed)
    later = errors(clock, sender, 100 * TICKS)[4 * TICKS:]
    assert np.abs(later).max() < 6.25 / 2                 # half a tick


@pytest.mark.parametrize("seed", range(6))
def test_a_drop_out_of_two_beats_is_ridden_through(seed):
    clock, sender = started(120.0, 3e6, seed)
    sender.play(clock, 8 * TICKS)
    dark = []
    sender.play(clock, 2 * TICKS, sent=False, see=lambda s: dark.append(s.error_ms(clock)))
    assert clock.state(round(sender.ns)) == "holding"
    assert np.abs(dark).max() < 6.0
    back = errors(clock, sender, 4 * TICKS)
    assert np.abs(back).max() < 7.0 and np.abs(back[TICKS:]).max() < 3.0     # no tick is 20.8
    assert clock.state(round(sender.ns)) == "locked"


@pytest.mark.parametrize("missing", [1, 2, 5, 30, 100])
def test_ticks_that_are_missing_are_counted_by_time(missing):
    clock, sender = started(126.0)
    for _ in range(5):
        sender.play(clock, 3 * TICKS)
        sender.play(clock, missing, sent=False)
    later = errors(clock, sender, 2 * TICKS)
    assert np.abs(later[5:]).max() < 0.5


@pytest.mark.parametrize("goal", [140.0, 100.0, 60.0, 240.0, 170.0, 70.0, 400.0, 20.0])
def test_another_tempo_is_followed_within_two_beats(goal):
    clock, sender = started(120.0)
    sender.play(clock, 8 * TICKS)
    sender.bpm = goal
    errors(clock, sender, 2 * TICKS)
    later = errors(clock, sender, 4 * TICKS)
    assert clock.bpm == pytest.approx(goal, rel=1e-4)
    assert np.abs(later).max() < 60e3 / goal / TICKS / 4


@pytest.mark.parametrize("seed", range(8))
def test_120_to_140_is_followed_within_two_beats_with_jitter(seed):
    clock, sender = started(120.0, 3e6, seed)
    sender.play(clock, 8 * TICKS)
    sender.bpm = 140.0
    during = errors(clock, sender, 2 * TICKS)
    assert clock.bpm == pytest.approx(140.0, rel=0.01) and np.abs(during).max() < 20.0
    later = errors(clock, sender, 4 * TICKS)
    assert math.sqrt(np.mean(later ** 2)) < 1.0


def test_a_ramp_is_followed():
    clock, sender = started(100.0, 1e6)
    sender.play(clock, 4 * TICKS)
    found = []
    for _ in range(16 * TICKS):
        sender.bpm += 40.0 / (16 * TICKS)
        found += list(errors(clock, sender, 1))
    assert math.sqrt(np.mean(np.square(found))) < 2.0
    assert clock.bpm == pytest.approx(140.0, rel=0.02)


def test_ticks_that_come_twice_are_not_counted():
    clock, sender = started(120.0)
    for _ in range(200):
        sender.play(clock, 5)
        clock.message(F8, sender.heard_ns + 40_000)
    later = errors(clock, sender, 2 * TICKS)
    assert np.abs(later[5:]).max() < 0.5
    assert clock.bpm == pytest.approx(120.0, rel=1e-3)


def test_a_sender_that_ends_leaves_its_tempo():
    clock, sender = started(133.0)
    assert clock.state(0) == "lost"
    sender.play(clock, 4 * TICKS)
    for seconds, state in ((0.01, "locked"), (1.0, "holding"), (10.0, "lost"), (1e4, "lost")):
        assert clock.state(round(sender.ns + seconds * 1e9)) == state
        assert clock.bpm == pytest.approx(133.0)
    assert abs(sender.error_ms(clock, 1e9)) < 0.01


def test_start_stop_continue_and_position():
    clock, sender = ClockIn(), Sender(120.0)
    sender.play(clock, TICKS)
    assert clock.playing is None and not clock.aligned and not clock.events
    clock.message(START, round(sender.ns) - 1_000_000)
    assert not clock.events                              # the tick after it is the one
    begin_ns = sender.ns
    sender.play(clock, TICKS + 1)
    name, ns, beat = clock.events.popleft()
    assert (name, beat) == ("start", 0.0) and abs(ns - begin_ns) < 1000 and clock.aligned
    assert clock.beat_at(begin_ns + 0.5e9) == pytest.approx(1.0, abs=1e-4)
    clock.message(STOP, round(sender.ns))
    assert clock.events.popleft()[0] == "stop" and clock.playing is False
    sender.play(clock, 7)                                # a sender that ticks on while it stands
    clock.message(CONTINUE, round(sender.ns) - 1)
    begin_ns = sender.ns
    sender.play(clock, 1)
    name, _, beat = clock.events.popleft()
    assert name == "continue" and beat == pytest.approx(1.0 + 1 / TICKS)
    assert clock.beat_at(begin_ns) == pytest.approx(beat, abs=1e-4)
    clock.message(STOP, round(sender.ns))
    clock.message([0xF2, 5, 1], round(sender.ns))        # 16ths: 5 + 128
    clock.message(CONTINUE, round(sender.ns))
    begin_ns = sender.ns
    sender.play(clock, 1)
    assert [e[0] for e in clock.events] == ["stop", "position", "continue"]
    assert clock.beat_at(begin_ns) == pytest.approx(133 / 4, abs=1e-4) and clock.playing


@pytest.mark.parametrize("pause_s", [0.7, 3.3, 60.0])
def test_a_sender_that_is_silent_while_it_stands_starts_a_new_grid(pause_s):
    clock, sender = started(120.0)
    sender.play(clock, 4 * TICKS)
    clock.message(STOP, round(sender.ns))
    sender.ns += pause_s * 1e9 + 7e6
    sender.ticks = 0
    clock.message(START, round(sender.ns) - 1_000_000)
    found = errors(clock, sender, 4 * TICKS)
    assert np.abs(found).max() < 0.1 and clock.bpm == pytest.approx(120.0, rel=1e-6)


def test_what_is_no_time_is_left_alone():
    clock = ClockIn()
    for data in ([], [0x90, 60, 100], [0xF2], [0xF2, 1], [0xFE], [0xF0, 1, 2, 0xF7]):
        clock.message(data, 1)
    assert not clock.events and clock.playing is None and clock.state(2) == "lost"


def test_taps():
    tap = Tap()
    assert tap.tap(1.0) is None
    assert tap.tap(1.5) == pytest.approx(120.0)
    for k, off in enumerate((0.01, -0.02, 0.0, 0.3, 0.0)):            # one is far off
        bpm = tap.tap(2.0 + 0.5 * k + off)
    assert bpm == pytest.approx(120.0, rel=0.05)
    assert tap.tap(20.0) is None                                      # two seconds of rest
    assert tap.tap(20.4) == pytest.approx(150.0)
    with pytest.raises(SetError, match="20 to 400"):
        Tap().tap(1.0) or (tapped := Tap()) and [tapped.tap(t) for t in (1.0, 1.1)]
