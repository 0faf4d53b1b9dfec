"""House."""
from engine.mapping import Link
from mappings.house import HOUSE_CASTS, HOUSE_GRAMMARS, HOUSE_SCENES
from mappings.music import Music

MUSIC = Music(
    HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS,
    tonics=(33, 31, 36, 29, 34), modes=("aeolian", "dorian"), swing=(0.505, 0.535),
    edit_above=0.91, edits=3,
    levels_db={"kick": -6.0, "clap": -12.0, "hat": -17.0, "openhat": -17.0, "bass": -9.0,
               "chords": -13.0, "lead": -13.0, "pad": -17.0, "perc": -16.0},
)

LINKS = (
    #    feature                reads       target               writes          curve  rise  fall
    Link("token.entropy_nat",   (0.3, 4.5), "bass.cutoff_hz",    (220.0, 1500.0), "exp", 0.15, 0.60),
)
