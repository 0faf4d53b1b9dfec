"""The master of the rig: the guard acts on edits alone, the same however a block is cut; the meter
reads what leaves. Thread: any."""
import numpy as np
import pytest
from toys import BELL, STEADY, play, rig_of

from engine.parts import Part
from engine.records import EDIT, NOTE
from engine.table import Rig, Table
from synths.limiter import LIMITER

AT, END = 96_000, 192_000


def soft(limiter=None):
    """A rig with a bell that nothing strikes yet."""
    rig = Rig(48000, 4, limiter)
    rig.load(Table({"bell": Part(BELL, voices=8, fade_s=12.0, level_db=-30.0)}))
    return rig


def jumping(edit, limiter=None):
    """The bell rings on and on, 34 dB louder after 2 s."""
    rig = soft(limiter)
    for at in range(0, END, 24_000):
        rig.push(at, NOTE, pitch_hz=440.0, level=1.0, length=24_000)
    rig.target(AT, "bell.level_db", 4.0, edit=edit)
    return rig


def level_db(out, at, size=4800):
    return 10 * np.log10((out[at:at + size, :2] ** 2).mean() + 1e-12)


def test_an_edit_is_held_back_and_let_go():
    wild, tame = play(jumping(False), END), play(jumping(True), END)
    assert np.array_equal(wild[:AT], tame[:AT])
    assert level_db(wild, AT + 4800) > level_db(wild, AT - 4800) + 25
    assert level_db(tame, AT + 4800) < level_db(tame, AT - 4800) + 8
    assert level_db(tame, END - 9600) > level_db(wild, END - 9600) - 12


@pytest.mark.parametrize("block", (1, 37, 1000))
def test_the_same_however_a_block_is_cut(block):
    whole, cut = (play(jumping(True, LIMITER), 110_000, size) for size in (512, block))
    assert np.array_equal(whole, cut)


def test_a_table_that_is_faded_in_by_hand_is_held_back():
    outs = []
    for edit in (False, True):
        rig = rig_of({"hum": Part(STEADY, voices=16, level_db=-30.0)})
        rig.load(Table({"hum": Part(BELL, voices=16, fade_s=12.0)}), 1, gain=0.0)
        rig.push(0, NOTE, 0, pitch_hz=100.0, level=0.01)
        for at in range(0, 48_000, 6000):
            rig.push(at, NOTE, 1, pitch_hz=900.0, level=1.0, length=48_000)
        rig.fade(24_000, 1, 1.0, 0.002, edit=edit)
        outs.append(play(rig, 48_000))
    assert np.array_equal(outs[0][:24_000], outs[1][:24_000])
    assert level_db(outs[1], 24_000) < level_db(outs[0], 24_000) - 15


def test_what_was_applied_gives_the_same_again():
    rig = jumping(True, LIMITER)
    first, rows = play(rig, AT + 9600), rig.collect()
    assert {int(row["flags"]) for row in rows if row["kind"] != NOTE} == {EDIT}
    again = soft(LIMITER)
    for row in rows:
        again.push(*(int(row[name]) for name in ("sample", "kind", "deck", "part")), **{
            name: row[name] for name in ("length", "flags", "pitch_hz", "level", "rise_s",
                                         "fall_s")})
    assert np.array_equal(play(again, AT + 9600, 333), first)


def test_the_meter_reads_what_leaves_the_limiter():
    rig = jumping(False, LIMITER)
    play(rig, END)
    read = rig.loudness.read()
    assert -6 < read["true_peak_dbtp"] <= -1.0
    assert -10 < read["momentary_lufs"] < 0 and read["integrated_lufs"] < read["momentary_lufs"]
    assert Rig(48000, 4).loudness.read()["short_term_lufs"] == -120.0
