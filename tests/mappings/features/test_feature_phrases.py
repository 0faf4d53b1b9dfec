"""A12, A13, A27, A28: contour, phrases, form, variation."""
import numpy as np
import planted
import pytest

from mappings.features import phrases


def drawn(kind, random, n=24):
    """A phrase of one shape, noise half its spread."""
    x = np.linspace(-1.0, 1.0, n)
    y = {"flat": 0 * x, "rise": x, "fall": -x, "arch": -x * x, "valley": x * x,
         "wave": np.sin(2 * np.pi * x)}[kind]
    y = (y - y.mean()) / (y.std() or 1.0)
    return y + 0.5 * random.normal(size=n)


@pytest.mark.parametrize("kind", phrases.SHAPES)
def test_planted_contours_are_named(kind):
    random = np.random.default_rng(1)
    found = [phrases.SHAPES[int(phrases.shape_of(drawn(kind, random))[1])] for _ in range(300)]
    assert np.mean([f == kind for f in found]) >= 0.98


def test_a_contour_backwards_is_another():
    """Wrong axis of time: what rises falls."""
    y = drawn("rise", np.random.default_rng(2))
    slope, shape = phrases.shape_of(y)
    back, other = phrases.shape_of(y[::-1])
    assert slope > 0 > back and (shape, other) == (1, 2)
    assert np.isnan(phrases.shape_of(y[:3])[0])


def boundaries(norm, seed):
    """(planted, found) boundaries of 20 segments in 64 dimensions."""
    random = np.random.default_rng(seed)
    family, sight = planted.streaming(phrases.Phrases)
    out, real, told, t = np.empty(5), [], [], 0
    for _ in range(20):
        centre = random.normal(size=64)
        centre *= norm / np.linalg.norm(centre)
        real.append(t)
        for _ in range(random.integers(12, 41)):
            sight.events = []
            family.step(centre + 0.4 * random.normal(size=64), 0.5, False, sight, out)
            told += [t - late for name, _, _, late in sight.events if name == "phrase"]
            t += 1
    return real[1:], told


def score(norm, shift=0):
    """F1 within two records, over several runs."""
    hits, planted_, told_ = 0, 0, 0
    for seed in range(12):
        real, told = boundaries(norm, seed)
        told = [t + shift for t in told]
        hits += sum(any(abs(t - r) <= 2 for t in told) for r in real)
        planted_, told_ = planted_ + len(real), told_ + len(told)
    return 2 * hits / (planted_ + told_)


@pytest.mark.parametrize("norm, least", [(3.0, 0.94), (2.0, 0.92), (1.5, 0.88)])
def test_planted_segments_are_found(norm, least):
    assert score(norm) >= least


def test_the_latency_is_what_it_says():
    """A boundary told without its latency is not where it was."""
    assert score(3.0, shift=4) < 0.3


def test_noise_has_few_phrases_and_sentences_make_some():
    random = np.random.default_rng(5)
    family, sight = planted.streaming(phrases.Phrases)
    out = np.empty(5)
    for _ in range(2000):
        family.step(random.normal(size=64), 0.5, False, sight, out)
    assert len(sight.events) < 60
    sight.events = []
    for t in range(100):
        family.step(np.ones(64) + 1e-3 * random.normal(size=64), t / 100, t % 20 == 19, sight, out)
    assert sum(name == "phrase" for name, *_ in sight.events) >= 5
    assert out[4] > 0.0, "the level rose"


def played(parts, seed):
    """Events (name, record) of a prompt about A and then parts, of 64 records each."""
    random = np.random.default_rng(seed)
    centres = {name: 3.0 * random.normal(size=64) / 8 for name in "ABC"}
    family, sight = planted.streaming(phrases.Form)
    out, found = np.empty(2), []
    for t in range(64):
        family.step(centres["A"] + 0.2 * random.normal(size=64), True, t % 8 == 7, sight, out)
    for t, name in enumerate(name for name in parts for _ in range(64)):
        sight.events = []
        family.step(centres[name] + 0.2 * random.normal(size=64), False, False, sight, out)
        found += [(event, t - late) for event, _, _, late in sight.events]
    return found


def test_what_comes_back_is_a_recapitulation_and_what_does_not_is_none():
    for seed in range(8):
        back = [t for event, t in played("BBA", seed) if event == "recapitulation"]
        assert len(back) == 1 and abs(back[0] - 128) <= 6, seed
        assert not [e for e, _ in played("BBC", seed) if e == "recapitulation"], seed


def phrase(family, sight, out, centre, tokens, random):
    for k, token in enumerate(tokens):
        family.step(centre + 0.01 * random.normal(size=64), token, k == len(tokens) - 1, out)
    return out[0]


def test_variation_is_a_known_theme_in_new_words():
    random, out = np.random.default_rng(6), np.empty(2)
    family, sight = planted.streaming(phrases.Variation)
    family.step_ = family.step
    family.step = lambda z, token, ends, o: family.step_(z, token, ends, sight, o)
    theme, other = random.normal(size=(2, 64))
    other -= theme * (other @ theme) / (theme @ theme)
    phrase(family, sight, out, theme, range(10, 20), random)
    assert np.isnan(out).all(), "nothing came before it"
    assert phrase(family, sight, out, theme, range(10, 20), random) == pytest.approx(0.0, abs=1e-6)
    family.themes = family.themes[:1]
    assert phrase(family, sight, out, other, range(40, 50), random) <= 0.1
    family.themes = family.themes[:1]
    assert phrase(family, sight, out, theme, range(60, 70), random) >= 0.9
