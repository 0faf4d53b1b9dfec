"""House, the grammar: where each role may strike, the scenes, who plays, and which feature decides the rest. Thread: any."""
from mappings.music import Cast, Entry, Grammar, Ramp, Scene

HOUSE_GRAMMARS = (
    # the kick's own sixteenths are 0 4 8 12: the bass has weight 0 there and answers between
    Grammar("bass", "bass", (0, .35, 1.0, .75, 0, .3, 1.0, .8, 0, .4, 1.0, .7, 0, .35, 1.0, .85), (4, 8), form="aaab",
            register=(28, 48), tones=(0, 0, 0, 4, 2, 0, 3), lengths=(0.55, 1.6), level=0.66,
            onset="attn.low.write", count="token.entropy_nat", pitch="resid.axis.1", accent="mlp.low.write",
            length="mlp.low.sparsity", slide="resid.mid.turn"),
    Grammar("stab", "stab", (.5, .1, .5, 1.0, .15, .25, 1.0, .5, .15, .5, .8, .6, .1, .6, 1.0, .3), (2, 4), form="ab",
            register=(52, 74), lengths=(0.7, 2.2), level=0.6,
            onset="attn.mid.write", count="token.entropy_nat", accent="mlp.mid.write", length="token.margin_nat"),
    Grammar("hook", "hook", (1.0, .2, .5, .8, .7, .2, .8, .5, .9, .3, .7, .8, .6, .4, .9, .5), (3, 6), form="aaba",
            register=(67, 86), lengths=(0.8, 3.0), level=0.62,
            onset="attn.high.write", count="token.surprisal_nat", pitch="resid.axis.2", accent="mlp.high.write",
            length="token.margin_nat"),
    Grammar("pad", "pad", (1.0, *(0,) * 15), (1, 1), register=(50, 71), level=0.6),
    Grammar("hat", "hit", (.8, 1.0, 0, 1.0, .6, 1.0, 0, 1.0, .8, 1.0, 0, 1.0, .6, 1.0, 0, 1.0), (3, 9), form="aaab",
            level=0.5, onset="resid.high.speed", count="token.entropy_nat", accent="attn.high.write"),
    Grammar("perc", "hit", (0, .6, .3, 1.0, 0, .5, .6, 1.0, 0, .7, .9, .8, 0, .6, .9, 1.0), (2, 5), form="ab",
            register=(72, 84), tones=(0, 1, 2, 3), level=0.55, onset="mlp.high.sparsity", count="token.surprisal_nat",
            pitch="resid.axis.3", accent="resid.mid.speed"),
    Grammar("ghost", "hit", (0, .5, 0, .9, 0, .4, 0, 1.0, 0, 1.0, .3, .6, 0, .3, 0, 1.0), (1, 2), form="a",
            level=0.2, onset="mlp.mid.sparsity", accent="resid.low.speed"),
)

HOUSE_SCENES = (
    Scene("intro", (8, 16), (
        Entry("kick", 0, offset_db=-4.0), Entry("hat", 0, 0.1, -4.0), Entry("pad", 4, offset_db=-4.0),
        Entry("perc", 8, 0.2, -4.0), Entry("clap", 8, offset_db=-4.0)),
        then=("build",), ramps=(Ramp("pad.cutoff_hz", 350.0, 700.0, 0.5), Ramp("djfilter.position", 0.0))),
    Scene("build", (8, 16), (
        Entry("kick", 0, offset_db=-2.0), Entry("clap", 0, offset_db=-4.0), Entry("hat", 0, 0.3, -2.0),
        Entry("pad", 0, offset_db=-2.0), Entry("stab", 0, 0.1, -3.0), Entry("bass", 4, 0.2, -4.0),
        Entry("perc", 4, 0.2, -3.0)),
        then=("drop",), ramps=(Ramp("pad.cutoff_hz", 500.0, 4500.0, 0.4), Ramp("djfilter.position", 0.0, 0.45, 0.3),
                               Ramp("chords.reverb_send", 0.15, 0.5, 0.3))),
    Scene("drop", (24, 32, 40), (
        Entry("kick", 0), Entry("clap", 0), Entry("hat", 0, 0.7), Entry("openhat", 0), Entry("bass", 0, 0.7),
        Entry("stab", 0, 0.6), Entry("pad", 0, offset_db=-3.0), Entry("ghost", 0, 0.6),
        Entry("perc", 0, 0.6, reads="mlp.high.sparsity", above=0.35),
        Entry("hook", 8, 0.6, reads="token.entropy_nat", above=0.3)),
        then=("break", "outro"), ramps=(Ramp("pad.cutoff_hz", 1800.0), Ramp("djfilter.position", 0.0, rise_s=0.01),
                                        Ramp("chords.reverb_send", 0.15))),
    Scene("break", (8, 16, 24), (
        Entry("pad", 0, offset_db=1.0), Entry("hook", 0, 0.2, -1.0), Entry("hat", 4, 0.1, -5.0),
        Entry("stab", 4, 0.1, -5.0)),
        then=("build", "drop"), theme="b",
        ramps=(Ramp("pad.cutoff_hz", 1500.0, 3500.0, 0.5), Ramp("djfilter.position", 0.0))),
    Scene("outro", (8, 16), (
        Entry("kick", 0, offset_db=-2.0), Entry("hat", 0, 0.2, -4.0), Entry("clap", 0, offset_db=-3.0),
        Entry("bass", 0, 0.2, -4.0, reads="token.entropy_nat", above=0.4), Entry("pad", 0, offset_db=-3.0),
        Entry("perc", 0, 0.1, -4.0)),
        then=("intro",), ramps=(Ramp("pad.cutoff_hz", 1600.0, 500.0, 0.5), Ramp("djfilter.position", 0.0))),
)

HOUSE_CASTS = (
    Cast("strings lead", {"stab": "chords", "hook": "lead"}),
    Cast("strings comp", {"stab": "lead", "hook": "chords"}),
)
