"""What is remembered, ranked, stood in for and recalled."""
import math

import pytest
import texts

from engine.records import INVALID, SINK, Frame
from mappings.memory import Memory, Settled, neutral, read


def heard(count=200, seed=1, memory=None, start=0):
    memory = memory or Memory(8)
    for i, frame in enumerate(texts.frames(seed, count)):
        memory.hear(start + 2 * i, [frame], False, True)
    return memory


def test_places_settle_so_that_the_usual_is_in_the_middle():
    settled, low = Settled(), [0.1 + 0.1 * (i * 0.618 % 1.0) for i in range(400)]
    places = [settled.place(value) for value in low]
    assert places[0] == pytest.approx(low[0])
    assert sum(places[200:]) / 200 == pytest.approx(0.5, abs=0.03)
    assert max(places[200:]) > 0.95 and min(places[200:]) < 0.05
    assert settled.place(0.9) > 0.99


def test_what_waits_for_a_feature_reads_nothing_that_stands_in():
    memory = Memory(8, None)
    units = [{"b.x": 0.9}] * 4 + [{"a.x": 0.6, "b.x": 0.1}] * 2
    assert memory.own("a.x", 8) is None
    for i, unit in enumerate(units):
        memory.hear(2 * i, [Frame(i, i, "", 0, {}, unit)], False, True)
    assert memory.own("a.x", 4) == pytest.approx(0.5 + 0.9 * 2.0 * 0.1)
    assert memory.spread("a.x", 4) > memory.own("a.x", 4) and memory.own("c.x", 4) is None


def test_absent_features_are_stood_in_for_by_their_own_family_then_by_any_then_by_the_token():
    frame = Frame(1, 7, "", 0, {}, {"attn.low.write": 0.2, "mlp.low.write": math.nan})
    assert read(frame, "attn.low.write") == (0.2, "attn.low.write")
    assert read(frame, "attn.high.write") == (0.2, "attn.low.write")
    assert read(frame, "mlp.low.write") == (0.2, "attn.low.write")
    both = Frame(1, 7, "", 0, {}, {"attn.low.write": 0.2, "mlp.low.write": 0.7, "z": 0.9})
    assert [read(both, f"{x}.high.write")[0] for x in ("attn", "mlp")] == [0.2, 0.7]
    one, two = (read(Frame(1, token, "", 0), "x")[0] for token in (7, 8))
    assert 0.0 <= one <= 1.0 and one != two and read(Frame(1, 7, "", 0), "x")[0] == one


def test_sink_and_invalid_records_are_not_heard():
    memory = Memory(8)
    bad = [Frame(0, 1, "", flag, {}, {"token.entropy_nat": 0.9}) for flag in (SINK, INVALID)]
    assert memory.hear(0, bad, False, True) == [] and not memory.heard


def test_a_missed_record_is_recalled_once_a_token_and_then_varied():
    memory, due = heard(32), []
    for step in range(64, 64 + 256):
        due += memory.hear(step, [], True, step % 2 == 0)
    assert len(due) == 128 and all(frame.seq < 0 for frame in due)
    first, second = due[:32], due[32:64]
    assert [f.record for f in first] == [f.seq for f in list(memory.real)[-32:]], "it says which"
    assert memory.newest == due[-1].record >= 0 and Memory(8).newest == -1
    assert [f.unit for f in first] == [f.unit for f in list(memory.real)[-32:]]
    assert [f.unit for f in first] != [f.unit for f in second]
    assert all(0.0 <= v < 1.0 for f in due for v in f.unit.values())
    assert memory.hear(400, [], False, True) == []


def test_the_recall_walks_on_while_a_slow_model_drops_in_and_begins_anew_after_it_is_back():
    memory, slow = heard(64), texts.frames(5, 40)
    for bar in range(4):
        memory.hear(128 + 16 * bar, [slow[bar]], False, True)
        for step in range(1, 16):
            memory.hear(128 + 16 * bar + step, [], True, step % 2 == 0)
    assert memory.recalled == 28
    for i in range(10):
        memory.hear(192 + 2 * i, [slow[10 + i]], False, True)
    assert memory.recalled == 0


def test_without_any_model_the_neutral_frames_differ():
    assert neutral(3) == neutral(3) and neutral(3).unit != neutral(4).unit
    memory = Memory(8)
    assert memory.hear(0, [], True, True)[0].unit == neutral(0).unit


def test_a_phrase_has_ended_when_a_sentence_did_in_the_last_bar_of_tokens():
    memory, seen = Memory(8), []
    for i, frame in enumerate(texts.frames(3, 24)):
        seen.append(memory.phrase_ended(2 * i))
        frame.sentence_end = i == 4
        memory.hear(2 * i, [frame], False, True)
    assert seen[16 // 2] and not seen[32 // 2] and not seen[0]


def test_of_a_slow_model_the_last_eight_tokens_count_however_long_they_took():
    memory = Memory(8)
    for i, frame in enumerate(texts.frames(3, 8)):
        frame.sentence_end = i == 4
        memory.hear(8 * i, [frame], False, True)
    assert memory.phrase_ended(64) and memory.presence(56) == pytest.approx(2 / 8)


def test_means_are_opened_to_the_whole_range():
    memory = heard(400)
    found = [memory.spread(name, 32) for name in memory.real[0].unit]
    assert min(found) < 0.25 and max(found) > 0.75 and all(0.0 <= x < 1.0 for x in found)
