"""Steering on the stage's side: what a set and a surface ask, what is told and journaled."""
import math
from types import SimpleNamespace

import numpy as np
import pytest
from staging import run, stage
from typer.testing import CliRunner

from engine import actions as module
from engine.actions import Actions
from engine.cli import app
from engine.cli_steer import asked
from engine.conductor import Conductor
from engine.errors import SetError
from engine.journal import frame_data
from engine.performance import Options, choose
from engine.records import STEER, TEMPERATURE, TOKEN, Frame
from engine.steering import Steering, checked, paths_of, with_options
from engine.surface import entries
from engine.why_words import token
from engine.wires.layout_pages import pages
from mappings.features.meter import steered

SEA = {"directions": ("calm", "sea"), "steering": {"steer.sea": 0.5}}


@pytest.fixture
def acting(monkeypatch):
    conductor, source, _ = stage(live=True, **SEA)
    source.give(*range(40))
    run(conductor, 3)
    monkeypatch.setattr(module, "TEMPERATURE_S", 0.0)
    actions = Actions(conductor, [].append)
    return SimpleNamespace(act=actions.act, actions=actions, conductor=conductor, source=source)


def told(acting):
    return [(text, value) for kind, value, text, _ in acting.source.controls if kind == STEER]


def test_a_surface_steers_and_the_look_ahead_goes(acting):
    acting.act("/steer/calm", [-0.25])
    acting.act("/ablate/sea", [1.0])
    acting.actions.attend()
    assert told(acting) == [("steer.calm", -0.25), ("ablate.sea", 1.0)]
    assert {after for *_, after in acting.source.controls} == {1} and not acting.source.playing
    assert acting.conductor.steering.amounts == {
        "steer.calm": -0.25, "ablate.calm": 0.0, "steer.sea": 0.5, "ablate.sea": 1.0}
    acting.act("/steer/calm", [-0.25])
    acting.actions.attend()
    assert len(told(acting)) == 2, "what does not change throws nothing away"


def test_a_turned_knob_is_told_seldom_and_its_release_at_once(acting, monkeypatch):
    monkeypatch.setattr(module, "TEMPERATURE_S", 1000.0)
    for k in range(50):
        acting.act("/steer/calm", [k / 50])
        acting.actions.attend()
    assert told(acting) == [] or told(acting) == [("steer.calm", 0.02)]
    acting.actions._told_s = 0.0
    acting.actions.attend()
    assert told(acting)[-1] == ("steer.calm", 0.98)
    acting.act("/steer/calm", [0.0])
    assert told(acting)[-1] == ("steer.calm", 0.0), "no waiting"
    acting.act("/unsteer")
    assert told(acting)[-1] == ("steer.sea", 0.0)
    assert not any(acting.conductor.steering.amounts.values())


def test_keys_lean_along_the_first_direction(acting):
    for change, amount in ((0.25, 0.25), (0.25, 0.5), (-0.75, -0.25)):
        acting.actions.lean(change)
        assert told(acting)[-1] == ("steer.calm", amount)
    for _ in range(9):
        acting.actions.lean(-0.25)
    assert told(acting)[-1] == ("steer.calm", -1.0)


@pytest.mark.parametrize("address, values, words", [
    ("/steer/clam", [0.5], "did you mean 'steer.calm'"), ("/steer/calm", [1.5], "-1..1"),
    ("/ablate/calm", [-0.1], "0..1"), ("/steer/calm", [], "-1..1"),
    ("/steer/calm", [math.nan], "needs numbers"), ("/steer/calm", [math.inf], "needs numbers")])
def test_what_does_not_fit_is_one_line_and_changes_nothing(acting, address, values, words):
    with pytest.raises(SetError, match=words):
        acting.act(address, values)
    acting.actions.attend()
    assert told(acting) == []


def test_a_set_without_directions_has_nothing_to_steer():
    conductor, _, _ = stage(live=True)
    actions = Actions(conductor, [].append)
    with pytest.raises(SetError, match="the set names no directions"):
        actions.lean(0.25)
    actions.unsteer()
    assert not any("steer" in entry.address for entry in entries(conductor.made))
    assert conductor.steering.words() == ""


def test_surfaces_are_made_from_the_directions():
    conductor, _, _ = stage(**SEA)
    found = {entry.address: entry for entry in entries(conductor.made)}
    one = found["/steer/sea"]
    assert (one.kind, one.low, one.high, one.default) == ("value", -1.0, 1.0, 0.5)
    assert (found["/ablate/calm"].low, found["/ablate/calm"].default) == (0.0, 0.0)
    assert found["/steered"].kind == "out" and found["/unsteer"].kind == "trigger"
    labels = [control.label for control in pages(found.values())[0].controls]
    assert {"steer sea", "ablate sea", "unsteer", "temperature"} <= set(labels)


@pytest.mark.parametrize("more, words", [
    ({"steering": {"steer.sea": 1.5}}, "-1..1"), ({"steering": {"ablate.sea": -1}}, "0..1"),
    ({"steering": {"steer.sea": math.nan}}, "-1..1"), ({"steering": {"steer.see": 1}}, "steer.sea"),
    ({"steering": {"steer.sea": True}}, "-1..1"), ({"steering": ("sea", 1)}, "must be a dict"),
    ({"steer_limit_nat": 0.0}, "above 0"), ({"steer_limit_nat": math.nan}, "above 0"),
    ({"chat": "yes"}, "True or False")])
def test_a_set_that_steers_wrongly_is_refused(more, words):
    with pytest.raises(SetError, match=words):
        stage(**{"directions": ("sea",)} | more)


def test_options_write_over_the_set_and_add_directions():
    options = Options(**asked(["calm=0.25", "lab/rain.safetensors=1"], ["sea=0.5"], 2.0, True))
    made = choose(options)
    assert made.directions == ("calm", "lab/rain.safetensors", "sea")
    assert made.steering == {"steer.calm": 0.25, "steer.rain": 1.0, "ablate.sea": 0.5}
    assert made.steer_limit_nat == 2.0 and made.chat
    assert paths_of(made.directions)[2:4] == ["steer.rain", "ablate.rain"]
    named = with_options(SimpleNamespace(**SEA), [("steer", "sea", 0.0)])
    assert named == {"directions": ("calm", "sea"), "steering": {"steer.sea": 0.0}}
    assert choose(Options()).directions == () and checked((), {}, 0.7) == {}


@pytest.mark.parametrize("arguments, words", [
    (["--steer", "calm"], "NAME=AMOUNT"), (["--steer", "=1"], "NAME=AMOUNT"),
    (["--ablate", "calm=nan"], "NAME=AMOUNT"), (["--steer", "calm=2"], "-1..1"),
    (["--steer", "calm=0.5", "--steer-limit", "0"], "above 0")])
def test_options_that_are_wrong_are_one_line(arguments, words, tmp_path):
    done = CliRunner().invoke(app, ["render", "house", "--bars", "1", "-o",
                                    str(tmp_path / "x.wav"), *arguments])
    assert done.exit_code != 0 and words in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_what_steering_did_is_shown_and_kept():
    steering = Steering(SimpleNamespace(steer_limit_nat=0.7, **SEA))
    assert steering.words() == "steering sea +0.50"
    steering.heard(Frame(1, 1, "", 0, steered=(0.31, 1.0)))
    assert steering.words() == "steering sea +0.50: 0.31 of 0.7 nat"
    steering.amounts["ablate.calm"] = 0.25
    steering.heard(Frame(1, 1, "", 0, steered=(0.7, 0.42)))
    assert steering.words() == "steering calm -0.25 sea +0.50: 0.70 of 0.7 nat, cut to 42%"
    steering.heard(Frame(1, 1, "", 0, steered=(0.0, 0.0)))
    assert steering.words().endswith("refused, 1 words")
    assert frame_data(Frame(1, 1, "", 0, steered=(0.7, 0.4)))["steered"] == (0.7, 0.4)
    assert "steered" not in frame_data(Frame(1, 1, "", 0))
    assert token({"seq": 3, "text": "sea", "steered": (0.42, 1.0)}).endswith("steered: 0.42 nat")


def test_a_token_says_how_far_it_was_steered():
    row = np.zeros(1, TOKEN)[0]
    row["steer_nat"], row["steer_share"] = 0.5, 0.25
    assert steered(row) == (0.5, 0.25)
    row["steer_nat"] = math.nan
    assert steered(row) == ()


def test_a_new_set_brings_its_amounts():
    conductor, source, _ = stage(live=True, **SEA)
    source.give(*range(40))
    run(conductor, 2)
    made, _, rig = stage(**{**SEA, "steering": {"steer.sea": -0.5}, "temperature": 0.4})
    conductor.meter.named = lambda directions: conductor.meter.names
    conductor.meter.direct = lambda directions: None
    conductor.adopt(made.made, rig.tables[0])
    run(conductor, 20)
    kinds = [(kind, text, value) for kind, value, text, _ in source.controls]
    assert kinds == [(TEMPERATURE, "", 0.4), (STEER, "steer.sea", -0.5)]
    assert isinstance(conductor, Conductor)
