"""Scala files: note numbers to Hz, keys that are not there, every mistake with its line."""
import dataclasses
import json
import math

import pytest

from engine import cli, sets
from engine.errors import SetError
from engine.formats.scl import EQUAL, Tuning

JUST = "! just.scl\n!\nfive limit\n 7\n!\n 9/8 E\n 5/4\n 4/3\n3/2\n 5/3\n15/8\n2\n"
KEYS = "! seven white keys\n12\n0\n127\n60\n69\n440.0\n7\n0\nx\n1\nx\n2\n3\nx\n4\nx\n5\nx\n6\n"


def equal(steps, period_cents=1200.0):
    pitches = (f"{(k + 1) * period_cents / steps:.9f}" for k in range(steps))
    return f"! {steps}\n{steps} equal steps\n{steps}\n" + "\n".join(pitches) + "\n"


@pytest.fixture
def tuned(tmp_path):
    def make(scl, kbm=""):
        (tmp_path / "a.scl").write_text(scl)
        (tmp_path / "a.kbm").write_text(kbm)
        return Tuning("a.scl", kbm and "a.kbm", tmp_path)
    return make


def test_twelve_equal_steps_are_the_default_tuning(tuned):
    tuning = tuned(equal(12))
    for note in (0, 21, 60, 61.25, 69, 127):
        assert tuning.hz(note) == pytest.approx(EQUAL.hz(note), rel=1e-14)
    assert all(EQUAL.hz(n) == 440.0 * 2.0 ** ((n - 69.0) / 12.0) for n in range(128))


def test_nineteen_steps_an_octave(tuned):
    tuning = tuned(equal(19))
    assert tuning.hz(79) == pytest.approx(2 * tuning.hz(60), rel=1e-14)
    assert tuning.hz(59) / tuning.hz(60) == pytest.approx(2 ** (-1 / 19), rel=1e-9)
    assert tuning.degree_hz(-19) == pytest.approx(EQUAL.hz(48), rel=1e-14)
    assert 1200 * math.log2(tuning.hz(65.5) / tuning.hz(60)) == pytest.approx(5.5 * 1200 / 19)


def test_a_just_scale_is_exact_to_the_last_octave(tuned):
    tuning = tuned(JUST, KEYS)
    assert tuning.hz(69) == 440.0 and tuning.hz(81) == 880.0 and tuning.hz(57) == 220.0
    assert tuning.hz(60) == pytest.approx(264.0, rel=1e-15)
    assert tuning.hz(67) == pytest.approx(396.0, rel=1e-15)
    assert tuning.scale.name == "five limit" and tuning.scale.period == 2.0


def test_a_scale_without_octaves(tuned):
    tuning = tuned(equal(13, 1901.955000865))
    assert tuning.hz(73) == pytest.approx(3 * tuning.hz(60), rel=1e-9)


def test_keys_that_are_not_mapped_are_silent(tuned):
    tuning = tuned(JUST, KEYS)
    assert [n for n in range(60, 72) if math.isnan(tuning.hz(n))] == [61, 63, 66, 68, 70]
    assert math.isnan(tuning.hz(60.5))
    short = tuned(JUST, KEYS.replace("4\nx\n5\nx\n6\n", "4\n").replace("\n69\n440", "\n60\n264"))
    assert short.hz(67) == pytest.approx(396.0) and math.isnan(short.hz(69)), "left out at the end"


def test_notes_outside_the_map_are_not_retuned(tuned):
    tuning = tuned(equal(19), KEYS.replace("\n0\n127\n", "\n60\n71\n"))
    assert tuning.hz(59) == EQUAL.hz(59) and tuning.hz(72) == EQUAL.hz(72)
    assert tuning.hz(62) != pytest.approx(EQUAL.hz(62), rel=1e-3)


def test_an_empty_map_plays_every_degree(tuned):
    tuning = tuned(equal(19), "0\n0\n127\n62\n69\n432.0\n0\n")
    assert tuning.hz(69) == 432.0 and tuning.hz(88) == pytest.approx(864.0, rel=1e-14)
    assert tuning.degree_hz(0) == tuning.hz(62)


@pytest.mark.parametrize(("scl", "said"), [
    ("", r"a.scl, line 1: the file ends before a name"),
    ("x\n", r"a.scl, line 1: the file ends before a number"),
    ("x\nseven\n", r"a.scl, line 2: the number of pitches is a whole number 1..4096, not 'seven'"),
    ("x\n0\n", r"a.scl, line 2: the number of pitches"),
    ("x\n1e9\n", r"a.scl, line 2"),
    ("! c\nx\n2\n3/2\n", r"a.scl, line 4: the file ends before pitch 2 of 2"),
    ("! c\nx\n2\n\n2/1\n", r"a.scl, line 4: a pitch is cents with a point"),
    ("x\n1\n2:1\n", r"a.scl, line 3: a pitch is .* not '2:1'"),
    ("x\n1\n2/0\n", r"a.scl, line 3: .* out of reach"),
    ("x\n1\n9999999.0\n", r"a.scl, line 3: .* out of reach"),
    ("x\n1\n" + "9" * 400 + "\n", r"a.scl, line 3: .* out of reach"),
    ("x\n1\nnan\n", r"a.scl, line 3"),
    ("x\n2\n3/2\n1/1\n", r"a.scl, line 4: the last pitch is where the scale repeats"),
    ("x\n1\n15000.0\n", r"a.scl: its keys reach beyond what can be heard"),
])
def test_a_mistake_in_a_scale_has_its_line(tuned, scl, said):
    with pytest.raises(SetError, match=said):
        tuned(scl)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("12\n0\n127", "12\n0\n128", r"a.kbm, line 4: the last note is a whole number 0..127"),
    ("440.0", "A4", r"a.kbm, line 7: the reference frequency is 1 to 20000 Hz, not 'A4'"),
    ("440.0", "nan", r"a.kbm, line 7"),
    ("440.0", "", r"a.kbm, line 7"),
    ("0\nx\n1\n", "0\ny\n1\n", r"a.kbm, line 10: the degree of a key, or x, .* not 'y'"),
    ("\n69\n", "\n70\n", r"a.kbm: the reference note 70 has no key"),
    (KEYS[KEYS.index("60"):], "", r"a.kbm, line 4: the file ends before the middle note"),
    (KEYS[KEYS.index("\n0\nx"):], "\nx\nx\n", r"a.kbm: no key is mapped"),
])
def test_a_mistake_in_a_mapping_has_its_line(tuned, old, new, said):
    with pytest.raises(SetError, match=said):
        tuned(JUST, KEYS.replace(old, new))


SET = '''"""Tuned."""
from engine.formats.scl import Tuning
from engine.sets import Part, Set
from mappings.house import HOUSE_CASTS, HOUSE_GRAMMARS, HOUSE_SCENES
from mappings.music import Music
from synths.kick import KICK

SET = Set(parts={"kick": Part(KICK)}, tuning=Tuning("a.scl"),
          music=Music(HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS))
'''


def test_a_set_finds_its_tuning_beside_it(tmp_path):
    (tmp_path / "tuned.py").write_text(SET)
    with pytest.raises(SetError, match=r"tuned.py, line 8: .*a.scl: cannot be read"):
        sets.load(tmp_path / "tuned.py")
    (tmp_path / "a.scl").write_text(equal(19))
    made = sets.load(tmp_path / "tuned.py")
    assert made.tuning.hz(79) == pytest.approx(2 * made.tuning.hz(60))
    assert dataclasses.replace(made, bpm=100).tuning is made.tuning
    assert sets.read(SET, "a take's", None).tuning is EQUAL, "a take is replayed without the file"
    with pytest.raises(SetError, match="line 8: tuning must be a Tuning"):
        sets.read(SET.replace('Tuning("a.scl")', "19"), "bad.py")


def test_a_sound_is_auditioned_in_a_tuning(tmp_path, capsys):
    (tmp_path / "a.scl").write_text(JUST)
    (tmp_path / "a.kbm").write_text(KEYS)
    out, words = tmp_path / "a.wav", ["--notes", "C4 C#4 G4", "--tail", "0.1", "--json"]
    with pytest.raises(SystemExit) as left:
        cli.main(["audition", "kick", "--out", str(out), *words,
                  "--tuning", str(tmp_path / "a.scl"), "--kbm", str(tmp_path / "a.kbm")])
    assert left.value.code in (0, None)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["strikes"] == 2, "C# is no key"
    with pytest.raises(SystemExit) as left:
        cli.main(["audition", "kick", "--out", str(out), "--kbm", str(tmp_path / "a.kbm")])
    assert left.value.code == 2 and "--tuning" in capsys.readouterr().err
