"""A15: subjects and entries."""
import numpy as np
import planted
import pytest

from mappings.features import fugue


def lines(random, count=60, lag=21, sign=1.0, stretch=1, noise=0.3):
    """Heights (count, 4): band 2 repeats what band 0 did, `lag` records later."""
    steps = random.normal(size=(count, 4))
    steps[:15, 0] *= 3.0
    steps[:, 1:] *= 0.5
    for i in range(15):
        for k in range(stretch):
            at = lag + i * stretch + k
            steps[at, 2] = sign * (steps[i, 0] / stretch + noise * random.normal())
    return np.cumsum(np.concatenate([np.zeros((1, 4)), steps]), axis=0)


def listened(heights):
    """(largest match, names and voices of entries, last values)."""
    family, sight = planted.streaming(fugue.Fugue)
    out, best, entries, values = np.empty(5), 0.0, [], None
    for k, row in enumerate(heights):
        sight.events = []
        family.step(row, k == 15, sight, out)
        if np.isfinite(out[0]) and out[0] > best:
            best, values = out[0], out.copy()
        entries += [(voice, out[1], out[2]) for name, _, voice, _ in sight.events
                    if name == "fugue.entry"]
    return best, entries, values


def test_a_planted_copy_is_an_entry():
    random, matches = np.random.default_rng(1), []
    for _ in range(60):
        best, entries, _ = listened(lines(random))
        matches.append(best)
        assert any(voice == "alto" for voice, *_ in entries)
    assert np.mean(np.array(matches) >= 0.9) >= 0.95


@pytest.mark.parametrize("sign, stretch", [(-1.0, 1), (1.0, 2)])
def test_inversion_and_augmentation(sign, stretch):
    random = np.random.default_rng(2)
    found = [listened(lines(random, 80, sign=sign, stretch=stretch, noise=0.1))[1]
             for _ in range(20)]
    alto = [[e for e in entries if e[0].startswith("alto")] for entries in found]
    assert np.mean([bool(e) for e in alto]) >= 0.9
    good = [e[0] for e in alto if e]
    assert np.mean([s == sign for _, _, s in good]) >= 0.9
    assert np.mean(["augmented" in voice for voice, *_ in good]) >= 0.9 * (stretch - 1)


def test_lag_zero_is_no_entry():
    """The trap: all layers work on the same token, so at lag 0 everything imitates."""
    random = np.random.default_rng(3)
    steps = np.repeat(random.normal(size=(15, 1)), 4, axis=1)
    steps = np.concatenate([steps, random.normal(size=(3, 4))])
    _, entries, _ = listened(np.cumsum(np.concatenate([np.zeros((1, 4)), steps]), axis=0))
    assert not entries
    assert fugue.likeness_at(steps[:15, 0], steps[:15, 2].copy(), 14, 1) == pytest.approx(1.0)


def test_noise_has_few_entries():
    random, count = np.random.default_rng(4), 0
    for _ in range(200):
        family, sight = planted.streaming(fugue.Fugue)
        out = np.empty(5)
        for row in np.cumsum(random.normal(size=(200, 4)), axis=0):
            family.step(row, False, sight, out)
        count += sum(name == "fugue.entry" for name, *_ in sight.events)
    assert 0 < count / 200 <= 0.05


def test_notes_are_compared_over_rotations():
    profiles = np.random.default_rng(5).normal(size=(6, 12))
    profiles[3] = np.roll(profiles[0], 5)
    out = np.empty(6)
    fugue.turned(profiles, out)
    assert out[0] == pytest.approx(1.0) and out[3] == pytest.approx(1.0) and out[4] < 0.9
    fugue.turned(profiles[:, np.random.default_rng(6).permutation(12)][::-1].copy(), out)
    assert out[2] < 0.99, "wrong axis: shuffled notes are no transposition"
