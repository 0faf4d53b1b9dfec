"""What a performer's hands hold of a conductor's set: mutes, the filter, single parameters. Thread:
control.

A parameter that a hand has moved belongs to it until the section is over or it is let go: links and
ramps of the set leave it alone meanwhile.
"""
from engine.clock import STEPS_PER_BAR
from engine.mapping import Target

SWEPT = "djfilter.position"


class Hands:
    """Belongs to one conductor.

    held   path -> value;  mutes  names of parts;  swept  where the DJ filter was taken
    """

    def __init__(self, conductor):
        self.conductor, self.held, self.mutes, self.swept = conductor, {}, set(), 0.0
        self._wished = {}                 # part -> muted at the next bar line

    def move(self, path, value):
        """Moves a parameter and holds it.

        raises  SetError for a path that the set does not have
        """
        c = self.conductor
        _, param = c.rig.tables[c.deck].registry.find(path, "a surface")
        self.held[path] = param.clip(value)
        c.send(c.rig.target(0, path, value, deck=c.deck, edit=True,
                            cause=c.why("hand", "moved by hand")))

    def mute(self, part, on=None):
        """Mutes or opens a part at the next bar; None: whichever it will not be. Returns which."""
        if on is None:
            on = not self._wished.get(part, part in self.mutes)
        self._wished[part] = on
        self.conductor.at_bar["mutes"] = self._flip
        return on

    def _flip(self, step):
        wished, self._wished = self._wished, {}
        for part, mute in wished.items():
            self.mutes = self.mutes | {part} if mute else self.mutes - {part}
            self.held.pop(f"{part}.mute", None)              # moved by hand before, and now this
            self.conductor.target(self.conductor.clock.sample_of(step),
                                  Target(f"{part}.mute", float(mute),
                                         cause="muted" if mute else "opened"), "hand")

    def sweep(self, position, bars):
        """Takes the DJ filter to a position over some bars."""
        c = self.conductor
        steps = bars * STEPS_PER_BAR
        lag_s = steps * c.clock.samples_per_step(c.step) / c.clock.rate_hz / 3
        c.send(c.rig.target(0, SWEPT, position, lag_s, lag_s, c.deck, edit=True,
                            cause=c.why("hand", "the filter, swept")))
        self.swept = position

    def carry_over(self, sample):
        """A new set has taken over: what it has of the same name stays where the hands are."""
        index = self.conductor.rig.tables[self.conductor.deck].registry.index
        held, self.held = self.held, {}
        self.mutes = {part for part in self.mutes if f"{part}.mute" in index}
        moves = {f"{part}.mute": 1.0 for part in self.mutes}
        if self.swept and SWEPT in index:
            moves[SWEPT] = self.swept
        moves |= {path: value for path, value in held.items() if path in index}
        for path, value in moves.items():
            self.conductor.target(sample, Target(path, value, cause="as it was before the new set"),
                                  "hand")
        self.held = {path: value for path, value in held.items() if path in index}
