"""The latent music theory as a set's music: who plays what, in which sections, by which features.

Its claims are hypotheses; what is a convention of the instrument (which direction is called C,
depth laid out in time) is said where it is made, in `mappings.features`. Thread: any.
"""
from dataclasses import dataclass

from engine.mapping import Param
from mappings.music import Cast, Entry, Grammar, Music, Scene

CHORD = ("chord.quality", "chord.bass_st", "chord.confidence", "consonance.tension")
KEY = ("key.tonic_st", "key.mode", "modulation", "tonicisation")
MOTIONS = ("parallel", "contrary", "oblique")
LINE = ("rubato.work", "melody.step_st", "latent.pitch_st", "register.height", "rubato.tempo")
# what may decide for all roles: form, who plays, what is renewed, key, harmony
FORM = ("text", "form.likeness", "resid.mid.turn", "voices.crossings_per_token",
        "octave.resonance", "rubato.work", "interval.size_st", "register.bass",
        "orchestra.percussion",
        *(f"bands.{kind}" for kind in MOTIONS), *KEY, *CHORD)
# what noise is told from the model by: read as it was calibrated, not among its own last values
ABSOLUTE = ("melody.smoothness", "timbre.high.kurtosis", "orchestra.strings", "chord.emergence")
FIRST_LENGTHS = "attn.high.write"         # stands in for melody.smoothness until that is there
DOWNBEAT = (1.0, *(0.0,) * 15)

LATENT_GRAMMARS = (
    Grammar("chord", "pad", DOWNBEAT, (1, 1), register=(50, 72), level=0.6,
            touch="dynamics.tenor"),
    Grammar("octave", "pad", DOWNBEAT, (1, 1), register=(48, 72), level=0.5,
            touch="chord.emergence"),
    Grammar("counter", "pad", DOWNBEAT, (1, 1), register=(45, 72), level=0.6,
            touch="orchestra.strings"),
    Grammar("bass", "bass", form="ab", hits=(1, 4), register=(31, 48), level=0.66,
            weights=(1., 0, .1, .3, 0, 0, .7, 0, .6, 0, .5, .3, .4, 0, .6, 0),
            tones=(0, 0, 0, 2), lengths=(3.0, 7.5),
            onset="register.bass", count="register.bass", pitch="chord.voicing_change",
            accent="dynamics.bass", length="orchestra.pedal", touch="dynamics.bass"),
    Grammar("melody", "hook", form="aaba", hits=(2, 6), register=(60, 88), level=0.62,
            weights=(1., .1, .5, .4, .8, .1, .6, .3, .9, .2, .6, .4, .7, .1, .5, .2),
            lengths=(1.5, 5.0),
            onset="rubato.work", count="interval.size_st", pitch="melody.step_st",
            accent="dynamics.soprano", length="melody.smoothness", slide="melody.smoothness",
            touch="dynamics.soprano"),
    Grammar("pulse", "hit", hits=(3, 6), level=0.5,
            weights=(1., .2, .5, .7, .3, .2, .8, .3, .6, .2, .5, .7, .4, .2, .8, .3),
            onset="orchestra.percussion", count="orchestra.percussion",
            accent="orchestra.percussion", touch="timbre.high.kurtosis"),
)

CALM = (Entry("chord", 0, offset_db=-1.0), Entry("octave", 0, reads="octave.resonance", above=0.3))
LINES = (Entry("chord"), Entry("bass", 0, 0.3), Entry("melody", 0, 0.4),
         Entry("counter", 8, offset_db=-1.0), Entry("octave", 8, reads="octave.resonance",
                                                    above=0.5), Entry("pulse", 8, 0.4, -2.0))
FULL = (Entry("chord"), Entry("bass", 0, 0.6), Entry("melody", 0, 0.7), Entry("counter"),
        Entry("pulse", 0, 0.6), Entry("octave", 8, reads="octave.resonance", above=0.4))

LATENT_SCENES = (
    Scene("opening", (8, 16), (*CALM, Entry("melody", 4, 0.2, -2.0)), then=("exposition",)),
    Scene("exposition", (16, 24, 32), LINES, then=("development",), peak=True),
    Scene("development", (16, 24, 32), FULL, then=("episode", "return"), theme="b"),
    Scene("episode", (8, 16), (*CALM, Entry("counter"), Entry("melody", 0, 0.2, -2.0)),
          then=("development", "return"), theme="c", spare=True),
    Scene("return", (16, 24, 32), FULL, then=("episode", "coda"), peak=True),
    Scene("coda", (8, 16), (*CALM, Entry("bass", 0, 0.2, -2.0), Entry("melody", 0, 0.2, -3.0)),
          then=("opening",)),
)

LATENT_CASTS = (
    Cast("bell leads", {"chord": "pad", "octave": "choir", "melody": "bell", "counter": "strings",
                        "pulse": "low"}),
    Cast("strings lead", {"chord": "pad", "octave": "choir", "melody": "strings",
                          "counter": "bell", "pulse": "low"}, {"melody": 2.0, "counter": -2.0}),
)


@dataclass(frozen=True)
class Latent(Music):
    """Harmony, line, counterpoint and pulse from the states (see `mappings.latent_player`)."""
    scenes: tuple = LATENT_SCENES
    grammars: tuple = LATENT_GRAMMARS
    casts: tuple = LATENT_CASTS
    tonics: tuple = (0,)
    swing: tuple = (0.5, 0.5)

    @property
    def features(self):
        """What is measured for it."""
        names = {name for given in self.grammars for name in (
            given.onset, given.count, given.pitch, given.accent, given.length, given.slide,
            given.touch)}
        return sorted(name for name in names | {"rhythm.stability", "phrase.novelty"} | {
            name for row in self.reads.values() for name in row} if "." in name)

    @property
    def reads(self):
        """role -> the features that move it; "": those that may move every role."""
        return {"": FORM, "chord": ("dynamics.tenor", *CHORD), "octave": (
                    "octave.resonance", "chord.emergence"),
                "counter": (*(f"voices.{kind}" for kind in MOTIONS), *LINE, "orchestra.strings"),
                "bass": ("register.bass", "chord.voicing_change", "chord.inversion",
                         "orchestra.pedal", "dynamics.bass"),
                "melody": (*LINE, "interval.size_st", "melody.smoothness", "phrase",
                           "dynamics.soprano", FIRST_LENGTHS),
                "pulse": ("rhythm.steps", "timbre.high.kurtosis")}

    @property
    def targets(self):
        """What a link may decide: music.scene, which of the scenes that may follow, 0 the first."""
        return {"music.scene": Param("scene", 0.0, 1.0, 0.0)}

    def player(self, steps_per_token=2, bars=None):
        """A LatentPlayer of this music."""
        from mappings.latent_player import LatentPlayer
        return LatentPlayer(self, steps_per_token, bars)
