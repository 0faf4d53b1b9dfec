"""Cells that are given, not written: the clips of MIDI files. The model thins and changes them as
it does its own. Thread: any.
"""
from dataclasses import dataclass, replace

from engine.errors import MappingError
from mappings.memory import read

STEPS = 16
FULL = 0.35                               # density from which the whole clip plays
KEPT, LIFTED = 0.3, 0.7                   # places of the onset feature: under it rests, over turns


@dataclass(frozen=True)
class Given:
    """A role whose cell is a clip: Given("hook", Clip("riff.mid"), root_st=57).

    clip     `engine.clip.Clip`
    root_st  MIDI number of its key note: the clip moves to the key of each cycle, by six semitones
             at most; None: it stays where it is
    onset    the feature that chooses what plays in thin sections, rests in a varied bar and is
             edited;  pitch  the one that turns notes by an octave;  touch  as of a Grammar
    """
    role: str
    clip: object
    root_st: int | None = None
    level: float = 0.7
    onset: str = "attn.mid.write"
    pitch: str = "resid.axis.1"
    touch: str = ""
    kind = "clip"
    tones = (0,)

    def __post_init__(self):
        where = f"given {self.role!r}"
        if not hasattr(self.clip, "notes"):
            raise MappingError(f'{where}: needs a Clip("file.mid"), got {self.clip!r:.60}')
        if self.root_st is not None and not (isinstance(self.root_st, int)
                                             and 0 <= self.root_st <= 127):
            raise MappingError(f"{where}: root_st must be a MIDI number 0..127, got "
                               f"{self.root_st!r}")

    @property
    def register(self):
        """How far an edit may lift a note: an octave, but for one drum."""
        pitches = self.clip.pitches or [60.0]
        return (pitches[0], pitches[-1]) if len(pitches) == 1 else (0, 127)

    def shift_st(self, tonic):
        """From the clip's key to the cycle's, the shorter way."""
        return 0 if self.root_st is None else (tonic - self.root_st + 6) % 12 - 6

    def tone(self, place):
        """One of the clip's own pitches by a place 0..1."""
        pitches = self.clip.pitches
        return pitches[int(min(max(place, 0.0), 0.999) * len(pitches))]


def cell_bars(given, memory, density, mark):
    """The clip as bars of marks; in a thin section the half that matters most to the model."""
    frames, bars = memory.window(STEPS), []
    for number, notes in enumerate(given.clip.notes):
        cause = f"{given.role} clip {given.clip.file} bar {number + 1}"
        marks = [mark(n.step, n.length_steps, n.pitch_st, n.level, False, cause, n.delay_steps)
                 for n in notes]
        if density < FULL and len(marks) > 1:
            place = {m: read(frames[m.step], given.onset)[0] for m in marks}
            order = sorted(marks, key=lambda m: (m.step % 4 != 0, -place[m], m.step))
            kept = set(order[:(len(marks) + 1) // 2])
            marks = [replace(m, cause=f"{m.cause}: {given.onset} {place[m]:.2f}",
                             seq=frames[m.step].record) for m in marks
                     if m in kept]
        bars.append(tuple(marks))
    return tuple(bars)


def varied_bar(given, marks, memory, since):
    """A bar from step `since` on as the model has it now: some notes rest, some turn by an octave.
    One at least is left."""
    frames, found = memory.window(STEPS), []
    low, high = given.register
    for one in marks:
        place, name = read(frames[one.step], given.onset)
        if one.step < since or KEPT <= place <= LIFTED:
            found.append(one)
        elif place > LIFTED:
            turn = 12 if read(frames[one.step], given.pitch)[0] >= 0.5 else -12
            pitch = one.place + turn if low <= one.place + turn <= high else one.place
            found.append(replace(one, place=pitch, cause=f"{one.cause} turned: {name} {place:.2f}",
                                 seq=frames[one.step].record))
    return tuple(found) or marks[:1]
