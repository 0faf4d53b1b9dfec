"""The tempo map behind another clock: what is heard is on its beat; nudges are exact."""
import math
from types import SimpleNamespace

import numpy as np
import pytest
from test_clock_in import Sender

from engine.clock import Clock
from engine.clock_in import TICKS, ClockIn
from engine.errors import SetError
from engine.follow import BEAT_STEPS, Follower, LinkIn, nudge
from engine.timeline import Timeline
from engine.transport import Transport
from engine.wires import board as board_words
from engine.wires.board import Board

RATE_HZ, BLOCK, LEAD_S, BEGIN_NS = 48000, 128, 0.055, 10_000_000_000


class Stage:
    """A stage that plays, its own conductor: blocks that are due on a grid with some wobble,
    a loop every ms, and `heard`: (step, ns) of every step that was played."""

    def __init__(self, source, bpm=120.0, latency_s=0.012, trim_ms=0.0, drift=0.0):
        self.source, self.clock = source, Clock(RATE_HZ, bpm, 4800)
        self.step, self.due, self.lead, self.midi = 0, 0, round(LEAD_S * RATE_HZ), None
        self.deck, self.rig = 0, SimpleNamespace(tables=[SimpleNamespace(parts=())])
        self.timeline, self.transport = Timeline(RATE_HZ, latency_s), Transport(self)
        self.follower = Follower(self.transport, self.timeline, source, trim_ms)
        self.latency_ns, self.ns_per_sample = latency_s * 1e9, 1e9 / RATE_HZ * (1 + drift)
        self.ns, self.block, self.heard = BEGIN_NS - 3_000_000_000, 0, []
        self.begin_ns, self.random = self.ns, np.random.default_rng(3)

    def true_ns(self, sample):
        return self.begin_ns + sample * self.ns_per_sample + self.latency_ns

    def until(self, ns):
        while self.ns < ns:
            self.ns += 1_000_000
            while (due := self.begin_ns + self.block * BLOCK * self.ns_per_sample) < self.ns:
                self.timeline.feed(self.block * BLOCK, due + self.random.uniform(0, 1e5))
                self.block += 1
            now = self.block * BLOCK
            self.follower.update(now)
            while self.clock.rolls and self.clock.sample_of(self.step) < now + self.lead:
                self.heard.append((self.step, self.true_ns(self.clock.sample_of(self.step))))
                assert self.clock.sample_of(self.step) >= now - 48
                self.step += 1


class Room:
    """A stage and a sequencer side by side; messages arrive when they arrive."""

    def __init__(self, bpm=120.0, jitter_ns=0.0, seed=1, sent_before=0, **stage):
        self.clock_in, self.sender = ClockIn(), Sender(bpm, jitter_ns, seed, BEGIN_NS)
        self.stage = Stage(self.clock_in, **stage)
        self.truth = []                       # (ns, beat) of every tick since the start
        if sent_before:
            self.run(sent_before)
            self.sender.ticks, self.truth = 0, []

    def start(self, message=0xFA):
        self.clock_in.message([message], self.sender.heard_ns + 1)
        self.truth = []

    def run(self, ticks, sent=True):
        for _ in range(ticks):
            self.stage.until(self.sender.ns)
            self.truth.append((self.sender.ns, self.sender.ticks / TICKS))
            self.sender.play(self.clock_in, 1, sent)

    def errors(self, since_beats=0.0, quantum=4.0):
        """(beat, error in ms) of the steps heard since the start: later than the beat is +."""
        ns, beats = map(np.array, zip(*self.truth, strict=True))
        found = []
        for step, at in self.stage.heard:
            if ns[0] <= at <= ns[-1]:
                beat = np.interp(at, ns, beats)
                off = (beat - step / BEAT_STEPS + quantum / 2) % quantum - quantum / 2
                if beat - beats[0] >= since_beats:
                    found.append((beat, off * 60e3 / self.sender.bpm))
        return np.array(found)


def rms(errors):
    return math.sqrt(np.mean(errors[:, 1] ** 2))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bpm", [128.37, 96.0])
def test_clock_in_with_three_ms_of_jitter_is_on_the_beat_within_four_beats(bpm, seed):
    room = Room(bpm, 3e6, seed, sent_before=2 * TICKS)
    room.start()
    room.run(24 * TICKS)
    late = room.errors(since_beats=4.0)
    assert len(late) > 70 and rms(late) < 1.0 and np.abs(late[:, 1]).max() < 3.0
    assert room.stage.follower.state == "locked" and room.stage.follower.relocks == 1


def test_a_clean_clock_leaves_nothing():
    room = Room(128.0, sent_before=2 * TICKS, drift=1e-4)
    room.start()
    room.run(24 * TICKS)
    assert np.abs(room.errors(since_beats=8.0)[:, 1]).max() < 0.12


@pytest.mark.parametrize("latency_s, trim_ms", [(0.0, 0.0), (0.1, 0.0), (0.012, 15.0),
                                                (0.012, -15.0)])
def test_what_is_heard_is_on_the_beat_whatever_the_device_takes(latency_s, trim_ms):
    room = Room(120.0, sent_before=2 * TICKS, latency_s=latency_s, trim_ms=trim_ms)
    room.start()
    room.run(16 * TICKS)
    late = room.errors(since_beats=6.0)[:, 1] - trim_ms
    assert np.abs(late).max() < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_a_drop_out_of_two_beats_is_not_heard(seed):
    room = Room(120.0, 3e6, seed, sent_before=2 * TICKS)
    room.start()
    room.run(8 * TICKS)
    room.run(2 * TICKS, sent=False)
    assert room.stage.follower.state == "holding"
    room.run(8 * TICKS)
    late = room.errors(since_beats=4.0)
    assert np.abs(late[:, 1]).max() < 6.0 and room.stage.follower.relocks == 1
    assert np.diff([s for s, _ in room.stage.heard[-30:]]).tolist() == [1] * 29


@pytest.mark.parametrize("seed", range(6))
def test_120_to_140_is_followed_within_two_beats(seed):
    room = Room(120.0, 3e6, seed, sent_before=2 * TICKS)
    room.start()
    room.run(8 * TICKS)
    room.sender.bpm = 140.0
    room.run(2 * TICKS)
    assert room.clock_in.bpm == pytest.approx(140.0, rel=0.01)
    room.run(16 * TICKS)
    after = room.errors(since_beats=8.0)
    assert np.abs(after[:, 1]).max() < 60.0               # three steps were sent already
    assert rms(after[after[:, 0] > 12.0]) < 1.0           # two to learn, two to catch up
    assert room.stage.follower.relocks == 1
    tempos = room.stage.clock.rows[:, 2]
    assert tempos.max() < 140 * 1.08 * 1.02 and tempos.min() > 119 * 0.92


def test_an_error_fades_without_swinging():
    room = Room(120.0, sent_before=2 * TICKS)
    room.start()
    room.run(8 * TICKS)
    room.stage.follower.nudge(60.0)                       # 0.12 beats
    first = len(room.errors())
    room.run(8 * TICKS)
    late = room.errors()[first:, 1] - 60.0
    assert late[0] < -50 and np.abs(late[16:]).max() < 2.0    # within four beats
    assert late.max() < 0.5                               # never beyond
    recent = room.stage.clock.rows[-40:, 2]
    assert recent.min() > 120 * 0.92 * 0.999 and room.stage.follower.relocks == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_sender_that_ticks_only_while_it_plays(seed):
    room = Room(133.0, 1e6, seed)
    room.start()
    room.run(16 * TICKS)
    late = room.errors(since_beats=4.0)
    assert rms(late) < 1.0 and room.stage.follower.relocks >= 1


def test_stop_stands_and_start_begins_at_the_bar():
    room = Room(120.0, sent_before=TICKS)
    room.start()
    room.run(7 * TICKS + 5)
    room.clock_in.message([0xFC], round(room.sender.ns))
    room.run(TICKS)
    assert not room.stage.clock.rolls
    stood = room.stage.step
    room.run(10 * TICKS)
    assert room.stage.step == stood
    room.sender.ticks = 0
    room.start()
    room.run(8 * TICKS)
    late = room.errors()
    assert room.stage.clock.rolls and np.abs(late[:, 1]).max() < 1.0
    assert late[0, 0] < 0.3                               # at most a 16th was waited for


def test_continue_goes_on_at_the_song_position():
    room = Room(120.0, sent_before=TICKS)
    room.start()
    room.run(4 * TICKS)
    room.clock_in.message([0xFC], round(room.sender.ns))
    room.run(3 * TICKS + 7)
    room.clock_in.message([0xF2, 22, 0], round(room.sender.ns))      # the seventh 16th of a bar
    room.start(0xFB)
    room.sender.ticks = round(22 / 4 * TICKS)
    room.run(8 * TICKS)
    assert np.abs(room.errors()[:, 1]).max() < 1.0


def test_joined_in_the_middle_only_the_tempo_is_taken():
    room = Room(126.0, 1e6, sent_before=0)
    room.run(16 * TICKS)
    heard = np.array([ns for _, ns in room.stage.heard[-32:]])
    assert np.diff(heard).mean() == pytest.approx(15e9 / 126.0, rel=1e-3)
    assert room.stage.follower.relocks == 0


def test_a_sender_that_goes_leaves_its_tempo():
    room = Room(131.0, sent_before=TICKS)
    room.start()
    room.run(8 * TICKS)
    room.run(40 * TICKS, sent=False)
    assert room.stage.follower.state == "lost" and room.stage.clock.rolls
    assert room.stage.clock.bpm_at(room.stage.step) == pytest.approx(131.0, rel=1e-3)


# ---- Link, as the board tells it
class Session:
    """A Link session whose news reach the board fifty times a second."""

    def __init__(self, bpm, beat=0.0, peers=1):
        self.board, self.bpm, self.beat, self.ns = Board(None), bpm, beat, BEGIN_NS
        self.board.words[board_words.LINK_PEERS] = peers

    def run(self, stage, seconds, playing=1):
        self.board.words[board_words.LINK_PLAYING] = playing
        for _ in range(round(seconds * 50)):
            self.board.write(board_words.LINK_COUNT, LINK_BEAT=self.beat, LINK_NS=self.ns,
                             LINK_BPM=self.bpm)
            stage.until(self.ns + 20e6)
            self.beat += 0.02 * self.bpm / 60.0
            self.ns += 20e6

    def off_ms(self, stage):
        """Of the newest step that was heard: 16ths of the bar must agree."""
        step, ns = [(s, n) for s, n in stage.heard if n <= self.ns][-1]
        beat = self.beat + (ns - self.ns) * self.bpm / 60e9
        return ((beat - step / BEAT_STEPS + 2) % 4 - 2) * 60e3 / self.bpm


@pytest.mark.parametrize("bpm, ours", [(128.0, 128.0), (20.0, 20.0), (999.0, 249.75)])
def test_a_link_session_is_joined_and_an_impossible_tempo_halved(bpm, ours):
    """TEMPO-2 and TEMPO-4 of Ableton's plan, the stage's half of them."""
    session = Session(bpm, 1.3)
    stage = Stage(LinkIn(session.board))
    stage.until(BEGIN_NS)
    session.run(stage, 8.0 if bpm > 30 else 16.0)
    assert stage.clock.bpm_at(stage.step) == pytest.approx(ours, rel=1e-3)
    if bpm == ours:
        assert abs(session.off_ms(stage)) < 0.5
    session.bpm = bpm * 0.9 if bpm > 30 else 22.0
    session.run(stage, 8.0 if bpm > 30 else 20.0)
    if bpm == ours:
        assert abs(session.off_ms(stage)) < 0.5


def test_start_and_stop_of_a_link_session():
    session = Session(120.0)
    stage = Stage(LinkIn(session.board))
    stage.until(BEGIN_NS)
    session.run(stage, 6.0)
    session.run(stage, 1.0, playing=0)
    assert not stage.clock.rolls
    session.run(stage, 4.1, playing=1)
    step, _ = stage.heard[-1]
    began = next(k for k in range(len(stage.heard) - 1, 0, -1)
                 if stage.heard[k][1] - stage.heard[k - 1][1] > 0.5e9)
    assert stage.heard[began][0] % 16 == 0 and abs(session.off_ms(stage)) < 0.5


@pytest.mark.parametrize("rolls", [True, False])
def test_the_performers_start_waits_for_the_sessions_bar(rolls):
    session = Session(120.0)
    stage = Stage(LinkIn(session.board))
    stage.until(BEGIN_NS)
    session.run(stage, 5.3)
    if not rolls:
        stage.follower.playing(False)
        stage.transport.stop()
        session.run(stage, 1.0, playing=0)
    before, relocks = len(stage.heard), stage.follower.relocks
    assert stage.follower.playing(True, 0)
    session.run(stage, 4.0)
    jump = next(k for k in range(max(1, before - 1), len(stage.heard))
                if stage.heard[k][0] - stage.heard[k - 1][0] > 1
                or stage.heard[k][1] - stage.heard[k - 1][1] > 0.2e9)
    assert stage.heard[jump][0] % 16 == 0 and stage.heard[jump][0] + stage.transport.shift == 0
    assert abs(session.off_ms(stage)) < 0.5 and stage.follower.relocks == relocks + 1
    assert session.board.read(board_words.LINK_WISHES, "LINK_WISH_PLAYING") == [1.0]


def test_a_wish_carries_what_is_still_open():
    board = Board(None)
    link = LinkIn(board)
    names = ("LINK_WISH_BPM", "LINK_WISH_PLAYING")
    link.wish(bpm=127.0)
    link.wish(playing=1.0)
    assert board.read(board_words.LINK_WISHES, *names) == [127.0, 1.0]
    board.words[board_words.LINK_GRANTED] = board.words[board_words.LINK_WISHES]
    link.wish(playing=0.0)
    bpm, playing = board.read(board_words.LINK_WISHES, *names)
    assert math.isnan(bpm) and playing == 0.0
    assert link.state(1) == "lost" and link.beat_at(5) == pytest.approx(0.0, abs=1e-6)


def test_news_that_are_half_written_leave_the_last_ones():
    session = Session(128.0, 5.0)
    link = LinkIn(session.board)
    session.board.write(board_words.LINK_COUNT, LINK_BEAT=5.0, LINK_NS=1e9, LINK_BPM=128.0)
    assert link.beat_at(1e9) == 5.0
    session.board.words[board_words.LINK_COUNT] += 1       # the wires process was interrupted
    session.board.floats[board_words.LINK_BEAT] = 99.0
    assert link.beat_at(1e9) == 5.0 and link.bpm == 128.0 and link.state(2e9) == "locked"


def test_a_set_that_is_loaded_changes_no_session():
    """TEMPO-3, the stage's half of it."""
    session = Session(130.0)
    stage = Stage(LinkIn(session.board))
    stage.until(BEGIN_NS)
    assert not stage.follower.loaded(99.0)                 # no news yet: the set's tempo counts
    session.run(stage, 2.0)
    count = int(session.board.words[board_words.LINK_WISHES])
    assert stage.follower.loaded(99.0) and session.board.words[board_words.LINK_WISHES] == count
    session.board.words[board_words.LINK_PEERS] = 0
    assert stage.follower.loaded(99.0)
    assert session.board.read(board_words.LINK_WISHES, "LINK_WISH_BPM") == [99.0]


def test_the_performers_tempo_is_a_wish_and_a_clock_in_refuses_it():
    session = Session(120.0)
    stage = Stage(LinkIn(session.board))
    stage.until(BEGIN_NS)
    session.run(stage, 2.0)
    stage.follower.tempo(126.0)
    assert session.board.read(board_words.LINK_WISHES, "LINK_WISH_BPM") == [126.0]
    stage.follower.tempo(140.0, 1.0)
    session.run(stage, 1.0)
    assert 125.0 < session.board.read(board_words.LINK_WISHES, "LINK_WISH_BPM")[0] < 135.0
    session.run(stage, 1.5)
    assert session.board.read(board_words.LINK_WISHES, "LINK_WISH_BPM") == [140.0]
    with pytest.raises(SetError, match="beats per minute"):
        stage.follower.tempo(4000.0)
    room = Room(sent_before=2 * TICKS)
    with pytest.raises(SetError, match="at the sender"):
        room.stage.follower.tempo(130.0)
    room.run(20 * TICKS, sent=False)                       # nobody there: it is ours again
    room.stage.follower.tempo(130.0)
    room.stage.follower.nudge(10.0)
    room.run(4 * TICKS, sent=False)
    heard = [ns for _, ns in room.stage.heard[-12:]]
    assert np.diff(heard)[-4:].mean() == pytest.approx(15e9 / 130.0, rel=1e-3)
    assert room.stage.follower.trim_ms == 0.0


# ---- nudges
@pytest.mark.parametrize("ms", [20.0, -20.0, 120.0, -333.0, 1000.0, 0.0])
def test_a_nudge_is_exact_and_gentle(ms):
    clock, still = Clock(RATE_HZ, 120.0), Clock(RATE_HZ, 120.0)
    for one in (clock, still):
        one.ramp(140.0, 32, 16)
    end = nudge(clock, 16, ms)
    if abs(ms) <= 100.0:
        assert end == 20
    for step in (0, 8, 16, *range(end, 80, 3)):
        moved = 0.0 if step <= 16 else ms * RATE_HZ / 1000.0
        assert clock.place_of(step) - still.place_of(step) == pytest.approx(moved, abs=1e-3)
    ratio = clock.rows[:, 2] / [still.bpm_at(s) for s in clock.rows[:, 0]]
    assert ratio.max() < 1.26 and ratio.min() > 0.83


@pytest.mark.parametrize("bpm, ms", [(120.0, 1001.0), (120.0, math.nan), (120.0, "x"),
                                     (400.0, -50.0)])
def test_a_nudge_that_cannot_be_is_refused(bpm, ms):
    clock = Clock(RATE_HZ, bpm, 4800)
    with pytest.raises(SetError, match="nudge"):
        nudge(clock, 16, ms)
    assert len(clock.rows) == 1
