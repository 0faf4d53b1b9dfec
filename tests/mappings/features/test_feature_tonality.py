"""A16, A17: keys, tonicisation and modulation."""
import numpy as np
import planted
import pytest

from mappings.features import tonality
from mappings.features.tonality import MAJOR, MINOR, PROFILES, fits

MAJOR_SET = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], float)
MINOR_SET = np.array([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0], float)


def test_correlations_of_the_profiles():
    found = fits(MAJOR_SET)
    order = np.argsort(-found)
    assert order[:3].tolist() == [0, 12 + 9, 7]
    assert found[order[:3]] == pytest.approx([0.756, 0.712, 0.677], abs=0.001)
    assert PROFILES[0] @ PROFILES[7] == pytest.approx(0.591, abs=0.001)
    assert PROFILES[0] @ PROFILES[5] == pytest.approx(0.591, abs=0.001)
    assert PROFILES[0] @ PROFILES[12 + 9] == pytest.approx(0.650, abs=0.001)
    assert np.corrcoef(MAJOR, MINOR)[0, 1] == pytest.approx(PROFILES[0] @ PROFILES[12])


def test_a_natural_minor_set_needs_its_bass():
    """The trap: alone it is the relative major."""
    assert np.argmax(fits(MINOR_SET)) == 3
    assert np.argmax(fits(MINOR_SET, bass=0)) == 12


@pytest.mark.parametrize("tonic", [0, 5, 10])
def test_a_key_is_held_until_another_is_clear(tonic):
    family, sight = planted.streaming(tonality.Key)
    out, low = np.empty(4), np.zeros(12)
    low[tonic] = 1.0
    for _ in range(100):
        family.step(np.roll(MAJOR, tonic) ** 0.5, low, sight, out)
    assert out[0] == tonic and out[1] == 0 and out[2] > 0.9
    other, sight.events = np.roll(MAJOR, tonic + 7) ** 0.5, []
    family.step(other, np.roll(low, 7), sight, out)
    assert out[0] == tonic and not sight.events
    for _ in range(400):
        family.step(other, np.roll(low, 7), sight, out)
    assert out[0] == (tonic + 7) % 12 and [e[0] for e in sight.events] == ["key"]
    wrong = np.roll(MAJOR[::-1], tonic) ** 0.5              # wrong axis: turned the other way
    for _ in range(400):
        family.step(wrong, np.roll(low, 7), sight, out)
    assert out[2] < 0.9


def visited(seed, norm, back=True):
    """Events of an 8-record excursion and then a move for good, in noise of norm 4."""
    random = np.random.default_rng(seed)
    family, sight = planted.streaming(tonality.Modulation)
    a, b = random.normal(size=(2, 64))
    a, b = norm * a / np.linalg.norm(a), norm * b / np.linalg.norm(b)
    out, found = np.empty(3), []
    for t in range(420):
        sight.events = []
        home = b if 200 <= t < 208 or t >= 300 else a
        family.step(home + 0.5 * random.normal(size=64), sight, out)
        found += [name for name, *_ in sight.events]
    return found


@pytest.mark.parametrize("norm", [2.0, 3.0, 4.0])
def test_an_excursion_is_no_modulation(norm):
    good = [visited(seed, norm) == ["tonicisation", "modulation"] for seed in range(60)]
    assert np.mean(good) >= 0.95


def test_noise_does_not_modulate():
    random, found = np.random.default_rng(7), []
    family, sight = planted.streaming(tonality.Modulation)
    out = np.empty(3)
    for _ in range(60_000):
        family.step(random.normal(size=64), sight, out)
    assert not (found + sight.events)
