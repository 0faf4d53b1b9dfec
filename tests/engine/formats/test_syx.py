"""DX7 files: what was packed comes out in FM6's words; every fault is told in one line.

Thread: any."""
import numpy as np
import pytest

from engine.errors import EngineError, SetError
from engine.formats.syx import Patch, lfo_delay_s, lfo_hz, names, pitch_st
from engine.parts import Part
from engine.sets import read as read_set
from engine.table import Table
from synths.fm6 import FM6
from tests.synths.harness import Player

# the data format sheet's packed voice: (byte, lowest bit, bits) of each number of a voice
OPERATOR = {
    **{f"r{n}": (n, 0, 7) for n in range(4)}, **{f"l{n}": (4 + n, 0, 7) for n in range(4)},
    "break": (8, 0, 7), "left": (9, 0, 7), "right": (10, 0, 7), "left_curve": (11, 0, 2),
    "right_curve": (11, 2, 2), "scaling": (12, 0, 3), "detune": (12, 3, 4), "ams": (13, 0, 2),
    "velocity": (13, 2, 3), "output": (14, 0, 7), "fixed": (15, 0, 1), "coarse": (15, 1, 5),
    "fine": (16, 0, 7)}
SINGLE_ORDER = ("r0 r1 r2 r3 l0 l1 l2 l3 break left right left_curve right_curve scaling ams "
                "velocity output fixed coarse fine detune").split()
GLOBAL = {
    **{f"pr{n}": (102 + n, 0, 7) for n in range(4)},
    **{f"pl{n}": (106 + n, 0, 7) for n in range(4)},
    "algorithm": (110, 0, 5), "feedback": (111, 0, 3), "key_sync": (111, 3, 1),
    "speed": (112, 0, 7), "delay": (113, 0, 7), "pmd": (114, 0, 7), "amd": (115, 0, 7),
    "sync": (116, 0, 1), "wave": (116, 1, 3), "pms": (116, 4, 3), "transpose": (117, 0, 7)}
HIGHEST = {"left_curve": 3, "right_curve": 3, "scaling": 7, "detune": 14, "ams": 3, "velocity": 7,
           "fixed": 1, "coarse": 31, "algorithm": 31, "feedback": 7, "key_sync": 1, "sync": 1,
           "wave": 5, "pms": 7, "transpose": 48}


def voice(seed):
    """Chance numbers: (six dicts from operator 1 on, a dict of the rest, a name)."""
    chance = np.random.default_rng(seed)

    def draw(fields):
        return {name: int(chance.integers(0, HIGHEST.get(name, 99) + 1)) for name in fields}

    return [draw(OPERATOR) for _ in range(6)], draw(GLOBAL), f"VOICE {seed:>3} "


def packed(made):
    operators, rest, name = made
    out = bytearray(118) + name.encode("ascii")
    for n, values in enumerate(reversed(operators)):
        for field, (byte, low, _) in OPERATOR.items():
            out[17 * n + byte] |= values[field] << low
    for field, (byte, low, _) in GLOBAL.items():
        out[byte] |= rest[field] << low
    return bytes(out)


def unpacked(made):
    operators, rest, name = made
    numbers = [values[field] for values in reversed(operators) for field in SINGLE_ORDER]
    return bytes(numbers + [rest[field] for field in GLOBAL]) + name.encode("ascii")


def message(head, body):
    return bytes.fromhex(head) + body + bytes(((128 - sum(body) % 128) % 128, 0xF7))


def bank(voices):
    return message("f0 43 00 09 20 00", b"".join(packed(one) for one in voices))


@pytest.fixture
def made():
    return [voice(seed) for seed in range(32)]


@pytest.fixture
def path(tmp_path, made):
    (tmp_path / "bank.syx").write_bytes(bank(made))
    return tmp_path / "bank.syx"


def wanted(values):
    """What FM6 is told of an operator, by the manual's tables."""
    steep = lambda curve: curve in (1, 2)                   # noqa: E731  -LIN -EXP +EXP +LIN
    sign = lambda curve: 1 if curve >= 2 else -1            # noqa: E731
    ratio = (0.5 if values["coarse"] == 0 else values["coarse"]) * (100 + values["fine"]) / 100
    hz = 10.0 ** (values["coarse"] % 4) * 10 ** (values["fine"] / 100)
    fixed = values["fixed"] == 1
    return {
        **{f"rate{n + 1}": values[f"r{n}"] for n in range(4)},
        **{f"level{n + 1}": values[f"l{n}"] for n in range(4)}, "output": values["output"],
        "ratio": 1 if fixed else ratio, "fixed_hz": hz if fixed else 0,
        "detune_cents": 1.5 * (values["detune"] - 7), "break_st": values["break"] + 21,
        "left_depth": sign(values["left_curve"]) * values["left"],
        "right_depth": sign(values["right_curve"]) * values["right"],
        "left_curve": steep(values["left_curve"]), "right_curve": steep(values["right_curve"]),
        "rate_scaling": values["scaling"], "velocity": values["velocity"],
        "tremolo": (0, 0.2588, 0.4274, 1)[values["ams"]]}


def test_a_bank_comes_out_as_it_was_packed(path, made):
    assert names(path) == [one[2].strip() for one in made]
    for number, (operators, rest, name) in enumerate(made, 1):
        patch = Patch(path, number)
        assert patch.name == name.strip()
        for n, values in enumerate(operators, 1):
            for what, value in wanted(values).items():
                assert patch[f"op{n}_{what}"] == pytest.approx(float(value)), (number, n, what)
        assert patch["algorithm"] == rest["algorithm"] + 1
        assert patch["feedback"] == rest["feedback"]
        assert patch["transpose_st"] == rest["transpose"] - 24
        assert (patch["lfo_wave"], patch["lfo_sync"]) == (rest["wave"], rest["sync"])
        assert patch["tremolo"] == rest["amd"] / 100
        assert [patch[f"pitch_rate{n}"] for n in (1, 2, 3, 4)] == [rest[f"pr{n}"] for n in range(4)]


def test_a_single_voice_is_the_same_as_in_a_bank(tmp_path, path, made):
    for seed in (0, 7):
        single = tmp_path / "one.syx"
        single.write_bytes(message("f0 43 02 00 01 1b", unpacked(made[seed])))
        assert Patch(single) == Patch(path, seed + 1)


def test_a_name_finds_its_voice(path):
    assert Patch(path, "voice   9") == Patch(path, 10)
    with pytest.raises(EngineError, match="no voice 'VOICE  99'; did you mean"):
        Patch(path, "VOICE  99")


def test_every_patch_is_a_preset_within_its_ranges_and_sounds_finite(path):
    rows = {p.name: p for p in FM6.params}
    for number in range(1, 33):
        patch = Patch(path, number)
        assert set(rows) - set(patch) == {"bright_db", "speed", "touch"}
        for name, value in patch.items():
            rows[name].check(value, "patch")
        y = Player(FM6, **patch).note(0.05)
        assert np.isfinite(y).all() and np.abs(y).max() <= 1
    part = Part(FM6, preset=Patch(path, 4), op1_output=50)
    table = Table({"keys": part})
    value = table.registry.values[table.registry.index["keys.algorithm"]]
    assert value == Patch(path, 4)["algorithm"] and part.values["op1_output"] == 50


def test_junk_in_a_voice_is_brought_into_range(tmp_path, made):
    made[0][0][0].update(r0=127, output=110)
    made[0][1].update(wave=7, speed=120, pl0=127)
    (tmp_path / "junk.syx").write_bytes(bank(made))
    patch = Patch(tmp_path / "junk.syx", 1)
    assert (patch["op1_rate1"], patch["op1_output"], patch["lfo_wave"]) == (99, 99, 5)


FAULTS = {
    "cut short: 4000 bytes": lambda data: data[:4000],
    "too long: 4105": lambda data: data + b"\0",
    "no system exclusive": lambda data: b"RIFF" + data[4:],
    "no DX7 voices": lambda data: data[:1] + b"\x42" + data[2:],
    "holds no DX7 voices: its header is f0 43 00 05": lambda data: data[:3] + b"\x05" + data[4:],
    "checksum": lambda data: data[:100] + bytes((data[100] ^ 1,)) + data[101:],
    "damaged: a byte": lambda data: data[:100] + b"\xff" + data[101:],
    "does not begin": lambda data: b"",
}


@pytest.mark.parametrize("says", FAULTS)
def test_a_bad_file_is_told_in_one_line(path, says):
    path.write_bytes(FAULTS[says](path.read_bytes()))
    with pytest.raises(EngineError, match=says) as told:
        Patch(path, 1)
    assert "\n" not in str(told.value) and str(path) in str(told.value)


@pytest.mark.parametrize("which", (0, 33, True, 1.0, None))
def test_a_wrong_number_and_a_missing_file_are_told(path, which):
    with pytest.raises(EngineError, match="a name or 1 to 32"):
        Patch(path, which)
    with pytest.raises(EngineError, match="cannot be read: No such file"):
        Patch(path.with_name("none.syx"), 1)


def test_units_of_the_published_tables():
    assert [pitch_st(x) for x in (50, 82, 18)] == pytest.approx([0, 12, -12], abs=0.05)
    assert (pitch_st(99), pitch_st(0)) == pytest.approx((48, -48), abs=0.6)
    assert lfo_hz(0) == pytest.approx(0.0645, rel=0.01) and 20 < lfo_hz(99) < 50
    assert lfo_delay_s(0) == (0, 0) and lfo_delay_s(99)[0] == pytest.approx(2.66, rel=0.01)


def test_a_set_may_take_a_patch(path):
    text = f"""from engine.sets import Part, Set
from engine.formats.syx import Patch
from synths.fm6 import FM6
PART = Part(FM6, preset=Patch({str(path)!r}, 3))
"""
    with pytest.raises(SetError, match="must assign SET"):     # all lines before were taken
        read_set(text, "mine.py")
    with pytest.raises(SetError, match="mine.py, line 4: .*1 to 32"):
        read_set(text.replace(", 3)", ", 99)"), "mine.py")
