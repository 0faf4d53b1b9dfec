"""Records to features to mappings to events: one 16th at a time, in order, each with its sample.
Thread: control.

Offline the conductor waits for the worker. Live a record that misses its step leaves the step to
the player's continuation, and the steps of the records after it move, so that nothing comes in a
burst. After a new worker took over, its records enter on a bar line. Live, links act as soon as a
record arrives; offline with the step it is due at.
"""
import time
from collections import deque

from engine.causes import Causes
from engine.clock import STEPS_PER_BAR
from engine.errors import EngineError, MappingError
from engine.hands import Hands
from engine.journal import write_step
from engine.linked import Linked, links_of
from engine.mapping import read_by
from engine.records import HOLD, NOTE, OFF, PANIC, PROMPT, STEER, TEMPERATURE
from engine.steering import Steering
from engine.transport import Transport

LATE_S = 0.02                             # live: a note that is later is left out
FADE_S, ENTRY_S = 0.05, 0.002             # a set that is replaced, and the one in its place
REMEMBERED = 256                          # notes that a panic can take back


class Conductor:
    """One deck's records into events.

    source    records;  meter  measures them;  wait() is called while offline waits
    throttle  offline: tokens a second that the model pretends to need (None: as fast as it is);
              live its process keeps to that itself
    late_records, late_notes, dropped  misses of the model; of this thread; events without room
    faults    live: what went wrong while playing, one line each, for whoever shows it
    at_bar    what -> action(step), done at the next bar line: of each kind the latest
    midi      a MidiOut that follows, or None;  feed  who is told what is heard, or None
    """

    def __init__(self, made, rig, source, meter, clock, recorder=None, live=False, bars=None,
                 tokens_per_bar=8, throttle=None, wait=None):
        self.made, self.rig, self.source, self.meter, self.clock = made, rig, source, meter, clock
        self.warmth = made.temperature
        self.recorder, self.live, self.wait, self.throttle = recorder, live, wait, throttle
        self.steps_per_token = STEPS_PER_BAR // tokens_per_bar
        self.bars, self.deck, self.step, self.due = bars, 0, 0, 0
        self.player, self._first_step = made.music.player(self.steps_per_token, bars), 0
        self.linked = Linked(self, links_of(made, rig.tables[self.deck], meter.names))
        self.queue, self.at_bar = deque(), {}
        self.frame, self.last, self.text = None, None, deque(maxlen=400)
        self.arrived_s, self._starts = deque(maxlen=33), deque(maxlen=REMEMBERED)
        self.late_records = self.late_notes = self.dropped = 0
        self.lost, self.held, self.lead = False, False, 0
        self._silent_until, self._shut = 0, False
        self.faults, self._strange = deque(), set()
        self._adopted = self._retired = None
        self.hands, self.transport, self.midi, self.feed = Hands(self), Transport(self), None, None
        self._told_bpm, self._causes, self.steering = 0.0, Causes(), Steering(made)
        self.tune(0)

    # ---- records
    def arrive(self):
        """Measures what the worker has published; live, links act at once."""
        while (record := self.source.arrive()) is not None:
            state, token = record
            if self.recorder is not None and self.recorder.states:
                state = self.recorder.state(state.copy())
            frame = self.meter.measure(state, token)
            self.queue.append(frame)
            self.arrived_s.append(time.monotonic())
            if self.live:
                self.linked.arrived(frame)
        if self.live and not (self.recorder and self.recorder.states):
            self.linked.glance()

    def target(self, sample, target, by="music"):
        """Moves a parameter, if the set has it and no hand holds it."""
        if target.path in self.hands.held:
            return
        if target.path in self.rig.tables[self.deck].registry.index:
            cause = self.why("link" if target.link else by, target.cause, target.link)
            self.send(self.rig.target(sample, target.path, target.value, target.rise_s,
                                       target.fall_s, self.deck, cause=cause,
                                       length=1 + target.seq))
        else:
            self._miss(target.path, f"the music moves {target.path!r}, which the set does not have")

    def _miss(self, name, fault):
        """Something the set lacks: the end of a render, one message while playing."""
        if not self.live:
            raise MappingError(fault)
        if name not in self._strange:
            self._strange.add(name)
            self.faults.append(fault)

    def tune(self, sample):
        """Tells the tempo to what keeps time itself (a delay)."""
        self._told_bpm = self.clock.bpm_at(self.step)
        for path in self.rig.tables[self.deck].registry.paths:
            if path.endswith(".bpm"):
                self.send(self.rig.target(sample, path, self._told_bpm, deck=self.deck,
                                          cause=self.why("tempo", "the tempo")))

    def why(self, by, text, link=None):
        """The number of an event's cause in the take."""
        return self._causes.of(self.recorder, by, text, link)

    def send(self, sent):
        """Counts an event for which the rig had no room."""
        self.dropped += not sent

    def _ready(self, step):
        """Whether the next record may be heard at this step; offline waits for it."""
        if self.live:
            return bool(self.queue)
        if self.throttle:
            seconds = self.clock.sample_of(step) / self.clock.rate_hz
            if self.source.next_seq > seconds * self.throttle:
                return False
        while not self.queue:
            self.arrive()
            if not self.queue:
                self.wait()
        return True

    def _due(self, step):
        """(the frames of this step, whether one is missing)"""
        frames = []
        while self.due <= step:
            if self.held or not self._ready(step) or not self._enters(step):
                self.late_records += not self.lost and not self.held
                self.lost = True
                return frames, True
            frame = self.queue.popleft()
            self.source.take()
            frames.append(frame)
            late, self.lost = self.lost, False
            self.due = (step if late else self.due) + self.steps_per_token
        return frames, False

    def _enters(self, step):
        """False for the first record of a new process off a bar line; offline it was waited for."""
        enters = self.source.enters
        if enters is not None and self.queue[0].seq >= enters:
            if self.live and step % STEPS_PER_BAR:
                return False
            self.source.enters = None
        return True

    # ---- steps
    def advance(self, until_sample):
        """Sends the events of every step that begins before a sample; none is done twice, even if
        something in it fails."""
        if self._shut and not self.clock.rolls:              # no bar line comes
            self._reopen(self.rig.sample + round(FADE_S * self.clock.rate_hz))
        while (self.clock.rolls and self.clock.sample_of(self.step) < until_sample
               and not self.finished):
            self.step += 1
            self._step(self.step - 1)

    @property
    def finished(self):
        return self.bars is not None and self.step >= self.bars * STEPS_PER_BAR

    def _step(self, step):
        if step % STEPS_PER_BAR == 0:
            self._bar(step)
        if self.clock.bpm_at(step) != self._told_bpm:
            self.tune(self.clock.sample_of(step))
        frames, late = self._due(step)
        sample = self.clock.sample_of(step)
        if self._shut and step >= self._silent_until:
            self._reopen(sample)
        for frame in frames:
            self.frame = frame
            self.text.append(frame.text)
            self.steering.heard(frame)
        strikes = self.linked.step(step, sample, frames)
        made = self.player.step(step - self._first_step, frames, late)
        if self.last is None or (made.section, made.cycle) != (self.last.section, self.last.cycle):
            self.hands.held.clear()
            self.linked.section(sample)
        for target in made.targets:
            self.target(sample, target)
        notes = [*made.notes, *strikes]
        first = self._causes.several(self.recorder, len(notes))
        if step >= self._silent_until:
            for number, note in enumerate(notes, start=first):
                self._note(step, note, number if first else 0)
        self.last = made
        if self.feed:
            self.feed.step(step + self.transport.shift, sample, made, frames)
        if self.recorder:
            self.transport.journal(self.recorder)
            write_step(self.recorder, step, sample, late, made, frames, notes, first)

    def _bar(self, step):
        """What waited for the bar line; whatever fails, the bar is played."""
        waiting, self.at_bar = self.at_bar, {}
        for action in waiting.values():
            try:
                action(step)
            except EngineError as fault:
                self.faults.append(str(fault))

    def _note(self, step, note, cause):
        table = self.rig.tables[self.deck]
        if note.part not in table.parts:
            self._miss(note.part, f"the music plays {note.part!r}, which is no part of the set")
            return
        pitch_hz = self.made.tuning.hz(note.pitch_st)
        if pitch_hz != pitch_hz:              # a key that the tuning leaves out
            return
        start = self.clock.sample_of(step + note.delay_steps)
        if self.live and start < self.rig.sample - LATE_S * self.clock.rate_hz:
            self.late_notes += 1              # a gap is better than a burst
            return
        self._starts.append(start)
        length = max(1, round(note.length_steps * self.clock.samples_per_step(step)))
        self.send(self.rig.push(start, NOTE, self.deck, table.part_index(note.part), length=length,
                                 flags=int(note.slide), pitch_hz=pitch_hz, level=note.level,
                                 cause=cause))
        if self.feed:
            self.feed.note(start, note)

    # ---- controls
    def _control(self, kind, value=0.0, text=""):
        self.source.control(kind, value, text)
        self.linked.forget()
        self.queue.clear()
        if self.recorder:
            self.recorder.chunk(b"CTRL", {"step": self.step, "kind": kind, "value": value,
                                          "text": text})

    def prompt(self, text):
        self._control(PROMPT, text=text)

    def temperature(self, value):
        self._control(TEMPERATURE, value)
        self.warmth = value

    def steer(self, path, amount):
        """Adds a direction to what the model thinks, "steer.NAME", or takes it out, "ablate.NAME",
        from the next token on."""
        self._control(STEER, amount, path)    # raises where there is no room: then nothing changed
        self.steering.amounts[path] = amount

    def hold(self, on):
        self._control(HOLD, float(on))
        self.held = on

    @property
    def silent(self):
        """True between a panic and the bar line where the music goes on."""
        return self._shut and self.step < self._silent_until

    def panic(self):
        """Everything that sounds stops now, what was sent already too; on at the next bar line, or
        at once where the music stands."""
        self._silent_until, self._shut = -(-self.step // STEPS_PER_BAR) * STEPS_PER_BAR, True
        cause = self.why("panic", "panic")
        for start in sorted({0} | {at for at in self._starts if at > self.rig.sample}):
            self.send(self.rig.push(start, PANIC, self.deck, cause=cause))
        self.send(self.rig.fade(0, self.deck, 0.0, ENTRY_S, cause=cause))

    def _reopen(self, sample):
        """After a panic the deck is heard again, from a sample on."""
        self._shut, self._silent_until = False, min(self._silent_until, self.step)
        self.send(self.rig.fade(sample, self.deck, 1.0, ENTRY_S,
                                cause=self.why("panic", "on after the panic")))

    def leave(self):
        """The end: silence; what links have acted on and nobody heard is kept in the take."""
        self.panic()
        self.linked.forget()

    def adopt(self, made, table, directions=()):
        """A new set takes over at the next bar; the last one offered before it.

        directions  those that it names, loaded
        """
        self.at_bar.setdefault("set", self._flip)
        self._adopted = made, table, directions

    def _flip(self, step):
        """The new table fades in where the old one fades out; hands stay where they are."""
        (made, table, directions), self._adopted = self._adopted, None
        old, new, sample = self.deck, 1 - self.deck, self.clock.sample_of(step)
        links = links_of(made, table, self.meter.named(directions))
        player = None
        if (made.music, made.tokens_per_bar) != (self.made.music, self.made.tokens_per_bar):
            player = made.music.player(STEPS_PER_BAR // made.tokens_per_bar, None)
        self.meter.want(read_by(made))
        self.meter.direct(directions)
        self._retired = self.rig.tables[new]  # the audio thread may still be inside
        loaded = min(sample, self.rig.sample)
        self.rig.load(table, new, gain=0.0)
        before, self.made, self.deck = self.made, made, new
        cause = self.why("set", f"the set {made.name!r} takes over")
        for part in range(len(self.rig.tables[old].parts)):      # ports hear it, too
            self.send(self.rig.push(sample, OFF, old, part, cause=cause))
        self.send(self.rig.fade(sample, old, 0.0, FADE_S, cause=cause))
        self.send(self.rig.fade(sample, new, 1.0, ENTRY_S, edit=True, cause=cause))
        self.linked.exchange(links)
        self._strange = set()
        if player:
            self.steps_per_token = STEPS_PER_BAR // made.tokens_per_bar
            self.player, self._first_step = player, step
        if made.bpm != before.bpm and not self.transport.led(made.bpm):
            self.clock.set_bpm(made.bpm, step)
        self.tune(sample)
        self.hands.carry_over(sample)
        if self.midi:
            self.midi.route(new, made, table)
        if self.recorder:
            self.recorder.table(loaded, new, made.source, made.name, made.noise_seed, table,
                                directions)
        if made.temperature != before.temperature:
            self.temperature(made.temperature)
        for path, amount in made.steering.items():
            if path in self.steering.amounts and amount != before.steering.get(path):
                self.steer(path, amount)
        if made.prompt != before.prompt:
            self.prompt(made.prompt)
