"""Sections, keys, cells: what is renewed at a line, what stands, who plays."""
import pytest
import texts

from engine.sets import load
from mappings.arrange import FULL, STILL, TURNED
from mappings.music import STEPS

MUSIC = load("sets/house.py").music


def bars(seed, count, per_token=2):
    """Yields (player, step) at each bar's first step, after it was written."""
    player, source = MUSIC.player(per_token, None), iter(texts.frames(seed, count * 8))
    for step in range(count * STEPS):
        made = player.step(step, [next(source)] if step % per_token == 0 else [], False)
        if step % STEPS == 0:
            yield player, made


@pytest.mark.parametrize("seed", (1, 2, 3))
def test_cells_change_only_on_eight_bar_lines_where_the_text_turned_one_or_two_at_a_time(seed):
    before, theme, start, changes, stood = {}, None, 0, 0, 0
    for player, _ in bars(seed, 160):
        form, arranger = player.form, player.arranger
        cells = dict(arranger.here.theme.cells)
        if theme is arranger.here.theme and start == form.start:
            changed = [key for key in before if cells[key] != before[key]]
            line = form.section_bar % 8 == 0
            turn = player.memory.spread("resid.mid.turn", arranger.phrase_tokens)
            if line and turn >= STILL:
                known = [r for r in arranger.active if (r, arranger.active[r] >= FULL) in before]
                assert len(changed) == min(len(known), 2 if turn > TURNED else 1)
                changes += 1
            else:
                assert not changed
                stood += 1
        before, theme, start = cells, arranger.here.theme, form.start
    assert changes > 3 and stood > 60


def test_thin_and_full_sections_have_cells_of_their_own_and_a_drop_recalls_its_own():
    kept = {}
    for player, made in bars(4, 200):
        if made.cycle:
            break
        cells = player.arranger.here.theme.cells
        if made.section == "drop" and made.section_bar == 0:
            assert {("bass", False), ("bass", True)} <= set(cells)
            assert len(cells["bass", True].bars[0]) > len(cells["bass", False].bars[0])
            assert not kept or cells["bass", True] == kept["last"]
        if made.section == "drop":
            kept["last"] = cells["bass", True]
    assert kept


def test_each_cycle_has_another_key_and_another_cast():
    keys, casts = {}, {}
    for player, made in bars(5, 500):
        if made.section == "drop":
            keys[made.cycle] = player.arranger.here.tonic
            casts[made.cycle] = player.arranger.cast.name
    assert len(keys) >= 3
    for found in (keys, casts):
        assert all(found[c] != found[c + 1] for c in range(len(found) - 1))


def test_parts_enter_and_leave_on_lines_of_four_bars():
    before, section = set(), None
    for player, made in bars(6, 160):
        now = set(player.arranger.active)
        if made.section_bar % 4:
            assert now == before and section == made.section
        before, section = now, made.section


def test_a_break_has_other_chords_than_the_drop():
    chords = {}
    for _, made in bars(7, 128):
        chords.setdefault(made.section, []).append(made.chord)
    assert chords["break"][:8] != chords["drop"][:8] and chords["drop"][:8] == chords["drop"][8:16]


def test_levels_follow_the_scene_the_cast_and_the_part():
    found = {}
    for player, made in bars(8, 400):
        for target in made.targets:
            if target.path == "chords.level_db":
                role = {part: role for role, part in player.arranger.cast.parts.items()}["chords"]
                found.setdefault((made.section, role), set()).add(target.value)
    home = MUSIC.levels_db["chords"]
    assert found["drop", "stab"] == {home} and found["build", "stab"] == {home - 3.0}
    assert found.get(("drop", "hook"), {home + 6.0}) == {home + 6.0}
