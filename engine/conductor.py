"""Records to features to mappings to events: one 16th at a time, in order, each with its sample.
Thread: control.

Offline the conductor waits for the worker. Live a record that misses its step leaves the step to
the player's continuation, and the steps of the records after it move, so that nothing comes in a
burst. After a new worker took over, its records enter on a bar line.
"""
from collections import deque

from engine.clock import STEPS_PER_BAR
from engine.errors import MappingError
from engine.mapping import Links
from engine.param import Param
from engine.records import HOLD, NOTE, PANIC, PROMPT, TEMPERATURE

STRIKE = Param("strike", 0.0, 1.0, 1.0)


def hz(pitch_st):
    """MIDI number to Hz, A4 = 440."""
    return 440.0 * 2.0 ** ((pitch_st - 69.0) / 12.0)


class Conductor:
    """Turns one deck's records into events.

    source    records;  meter  measures them;  wait(seconds) is called while offline waits
    throttle  offline: tokens a second that the model pretends to need (None: as fast as it is)
    """

    def __init__(self, made, rig, source, meter, clock, recorder=None, live=False, bars=None,
                 tokens_per_bar=8, throttle=None, wait=None):
        self.made, self.rig, self.source, self.meter, self.clock = made, rig, source, meter, clock
        self.recorder, self.live, self.wait, self.throttle = recorder, live, wait, throttle
        self.steps_per_token = STEPS_PER_BAR // tokens_per_bar
        self.bars, self.deck, self.step, self.due = bars, 0, 0, 0
        self.player = made.music.player(self.steps_per_token, bars)
        self.links = self._links(made)
        self.queue, self.at_bar, self.mutes = deque(), [], set()
        self.frame, self.last, self.text = None, None, deque(maxlen=400)
        self.late_records, self.lost, self.dropped, self.held = 0, False, 0, False
        self.arrived_ns = []

    def _links(self, made):
        table = self.rig.tables[self.deck]
        known = dict(zip(table.registry.paths, table.registry.params, strict=True))
        known |= {f"{part}.strike": STRIKE for part in table.parts}
        return Links(made.links, known, self.meter.names)

    # ---- records
    def arrive(self):
        """Measures what the worker has published; live, links act at once."""
        while (record := self.source.arrive()) is not None:
            state, token = record
            if self.recorder is not None and self.recorder.states:
                state = self.recorder.state(state.copy())
            frame = self.meter.measure(state, token)
            self.queue.append(frame)
            if self.live:
                self._turn(frame, 0)

    def _turn(self, frame, sample):
        """A frame's links move their parameters."""
        for target in self.links.step(frame):
            self._send(self.rig.target(sample, target.path, target.value, target.rise_s,
                                       target.fall_s, self.deck))

    def _send(self, sent):
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
        if self.source.changed and self.queue:
            if step % STEPS_PER_BAR:
                return [], True
            self.source.changed, self.due = False, step
        frames = []
        while self.due <= step:
            if self.held or not self._ready(step):
                self.late_records += not self.lost and not self.held
                self.lost = True
                return frames, True
            frame = self.queue.popleft()
            self.source.take()
            frames.append(frame)
            late, self.lost = self.lost, False
            self.due = (step if late else self.due) + self.steps_per_token
        return frames, False

    # ---- steps
    def advance(self, until_sample):
        """Sends the events of every step that begins before a sample."""
        while self.clock.sample_of(self.step) < until_sample and not self.finished:
            self._step(self.step)
            self.step += 1

    @property
    def finished(self):
        return self.bars is not None and self.step >= self.bars * STEPS_PER_BAR

    def _step(self, step):
        if step % STEPS_PER_BAR == 0:
            waiting, self.at_bar = self.at_bar, []
            for action in waiting:
                action(step)
        frames, late = self._due(step)
        sample = self.clock.sample_of(step)
        made = self.player.step(step, frames, late)
        strikes = []
        for frame in frames:
            self.frame = frame
            self.text.append(frame.text)
            if not self.live:
                self._turn(frame, sample)
            strikes += self.links.strikes(frame)
        for target in made.targets:
            self._send(self.rig.target(sample, target.path, target.value, target.rise_s,
                                       target.fall_s, self.deck))
        for note in [*made.notes, *strikes]:
            self._note(step, note)
        self.last = made
        if self.recorder:
            self._journal(step, frames, late, made)

    def _note(self, step, note):
        table = self.rig.tables[self.deck]
        if note.part not in table.parts:
            raise MappingError(f"the music plays {note.part!r}, which is no part of the set")
        start = self.clock.sample_of(step + note.delay_steps)
        length = max(1, round(note.length_steps * self.clock.samples_per_step(step)))
        self._send(self.rig.push(start, NOTE, self.deck, table.part_index(note.part), length=length,
                                 flags=int(note.slide), pitch_hz=hz(note.pitch_st),
                                 level=note.level))

    def _journal(self, step, frames, late, made):
        self.recorder.chunk(b"STEP", {
            "step": step, "sample": self.clock.sample_of(step), "late": late,
            "section": made.section, "bar": made.section_bar, "chord": made.chord,
            "notes": [[n.part, n.pitch_st, round(n.level, 4), n.delay_steps, n.length_steps,
                       int(n.slide), n.cause] for n in made.notes]})
        for frame in frames:
            self.recorder.chunk(b"FRAM", {
                "step": step, "seq": frame.seq, "token": frame.token, "text": frame.text,
                "flags": frame.flags, "raw": frame.raw, "unit": frame.unit,
                "marks": [frame.sentence_end, frame.punctuation, frame.paragraph_end]})

    # ---- controls
    def _control(self, kind, value=0.0, text=""):
        self.source.control(kind, value, text)
        self.queue.clear()
        if self.recorder:
            self.recorder.chunk(b"CTRL", {"step": self.step, "kind": kind, "value": value,
                                          "text": text})

    def prompt(self, text):
        self._control(PROMPT, text=text)

    def temperature(self, value):
        self._control(TEMPERATURE, value)

    def hold(self, on):
        self.held = on
        self._control(HOLD, float(on))

    def panic(self):
        """Everything that sounds stops now."""
        self._send(self.rig.push(0, PANIC, self.deck))

    def mute(self, part):
        """Mutes or opens a part at the next bar."""
        def flip(step):
            self.mutes ^= {part}
            self._send(self.rig.target(self.clock.sample_of(step), f"{part}.mute",
                                       float(part in self.mutes), 0.0, 0.0, self.deck))
        self.at_bar.append(flip)

    def next_section(self):
        self.player.next_section()

    def sweep(self, position, bars):
        """Takes the DJ filter to a position over some bars."""
        seconds = bars * STEPS_PER_BAR * self.clock.samples_per_step(self.step) / self.clock.rate_hz
        self._send(self.rig.target(0, "djfilter.position", position, seconds / 3, seconds / 3,
                                   self.deck))

    def adopt(self, made, table):
        """A new set takes over at the next bar: its table fades in where the old one fades out."""
        def flip(step):
            new, sample = 1 - self.deck, self.clock.sample_of(step)
            self.rig.load(table, new, gain=0.0)
            old, self.deck = self.deck, new
            self._send(self.rig.fade(sample, old, 0.0, 0.05))
            self._send(self.rig.fade(sample, new, 1.0, 0.002))
            if made.music != self.made.music:
                self.player = made.music.player(self.steps_per_token, None)
            if made.bpm != self.made.bpm:
                self.clock.set_bpm(made.bpm, step)
            self.made, self.links = made, self._links(made)
            if self.recorder:
                self.recorder.table(sample, new, made.source, made.name, made.noise_seed)
        self.at_bar.append(flip)
