"""House: the model writes the patterns, a fixed grammar keeps the floor; endless, 124 bpm.

needs   stereo out (or none: it renders to a file)
keys    space next section   1-8 mute kick clap hat openhat bass chords lead pad
        p prompt   h hold the model   + - temperature   f filter   ! panic
heard   shaker: how much the first layers attend (louder), where the thought stands (left, bright)
        kick: how far the thought turned (long), one more axis (snap)   pad: another (left)
        clap's tail: how much the last layers attend   bass: how open the next word is
decorative   chord hook ghost fill edit punctuation: moved by the model, no more than by noise
"""
from engine.mapping import Link
from engine.sets import Fx, Part, Set
from mappings.house import HOUSE_CASTS, HOUSE_GRAMMARS, HOUSE_SCENES
from mappings.music import Music
from synths.clap import CLAP
from synths.delay import DELAY
from synths.djfilter import DJFILTER
from synths.duck import DUCK
from synths.fm import FM
from synths.hat import HAT
from synths.kick import KICK
from synths.limiter import LIMITER
from synths.maracas import MARACAS
from synths.pad import PAD
from synths.reverb import REVERB
from synths.string import STRING
from synths.tb303 import TB303

MUSIC = Music(
    HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS,
    tonics=(33, 31, 36, 29, 34), modes=("aeolian", "dorian"), swing=(0.505, 0.535),
    edit_above=0.91, edits=3, delay_send=0.15,
    decorative=("chord", "hook", "ghost", "fill", "edit", "punctuation"),
    levels_db={"kick": -1.5, "clap": 5.0, "hat": 3.0, "openhat": -3.0, "bass": 8.0,
               "chords": -8.5, "lead": -0.5, "pad": -12.0, "perc": 2.0, "shaker": -4.0},
)

LINKS = (
    #    feature             reads         target               writes         curve rise  fall
    Link("attn.low.write",   (0.05, 0.95), "shaker.level_db",   (-18.0, -1.0), "lin", 0.01, 0.01),
    Link("resid.axis.1",     (0.1, 0.9),   "shaker.pan",        (-0.8, 0.8),   "lin", 0.02, 0.02),
    Link("resid.mid.turn",   (0.05, 0.8),  "kick.decay_s",      (0.28, 0.85),  "exp", latch="bar"),
    Link("resid.axis.8",     (0.1, 0.9),   "shaker.tone",       (0.0, 0.9),    "lin", 0.02, 0.02),
    Link("resid.axis.2",     (0.1, 0.9),   "kick.pitch",        (2.0, 7.0),    "lin", latch="bar"),
    Link("attn.high.write",  (0.1, 0.9),   "clap.decay_s",      (0.1, 0.8),    "exp", latch="bar"),
    Link("resid.axis.7",     (0.1, 0.9),   "pad.pan",           (-0.8, 0.8),   "lin", 0.1,  0.1),
    Link("text.sentence_age_tokens", (0, 30), "pad.reverb_send", (0.05, 0.7),  "lin", 0.2,  0.2),
    Link("token.entropy_nat", (0.3, 4.5),  "bass.cutoff_hz",    (180, 2600),   "exp", 0.02, 0.05),
    Link("token.surprisal",  (0.1, 0.9),   "bass.env_mod",      (0.2, 0.7),    "lin", 0.02, 0.1),
    Link("token.margin",     (0.1, 0.9),   "chords.bright",     (0.9, 0.1),    "lin", 0.02, 0.1),
    Link("resid.axis.3",     (0.1, 0.9),   "chords.index",      (0.6, 4.5),    "lin", 0.02, 0.1),
    Link("mlp.high.write",   (0.1, 0.9),   "chords.decay_s",    (0.25, 1.4),   "exp", latch="bar"),
    Link("mlp.mid.sparsity", (0.1, 0.9),   "lead.brightness",   (0.2, 0.95),   "lin", 0.05, 0.1),
    Link("resid.axis.4",     (0.1, 0.9),   "lead.pick_position", (0.05, 0.45), "exp"),
    Link("resid.high.speed", (0.1, 0.9),   "openhat.decay_s",   (0.15, 0.8),   "exp"),
    Link("mlp.high.sparsity", (0.1, 0.9),  "hat.decay_s",       (0.03, 0.25),  "exp"),
    Link("mlp.low.write",    (0.1, 0.9),   "perc.decay_s",      (0.05, 0.3),   "exp"),
)

SET = Set(
    model="embedded", bpm=124, seed=7, tokens_per_bar=8, temperature=0.9,
    prompt="The night was warm, and down by the harbour the music began.",
    parts={
        "kick":    Part(KICK, voices=2, level_db=-1.5),
        "clap":    Part(CLAP, voices=2, level_db=5.0, reverb_send=0.12),
        "hat":     Part(HAT, voices=2, choke="hats", level_db=3.0, pan=0.15, decay_s=0.08),
        "openhat": Part(HAT, voices=2, choke="hats", level_db=-3.0, pan=0.15, decay_s=0.45),
        "bass":    Part(TB303, voices=1, level_db=8.0, duck=0.8),
        "chords":  Part(FM, voices=12, level_db=-8.5, duck=0.5, delay_send=0.2, reverb_send=0.15),
        "lead":    Part(STRING, voices=12, level_db=-0.5, duck=0.3, delay_send=0.3,
                        reverb_send=0.2),
        "pad":     Part(PAD, voices=12, level_db=-12.0, duck=0.9, reverb_send=0.35),
        "perc":    Part(FM, voices=4, level_db=2.0, pan=-0.3, ratio=3.5, decay_s=0.09,
                        delay_send=0.25, reverb_send=0.1),
        "shaker":  Part(MARACAS, voices=2, level_db=-4.0, tone=0.2, decay_s=0.07),
    },
    sends={"delay": Fx(DELAY, level_db=-3.0, beats=0.75), "reverb": Fx(REVERB, level_db=-3.0)},
    master=(DJFILTER,), limiter=LIMITER, duck=DUCK, key_part="kick",
    out_level_db=6.0, links=LINKS, music=MUSIC, claims={"features": 3, "domains": 0.5},
)
