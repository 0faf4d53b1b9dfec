"""Why: every event of a take has a cause, and it is the one that was at work."""
import json
import math
from pathlib import Path

import numpy as np
import pytest
from playing import HOUSE, started, until

from engine import cli, moment, why_words
from engine.errors import TakeError
from engine.journal import MAGIC, Recorder, _chunks
from engine.mapping import Link
from engine.records import CAUSE_BIT, EVENT, FADE, MIDI, NOTE, OFF, PANIC, TARGET
from engine.session import Options, render
from engine.why import UNTOLD, Why
from mappings.features import NAMES, Meter
from mappings.features.common import place_of
from tests.engine.model.conftest import make

BARS = 16
WISHES = (
    '    Link("token.entropy_nat", (0.3, 4.5), "music.edits", (0, 6), latch="bar", steps=7),\n'
    '    Link("token.margin", (0.1, 0.9), "music.chords", (0.0, 1.0), latch="phrase"),\n'
    '    Link("resid.mid.turn", (0.1, 0.9), "lead.pan", (-0.5, 0.5), latch="phrase", steps=3),\n')


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """The house set, sixteen bars of it."""
    folder = tmp_path_factory.mktemp("why")
    render(Options(bars=BARS, out=str(folder / "a.wav"), record=str(folder / "a.take")))
    return folder / "a.take"


@pytest.fixture(scope="module")
def asked(take):
    return Why(take)


def at(asked, text):
    return asked.at(moment.sample_of(text, asked.take, asked.clock))


def test_every_event_of_a_render_resolves(asked):
    assert len(asked.take.events) > 2000 and asked.unresolved() == []
    told = [asked.cause(row) for row in asked.take.events]
    assert all(cause["text"] for cause in told)
    for cause in told:
        assert cause["by"] in ("model", "link", "grammar", "music", "tempo")
        if cause["by"] in ("model", "link"):
            assert not cause["record"].get("missing") and cause["record"]["seq"] >= 0
            for one in cause.get("features", ()):
                full = [name for name in NAMES if one["name"] in (name, name.rpartition("_")[0])]
                assert full and one["read_at"] and one["value"] is not None


def test_a_link_s_record_gives_the_value_that_was_applied(asked):
    """The named feature of the named record, through the named link, is the number in the event."""
    known, counted = {frame["seq"]: frame for frame in asked.take.frames}, 0
    for row in asked.take.events[asked.take.events["kind"] == TARGET]:
        cause = asked.cause(row)
        if cause["by"] != "link":
            continue
        data = {k: tuple(v) if isinstance(v, list) else v for k, v in cause["link"].items()}
        link, frame = Link(**data), known[cause["record"]["seq"]]
        full = next(n for n in NAMES if link.feature in (n, n.rpartition("_")[0]))
        raw = full == link.feature and full.rpartition("_")[2] in ("nat", "tokens")
        value = link.at(link.share(frame["raw" if raw else "unit"][full]))
        assert math.isclose(value, float(row["level"]), rel_tol=1e-6)
        counted += 1
    assert counted > 1500


def test_a_note_is_the_one_that_was_written_for_its_step(asked):
    """The cause says the part's role, and its record was heard before the note."""
    heard = {frame["seq"]: frame["step"] for frame in asked.take.frames}
    parts, _ = asked.names(0, 0)
    roles = {"chords": ("stab", "hook", "edit"), "lead": ("hook", "stab", "edit"),
             "clap": ("grammar: clap", "grammar: roll", "fill", "ghost"), "pad": ("chord",),
             "kick": ("grammar: kick",), "bass": ("bass", "edit"),
             "perc": ("perc", "edit", "punctuation", "fill"), "hat": ("hat", "fill", "edit"),
             "openhat": ("grammar: openhat",), "shaker": ("grammar: shaker",)}
    for row in asked.take.events[asked.take.events["kind"] == NOTE]:
        cause = asked.cause(row)
        assert cause["text"].startswith(roles[parts[row["part"]]]), (parts[row["part"]], cause)
        if cause.get("record", {}).get("seq", -1) >= 0:
            assert heard[cause["record"]["seq"]] <= asked.clock.step_of(int(row["sample"])) + 1e-3


def test_a_moment_is_told_in_words(asked):
    found = at(asked, "bar 12.1")
    assert (found["place"], found["section"]) == ("12.1", "drop") and found["text"]
    parts = {note["part"]: note for note in found["sounding"]}
    assert parts["kick"]["cause"]["by"] == "grammar" and parts["kick"]["held"]
    assert {"pad", "bass"} <= set(parts)
    words = why_words.lines(found)
    assert "the grammar's kick, not the model" in words
    assert "link token.entropy_nat 0.3..4.5 to 180..2600 exp" in words
    assert "layers 1 to 2 of 6" in words and "from token '" in words
    assert "bass.cutoff_hz" in words and max(map(len, words.splitlines())) < 200
    moved = {one["parameter"]: one for one in found["parameters"]}
    assert moved["bass.level_db"]["cause"]["text"].startswith("scene drop")


def test_before_the_model_spoke_nothing_is_said_to_be_the_model_s(asked):
    notes = at(asked, "0")["sounding"]
    assert notes and all(note["cause"]["by"] in ("grammar", "music") for note in notes)


@pytest.mark.parametrize("text", ["0", "0.0", "15.483871", "0:15.483871", "0:00:15.483871", "bar 9",
                                  "bar 9.1"])
def test_a_moment_can_be_written_in_each_way(asked, text):
    expected = 0 if text[:2] in ("0", "0.") else 8 * 4 * 60 / 124 * 48000
    assert abs(moment.sample_of(text, asked.take, asked.clock) - expected) <= 1


@pytest.mark.parametrize("text", ["", "x", "1:99", "-1", "1e3", "nan", "1::2", "bar", "bar x",
                                  "bar 3.9", "bar 0", "bar -2", "1:2:3:4", "bar 1.0", ":3"])
def test_what_is_no_moment_is_refused(asked, text):
    with pytest.raises(TakeError, match="no time|count from"):
        moment.sample_of(text, asked.take, asked.clock)


@pytest.mark.parametrize("text", ["0:33", "9:00:00", "bar 19", "bar 999999999"])
def test_a_moment_beyond_the_end_is_refused(asked, text):
    with pytest.raises(TakeError, match=r"beyond the take's end, 0:32\.9 \(bar 16\.4\)"):
        moment.sample_of(text, asked.take, asked.clock)


# ---- the command
def run(capsys, *words):
    with pytest.raises(SystemExit) as left:
        cli.main(["why", *map(str, words)])
    return left.value.code, capsys.readouterr()


def test_the_command_answers_people_and_programs(take, capsys):
    code, said = run(capsys, take, "bar", "12.1")
    assert code == 0 and "the grammar's kick, not the model" in said.out
    code, said = run(capsys, take, "0:21.3", "--json")
    found = json.loads(said.out)
    assert code == 0 and found["sounding"] and found["parameters"]
    assert {"by", "text", "link", "record", "features"} <= set(found["parameters"][0]["cause"])


@pytest.mark.parametrize(("words", "said"), [
    (("none.take", "3"), "cannot read"), (("TAKE", "99:00"), "beyond"), (("TAKE", "x"), "no time"),
    (("TAKE", "bar"), "no time"), ((__file__, "3"), "no take of hiddenstage")])
def test_what_is_wrong_is_one_line(take, capsys, words, said):
    code, out = run(capsys, *(take if word == "TAKE" else word for word in words))
    assert code == 2 and said in out.err and out.err.count("\n") == 1 and not out.out


# ---- other takes
def without_causes(source, target):
    """A take as an older version wrote it."""
    with open(source, "rb") as file, open(target, "wb") as out:
        out.write(file.read(len(MAGIC)))
        recorder = Recorder.__new__(Recorder)
        recorder._file, recorder.path = out, target
        for kind, data in _chunks(file, Path(source).stat().st_size):
            if kind == b"EVNT":
                rows = np.frombuffer(data, EVENT).copy()
                rows["flags"] &= (1 << CAUSE_BIT) - 1
                rows["length"][rows["kind"] == TARGET] = 0
                data = rows.tobytes()
            elif kind != b"CAUS" and kind in (b"STEP", b"TABL"):
                data = json.loads(data)
                for name in ("first", "parts", "paths"):
                    data.pop(name, None)
                for note in data.get("notes", ()):
                    del note[7]
            if kind != b"CAUS":
                recorder.chunk(kind, data)
    return target


def test_an_older_take_reads_and_says_once_that_it_does_not_say(take, tmp_path, capsys):
    old = without_causes(take, tmp_path / "old.take")
    asked = Why(old)
    assert len(asked.unresolved()) == len(asked.take.events)
    code, said = run(capsys, old, "bar", "12.1")
    assert code == 0 and said.out.count(UNTOLD) == 1 and "bass.cutoff_hz" in said.out


def test_a_cut_take_is_told_as_far_as_it_goes(take, tmp_path):
    data = take.read_bytes()
    (tmp_path / "cut.take").write_bytes(data[:len(data) * 2 // 3])
    asked = Why(tmp_path / "cut.take")
    assert not asked.take.whole and asked.take.samples and asked.unresolved() == []
    found = asked.at(asked.take.samples - 1)
    assert "cut short" in why_words.lines(found)


@pytest.mark.slow
def test_the_same_notes_are_played_with_or_without_a_take(take, tmp_path):
    bare = render(Options(bars=4, out=str(tmp_path / "b.wav")))
    kept = render(Options(bars=4, out=str(tmp_path / "c.wav"), record=str(tmp_path / "c.take")))
    assert bare["events_sha256"] == kept["events_sha256"] and bare["sha256"] == kept["sha256"]


def test_a_take_stays_small(take):
    """Two hours in 500 MB."""
    seconds = BARS * 4 * 60 / 124
    assert take.stat().st_size / seconds * 7200 < 500e6


def test_links_to_the_music_are_told_as_links(tmp_path):
    path = tmp_path / "wishes.py"
    path.write_text(HOUSE.replace("LINKS = (\n", "LINKS = (\n" + WISHES), encoding="utf-8")
    render(Options(set=str(path), bars=BARS, out=str(tmp_path / "a.wav"),
                   record=str(tmp_path / "a.take")))
    asked = Why(tmp_path / "a.take")
    assert asked.unresolved() == []
    found = at(asked, f"bar {BARS - 2}")
    moved = {one["parameter"]: one for one in found["parameters"]}
    assert moved["music.edits"]["cause"]["link"]["latch"] == "bar"
    assert moved["music.edits"]["value"] == round(moved["music.edits"]["value"])
    assert moved["lead.pan"]["value"] in (-0.5, 0.0, 0.5)
    pads = [note["cause"] for note in found["sounding"] if note["part"] == "pad"]
    assert pads and pads[0]["by"] == "link" and pads[0]["link"]["target"] == "music.chords"
    assert "link token.margin 0.1..0.9" in why_words.lines(found)


def test_live_whatever_hands_prompts_and_a_saved_set_did_resolves(tmp_path):
    checkpoint, path = make(tmp_path / "model"), tmp_path / "live.take"
    with started(tmp_path, checkpoint, record=str(path)) as live:
        def later(bars=1):
            step = live.conductor.step + 16 * bars
            until(lambda: live.conductor.step > step, "a bar")
        later()
        live.key("mute:1")
        live.ask(lambda: live.actions.act("/a/bass/cutoff_hz", (700.0,)))
        live.ask(lambda: live.actions.act("/play/lead", (60.0, 0.8)))
        live.prompt("Rain fell on the roofs of the town.")
        later()
        live.key("filter")
        live.ask(lambda: live.actions.act("/let_go/lead", (60.0,)))
        deck = live.conductor.deck
        (tmp_path / "mine.py").write_text(HOUSE.replace("bpm=240", "bpm=200"), encoding="utf-8")
        until(lambda: live.conductor.deck != deck, "the saved set")
        later()
        live.ask(lambda: live.actions.act("/stop"))
        until(lambda: not live.conductor.clock.rolls, "the stop")
        live.ask(lambda: live.actions.act("/continue"))
        later()
        live.key("panic")
        later()
    asked = Why(path)
    assert asked.take.whole and asked.take.lost and asked.unresolved() == []
    told = [(int(row["kind"]), asked.cause(row)) for row in asked.take.events]
    missing = [cause for _, cause in told if cause.get("record", {}).get("missing")]
    assert not missing
    by = {(kind, cause["by"]) for kind, cause in told}
    assert {(NOTE, "hand"), (OFF, "hand"), (TARGET, "hand"), (PANIC, "panic"), (FADE, "set"),
            (OFF, "transport"), (TARGET, "tempo"), (TARGET, "link"), (NOTE, "model")} <= by


# ---- where a feature is read
@pytest.mark.parametrize(("name", "where"), [
    ("token.surprisal_nat", "the output head"), ("text.sentence_age_tokens", "the text"),
    ("resid.low.speed", "layers 1 to 2 of 6"), ("mlp.high.write", "layers 5 to 6 of 6"),
    ("resid.mid.turn", "the state after layer 3 of 6"), ("resid.5.speed", "layer 5 of 6"),
    ("resid.axis.2", "the state after layer 3 of 6"), ("other.thing", "")])
def test_a_feature_says_where_in_the_model_it_is_read(name, where):
    assert place_of(name, 6) == where


def test_every_feature_has_a_place():
    assert all(Meter.place_of(name, layers) for name in NAMES for layers in (1, 2, 6, 28))
    assert Meter.place_of("no.feature", 6) == ""


def test_a_message_of_the_transport_is_told_from_one_that_opens_a_part(asked):
    row = np.zeros(1, EVENT)[0]
    row["kind"] = MIDI
    told = []
    for message in ((0xFA,), (0xF2, 0, 4), (0xC3, 17), (0xB0, 7, 100)):
        row["length"] = sum(b << 8 * k for k, b in enumerate(message)) | len(message) << 56
        told.append(asked.cause(row)["by"])
    assert told == ["transport", "transport", "set", "set"]


def test_a_damaged_head_is_one_line(take, tmp_path):
    with open(take, "rb") as file:
        chunks = [(kind, data) for _ in (file.read(len(MAGIC)),)
                  for kind, data in _chunks(file, take.stat().st_size)]
    recorder = Recorder(tmp_path / "bad.take", {"set": "house"})
    for kind, data in chunks[1:]:
        recorder.chunk(kind, data)
    recorder.shut()
    with pytest.raises(TakeError, match="damaged"):
        Why(tmp_path / "bad.take")
