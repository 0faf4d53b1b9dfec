"""Directions as files: kept, found, and refused when they are damaged or another model's."""
import dataclasses

import numpy as np
import pytest

from engine.errors import ModelError, SetError
from engine.model import directions
from engine.model.directions import Direction, checked, load, load_all, read, save
from engine.records import Descriptor

MODEL = Descriptor("toy", 4, 16, weight_hash="aa")


def made(name="calm", layer=2, weight_hash="aa", width=16):
    vector = np.eye(width, dtype="f4")[3]
    return Direction(name, layer, vector, 2.0 * vector, 0.5, np.linspace(-1.0, 1.0, 65), 3.0, "toy",
                     weight_hash, {"auc": 0.9})


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HIDDENSTAGE_PROFILES", str(tmp_path))
    return tmp_path


def test_a_direction_comes_back_as_it_was(home):
    path = save(made())
    assert path == home / "directions" / "aa" / "calm.safetensors"
    for found in (load("calm", "aa"), load(str(path), "aa"), read(path)):
        assert all(np.array_equal(getattr(found, field.name), getattr(made(), field.name))
                   for field in dataclasses.fields(Direction))
    assert found.effect(np.arange(16, dtype="f4")) == 5.5
    assert directions.everything()["aa"] == {"calm": path}
    assert load_all(("calm",), MODEL)[0].layer == 2


def test_another_model_s_direction_is_refused():
    path = save(made(weight_hash="bb"))
    with pytest.raises(ModelError, match="no direction 'calm' for toy, only for .* other model"):
        load_all(("calm",), MODEL)
    with pytest.raises(ModelError, match=r"is toy's \(weights bb\), not toy's \(aa\)"):
        load_all((str(path),), MODEL)
    save(made("deep", layer=5))
    save(made("wide", width=17))
    for name, said in (("deep", "layer 5 of .* has 4 of 16"), ("wide", "17 wide")):
        with pytest.raises(ModelError, match=said):
            load_all((name,), MODEL)
    with pytest.raises(ModelError, match="did you mean 'deep'"):
        load_all(("deeep",), MODEL)


@pytest.mark.parametrize("damage", [
    lambda data: data[:-40], lambda data: b"no", lambda data: b"", lambda data: data[:4],
    lambda data: data.replace(b'\\"layer\\"', b'\\"lager\\"'),
    lambda data: data[:-520] + np.full(130, np.nan, "f4").tobytes()])
def test_a_damaged_file_is_one_line(damage):
    path = save(made())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match="is damaged or none") as fault:
        load("calm", "aa")
    assert str(path) in str(fault.value) and "\n" not in str(fault.value)


def test_a_model_without_a_hash_or_a_folder_that_is_full_is_said(monkeypatch, home):
    with pytest.raises(ModelError, match="no weight hash"):
        save(made(weight_hash=""))
    (home / "file").write_text("")
    monkeypatch.setenv("HIDDENSTAGE_PROFILES", str(home / "file"))
    with pytest.raises(ModelError, match="cannot be written"):
        save(made())


@pytest.mark.parametrize("name", ["Calm", "a b", "", "calm_nat", "x_effect", "../x", "1st"])
def test_names_that_a_table_could_not_read_are_refused(name):
    with pytest.raises(ModelError, match="cannot name a direction"):
        directions.check_name(name)


@pytest.mark.parametrize("names", ["calm", ("a",) * 2, tuple("abcdefghi"), (1,), ("",), None])
def test_a_set_names_up_to_eight(names):
    with pytest.raises(SetError, match="directions"):
        checked(names)
    assert checked(["a", "b"]) == ("a", "b")
