"""A set that names directions: rendered, journaled, asked why; and refused when it is wrong."""
import io

import numpy as np
import pytest
from playing import HOUSE, started, until

from engine.errors import ModelError
from engine.journal import MAGIC, Take, _chunks, from_bf16
from engine.model.directions import known, read
from engine.session import Options, render
from engine.why import Why
from mappings.features import Meter

LINK = '    Link("direction.calm_effect", (-2.0, 1.0), "chords.pan", (-0.5, 0.5), "lin"),\n'


def with_directions(names, folder):
    text = HOUSE.replace("SET = Set(\n", f"SET = Set(\n    directions={names!r},\n")
    path = folder / "mine.py"
    path.write_text(text.replace("LINKS = (\n", f"LINKS = (\n{LINK}"), encoding="utf-8")
    assert LINK in path.read_text("utf-8") and "directions=" in path.read_text("utf-8")
    return path


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    folder = tmp_path_factory.mktemp("directions")
    path = with_directions(("calm", "formal"), folder)
    render(Options(set=str(path), bars=4, out=str(folder / "a.wav"),
                   record=str(folder / "a.take"), record_states=True))
    return folder / "a.take"


def test_the_live_feature_is_the_offline_projection(take):
    """From the journaled states, by the layer and the reader in the direction's own file."""
    played = Take(take)
    shape = played.head["descriptor"]
    chosen = {name: read(known(shape["weight_hash"])[name]) for name in ("calm", "formal")}
    rows, size = {}, (shape["layers"] + 1) * shape["width"]
    data = take.read_bytes()
    for kind, chunk in _chunks(io.BytesIO(data[len(MAGIC):]), len(data)):
        if kind == b"STAT":
            resid = from_bf16(np.frombuffer(chunk[8:8 + 2 * size], np.uint16))
            rows[int.from_bytes(chunk[:8], "little")] = resid.reshape(-1, shape["width"])
    frames = [frame for frame in played.frames if "direction.calm" in frame["raw"]]
    assert len(frames) > 20
    for frame in frames:
        for name, one in chosen.items():
            state = rows[frame["seq"]][one.layer].astype(np.float64)
            offline = state @ one.reader.astype(np.float64) - one.origin
            assert frame["raw"][f"direction.{name}"] == pytest.approx(offline, abs=2e-3)
            assert 0.0 <= frame["unit"][f"direction.{name}"] <= 1.0


def test_why_names_the_direction_and_its_layer(take):
    asked = Why(take)
    assert asked.unresolved() == []
    told = [asked.cause(row) for row in asked.take.events]
    found = [one for one in told if one.get("link") and
             one["link"]["feature"] == "direction.calm_effect"]
    assert len(found) > 10
    for one in found:
        feature, = one["features"]
        assert feature["read_at"] == "the state after layer 5 of 6"
        assert feature["value"] is not None and feature["place"] is not None
        assert one["record"]["text"] is not None


@pytest.mark.slow
def test_a_direction_that_the_model_does_not_have_is_an_error(tmp_path):
    path = with_directions(("clam",), tmp_path)
    with pytest.raises(ModelError, match="no direction 'clam' for embedded.*'calm'"):
        render(Options(set=str(path), bars=1, out=str(tmp_path / "a.wav")))
    assert not (tmp_path / "a.wav").exists()


def test_a_saved_set_with_a_wrong_direction_is_refused_and_a_right_one_is_heard(tmp_path):
    with started(tmp_path, "embedded") as live:
        until(lambda: live.conductor.frame, "the first record")
        path = with_directions(("clam",), tmp_path)
        until(lambda: any("no direction 'clam'" in said for _, said in live.messages), "its fault")
        assert live.conductor.meter.names == Meter.names
        with_directions(("calm",), tmp_path)
        until(lambda: live.conductor.frame and "direction.calm" in live.conductor.frame.unit,
              "the direction")
        assert path.name == "mine.py" and not live.conductor.faults
