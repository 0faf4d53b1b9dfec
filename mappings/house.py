"""House: where each role may strike, the scenes, who plays, and which feature decides the rest.
Thread: any."""
from mappings.music import Cast, Entry, Grammar, Ramp, Scene

HOUSE_GRAMMARS = (
    # 0 4 8 12 are the kick's: the bass has weight 0 there and answers between
    Grammar("bass", "bass", form="aaab", hits=(4, 8), register=(28, 48), level=0.66,
            weights=(0, .35, 1., .75, 0, .3, 1., .8, 0, .4, 1., .7, 0, .35, 1., .85),
            tones=(0, 0, 0, 4, 2, 0, 3), lengths=(0.55, 1.6),
            onset="attn.low.write", count="token.entropy_nat", pitch="resid.axis.1",
            accent="mlp.low.write", length="mlp.low.sparsity", slide="resid.mid.turn",
            touch="resid.low.speed"),
    Grammar("stab", "stab", form="ab", hits=(1, 5), register=(52, 74), level=0.6,
            weights=(.5, .1, .5, 1., .15, .25, 1., .5, .15, .5, .8, .6, .1, .6, 1., .3),
            lengths=(0.7, 2.2),
            onset="attn.mid.write", count="mlp.mid.sparsity", accent="mlp.mid.write",
            length="token.margin_nat", touch="resid.mid.speed"),
    Grammar("hook", "hook", form="aaba", hits=(3, 6), register=(67, 86), level=0.62,
            weights=(1., .2, .5, .8, .7, .2, .8, .5, .9, .3, .7, .8, .6, .4, .9, .5),
            lengths=(0.8, 3.0),
            onset="attn.high.write", count="token.surprisal_nat", pitch="resid.axis.2",
            accent="mlp.high.write", length="token.margin_nat", touch="resid.high.speed"),
    Grammar("pad", "pad", hits=(1, 1), register=(50, 71), level=0.6,
            weights=(1., 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), touch="mlp.mid.write"),
    # 2 6 10 14 are the open hat's
    Grammar("hat", "hit", form="aaab", hits=(3, 9), level=0.5,
            weights=(.8, 1., 0, 1., .6, 1., 0, 1., .8, 1., 0, 1., .6, 1., 0, 1.),
            onset="resid.high.speed", count="token.entropy_nat", accent="attn.high.write",
            touch="attn.high.write"),
    Grammar("perc", "hit", form="ab", hits=(2, 5), register=(72, 84), level=0.55,
            weights=(0, .6, .3, 1., 0, .5, .6, 1., 0, .7, .9, .8, 0, .6, .9, 1.),
            tones=(0, 1, 2, 3), onset="mlp.high.sparsity", count="token.surprisal_nat",
            pitch="resid.axis.3", accent="resid.mid.speed", touch="mlp.high.write"),
    Grammar("ghost", "hit", hits=(1, 2), level=0.2,
            weights=(0, .5, 0, .9, 0, .4, 0, 1., 0, 1., .3, .6, 0, .3, 0, 1.),
            onset="mlp.mid.sparsity", accent="resid.low.speed", touch="mlp.low.write"),
)

INTRO = (Entry("kick", 0, offset_db=-4.0), Entry("hat", 0, 0.1, -4.0),
         Entry("shaker", 0, offset_db=-3.0),
         Entry("pad", 4), Entry("perc", 8, 0.2, -4.0),
         Entry("clap", 8, offset_db=-4.0))
BUILD = (Entry("kick", 0, offset_db=-2.0), Entry("clap", 0, offset_db=-4.0),
         Entry("hat", 0, 0.3, -2.0), Entry("shaker"), Entry("pad", 0, offset_db=-2.0),
         Entry("stab", 0, 0.1, -3.0), Entry("bass", 4, 0.2, -4.0), Entry("perc", 4, 0.2, -3.0))
DROP = (Entry("kick"), Entry("clap"), Entry("openhat"), Entry("shaker"), Entry("hat", 0, 0.7),
        Entry("bass", 0, 0.7), Entry("stab", 0, 0.6), Entry("pad", 0, offset_db=-3.0),
        Entry("ghost", 0, 0.6), Entry("perc", 0, 0.6, reads="mlp.high.sparsity", above=0.35),
        Entry("hook", 8, 0.6, reads="token.entropy_nat", above=0.3))
BREAK = (Entry("pad", 0, offset_db=1.0), Entry("shaker"), Entry("hook", 0, 0.2, -1.0),
         Entry("hat", 4, 0.1, -5.0), Entry("stab", 4, 0.1, -5.0))
OUTRO = (Entry("kick", 0, offset_db=-2.0), Entry("shaker"), Entry("hat", 0, 0.2, -4.0),
         Entry("clap", 0, offset_db=-3.0), Entry("pad", 0, offset_db=-3.0),
         Entry("bass", 0, 0.2, -4.0, reads="token.entropy_nat", above=0.4),
         Entry("perc", 0, 0.1, -4.0))
OPEN = Ramp("djfilter.position", 0.0, rise_s=0.01)

HOUSE_SCENES = (
    Scene("intro", (8, 16, 24), INTRO, then=("build",),
          ramps=(Ramp("pad.cutoff_hz", 350.0, 700.0, 0.5), OPEN)),
    Scene("build", (8, 16), BUILD, then=("drop",), roll=True,
          ramps=(Ramp("pad.cutoff_hz", 500.0, 4500.0, 0.4),
                 Ramp("djfilter.position", 0.0, 0.45, 0.3))),
    Scene("drop", (24, 32, 40, 48), DROP, then=("break", "outro"), peak=True,
          ramps=(Ramp("pad.cutoff_hz", 1800.0), OPEN)),
    Scene("break", (8, 16, 24), BREAK, then=("build", "drop"), theme="b", spare=True,
          ramps=(Ramp("pad.cutoff_hz", 1500.0, 3500.0, 0.5), OPEN)),
    Scene("outro", (8, 16, 24), OUTRO, then=("intro",),
          ramps=(Ramp("pad.cutoff_hz", 1600.0, 500.0, 0.5), OPEN)),
)

HOUSE_CASTS = (
    Cast("strings lead", {"stab": "chords", "hook": "lead"},
         ramps=(Ramp("bass.wave", 0.0), Ramp("chords.ratio", 2.0))),
    Cast("strings comp", {"stab": "lead", "hook": "chords"}, {"stab": -6.0, "hook": 6.0},
         ramps=(Ramp("bass.wave", 0.0), Ramp("chords.ratio", 1.0))),
    Cast("square bass", {"stab": "chords", "hook": "lead"},
         ramps=(Ramp("bass.wave", 1.0), Ramp("chords.ratio", 3.5))),
)
