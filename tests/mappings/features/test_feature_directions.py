"""Directions live: the number that was learned, from the right row, beside the profile."""
import numpy as np
import pytest
from planted import LAYERS, WIDTH, calibrated, stream

from engine.model.directions import Direction
from mappings.features import NAMES, Meter

RANDOM = np.random.default_rng(5)


def direction(name, layer):
    vector = RANDOM.normal(size=WIDTH).astype("f4")
    reader = RANDOM.normal(size=WIDTH).astype("f4")
    return Direction(name, layer, vector / np.linalg.norm(vector), reader, 0.7,
                     np.linspace(-20.0, 20.0, 65), 1.0, "planted", "abc")


CHOSEN = direction("calm", 2), direction("late", LAYERS)


@pytest.fixture
def meter():
    found = calibrated(stream(1, 60))
    found.direct(CHOSEN)
    return found


def test_the_feature_is_the_offline_projection(meter):
    for state, token in stream(2, 20):
        early, frame = meter.glance(state), meter.measure(state, token)
        for one in CHOSEN:
            name = f"direction.{one.name}"
            offline = np.float32(state["resid"][one.layer] @ one.reader) - 0.7
            assert frame.raw[name] == early.raw[name] == pytest.approx(offline, rel=1e-6)
            place = np.clip((offline + 20.0) / 40.0, 0.0, 1.0)
            assert frame.unit[name] == pytest.approx(place, abs=1e-6)


def test_an_absent_layer_has_no_number(meter):
    state, token = stream(3, 1)[0]
    state["valid"][0, LAYERS] = 0
    frame = meter.measure(state, token)
    assert "direction.calm" in frame.raw and "direction.late" not in frame.raw


def test_the_profile_knows_nothing_of_them(meter):
    plain = calibrated((), meter.profile())
    plain.direct(CHOSEN)
    assert plain.signature == Meter.signature and Meter.names == NAMES
    assert plain.names == (*NAMES, "direction.calm", "direction.late")
    assert plain.named(CHOSEN[:1]) == (*NAMES, "direction.calm")
    for state, token in stream(4, 3):
        assert plain.measure(state, token).raw == meter.measure(state, token).raw
    plain.direct(())
    assert plain.names == NAMES and not any(
        name.startswith("direction.") for name in plain.measure(state, token).raw)
