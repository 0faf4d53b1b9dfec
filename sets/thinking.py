"""Thinking: every token sweeps the layers; a drone's nine bars are where the thought stands.

needs   stereo out (or none: it renders to a file)
keys    space next section   p prompt   h hold the model   + - temperature   f filter   ! panic
heard   left, strings: what attention wrote; right, bells: the MLP; low layers low and early
        drone: each drawbar an axis of the mid-depth state   bell: where the token was settled
        glass: how sparse the MLPs are, how far the thought turned
        air: how open the next word is   bass: how far low layers move   scenes: phrases
"""
from engine.mapping import Link
from engine.sets import Fx, Part, Set
from mappings.music import Entry, Scene
from mappings.thinking import Bell, Lane, Thinking
from synths.djfilter import DJFILTER
from synths.fm import FM
from synths.kick808 import KICK808
from synths.limiter import LIMITER
from synths.maracas import MARACAS
from synths.organ import ORGAN
from synths.reverb import REVERB
from synths.string import STRING

ALL = (Entry("drone"), Entry("glass"), Entry("attn"), Entry("mlp"), Entry("bell"), Entry("air"))
MUSIC = Thinking(
    scenes=(
        Scene("listen", (8, 16), ALL, then=("think",)),
        Scene("think", (16, 24, 32), ALL + (Entry("bass"), Entry("pulse", 4)),
              then=("rest", "think"), peak=True),
        Scene("rest", (8, 16), ALL + (Entry("bass"),), then=("think",)),
    ),
    lanes=(Lane("attn", "attn", 0.0, 50.0), Lane("mlp", "mlp", 0.5, 53.5)),
    bell=Bell("bell", low_st=88.0), drones=(("drone", 50), ("glass", 98)),
    bass="bass", air="air", pulse="pulse",
)

LINKS = (
    #    feature        reads         target        writes        curve  rise  fall
    Link("resid.axis.1", (0.02, 0.98), "drone.bar1", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.2", (0.02, 0.98), "drone.bar2", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.3", (0.02, 0.98), "drone.bar3", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.4", (0.02, 0.98), "drone.bar4", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.5", (0.02, 0.98), "drone.bar5", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.6", (0.02, 0.98), "drone.bar6", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.7", (0.02, 0.98), "drone.bar7", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.axis.8", (0.02, 0.98), "drone.bar8", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("rubato.straightness", (0.02, 0.98), "drone.bar9", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("mlp.high.sparsity", (0.02, 0.98), "glass.bar2", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("mlp.mid.sparsity", (0.02, 0.98), "glass.bar3", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("resid.mid.turn", (0.02, 0.98), "glass.bar4", (1.0, 8.0), "lin", 0.02, 0.02, "step"),
    Link("token.entropy_nat", (0.5, 5.0), "air.level_db", (-24.0, 3.0), "lin", 0.02, 0.02, "step"),
)

SET = Set(
    model="embedded", bpm=132, seed=7, tokens_per_bar=2, temperature=0.9,
    prompt="The night was warm, and down by the harbour the music began.",
    parts={
        "attn":  Part(STRING, voices=12, level_db=-1.0, pan=-0.7, decay_s=1.2, brightness=0.5,
                      reverb_send=0.3),
        "mlp":   Part(FM, voices=12, level_db=-6.0, pan=0.7, ratio=2.0, index=1.2, decay_s=0.5,
                      reverb_send=0.3),
        "bell":  Part(FM, voices=6, level_db=-4.0, ratio=3.5, index=1.0, decay_s=1.2,
                      reverb_send=0.5),
        "air":   Part(MARACAS, voices=4, level_db=-9.0, decay_s=0.07),
        "drone": Part(ORGAN, voices=2, level_db=0.0, click=0.0),
        "glass": Part(ORGAN, voices=2, level_db=-13.0, click=0.0, bar1=0.0),
        "bass":  Part(FM, voices=2, level_db=-8.0, ratio=1.0, index=0.8, decay_s=4.0),
        "pulse": Part(KICK808, voices=4, level_db=4.0, decay_s=0.5),
    },
    sends={"reverb": Fx(REVERB, level_db=-3.0, decay_s=1.4)},
    master=(DJFILTER,), limiter=LIMITER, key_part="pulse",
    out_level_db=4.5,
    links=LINKS, music=MUSIC, claims={"features": 12, "domains": 0.8},
)
