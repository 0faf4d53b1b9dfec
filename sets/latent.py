"""Latent: the music theory of latent space, played by it; endless, 92 bpm, calm.

needs   stereo out (or none: it renders to a file)
keys    space next section   1-8 mute pad choir strings bell bass low tick crash
        p prompt   h hold the model   + - temperature   ! panic
heard   key: the notes that its states stand on   a chord a bar: how state, attention and MLP of a
        block agree; diminished and augmented resolve   detune, bell: how the writes interfere
        line: how far a word turned the state   second voice: how heads move together
        low and tick: depth as a bar   breath: a phrase ended
decorative  crash.strike: what stood out against what came just before, as it does in noise
"""
from engine.mapping import Link, Trigger
from engine.sets import Fx, Part, Set
from mappings.latent import Latent
from synths.choir import CHOIR
from synths.cymbal import CRASH
from synths.ensemble import ENSEMBLE
from synths.fm import FM
from synths.limiter import LIMITER
from synths.organ import ORGAN
from synths.pad import PAD
from synths.reverb import REVERB
from synths.rim import CLAVE
from synths.stringmachine import STRINGMACHINE
from synths.tom import TOM

MUSIC = Latent(levels_db={"pad": -12.5, "choir": -6.0, "strings": -5.0, "bell": -5.5,
                          "bass": -4.5, "low": -4.0})

LINKS = (
    #    feature              reads       target                  writes       curve  rise fall
    Link("consonance.tension",    (0.1, 0.9), "pad.detune_cents",     (4.0, 36.0), "lin", 0.3, 1.0),
    Link("consonance.latent",     (0.1, 0.9), "bell.index",           (3.6, 0.5),  "lin", 0.1, 0.6),
    Link("interval.angle",        (0.1, 0.9), "pad.cutoff_hz",        (600, 3400), "exp", 0.1, 1.2),
    Link("register.soprano",      (0.1, 0.9), "strings.cutoff_hz",    (1e3, 6e3),  "exp", 0.3, 1.0),
    Link("orchestra.strings",     (0.1, 0.9), "strings.foot4",        (0.05, 0.9), "lin", 0.3, 1.0),
    Link("turning.mean",          (0.1, 0.9), "choir.vibrato_cents",  (4.0, 60.0), "lin", 0.3, 0.6),
    Link("chord.emergence",       (0.1, 0.9), "bell.bright",          (0.85, 0.2), "lin", 0.1, 0.5),
    Link("modulation.distance",   (0.1, 0.9), "bell.reverb_send",     (0.12, 0.7), "exp", 1.0, 2.0),
    Link("overtones.brightness",  (0.1, 0.9), "bass.bar4",            (0.0, 7.0),  "lin", 0.2, 0.6),
    Trigger("sforzando.strength", 0.985, 0.9, "crash.strike", (0.25, 0.6), decorative=True),
)

SET = Set(
    model="embedded", bpm=92, seed=7, tokens_per_bar=8, temperature=0.9,
    prompt="The night was warm, and down by the harbour the music began.",
    parts={
        "pad":     Part(PAD, voices=12, level_db=-12.5, attack_s=0.5, release_s=2.0,
                        reverb_send=0.35),
        "choir":   Part(CHOIR, voices=6, level_db=-6.0, attack_s=0.5, release_s=1.2,
                        reverb_send=0.4),
        "strings": Part(STRINGMACHINE, voices=12, level_db=-5.0, inserts=(ENSEMBLE,), pan=-0.2,
                        reverb_send=0.3),
        "bell":    Part(FM, voices=12, level_db=-5.5, ratio=3.5, index=1.5, decay_s=2.6,
                        release_s=1.2, pan=0.2, reverb_send=0.3),
        "bass":    Part(ORGAN, voices=4, level_db=-4.5, bar2=0.0, click=0.1, reverb_send=0.05),
        "low":     Part(TOM, voices=4, level_db=-4.0, reverb_send=0.2),
        "tick":    Part(CLAVE, voices=4, level_db=-14.0, pan=0.3, reverb_send=0.25),
        "crash":   Part(CRASH, voices=2, level_db=-16.0, reverb_send=0.3),
    },
    sends={"reverb": Fx(REVERB, level_db=-2.0, decay_s=3.4, high_s=1.6)},
    limiter=LIMITER, out_level_db=8.0, links=LINKS, music=MUSIC,
)
