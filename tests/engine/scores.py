"""Takes made by hand, for tests of what is written from them. Thread: control."""
import math

import numpy as np

from engine.clock import Clock
from engine.journal import Recorder, Take
from engine.records import EVENT, NOTE, TARGET
from engine.score import Score

RATE_HZ = 48000
SET = '''
from engine.parts import Midi
from engine.sets import Fx, Part, Set
from mappings.house import HOUSE_CASTS, HOUSE_GRAMMARS, HOUSE_SCENES
from mappings.music import Music
from synths.fm import FM
from synths.hat import HAT
from synths.kick import KICK
from synths.reverb import REVERB
from synths.tb303 import TB303
SET = Set(bpm=120, parts={
    "kick": Part(KICK), "hat": Part(HAT, choke="hats"), "openhat": Part(HAT, choke="hats"),
    "bass": Part(TB303, voices=1, level_db=-6, midi=Midi(program=33, cc={74: "cutoff_hz"})),
    "keys": Part(FM, pan=-0.5)},
    sends={"reverb": Fx(REVERB)}, music=Music(HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS))
'''
PARTS = ("kick", "hat", "openhat", "bass", "keys")


def event(kind, sample, part=0, **values):
    row = np.zeros((), EVENT)
    row["sample"], row["kind"], row["part"] = sample, kind, part
    for name, value in values.items():
        row[name] = value
    return row


def note(sample, part, pitch_st, length=6000, level=0.5, flags=0):
    return event(NOTE, sample, PARTS.index(part), length=length, level=level, flags=flags,
                 pitch_hz=440.0 * 2.0 ** ((pitch_st - 69) / 12))


def target(sample, index, value, lag_s=0.0):
    return event(TARGET, sample, index, level=value, rise_s=lag_s, fall_s=lag_s)


def take_of(path, events, clock=None, samples=960000, steps=160, sections=(), frames=(),
            source=SET, closed=True, bpm=120.0):
    """A Take of these events; sections are (step, name), frames (step, text, sentence end)."""
    clock, sections = clock or Clock(RATE_HZ, bpm), dict(sections)
    recorder = Recorder(path, {"set": "byhand", "rate_hz": RATE_HZ, "bpm": bpm, "model": "none",
                               "prompt": "a \x01 b", "seed": 1})
    recorder.table(0, 0, source, "byhand.py", 1)
    recorder.chunk(b"TMPO", {"from": 0, "rows": [
        [None if math.isinf(x) else x for x in row] for row in clock.rows.tolist()]})
    name, since = "intro", 0
    for step in range(steps):
        if step in sections:
            name, since = sections[step], step
        recorder.chunk(b"STEP", {"step": step, "sample": clock.sample_of(step), "late": False,
                                 "section": name, "bar": (step - since) // 16, "chord": "",
                                 "notes": []})
    for seq, (step, text, ends) in enumerate(frames):
        recorder.chunk(b"FRAM", {"step": step, "seq": seq, "token": 1, "text": text, "flags": 0,
                                 "raw": {"token.surprisal_nat": 0.5 * seq}, "unit": {},
                                 "marks": [ends, False, False]})
    recorder.events(np.array(sorted(events, key=lambda row: row["sample"]), EVENT))
    recorder.flush()
    if closed:
        recorder.close(samples)
    recorder.shut()
    return Take(path)


def score_of(path, events, **more):
    return Score(take_of(path, events, **more))
