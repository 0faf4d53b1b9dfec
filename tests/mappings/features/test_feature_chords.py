"""A5, A6, A9: fifths, chord quality, emergence, sympathy."""
import numpy as np
import planted
import pytest

from mappings.features import chords
from mappings.features.scores import Scores

DIATONIC = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], float)


def test_a_fifth_up_is_an_hour():
    place, clarity = chords.fifths(DIATONIC)
    for hour in range(12):
        there, same = chords.fifths(np.roll(DIATONIC, 7 * hour % 12))
        assert (12 * (there - place) - hour + 6) % 12 - 6 == pytest.approx(0.0, abs=1e-9)
        assert same == pytest.approx(clarity)
    assert np.isnan(chords.fifths(np.zeros(12))[0])
    assert chords.fifths(np.ones(12))[1] == pytest.approx(0.0, abs=1e-12)
    wrong = np.roll(DIATONIC, 1)          # wrong axis: semitones are no fifths
    assert abs((12 * (chords.fifths(wrong)[0] - place) - 1 + 6) % 12 - 6) > 1.0


def test_neighbouring_scales_share_notes():
    def notes(hours):
        return set(np.flatnonzero(np.roll(DIATONIC, 7 * hours % 12)))
    assert [len(notes(0) & notes(k)) for k in range(7)] == [7, 6, 5, 4, 3, 2, 2]
    family, _ = planted.streaming(chords.Fifths)
    out = np.empty(3)
    for _ in range(40):
        family.step(DIATONIC, False, out)
    family.step(DIATONIC, True, out)
    for _ in range(400):
        family.step(np.roll(DIATONIC, 7), False, out)
    assert out[2] == 1 and out[1] == pytest.approx(chords.fifths(DIATONIC)[1], abs=0.01)


def triads(random, count, width=256):
    """Cosines of random triads."""
    x = random.normal(size=(count, 3, width))
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    return np.stack([(x[:, a] * x[:, b]).sum(1) for a, b in ((0, 1), (0, 2), (1, 2))], axis=1)


def calibrated(random):
    scores = Scores()
    where = scores.claim("chord", 3)
    scores.begin()
    for row in triads(random, 600):
        scores.take(where, row)
    return scores, where


@pytest.mark.parametrize("cosines, wanted", [
    ((0.6, 0.6, 0.6), 0), ((0.6, -0.2, -0.2), 1), ((-0.4, -0.4, -0.4), 2), ((0.0, 0.0, 0.0), 3)])
def test_planted_triads_have_their_quality(cosines, wanted):
    scores, where = calibrated(np.random.default_rng(1))
    scores.frozen = True
    for _ in range(20):
        _, found = scores.take(where, np.array(cosines))
        assert chords.quality(found)[0] == wanted
        assert chords.qualities(found[None])[0] == wanted


def test_random_triads_have_all_qualities():
    random = np.random.default_rng(2)
    scores, where = calibrated(random)
    found = []
    for row in triads(random, 4000):
        found.append(chords.quality(scores.take(where, row)[1])[0])
    shares = np.bincount(found, minlength=4) / len(found)
    assert np.abs(shares - (0.28, 0.42, 0.15, 0.15)).max() < 0.03
    unit = np.array([[1, 0], [-0.5, 0.75 ** 0.5], [-0.5, -(0.75 ** 0.5)]])
    assert (unit @ unit.T)[np.triu_indices(3, 1)].mean() == pytest.approx(-0.5)


def test_off_by_one_block_is_another_triad():
    """The triad of block l is state l, attention l, MLP l: with the next state it is lost."""
    family, sight = planted.streaming(chords.Chord, width=64)
    random, near, far = np.random.default_rng(3), [], []
    for _ in range(30):
        row = planted.blank(sight)
        row["attn"] = random.normal(size=(6, 64))
        row["mlp"] = random.normal(size=(6, 64))
        row["resid"] = random.normal(size=(7, 64))
        row["attn"][2] = row["resid"][2]
        sight.see(row, planted.token(), None)
        near.append(sight.triad[2, 0])
        far.append(np.abs(sight.triad[[0, 1, 3, 4, 5], 0]).max())
    assert min(near) > 0.9999 and max(far) < 0.6
    family.value(sight, np.empty(6))
    assert len(sight.rows["chord.quality"]) == 6


def test_pursuit_finds_the_notes_that_were_struck():
    random = np.random.default_rng(4)
    rows = np.linalg.qr(random.normal(size=(128, 12)))[0].T
    good, chosen = 0, np.zeros(12, np.int64)
    for _ in range(300):
        at = random.choice(12, 3, replace=False)
        u = random.uniform(0.6, 1.0, 3) @ rows[at]
        noise = random.normal(size=128)
        noise *= np.linalg.norm(u) * 0.1 / np.linalg.norm(noise)          # 20 dB
        u = u + noise
        known, unexplained = chords.explained(rows @ u, rows @ rows.T, float(u @ u), 0.05, 12,
                                              chosen)
        slow, _, rest = chords.pursuit(u, rows)
        assert slow == chosen[:known].tolist() and rest == pytest.approx(unexplained)
        good += set(chosen[:known].tolist()) == set(at.tolist())
        assert unexplained == pytest.approx(0.01, abs=0.02)
    assert good >= 297


def test_an_orthonormal_dictionary_has_no_sympathy():
    family, _ = planted.streaming(chords.Sympathy)
    family.atoms(np.eye(64)[:40])
    assert family.leak(np.eye(64)[3] + 0.5 * np.eye(64)[7])[0] == 0.0
    atoms = np.eye(64)[:2].copy()
    atoms[1] = (0.5, 3.0 ** 0.5 / 2) + (0.0,) * 62
    family.atoms(atoms)
    ratio, leak = family.leak(atoms[0])
    assert ratio == pytest.approx(0.5) and leak == pytest.approx([0.0, 0.5])
    assert np.isnan(family.leak(np.eye(64)[9])[0]), "nothing is struck"
