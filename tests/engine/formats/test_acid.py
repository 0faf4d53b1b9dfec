"""303 patterns in text: gate, octave, accent and slide of each step, and how they sound."""
import json

import numpy as np
import pytest

from engine import cli
from engine.audition import Audition, render
from engine.errors import EngineError
from engine.formats.acid import parse, read
from tests.synths.harness import crossings_hz

SQUELCH = """# a bar
bpm 138
gate 0.4
C2 C2' D#2~ --   C2! __ G1,! --  | Bb1'~! c  # the end
"""


def test_each_step_has_gate_octave_accent_and_slide(tmp_path):
    (tmp_path / "a.acid").write_text(SQUELCH)
    made = read(tmp_path / "a.acid")
    assert (made.steps, made.bpm, made.beats, made.gate) == (10, 138.0, 0.25, 0.4)
    assert [(n.step, n.steps, n.pitch_st) for n in made.notes] == [
        (0, 1, 36), (1, 1, 48), (2, 1, 39), (4, 2, 36), (6, 1, 19), (8, 1, 46), (9, 1, 36)]
    assert [n.slide for n in made.notes] == [False, False, True, False, False, True, False]
    assert [n.level > 0.7 for n in made.notes] == [False, False, False, True, True, True, False]


def test_a_pattern_may_be_played_more_than_once():
    made = parse("times 3\nC2 -- D2~")
    assert made.steps == 9 and [n.step for n in made.notes] == [0, 2, 3, 5, 6, 8]
    assert made.bpm == 120.0 and [n.slide for n in made.notes] == [False, True] * 3


@pytest.mark.parametrize(("text", "said"), [
    ("", "pattern: no notes"),
    ("bpm 120\n-- -- | --", "no notes"),
    ("C2\n\nC2 H2", "pattern, line 3: 'H2' is no step"),
    ("C2 -", "line 1: '-' is no step"),
    ("C2?", "is no step"),
    ("__ C2", "line 1: __ ties a note, and there is none"),
    ("C2 -- __", "line 1: __ ties"),
    ("C9'", "line 1: .* is MIDI note 132"),
    ("C-1,", "is MIDI note -12"),
    ("C2\nbpm fast", "line 2: write bpm and a number 20..400, not 'bpm fast'"),
    ("bpm nan\nC2", "line 1: write bpm"),
    ("bpm 20 30\nC2", "line 1: write bpm"),
    ("gate 0\nC2", "write gate and a number 0.05..1"),
    ("times 2.5\nC2", "write times"),
    ("bpm 120\nbpm 130\nC2", "line 2: bpm is set twice"),
    ("times 256\n" + "C2 " * 20, "5120 steps; at most 4096"),
])
def test_a_mistake_has_its_line(text, said):
    with pytest.raises(EngineError, match=said):
        parse(text)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(EngineError, match="none.acid: cannot be read"):
        read(tmp_path / "none.acid")
    (tmp_path / "x.acid").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EngineError, match="x.acid: is no text"):
        read(tmp_path / "x.acid")


def heard(text, **values):
    samples, report = render(Audition("tb303", parse(text), tail_s=0.2, values=values))
    return samples[:, 0].astype(float), report


def test_a_slide_glides_without_a_new_strike():
    """The envelope goes on through the slide; without it, it is struck and rises again."""
    slid, report = heard("beats 1\nC2 C3~", decay_s=2.0)
    struck, again = heard("beats 1\nC2 C3", decay_s=2.0)
    assert (report["strikes"], again["strikes"]) == (1, 2)
    at, hz = crossings_hz(np.convolve(slid, np.hanning(400), "same"))
    near = [float(np.median(hz[(at > a) & (at < a + 0.08)])) for a in (0.38, 0.65)]
    assert near[0] == pytest.approx(65.4, rel=0.03) and near[1] == pytest.approx(130.8, rel=0.03)
    during = hz[(at > 0.505) & (at < 0.56)]
    assert ((during > 64) & (during < 134)).all() and len(during) > 5
    level = [np.abs(y[24_500:26_400]).max() / np.abs(y[22_000:23_900]).max()
             for y in (slid, struck + 1e-9)]
    assert level[0] < 1.3 and np.abs(slid[23_800:24_100]).max() > 0.01, "no gap before the slide"
    assert np.abs(struck[20_000:23_900]).max() < 1e-3, "gate 0.5: a plain note ends"


def test_an_accent_is_louder():
    plain, accented = (heard(f"beats 1\n{word}", decay_s=0.2)[0][:9600] for word in ("C2", "C2!"))
    louder_db = 10 * np.log10((accented ** 2).sum() / (plain ** 2).sum())
    assert 4.0 < louder_db < 12.0, "a 303 raises it by 6 to 12 dB, of which some is envelope"


def test_a_rest_is_silent_and_a_tie_holds():
    tied, rested = heard("beats 1\nC2 __")[0], heard("beats 1\nC2 --")[0]
    assert np.abs(tied[30_000:34_000]).max() > 0.01 > 10 * np.abs(rested[30_000:34_000]).max()


def test_the_command_plays_a_pattern(tmp_path, capsys):
    (tmp_path / "a.acid").write_text(SQUELCH)
    with pytest.raises(SystemExit) as left:
        cli.main(["audition", "tb303", "--pattern", str(tmp_path / "a.acid"), "--tail", "0.5",
                  "--out", str(tmp_path / "a.wav"), "--json"])
    assert left.value.code in (0, None)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["notes"], report["strikes"]) == (7, 6), "Bb1 has nothing to slide from: struck"
    assert report["seconds"] == pytest.approx(10 * 0.25 * 60 / 138 + 0.5, abs=1e-4)
