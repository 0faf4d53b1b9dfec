"""Ableton Link: tempo, beat and start/stop shared with every app on the network. Thread: control
(its own, of the wires process).

Link counts CLOCK_MONOTONIC_RAW, which the system never corrects; everything else here counts
CLOCK_MONOTONIC. They are 250 ms apart after a day, so both are read side by side each time.
The library is GPL: it comes only with the extra `[link]` and is imported nowhere else.
"""
import asyncio
import math
import threading
import time

from engine.errors import EngineError
from engine.wires.board import (
    LINK_COUNT,
    LINK_GRANTED,
    LINK_PEERS,
    LINK_PLAYING,
    LINK_WISHES,
    TIME_COUNT,
)

QUANTUM = 4.0
POLL_S, TRIES = 0.02, 5
LINK_LOW, LINK_HIGH = 20.0, 999.0
FIRST_BPM = 120.0
MISSING = ("Ableton Link is not installed: pip install 'hiddenstage[link]' (Debian also: apt-get "
           "install libatomic1). It is GPL-2.0-or-later: what you pass on with it must be GPL too")


def library():
    """The package `link`; raises EngineError with what to install."""
    try:
        import link
        return link
    except ImportError as fault:
        raise EngineError(f"{MISSING} ({fault})") from None


def both_clocks(micros, tries=TRIES):
    """(monotonic ns, Link's µs) of one moment: of some tries the one that was interrupted least."""
    best = None
    for _ in range(tries):
        before = time.monotonic_ns()
        link_us = micros()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, (before + after) // 2, link_us
    return best[1], best[2]


class Session:
    """This machine's place in the session.

    The stage's tempo and beat are Link's until somebody else is there; whoever comes later finds
    them so. Nothing is told to the stage before it has told where it is.
    """

    def __init__(self, board, start_stop=True):
        self.board, self._begun = board, False
        self.link = library().Link(FIRST_BPM)
        self._micros = self.link.clock().micros
        self.link.startStopSyncEnabled = start_stop

    def close(self):
        """Leaves the session; the others play on."""
        self.link.enabled = False

    def _begin(self):
        """The beat that is heard now is Link's beat now, then Link looks for others."""
        read = self.board.read(TIME_COUNT, "NS", "STEP", "BPM", "PLAYING")
        if read is None:
            return
        heard_ns, step, bpm, playing = read
        now_ns, now_us = both_clocks(self._micros)
        state = self.link.captureAppSessionState()
        state.setTempo(bpm, now_us)
        state.forceBeatAtTime(step / 4.0, now_us + round((heard_ns - now_ns) / 1000.0), QUANTUM)
        state.setIsPlaying(bool(playing), now_us)
        self.link.commitAppSessionState(state)
        self.link.enabled = self._begun = True

    def poll(self):
        """Fifty times a second: carries out the newest wish, tells the board where the beat is."""
        if not self._begun:
            self._begin()
            return
        words, wished = self.board.words, int(self.board.words[LINK_WISHES])
        if wished != words[LINK_GRANTED] and wished % 2 == 0:
            wish = self.board.read(LINK_WISHES, "LINK_WISH_BPM", "LINK_WISH_PLAYING")
            if wish and wished == words[LINK_WISHES]:
                self._grant(*wish)
                words[LINK_GRANTED] = wished
        state = self.link.captureAppSessionState()
        now_ns, now_us = both_clocks(self._micros)
        self.board.write(LINK_COUNT, LINK_BEAT=state.beatAtTime(now_us, QUANTUM), LINK_NS=now_ns,
                         LINK_BPM=state.tempo())
        words[LINK_PEERS], words[LINK_PLAYING] = self.link.numPeers(), state.isPlaying()

    def _grant(self, bpm, playing):
        """Carries out what of a wish is not NaN; a tempo that is none is left out."""
        state, now_us = self.link.captureAppSessionState(), self._micros()
        if LINK_LOW <= bpm <= LINK_HIGH and abs(bpm - state.tempo()) > 1e-6:
            state.setTempo(bpm, now_us)
        if not math.isnan(playing) and bool(playing) != state.isPlaying():
            state.setIsPlaying(bool(playing), now_us)
        self.link.commitAppSessionState(state)


def _serve(board, start_stop, leaving, failed):
    try:
        session = Session(board, start_stop)
        try:
            while not leaving.wait(POLL_S):
                session.poll()
        finally:
            session.close()
    except Exception as fault:            # told by whoever waits; the thread has no other voice
        failed.append(fault)


def serve_link(stage):
    """The coroutine of the service.

    settings["link"]  true, or {"start_stop": false} to keep out of the others' starts and stops
    raises            EngineError when the library is missing
    """
    library()
    wanted = stage.settings["link"]
    start_stop = wanted.get("start_stop", True) if isinstance(wanted, dict) else True
    return _take_part(stage.board, start_stop)


async def _take_part(board, start_stop):
    """Until it is cancelled; polls in a thread of its own, so that a flood delays nothing."""
    leaving, failed = threading.Event(), []
    thread = threading.Thread(target=_serve, args=(board, start_stop, leaving, failed),
                              name="link", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            await asyncio.sleep(POLL_S)
    finally:
        leaving.set()
        await asyncio.get_running_loop().run_in_executor(None, thread.join, 1.0)
    if failed:
        raise EngineError(f"Ableton Link ended: {failed[0]}") from failed[0]
