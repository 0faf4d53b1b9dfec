"""Calibrating: what is kept, interrupted, damaged, and another model's. Thread: control."""
import json

import pytest

from engine import rehearsal
from engine.errors import ModelError
from engine.model import profile
from engine.performance import meter_class
from engine.records import DEARER
from engine.source import Source
from tests.engine.model.conftest import make

WORDS = "The tide went out and the boats lay on the sand. Nobody had seen the keeper. " * 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("model"))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HIDDENSTAGE_PROFILES", str(tmp_path / "profiles"))
    return tmp_path / "profiles"


class Stopped(Exception):
    """Stands for Ctrl-C."""


def test_calibrate_keeps_resumes_and_is_found(folder, home, tmp_path):
    """Stopped in its third context it goes on there, and the profile is that of one whole run."""
    text = tmp_path / "text.txt"
    text.write_text(WORDS)
    whole = rehearsal.calibrate(str(folder), text, tmp_path / "whole")
    assert whole["new"] and whole["records"] > 192 and "T4" in whole["tiers"]
    assert not list((tmp_path / "whole").glob("*.part")), "nothing is left behind"
    seen = []

    def stop(share, words=""):
        seen.append(words)
        if len([w for w in seen if w.startswith("reading")]) > 2 * 192 + 5:
            raise Stopped
    with pytest.raises(Stopped):
        rehearsal.calibrate(str(folder), text, None, report=stop)
    parts = list(home.glob("*.part"))
    assert len(parts) == 1 and json.loads(parts[0].read_text())["contexts"] == 2
    assert not list(home.glob("*.json")), "half a profile is none"
    shares = []
    result = rehearsal.calibrate(str(folder), text, None,
                                 report=lambda share, words="": shares.append(share))
    assert min(s for s in shares if s) > 0.3, "it goes on where it stopped"
    assert not parts[0].exists()
    assert profile.load(result["profile"]) == profile.load(whole["profile"])
    assert not rehearsal.calibrate(str(folder))["new"]


@pytest.mark.slow
def test_a_worker_with_a_profile_reads_nothing_first(folder, home):
    from engine.model.supervisor import Supervised
    rehearsal.calibrate(str(folder))
    settings = {"model": str(folder), "features": meter_class().signature, "tiers": list(DEARER)}
    for kept in (True, False):
        supervised = Supervised(settings, reserve=False).start()
        source = Source(supervised)
        try:
            source.wait_ready()
            meter = meter_class()(supervised.descriptor)
            source.calibrate(meter)
            if kept:
                assert supervised.profile is not None and not supervised.messages
                grid = meter.profile()["grid"]
            else:                         # damaged: one line, and it plays all the same
                assert supervised.profile is None
                assert "damaged" in supervised.messages[0] and "\n" not in supervised.messages[0]
                assert meter.profile()["grid"] == grid, "the same, read from the text"
            while (pair := source.arrive()) is None:
                assert source.poll() == "ready"
            assert int(pair[0]["seq"]) == 0
        finally:
            supervised.stop()
        next(home.glob("*.safetensors")).write_bytes(b"noise")


def small(**more):
    return {"version": 2, "weight_hash": "abc", "model": "m", "signature": "s", "tiers": ["T0"],
            "grid": {"shape": [2], "f8": "AAAAAAAA8D8AAAAAAAAAQA=="}} | more


def test_a_profile_is_read_back_bit_for_bit(home):
    assert profile.load(profile.save(small())) == small()
    assert profile.find("abc", "s", set()) == (small(), "")
    assert profile.find("other", "s", set()) == (None, "")


@pytest.mark.parametrize("harm, said", [
    (lambda path: path.write_text("{"), "damaged"),
    (lambda path: path.write_text("[]"), "damaged"),
    (lambda path: path.with_suffix(".safetensors").unlink(), "damaged"),
    (lambda path: path.with_suffix(".safetensors").write_bytes(b"x" * 99), "damaged"),
    (lambda path: profile.save(small(signature="older")), "another version"),
    (lambda path: profile.save(small(weight_hash="def")).rename(path), "damaged|another model"),
])
def test_what_cannot_be_used_is_said_in_one_line(home, harm, said):
    path = profile.save(small())
    harm(path)
    found, line = profile.find("abc", "s", set())
    assert found is None and "\n" not in line and len(line) < 300
    pytest.importorskip("re").search(said, line) or pytest.fail(line)


def test_a_profile_without_the_tier_is_not_used(home):
    profile.save(small())
    assert "has no T4" in profile.find("abc", "s", {"T4"})[1]


def test_a_profile_of_another_model_is_refused_by_the_meter(folder, home):
    import planted

    from mappings.features import Meter
    meter = planted.calibrated(planted.stream(1, 80))
    data = meter.profile()
    other = Meter(meter.descriptor.__class__(**meter.descriptor.data() | {"weight_hash": "zzz"}))
    with pytest.raises(Exception, match="not planted's|planted"):
        other.load_profile(data)


@pytest.mark.parametrize("content, said", [(None, "cannot read"), ("", "empty"),
                                           (b"\xff\xfe\xff", "no UTF-8")])
def test_a_text_that_cannot_be_read_is_said(tmp_path, content, said):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelError, match=said):
        rehearsal.calibrate("embedded", path)


def test_the_embedded_model_ships_with_its_profile(home):
    from engine.model.load import embedded_folder, fingerprint
    data, said = profile.find(fingerprint(embedded_folder()), meter_class().signature, {"T4"})
    assert data is not None and not said, (
        "run `hiddenstage calibrate embedded --again --out engine/model/embedded/profile`")
    assert data["sinks"][0] == 0
