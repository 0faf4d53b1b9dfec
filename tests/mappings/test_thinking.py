"""Thinking: a token's layers at their places, as loud as they wrote; nothing but the model decides,
and without one the memory sweeps on."""
import hashlib

import numpy as np
import pytest
import texts

from engine.errors import MappingError
from engine.performance import Options
from engine.records import NOTE, Frame
from engine.render import render
from engine.sets import load
from engine.why import Why
from mappings.music import STEPS, Entry, Scene
from mappings.thinking import GROUPS, Bell, Lane, Thinking
from mappings.thinking_player import groups_of

MUSIC = load("sets/thinking.py").music
WRITERS = {"attn", "mlp"}
QUIET = -3.0                              # standard deviations: a layer that is not heard


def frame(seq, attn=None, mlp=None, band=0.5, **raw):
    """A record with the same place for every band, and rows over six layers."""
    unit = {f"{kind}.{name}.write": band for kind in sorted(WRITERS)
            for name in ("low", "mid", "high")}
    rows = {f"writes.{kind}": np.asarray(row, float)
            for kind, row in (("attn", attn), ("mlp", mlp)) if row is not None}
    return Frame(seq, 1, " a", 0, dict(raw), unit, rows=rows)


def play(frames, bars, per_token=8, late_from=None, music=MUSIC):
    """The steps of a performance; after `late_from` the model is silent."""
    player, found, source = music.player(per_token), [], iter(frames)
    for step in range(bars * STEPS):
        late = late_from is not None and step >= late_from
        due = [next(source)] if not late and step % per_token == 0 else []
        found.append(player.step(step, due, late))
    return found


def strikes(steps, parts=frozenset(WRITERS)):
    """(sixteenth and its fraction, part, pitch) of what the writers play."""
    return [(i + n.delay_steps, n.part, n.pitch_st) for i, s in enumerate(steps) for n in s.notes
            if n.part in parts]


def told(words):
    """Frames of a wandering text with rows of their own."""
    random = np.random.default_rng(3)
    for one in words:
        one.rows = {f"writes.{kind}": random.normal(size=6) for kind in WRITERS}
    return words


def digest(steps):
    return hashlib.sha256(repr(steps).encode()).hexdigest()


def test_a_planted_row_gives_exactly_those_notes_at_those_steps():
    only = [QUIET, QUIET, 3.0, QUIET, QUIET, QUIET]       # layer 3 of 6: group 2 of 6
    steps = play([frame(0, attn=only, mlp=[QUIET] * 6, band=0.1)], 1, 16)
    group = 2 * 16 / GROUPS
    assert [(round(at, 6), part) for at, part, _ in strikes(steps)] == [(round(group, 6), "attn")]
    note = next(n for s in steps for n in s.notes if n.part == "attn")
    assert "attn.3.write" in note.cause and note.seq == 0 and note.cause.startswith("attn-mid:")
    deep = play([frame(0, attn=[QUIET] * 6, mlp=[*[QUIET] * 5, 3.0], band=0.1)], 1, 16)
    late = (5 + MUSIC.lanes[1].late) * 16 / GROUPS
    assert [(round(at, 6), part) for at, part, _ in strikes(deep)] == [(round(late, 6), "mlp")]


def test_depth_rises_in_time_and_pitch_and_more_is_louder_and_higher():
    steps = play([frame(0, band=0.5)], 1, 16)
    for part in sorted(WRITERS):
        notes = strikes(steps, {part})
        assert len(notes) == GROUPS
        assert [p for *_, p in notes] == sorted(p for *_, p in notes)
        assert len({round(b[0] - a[0], 6) for a, b in zip(notes, notes[1:], strict=False)}) == 1
    soft, loud = (play([frame(0, band=band)], 1, 16) for band in (0.3, 0.9))
    levels = [[n.level for s in one for n in s.notes if n.part in WRITERS] for one in (soft, loud)]
    assert min(levels[1]) > max(levels[0])
    assert all(a[2] < b[2] for a, b in zip(strikes(soft), strikes(loud), strict=True))


def test_groups_take_the_layer_that_wrote_most_at_any_depth():
    row = np.full(28, -1.0)
    row[[4, 20, 27]] = 2.0
    found = groups_of(row)
    assert [layer for layer, _ in found] == [5, 6, 10, 15, 21, 28]
    assert groups_of(()) == [None] * GROUPS
    assert sum(one is not None for one in groups_of(np.array([0.0, 1.0]))) == 3


def test_the_same_frames_give_the_same_music_and_others_give_others():
    one, again = (play(told(texts.frames(1, 64)), 32) for _ in range(2))
    other = play(told(texts.frames(2, 64)), 32)
    assert digest(one) == digest(again)
    assert strikes(one) != strikes(other)
    assert {s.chord for s in one} != {s.chord for s in other}


def test_missing_rows_and_features_leave_the_rest_playing():
    bare = frame(0, attn=[0.0] * 6)
    del bare.unit["attn.mid.write"]
    steps = play([bare], 1, 16)
    assert len(strikes(steps, {"attn"})) == GROUPS - 2
    assert len(strikes(steps, {"mlp"})) == GROUPS
    assert not strikes(steps, {"bell"})                   # neither lens nor surprisal


def test_the_bell_rings_where_the_sweep_settles():
    settled = frame(0, **{"crescendo.commit": 0.5})
    settled.unit["token.surprisal_nat"] = 0.9
    (at, _, _), = strikes(play([settled], 1, 16), {"bell"})
    assert at == pytest.approx(2 * 16 / GROUPS)


def test_a_late_model_sweeps_on_from_memory_and_never_the_same():
    steps = play(told(texts.frames(1, 16)), 40, late_from=8 * STEPS)
    bars = [strikes(steps[b * STEPS:(b + 1) * STEPS]) for b in range(40)]
    assert all(bars)                                      # never silent
    recalled = [n for s in steps[9 * STEPS:] for n in s.notes if n.part in WRITERS]
    assert all(0 <= n.seq < 16 for n in recalled)         # each names the record it recalls
    assert all(".write 0." in n.cause.partition(", ")[2] or ".write 1." in n.cause
               for n in recalled)                         # and the layer, from its row
    phrases = [tuple(n.level for s in steps[b * STEPS:(b + 4) * STEPS] for n in s.notes
                     if n.part in WRITERS) for b in range(12, 40, 4)]
    assert len(set(phrases)) == len(phrases)


def test_sections_end_with_the_texts_phrases_and_chords_return():
    steps = play(told(texts.frames(4, 256)), 128)
    bars = [s.section_bar for s in steps[::STEPS]]
    starts = [b for b, at in enumerate(bars) if at == 0]
    assert len(starts) >= 4 and all(b % 4 == 0 for b in starts)
    first = [s.chord for s in steps[starts[1] * STEPS:starts[2] * STEPS:STEPS]]
    assert 3 <= len(set(first)) <= 4                      # a loop of four
    assert len(set(tuple(s.chord for s in steps[b * STEPS:(b + 8) * STEPS:STEPS])
                   for b in starts[1:])) > 1


@pytest.mark.parametrize("change, words", [
    ({"lanes": ()}, "scenes and lanes"), ({"modes": ("lydian",)}, "no mode 'lydian'"),
    ({"scenes": (Scene("a", (6,), (), ()),)}, "four bars"),
    ({"scenes": (Scene("a", (8,), (), ("b",)),)}, "goes on to 'b'"),
    ({"scenes": (Scene("a", (8,), (Entry("attm"),), ()),)}, "'attn'")])
def test_a_wrong_table_is_told(change, words):
    good = {"scenes": (Scene("a", (8,), (Entry("attn"),), ("a",)),),
            "lanes": (Lane("attn", "attn", 0.0, 50.0),), "bell": Bell()}
    Thinking(**good)
    with pytest.raises(MappingError, match=words):
        Thinking(**(good | change))


@pytest.mark.slow
def test_the_set_sounds_and_every_event_resolves(tmp_path):
    import pyloudnorm
    import soundfile
    made = render(Options("sets/thinking.py", bars=6, out=str(tmp_path / "a.wav"),
                          record=str(tmp_path / "a.take")))
    sound, rate_hz = soundfile.read(tmp_path / "a.wav")
    assert np.isfinite(sound).all() and made["not_finite"] == 0 and made["steals"] == 0
    assert np.abs(sound).max() <= 10 ** (-1.0 / 20.0)
    assert -17.0 <= pyloudnorm.Meter(rate_hz).integrated_loudness(sound) <= -11.0
    asked = Why(tmp_path / "a.take")
    assert len(asked.take.events) > 150 and asked.unresolved() == []
    by = {asked.cause(row)["by"] for row in asked.take.events}
    assert {"model", "link", "grammar"} <= by
    ends = asked.take.events[asked.take.events["kind"] == NOTE]
    assert (ends["length"] > 0).all()                     # no note is held for ever
