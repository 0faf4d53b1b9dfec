"""A performance as a MIDI file: read back by mido and by pretty_midi, note for note."""
import math
import random

import mido
import numpy as np
import pretty_midi
import pytest

from engine import score_midi
from engine.clock import Clock
from engine.errors import EngineError
from engine.journal import Take
from engine.midi_parts import velocity_of
from engine.records import CHOKE, FADE, OFF, PANIC, SLIDE
from engine.score import Score
from engine.session import Options, render
from tests.engine.scores import PARTS, RATE_HZ, SET, event, note, score_of, target

TICK_S = 60.0 / 120.0 / 960


def written(tmp_path, events, **more):
    """(score, mido's file, its tracks by name) of a take by hand."""
    score = score_of(tmp_path / "t.take", events, **more)
    score_midi.write(tmp_path / "t.mid", score)
    file = mido.MidiFile(tmp_path / "t.mid", charset="utf-8")
    return score, file, {track.name: track for track in file.tracks}


def absolute(track):
    """(tick, message) of a track."""
    tick, found = 0, []
    for message in track:
        tick += message.time
        found.append((tick, message))
    return found


def notes_of(track):
    """(tick, end, channel, key, velocity) of every note; fails for one without an end."""
    sounding, found = {}, []
    for tick, message in absolute(track):
        if message.type == "note_on" and message.velocity:
            assert (message.channel, message.note) not in sounding, "struck while it sounds"
            sounding[message.channel, message.note] = tick, message.velocity
        elif message.type in ("note_on", "note_off"):
            start, velocity = sounding.pop((message.channel, message.note))
            assert tick > start
            found.append((start, tick, message.channel + 1, message.note, velocity))
    assert not sounding, "a note hangs"
    return sorted(found)


def tempo_at(file):
    return [(tick, message.tempo) for tick, message in absolute(file.tracks[0])
            if message.type == "set_tempo"]


def seconds_of(file):
    """tick -> seconds by the file's own tempo."""
    changes = tempo_at(file)

    def seconds(tick):
        total = 0.0
        for (start, tempo), (end, _) in zip(changes, changes[1:] + [(math.inf, 0)], strict=True):
            if tick > start:
                total += (min(tick, end) - start) * tempo / 1e6 / 960
        return total
    return seconds


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A render of the house with its take and file."""
    folder = tmp_path_factory.mktemp("house")
    report = render(Options(bars=24, out=str(folder / "a.wav"), record=str(folder / "a.take"),
                            midi=str(folder / "a.mid")))
    return folder, report, Score(Take(folder / "a.take"))


def struck(line):
    """A part's notes; of two at once on one key, the louder: a key is struck once."""
    found = {}
    for one in line.notes:
        place = one.sample, line.midi.key or one.pitch_hz
        if place not in found or found[place].level < one.level:
            found[place] = one
    return sorted(found.values(), key=lambda one: (one.sample, one.pitch_hz))


def test_the_house_is_there_note_for_note(house):
    folder, report, score = house
    file = mido.MidiFile(folder / "a.mid", charset="utf-8")
    assert (file.type, file.ticks_per_beat) == (1, 960)
    assert tempo_at(file) == [(0, round(60e6 / 124))]
    tracks, count = {track.name: track for track in file.tracks}, 0
    tick_s = 60 / 124 / 960
    seconds = seconds_of(file)
    for name, line in score.lines.items():
        found = sorted(notes_of(tracks[name]), key=lambda n: (n[0], n[3]))
        assert len(found) == len(struck(line)), name
        for got, played in zip(found, struck(line), strict=True):
            start, end = played.sample / RATE_HZ, played.end / RATE_HZ
            slack = tick_s / 2 + 0.5e-6 * start / 60 * 124 + 1e-9
            assert abs(seconds(got[0]) - start) <= slack
            assert got[4] == velocity_of(played.level)
            if line.midi.key is None:
                assert got[3] == round(69 + 12 * math.log2(played.pitch_hz / 440))
                assert abs(seconds(got[1]) - end) <= slack + 1e-6 or got[1] in [
                    other[0] for other in found if other[3] == got[3]]
            else:
                assert got[2:4] == (10, line.midi.key)
        count += len(found)
    assert report["notes"] >= count == report["midi_notes"] > 400
    assert sum(len(line.notes) for line in score.lines.values()) == report["notes"]


def test_pretty_midi_hears_the_same(house):
    folder, _, score = house
    heard = pretty_midi.PrettyMIDI(str(folder / "a.mid"))
    assert heard.resolution == 960 and [i.name for i in heard.instruments] == [
        name for name, line in score.lines.items() if line.notes]
    times, tempi = heard.get_tempo_changes()
    assert list(times) == [0.0] and abs(tempi[0] - 60e6 / round(60e6 / 124)) < 1e-6
    for instrument in heard.instruments:
        line = score.lines[instrument.name]
        assert instrument.is_drum == (line.midi.channel == 10)
        if not instrument.is_drum:
            assert instrument.program == line.midi.program
        starts = sorted(n.start for n in instrument.notes)
        assert np.abs(np.array(starts) - [n.sample / RATE_HZ for n in struck(line)]).max() < 3e-4
        assert sorted(n.velocity for n in instrument.notes) == sorted(
            velocity_of(n.level) for n in struck(line))
    assert heard.lyrics and "".join(lyric.text for lyric in heard.lyrics).strip() == "".join(
        text for _, text in score.words).strip()


def test_sections_sentences_and_words_are_marked(house):
    folder, _, score = house
    first, words = mido.MidiFile(folder / "a.mid", charset="utf-8").tracks[:2]
    marks = [(tick, m.text) for tick, m in absolute(first) if m.type == "marker"]
    assert [text for _, text in marks] == [name for _, name in score.sections]
    assert all(tick % (4 * 960) == 0 for tick, _ in marks) and len(marks) >= 3
    cues = [m.text for _, m in absolute(first) if m.type == "cue_marker"]
    assert cues == [text for _, text in score.sentences] and cues
    assert "".join(m.text for m in words if m.type == "lyrics") == "".join(
        text for _, text in score.words)


def test_a_ramp_is_exact_to_the_microsecond_and_notes_keep_their_place(tmp_path):
    clock = Clock(RATE_HZ, 120)
    clock.ramp(171.3, 16, 64)
    clock.set_bpm(90, 100)
    samples = [clock.sample_of(step) for step in range(0, 150, 3)]
    score, file, tracks = written(tmp_path, [note(s, "keys", 60 + i % 12) for i, s in
                                             enumerate(samples)], clock=clock, samples=2000000)
    tempi = dict(tempo_at(file))
    assert len(tempi) > 60
    assert list(tempi.items()) == [(round(row[0] * 240), round(60e6 / row[2]))
                                   for k, row in enumerate(clock.rows)
                                   if k == 0 or row[2] != clock.rows[k - 1][2]]
    found = notes_of(tracks["keys"])
    assert [n[0] for n in found] == [720 * k for k in range(50)]
    seconds = seconds_of(file)
    for (tick, *_), sample in zip(found, samples, strict=True):
        assert abs(seconds(tick) - sample / RATE_HZ) < TICK_S / 2 + 0.5e-6 * tick / 960
    heard = pretty_midi.PrettyMIDI(str(tmp_path / "t.mid"))
    assert len(heard.get_tempo_changes()[0]) == len(tempi)
    starts = np.array(sorted(n.start for n in heard.instruments[0].notes))
    assert np.abs(starts - np.array(samples) / RATE_HZ).max() < TICK_S


def test_before_the_first_bar_and_while_it_stands_the_bars_stay_with_the_sound(tmp_path):
    clock = Clock(RATE_HZ, 120, origin_sample=30000)
    clock.stop(20)
    clock.go_on(32, clock.sample_of(20) + 200000)
    early, late = clock.sample_of(0), int(clock.rows[-1][1])
    _, file, tracks = written(tmp_path, [note(early, "keys", 60), note(late, "keys", 62)],
                              clock=clock)
    seconds, found = seconds_of(file), notes_of(tracks["keys"])
    bars = [(tick, m.numerator * 3840 // m.denominator)
            for tick, m in absolute(file.tracks[0]) if m.type == "time_signature"]
    for (tick, *_), phase in zip(found, (0, 0), strict=True):
        start, bar = [b for b in bars if b[0] <= tick][-1]
        assert (tick - start) % bar == phase
    assert len(bars) > 2 and max(60e6 / tempo for _, tempo in tempo_at(file)) < 170
    for (tick, *_), sample in zip(found, (early, late), strict=True):
        assert abs(seconds(tick) - sample / RATE_HZ) < 2e-5


def test_slides_overlap_and_equal_keys_are_cut(tmp_path):
    events = [note(0, "bass", 40, 6000), note(6000, "bass", 43, 6000, flags=SLIDE),
              note(48000, "bass", 45, 20000), note(50000, "bass", 45, 2000),
              note(96000, "keys", 60, 5000), note(96000, "keys", 60, 9000)]
    _, _, tracks = written(tmp_path, events)
    first, second, third, fourth = notes_of(tracks["bass"])
    assert first[1] > second[0] and first[1] - second[0] <= 0.0101 / TICK_S
    assert third[1] == fourth[0] and fourth[1] - fourth[0] == round(2000 / RATE_HZ / TICK_S)
    assert len(notes_of(tracks["keys"])) == 1
    assert notes_of(tracks["keys"])[0][1] == round(105000 / RATE_HZ / TICK_S)


def test_a_key_that_two_parts_share_ends_before_the_other_begins_it(tmp_path):
    """In the other track, of which nothing says that it is read first."""
    source = SET.replace("Midi(program=33, cc={74: \"cutoff_hz\"})", "Midi(channel=3)").replace(
        "Part(FM, pan=-0.5)", "Part(FM, midi=Midi(channel=3))")
    events = [note(0, "keys", 45, 30000), note(24000, "bass", 45, 6000)]
    _, file, _ = written(tmp_path, events, source=source)
    merged = mido.merge_tracks(file.tracks)
    found, tick = [], 0
    for message in merged:
        tick += message.time
        if message.type in ("note_on", "note_off"):
            found.append((tick, message.type))
    assert found == [(0, "note_on"), (959, "note_off"), (960, "note_on"), (1200, "note_off")]


@pytest.mark.parametrize("ending", [
    event(PANIC, 24000), event(FADE, 24000, level=0.0), event(OFF, 24000, PARTS.index("keys")),
    event(CHOKE, 24000, PARTS.index("keys")),
    event(OFF, 24000, PARTS.index("keys"), pitch_hz=440.0 * 2 ** (-9 / 12))])
def test_what_ends_a_note_ends_it_in_the_file(tmp_path, ending):
    _, _, tracks = written(tmp_path, [note(0, "keys", 60, 900000), ending])
    assert [n[1] for n in notes_of(tracks["keys"])] == [960]


def test_one_pitch_let_go_leaves_the_others(tmp_path):
    _, _, tracks = written(tmp_path, [
        note(0, "keys", 60, 90000), note(0, "keys", 64, 90000),
        event(OFF, 24000, PARTS.index("keys"), pitch_hz=440.0 * 2 ** (-9 / 12))])
    assert [n[1] for n in notes_of(tracks["keys"])] == [960, 3600]


def test_hats_choke_and_nothing_outlives_the_take(tmp_path):
    _, file, tracks = written(tmp_path, [note(0, "openhat", 60, 400000), note(24000, "hat", 60),
                                         note(950000, "keys", 60, 1 << 40)])
    assert [n[:2] for n in notes_of(tracks["openhat"])] == [(0, 960)]
    assert file.length == pytest.approx(20.0, abs=1e-3)


def test_levels_pans_mutes_and_named_controllers(tmp_path):
    score = score_of(tmp_path / "t.take", [])
    index = score.made[0].registry().index
    events = [target(48000, index["bass.mute"], 1.0), target(96000, index["bass.mute"], 0.0),
              target(144000, index["bass.level_db"], -18.0, 0.5),
              target(48000, index["bass.cutoff_hz"], 1e9), target(0, index["keys.pan"], 1.0)]
    _, _, tracks = written(tmp_path, events)
    volume = [(tick, m.value) for tick, m in absolute(tracks["bass"])
              if m.type == "control_change" and m.control == 7]
    assert volume[:3] == [(0, 45), (1920, 0), (3840, 45)]
    assert [v for _, v in volume[3:]] == sorted((v for _, v in volume[3:]), reverse=True)
    assert volume[-1][1] == round(127 * 10 ** (-30 / 40)) and len(volume) > 15
    half = next(tick for tick, v in volume[3:] if v <= 127 * 10 ** (-24 / 40))
    assert half * TICK_S == pytest.approx(3.0 + 0.5 * math.log(2), abs=0.05)
    assert [m.value for m in tracks["bass"] if m.type == "control_change" and m.control == 74][-1
        ] == 127
    assert [m.value for m in tracks["keys"] if m.type == "control_change" and m.control == 10][-1
        ] == 127
    assert [m.program for m in tracks["bass"] if m.type == "program_change"] == [33]


def test_pitches_off_the_keys_leave_as_mpe(tmp_path):
    pitches = [60.0, 60.31, 63.5, 40.02, 71.97, 60.31]
    events = [note(4800 * i, "keys", st, 48000) for i, st in enumerate(pitches)]
    _, _, tracks = written(tmp_path, [*events, note(0, "bass", 40)])
    bends, heard = {}, []
    for _, m in absolute(tracks["keys"]):
        if m.type == "pitchwheel":
            bends[m.channel] = m.pitch
        if m.type == "note_on" and m.velocity:
            heard.append(m.note + bends[m.channel] * 48 / 8192)
            assert m.channel > 0
    assert np.abs(np.array(heard) - pitches).max() < 0.01
    assert len({n[2] for n in notes_of(tracks["keys"])}) == 6
    control = [(m.control, m.value) for m in tracks["keys"] if m.type == "control_change"]
    assert control[:3] == [(101, 0), (100, 6), (6, 15)] and control.count((6, 48)) == 15
    assert [m.port for m in tracks["keys"] if m.type == "midi_port"] == [1]
    assert not [m for m in tracks["bass"] if m.type == "pitchwheel"]


def test_a_hundred_random_performances_have_no_hung_note(tmp_path):
    lots = random.Random(3)
    for _ in range(100):
        events = [note(lots.randrange(960000), lots.choice(PARTS), lots.choice(
            (60, 61, lots.uniform(30, 90))), lots.choice((1, 500, 90000)), lots.random(),
            lots.choice((0, SLIDE))) for _ in range(60)]
        events += [event(lots.choice((PANIC, OFF, CHOKE, FADE)), lots.randrange(960000),
                         lots.randrange(9)) for _ in range(6)]
        _, _, tracks = written(tmp_path, events)
        assert sum(len(notes_of(track)) for track in tracks.values()) > 10


def test_a_take_cut_short_is_written_as_far_as_it_goes(house, tmp_path):
    data = (house[0] / "a.take").read_bytes()
    (tmp_path / "c.take").write_bytes(data[:len(data) // 2])
    score = Score(Take(tmp_path / "c.take"))
    count = score_midi.write(tmp_path / "c.mid", score)
    file = mido.MidiFile(tmp_path / "c.mid", charset="utf-8")
    assert 50 < count < house[1]["midi_notes"]
    assert sum(len(notes_of(track)) for track in file.tracks) == count
    assert file.length <= score.samples / RATE_HZ + 1e-3


def test_text_of_any_kind_is_kept(tmp_path):
    text = "naïve 日本 \u0001 “so”"
    _, _, tracks = written(tmp_path, [note(0, "keys", 60)], frames=[(0, text, True)])
    assert [m.text for m in tracks["text"] if m.type == "lyrics"] == [text]


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    score = score_of(tmp_path / "t.take", [note(0, "keys", 60)])
    (tmp_path / "taken").mkdir()
    for path in (tmp_path / "taken", "/dev/null/x.mid", "/dev/full/../full"):
        with pytest.raises(EngineError, match="cannot write") as caught:
            score_midi.write(path, score)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.take", "taken"]
