"""Places and robust scores of streams, and how the calibration gives way to what is played."""
import json

import numpy as np

from mappings.features.scores import WINDOW, Scores


def streamed(values, scores=None):
    if scores is None:
        scores = Scores()
        scores.claim("x", 1)
        scores.begin()
    where = scores.names["x"]
    found = np.array([scores.one(where, x) for x in values])
    return scores, found[:, 0], found[:, 1]


def test_scores_and_places_are_those_of_a_window_sorted_anew():
    values = np.random.default_rng(1).normal(size=1500) ** 3
    values[100:110] = values[99]
    _, places, scores = streamed(values)
    for t in (8, 9, 105, 600, 1499):
        window = values[max(0, t - WINDOW):t]
        below, upto = (window < values[t]).sum(), (window <= values[t]).sum()
        median = np.median(window)
        mad = np.median(np.abs(window - median))
        assert places[t] == (below + upto + 1) / (2 * (len(window) + 1))
        assert np.isclose(scores[t], (values[t] - median) / (1.4826 * mad), rtol=1e-6)
    assert np.isnan(places[:8]).all()


def test_places_of_noise_are_even_and_nan_joins_no_window():
    values = np.random.default_rng(2).normal(size=8000)
    _, places, scores = streamed(values)
    q = np.sort(places[1000:])
    assert np.abs(q - np.arange(1, len(q) + 1) / len(q)).max() < 0.02
    assert np.median(np.abs(scores[1000:])) > 0.6
    made, places, _ = streamed([1.0, np.nan, np.inf])
    assert np.isnan(places).all() and made.counts[0] == 1


def test_the_calibration_gives_way_and_comes_back_and_frozen_stands():
    random = np.random.default_rng(3)
    scores, _, _ = streamed(random.normal(size=600))
    scores.fit()
    scores.forget()
    _, places, _ = streamed(np.full(1, 4.0), scores)
    assert places[0] > 0.98
    played = 4.0 + 0.1 * random.normal(size=600)
    _, places, _ = streamed(played, scores)
    assert abs(places[-100:].mean() - 0.5) < 0.1
    scores.frozen = True
    _, first, _ = streamed(played[:50], scores)
    _, again, _ = streamed(played[:50], scores)
    assert np.array_equal(first, again)
    scores.frozen = False
    scores.forget()
    assert streamed([4.0], scores)[1][0] > 0.98
    other = Scores()
    other.claim("x", 1)
    other.begin()
    other.load(json.loads(json.dumps(scores.profile())))
    other.forget()
    scores.forget()
    assert np.array_equal(streamed(played, other)[1], streamed(played, scores)[1])
