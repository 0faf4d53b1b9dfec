"""The rig: block independence, sample-exact onsets, stealing, chokes, parameters, sends, panic."""
import numpy as np
import pytest
from toys import BELL, BROKEN, DUCK, GAIN, STEADY, play, rig_of

from engine.errors import EngineError, SetError
from engine.parts import Fx, Part
from engine.records import CHOKE, NOTE, OFF, PANIC, SLIDE
from engine.rig_words import EVENT_BYTES
from engine.table import Rig, Table


def busy_rig():
    rig = rig_of({"bell": Part(BELL, voices=3, room_send=0.5), "pad": Part(STEADY, pan=-0.5)},
                 channels=10, sends={"room": Fx(GAIN, amount=0.3)}, master=(Fx(GAIN, amount=0.9),),
                 duck=DUCK, key_part="bell")
    for k in range(12):
        rig.push(77 + 997 * k, NOTE, part=k % 2, pitch_hz=200.0 + 30 * k, level=0.3, length=1500)
    rig.target(3001, "bell.bright", 0.9)
    rig.target(4001, "pad.level_db", -12.0)
    return rig


@pytest.mark.parametrize("block", [1, 16, 48, 64, 441, 1024])
def test_the_same_samples_at_any_block_size(block):
    assert np.array_equal(play(busy_rig(), 14000, 128), play(busy_rig(), 14000, block))


@pytest.mark.parametrize("sample", [0, 1, 31, 32, 1000, 4095])
def test_a_note_starts_at_its_sample(sample):
    rig = rig_of({"bell": Part(BELL)})
    rig.push(sample, NOTE, pitch_hz=440.0, level=1.0, length=100)
    out = play(rig, 6000)
    assert np.flatnonzero(out[:, 0])[0] == sample
    applied = rig.collect()
    assert list(applied["sample"]) == [sample]


def test_a_late_event_is_counted_and_reported_at_the_sample_it_got():
    rig = rig_of({"bell": Part(BELL)})
    play(rig, 320)
    rig.push(100, NOTE, pitch_hz=440.0, level=1.0, length=100)
    play(rig, 320)
    assert rig.collect()["sample"][0] == 320
    assert rig.counters()["late_events"] == 1


def test_every_note_ends_by_itself_and_leaves_exact_silence():
    rig = rig_of({"pad": Part(STEADY)})
    rig.push(10, NOTE, pitch_hz=100.0, level=0.5, length=4800)
    out = play(rig, 20000)
    heard = np.flatnonzero(out[:, 0])
    assert heard[0] == 10 and abs(heard[-1] - 4810) <= 64
    assert not out[6000:].any()


def test_polyphony_steals_the_oldest_with_a_short_fade():
    rig = rig_of({"pad": Part(STEADY, voices=2)})
    for k in range(3):
        rig.push(1000 * (k + 1), NOTE, pitch_hz=100.0, level=0.25, length=0)
    out = play(rig, 6000)[:, 0] / np.sqrt(0.5)
    assert rig.counters()["steals"] == 1
    assert out[2900] == pytest.approx(0.5, abs=1e-3)
    assert out[5000] == pytest.approx(0.5, abs=1e-3), "two voices sound, not three"
    assert np.abs(np.diff(out[3000:3090])).max() < 0.01, "the stolen voice fades, it does not stop"


def test_choke_group_and_choke_event_silence_in_four_ms():
    rig = rig_of({"open": Part(STEADY, choke="hat"),
                  "closed": Part(BELL, choke="hat", level_db=-120)})
    rig.push(100, NOTE, part=0, pitch_hz=100.0, level=0.5, length=0)
    rig.push(4000, NOTE, part=1, pitch_hz=100.0, level=0.5, length=10)
    rig.push(9000, NOTE, part=0, pitch_hz=100.0, level=0.5, length=0)
    rig.push(12000, CHOKE, part=0)
    out = play(rig, 16000)[:, 0]
    assert abs(out[3900]) > 0.1 and not out[4000 + 256:8900].any()
    assert abs(out[11900]) > 0.1 and not out[12000 + 256:].any()


def test_a_slide_moves_the_held_voice_without_a_strike():
    rig = rig_of({"bell": Part(BELL, voices=1, fade_s=12.0)})
    rig.push(0, NOTE, pitch_hz=220.0, level=0.5, length=30000)
    rig.push(12000, NOTE, pitch_hz=440.0, level=0.5, length=30000, flags=1)
    out = play(rig, 36000)[:, 0]
    spectrum = np.abs(np.fft.rfft(out[24000:36000] * np.hanning(12000)))
    assert abs(np.argmax(spectrum) * 4.0 - 440.0) < 6.0
    assert rig.counters()["strikes"] == 1


@pytest.mark.parametrize("pitch_hz", [880.0, 0.0])
def test_a_strike_that_waits_for_a_stolen_voice_hears_its_end(pitch_hz):
    """Sixteen keys are held, a 17th is struck and let go while the stolen voice fades."""
    rig = rig_of({"pad": Part(STEADY, voices=16)})
    for k in range(16):
        rig.push(0, NOTE, length=3600 * 48000, pitch_hz=200.0 + 10 * k, level=0.05)
    play(rig, 480)
    rig.push(0, NOTE, length=3600 * 48000, pitch_hz=880.0, level=0.9)
    play(rig, 48)
    rig.push(0, OFF, pitch_hz=pitch_hz)
    play(rig, 48)
    for k in range(16):
        rig.push(0, OFF, pitch_hz=200.0 + 10 * k)
    play(rig, 48000)
    assert np.all(play(rig, 480) == 0.0)


@pytest.mark.parametrize("voices", [1, 4])
def test_a_slide_right_after_a_choke_is_struck(voices):
    rig = rig_of({"a": Part(STEADY, voices=voices, choke="g"),
                  "b": Part(STEADY, voices=1, choke="g")})
    rig.push(0, NOTE, length=96000, pitch_hz=200.0, level=0.5)
    play(rig, 960)
    rig.push(0, NOTE, part=1, length=32, pitch_hz=200.0, level=0.5)
    play(rig, 64)
    rig.push(0, NOTE, length=48000, pitch_hz=300.0, level=0.5, flags=SLIDE)
    play(rig, 4800)
    assert np.abs(play(rig, 480)).max() > 0.3


def test_parameters_glide_and_reject_what_is_no_number():
    rig = rig_of({"pad": Part(STEADY)})
    rig.push(0, NOTE, pitch_hz=100.0, level=0.5, length=0)
    rig.target(9600, "pad.level_db", -20.0)
    out = play(rig, 48000)[:, 0]
    assert np.abs(np.diff(out[9000:40000])).max() < 0.01
    assert out[40000] / out[9000] == pytest.approx(0.1, rel=0.01)
    index, _ = rig.tables[0].registry.find("pad.level_db", "test")
    rig.push(0, 3, part=index, level=float("nan"))
    rig.push(0, 3, part=10 ** 6, level=1.0)
    assert np.isfinite(play(rig, 1000)).all()


def test_voices_that_stop_being_numbers_are_cleared_and_counted():
    rig = rig_of({"bad": Part(BROKEN), "pad": Part(STEADY)})
    rig.push(0, NOTE, part=0, pitch_hz=100.0, level=0.5, length=0)
    rig.push(0, NOTE, part=1, pitch_hz=100.0, level=0.5, length=0)
    out = play(rig, 2000)
    assert np.isfinite(out).all() and rig.counters()["not_finite"] == 1
    assert out[1900, 0] == pytest.approx(0.5 * np.sqrt(0.5), rel=1e-3)


def test_stems_and_returns_sum_to_what_the_master_is_given():
    rig = rig_of({"bell": Part(BELL, room_send=0.7), "pad": Part(STEADY, pan=0.3, room_send=0.2)},
                 channels=10, sends={"room": GAIN})
    for k in range(6):
        rig.push(500 * k, NOTE, part=k % 2, pitch_hz=300.0, level=0.4, length=700)
    out = play(rig, 6000).astype(np.float64)
    stems = out[:, 4::2].sum(1)
    assert 20 * np.log10(np.abs(out[:, 0] - stems).max() / np.abs(out[:, 0]).max()) < -90


def test_duck_follows_the_key_part_to_the_sample():
    rig = rig_of({"kick": Part(BELL, level_db=-120.0), "pad": Part(STEADY, duck=1.0)}, duck=DUCK,
                 key_part="kick")
    rig.push(0, NOTE, part=1, pitch_hz=100.0, level=0.5, length=0)
    rig.push(1003, NOTE, part=0, pitch_hz=100.0, level=0.5, length=100)
    out = play(rig, 3000)[:, 0]
    silent = np.flatnonzero(np.abs(out[500:2500]) < 1e-6) + 500
    assert silent[0] == 1003 and silent[-1] == 1003 + 479


def test_panic_silences_everything():
    rig = busy_rig()
    rig.push(2000, NOTE, part=1, pitch_hz=100.0, level=0.5, length=0)
    play(rig, 13000)
    rig.push(0, PANIC)
    play(rig, 512)
    assert not play(rig, 2000)[:, :2].any()


def test_what_a_panic_cut_off_is_not_heard_when_the_deck_returns():
    rig = rig_of({"bell": Part(BELL)})
    for sample in (0, 4000):                  # one that sounds, one that was sent already
        rig.push(sample, NOTE, pitch_hz=440.0, level=1.0, length=48000)
    play(rig, 3000)
    rig.push(0, PANIC)
    rig.push(4000, PANIC)
    rig.fade(0, 0, 0.0, 0.002)
    play(rig, 6000)
    rig.fade(0, 0, 1.0, 0.002)
    assert not play(rig, 6000).any()


def test_cue_is_heard_before_the_fader():
    rig = rig_of({"pad": Part(STEADY, cue=1.0, level_db=-120.0)})
    rig.push(0, NOTE, pitch_hz=100.0, level=0.5, length=0)
    out = play(rig, 500)
    assert out[400, 2] == pytest.approx(0.5) and not out[:, 0].any()


def test_two_tables_cross_fade():
    rig = rig_of({"pad": Part(STEADY)})
    rig.load(Table({"pad": Part(STEADY)}), deck=1, gain=0.0)
    rig.push(0, NOTE, 0, pitch_hz=100.0, level=0.5, length=0)
    rig.fade(2400, 0, 0.0, 0.01)
    rig.fade(2400, 1, 1.0, 0.01)
    rig.push(2400, NOTE, 1, pitch_hz=100.0, level=0.25, length=0)
    out = play(rig, 4800)[:, 0] / np.sqrt(0.5)
    assert out[2300] == pytest.approx(0.5, rel=1e-3) and out[4700] == pytest.approx(0.25, rel=1e-3)


def test_a_wrong_set_is_refused_with_the_near_name():
    with pytest.raises(SetError, match="did you mean 'bright'"):
        Table({"bell": Part(BELL, brigth=0.5)})
    with pytest.raises(SetError, match="outside"):
        Table({"bell": Part(BELL, bright=1.5)})
    with pytest.raises(SetError, match="must be a number"):
        Table({"bell": Part(BELL, bright=float("nan"))})
    with pytest.raises(SetError, match="key_part"):
        Table({"bell": Part(BELL)}, key_part="kik")


@pytest.mark.parametrize(("channels", "premaster"), [(1, False), (4, True)])
def test_a_rig_has_room_for_what_is_always_given_out(channels, premaster):
    with pytest.raises(EngineError, match=f"of {channels} channels: give it at least"):
        Rig(48000, channels, premaster=premaster)


def test_more_events_than_fit_are_refused_not_lost():
    rig = Rig(48000, 4)
    sent = sum(rig.push(10 ** 9, NOTE) for _ in range(5000))
    assert sent == 4096 and rig.events.dtype.itemsize == EVENT_BYTES


def test_a_voice_that_has_died_away_is_taken_without_delay():
    rig = rig_of({"bell": Part(BELL, voices=1 + 1, fade_s=0.05)})
    for k in range(4):
        rig.push(10_000 * k, NOTE, pitch_hz=300.0, level=0.5, length=50_000)
    out = play(rig, 40_000)[:, 0]
    assert rig.counters()["steals"] == 0 and rig.counters()["strikes"] == 4
    for k in range(4):
        assert abs(out[10_000 * k]) > 0.3, "struck at its very sample"
