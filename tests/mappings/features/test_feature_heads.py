"""What attention looks at, per band of layers; how much one head writes."""
import numpy as np
import planted
import pytest

from engine.records import GAZE
from mappings.features import heads


def test_bands_are_means_over_their_layers_and_heads():
    family, sight = planted.streaming(heads.Gaze)
    row = planted.blank(sight)
    row["gaze"] = np.random.default_rng(1).uniform(size=row["gaze"].shape)
    sight.see(row, planted.token(), None)
    found = planted.valued(family, sight)
    for k, name in enumerate(heads.TOLD):
        wanted = row["gaze"][2:4, :, GAZE.index(name)].mean()
        assert found[f"attn.mid.{name}"] == pytest.approx(wanted, rel=1e-6)
        wrong = row["gaze"][3:5, :, k].mean(), row["gaze"][2:4, k % 4, :].mean()
        assert all(abs(found[f"attn.mid.{name}"] - w) > 1e-3 for w in wrong)
    row["gaze"][2, :, 0], row["valid"][5, 3] = np.nan, 0
    sight.see(row, planted.token(), None)
    assert np.isnan(planted.valued(family, sight)["attn.mid.entropy"])


def test_the_sink_counts_in_the_entropy_and_not_in_the_spread():
    """A head that looks at the sink and evenly at the rest: of the two numbers one says so."""
    family, sight = planted.streaming(heads.Gaze)
    row = planted.blank(sight)
    row["gaze"][:, :, GAZE.index("entropy")], row["gaze"][:, :, GAZE.index("spread")] = 0.2, 1.0
    sight.see(row, planted.token(), None)
    found = planted.valued(family, sight)
    assert found["attn.low.entropy"] == pytest.approx(0.2) and found["attn.low.spread"] == 1.0


def test_the_loudest_head():
    family, sight = planted.streaming(heads.Loudest)
    row = planted.blank(sight)
    row["head_norm"] = 1.0
    row["head_norm"][4:, 1:] = 0.0
    sight.see(row, planted.token(), None)
    found = planted.valued(family, sight)
    assert found["head.low.share"] == pytest.approx(0.25)
    assert found["head.high.share"] == pytest.approx(1.0)
    row["valid"][4] = 0
    sight.see(row, planted.token(), None)
    assert all(np.isnan(list(planted.valued(family, sight).values())))
