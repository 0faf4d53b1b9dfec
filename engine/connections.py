"""What a session is connected to: MIDI ports, surfaces, other clocks. Thread: control (the
conductor's, but for opening and closing).

The wires process holds what can be flooded; this end gives it what is heard and carries out what it
is asked. Without any connection wanted, nothing of this runs.
"""
import heapq
import itertools
import threading
import time

import numpy as np

from engine import rig_words as R
from engine import sets
from engine.clock_in import ClockIn
from engine.errors import DeviceError, EngineError
from engine.follow import Follower, LinkIn
from engine.midi_out import CLOCK_CONTINUE, CLOCK_START, CLOCK_STOP, MidiOut, Port
from engine.records import MESSAGE, SAY
from engine.ring import Ring
from engine.surface import address_of, entries
from engine.timeline import NewestBlock, Timeline
from engine.wires.board import MIDI_LATE, MIDI_SENT, MIDI_UNSENT, Board
from engine.wires.bound import check
from engine.wires.control_file import ControlFile, file_of
from engine.wires.guard import Guard
from engine.wires.process import Wires

PUBLISH_S, AGAIN_S = 0.02, 0.5            # between two looks at values; before another process
BEAT_STEPS, STEPS, SYSEX = 4, 16, 0xF0
MOST_COMMANDS = 200                       # of one turn of the conductor: the beat comes first
MOST_LATER, TURN_NS = 2000, 5_000_000     # that wait for their time; what a turn spends on them
SOON_NS = 1_000_000                       # a timed command is carried out in the turn before


def settings_of(options):
    """What the wires process is told; an empty dict when nothing is wanted."""
    found = {}
    if options.midi_out:
        found["midi_out"] = [
            {"name": f"midi {k + 1}", "pattern": pattern, "clock": options.clock,
             "offset_ms": offset_ms} for k, (pattern, offset_ms) in enumerate(
                 itertools.zip_longest(options.midi_out, options.midi_offsets_ms, fillvalue=0.0))]
    if options.midi_in:
        found["midi_in"] = [{"pattern": pattern} for pattern in options.midi_in]
        found["controls"] = options.controls or str(file_of(options.set, sets.find(options.set)))
    if options.osc or options.osc_to:
        host, port = options.osc or ("127.0.0.1", 0)
        found["osc"] = {"host": host, "port": port, "to": [list(to) for to in options.osc_to]}
    if options.link:
        found["link"] = True
    return found


class Connections:
    """Of one session; `close` ends every note outside.

    wires, midi, guard   None where not wanted;  board  always there, for panic
    """

    def __init__(self, options, rig, say):
        self.options, self.rig, self.say = options, rig, say
        self.wires = self.midi = self.guard = self.timeline = self.newest = self.follower = None
        self._again, self._later, self._order = None, [], itertools.count()
        self._crowded = False
        self.settings = settings_of(options)
        if "controls" in self.settings:       # its rows are refused before anything opens
            ControlFile(self.settings["controls"]).read(check(entries(sets.load(options.set))))
        self.board = Board(None)
        if self.settings:
            self.wires = Wires(self.settings)
            self.board = self.wires.board
            outs = self.settings.get("midi_out", ())
            self.heard = Ring(None, MESSAGE, slots=self.wires.ins.slots)      # JACK's
            self.guard = Guard(self.wires.folder, [{"pattern": out["pattern"]} for out in outs])
        rig.header[R.PANIC_WORD] = self.board.words.ctypes.data

    def carried(self):
        """What a stream is to carry beside its sound (see `engine.stream_wires.Wires`)."""
        if not self.wires:
            return {}
        return {"midi_outs": tuple((out["name"], ring, out["pattern"]) for out, ring in zip(
                    self.settings.get("midi_out", ()), self.wires.outs, strict=True)),
                "midi_ins": tuple((f"in {k + 1}", one["pattern"]) for k, one in enumerate(
                    self.settings.get("midi_in", ()))),
                "midi_in": self.heard, "held": self.guard.held}

    def open(self, stream):
        """Starts the processes: the wires for what the stream does not carry, and the guard.

        raises  EngineError: a port that is taken, no such MIDI port
        """
        if not self.wires:
            return
        outs = self.settings.get("midi_out", ())
        if fault := stream.unfit():
            raise DeviceError(fault)
        if stream.carries_midi:           # controllers and their lights stay with the wires
            self.wires.settings = {name: value for name, value in self.settings.items()
                                   if name != "midi_out"}
        else:
            self.heard = self.wires.ins
        if self.wires.settings:
            self.wires.start()
        if outs:
            self.guard.start()
        self.ports = [Port(out["name"], out["clock"], self.options.time_code or 0,
                           out["offset_ms"], ring)
                      for out, ring in zip(outs, self.wires.outs, strict=True)]

    def begin(self, conductor, stream, first_sample, actions):
        """The stream has started at a sample; the first step is about to come: ports follow the
        conductor's clock, surfaces its steps."""
        self.conductor, self.actions, self._published_s = conductor, actions, 0.0
        actions.panics = (self.board.panic,)
        if self.wires is None:
            return
        self.register(conductor.made, self.rig.tables[conductor.deck])
        conductor.feed = self
        self.newest = NewestBlock(stream.words, first_sample)
        self.timeline, self.stream = Timeline(self.rig.rate_hz), stream
        self._returns = stream.returns
        if self.ports:
            self.midi = conductor.midi = MidiOut(self.rig, conductor.clock, self.ports,
                                                 self.guard.held)
            for part in self.midi.route(conductor.deck, conductor.made, self.table):
                self.say(f"part {part!r} has a port of its own: give one more --midi-out")
            self.midi.transport(conductor.clock.sample_of(0), CLOCK_START)
        if self.options.follow or self.options.link:
            source = LinkIn(self.board) if self.options.link else ClockIn(conductor.made.bpm)
            self.follower = Follower(conductor.transport, self.timeline, source)
            actions.follower = conductor.transport.follower = self.follower

    def register(self, made, table):
        """Surfaces get the registry of a set (again, when another has taken over)."""
        if self.wires is None:
            return
        self.entries, self.table = entries(made, self.conductor.meter.names), table
        self.places = {entry.address: k for k, entry in enumerate(self.entries)}
        first = self.places[address_of(table.registry.paths[0], table.registry.deck)]
        self._parameters = slice(first, first + len(table.registry.paths))
        values = np.array([entry.default for entry in self.entries], float)
        self._measure(values)
        self.wires.register(self.entries, values)

    # ---- the conductor's turn
    def attend(self):
        """Carries out what surfaces ask, and tells them what there is."""
        if self.wires is None:
            return
        asked = self.wires.asked() if len(self._later) < 2 * MOST_LATER else ()
        for count, (address, values, text, kind, time_ns) in enumerate(asked):
            if kind == SAY:
                self.say(text)
            elif time_ns and len(self._later) >= MOST_LATER:
                self._too_many(address)
            else:
                heapq.heappush(self._later, (time_ns, next(self._order), address, values, text))
            if count >= MOST_COMMANDS:
                break
        until_ns = time.monotonic_ns() + TURN_NS             # the rest waits: so do the steps
        while self._later and self._later[0][0] <= time.monotonic_ns() + SOON_NS:
            time_ns, _, address, values, text = heapq.heappop(self._later)
            self._act(address, values, text, time_ns)
            if time.monotonic_ns() > until_ns:
                break
        block = self.newest.read()
        if block:
            self.timeline.feed(*block)
        while (row := self.heard.front()) is not None:
            if self.options.follow and row["data"][0] > SYSEX:
                self.follower.source.message(bytes(row["data"][:row["size"]]), int(row["time_ns"]))
            self.heard.pop()
        if self.follower:
            self.follower.update(self.rig.sample)
        if self.stream.returns != self._returns:
            self._returns = self.stream.returns
            self._resume()
        now_s = time.monotonic()
        if now_s - self._published_s > PUBLISH_S:
            self._published_s = now_s
            self._publish()

    def _too_many(self, address):
        """A timed command for which there is no room; told once until all have had their time."""
        if not self._crowded:
            self._crowded = True
            self.say(f"{address}: {MOST_LATER} commands wait for their time; more are left out")

    def _resume(self):
        """A device that was lost is back: whoever counts its clock learns where the song is."""
        c = self.conductor
        if self.midi and c.clock.rolls:
            song = c.step + c.transport.shift
            self.midi.transport(c.clock.sample_of(c.step), CLOCK_CONTINUE, song,
                                song * 15.0 / c.clock.bpm_at(c.step))

    def _act(self, address, values, text, time_ns):
        try:
            self.actions.act(address, values, text, time_ns)
        except EngineError as fault:
            self.say(str(fault))

    def _publish(self):
        wires, c = self.wires, self.conductor
        wires.beat()
        self.table = c.rig.tables[c.deck]
        self._measure(wires.values)
        self._crowded = self._crowded and bool(self._later)
        if self.timeline.sample is not None:
            self.timeline.publish(self.board, c.clock.step_of(self.timeline.sample),
                                  c.clock.bpm_at(c.step), c.clock.rolls, self.stream.latency_s)
        if wires.settings and not wires.alive and not (self._again and self._again.is_alive()):
            self.say(f"the wires process ended ({wires.fault()}): starting another")
            self._again = threading.Thread(target=self._restart, name="wires again", daemon=True)
            self._again.start()

    def _measure(self, values):
        """The present value of every entry that has one."""
        c = self.conductor
        values[self._parameters] = self.table.value
        values[self.places["/temperature"]] = self.actions.temperature
        values[self.places["/tempo"]] = c.clock.bpm_at(c.step)
        values[self.places["/hold"]] = c.held
        values[self.places["/sweep"]] = c.hands.swept
        for path, amount in c.steering.amounts.items():
            if (place := self.places.get(f"/{path.replace('.', '/')}")) is not None:
                values[place] = amount
        for part in self.table.parts:
            values[self.places[f"/mute/{part}"]] = part in c.hands.mutes

    def _restart(self):
        """Another wires process on the same rings: what sounds is ended through it. Thread: its
        own."""
        try:
            time.sleep(AGAIN_S)
            self.wires.start()
            self.say("the wires process is back")
        except EngineError as fault:
            self.say(str(fault))

    # ---- what is heard, told by the conductor
    def step(self, step, sample, made, frames):
        """A 16th: beat, section, tokens and features."""
        tell, places = self.wires and self.wires.tell, self.places
        if not tell:
            return
        if step % BEAT_STEPS == 0:
            tell(places["/beat"], (step // STEPS + 1, step % STEPS // BEAT_STEPS + 1),
                 sample=sample)
        if made.section_bar == 0 and step % STEPS == 0:
            tell(places["/section"], text=made.section, sample=sample)
        for frame in frames:
            tell(places["/token"], text=frame.text, sample=sample)
            if frame.steered and "/steered" in places:
                tell(places["/steered"], frame.steered, sample=sample)
            for name, value in frame.raw.items():
                place = places.get(f"/feature/{name.replace('.', '/')}")
                if place is not None:
                    tell(place, (value,), sample=sample)

    def model(self, state):
        """How the model keeps up, when it has changed."""
        if self.wires:
            self.wires.tell(self.places["/model"], text=state)

    def note(self, sample, note):
        if self.wires:
            self.wires.tell(self.places["/note"], (note.pitch_st, note.level), note.part, sample)

    def counters(self):
        """MIDI messages sent, and what was late, lost or dropped; of the wires process too."""
        if not self.midi:
            return {}
        words = self.board.words
        return self.midi.counters() | {"wires_sent": int(words[MIDI_SENT]), "wires_late": int(
            words[MIDI_LATE]), "wires_unsent": int(words[MIDI_UNSENT])}

    def words(self):
        """What there is and how it keeps up, for a view; "" when nothing is connected."""
        found = []
        if self.midi:
            counts = self.counters()
            late = sum(counts[name] for name in ("midi_late", "midi_dropped", "wires_late"))
            found.append(f"{len(self.ports)} MIDI port{'s' * (len(self.ports) > 1)}"
                         + f", {late} late" * (late > 0))
        if "osc" in self.settings:
            found.append("OSC")
        if self.follower:
            peers = f" with {self.follower.source.peers}" if self.options.link else ""
            found.append(f"{'Link' if self.options.link else 'clock'}{peers} "
                         f"{self.follower.state}")
        return ", ".join(found)

    def leave(self):
        """The last thing that ports with a clock hear; no tick comes after it."""
        clock = self.conductor.clock
        if self.midi and clock.rolls:
            clock.stop(clock.step_of(self.rig.sample))
            self.midi.transport(0, CLOCK_STOP)

    def close(self):
        """Ends the processes; the guard only when every note is over."""
        if self.wires and self._again:
            self._again.join()
        if self.wires:
            self.wires.close()
        if self.guard:
            self.guard.goodbye()
