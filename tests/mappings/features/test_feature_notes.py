"""A1, A3, A7, A10: pitch, register, inversion, overtones."""
import numpy as np
import planted
import pytest

from mappings.features import notes
from mappings.features.notes import between, chord_of, divergence_bits, heights, spectrum


def test_a_steady_turn_is_a_steady_pitch_also_on_an_ellipse():
    family, _ = planted.streaming(notes.Pitch)
    random, pitches = np.random.default_rng(1), []
    for t in range(4000):
        x, y = np.cos(2 * np.pi * 0.013 * t), np.sin(2 * np.pi * 0.013 * t) / 3.0
        pitches.append(family.place(x + 0.02 * random.normal(), y + 0.02 * random.normal()))
    steps = (np.diff(pitches[600:]) + 6.0) % 12.0 - 6.0
    assert steps.mean() == pytest.approx(0.156, abs=0.002)
    turn = np.arctan2(np.sin(2 * np.pi * 0.013 * np.arange(77)) / 3.0,
                      np.cos(2 * np.pi * 0.013 * np.arange(77)))
    plain = (np.diff(turn) + np.pi) % (2 * np.pi) - np.pi
    assert plain.max() / plain.min() > 5.0, "the trap: without places the speed varies"


def test_two_notes_at_half_weight_are_half_way_the_shorter_way():
    assert between(2.0, 5.0, 0.5) == 3.5
    assert between(11.0, 1.0, 0.5) == 0.0 and between(1.0, 11.0, 0.25) == 0.5
    family, sight = planted.streaming(notes.Pitch)
    row = planted.blank(sight)
    row["resid"][sight.lead] = (sight.notes_at[2] + sight.notes_at[5]) / np.sqrt(2.0)
    assert sight.see(row, planted.token(), None)
    assert planted.valued(family, sight)["note.pitch_st"] == pytest.approx(3.5, abs=1e-6)
    row["resid"][sight.lead - 1], row["resid"][sight.lead] = row["resid"][sight.lead], 0.0
    sight.see(row, planted.token(), None)
    assert np.isnan(planted.valued(family, sight)["note.pitch_st"]), "off by one layer"


def test_noise_has_even_pitches():
    family, _ = planted.streaming(notes.Pitch)
    random = np.random.default_rng(2)
    found = [family.place(*random.normal(size=2)) for _ in range(3000)][600:]
    assert np.abs(np.histogram(found, 12, (0, 12))[0] / 2400 - 1 / 12).max() < 0.02


@pytest.mark.parametrize("block", range(6))
def test_the_register_of_one_block_is_its_depth(block):
    family, sight = planted.streaming(notes.Register)
    writes = np.zeros((6, 32))
    writes[block] = np.random.default_rng(3).normal(size=32)
    sight.see(planted.written(sight, writes), planted.token(), None)
    found = planted.valued(family, sight)
    assert found["register.height"] == pytest.approx(block / 5, abs=1e-6)
    assert found["register.spread"] == pytest.approx(0.0, abs=1e-3)


def test_equal_writes_stand_in_the_middle_and_growth_does_not_move_it():
    family, sight = planted.streaming(notes.Register)
    loud, other = planted.streaming(notes.Register)
    random = np.random.default_rng(4)
    for t in range(60):
        writes = random.normal(size=(6, 32))
        sight.see(planted.written(sight, writes), planted.token(), None)
        writes[2] *= 50.0
        other.see(planted.written(other, writes), planted.token(), None)
        plain, grown = planted.valued(family, sight), planted.valued(loud, other)
        if t == 0:
            assert plain["register.height"] == pytest.approx(0.5, abs=1e-6)
        assert plain["register.height"] == pytest.approx(grown["register.height"], abs=1e-4)
    out = np.empty(2)
    heights(np.ones(6), out)
    assert out[0] == pytest.approx(0.5)


def test_faults_of_the_register_are_seen(monkeypatch):
    """Wrong axis (notes for blocks) and the block above."""
    family, sight = planted.streaming(notes.Register)
    writes = np.zeros((6, 32))
    writes[1] = 1.0
    sight.see(planted.written(sight, writes), planted.token(), None)
    right = planted.valued(family, sight)["register.height"]
    sight.share = np.roll(sight.share, 1)
    assert abs(planted.valued(family, sight)["register.height"] - right) > 0.1


def test_exchanging_the_low_note_inverts_the_chord():
    squares, chord = np.zeros((6, 12)), np.zeros(3, np.int64)
    squares[5, 0], squares[4, 4], squares[4, 7] = 9.0, 5.0, 3.0
    squares[0, 0], squares[0, 4] = 0.5, 0.1
    assert chord_of(squares, 3, chord) == 0 and sorted(chord) == [0, 4, 7]
    squares[0, 0], squares[0, 4] = 0.1, 0.5
    assert chord_of(squares, 3, chord) == 1 and sorted(chord) == [0, 4, 7]
    assert chord_of(np.zeros((6, 12)), 3, chord) == -1
    a, b = np.zeros((4, 12)), np.zeros((4, 12))
    a[0, 3], b[2, 3] = 2.0, 5.0
    assert divergence_bits(a, b) == pytest.approx(1.0) and divergence_bits(a, 7 * a) == 0.0
    squares[1], squares[2, 0] = squares[0], 4.0
    squares[0] = 0.0
    assert chord_of(squares, 3, chord) == 1
    off = np.roll(squares, -1, axis=0)
    assert chord_of(off, 3, chord) != 1, "off by one block is another bass"


def test_overtones_of_a_power_law_and_of_equal_notes():
    out = np.empty(3)
    spectrum(np.arange(1.0, 13.0) ** -2.0, out)
    assert out[0] == pytest.approx(2.0, abs=1e-9)
    spectrum(np.random.default_rng(1).permutation(np.arange(1.0, 13.0) ** -2.0), out)
    assert out[0] == pytest.approx(2.0, abs=1e-9), "the rank counts, not the pitch class"
    for k in (1, 3, 12):
        spectrum(np.where(np.arange(12) < k, 0.7, 0.0), out)
        assert out[2] == pytest.approx(k)
    spectrum(np.zeros(12), out)
    assert np.isnan(out).all()
