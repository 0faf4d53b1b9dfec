"""The voices' bench: every figure is there, peers play what we play, a missing peer is told."""
import numpy as np
import pytest

from bench import _synths_ours, synths
from bench._synths_peers import PEERS, Program, compilers, missing
from tests.synths.harness import RATE_HZ, cents, pitch_hz

KEYS = {"ratio_supercollider": synths.RATIOS["supercollider"],
        "ratio_faust": synths.RATIOS["faust"],
        "voices_per_core": ("ours", "supercollider", "faust"),
        "set_percent_of_core": (), "set_ratio_supercollider": (),
        "set_one_acid_part": ("percent_of_core", "ratio_supercollider"),
        "instruction_set": ("ours", "supercollider", "faust")}
WHOLE = {"haswell": KEYS, "compile": ("cold_s", "warm_s", "cold_processor_s", "sounds"),
         "missing": (), "peers": (), "set": ("budget", "parts", "left_out"), "rounds": ()}
HERE = [peer for peer in PEERS if peer.name not in missing()]


class Twin:
    """Stands for a process of ours, or a peer: what costs how much is made up."""

    def __init__(self, *words, **environment):
        self.slow = 2.0 if environment.get("NUMBA_CPU_NAME") else 1.0

    def ask(self, name, /, **values):
        return {"parts": {"bells": "8 fm"}, "processor": "p", "vectors": "v"}

    def each(self, case):
        return self.slow * (0.02 if case.startswith("set") else 1e-4)

    def ready(self, processor="native"):
        costs = {"string": 3e-4, "fm": 5e-4, "tb303": 4e-4, "reverb": 2e-4, "reverb_plate": 5e-5,
                 "set4": 0.03, "set1": 0.01}
        programs = [Program(case, way, None, (), ()) for case in costs for way in ("a", "b")]
        for program in programs:
            more = 2.0 if program.name == "a" else 1.0
            object.__setattr__(program, "each", lambda cost=costs[program.case] * more: cost)
        return programs

    def about(self):
        return "a twin"

    def close(self):
        pass


@pytest.fixture
def twins(monkeypatch):
    """A bench that measures nothing."""
    for name in ("Ours", "SuperCollider", "Faust"):
        monkeypatch.setattr(synths, name, Twin)
    monkeypatch.setattr(synths, "missing", dict)
    times = {"cold_s": 60.0, "cold_processor_s": 55.0, "warm_s": 1.0, "warm_processor_s": 1.0,
             "sounds": 24}
    monkeypatch.setattr(synths, "compiled", lambda cache: times)
    return monkeypatch


def absent(found, keys, where=""):
    """The paths of what is not there."""
    lost = []
    for name in keys:
        if name not in found:
            lost.append(where + name)
        elif isinstance(keys, dict):
            lost += absent(found[name], keys[name], f"{where}{name}.")
    return lost


def test_every_key_is_there(twins):
    found = synths.run()
    assert not absent(found, KEYS | WHOLE)
    assert found["ratio_supercollider"] == {"string": 3.0, "fm": 5.0, "tb303": 4.0,
                                            "tb303_rlpf": None}
    assert found["haswell"]["ratio_supercollider"]["fm"] == 2.5
    assert found["ratio_faust"]["reverb_plate"] == 0.5
    assert found["voices_per_core"]["faust"]["tb303"] == 2500       # of two ways the cheaper
    assert (found["set_percent_of_core"], found["set_ratio_supercollider"]) == (2.0, 1.5)
    assert found["ways"]["faust"]["fm: b"] == {"median": 2000.0, "ends": [2000.0, 2000.0]}
    assert found["set"]["left_out"] == ["8 fm6"] and "without 8 fm6" in synths.table(found)


def test_a_missing_peer_is_told_and_the_rest_goes_on(twins):
    twins.setattr(synths, "missing", lambda: {peer.name: peer.package for peer in PEERS})
    found = synths.run(quick=True)
    assert not absent(found, KEYS) and not absent(found["haswell"], KEYS)
    assert found["ratio_faust"]["reverb"] is None and found["set_ratio_supercollider"] is None
    text = synths.table(found)
    assert "install supercollider-server" in text and "install faust g++" in text


@pytest.fixture(scope="module", params=HERE, ids=lambda peer: peer.name)
def peer(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module")
def ours():
    return {name: _synths_ours.heard(name, 1.0) for name in synths.CASES}


def window(sound, name, end_s=0.49):
    """Before the second strike; of FM the end, when the carrier is the strongest line."""
    begin_s = {"fm": 0.27, "reverb": 0.25}.get(name, 0.03)
    return sound[round(begin_s * RATE_HZ):round(end_s * RATE_HZ), 0].astype(np.float64)


@pytest.mark.skipif(not HERE, reason=f"no peers here: {missing()}")
@pytest.mark.parametrize("name", synths.CASES)
def test_peers_play_what_we_play(peer, ours, name):
    for way in [one for one in peer.sizes if peer.kinds.get(one, one) == name]:
        mine, theirs = (window(one, name) for one in (ours[name], peer.heard(way)))
        assert min(np.abs(mine).max(), np.abs(theirs).max()) > 1e-4, way
        if name == "reverb":                    # a tail, 0.25 s after what went in
            continue
        wanted_hz = _synths_ours.hertz(_synths_ours.midi(name, 0))
        for who, heard in (("ours", mine), (way, theirs)):     # a filter that closes bends a little
            assert abs(cents(pitch_hz(heard, wanted_hz), wanted_hz)) < 6, who


@pytest.mark.skipif(not HERE, reason=f"no peers here: {missing()}")
def test_a_second_voice_costs_something(peer):
    if peer.name == "faust":
        programs = [peer.program("string", (1, peer.vectors, compilers()[0]))]
    else:
        programs = [one for one in peer.ready() if one.case == "string"]
    assert all(1e-5 < program.each() < 1e-2 for program in programs)


def test_the_set_is_what_it_says():
    parts = _synths_ours.measure("set", "set", 4, 1.0)
    assert {"64 string", "32 fm", "4 pad", "1 tb303"} <= set(parts["parts"].values())
    assert set(_synths_ours.KIT) <= set(parts["parts"])
    assert parts["sounding"] > 64 and 0.05 < parts["peak"] < 1.0
    assert parts["late_events"] == parts["not_finite"] == 0
    assert _synths_ours.measure("set", "set", 1, 0.1)["parts"]["acid0"] == "4 tb303"


@pytest.mark.slow
def test_the_real_thing():
    found = synths.run(quick=True)
    assert not absent(found, KEYS) and not absent(found["haswell"], KEYS)
    assert all(value > 100 for values in found["voices_per_core"].values()
               for value in values.values())
    assert "voices a core" in synths.table(found)
