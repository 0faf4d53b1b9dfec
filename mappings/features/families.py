"""Which families of features there are, and what they measure. Thread: control.

The core is always measured; the others stream, and only for sets that read them.
"""
from mappings.features import (
    certainty,
    chords,
    counterpoint,
    fugue,
    harmony,
    heads,
    intervals,
    layers,
    loudness,
    mlp,
    notes,
    octaves,
    phrases,
    resid,
    rhythm,
    text,
    token,
    tonality,
    writes,
)
from mappings.features.sight import Sight

CORE = {"token": token.Token, "resid": resid.Resid, "writes": writes.Writes, "mlp": mlp.Mlp,
        "text": text.Text, "layers": layers.Layers}
STREAMS = {"pitch": notes.Pitch, "octaves": octaves.Octaves, "register": notes.Register,
           "intervals": intervals.Intervals, "fifths": chords.Fifths, "chord": chords.Chord,
           "inversion": notes.Inversion, "consonance": harmony.Consonance,
           "heads_consonance": harmony.HeadConsonance, "sympathy": chords.Sympathy,
           "overtones": notes.Overtones, "phrases": phrases.Phrases, "voices": counterpoint.Voices,
           "bands": counterpoint.Bands, "fugue": fugue.Fugue, "key": tonality.Key,
           "modulation": tonality.Modulation, "cadence": rhythm.Cadence,
           "syncopation": rhythm.Syncopation, "rubato": rhythm.Rubato,
           "dynamics": loudness.Dynamics, "sforzando": loudness.Sforzando,
           "timbre": loudness.Timbre, "orchestra": loudness.Orchestra, "form": phrases.Form,
           "variation": phrases.Variation, "lens": certainty.Lens, "heat": certainty.Heat,
           "certainty": certainty.Certainty, "turning": certainty.Turning, "gaze": heads.Gaze,
           "loudest": heads.Loudest}
FAMILIES = CORE | STREAMS
AFTER = {"fugue": "phrases"}              # a family that reads the events of another
NAMES = tuple(name for family in FAMILIES.values() for name in family.names)
RANGES = {name: span for family in FAMILIES.values() for name, span in family.ranges.items()}
TIER = {name: family.tier for family in FAMILIES.values() for name in family.names}


def families_of(descriptor):
    """(name -> family, the Sight that the streams share) of one model."""
    made = {name: family(descriptor) for name, family in CORE.items()}
    sight = Sight(descriptor, made["layers"])
    made |= {name: family(descriptor, sight) for name, family in STREAMS.items()}
    sight.scores.begin()
    return made, sight
