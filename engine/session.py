"""Live: the conductor's thread beside the audio thread, what a performer sees and presses. Thread:
control."""
import contextlib
import gc
import math
import os
import sys
import threading
import time
from collections import deque

import numpy as np

from engine import sets
from engine.actions import LEAN, WARMER, Actions
from engine.clock import STEPS_PER_BAR, Clock
from engine.connections import Connections
from engine.errors import EngineError, SetError
from engine.linked import links_of
from engine.midi_parts import midi_of
from engine.model.directions import load_all
from engine.performance import Options as Options
from engine.performance import Performance, choose, known_sounds, prepare_aside
from engine.render import caller
from engine.render import render as render
from engine.render import replay as replay
from engine.status import Status as Status
from engine.stream import open_stream

LEAD_S = 0.05                             # notes are sent this long before they sound
WARM_QUANTA, START_S = 64, 0.1
NICE = -10                                # the conductor is woken before others, where allowed
LOOP_S, POLL_S, WATCH_S, FIRST_RECORD_S = 0.001, 0.02, 0.5, 60.0
SWITCH_S = 0.0005                         # how long another Python thread may keep this one waiting
STALLED_S, STALLED_TOKENS = 0.5, 6        # without a record for the longer of these: stalled
BEAT_STEPS = STEPS_PER_BAR // 4


class Session:
    """A set, playing. Keys and prompts may come from any thread; they are carried out by the
    conductor's."""

    def __init__(self, options, progress=None):
        self.options, self.messages, self._asked = options, deque(maxlen=50), deque()
        self._stop = threading.Event()
        self._model_state, self._told, self._polled_s = "starting", 0, 0.0
        self._ready_s = self._heard_s = 0.0
        self.performance = self.stream = self.connections = self.rig = None
        self._switch_s = sys.getswitchinterval()
        try:
            self.performance = Performance(options, live=True, progress=progress,
                                           meanwhile=self._open_stream)
            self._open()
        except BaseException:
            if self.connections:
                self.connections.close()
            if self.performance:
                self.performance.close()
            if self.stream:
                self.stream.close()
            raise

    def _open_stream(self, rig):
        """Opens the device, silent yet, while the model loads; every page of the rig is touched."""
        play, silence = caller(rig), np.zeros((32, rig.channels), np.float32)
        for _ in range(WARM_QUANTA):
            play(silence, 32)
        self._names = names = [*rig.tables[0].parts, *rig.tables[0].sends]
        self.connections = Connections(self.options, rig, self.say)
        self.stream = open_stream(rig.process, rig.pointer, rig.channels, rig.rate_hz,
                                  self.options.audio, self.options.block,
                                  part_names=names, **self.connections.carried())
        self.connections.open(self.stream)

    def _open(self):
        p = self.performance
        self.rig, self.conductor = p.rig, p.conductor
        p.source.poll()
        end = time.monotonic() + FIRST_RECORD_S
        while not self.conductor.queue and time.monotonic() < end:
            p.wait()
            self.conductor.arrive()
        self.actions = Actions(self.conductor, self.say)
        first, blocks = self.rig.sample, 2 * (self.stream.block or 128)
        self.stream.start()                   # ports are connected before the first note
        origin = self.rig.sample + round(START_S * p.clock.rate_hz) + blocks
        p.clock = self.conductor.clock = Clock(p.clock.rate_hz, p.made.bpm, origin)
        self.conductor.lead = round(LEAD_S * p.clock.rate_hz) + blocks
        self.connections.begin(self.conductor, self.stream, first, self.actions)
        gc.collect()
        gc.freeze()
        gc.disable()
        sys.setswitchinterval(SWITCH_S)
        self._thread = threading.Thread(target=self._conduct, name="conductor", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="set watcher", daemon=True)
        self._thread.start()
        self._watcher.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def say(self, text):
        """A line for the performer; not twice in a row."""
        if not self.messages or self.messages[-1][1] != text:
            self.messages.append((self.seconds, text))

    @property
    def seconds(self):
        return max(0, self.rig.sample) / self.rig.rate_hz if self.rig else 0.0

    # ---- the conductor's thread
    def _conduct(self):
        if sys.platform == "linux":           # elsewhere priorities are not a thread's own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while not self._stop.is_set():
            try:
                self._attend()
                while self._asked:
                    self._asked.popleft()()
                self.connections.attend()
                self.actions.attend()
                self.conductor.arrive()
                self.conductor.advance(self.rig.sample + self.conductor.lead)
                self._journal()
            except EngineError as fault:
                self.say(str(fault))
            except Exception as fault:        # a bug costs a step and is told; the rest plays on
                self.say(f"something failed ({type(fault).__name__}: {fault}); playing on")
            if self.conductor.finished and self.rig.sample > self._end():
                self._stop.set()
            time.sleep(LOOP_S)

    def _attend(self):
        """Fifty times a second: looks after the model, passes on what is to be said."""
        if time.monotonic() - self._polled_s < POLL_S:
            return
        self._polled_s = time.monotonic()
        before, supervised = self._model_state, self.performance.supervised
        state = self.performance.source.poll()
        if state != "ready":
            self._ready_s = self._polled_s
        self._model_state = self._pace() if state == "ready" else state
        if self._model_state != before:
            self.connections.model(self._model_state)
        if self._model_state == "stalled" != before:
            self.say("the model is stalled; the music goes on without it")
        while self._told < len(supervised.messages):
            self.say(supervised.messages[self._told])
            self._told += 1
        for told_s, text in list(self.stream.messages):
            if told_s > self._heard_s:
                self._heard_s = told_s
                self.say(text)
        while self.conductor.faults:
            self.say(self.conductor.faults.popleft())

    def _pace(self):
        """How a model that runs keeps up: "ready", "held", "late" or "stalled"."""
        conductor, times = self.conductor, list(self.conductor.arrived_s)
        if conductor.held or not conductor.clock.rolls:
            return "held"
        if not conductor.lost or conductor.queue or len(times) < 2:
            return "ready"
        gaps = sorted(b - a for a, b in zip(times, times[1:], strict=False))
        limit_s = max(STALLED_S, STALLED_TOKENS * gaps[len(gaps) // 2])
        silent_s = time.monotonic() - max(times[-1], self._ready_s)
        return "stalled" if silent_s > limit_s else "late"

    def _end(self):
        clock = self.performance.clock
        return clock.sample_of(self.conductor.step) + 2 * clock.rate_hz

    def _journal(self):
        rows, recorder = self.rig.collect(), self.performance.recorder
        if recorder:
            recorder.events(rows)
            if recorder.fault:
                self.say(recorder.fault)
                self.performance.recorder = self.conductor.recorder = None

    # ---- a saved set takes over
    def _watch(self):
        path, seen = sets.find(self.options.set), None
        with contextlib.suppress(OSError, UnicodeError):
            now = path.stat().st_mtime_ns
            if path.read_text("utf-8") == self.conductor.made.source:      # else saved since
                seen = now
        while not self._stop.wait(WATCH_S):
            try:
                now = path.stat().st_mtime_ns
            except OSError:
                continue                      # an editor is replacing the file
            if now != seen:
                seen = now
                self._reload(path)

    def _reload(self, path):
        try:
            made = choose(self.options, str(path))
            if not known_sounds(made, self.conductor.made):
                self.say("compiling what is new in the saved set")
                prepare_aside(path)
            table = made.table(rate_hz=self.options.rate_hz)
            table.place([*self._names, *self._new(table)])       # ports keep their names
            meter = self.performance.meter
            directions = load_all(made.directions, meter.descriptor)
            links_of(made, table, meter.named(directions))
            midi_of(made.parts, made.tuning, tuple(made.sends))
        except Exception as fault:            # whatever it is, the old set plays on
            self.say(f"the saved set is wrong, the old one plays on: {fault}")
            return
        self._asked.append(lambda: self._adopt(made, table, directions))

    def _new(self, table):
        """Its parts and sends that had no ports when the stage started: they get none."""
        return [name for name in (*table.parts, *table.sends) if name not in self._names]

    def _adopt(self, made, table, directions):
        old = self.conductor.made
        later = [name for name in ("model", "seed", "steer_limit_nat", "chat")
                 if getattr(made, name) != getattr(old, name)]
        self.conductor.adopt(made, table, directions)
        self.actions.at_bar("the saved set")
        self.conductor.at_bar["registry"] = lambda step: self.connections.register(made, table)
        if self.rig.channels > 4 and (new := self._new(table)):
            self.say(f"{' and '.join(new)}: on the main output alone until the next start")
        self.say("the saved set takes over at the next bar" + (
            f"; its {' and '.join(later)} from the next start" if later else ""))

    # ---- the performer
    def ask(self, action):
        """Has the conductor's thread call action() in its next turn."""
        self._asked.append(action)

    def key(self, name):
        """A key by its meaning: next, mute:N, hold, warmer, cooler, filter, panic, more,
        less, unsteer."""
        actions = self.actions
        known = {"next": actions.next, "hold": actions.hold, "filter": actions.sweep,
                 "warmer": lambda: actions.warm(WARMER), "cooler": lambda: actions.warm(-WARMER),
                 "panic": actions.panic, "unsteer": actions.unsteer,
                 "more": lambda: actions.lean(LEAN), "less": lambda: actions.lean(-LEAN)}
        if name.startswith("mute:"):
            parts = list(self.rig.tables[self.conductor.deck].parts)
            number = int(name[5:]) if name[5:].isdecimal() else 0
            if not 1 <= number <= len(parts):
                raise SetError(f"there is no part {name[5:]!r}; the set has 1 to {len(parts)}")
            self._asked.append(lambda: actions.mute(parts[number - 1]))
        elif name in known:
            if name == "panic":               # at once, even past a conductor that is stuck
                self.connections.board.panic()
            self._asked.append(known[name])
        else:
            raise SetError(f"no key {name!r}")

    def prompt(self, text):
        """A new prompt for the model, after what has been heard."""
        if not text.strip():
            raise SetError("the prompt is empty: the old one goes on")
        self._asked.append(lambda: self.actions.prompt(text))

    def status(self):
        """What a view shows now."""
        c, p = self.conductor, self.performance
        last, frame = c.last, c.frame
        step = max(0.0, p.clock.step_of(self.rig.sample)) + c.transport.shift
        next_step = c.step + c.transport.shift
        line = -(-next_step // STEPS_PER_BAR) * STEPS_PER_BAR     # the next bar still open
        left = max(1, math.ceil((line - step) / BEAT_STEPS))
        counters = self.stream.counters()
        return Status(
            set=c.made.name, section=last.section if last else "",
            section_bar=last.section_bar + 1 if last else 0,
            section_bars=last.section_bars if last else 0, bar=int(step // STEPS_PER_BAR) + 1,
            beat=int(step % STEPS_PER_BAR // BEAT_STEPS) + 1, bpm=p.clock.bpm_at(c.step),
            text="".join(c.text), features=dict(frame.unit) if frame else {},
            levels_db=self.rig.tables[c.deck].levels_db(), master_db=self.rig.master_db(),
            loudness=self.rig.loudness.read(),
            late_blocks=int(counters["late_blocks"]), late_records=c.late_records,
            late_notes=c.late_notes, model_state=self._model_state, steering=c.steering.words(),
            ahead_ms=1e3 * (p.clock.place_of(c.step) - self.rig.sample) / self.rig.rate_hz,
            late_events=self.rig.counters()["late_events"], connected=self.connections.words(),
            messages=list(self.messages)[-8:],
            mutes=set(c.hands.mutes), pending=self.actions.pending and
            f"{self.actions.pending} in {left} beat{'s' * (left > 1)}",
            recording=self.options.record if p.recorder else "", seconds=self.seconds,
            done=self._stop.is_set())

    def wait(self):
        """Until the last bar has sounded (never, when the set is endless)."""
        self._stop.wait()

    def close(self):
        """Stops cleanly: voices end, the take is whole, the model process is gone."""
        self._stop.set()
        for thread in (self._thread, self._watcher):
            thread.join(timeout=5.0)
        if not self._thread.is_alive():       # the event ring has one writer
            self.conductor.leave()
            self.connections.leave()
            time.sleep(max(0.05, 3 * (self.stream.block or 128) / self.rig.rate_hz))
        self.stream.close()
        self.connections.close()
        self._journal()
        if self.performance.recorder:
            self.performance.recorder.close(self.rig.sample)
        self.performance.close()
        sys.setswitchinterval(self._switch_s)
        gc.enable()


def play(options, progress=None):
    """A Session, playing; a context manager. progress(share, text) is told what is waited for."""
    return Session(options, progress)
