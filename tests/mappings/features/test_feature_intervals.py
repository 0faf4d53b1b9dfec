"""A4, A11: intervals and melody."""
import numpy as np
import planted
import pytest

from mappings.features import intervals


def line(states, width, sketches=None):
    """The values of a family given lead states, and the names of its events."""
    family, sight = planted.streaming(intervals.Intervals, width=width)
    out, found, events = np.empty(8), [], []
    for k, z in enumerate(states):
        sight.events = []
        sketch = np.resize(z, 64) if sketches is None else sketches[k]
        family.step(z, sketch, sight, out)
        found.append(dict(zip(family.names, out.tolist(), strict=True)))
        events.append([name for name, *_ in sight.events])
    return found, events


def test_random_pairs_use_every_size_evenly():
    random = np.random.default_rng(1)
    found, _ = line(random.normal(size=(4000, 64)), 64)
    sizes = np.array([f["interval.size_st"] for f in found[600:]], int)
    counts = np.bincount(sizes, minlength=13)
    chi = ((counts - len(sizes) / 13) ** 2 / (len(sizes) / 13)).sum()
    assert len(counts) == 13 and chi < 26.2            # chi-square, 12 degrees, p = 0.01
    tension = {f["interval.tension_st"] for f in found[600:]}
    assert tension == set(range(13))


def test_a_fixed_table_would_call_unrelated_pairs_fifths():
    """The trap: in 896 dimensions random pairs stand at 90 +- 1.9 degrees."""
    random = np.random.default_rng(2)
    found, _ = line(random.normal(size=(400, 896)), 896)
    degrees = np.array([f["interval.angle_deg"] for f in found[1:]])
    assert degrees.mean() == pytest.approx(90.0, abs=0.3)
    assert degrees.std() == pytest.approx(1.9, abs=0.2)
    assert (np.abs(degrees - 90.0) < 5.0).mean() > 0.98
    assert np.mean([f["interval.unrelated"] for f in found[1:]]) > 0.9


def test_the_same_state_is_a_unison_and_four_times_it_two_octaves():
    random = np.random.default_rng(3)
    states = list(random.normal(size=(60, 64)))
    found, events = line([*states, states[-1], 4.0 * states[-1]], 64)
    assert found[-2]["interval.size_st"] == 0 and found[-2]["interval.octaves"] == 0
    assert found[-1]["interval.octaves"] == 2 and events[-1] == ["melody.repeat"]
    assert found[-1]["interval.unrelated"] == 0 and found[5]["interval.octaves"] == 0


def test_leaps_of_a_walk_are_found():
    random = np.random.default_rng(4)
    z, states, leaps = random.normal(size=128), [], []
    for _ in range(1500):
        leap = random.uniform() < 0.05
        step = random.normal(size=128)
        z = z + step / np.linalg.norm(step) * (3.0 if leap else 1.0)
        z *= 12.0 / np.linalg.norm(z)
        states.append(z.copy())
        leaps.append(leap)
    _, events = line(states, 128)
    told = np.array(["melody.leap" in e for e in events])[300:]
    assert told[np.array(leaps)[300:]].mean() >= 0.95


def test_smoothness_of_noise_is_one_and_of_a_slow_turn_small():
    random = np.random.default_rng(5)
    noise, _ = line(random.normal(size=(600, 64)), 64)
    smooth = [f["melody.smoothness"] for f in noise[100:]]
    assert np.mean(smooth) == pytest.approx(1.0, abs=0.05)
    turn = 2 * np.pi * np.arange(200) / 400
    a, b = np.linalg.qr(random.normal(size=(64, 2)))[0].T
    slow, _ = line(np.cos(turn)[:, None] * a + np.sin(turn)[:, None] * b, 64)
    assert slow[-1]["melody.smoothness"] < 0.2
    assert np.isnan(slow[20]["melody.smoothness"])


def test_the_lead_layer_is_read_and_not_its_neighbour():
    family, sight = planted.streaming(intervals.Intervals)
    random = np.random.default_rng(6)
    fixed, found = random.normal(size=32), []
    for _ in range(20):
        row = planted.blank(sight)
        row["resid"] = random.normal(size=row["resid"].shape)
        row["resid"][sight.lead] = fixed
        sight.see(row, planted.token(), None)
        found.append(planted.valued(family, sight)["interval.angle_deg"])
    assert max(found[1:]) < 0.1
