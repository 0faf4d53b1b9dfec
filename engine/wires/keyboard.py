"""Notes of a keyboard or a pad to a part, held by the sustain pedal. Thread: control."""
from engine.wires.bound import LET_GO, PLAY

SUSTAIN, SOUND_OFF, NOTES_OFF = 64, 120, 123


class Keyboard:
    """A bound row of "notes", or of one "note" as a pad.

    Its methods return [(address, values)]: what the stage is told.
    """

    def __init__(self, bound):
        self.bound = bound
        self.part = bound.entry.address.removeprefix(PLAY)
        self._sounding, self._held, self._pedals = {}, set(), set()

    def hears(self, note):
        """Whether a key is one of its own."""
        message = self.bound.row.message
        if message.kind == "note":
            return note == message.number
        return message.number < 0 or message.number <= note <= message.other

    def note(self, port, channel, note, velocity):
        key = port, channel, note
        if velocity:
            pitch = self.bound.values[0] if self.bound.values else float(note)
            self._sounding[key] = pitch
            self._held.discard(key)
            level = self.bound.param.clip(self.bound.param.at(velocity / 127.0))
            return [(PLAY + self.part, (pitch, level))]
        if key not in self._sounding:
            return []
        if (port, channel) in self._pedals:
            self._held.add(key)
            return []
        return self._let_go([key])

    def pedal(self, port, channel, down):
        """The sustain pedal: what was let go under it ends with it."""
        if down:
            self._pedals.add((port, channel))
            return []
        self._pedals.discard((port, channel))
        return self._let_go([key for key in self._held if key[:2] == (port, channel)])

    def all_off(self):
        self._pedals.clear()
        return self._let_go(list(self._sounding))

    def _let_go(self, keys):
        pitches = [self._sounding.pop(key) for key in keys]
        self._held.difference_update(keys)
        return [(LET_GO + self.part, (pitch,)) for pitch in pitches]
