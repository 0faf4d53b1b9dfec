"""Edits: by surprise, where the strongest band is, at most k a bar, never on the kick."""
import pytest
import texts

from engine.records import Frame
from engine.sets import load
from mappings.memory import NAMES
from mappings.music import STEPS

MUSIC = load("sets/house.py").music


@pytest.fixture
def player():
    """A player eight bars into its drop, with rows for the bar."""
    player, source = MUSIC.player(2, None), iter(texts.frames(2, 1024))
    for step in range(256 * STEPS):
        player.step(step, [next(source)] if step % 2 == 0 else [], False)
        if player.form.name == "drop" and player.form.section_bar == 8 and step % STEPS == 0:
            return player
    raise AssertionError("no drop")


def frame(**unit):
    places = dict.fromkeys(NAMES, 0.5) | {"token.surprisal_nat": 0.99, "token.margin_nat": 0.9}
    named = {"bass": "attn.low.write", "stab": "attn.mid.write", "hook": "attn.high.write",
             "surprisal": "token.surprisal_nat", "entropy": "token.entropy_nat",
             "margin": "token.margin_nat"}
    return Frame(5, 5, " a", 0, {}, places | {named[k]: v for k, v in unit.items()})


def rows(player):
    return [(r.role, r.step, r.pitch_st, r.cause) for step in player.rows for r in step]


def edit(player, step, made, left=3):
    player.editor.left = left
    before = rows(player)
    player.editor.hear([made], step, player.rows, player.arranger)
    after = rows(player)
    return ([r for r in after if r not in before], [r for r in before if r not in after])


def test_the_usual_edits_nothing(player):
    assert edit(player, 2, frame(surprisal=0.8, bass=1.0)) == ([], [])


def test_the_role_of_the_strongest_band_is_edited(player):
    for role in ("bass", "stab", "hook"):
        new, _ = edit(player, 6, frame(**{role: 1.0}))
        if role in player.arranger.active:
            assert new and {r[0] for r in new} == {role}


def test_no_more_than_k_a_bar(player):
    assert edit(player, 6, frame(bass=1.0), left=0) == ([], [])
    edit(player, 6, frame(bass=1.0), left=1)
    assert player.editor.left == 0


def test_the_bass_keeps_off_the_kick(player):
    for step in (0, 4, 8, 12):
        new, _ = edit(player, step, frame(bass=1.0, entropy=0.1))
        assert all(r[1] == step + 1 for r in new)


def test_an_unsure_word_drops_what_it_meets(player):
    at = next(r.step for step in player.rows for r in step if r.role == "bass")
    new, gone = edit(player, at, frame(bass=1.0, entropy=0.1, margin=0.1))
    assert not new and [r[:2] for r in gone] == [("bass", at)]


def test_after_the_bar_line_the_edit_is_forgotten_and_the_cell_stands(player):
    cell = player.arranger.here.theme.cells["bass", True]
    edit(player, 6, frame(bass=1.0))
    assert player.arranger.here.theme.cells["bass", True] is cell
