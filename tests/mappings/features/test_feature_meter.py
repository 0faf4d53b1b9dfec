"""The meter as a whole: calibration, order, repeatability, what is left out, profiles."""
import json
import math

import numpy as np
import planted
import pytest

from engine import records
from engine.errors import MappingError
from engine.mapping import UNITS
from mappings.features import NAMES
from mappings.features.common import bands_of, curve, places
from mappings.features.meter import CORE


def same(a, b):
    return all(x.raw == y.raw and x.unit == y.unit for x, y in zip(a, b, strict=True))


def test_every_feature_of_first_light_is_measured_and_placed():
    rows = planted.stream(1, 80)
    last = planted.frames(planted.calibrated(rows), rows)[-1]
    core = tuple(name for family in CORE.values() for name in family.names)
    assert tuple(last.raw) == core == tuple(last.unit) and len(core) == 25
    assert core == NAMES[:25] and not last.events
    assert set(last.rows) == {"writes.attn", "writes.mlp"}
    assert all(0.0 <= place <= 1.0 for place in last.unit.values())
    assert all(isinstance(x, float) for x in (*last.raw.values(), *last.unit.values()))


def test_the_same_records_give_the_same_frames_and_another_order_others():
    rows, played = planted.stream(1, 80), planted.stream(2, 40)
    meter = planted.calibrated(rows)
    first = planted.frames(meter, played)
    meter.forget()
    assert same(first, planted.frames(meter, played))
    assert same(first, planted.frames(planted.calibrated(rows), played))
    meter.forget()
    back = planted.frames(meter, played[::-1])[::-1]
    turned = [a.raw["resid.mid.turn"] != b.raw["resid.mid.turn"]
              for a, b in zip(first[1:-1], back[1:-1], strict=True)]
    assert sum(turned) > 30, "the turn must depend on what came before"
    assert all(a.raw["mlp.mid.write"] == b.raw["mlp.mid.write"]
               for a, b in zip(first, back, strict=True))


def test_a_glance_at_the_state_says_what_the_whole_record_will():
    rows, played = planted.stream(1, 80), planted.stream(2, 30)
    plain, meter = planted.calibrated(rows), planted.calibrated(rows)
    for number, (state, token) in enumerate(played):
        early = meter.glance(state) if number % 3 else None
        frame, whole = plain.measure(state, token), meter.measure(state, token)
        assert (whole.raw, whole.unit) == (frame.raw, frame.unit)
        if early:
            assert {"resid.mid.speed", "mlp.mid.write", "mlp.mid.sparsity"} <= set(early.raw)
            assert early.raw.items() <= frame.raw.items() and "token.margin_nat" not in early.raw
            assert early.unit.items() <= frame.unit.items()
    sink = planted.state(np.random.default_rng(9), flags=records.SINK)
    assert meter.glance(sink) is None


def test_playing_never_moves_the_calibration():
    meter = planted.calibrated(planted.stream(1, 80))
    before = json.dumps(meter.profile())
    planted.frames(meter, planted.stream(2, 200))
    assert json.dumps(meter.profile()) == before


@pytest.mark.parametrize("flag", [records.SINK, records.TEMPLATE, records.INVALID])
def test_uncounted_rows_change_nothing(flag):
    """The trap: position 0 is hundreds of times larger and would own every mean and cosine."""
    rows, played = planted.stream(1, 80), planted.stream(2, 30)
    monster = planted.state(np.random.default_rng(9), flags=flag)
    for name in ("resid", "attn", "mlp", "act"):
        monster[name] *= 1e4
    sink = (monster, planted.token("", flags=flag, surprisal_nat=40.0))
    meter = planted.calibrated([sink, *rows[:40], sink, *rows[40:]])
    plain = planted.calibrated(rows)
    assert meter.profile() == plain.profile()
    seen = planted.frames(meter, [sink, *played[:10], sink, *played[10:]])
    assert seen[0].raw == {} == seen[0].unit and seen[11].raw == {}
    assert same(seen[1:11] + seen[12:], planted.frames(plain, played))


def test_a_nan_row_is_absent_and_forgotten():
    meter = planted.calibrated(planted.stream(1, 80))
    played = planted.stream(2, 3)
    broken = played[1][0]
    for name in ("resid", "attn", "mlp", "act"):
        broken[name] = np.nan
    before, during, after = planted.frames(meter, played)
    assert {name.split(".")[0] for name in during.raw} == {"token", "text"}
    meter.forget()
    assert planted.frames(meter, [played[0], played[2]])[1].raw["resid.mid.turn"] == (
        after.raw["resid.mid.turn"])
    assert all(math.isfinite(x) for f in (before, after) for x in f.raw.values())


def test_calibration_records_are_not_played():
    meter = planted.calibrated(planted.stream(1, 80))
    row = planted.state(np.random.default_rng(1), flags=records.CALIBRATION)
    assert meter.measure(row, planted.token()).raw == {}


def test_without_calibration_values_have_no_place():
    meter = planted.Meter(planted.MODEL)
    meter.freeze()
    frame = planted.frames(meter, planted.stream(1, 2))[1]
    assert frame.unit == {} and "token.surprisal_nat" in frame.raw
    assert "attn.low.write" not in frame.raw and "resid.axis.1" not in frame.raw


def test_a_profile_measures_bit_for_bit_alike():
    rows, played = planted.stream(1, 80), planted.stream(2, 40)
    meter = planted.calibrated(rows)
    carried = json.loads(json.dumps(meter.profile()))
    assert same(planted.frames(meter, played),
                planted.frames(planted.calibrated(None, carried), played))


@pytest.mark.parametrize("change", [
    {"version": 99}, {"weight_hash": "other"}, {"names": ["token.surprisal_nat"]}, {"grid": "x"},
    {"families": {}}, {"families": None}, {"families": {"token": {}, "resid": {}}}])
def test_a_wrong_profile_is_one_line_and_changes_nothing(change):
    meter = planted.calibrated(planted.stream(1, 80))
    before = meter.profile()
    with pytest.raises(MappingError) as error:
        meter.load_profile({**before, **change})
    assert "\n" not in str(error.value) and "calibrate again" in str(error.value)
    assert meter.profile() == before


def test_a_text_cut_inside_a_character_is_read():
    meter = planted.calibrated(planted.stream(1, 20))
    state = planted.state(np.random.default_rng(1))
    frame = meter.measure(state, planted.token("\U0001f389" * 20 + "x"))
    assert frame.text == "\U0001f389" * 16
    row = planted.token("ab\u00e9")
    row["text_bytes"] = 3
    assert meter.measure(state, row).text == "ab"


def test_bands_cover_every_layer_in_order():
    for layers in range(1, 40):
        bands = bands_of(layers)
        assert set(range(layers)) == {k for a, b in bands for k in range(a, b)}
        assert all(b > a for a, b in bands) and bands[2][1] == layers


def test_places_of_equal_values_are_the_middle_of_their_run():
    grid = np.stack([curve(np.repeat((1.0, 2.0), 50)), curve(np.full(50, 3.0)),
                     curve(np.array([np.nan] * 50 + [1.0]))])
    out = np.empty(3)
    places(np.array([1.0, 3.0, 1.0]), grid, out)
    assert 0.2 < out[0] < 0.3 and out[1] == 0.5 and math.isnan(out[2])
    places(np.array([-9.0, 9.0, np.nan]), grid, out)
    assert out[0] == 0.0 and out[1] == 1.0 and math.isnan(out[2])


def test_every_feature_says_its_unit_or_has_none():
    """A last word that is no unit says what is measured: `excess` in standard deviations."""
    words = {name.rpartition("_")[2] for name in NAMES if "_" in name.rpartition(".")[2]}
    assert words <= {*UNITS, "change", "excess"} and {"octaves", "blocks", "token"} <= words
