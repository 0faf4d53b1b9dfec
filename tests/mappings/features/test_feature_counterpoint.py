"""A14: how voices move against each other."""
import numpy as np
import planted
import pytest

from engine.records import GAZE
from mappings.features import counterpoint
from mappings.features.counterpoint import KINDS, Motion, geometric, motion


def pair(kind, random, count=400):
    """Two voices whose steps of 0.5 are of one kind, noise 0.03."""
    up = np.where(random.uniform(size=count) < 0.5, 0.5, -0.5)
    other = {"parallel": up, "contrary": -up, "oblique": 0 * up, "similar": 2.0 * up,
             "static": 0 * up}[kind]
    first = 0 * up if kind == "static" else up
    steps = np.stack([first, other], axis=1) + 0.03 * random.normal(size=(count, 2))
    return np.cumsum(steps, axis=0)


@pytest.mark.parametrize("kind, least", [("parallel", 0.995), ("contrary", 0.995),
                                         ("oblique", 0.995), ("similar", 0.90)])
def test_planted_motion_is_named(kind, least):
    voices = Motion(2)
    for places in pair(kind, np.random.default_rng(1)):
        voices.step(places)
    assert voices.rates[KINDS.index(kind)] >= least
    assert voices.rates.sum() == pytest.approx(1.0)


def test_a_held_voice_does_not_shrink_the_dead_band():
    """The trap: with a dead-band of its own, a held voice's noise is motion."""
    assert motion(0.5, 0.03, 0.4 * 0.5) == 1 and motion(0.5, 0.03, 0.4 * 0.02) in (3, 4)


def test_independent_walks_show_no_excess():
    random = np.random.default_rng(2)
    wide = []
    for _ in range(12):
        voices = Motion(3)
        for places in np.cumsum(random.choice([-1.0, 1.0], (600, 3)), axis=0):
            voices.step(places)
        wide.append(voices.excess())
        assert voices.rates[2] == pytest.approx(0.5, abs=0.2)
    assert np.abs(wide).max() < 3.0 and np.abs(np.mean(wide)) < 1.0
    told = Motion(2)
    for places in pair("contrary", random):
        told.step(places)
    assert told.excess()[0] > 5.0 and told.excess()[1] < -5.0


def test_a_crossing_has_to_hold():
    voices, crossed = Motion(2), []
    for t in range(60):
        a, b = (0.0, 1.0) if t < 30 or t == 20 else (1.0, 0.0)
        if t == 20:
            a, b = 1.0, 0.0               # for one record only
        crossed.append(voices.step(np.array([a, b + 0.001 * t])) or [])
    at = [t for t, pairs in enumerate(crossed) if pairs]
    assert at == [31] and crossed[31] == [(0, 1)]


def test_the_gaze_of_the_lead_layer_and_no_other(monkeypatch):
    family, sight = planted.streaming(counterpoint.Voices)
    random, row = np.random.default_rng(3), planted.blank(sight)
    octaves = GAZE.index("gaze_octaves")
    places = np.cumsum(np.where(random.uniform(size=300) < 0.5, 0.5, -0.5))
    for x in places:
        row["gaze"] = random.normal(size=row["gaze"].shape)
        row["gaze"][3, :, octaves] = x + 0.01 * random.normal(size=4)
        sight.see(row, planted.token(), None)
        found = planted.valued(family, sight)
    assert found["voices.parallel"] > 0.98
    for fault in ("_layer", "wrong number"):
        broken, _ = planted.streaming(counterpoint.Voices)
        if fault == "_layer":
            broken._layer = 2
        else:
            monkeypatch.setattr(counterpoint, "OCTAVES", GAZE.index("entropy"))
        for x in places[:100]:
            row["gaze"] = random.normal(size=row["gaze"].shape)
            row["gaze"][3, :, octaves] = x + 0.01 * random.normal(size=4)
            sight.see(row, planted.token(), None)
            wrong = planted.valued(broken, sight)
        assert wrong["voices.parallel"] < 0.5, fault
        monkeypatch.undo()


def test_steps_as_vectors():
    a, b = np.eye(8)[:2]
    assert geometric(a, a + 0.5 * b) == "parallel" and geometric(a, b) == ""
    assert geometric(a, b - a) == "contrary"
