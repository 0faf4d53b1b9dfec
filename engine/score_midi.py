"""A Score as the tracks of a MIDI file: tempo, words, and one track a part. Thread: control.

A note that began has its end: keys that meet on a channel are cut, none is left sounding.
"""
import math
from dataclasses import dataclass

from engine import midi_parts as parts
from engine.formats import mid

MOVING_S = 0.01                           # between two values of a controller on its way
SETTLED = 8.0                             # time constants
BPM_HAIR = 1e-9
LEVEL = ("level_db", "mute")


@dataclass
class Key:
    """A note as it leaves: ticks, channel 1..16, key, velocity; bend 0..16383 and semitones above
    the key in MPE."""
    tick: int
    end: int
    channel: int
    key: int
    velocity: int
    bend: int | None = None
    above_st: float = 0.0


def write(path, score):
    """The score as a file; returns how many notes it has."""
    tracks, count = tracks_of(score)
    mid.write(path, tracks)
    return count


def tracks_of(score):
    """(tracks of (tick, bytes), how many notes they hold)"""
    keys = all_keys(score)
    ports = any(line.midi.port for line in score.lines.values())
    tracks = [_first(score), _words(score)]
    for name, line in score.lines.items():
        track = [(0, mid.words(mid.NAME, name))]
        track += [(0, mid.port(line.midi.port))] if ports else []
        track += _programs(line, score) + _controllers(line, score)
        tracks.append(track + _notes(keys[name]))
    return tracks, sum(map(len, keys.values()))


def all_keys(score):
    """name -> Keys, none of which meets another."""
    keys = {name: keys_of(line, score) for name, line in score.lines.items()}
    _cut(keys, score)
    return keys


def tick_of(score, sample):
    return max(0, round(score.grid.step_of(sample) * mid.STEP_TICKS))


def ticks_of(score, samples):
    return [max(0, round(step * mid.STEP_TICKS)) for step in score.grid.steps_of(samples).tolist()]


def _first(score):
    """The tempo map, the bar, the sections and sentences."""
    track = [(0, mid.words(mid.NAME, score.name))]
    track += [(step * mid.STEP_TICKS, mid.signature(sixteenths))
              for step, sixteenths in score.grid.signatures]
    before = None
    for step, _, bpm in score.grid.rows.tolist():
        if before is None or abs(bpm - before) > BPM_HAIR:
            track.append((round(step * mid.STEP_TICKS), mid.tempo(bpm)))
            before = bpm
    track += [(tick_of(score, sample), mid.words(mid.MARKER, name))
              for sample, name in score.sections]
    return track + [(tick_of(score, sample), mid.words(mid.CUE, text))
                    for sample, text in score.sentences]


def _words(score):
    return [(0, mid.words(mid.NAME, "text"))] + [
        (tick_of(score, sample), mid.words(mid.LYRIC, text)) for sample, text in score.words]


# ---- notes
def keys_of(line, score):
    """The notes of a part as keys; in MPE each on a channel of its own, bent to its pitch."""
    starts = ticks_of(score, [note.sample for note in line.notes])
    ends = ticks_of(score, [note.end for note in line.notes])
    free, found = {channel: 0 for channel in parts.MEMBERS}, []
    for note, start, end in zip(line.notes, starts, ends, strict=True):
        if not math.isfinite(note.pitch_hz) or note.pitch_hz <= 0.0:
            continue
        key, above_st = parts.key_of(note.pitch_hz)
        channel, bend = line.midi.channel, None
        if line.midi.mpe:
            channel = min(free, key=lambda c: (free[c], c))
            free[channel], bend = max(end, start + 1), parts.bend_of(above_st)
        found.append(Key(start, max(end, start + 1), channel,
                         key if line.midi.key is None else line.midi.key,
                         parts.velocity_of(note.level), bend, above_st if bend else 0.0))
    return found


def _cut(keys, score):
    """On a channel no key is struck while it sounds: the one before ends; of two at once the
    longer stays. Under MPE a channel has one note."""
    sounding = {}
    for name, key in sorted(((name, key) for name, some in keys.items() for key in some),
                            key=lambda pair: (pair[1].tick, -pair[1].end)):
        midi = score.lines[name].midi
        place = midi.port, key.channel, None if midi.mpe else key.key
        whose, before = sounding.get(place, ("", None))
        if before is not None and before.tick == key.tick:
            before.end, before.velocity = max(before.end, key.end), max(before.velocity,
                                                                        key.velocity)
            key.end = key.tick                      # nothing of it is left
            continue
        if before is not None:
            # in a track an end comes before a beginning; between two tracks nothing says so
            before.end = min(before.end, max(before.tick + 1, key.tick - (whose != name)))
        sounding[place] = name, key
    for some in keys.values():
        some[:] = [key for key in some if key.end > key.tick]


def _notes(keys):
    """Ends come before beginnings at the same tick, bends between them."""
    found = []
    for key in keys:
        status = key.channel - 1
        found.append((key.end, 0, (0x80 | status, key.key, 0)))
        if key.bend is not None:
            found.append((key.tick, 1, (0xE0 | status, key.bend & 127, key.bend >> 7)))
        found.append((key.tick, 2, (0x90 | status, key.key, key.velocity)))
    return [(tick, bytes(message)) for tick, _, message in sorted(found, key=lambda n: n[:2])]


# ---- programs and controllers
def _programs(line, score):
    """The zone, bank and program at the start, and where a set that took over has another."""
    found = [(0, bytes(message)) for message in parts.opening(line.midi)]
    before = line.midi.program, line.midi.bank
    for sample, *program in line.programs:
        if tuple(program) != before and program[0] is not None:
            before, status = tuple(program), line.midi.channel - 1
            bank = program[1] or 0
            found += [(tick_of(score, sample), bytes(message)) for message in (
                (0xB0 | status, 0, bank >> 7), (0xB0 | status, 32, bank & 127),
                (0xC0 | status, program[0]))]
    return found


def _controllers(line, score):
    """Level and mute as 7, pan as 10, and what the set's `cc` names. Drums on one channel would
    turn each other: theirs are left out."""
    found, status = [], 0xB0 | line.midi.channel - 1
    shared = any(other is not line and (other.midi.port, other.midi.channel) == (
        line.midi.port, line.midi.channel) for other in score.lines.values())
    if not shared:
        found += _values(parts.VOLUME, parts.volume_of, LEVEL, line, score)
        found += _values(parts.PAN, parts.pan_of, ("pan",), line, score)
    for number, name in line.midi.cc.items():
        param = line.params.get(name)
        if param is not None:
            found += _values(number, lambda x, p=param: parts.controller_of(p, x), (name,), line,
                             score)
    return [(tick, bytes((status, number, value))) for tick, number, value in found]


def _values(number, law, names, line, score):
    """(tick, number, value) wherever the value that the law makes of some parameters changes."""
    changes = sorted((sample, k, value) for k, name in enumerate(names)
                     for sample, value in path_of(line.moves.get(name, ()), score))
    now, found, before = [0.0] * len(names), [], None
    for place, (sample, k, value) in enumerate(changes):
        now[k] = value
        together = place + 1 < len(changes) and changes[place + 1][0] == sample
        if not together and (made := law(*now)) != before:
            found.append((tick_of(score, sample), number, made))
            before = made
    return found


def path_of(moves, score):
    """(sample, value) of a parameter that follows its moves, closely enough for a controller."""
    value, found, grain = None, [], round(MOVING_S * score.rate_hz)
    for place, move in enumerate(moves):
        until = moves[place + 1].sample if place + 1 < len(moves) else score.samples
        start = move.value if value is None else value
        lag = (move.rise_s if move.value > start else move.fall_s) * score.rate_hz
        steps = min(until - move.sample, SETTLED * lag) // grain if lag > 0.0 else 0
        for k in range(int(steps)):
            value = move.value + (start - move.value) * math.exp(-k * grain / lag)
            found.append((move.sample + k * grain, value))
        arrived = lag <= 0.0 or until - move.sample > SETTLED * lag
        if arrived:
            value = move.value
            found.append((move.sample + int(steps) * grain, value))
        else:
            value = move.value + (start - move.value) * math.exp(-(until - move.sample) / lag)
    return found
