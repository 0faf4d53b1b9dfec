"""A8, the acoustic side: roughness, harmonic entropy, tonal vectors."""
import numpy as np
import pytest

from mappings.features.acoustic import harmonic_entropy, partials, roughness, tonal_vector

C4_HZ = 261.6256


def rough(*pitches_st):
    return roughness(*partials([C4_HZ * 2 ** (st / 12) for st in pitches_st]))


def test_roughness_of_dyads_and_triads():
    found = [rough(0, st) for st in (1, 2, 3, 4, 5, 6, 7, 12)]
    assert found == pytest.approx([3.85, 2.72, 2.15, 1.98, 1.34, 1.93, 0.69, 0.10], abs=0.006)
    triads = [rough(0, *rest) for rest in ((4, 7), (3, 7), (4, 8), (3, 6))]
    assert triads == pytest.approx([4.36, 4.50, 5.38, 5.85], abs=0.006)
    assert roughness([440.0], [1.0]) == 0.0 and rough(0) > 0.0


def test_the_smoothest_ratios_at_500_hz():
    ratios = np.arange(1.1, 2.05, 0.0005)
    curve = np.array([roughness(*partials([500.0, 500.0 * r])) for r in ratios])
    dips = ratios[1:-1][(curve[1:-1] < curve[:-2]) & (curve[1:-1] < curve[2:])]
    for wanted in (1.1585, 1.2, 1.25, 4 / 3, 1.5, 5 / 3, 1.771, 2.0):
        assert np.abs(dips - wanted).min() < 0.002, wanted


def test_harmonic_entropy():
    found = [harmonic_entropy(cents) for cents in (0, 50, 498, 702, 1200)]
    assert found == pytest.approx([2.465, 4.806, 4.366, 4.122, 3.324], abs=0.002)


def test_tonality_of_chords_and_that_it_cannot_tell_mode():
    def norm(*notes):
        chroma = np.zeros(12)
        chroma[list(notes)] = 1.0
        return np.linalg.norm(tonal_vector(chroma))
    found = [norm(0), norm(0, 7), norm(0, 4, 7), norm(0, 3, 6), norm(0, 4, 8), norm(*range(12))]
    assert found == pytest.approx([32.86, 25.23, 20.36, 18.64, 18.39, 0.0], abs=0.01)
    assert norm(0, 3, 7) == pytest.approx(norm(0, 4, 7))
