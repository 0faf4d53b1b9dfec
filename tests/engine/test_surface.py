"""The registry as surfaces see it."""
from engine import sets
from engine.surface import Entry, entries


def test_every_parameter_and_scene_of_a_set_has_an_entry():
    made = sets.load("house")
    found = {entry.address: entry for entry in entries(made, ("token.surprisal_nat",))}
    table = made.registry()
    assert {e.path for e in found.values() if e.path} == set(table.paths)
    cutoff = found["/a/bass/cutoff_hz"]
    assert (cutoff.kind, cutoff.tags, cutoff.unit, cutoff.curve) == ("value", "f", "hz", "exp")
    assert cutoff.default == table.values[table.index["bass.cutoff_hz"]]
    assert found["/scene"].choices == tuple(scene.name for scene in made.music.scenes)
    assert {f"/mute/{part}" for part in made.parts} <= set(found)
    assert found["/feature/token/surprisal_nat"].unit == "nat"
    assert found["/tempo"].default == made.bpm


def test_no_address_twice_and_none_that_osc_refuses():
    found = [entry.address for entry in entries(sets.load("house"))]
    assert len(found) == len(set(found))
    assert all(a.isascii() and not set(a) & set(" #*,?[]{}") and a[0] == "/" for a in found)


def test_an_entry_survives_its_file():
    import json
    for entry in entries(sets.load("house")):
        assert Entry.from_data(json.loads(json.dumps(entry.data()))) == entry
