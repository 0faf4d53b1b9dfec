"""The tables refuse what cannot be played, and say what to write instead."""
import pytest

from engine.errors import MappingError
from mappings.house import HOUSE_CASTS, HOUSE_GRAMMARS, HOUSE_SCENES
from mappings.music import Entry, Grammar, Music, Scene

ONES = (1.0,) * 16


@pytest.mark.parametrize("made, text", [
    (lambda: Grammar("bass", "bas", ONES, (1, 2)), "did you mean 'bass'"),
    (lambda: Grammar("bass", "bass", ONES[1:], (1, 2)), "16 weights"),
    (lambda: Grammar("bass", "bass", (0.0,) * 16, (1, 2)), "over 0"),
    (lambda: Grammar("bass", "bass", ONES, (3, 2)), "hits"),
    (lambda: Grammar("bass", "bass", ONES, (1, 2), form="aabba"), "1 to 4 letters"),
    (lambda: Grammar("pad", "pad", ONES, (1, 2), register=(60, 70)), "18 semitones"),
    (lambda: Music(HOUSE_SCENES, HOUSE_GRAMMARS, ()), "casts"),
    (lambda: Music(HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS, swing=(0.4, 0.5)), "swing"),
    (lambda: Music(HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS, modes=("aeolean",)), "'aeolian'"),
    (lambda: Music(HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS, modes=()), "no mode"),
    (lambda: Music((Scene("drop", (8,), (), then=("brake",)), Scene("break", (8,), (), then=())),
                   (), HOUSE_CASTS), "did you mean 'break'"),
    (lambda: Music((Scene("drop", (8,), (Entry("bas"),), then=()),), HOUSE_GRAMMARS,
                   HOUSE_CASTS), "did you mean 'bass'"),
    (lambda: Music((Scene("drop", (6,), (), then=()),), (), HOUSE_CASTS), "multiples of four"),
])
def test_what_cannot_be_played_is_refused(made, text):
    with pytest.raises(MappingError, match=text):
        made()


def test_every_feature_family_is_read_somewhere():
    read = {getattr(g, field) for g in HOUSE_GRAMMARS
            for field in ("onset", "count", "pitch", "accent", "length", "slide", "touch")}
    for name in ("token.surprisal_nat", "token.entropy_nat", "token.margin_nat", "resid.mid.turn",
                 "attn.low.write", "attn.mid.write", "attn.high.write", "mlp.low.write",
                 "mlp.mid.write", "mlp.high.write", "mlp.high.sparsity", "resid.axis.1"):
        assert name in read, name


def test_the_names_that_are_read_are_features_of_the_meter():
    from mappings.features import NAMES
    read = {getattr(g, field) for g in HOUSE_GRAMMARS
            for field in ("onset", "count", "pitch", "accent", "length", "slide", "touch")}
    read |= {entry.reads for scene in HOUSE_SCENES for entry in scene.entries}
    assert read - {""} <= set(NAMES)


def test_a_small_music_plays_on_through_its_cycles():
    loop = Scene("loop", (4,), (Entry("kick"), Entry("bass")), then=("loop",), roll=True)
    bass = Grammar("bass", "bass", ONES, (2, 4))
    player = Music((loop,), (bass,), HOUSE_CASTS[:1], tonics=(33,), modes=("dorian",)).player(2)
    steps = [player.step(step, [], True) for step in range(40 * 16)]
    assert steps[-1].cycle > 2 and {n.part for s in steps for n in s.notes} == {"kick", "bass"}
    assert not [t for s in steps for t in s.targets if t.path.endswith("delay_send")]
