"""Tables of links and triggers: what they write, when they strike, how a wrong row is refused."""
import math

import pytest

from engine.errors import MappingError
from engine.mapping import Link, Links, Note, Target, Trigger, reading
from engine.param import Param
from engine.records import Frame

FEATURES = ("token.surprisal_nat", "resid.mid.speed", "text.sentence_age_tokens")
REGISTRY = {"bass.cutoff_hz": Param("cutoff_hz", 20.0, 8000.0, 400.0, "exp"),
            "bell.decay_s": Param("decay_s", 0.1, 12.0, 2.0, "exp"),
            "pan.place": Param("place", -1.0, 1.0, 0.0),
            "kick.strike": Param("strike", 0.0, 1.0, 1.0),
            "bell.strike": Param("strike", 0.0, 1.0, 1.0)}


def links(*rows):
    return Links(rows, REGISTRY, FEATURES)


def frame(nat=None, place=None, speed=None):
    raw = {} if nat is None else {"token.surprisal_nat": nat}
    unit = {"token.surprisal_nat": place, "resid.mid.speed": speed}
    raw |= {} if speed is None else {"resid.mid.speed": 1000.0}
    return Frame(1, 0, "", 0, raw, {k: v for k, v in unit.items() if v is not None})


def values(table, frames):
    return [[t.value for t in table.step(f)] for f in frames]


def test_a_link_clips_and_curves_in_the_units_of_both_ends():
    table = links(Link("token.surprisal_nat", (1.0, 5.0), "pan.place", (-1.0, 0.6)))
    seen = values(table, [frame(nat) for nat in (0.0, 1.0, 3.0, 5.0, 90.0)])
    assert sum(seen, []) == pytest.approx([-1.0, -1.0, -0.2, 0.6, 0.6])
    table = links(Link("token.surprisal_nat", (1.0, 5.0), "bass.cutoff_hz", (100.0, 6400.0), "exp"))
    assert values(table, [frame(3.0)]) == [[pytest.approx(800.0)]]


def test_either_end_may_fall():
    down = links(Link("token.surprisal_nat", (1.0, 5.0), "bell.decay_s", (8.0, 2.0), "exp"))
    back = links(Link("token.surprisal_nat", (5.0, 1.0), "bell.decay_s", (8.0, 2.0), "exp"))
    assert values(down, [frame(1.0), frame(3.0), frame(9.0)]) == [
        [8.0], [pytest.approx(4.0)], [pytest.approx(2.0)]]
    assert values(back, [frame(5.0), frame(0.0)]) == [[8.0], [pytest.approx(2.0)]]


def test_a_name_with_its_unit_reads_raw_and_without_its_place():
    raw = links(Link("token.surprisal_nat", (0.0, 10.0), "pan.place", (0.0, 1.0)))
    place = links(Link("token.surprisal", (0.0, 1.0), "pan.place", (0.0, 1.0)))
    assert values(raw, [frame(5.0, 0.9)]) == [[0.5]] and values(place, [frame(5.0, 0.9)]) == [[0.9]]
    unitless = links(Link("resid.mid.speed", (0.0, 1.0), "pan.place", (0.0, 1.0)))
    assert values(unitless, [frame(speed=0.25)]) == [[0.25]]
    assert reading("text.sentence_age", FEATURES, "").raw is False
    assert reading("text.sentence_age_tokens", FEATURES, "").raw is True


def test_a_missing_or_nan_feature_leaves_its_target_alone():
    table = links(Link("token.surprisal_nat", (1.0, 5.0), "pan.place", (0.0, 1.0)),
                  Link("resid.mid.speed", (0.0, 1.0), "bell.decay_s", (1.0, 2.0)))
    assert [t.path for t in table.step(frame(None, speed=0.5))] == ["bell.decay_s"]
    assert [t.path for t in table.step(frame(math.nan, speed=0.5))] == ["bell.decay_s"]
    assert table.step(frame(math.inf)) == []


def test_a_target_carries_its_lags_and_its_cause():
    row = Link("resid.mid.speed", (0.0, 1.0), "pan.place", (0.0, 1.0), "lin", 0.5, 2.0)
    target = Target("pan.place", 1.0, 0.5, 2.0, "resid.mid.speed")
    assert links(row).step(frame(speed=1.0)) == [target]
    assert Target("pan.place", 1.0, 0.5).fall_s == 0.5 and Target("pan.place", 1.0).fall_s == 0.0


def test_a_trigger_fires_once_and_rearms_below_its_second_threshold():
    table = links(Trigger("token.surprisal_nat", 5.0, 4.0, "kick.strike", (0.2, 1.0)))
    course = (3.0, 5.0, 5.1, 9.0, 4.5, 6.0, 4.0, 6.0, 3.9, 4.9, 5.5)
    struck = [k for k, nat in enumerate(course) if table.strikes(frame(nat))]
    assert struck == [2, 10]
    table.forget()
    assert table.strikes(frame(6.0)), "a new performance starts armed"


def test_a_missing_feature_neither_fires_nor_rearms():
    table = links(Trigger("token.surprisal_nat", 5.0, 4.0, "kick.strike"))
    assert table.strikes(frame(6.0))
    assert not table.strikes(frame()) and not table.strikes(frame(math.nan))
    assert not table.strikes(frame(6.0))


def test_a_strike_is_louder_the_further_it_passes():
    raw = links(Trigger("token.surprisal_nat", 5.0, 4.0, "kick.strike", (0.2, 1.0)))
    levels = []
    for nat in (5.0001, 7.0, 9.0, 50.0):
        levels += [note.level for note in raw.strikes(frame(nat))]
        raw.strikes(frame(0.0))
    assert levels == pytest.approx([0.2, 0.6, 1.0, 1.0], abs=1e-4)
    place = links(Trigger("resid.mid.speed", 0.8, 0.6, "bell.strike", (0.5, 1.0)))
    note = Note("bell", 60.0, pytest.approx(0.75), cause="resid.mid.speed")
    assert place.strikes(frame(speed=0.9)) == [note]


def test_tables_add():
    tide = (Link("resid.mid.speed", (0.0, 1.0), "pan.place", (0.0, 1.0)),)
    still = (Trigger("resid.mid.speed", 0.8, 0.6, "bell.strike"),)
    table = Links(tide + still, REGISTRY, FEATURES)
    assert table.step(frame(speed=1.0)) and table.strikes(frame(speed=1.0))


LINK = dict(feature="token.surprisal_nat", reads=(1.0, 5.0), target="bass.cutoff_hz",
            writes=(100.0, 900.0), curve="lin", rise_s=0.0, fall_s=0.0)


@pytest.mark.parametrize("change, says", [
    ({"feature": "token.suprisal_nat"}, "did you mean 'token.surprisal_nat'?"),
    ({"feature": "resid.mid.speed_nat"}, "did you mean 'resid.mid.speed'?"),
    ({"target": "bass.cutoff"}, "did you mean 'bass.cutoff_hz'?"),
    ({"target": "kick.strike", "writes": (0.1, 1.0)}, "takes a Trigger"),
    ({"feature": "token.surprisal"}, "leaves 0..1"),
    ({"writes": (100.0, 9000.0)}, "leaves 20..8000"),
    ({"reads": (2.0, 2.0)}, "has no width"),
    ({"reads": (2.0, math.nan)}, "must be two numbers"),
    ({"reads": 2.0}, "must be two numbers"),
    ({"writes": (True, 100.0)}, "must be two numbers"),
    ({"curve": "log"}, "curve must be lin"),
    ({"curve": "exp", "target": "pan.place", "writes": (-1.0, 1.0)}, "exp with writes > 0"),
    ({"rise_s": -1.0}, "rise_s and fall_s"),
])
def test_a_wrong_link_is_refused_in_one_line(change, says):
    with pytest.raises(MappingError) as error:
        links(Link(**{**LINK, **change}))
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("row, says", [
    (Trigger("token.surprisal_nat", 4.0, 5.0, "kick.strike"), "must be below"),
    (Trigger("token.surprisal_nat", 5.0, 5.0, "kick.strike"), "must be below"),
    (Trigger("token.surprisal_nat", 5.0, 4.0, "kik.strike"), "did you mean 'kick.strike'?"),
    (Trigger("token.surprisal_nat", 5.0, 4.0, "bass.cutoff_hz"), "write 'PART.strike'"),
    (Trigger("resid.mid.speed", 5.0, 4.0, "kick.strike"), "leaves 0..1"),
    (Trigger("token.surprisal_nat", 5.0, 4.0, "kick.strike", (0.5, 1.5)), "leaves 0..1"),
    ("kick", "neither Link nor Trigger"),
])
def test_a_wrong_trigger_is_refused_in_one_line(row, says):
    with pytest.raises(MappingError) as error:
        links(row)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_two_links_to_one_target_are_refused():
    with pytest.raises(MappingError, match="two links"):
        links(Link(**LINK), Link(**{**LINK, "feature": "resid.mid.speed", "reads": (0.0, 1.0)}))


def test_steps_quantise_in_the_curve_of_the_target():
    table = links(Link("token.surprisal_nat", (0.0, 1.0), "bass.cutoff_hz", (100.0, 1600.0), "exp",
                       steps=5))
    seen = sum(values(table, [frame(nat) for nat in (0.0, 0.12, 0.13, 0.4, 0.7, 0.88, 2.0)]), [])
    assert seen == pytest.approx([100.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 1600.0])


def test_hysteresis_holds_what_only_trembles_and_reaches_both_ends():
    row = Link("token.surprisal_nat", (0.0, 1.0), "pan.place", (0.0, 1.0), hysteresis=0.1)
    table = links(row)
    assert values(table, [frame(nat) for nat in (0.5, 0.55, 0.45, 0.61, 0.55, 0.95, 1.2)]) == [
        [0.5], [], [], [0.61], [], [0.95], [1.0]]
    table.forget()
    assert values(table, [frame(0.55)]) == [[0.55]]
    trembling = [frame(0.5 + 0.02 * (k % 2)) for k in range(20)]
    stepped = {"steps": 2, "hysteresis": 0.1}
    held = links(Link("token.surprisal_nat", (0.01, 1.0), "pan.place", (0.0, 1.0), **stepped))
    assert len({v[0] for v in values(held, trembling) if v}) == 1


@pytest.mark.parametrize(("change", "said"), [
    ({"latch": "bars"}, "no latch 'bars'; did you mean 'bar'"), ({"latch": None}, "no latch"),
    ({"steps": 1}, "steps must be"), ({"steps": 2.5}, "steps must be"),
    ({"steps": -2}, "steps must be"), ({"hysteresis": 0.6}, "hysteresis"),
    ({"hysteresis": math.nan}, "hysteresis"), ({"hysteresis": "a"}, "hysteresis")])
def test_a_wrong_latch_step_or_hysteresis_is_refused(change, said):
    row = {"feature": "token.surprisal_nat", "reads": (0.0, 1.0), "target": "pan.place",
           "writes": (0.0, 1.0)} | change
    with pytest.raises(MappingError, match=said):
        links(Link(**row))
