"""Surprise, entropy and margin come through untouched, and are absent where the model gave none."""
import math

import numpy as np
import planted

from engine import records


def test_the_numbers_of_the_record_come_through():
    meter = planted.calibrated(planted.stream(1, 60))
    row = planted.token(surprisal_nat=4.25, entropy_nat=1.5, margin_nat=0.5)
    raw = meter.measure(planted.state(np.random.default_rng(2)), row).raw
    assert (raw["token.surprisal_nat"], raw["token.entropy_nat"], raw["token.margin_nat"]) == (
        4.25, 1.5, 0.5)


def test_a_prompt_token_has_no_surprise_but_a_state():
    meter = planted.calibrated(planted.stream(1, 60))
    row = planted.token(flags=records.PREFILL, surprisal_nat=math.nan, entropy_nat=math.nan,
                        margin_nat=math.inf)
    frame = meter.measure(planted.state(np.random.default_rng(2)), row)
    assert not any(name.startswith("token.") for name in (*frame.raw, *frame.unit))
    assert "resid.mid.speed" in frame.unit


def test_places_are_uniform_on_what_was_learned_and_rise_with_the_value():
    rows = planted.stream(1, 400)
    places = [f.unit["token.surprisal_nat"] for f in planted.frames(planted.calibrated(rows), rows)]
    expected = np.linspace(0.0, 1.0, len(places))
    assert np.abs(np.sort(places) - expected).max() < 0.03
    order = np.argsort([float(token["surprisal_nat"]) for _, token in rows])
    assert np.all(np.diff(np.array(places)[order]) >= 0.0)
