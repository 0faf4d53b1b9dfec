"""Evidence: a planted shift of the mean is found, and chance is called chance."""
import numpy as np
import pytest

from engine.model.contrast import Contrast
from engine.model.evidence import parts_of, weigh

LAYERS, WIDTH, EACH = 3, 96, 60


def planted(seed, size, paired=False, layer=1, spread=0.0):
    """(states (texts, LAYERS, WIDTH), the Contrast, the planted unit vector): one layer holds it,
    and along another axis each text lies somewhere, `spread` wide."""
    random = np.random.default_rng(seed)
    truth, other = np.linalg.qr(random.normal(size=(WIDTH, 2)))[0].T
    positive = np.repeat([True, False], EACH)
    states = random.normal(size=(2 * EACH, LAYERS, WIDTH))
    states[:, layer] += size * np.outer(positive, truth)
    states[:, layer] += np.outer(spread * random.normal(size=2 * EACH), other)
    groups = np.tile(np.arange(EACH), 2) if paired else np.arange(2 * EACH)
    return states, Contrast(("x",) * (2 * EACH), positive, groups, paired, "planted"), truth


def test_a_shift_is_found_in_its_layer_and_no_other():
    states, contrast, _ = planted(2, 6.0)
    found = weigh(states, contrast)
    assert found.layer == 2 and found.auc > 0.99 and found.token_auc is None and found.p < 0.01
    assert abs(found.control_auc - 0.5) < 0.02 and max(found.aucs[0], found.aucs[2]) < 0.7
    assert found.cosine > 0.9 and found.cosine_low <= found.cosine
    assert weigh(states, contrast) == found, "the same again"
    assert weigh(states, contrast, layer=1).aucs == found.aucs


@pytest.mark.parametrize("paired", [False, True])
def test_noise_is_called_noise(paired):
    found = [weigh(*planted(seed, 0.0, paired)[:2]) for seed in range(6)]
    assert abs(np.mean([one.auc for one in found]) - 0.5) < 0.15, "the best of three layers"
    assert all(abs(one.control_auc - 0.5) < 0.02 for one in found)
    assert sum(one.p < 0.05 for one in found) <= 1
    given = weigh(*planted(0, 0.0, paired)[:2], layer=found[0].layer)
    assert given.auc == found[0].auc and given.p < found[0].p, "the choice of a layer is paid for"


def test_a_pair_is_never_split():
    contrast = planted(3, 1.0, paired=True)[1]
    part = parts_of(contrast.positive, contrast.groups, np.random.default_rng(1))
    assert (part[:EACH] == part[EACH:]).all()
    assert np.bincount(part).tolist() == [24] * 5


def test_a_text_said_twice_does_not_answer_for_itself():
    """Twins with random labels: tested on a twin, a direction would seem to know the class."""
    random = np.random.default_rng(4)
    once = random.normal(size=(EACH, 1, WIDTH))
    twins, groups = np.concatenate([once, once]), np.tile(np.arange(EACH), 2)
    positive = np.tile(random.permutation(np.repeat([True, False], EACH // 2)), 2)
    told = Contrast(("x",) * (2 * EACH), positive, groups, False, "twins")
    alone = Contrast(told.texts, positive, np.arange(2 * EACH), False, "twins")
    assert weigh(twins, told).auc < 0.65 < 0.75 < weigh(twins, alone).auc
