"""House: the model writes the patterns, a fixed grammar keeps the floor; endless, 124 bpm.

needs   stereo out (or none: it renders to a file)
keys    space next section   1-8 mute kick clap hat openhat bass chords lead pad
        p prompt   h hold the model   + - temperature   f filter   ! panic
heard   bass cutoff: how open the next word is   chords: how far the thought turned
        echo on a stab: a sentence ended   new patterns: a phrase ended
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
from synths.pad import PAD
from synths.reverb import REVERB
from synths.string import STRING
from synths.tb303 import TB303

MUSIC = Music(
    HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS,
    tonics=(33, 31, 36, 29, 34), modes=("aeolian", "dorian"), swing=(0.505, 0.535),
    edit_above=0.91, edits=3, delay_send=0.15,
    levels_db={"kick": -1.5, "clap": 5.0, "hat": 3.0, "openhat": -3.0, "bass": 8.0,
               "chords": -8.5, "lead": -0.5, "pad": -12.0, "perc": 2.0},
)

LINKS = (
    #    feature               reads        target                writes          curve  rise  fall
    Link("token.entropy_nat",  (0.3, 4.5),  "bass.cutoff_hz",     (220, 1500),    "exp", 0.15, 0.6),
    Link("token.surprisal",    (0.1, 0.9),  "bass.env_mod",       (0.3, 0.65),    "lin", 0.05, 0.4),
    Link("attn.low.write",     (0.1, 0.9),  "bass.resonance",     (0.45, 0.78),   "lin", 0.3,  1.0),
    Link("token.margin",       (0.1, 0.9),  "chords.bright",      (0.75, 0.3),    "lin", 0.2,  0.6),
    Link("resid.mid.turn",     (0.1, 0.9),  "chords.index",       (1.4, 3.6),     "lin", 0.1,  0.8),
    Link("mlp.high.write",     (0.1, 0.9),  "chords.decay_s",     (0.35, 1.1),    "exp", 0.3,  1.0),
    Link("mlp.mid.sparsity",   (0.1, 0.9),  "lead.brightness",    (0.4, 0.85),    "lin", 0.1,  0.5),
    Link("resid.axis.4",       (0.1, 0.9),  "lead.pick_position", (0.08, 0.4),    "exp", 0.0,  0.0),
    Link("attn.high.write",    (0.1, 0.9),  "lead.delay_send",    (0.15, 0.45),   "lin", 0.2,  1.5),
    Link("resid.axis.5",       (0.1, 0.9),  "pad.detune_cents",   (8.0, 26.0),    "lin", 1.0,  2.0),
    Link("text.sentence_age_tokens", (0, 30), "pad.reverb_send", (0.2, 0.5), "lin", 1.0, 0.5),
    Link("resid.high.speed",   (0.1, 0.9),  "openhat.decay_s",    (0.3, 0.6),     "exp", 0.1,  0.3),
    Link("mlp.high.sparsity",  (0.1, 0.9),  "hat.decay_s",        (0.05, 0.12),   "exp", 0.1,  0.3),
    Link("mlp.low.write",      (0.1, 0.9),  "perc.decay_s",       (0.06, 0.16),   "exp", 0.1,  0.3),
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
    },
    sends={"delay": Fx(DELAY, level_db=-3.0, beats=0.75), "reverb": Fx(REVERB, level_db=-3.0)},
    master=(DJFILTER,), limiter=LIMITER, duck=DUCK, key_part="kick",
    out_level_db=6.0,
    links=LINKS, music=MUSIC,
)
