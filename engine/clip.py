"""A clip: bars of a MIDI file that a set's music plays as a cell. Thread: control.

    Given("hook", Clip("riff.mid", track="Lead", bars=4))

Beats are the file's; its tempo and its programs stay behind. The file lies beside the set.
"""
import math
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import SetError, suggestion
from engine.formats import mid
from engine.midi_parts import DRUMS

STEPS, MOST_BARS = 16, 64                 # sixteenths of a bar; bars of a clip
BEAT_STEPS = 4
DRUM_ST = 60.0                            # a drum sounds at its own pitch, whatever its key was
HAIR_STEPS = 0.01                         # a note so little before a sixteenth is on it
SHORTEST_STEPS = 0.1


@dataclass(frozen=True)
class ClipNote:
    """step 0..15 of its bar and how much later, 0..<1 steps; length; MIDI number; level 0..1."""
    step: int
    delay_steps: float
    length_steps: float
    pitch_st: float
    level: float


@dataclass(frozen=True)
class Clip:
    """Bars of one track.

    track    its name, or its number from 1; None: the first that has notes
    bars     how many from bar `start` on; None: to the last note
    channel  1..16, only its notes;  keys  only these MIDI numbers, as of one drum of a kit
    folder   where the file is looked for; None: it stays closed, a take's events are notes already
    notes    a tuple of ClipNotes for each bar
    raises   SetError that names the file and what to do
    """
    file: str
    track: str | int | None = None
    bars: int | None = None
    start: int = 1
    channel: int | None = None
    keys: tuple = ()
    folder: str | None = field(default="", compare=False, repr=False)
    notes: tuple = field(default=(), init=False, repr=False)

    def __post_init__(self):
        for name, low, high, wanted in (("bars", 1, MOST_BARS, "a whole number"),
                                        ("start", 1, 10000, "a bar"), ("channel", 1, 16, "one of")):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and not isinstance(value, bool)
                                          and low <= value <= high):
                raise self._fault(f"{name} must be {wanted} {low}..{high}, got {value!r}")
        if not isinstance(self.file, str) or not self.file:
            raise SetError(f"Clip: the first argument must be a file name, got {self.file!r:.60}")
        if not isinstance(self.keys, tuple | list):
            raise self._fault(f"keys must be a tuple of MIDI numbers, (36,) for one, got "
                              f"{self.keys!r:.60}")
        object.__setattr__(self, "keys", tuple(self.keys))
        notes = ((),) if self.folder is None else self._cut(self._chosen())
        object.__setattr__(self, "notes", notes)

    def _fault(self, text):
        return SetError(f"Clip({str(self.file)!r:.60}): {text}")

    def _chosen(self):
        """The notes of the track, channel and keys."""
        tracks = mid.read(Path(self.folder) / self.file, self.file)
        notes = [note for note in self._track(tracks).notes
                 if self.channel in (None, note.channel) and (not self.keys
                                                              or note.key in self.keys)]
        if not notes:
            only = ("" if self.channel is None else f" on channel {self.channel}") + (
                f" on keys {', '.join(map(str, self.keys))}" if self.keys else "")
            raise self._fault(f"no notes{only} in it; name another track of "
                              f"{_listed(tracks) or 'a file that has notes'}")
        return notes

    def _track(self, tracks):
        sounding = [track for track in tracks if track.notes]
        if self.track is None:
            return sounding[0] if sounding else mid.Track()
        if isinstance(self.track, int) and not isinstance(self.track, bool):
            if not 1 <= self.track <= len(tracks):
                raise self._fault(f"no track {self.track}; it has {len(tracks)}: {_listed(tracks)}")
            return tracks[self.track - 1]
        for track in sounding + tracks:
            if track.name == self.track:
                return track
        names = [track.name for track in sounding if track.name]
        raise self._fault(f"no track {self.track!r:.60}" + (
            suggestion(self.track, names) if names else f"; known: {_listed(tracks) or 'none'}"))

    def _cut(self, notes):
        """The wanted bars as ClipNotes."""
        first = (self.start - 1) * STEPS
        placed = [(math.floor(note.beat * BEAT_STEPS + HAIR_STEPS), note) for note in notes]
        last = max(at for at, _ in placed)
        bars = max(1, last // STEPS + 1 - (self.start - 1)) if self.bars is None else self.bars
        if bars > MOST_BARS:
            raise self._fault(f"it is {bars} bars long, at most {MOST_BARS} are played; give bars= "
                              "and start=")
        table, end = [[] for _ in range(bars)], first + bars * STEPS
        for at, note in placed:
            if first <= at < end:
                start = max(note.beat * BEAT_STEPS, at)
                table[(at - first) // STEPS].append(ClipNote(
                    at % STEPS, start - at,
                    max(SHORTEST_STEPS, min(note.beats * BEAT_STEPS, end - start)),
                    DRUM_ST if note.channel == DRUMS else float(note.key), note.level))
        if not any(table):
            here = min(at for at, _ in placed) // STEPS + 1
            raise self._fault(f"no notes in bars {self.start} to {self.start + bars - 1}; it has "
                              f"them from bar {here} to {last // STEPS + 1}, give start={here}")
        return tuple(tuple(sorted(bar, key=lambda n: (n.step, n.delay_steps, n.pitch_st)))
                     for bar in table)

    @property
    def pitches(self):
        """The MIDI numbers it has, each once, from low to high."""
        return sorted({note.pitch_st for bar in self.notes for note in bar})


def _listed(tracks):
    """Its tracks with notes: number, name."""
    return ", ".join(f"{number} {track.name!r:.40}" for number, track in enumerate(tracks, 1)
                     if track.notes)[:300]
