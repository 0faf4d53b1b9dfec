"""Sounds compiled side by side: the cache has them, what fails is left alone, nothing stays."""
import importlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile

from engine import compiling, object_code
from engine.compiling import compile_missing
from engine.object_code import c_function
from engine.rt import CACHE, QUANTUM
from engine.table import RIG
from engine.unit import is_compiled, module_of, unit_of
from tests.synths.harness import Chain

GAIN = """
from engine.param import Param
from engine.rt import QUANTUM, f32, rt
from engine.voice import Effect, fields
@rt
def render(s, p, left, right, key, dt):
    for i in range(QUANTUM):
        left[i] = left[i] * {gain}
{name} = Effect("{name}", (Param("gain", 0.0, 1.0, 1.0),), fields("level"), render)
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Sounds in modules that other processes find, of a source nobody has seen."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(compiling, "cores", lambda: 2)
    c_function(*RIG)                                     # is not missing

    def write(name, gain="p.gain"):
        name = f"{name}{abs(hash(str(tmp_path))) % 10**9}"
        (tmp_path / f"{name}.py").write_text(GAIN.format(name=name, gain=gain) + f"# {tmp_path}\n")
        return getattr(importlib.import_module(name), name)
    return write


@pytest.fixture
def children(monkeypatch):
    """The processes that compile."""
    made = []

    class Child(subprocess.Popen):
        def __init__(self, *words, **named):
            super().__init__(*words, **named)
            made.append(self)
    monkeypatch.setattr(subprocess, "Popen", Child)
    return made


def ended(children):
    return all(child.poll() is not None for child in children)


def test_what_is_missing_is_compiled_by_others_and_named(written, children):
    sounds, told = [written("one"), written("two"), written("three")], []
    compile_missing(sounds, told.append)
    assert all(is_compiled(sound) for sound in sounds)
    assert not {module_of(sound) for sound in sounds} & set(sys.modules)        # not by us
    assert sorted(line.split()[1] for line in told) == sorted(sound.name for sound in sounds)
    assert told[-1].endswith("3 of 3") and len(children) == 2 and ended(children)
    compile_missing(sounds, told.append)
    assert len(told) == 3


def test_a_mistake_is_left_to_the_caller(written):
    wrong, right = written("wrong", "p.nothing"), written("right")
    told = []
    compile_missing([wrong, right], told.append)
    assert f"{wrong.name} does not compile" in " ".join(told)
    assert f"{right.name} is ready" in " ".join(told)
    assert [is_compiled(sound) for sound in (wrong, right)] == [False, True]


def test_a_file_that_others_cannot_import_is_left_to_the_caller(written, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    sounds = [written("own"), written("mine")]
    compile_missing(sounds, lambda text: None)
    assert not any(is_compiled(sound) for sound in sounds)
    assert unit_of(sounds[0]) and is_compiled(sounds[0])


def test_two_that_save_at_once_keep_their_own(tmp_path, monkeypatch):
    """Different signatures of one function, whose index and code both processes write."""
    files = [IndexDataCacheFile(str(tmp_path), "shared", "stamp") for _ in range(2)]
    real = files[0]._save_index

    def slowly(overloads):
        time.sleep(0.2)                                  # between reading the index and writing it
        real(overloads)
    monkeypatch.setattr(files[0], "_save_index", slowly)
    first = threading.Thread(target=files[0].save, args=("a", "first"))
    first.start()
    time.sleep(0.05)
    files[1].save("b", "second")
    first.join()
    assert (files[0].load("a"), files[0].load("b")) == ("first", "second")


def test_an_interrupt_ends_them(written, children):
    def stop(text):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        compile_missing([written("one"), written("two"), written("three"), written("four")], stop)
    assert len(children) == 2 and ended(children)


def test_the_rig_is_compiled_among_them(written, monkeypatch):
    monkeypatch.setattr(compiling, "is_kept", lambda *what: False)
    told = []
    compile_missing([written("one")], told.append)
    assert any("the rig is ready" in line for line in told) and told[-1].endswith("2 of 2")


def test_one_sound_alone_is_nothing_for_others(written, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    only, told = written("only"), []
    compile_missing([only], told.append)
    assert told == [f"compiling {only.name}"] and not is_compiled(only)


def test_a_process_that_dies_costs_its_own_sounds(written, children):
    sounds = [written(name) for name in ("one", "two", "three", "four")]

    def kill(text):
        for child in children:
            child.kill()
    compile_missing(sounds, kill)
    assert ended(children)
    assert all(unit_of(sound) for sound in sounds)


@pytest.fixture
def forgotten(monkeypatch):
    """As a new process finds it: nothing is loaded, no unit's module is imported."""
    def forget(sound):
        monkeypatch.setattr(object_code, "_kept", {})
        sys.modules.pop(module_of(sound), None)
    return forget


def quartered(sound):
    """Whether a sound of GAIN makes a quarter of ones."""
    return np.all(Chain(sound, gain=0.25).play(np.ones(QUANTUM))[:, 0] == 0.25)


def test_what_is_kept_is_read_without_compiling(written, forgotten):
    sound = written("read")
    assert quartered(sound) and module_of(sound) in sys.modules
    forgotten(sound)
    assert quartered(sound) and module_of(sound) not in sys.modules


@pytest.mark.parametrize("spoil", (lambda data: data[:-1], lambda data: b"", lambda data: data[:40],
                                   lambda data: data[:-1] + bytes([data[-1] ^ 1])))
def test_what_is_kept_but_not_whole_is_compiled_again(written, forgotten, spoil):
    sound = written("spoilt")
    unit_of(sound)
    (file,) = (CACHE / "objects").glob(f"{module_of(sound)}.*")
    file.write_bytes(spoil(file.read_bytes()))
    for compiled_again in (True, False):
        forgotten(sound)
        assert quartered(sound) and (module_of(sound) in sys.modules) == compiled_again


def test_what_cannot_be_kept_is_heard_all_the_same(written, forgotten, tmp_path, monkeypatch):
    sound = written("unkept")
    (tmp_path / "objects").write_text("in the way")
    monkeypatch.setattr(object_code, "CACHE", tmp_path)
    assert quartered(sound) and not is_compiled(sound)
