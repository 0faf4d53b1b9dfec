"""What attention and MLP write: louder is more, and a layer's own loudness does not count."""
import numpy as np
import planted
import pytest


def test_a_doubled_write_rises_by_its_own_layers_spread():
    meter = planted.calibrated(planted.stream(1, 400))
    family = meter.families["writes"]
    row = planted.state(np.random.default_rng(2))
    before = meter.measure(row, planted.token()).raw
    row["attn"][2] *= 2.0
    after = meter.measure(row, planted.token()).raw
    rise = np.log(2.0) / family.spread[0, 2] / 2.0                # the band holds two layers
    assert after["attn.mid.write"] - before["attn.mid.write"] == pytest.approx(rise, rel=1e-6)
    del before["attn.mid.write"], after["attn.mid.write"]
    assert {k: v for k, v in before.items() if ".write" in k} == {
        k: v for k, v in after.items() if ".write" in k}


def test_scaling_a_layer_for_the_whole_run_moves_no_place():
    """The trap: raw norms grow with depth, so the last layers would decide everything."""
    rows, played = planted.stream(1, 200), planted.stream(2, 50)
    plain = [f.unit for f in planted.frames(planted.calibrated(rows), played)]
    for state, _ in (*rows, *played):
        state["mlp"][5] *= 64.0
        state["attn"][1] /= 64.0
    scaled = [f.unit for f in planted.frames(planted.calibrated(rows), played)]
    for a, b in zip(plain, scaled, strict=True):
        for name in ("mlp.high.write", "attn.low.write"):
            assert a[name] == pytest.approx(b[name], abs=1e-6)


def test_writes_of_the_same_law_are_centred():
    meter = planted.calibrated(planted.stream(1, 500))
    values = [f.raw["mlp.mid.write"] for f in planted.frames(meter, planted.stream(2, 500))]
    assert abs(np.mean(values)) < 0.1 and np.std(values) == pytest.approx(2 ** -0.5, abs=0.08)


def test_absent_writes_are_absent_not_zero():
    meter = planted.calibrated(planted.stream(1, 60))
    row = planted.state(np.random.default_rng(2))
    row["valid"][1, 0:2] = 0
    row["mlp"][4:6] = np.nan
    frame = meter.measure(row, planted.token())
    for values in (frame.raw, frame.unit):
        assert "attn.low.write" not in values and "mlp.high.write" not in values
        assert "attn.mid.write" in values and "mlp.low.write" in values


def test_a_model_without_attention_never_has_the_feature():
    rows = planted.stream(1, 40)
    for state, _ in rows:
        state["valid"][1] = 0
    names = {name for f in planted.frames(planted.calibrated(rows), rows) for name in f.raw}
    assert not any(name.startswith("attn.") for name in names)
    assert "mlp.low.write" in names
