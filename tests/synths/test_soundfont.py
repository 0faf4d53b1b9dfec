"""Soundfont: FluidSynth's own samples from inside the callback, in tune, on time; what stands in.

Tests of the font need libfluidsynth3 and timgm6mb-soundfont; those of the stand-in need nothing.
"""
import re
import subprocess
import sys

import numpy as np
import pytest

from engine import fonts
from engine.audition import Audition, render
from engine.parts import Part
from engine.records import NOTE, PANIC
from engine.rt import QUANTUM, f32
from engine.table import Rig, Table
from synths.fm import FM
from synths.soundfont import GAIN, SOUNDFONT
from synths.string import STRING
from tests.engine.toys import play
from tests.synths.harness import Player, cents, pitch_hz
from tests.synths.reference import close_db
from tests.synths.test_every import fresh_llvm


def absent():
    try:
        return fonts.library() and fonts.font_file() and ""
    except fonts.Missing as fault:
        return str(fault)


real = pytest.mark.skipif(bool(absent()), reason=absent() or "there")
FLUTE, ORGAN, STRINGS, LEAD = 73, 16, 48, 80


def plain(seconds, program, key, speed, cut=0.0, rate_hz=48000.0):
    """The same note by FluidSynth alone, called from Python in its own blocks of 64."""
    synths = fonts.Synths(1, rate_hz)
    lib, synth, word = fonts.library(), synths.synths[0], fonts.ctypes.c_void_p
    lib.fluid_synth_set_gen.argtypes = word, *[fonts.ctypes.c_int] * 2, fonts.ctypes.c_float
    lib.fluid_synth_write_float.argtypes = word, fonts.ctypes.c_int, *[word, *[
        fonts.ctypes.c_int] * 2] * 2
    lib.fluid_synth_program_select(word(synth), 1, synths.numbers[0], 0, program)
    lib.fluid_synth_set_gen(synth, 1, 52, 0.5 + cut)
    lib.fluid_synth_noteon(word(synth), 1, key, speed)
    sides = np.zeros((2, int(seconds * rate_hz) // 64 * 64), f32)
    for at in range(0, sides.shape[1], 64):
        lib.fluid_synth_write_float(synth, 64, sides[0, at:].ctypes.data, 0, 1,
                                    sides[1, at:].ctypes.data, 0, 1)
    return sides.sum(0) * GAIN


@real
@pytest.mark.parametrize("program", (0, FLUTE, STRINGS))
def test_it_is_fluidsynth_to_the_last_bits(program):
    y = Player(SOUNDFONT, program=program).note(1.0, 440.0, 100 / 127)
    x = plain(1.0, program, 69, 100)
    assert np.abs(x).max() > 0.02 and close_db(y[:len(x)], x) < -120


def same(a, b):
    """But for how FluidSynth fades its first 64 samples in, which depends on its notes before."""
    rises = np.abs(a[:64] - b[:64]).max() <= np.abs(np.stack((a[:64], b[:64]))).max()
    return rises and np.array_equal(a[64:], b[64:])


@real
def test_a_note_starts_at_its_sample_and_never_hears_the_one_before():
    """FluidSynth computes 64 frames at a time: what is left of the last block is passed over."""
    for program in (LEAD, STRINGS, 0):
        fresh = Player(SOUNDFONT, program=program).note(0.2, 300.0, 0.3)
        used = Player(SOUNDFONT, program=program)
        for quanta in (5, 6, 301):
            used.note(quanta * QUANTUM / 48000, 777.0)
            again = used.note(0.2, 300.0, 0.3)
            assert same(again, fresh) and np.abs(again[:64]).max() < 2 * np.abs(fresh[:128]).max()


@real
def test_voices_do_not_hear_each_other():
    alone, beside = Player(SOUNDFONT, 2, program=STRINGS), Player(SOUNDFONT, 2, program=STRINGS)
    beside.strike(1000.0, 1.0, v=0)
    for player in (alone, beside):
        player.strike(200.0, 0.8, v=1)
    assert np.array_equal(alone.play(0.1)[:, 1], beside.play(0.1)[:, 1])


@real
@pytest.mark.parametrize("rate_hz", (22050, 44100, 48000, 96000, 192000))
def test_every_pitch_is_within_half_a_cent_of_the_font_s(rate_hz):
    """FluidSynth itself rounds pitches to whole cents."""
    player, off = Player(SOUNDFONT, rate_hz=rate_hz, program=LEAD), []
    for shift in (0.0, 0.013, 0.109, 0.3333, 0.49, -0.2):
        hz = 261.6255653 * 2 ** (shift / 12)
        y = player.note(1.2, hz)[int(0.1 * rate_hz):]
        off.append(cents(pitch_hz(y, hz, rate_hz), hz))
    assert np.ptp(off) < 1.05 and np.abs(np.array(off) - off[0]).max() < 0.55


@real
def test_a_slide_glides_without_a_strike():
    player = Player(SOUNDFONT, program=FLUTE)
    player.strike(220.0)
    first = player.play(0.6)[4800:, 0].astype(float)
    was = cents(pitch_hz(first, 220.0), 220.0)
    for hz in (110.0, 311.1, 880.0):
        player.pitch_hz[0] = hz
        y = player.play(0.8)[4800:, 0].astype(float)
        assert abs(cents(pitch_hz(y, hz), hz) - was) < 3.0
        assert np.abs(np.diff(y)).max() < 1.2 * hz / 220 * np.abs(np.diff(first)).max()


@real
def test_programs_and_kits_differ_and_what_the_font_lacks_is_bank_0():
    piano, bass, kit, lost = (Player(SOUNDFONT, program=program, bank=bank).note(0.3, 130.8)
                              for program, bank in ((0, 0), (33, 0), (0, 128), (0, 77)))
    assert np.array_equal(piano, lost)
    assert not np.array_equal(piano, bass) and not np.array_equal(piano, kit) and kit.any()


@real
def test_a_program_is_taken_up_by_the_next_note():
    player, other = Player(SOUNDFONT, program=FLUTE), Player(SOUNDFONT, program=FLUTE)
    for one in (player, other):
        one.strike(440.0)
        one.play(0.05)
    player.set(program=ORGAN)
    assert np.array_equal(player.play(0.1), other.play(0.1))
    assert not same(player.note(0.1, 440.0), other.note(0.1, 440.0))


@real
@pytest.mark.parametrize(("bank", "programs", "keys"), [
    (0, 128, (21, 60, 96)), (128, 41, (36, 38, 49))])
def test_no_program_and_no_kit_is_above_one(bank, programs, keys):
    """Of timgm6mb-soundfont; another font may be louder, the limiter is behind it."""
    player, peaks = Player(SOUNDFONT, bank=bank), []
    for program in range(0, programs, 1 if bank == 0 else 8):
        player.set(program=program)
        peaks += [np.abs(player.note(0.2, 440.0 * 2 ** ((key - 69) / 12))).max() for key in keys]
    assert max(peaks) < (1.0 if fonts.font_file().stem in ("TimGM6mb", "default-GM") else 2.0)
    assert np.median(peaks) > 0.2


@real
def test_a_harder_strike_is_louder_and_the_filter_darkens():
    loud = [np.abs(Player(SOUNDFONT, program=STRINGS).note(0.5, 220.0, level)).max()
            for level in (0.0, 0.3, 0.6, 1.0)]
    assert loud[0] == 0.0 < loud[1] < loud[2] < loud[3]
    power = [np.abs(np.fft.rfft(Player(SOUNDFONT, program=STRINGS, filter_st=st).note(0.5, 220.0))
                    ) ** 2 for st in (0.0, -60.0)]
    bright = [p[1000:].sum() / p.sum() for p in power]     # over 2 kHz
    assert bright[1] < 0.1 * bright[0]


@real
def test_release_ends_in_exact_silence():
    for program in (0, ORGAN, STRINGS, LEAD):
        player = Player(SOUNDFONT, program=program)
        assert player.note(0.3, 440.0)[-2000:].any()
        player.release()
        y = player.play(4.0)
        assert y[:200].any() and not y[-9600:].any()


@real
def test_a_note_let_go_at_once_is_still_heard():
    player = Player(SOUNDFONT, program=0)
    player.strike(440.0)
    player.release()
    y = player.play(4.0)
    assert np.abs(y).max() > 0.01 and not y[-4800:].any()


def performed(block):
    """A part of four voices: chords that steal, a slide, a panic, a new start."""
    rig = Rig(48000)
    rig.load(Table({"keys": Part(SOUNDFONT, voices=4, program=ORGAN)}))
    for k in range(12):
        rig.push(1000 * k + 7, NOTE, pitch_hz=200.0 + 31 * k, level=0.8, length=2500,
                 flags=int(k == 6))
    rig.push(14000, PANIC)
    rig.push(30001, NOTE, pitch_hz=440.0, level=1.0, length=5000)
    out = play(rig, 180_000, block)[:, 0]
    return out, rig.counters()


@real
def test_in_the_rig_it_is_the_same_at_any_block_size_and_stops_when_told():
    out, counters = performed(128)
    assert counters["strikes"] == 12 and counters["not_finite"] == 0 and counters["steals"] > 0
    assert out[7:3000].any() and not out[:7].any()
    assert not out[16000:30001].any(), "panic"
    assert out[30001:30100].any() and not out[-2000:].any()
    for block in (32, 441, 1024):
        assert np.array_equal(performed(block)[0], out)


@real
def test_the_table_brings_its_own_rate():
    rig = Rig(44100)
    rig.load(Table({"keys": Part(SOUNDFONT, program=LEAD)}, rate_hz=44100))
    rig.push(0, NOTE, pitch_hz=440.0, level=1.0, length=44100)
    y = play(rig, 44100)[4410:, 0].astype(float)
    assert abs(cents(pitch_hz(y, 440.0, 44100), 440.0)) < 8.0


@real
def test_synths_that_nobody_holds_are_deleted():
    deleted, keep = [], fonts._delete
    for _ in range(3):
        Player(SOUNDFONT, 4).note(0.01)
    try:
        fonts._delete = lambda *all: deleted.append(len(all[2])) or keep(*all)
        made = fonts.Synths(3, 48000)
        del made
    finally:
        fonts._delete = keep
    assert deleted == [3]


def test_no_address_is_in_a_kernel():
    text = fresh_llvm(SOUNDFONT.render, SOUNDFONT, "s", "v", "p", "x", "run", "x")
    assert "inttoptr i64 %" in text and not re.search(r"inttoptr \(?i64 \d{5}", text)


def test_the_list_of_sounds_loads_no_fluidsynth():
    program = ("import sys; from engine.sounds import sounds; assert 'soundfont' in sounds()\n"
               "sys.stdout.write(str('fluidsynth' in sys.modules))\n"
               "maps = open('/proc/self/maps').read() if sys.platform == 'linux' else ''\n"
               "sys.stdout.write(str('libfluidsynth' in maps))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "FalseFalse", done.stderr


# ---- without the library or without a font
@pytest.fixture
def no_font(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "FOLDERS", (str(tmp_path),))
    monkeypatch.delenv(fonts.HOME, raising=False)
    monkeypatch.setattr(fonts, "_said", set())
    return monkeypatch


@pytest.mark.parametrize(("program", "bank", "own", "values"), [
    (25, 0, STRING, {}), (33, 0, FM, {"ratio": 1.0, "index": 3.0, "decay_s": 1.2})])
def test_without_a_font_the_nearest_own_voice_plays(no_font, program, bank, own, values):
    player, alone = Player(SOUNDFONT, 3, program=program), Player(own, 1, **values)
    for hz, level in ((110.0, 0.9), (330.0, 0.5)):
        player.strike(hz, level, v=1)
        alone.runs.get("seed", np.zeros(1))[0] = 2
        alone.strike(hz, level)
        assert np.array_equal(player.play(0.2)[:, 1], alone.play(0.2)[:, 0])
        player.release(1)
        alone.release()
        y = player.play(0.2)
        assert np.array_equal(y[:, 1], alone.play(0.2)[:, 0]) and not y[:, [0, 2]].any()


def test_what_is_missing_is_said_once_in_one_line(no_font, capsys):
    for _ in range(2):
        Table({"bass": Part(SOUNDFONT, program=33)})
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in ("no SoundFont: looked in", "timgm6mb-soundfont", "until then fm plays"):
        assert word in said


def test_a_missing_library_or_file_is_named(no_font, capsys, tmp_path):
    def nowhere(name):
        raise OSError(name)
    no_font.setenv(fonts.HOME, str(tmp_path / "none.sf2"))
    Player(SOUNDFONT)
    assert "none.sf2, as HIDDENSTAGE_SOUNDFONT says" in capsys.readouterr().err
    (tmp_path / "none.sf2").write_bytes(b"RIFFnothing")
    no_font.setattr(fonts.ctypes, "CDLL", nowhere)
    no_font.setitem(sys.modules, "fluidsynth", None)
    Player(SOUNDFONT)
    assert "FluidSynth 2 is missing" in (said := capsys.readouterr().err)
    assert "install libfluidsynth3" in said and said.count("\n") == 1


@real
def test_a_file_that_is_no_font_is_named(no_font, capsys, tmp_path):
    (tmp_path / "bad.sf2").write_bytes(b"RIFFnothing")
    y = Player(SOUNDFONT).note(0.1)
    assert "bad.sf2 cannot be read as a SoundFont" in capsys.readouterr().err and y.any()


def test_every_program_has_a_stand_in_that_plays(no_font):
    names = {fonts.nearest(program, bank)[0] for program in range(128) for bank in (0, 128)}
    assert names == {"fm", "string", "tom"}
    for program, bank in ((0, 0), (19, 0), (24, 0), (0, 128)):
        what = Audition("soundfont", "A3 C4", values={"program": program, "bank": bank}, tail_s=0.1)
        assert np.abs(render(what)[0]).max() > 0.05


def test_the_parameters_of_a_stand_in_are_its_own():
    from engine.sounds import sound
    for _, name, values in (*fonts.NEAREST, (0, *fonts.DRUMS)):
        thing = sound(name)
        known = {p.name: p for p in thing.params}
        assert (thing.shape, thing.oversample, thing.finish) == ("time", 1, None)
        assert all(known[key].check(value, name) == value for key, value in values.items())
