"""Links at work: some act the moment a record arrives, some wait for its step, a bar, a phrase.
Thread: control."""
from dataclasses import replace

from engine.clock import STEPS_PER_BAR
from engine.journal import frame_data
from engine.mapping import LATCHES, STRIKE, Links

PHRASE_BARS = 4
NEXT = "music.next"


def links_of(made, table, features):
    """A set's links, checked against its own table, its music and the names of the features."""
    known = dict(zip(table.registry.paths, table.registry.params, strict=True))
    known |= {f"{part}.strike": STRIKE for part in table.parts}
    offered = getattr(made.music, "targets", None)
    if offered is not None:
        known = {NEXT: STRIKE} | offered | known
    return Links(made.links, known, features, set(offered or ()) - set(table.registry.paths))


class Linked:
    """Belongs to one conductor; `links` may be exchanged."""

    def __init__(self, conductor, links):
        self.conductor, self.turned = conductor, None
        self.exchange(links)

    def exchange(self, links):
        """A new set's links; what waited for a line is forgotten."""
        self.links, self._waiting = links, {}

    # ---- live: at once
    def glance(self):
        """Links that need only a STATE do not wait for its TOKEN, which comes after sampling."""
        state = self.conductor.source.early()
        frame = None if state is None else self.conductor.meter.glance(state)
        if frame is not None:
            self.turned = frame
            self._turn(frame, 0, LATCHES[:1])

    def arrived(self, frame):
        """A whole record: without what links have acted on already."""
        known = self.turned.raw if self.turned and self.turned.seq == frame.seq else {}
        raw, unit = ({name: x for name, x in part.items() if name not in known}
                     for part in (frame.raw, frame.unit))
        self._turn(replace(frame, raw=raw, unit=unit), 0, LATCHES[:1])

    # ---- at the record's step
    def step(self, step, sample, frames):
        """The notes that the step's records strike; its links act, before the music hears it."""
        strikes = []
        for frame in frames:
            self._turn(frame, sample, LATCHES[1:] if self.conductor.live else LATCHES)
            strikes += self.links.strikes(frame)
        if step % STEPS_PER_BAR == 0 and self._waiting:
            self._line(sample)
        if any(note.part == NEXT for note in strikes):
            self.conductor.player.next_section()
        return [note for note in strikes if note.part != NEXT]

    def _turn(self, frame, sample, latches):
        for target in self.links.step(frame, latches):
            if target.link.latch in LATCHES[2:]:
                self._waiting[target.path] = target
            else:
                self.act(sample, target)

    def _line(self, sample):
        """What waited for a bar, or for the line of four, goes where it wants to go."""
        last = self.conductor.last
        phrase = last is None or (last.section_bar + 1) % PHRASE_BARS == 0
        for path, target in list(self._waiting.items()):
            if phrase or target.link.latch == "bar":
                del self._waiting[path]
                self.act(sample, target)

    def section(self, sample):
        """A new section begins: a phrase too, wherever its line is."""
        for target in self._waiting.values():
            self.act(sample, target)
        self._waiting = {}

    def act(self, sample, target):
        """Moves a parameter of the set, or what the music lets others decide."""
        c = self.conductor
        if (target.path in c.rig.tables[c.deck].registry.index
                or target.path not in getattr(c.made.music, "targets", ())):
            c.target(sample, target)
            return
        c.player.turn(target.path, target.value)
        if c.recorder:
            c.recorder.chunk(b"TURN", {
                "sample": sample, "path": target.path, "value": target.value, "seq": target.seq,
                "cause": c.why("link", target.cause, target.link)})

    # ---- what is never heard
    def forget(self):
        """The look-ahead is thrown away: what links have acted on is kept in the take."""
        c, turned, self.turned = self.conductor, self.turned, None
        unheard = list(c.queue)
        if turned and all(frame.seq != turned.seq for frame in unheard) and (
                not c.frame or turned.seq > c.frame.seq):
            unheard.append(turned)
        if c.recorder and c.live:
            for frame in unheard:
                c.recorder.chunk(b"LOST", {"step": c.step, "sample": c.rig.sample,
                                           **frame_data(frame)})
