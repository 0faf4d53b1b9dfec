"""A folder for a DAW: stems that sum to what the masters were given, and everything beside them."""
import csv
import errno
import shutil
import tempfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
import soundfile

from engine import cli, score_midi
from engine.errors import EngineError
from engine.formats import dawproject
from engine.journal import Take
from engine.records import FADE
from engine.score import Score
from engine.session import Options, render, replay
from tests.engine.scores import SET, event, note, score_of, take_of

BARS = 12
# the children of an element, in the order of Project.xsd
ORDER = {
    "Project": ("Application", "Transport", "Structure", "Arrangement", "Scenes"),
    "Transport": ("Tempo", "TimeSignature"), "Track": ("Channel", "Track"),
    "Channel": ("Devices", "Mute", "Pan", "Sends", "Volume"),
    "BuiltinDevice": ("Parameters", "Enabled", "State"),
    "Arrangement": ("Lanes", "Markers", "TempoAutomation", "TimeSignatureAutomation"),
    "Points": ("Target", "RealPoint"), "TempoAutomation": ("Target", "RealPoint"),
    "TimeSignatureAutomation": ("Target", "TimeSignaturePoint"),
}
NEEDED = {"Note": {"time", "duration", "channel", "key"}, "Clip": {"time"},
          "Audio": {"channels", "sampleRate", "duration"}, "File": {"path"},
          "RealPoint": {"time", "value"}, "Marker": {"time"}, "Project": {"version"},
          "Application": {"name", "version"}, "BuiltinDevice": {"deviceName", "deviceRole"},
          "RealParameter": {"unit"}, "Tempo": {"unit"}, "TimeSignature": {"numerator",
                                                                          "denominator"}}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """(folder of a project, report, folder around it)"""
    around = tmp_path_factory.mktemp("project")
    report = render(Options(bars=BARS, project=str(around / "song")))
    return around / "song", report, around


def sum_error_db(folder):
    """How far the stems' sum is from the masters' input at its worst sample, dB of full scale."""
    stems = [soundfile.read(path, dtype="float64")[0] for path in (folder / "stems").glob("*.wav")]
    whole, _ = soundfile.read(folder / "premaster.wav", dtype="float64")
    assert {len(stem) for stem in stems} == {len(whole)} and np.abs(whole).max() > 0.05
    return 20 * np.log10(max(np.abs(sum(stems) - whole).max(), 1e-12)), len(whole), len(stems)


def root_of(folder):
    with zipfile.ZipFile(folder / "project.dawproject") as pack:
        assert pack.testzip() is None
        return ElementTree.fromstring(pack.read("project.xml")), pack.namelist()


def test_the_stems_sum_to_the_masters_input(house):
    error_db, samples, count = sum_error_db(house[0])
    assert error_db < -90.0 and count == 12 and samples == house[1]["samples"]


@pytest.mark.slow
def test_the_sum_is_before_the_masters_and_the_master_is_what_is_heard(house, tmp_path):
    plain = render(Options(bars=BARS, out=str(tmp_path / "a.wav")))
    assert plain["sha256"] == house[1]["sha256"]
    assert np.array_equal(soundfile.read(tmp_path / "a.wav")[0],
                          soundfile.read(house[0] / "master.wav")[0])
    assert not np.array_equal(soundfile.read(tmp_path / "a.wav")[0],
                              soundfile.read(house[0] / "premaster.wav")[0])


def test_no_master_effect_is_in_the_sum(tmp_path):
    swept = SET.replace("sends={", "master=(Fx(DJFILTER, position=0.8),), sends={").replace(
        "from synths.fm ", "from synths.djfilter import DJFILTER\nfrom synths.fm ")
    take_of(tmp_path / "t.take", [note(0, "bass", 40, 40000)], samples=48000, source=swept)
    replay(tmp_path / "t.take", None, Options(project=str(tmp_path / "song")))
    assert sum_error_db(tmp_path / "song")[0] < -90.0
    heard, given = (soundfile.read(tmp_path / "song" / f"{name}.wav")[0]
                    for name in ("master", "premaster"))
    assert np.abs(heard).max() < 0.5 * np.abs(given).max()


def test_nothing_but_the_folder_is_left_and_the_report_names_its_files(house):
    folder, report, around = house
    assert [path.name for path in around.iterdir()] == ["song"]
    assert all(Path(name).is_file() for name in report["files"]) and len(report["files"]) == 14
    assert {path.name for path in folder.iterdir()} == {
        "README.txt", "features", "labels.txt", "master.wav", "performance.mid",
        "performance.take", "premaster.wav", "project.dawproject", "sections.csv",
        "sentences.csv", "stems", "tempo.csv"}
    assert (folder.stat().st_mode & 0o777) == (folder / "stems").stat().st_mode & 0o777
    for path in folder.rglob("*"):
        assert not path.name.endswith(".part")


def test_markers_and_features_are_tables_with_samples(house):
    folder = house[0]
    score = Score(Take(folder / "performance.take"))
    with open(folder / "features" / "token.surprisal_nat.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    samples, values = score.features["token.surprisal_nat"]
    assert [int(row["sample"]) for row in rows] == samples.tolist() and len(rows) > 50
    assert [float(row["value"]) for row in rows] == values.tolist()
    with open(folder / "sentences.csv", newline="") as file:
        assert [(int(row["sample"]), row["sentence"]) for row in csv.DictReader(file)
                ] == score.sentences
    tempo = (folder / "tempo.csv").read_text().splitlines()
    assert tempo == ["sample,seconds,beat,bpm", "0,0.0,0.0,124.0"]
    for line in (folder / "labels.txt").read_text("utf-8").splitlines():
        start, end, text = line.split("\t")
        assert 0.0 <= float(start) <= float(end) <= score.samples / 48000 + 1e-6 and text


def test_the_song_is_built_as_the_format_wants_it(house):
    root, names = root_of(house[0])
    assert set(names) == {"project.xml", "metadata.xml"} | {
        f"audio/{path.name}" for path in (house[0] / "stems").iterdir()}
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        order = ORDER.get(element.tag)
        if order:
            places = [order.index(child.tag) for child in element]
            assert places == sorted(places), element.tag
        assert NEEDED.get(element.tag, set()) <= set(element.attrib), element.tag
        for name in ("track", "destination", "parameter"):
            assert element.get(name) is None or element.get(name) in ids
        if element.tag == "File":
            assert element.get("path") in names
    assert {track.get("contentType") for track in root.iter("Track")} == {
        "audio", "notes", "automation", "audio notes"}


def test_the_song_has_the_notes_of_the_midi_file_the_stems_and_the_features(house):
    root, _ = root_of(house[0])
    file = mido.MidiFile(house[0] / "performance.mid", charset="utf-8")
    struck = sum(m.type == "note_on" and m.velocity > 0 for track in file.tracks for m in track)
    notes = list(root.iter("Note"))
    assert len(notes) == struck > 150
    whole = root.find(".//Clip[@contentTimeUnit]")
    seconds = house[1]["samples"] / 48000
    assert float(whole.get("duration")) == pytest.approx(seconds * 124 / 60, abs=1e-6)
    assert all(float(audio.get("duration")) == pytest.approx(seconds) for audio in
               root.iter("Audio"))
    score = Score(Take(house[0] / "performance.take"))
    names = {p.get("name"): p.get("id") for p in root.iter("RealParameter")}
    assert set(names) == set(score.features)
    lane = next(p for p in root.iter("Points")
                if p.find("Target").get("parameter") == names["resid.mid.turn"])
    assert [float(p.get("value")) for p in lane.iter("RealPoint")] == pytest.approx(
        score.features["resid.mid.turn"][1].tolist(), abs=1e-8)
    assert [m.get("name") for m in root.iter("Marker")][0] == score.sections[0][1]
    assert float(root.find("./Arrangement/TempoAutomation/RealPoint").get("value")) == 124.0
    assert root.find("./Arrangement/TimeSignatureAutomation/TimeSignaturePoint").get(
        "numerator") == "4"


def test_off_the_keys_a_note_says_by_how_much_and_text_is_made_fit_for_xml(tmp_path):
    score = score_of(tmp_path / "t.take", [note(0, "keys", 60.31)],
                     frames=[(0, "a\u0000\u0001 <b>\ufffe", True)])
    path = tmp_path / "x.dawproject"
    dawproject.write(path, score, {})
    root = ElementTree.fromstring(zipfile.ZipFile(path).read("project.xml"))
    points = root.find(".//Note/Points")
    assert points.find("Target").get("expression") == "transpose"
    assert float(points.find("RealPoint").get("value")) == pytest.approx(0.31, abs=1e-3)
    assert [m.get("name") for m in root.iter("Marker")][-1] == "a <b>"
    ElementTree.fromstring(zipfile.ZipFile(path).read("metadata.xml"))


def test_the_same_take_gives_the_same_file(house, tmp_path):
    score = Score(Take(house[0] / "performance.take"))
    for name in ("a", "b"):
        dawproject.write(tmp_path / name, score, {})
        score_midi.write(tmp_path / f"{name}.mid", score)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.mid").read_bytes() == (house[0] / "performance.mid").read_bytes()


def test_a_replay_gives_the_project_again(house, tmp_path):
    report = replay(house[0] / "performance.take", None, Options(project=str(tmp_path / "again")))
    assert report["sha256"] == house[1]["sha256"]
    for name in ("performance.mid", "premaster.wav", "stems/bass.wav", "sections.csv",
                 "performance.take", "project.dawproject"):
        assert (tmp_path / "again" / name).read_bytes() == (house[0] / name).read_bytes(), name


def test_the_command_line_says_what_it_wrote_and_what_is_wrong(house, tmp_path, capsys,
                                                               monkeypatch):
    monkeypatch.chdir(tmp_path)
    take = str(house[0] / "performance.take")
    for words, code, said in (
            (["replay", take, "--midi", "n.mid"], 0, "n.mid: "),
            (["replay", take, "--project", "song"], 0, "song and 14 files: "),
            (["replay", take, "--project", take], 2, "it is a file; give a folder"),
            (["replay", take, "--midi", f"{take}/x.mid"], 2, "cannot write"),
            (["render", "house", "--bars", "1", "--midi", "/dev/null/x.mid"], 2, "cannot write")):
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        out, err = capsys.readouterr()
        assert left.value.code == code and said in out + err, words
        if code:
            assert err.splitlines()[-1].startswith("hiddenstage: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.mid", "song"]


def test_a_replay_writes_the_notes_alone(house, tmp_path):
    report = replay(house[0] / "performance.take", None, Options(midi=str(tmp_path / "n.mid")))
    assert report["files"] == [str(tmp_path / "n.mid")] and report["midi_notes"] > 150
    assert [path.name for path in tmp_path.iterdir()] == ["n.mid"]


def test_a_set_that_took_over_keeps_its_parts_in_their_own_stems(tmp_path):
    other = SET.replace('"kick": Part(KICK), ', "").replace('"keys": Part(FM, pan=-0.5)',
                                                           '"bell": Part(FM), "keys": Part(FM)')
    take = take_of(tmp_path / "t.take", [note(0, "keys", 60), note(24000, "bass", 40)],
                   closed=False)
    from engine.journal import Recorder
    recorder = Recorder(tmp_path / "two.take", take.head)
    recorder.table(0, 0, SET, "byhand.py", 1)
    recorder.table(90000, 1, other, "byhand.py", 1)
    rows = [*take.events, event(FADE, 96000, level=0.0, rise_s=0.05),
            event(FADE, 96000, level=1.0, rise_s=0.002)]
    rows[-1]["deck"] = 1
    for sample, part in ((100000, 3), (130000, 2)):        # of the other set: bell, bass
        rows.append(note(sample, "keys", 62))
        rows[-1]["part"], rows[-1]["deck"] = part, 1
    recorder.events(np.array(rows))
    recorder.close(200000)
    folder = tmp_path / "song"
    replay(tmp_path / "two.take", None, Options(project=str(folder)))
    assert sum_error_db(folder)[0] < -90.0
    sound = {path.stem: np.abs(soundfile.read(path)[0]).max(axis=1)
             for path in (folder / "stems").glob("*.wav")}
    assert set(sound) == {"kick", "hat", "openhat", "bass", "keys", "bell", "reverb"}
    assert sound["bell"][:90000].max() == 0.0 < sound["bell"][100000:110000].max()
    assert sound["keys"][:24000].max() > 0.0 and sound["kick"].max() == 0.0
    assert sound["bass"][24000:48000].max() > 0.0 < sound["bass"][130000:140000].max()
    file = mido.MidiFile(folder / "performance.mid")
    assert [track.name for track in file.tracks][2:] == ["kick", "hat", "openhat", "bass", "keys",
                                                        "bell"]


def test_an_interrupted_project_leaves_what_was_there(house, tmp_path):
    def interrupt(share, text):
        if share > 0.2:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        render(Options(bars=32, project=str(tmp_path / "song")), interrupt)
    assert not list(tmp_path.iterdir())
    replay(house[0] / "performance.take", None, Options(project=str(tmp_path / "song")))
    before = {path: path.read_bytes() for path in (tmp_path / "song").rglob("*.csv")}
    with pytest.raises(KeyboardInterrupt):
        replay(house[0] / "performance.take", None, Options(project=str(tmp_path / "song")),
               interrupt)
    assert before == {path: path.read_bytes() for path in (tmp_path / "song").rglob("*.csv")}
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


def test_a_project_takes_the_place_of_an_earlier_one_and_of_nothing_else(house, tmp_path):
    take, song = house[0] / "performance.take", tmp_path / "song"
    song.mkdir()
    replay(take, None, Options(project=str(song)))
    (song / "old.txt").write_text("old")
    replay(take, None, Options(project=str(song)))
    assert (song / "README.txt").is_file() and not (song / "old.txt").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    for folder, said in ((tmp_path / "mine", "holds other files"), (take, "is a file"),
                         (Path("/dev/null/x"), "cannot write")):
        with pytest.raises(EngineError, match=said) as caught:
            replay(take, None, Options(project=str(folder)))
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "song"]


def test_a_full_disk_is_one_line_and_leaves_nothing(house, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(dawproject.shutil, "copyfileobj", full)
    with pytest.raises(EngineError, match="No space left.*is the disk full"):
        replay(house[0] / "performance.take", None, Options(project=str(tmp_path / "song")))
    assert not list(tmp_path.iterdir())


def test_notes_may_lie_elsewhere_than_the_project(house, tmp_path):
    """In a folder that is not there yet, in the project that is replaced, on another disk."""
    take, song = house[0] / "performance.take", tmp_path / "new" / "song"
    other = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        for notes in (tmp_path / "a.mid", other / "a.mid", tmp_path / "deep" / "er" / "a.mid"):
            replay(take, None, Options(project=str(song), midi=str(notes)))
            assert notes.is_file() and (song / "project.dawproject").is_file()
    finally:
        shutil.rmtree(other)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["song"]


def test_where_midi_cannot_be_written_is_said_before_anything_is_rendered(tmp_path):
    def never(share, text):
        raise AssertionError("it rendered")
    with pytest.raises(EngineError, match="cannot write /dev/null/x.mid"):
        render(Options(bars=4, out=str(tmp_path / "a.wav"), midi="/dev/null/x.mid"), never)
    assert not list(tmp_path.iterdir())
