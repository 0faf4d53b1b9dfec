"""Ableton Link: real peers as processes of their own, in a network made for the test.

Cases of Ableton's TEST-PLAN.md by their names; AUDIOENGINE-1 needs a cable and a second app.
"""
import asyncio
import builtins
import math
import time
from types import SimpleNamespace

import pytest

from bench import _link
from engine.errors import EngineError
from engine.wires import board as words
from engine.wires.board import Board
from engine.wires.link import Session, both_clocks, serve_link

REASON = _link.missing()
needs_network = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture(scope="module")
def joined():
    return _link.inside("join", 3.0)


@pytest.fixture(scope="module")
def session():
    return _link.inside("session")


@pytest.fixture(scope="module")
def alone():
    return _link.inside("alone")


@needs_network
def test_tempo_1_tempo_changes_go_both_ways(joined):
    assert joined["theirs_to_ours_s"] < 1.0 and joined["ours_to_theirs_s"] < 1.0
    assert joined["after"]["session_p99_ms"] < 0.5 and joined["after"]["heard_p99_ms"] < 2.0


@needs_network
def test_tempo_2_joining_takes_the_sessions_tempo(joined):
    assert joined["joined_s"] < 4.0                  # measured: 0.7 to 1.8
    assert joined["bpm"] == pytest.approx([130.0] * 3, rel=1e-5)


@needs_network
def test_three_peers_beats_are_together(joined):
    assert joined["session_p99_ms"] < 0.5                 # measured: 0.006
    assert joined["heard_s"] < 6.0 and joined["heard_p99_ms"] < 2.0


@needs_network
def test_tempo_3_a_set_that_is_loaded_leaves_the_sessions_tempo(session):
    assert session["left_out"]
    assert session["after_load"] == pytest.approx([130.0] * 2, rel=1e-5)


@needs_network
def test_tempo_4_the_whole_range_or_a_multiple(session):
    for bpm, ours in ((20.0, 20.0), (999.0, 249.75)):
        link, stage, seconds = session[f"at_{bpm:g}"]
        assert link == pytest.approx(bpm, rel=1e-5) and stage == pytest.approx(ours, rel=0.01)
        assert seconds < 5.0


@pytest.mark.slow
@needs_network
def test_tempo_5_alone_the_tempo_stays(alone):
    assert alone["bpm"] == pytest.approx(107.0, rel=1e-5) and alone["state"] == "locked"


@pytest.mark.slow
@needs_network
def test_beattime_1_alone_the_beat_does_not_jump(alone):
    assert alone["relocks"] == 0 and alone["apart_ms"] < 2.0


@pytest.mark.slow
@needs_network
def test_beattime_2_nor_when_another_joins(alone):
    assert alone["joined_s"] < 4.0 and alone["relocks_after"] == 0 and alone["moved_ms"] < 2.0
    assert alone["bpm_after"] == pytest.approx(107.0, rel=1e-5)
    assert alone["session_p99_ms"] < 0.5 and alone["wish_s"] < 1.0


@needs_network
def test_starts_and_stops_are_shared(session):
    for who in ("theirs", "ours"):
        assert session[f"{who}_starts_s"] < 1.0 and session[f"{who}_stops_s"] < 1.0
    assert session["stage_stops_s"] < 1.0 and session["stage_starts_s"] < 1.0
    assert session["started"]["heard_p99_ms"] < 2.0       # on the session's beats, at a bar line
    assert session["playing"] == [True, False, True]      # joining neither starts nor stops


@needs_network
def test_a_peer_that_goes_leaves_its_tempo(session):
    assert session["gone_s"] < 10.0 and session["bpm_alone"] == pytest.approx(120.0, rel=1e-5)


def test_links_clock_is_read_beside_ours():
    """Any other clock: an offset of hours, and a read that is interrupted now and then."""
    calls = []

    def micros():
        calls.append(time.monotonic_ns())
        if len(calls) % 5:
            time.sleep(0.002)
        return calls[-1] // 1000 + 9_000_000_000

    for _ in range(20):
        ns, link_us = both_clocks(micros)
        assert abs(link_us * 1000 - ns - 9e12) < 0.5e6


class FakeLink:
    """Records what is committed; enough of the library for what needs no network."""

    def __init__(self, bpm):
        self.bpm, self.forced, self.on, self.commits, self.enabled = bpm, None, False, 0, False

    def clock(self):
        return SimpleNamespace(micros=lambda: time.clock_gettime_ns(
            time.CLOCK_MONOTONIC_RAW) // 1000)

    def captureAppSessionState(self):
        def force(beat, at_us, quantum):
            self.forced = beat, at_us, quantum
        return SimpleNamespace(
            setTempo=lambda bpm, _: setattr(self, "bpm", bpm), forceBeatAtTime=force,
            setIsPlaying=lambda on, _: setattr(self, "on", on), tempo=lambda: self.bpm,
            isPlaying=lambda: self.on, beatAtTime=lambda us, quantum: us / 1e6)

    def commitAppSessionState(self, state):
        self.commits += 1

    def numPeers(self):
        return 3


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr("engine.wires.link.library", lambda: SimpleNamespace(Link=FakeLink))
    board = Board(None)
    return Session(board), board


def test_the_stage_is_asked_first_where_it_is(fake):
    session, board = fake
    session.poll()
    assert not session.link.enabled and board.read(words.LINK_COUNT, "LINK_BEAT") is None
    heard_ns = time.monotonic_ns()
    board.write(words.TIME_COUNT, NS=float(heard_ns), STEP=66.0, BPM=107.0, PLAYING=1.0)
    session.poll()
    beat, at_us, quantum = session.link.forced
    raw_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) / 1e3
    apart_us = raw_us - time.monotonic_ns() / 1e3         # RAW is not MONOTONIC
    assert (beat, quantum) == (16.5, 4.0)
    assert at_us == pytest.approx(heard_ns / 1e3 + apart_us, abs=2000.0)
    assert session.link.enabled and session.link.bpm == 107.0 and session.link.on
    session.poll()
    beat, ns, bpm = board.read(words.LINK_COUNT, "LINK_BEAT", "LINK_NS", "LINK_BPM")
    assert bpm == 107.0 and 0 <= time.monotonic_ns() - ns < 1e9
    assert beat == pytest.approx(raw_us / 1e6, abs=1.0)
    assert board.words[words.LINK_PEERS] == 3 and board.words[words.LINK_PLAYING] == 1


def test_a_wish_is_granted_once_and_nonsense_is_not(fake):
    session, board = fake
    board.write(words.TIME_COUNT, NS=1.0, STEP=0.0, BPM=107.0, PLAYING=1.0)
    session.poll()
    for bpm, playing, after in ((128.0, math.nan, (128.0, True)), (math.nan, 0.0, (128.0, False)),
                                (5.0, math.nan, (128.0, False)), (1e9, 1.0, (128.0, True))):
        board.write(words.LINK_WISHES, LINK_WISH_BPM=bpm, LINK_WISH_PLAYING=playing)
        session.poll()
        assert (session.link.bpm, session.link.on) == after
        assert board.words[words.LINK_GRANTED] == board.words[words.LINK_WISHES]
        commits = session.link.commits
        session.poll()
        assert session.link.commits == commits


def test_without_the_library_one_line_says_what_to_do(monkeypatch):
    real = builtins.__import__

    def no_link(name, *more, **named):
        if name == "link":
            raise ImportError("No module named 'link'")
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", no_link)
    stage = SimpleNamespace(settings={"link": True}, board=Board(None))
    with pytest.raises(EngineError, match=r"hiddenstage\[link\].*GPL"):
        serve_link(stage)


def test_a_session_that_fails_is_told(monkeypatch):
    def broken(*_):
        raise OSError("no network")

    monkeypatch.setattr("engine.wires.link.library", lambda: None)
    monkeypatch.setattr("engine.wires.link.Session", broken)
    stage = SimpleNamespace(settings={"link": {"start_stop": False}}, board=Board(None))
    with pytest.raises(EngineError, match="Ableton Link ended: no network"):
        asyncio.run(serve_link(stage))
