"""The tempo map follows another clock, so that what is heard is on its beat. Thread: control.

Once a 16th the next one's tempo is chosen: the other's, and a little more or less while there is a
phase error. A large error is not slewed away but jumped over, to the right place in the bar.
"""
import math
from collections import deque

from engine.clock import BPM_HIGH, BPM_LOW, STEPS_PER_BAR, check_bpm
from engine.errors import SetError
from engine.wires.board import LINK_COUNT, LINK_GRANTED, LINK_PEERS, LINK_PLAYING, LINK_WISHES

BEAT_STEPS, BAR_BEATS = 4, 4.0
PULL_BEATS, MOST = 0.75, 0.08             # a phase error fades in; tempo away from the other's
RELOCK_BEATS = 0.15                       # an error that is jumped over
SPARE_S = 0.005                           # a jump is sent so long before it must be
SAME_TEMPO = 2e-5                         # a change that is none
SPREAD_MOST, NUDGE_MOST_MS = 0.2, 1000.0  # of a nudge: tempo it may add; how far it may go
SPREAD_STEPS = 256
LINK_QUIET_S = 1.0                        # without news from the wires process: Link is lost


class LinkIn:
    """Ableton Link's session, as the wires process writes it on the board; the same questions as
    to a `ClockIn`. What the performer does here goes out as a wish, and comes back as news."""
    waits_for_bar, aligned = True, True

    def __init__(self, board):
        self.board, self.events, self._playing, self._newest = board, deque(), None, None

    def _read(self):
        """(beat, ns, bpm): the newest news, the last ones while others are being written."""
        self._newest = (self.board.read(LINK_COUNT, "LINK_BEAT", "LINK_NS", "LINK_BPM")
                        or self._newest)
        return self._newest

    @property
    def peers(self):
        return int(self.board.words[LINK_PEERS])

    @property
    def bpm(self):
        read = self._read()
        return read[2] if read else 120.0

    @property
    def playing(self):
        return bool(self.board.words[LINK_PLAYING])

    def beat_at(self, ns):
        beat, at_ns, bpm = self._read() or (0.0, 0.0, 120.0)
        return beat + (ns - at_ns) * bpm / 60e9

    def state(self, ns):
        """"locked", or "lost" before the first news and after the last; also notes start, stop."""
        read = self._read()
        if read is None or ns - read[1] > LINK_QUIET_S * 1e9:
            return "lost"
        if self._playing is not None and self.playing != self._playing:
            name = "start" if self.playing else "stop"
            self.events.append((name, round(ns), self.beat_at(ns)))
        self._playing = self.playing
        return "locked"

    def wish(self, bpm=math.nan, playing=math.nan):
        """Asks the session for a tempo, a start (1) or a stop (0). What it has not granted yet
        goes along."""
        wish = {"LINK_WISH_BPM": bpm, "LINK_WISH_PLAYING": playing}
        waiting = self.board.words[LINK_GRANTED] != self.board.words[LINK_WISHES]
        before = self.board.read(LINK_WISHES, *wish) if waiting else None
        if before:
            wish = {name: old if math.isnan(new) else new
                    for (name, new), old in zip(wish.items(), before, strict=True)}
        self.board.write(LINK_WISHES, **wish)


class Follower:
    """The stage's clock behind another.

    transport  whose conductor's clock, steps and ports follow;  source  a ClockIn or a LinkIn
    timeline   its `heard_ns` knows the device's latency
    trim_ms    what is heard comes so much later than the other's beat (negative: earlier)
    state      "locked", "holding", "lost";  error_beats  the newest phase error, + behind
    relocks    jumps so far
    """

    def __init__(self, transport, timeline, source, trim_ms=0.0):
        self.transport, self.conductor = transport, transport.conductor
        self.timeline, self.source, self.trim_ms = timeline, source, trim_ms
        self.state, self.error_beats, self.relocks = "lost", 0.0, 0
        self._decided, self._asked, self._away, self._far = None, False, None, 0
        self._ramp = None                     # (first step, steps, from, to)
        self._wanted = None                   # a 16th of the song to start at

    def update(self, now_sample):
        """Before the conductor advances: starts, stops, chooses the tempo of the next step.

        now_sample  how far the rig has come
        """
        now_ns = self.timeline.ns_of(now_sample)
        if now_ns is None:
            return
        self.state = self.source.state(now_ns)
        self._hear()
        if self.state == "lost":
            return
        step, clock = self.conductor.step, self.conductor.clock
        if self._asked:
            self._jump(now_sample)
        elif clock.rolls and step != self._decided:
            self._decided = step
            self._wish_ramp(step)
            error = self._error(step)
            self._far = self._far + 1 if abs(error) > RELOCK_BEATS else 0
            if self._far > 1:                 # one alone may be a tempo that is just being learnt
                self._jump(now_sample)
            else:
                self._steer(step, error)

    def _hear(self):
        """Starts and stops of the other."""
        while self.source.events:
            name, _, _ = self.source.events.popleft()
            if name == "stop":
                self._asked = False
                self.transport.stop()
            elif name in ("start", "continue"):
                self._asked = not (self.source.waits_for_bar and self.conductor.clock.rolls)

    # ---- the other's beats, as ours
    def _factor(self):
        """1, or the power of two that brings the other's tempo into ours."""
        bpm, factor = self.source.bpm, 1.0
        while bpm * factor > BPM_HIGH:
            factor /= 2.0
        while bpm * factor < BPM_LOW:
            factor *= 2.0
        return factor

    def _beat(self, sample):
        """The beat that should be heard with a sample."""
        ns = self.timeline.heard_ns(sample) - self.trim_ms * 1e6
        return self.source.beat_at(ns) * self._factor()

    def _error(self, step):
        """How far behind the other a step will be heard, beats, within half a bar.

        Of a source that has not said which beat it is, only what it moves on counts.
        """
        error = self._beat(self.conductor.clock.place_of(step)) - step / BEAT_STEPS
        if not self.source.aligned:
            if self._away is None:
                self._away = error
            error -= self._away
        else:
            self._away = None
        self.error_beats = (error + BAR_BEATS / 2) % BAR_BEATS - BAR_BEATS / 2
        return self.error_beats

    def _steer(self, step, error):
        other = self.source.bpm * self._factor()
        pull = min(max(error / PULL_BEATS, -MOST), MOST)
        bpm = min(max(other * (1.0 + pull), BPM_LOW), BPM_HIGH)
        if abs(bpm / self.conductor.clock.bpm_at(step) - 1.0) > SAME_TEMPO:
            self.conductor.clock.set_bpm(bpm, step)

    def _jump(self, now_sample):
        """Goes on at the other's next 16th (or bar), on the same 16th of a bar of ours."""
        c, clock = self.conductor, self.conductor.clock
        earliest = max(now_sample + c.lead + SPARE_S * clock.rate_hz, clock.place_of(c.step))
        bar = self.source.waits_for_bar
        grid = STEPS_PER_BAR if bar and self._asked else 1
        beat = self._beat(earliest)
        place = grid * math.ceil(beat * BEAT_STEPS / grid - 1e-6)
        bpm = min(max(self.source.bpm * self._factor(), BPM_LOW), BPM_HIGH)
        sample = earliest + (place / BEAT_STEPS - beat) * 60.0 / bpm * clock.rate_hz
        if bar:                               # a session's beats are no places of our song
            song = c.step + self.transport.shift if self._wanted is None else self._wanted
            place = song + (place - song) % STEPS_PER_BAR
        self.transport.go_on(sample, place, bpm)
        self._asked, self._away, self._decided, self._far = False, None, c.step, 0
        self._wanted = None
        self.relocks += 1

    # ---- what the performer asks
    def nudge(self, ms):
        """What is heard comes so much later from now on (negative: earlier)."""
        if self.state == "lost":
            nudge(self.conductor.clock, self.conductor.step, ms)
        else:
            self.trim_ms += check_nudge(ms)

    def tempo(self, bpm, bars=0.0):
        """A tempo for the session, or over some bars; for us alone while the other is lost.

        raises  SetError for one that is none, and where the other side sets it
        """
        check_bpm(bpm, "/tempo")
        if self.state == "lost":
            self.transport.tempo(bpm, bars)
            return
        if not isinstance(self.source, LinkIn):
            raise SetError("the tempo follows the MIDI clock; change it at the sender")
        if bars:
            now = self.source.bpm * self._factor()
            self._ramp = self.conductor.step, math.ceil(bars * STEPS_PER_BAR), now, bpm
        else:
            self._ramp = None
            self.source.wish(bpm=bpm / self._factor())

    def _wish_ramp(self, step):
        if self._ramp:
            first, steps, start, goal = self._ramp
            share = min(1.0, (step - first) / steps)
            self.source.wish(bpm=(start + (goal - start) * share) / self._factor())
            if share == 1.0:
                self._ramp = None

    def loaded(self, bpm):
        """A set with a tempo of its own was loaded: it counts only while nobody else is there.

        returns  True when the set's tempo is to be left out of the map
        """
        if isinstance(self.source, LinkIn) and not self.source.peers:
            self.source.wish(bpm=bpm)
        return self.state != "lost"

    def playing(self, on, place=None):
        """The performer starts (at a 16th of the song) or stops: everyone in the session does.

        returns  True when this starts it, at the session's next bar
        """
        if not isinstance(self.source, LinkIn):
            return False
        self.source.wish(playing=float(on))
        self._asked, self._wanted = on and self.state != "lost", place
        return self._asked


def check_nudge(ms):
    """A nudge in ms as a float, or a SetError."""
    if not isinstance(ms, int | float) or not abs(ms) <= NUDGE_MOST_MS:
        raise SetError(f"a nudge is -{NUDGE_MOST_MS:g} to {NUDGE_MOST_MS:g} ms, got {ms!r}")
    return float(ms)


def nudge(clock, step, ms):
    """Moves all that follows `step` by ms (negative: earlier): by another tempo over a beat, or
    over as many as it takes to stay within a fifth of the tempo. The map's plans keep theirs.

    returns  the step from which on everything is moved by exactly so much
    """
    samples, steps = check_nudge(ms) * clock.rate_hz / 1000.0, 0
    if not clock.rolls:
        raise SetError("the music stands: nudge it while it rolls")
    while True:
        steps += BEAT_STEPS
        stretch = 1.0 + samples / (clock.place_of(step + steps) - clock.place_of(step))
        tempos = [(k, clock.bpm_at(k) / stretch) for k in range(step, step + steps)]
        if steps > SPREAD_STEPS:
            raise SetError(f"a nudge by {ms:g} ms does not fit at {clock.bpm_at(step):g} beats per "
                           f"minute: the tempo would leave {BPM_LOW:g} to {BPM_HIGH:g}")
        if abs(stretch - 1.0) <= SPREAD_MOST and all(BPM_LOW <= b <= BPM_HIGH for _, b in tempos):
            break
    end = step + steps
    later = [(end, clock.bpm_at(end)), *((row[0], row[2]) for row in clock.rows if row[0] > end)]
    clock.plan(*zip(*tempos, *later, strict=True))
    return end
