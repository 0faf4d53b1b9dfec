"""What a link may decide in the music's place: each target moves its own thing and nothing else."""
import itertools

import pytest
import texts

from engine.sets import load
from mappings.music import STEPS

MUSIC = load("sets/house.py").music


def play(wishes, bars=64, seed=1):
    """The steps of a performance in which links decided all along what `wishes` says."""
    player, source = MUSIC.player(2, None), iter(texts.frames(seed, bars * 8))
    for path, value in wishes.items():
        player.turn(path, value)
    return [player.step(step, [] if step % 2 else list(itertools.islice(source, 1)), False)
            for step in range(bars * STEPS)]


@pytest.fixture(scope="module")
def usual():
    return play({})


def edits(steps):
    return sum(note.cause.startswith("edit") for step in steps for note in step.notes)


def notes(steps, edited=True):
    return [(i, n.part, n.pitch_st) for i, s in enumerate(steps) for n in s.notes
            if edited or not n.cause.startswith("edit")]


def test_edits_are_as_many_as_wished(usual):
    none, many = play({"music.edits": 0.0}), play({"music.edits": 8.0})
    assert edits(none) == 0 < edits(usual) < edits(many)
    assert [s.chord for s in none] == [s.chord for s in usual]
    assert [s.section for s in many] == [s.section for s in usual]


def test_the_swing_is_where_it_is_wished_and_the_notes_stay(usual):
    swung = play({"music.swing": 0.56})
    assert notes(swung) == notes(usual)
    odd = {round(n.delay_steps, 6) for i, s in enumerate(swung) if i % 2 for n in s.notes}
    assert odd == {0.12}


def test_chords_and_key_are_chosen_and_say_so(usual):
    low, high = play({"music.chords": 0.0}), play({"music.chords": 1.0})
    chords = [[s.chord for s in steps[::STEPS][:32]] for steps in (low, high, usual)]
    assert chords[0] != chords[1] and [s.section for s in low] == [s.section for s in usual]
    pads = [n.cause for s in low for n in s.notes if n.cause.startswith("chord")]
    assert pads and all(": music.chords" in cause for cause in pads)
    assert len({play({"music.key": x}, 16)[-1].chord for x in (0.0, 0.5, 1.0)}) > 1


def test_the_scene_that_follows_is_chosen_and_says_so():
    def then(share):
        steps = play({"music.scene": share}, 192)
        names = [steps[0].section] + [b.section for a, b in itertools.pairwise(steps)
                                      if a.section != b.section]
        causes = {t.cause for s in steps for t in s.targets if t.cause.startswith("scene")}
        return names, causes
    first, last = then(0.0), then(1.0)
    offered = {scene.name: scene.then for scene in MUSIC.scenes}
    for (names, causes), place in ((first, 0), (last, -1)):
        chosen = [(a, b) for a, b in itertools.pairwise(names) if len(offered[a]) > 1]
        assert chosen and any(cause.endswith(": music.scene") for cause in causes)
        assert [b for a, b in chosen if a == "break"] == [
            offered["break"][place] for a, _ in chosen if a == "break"]
    assert first[0] != last[0]


def test_what_is_offered_has_a_range_that_the_loader_checks():
    targets = MUSIC.targets
    assert set(targets) == {"music.scene", "music.chords", "music.key", "music.edits",
                            "music.swing"}
    assert all(param.low < param.high for param in targets.values())
