"""Records in order, gone back to and taken up again. Thread: control."""
import dataclasses

import numpy as np
import pytest
import torch

from engine.model.calibrate import calibrate
from engine.model.capture import Capture, describe
from engine.model.decode import probe
from engine.model.discover import discover
from engine.model.generate import PARAGRAPH, Generator
from engine.model.load import load
from engine.model.publish import Interrupted, Rings, token_text
from engine.records import (
    CALIBRATION,
    CONTROL,
    END,
    INVALID,
    PREFILL,
    RENEWED,
    SINK,
    STOP,
)
from engine.ring import Ring

PROMPT = "The house stood at the end of the road, where the fields began. It was not yet warm."


class Desk:
    """A generator and the reader of its rings, in one process."""

    def __init__(self, checkpoint, folder, limit=None, **settings):
        loaded = load(str(checkpoint))
        found = discover(loaded.model)
        descriptor = describe(loaded.model, found, "tiny", loaded.context)
        capture = Capture(found, descriptor)
        control = Ring(folder / "control", CONTROL, slots=16)
        self.rings = Rings(folder, descriptor, limit, control)
        self.generator = Generator(loaded, capture, self.rings, {"temperature": 1.0} | settings,
                                   probe(loaded.model, capture))
        self.taken, self.rings.wait = [], self.wait

    def wait(self, interruptible=True):
        """In one process, waiting for room is taking what is there."""
        if interruptible and len(self.rings.control):
            raise Interrupted
        if not self.rings.room():
            self.take()

    def take(self):
        while len(self.rings.token):
            pair = self.rings.state.front().copy(), self.rings.token.front().copy()
            assert pair[0]["seq"] == pair[1]["seq"]
            self.taken.append(pair)
            self.rings.state.pop()
            self.rings.token.pop()

    def read(self, count):
        """The next `count` records; [(state, token)]."""
        while len(self.taken) < count:
            self.take()
            if len(self.taken) < count:
                self.generator.step()
        found, self.taken = self.taken[:count], self.taken[count:]
        return found

    def empty(self):
        """Throws away what is waiting, as a reader does with an old generation."""
        self.take()
        self.taken = []


@pytest.fixture
def desk(checkpoint, tmp_path):
    with torch.inference_mode():
        yield Desk(checkpoint, tmp_path)


def inputs(records):
    return [int(state["token"]) for state, _ in records]


def said(records):
    return "".join(token_text(token) for _, token in records)


def test_prompt_then_writing(desk):
    desk.generator.open(PROMPT)
    length = len(desk.generator.given)
    records = desk.read(length + 30)
    states, tokens = zip(*records, strict=True)
    assert [int(s["seq"]) for s in states] == list(range(length + 30))
    assert [int(s["position"]) for s in states] == list(range(length + 30))
    assert [bool(s["flags"] & PREFILL) for s in states] == [True] * length + [False] * 30
    assert states[0]["flags"] & SINK and not states[1]["flags"] & SINK
    assert said(records).startswith(PROMPT)
    measured = np.array([t["surprisal_nat"] for t in tokens])
    assert np.isnan(measured[:length - 1]).all() and np.isfinite(measured[length - 1:]).all()
    for (_, token), (state, _) in zip(records[length - 1:], records[length:], strict=False):
        assert token["token"] == state["token"], "what was sampled is the next input"
    stamps = [(s["done_ns"], s["published_ns"], t["sampled_ns"]) for s, t in records[length:]]
    assert all(a <= b <= c for a, b, c in stamps)


def test_states_are_those_of_one_forward_over_everything(desk):
    desk.generator.open(PROMPT)
    records = desk.read(90)
    ids = torch.tensor([inputs(records)])
    whole = desk.generator.context.model(input_ids=ids, output_hidden_states=True).hidden_states
    for i in range(3):
        rows = np.stack([state["resid"][i] for state, _ in records])
        assert np.allclose(rows, whole[i][0].numpy(), atol=1e-4 * np.abs(rows).max())


def test_a_model_that_is_fed_a_token_at_a_time_gives_every_row(desk):
    """As state-space models are: a prompt longer than a chunk has no row of another token."""
    context = desk.generator.context
    context.ways = dataclasses.replace(context.ways, chunk=1)
    desk.generator.open(PROMPT * 3)
    assert len(desk.generator.given) > 70
    records = desk.read(90)
    ids = torch.tensor([inputs(records)])
    whole = context.model(input_ids=ids, output_hidden_states=True).hidden_states[1][0].numpy()
    rows = np.stack([state["resid"][1] for state, _ in records])
    assert np.allclose(rows, whole, atol=1e-4 * np.abs(rows).max())


@pytest.mark.parametrize("after", [0, 5, 27, 40, 70])
def test_rewinding_gives_the_same_again(desk, after):
    desk.generator.open(PROMPT)
    first = desk.read(80)
    desk.empty()
    desk.generator.rewind(after, generation=7)
    again = desk.read(79 - after)
    assert inputs(again) == inputs(first)[after + 1:]
    assert said(again) == said(first[after + 1:])
    assert {int(s["generation"]) for s, _ in again} == {7}
    for (a, _), (b, _) in zip(first[after + 1:], again, strict=True):
        assert np.allclose(a["resid"], b["resid"], atol=1e-4)
        assert a["flags"] == b["flags"] and a["position"] == b["position"]


def test_seed_and_temperature_change_the_text(checkpoint, tmp_path):
    texts = []
    with torch.inference_mode():
        for k, settings in enumerate(({}, {}, {"model_seed": 2}, {"temperature": 0.4})):
            folder = tmp_path / str(k)
            folder.mkdir()
            desk = Desk(checkpoint, folder, **settings)
            desk.generator.open(PROMPT)
            texts.append(said(desk.read(70)))
    assert texts[0] == texts[1] and len(set(texts)) == 3


def test_look_ahead_does_not_change_what_a_control_brings(checkpoint, tmp_path):
    texts = []
    with torch.inference_mode():
        for limit in (1, 40):
            folder = tmp_path / str(limit)
            folder.mkdir()
            desk = Desk(checkpoint, folder, limit=limit)
            desk.generator.open(PROMPT)
            desk.read(50)
            for _ in range(limit):
                desk.generator.step()     # so far ahead
            desk.empty()
            desk.generator.rewind(49, 1)
            desk.generator.prompt("Somebody knocked.")
            records = desk.read(60)
            assert int(records[0][0]["seq"]) == 50
            texts.append((inputs(records), said(records)))
    assert texts[0] == texts[1]
    assert PARAGRAPH + "Somebody knocked." in texts[0][1][:40]


def test_what_was_said_last_is_read_before_a_new_prompt(desk):
    desk.generator.open(PROMPT)
    records = desk.read(50)
    desk.empty()
    desk.generator.rewind(49, 1)
    desk.generator.prompt("Somebody knocked.")
    desk.read(3)
    spoken = inputs(records) + [int(records[-1][1]["token"])]
    assert desk.generator.context.tokens[:51] == spoken


def test_end_of_text_begins_the_prompt_again(desk):
    desk.generator.open(PROMPT)
    before = desk.read(60)
    ending = int(before[-1][1]["token"])
    desk.empty()
    desk.generator.rewind(40, 1)
    desk.generator.ends = frozenset({ending})
    records = desk.read(40)
    at = next(k for k, (_, token) in enumerate(records) if token["flags"] & END)
    assert records[at][1]["token"] == ending and token_text(records[at][1]).endswith(PARAGRAPH)
    state = records[at + 1][0]
    assert state["flags"] & RENEWED and not records[at][0]["flags"] & RENEWED
    assert int(state["token"]) == desk.generator.opening[-1]
    assert int(state["position"]) == len(desk.generator.opening) - 1
    desk.empty()
    seq = int(records[at][0]["seq"])
    desk.generator.rewind(seq, 2)
    again = desk.read(10)
    assert inputs(again)[:1] == [desk.generator.opening[-1]] and again[0][0]["flags"] & RENEWED


def test_full_context_is_renewed_and_rewound_across(desk):
    desk.generator.open(PROMPT)
    records = desk.read(400)
    places = [int(s["position"]) for s, _ in records]
    renewed = [k for k, (s, _) in enumerate(records) if s["flags"] & RENEWED]
    assert max(places) < 192 and len(renewed) >= 2
    assert places[renewed[0]] == 65, "the mark and 64 tokens were read again, unheard"
    desk.empty()
    desk.generator.rewind(renewed[0] - 1, 1)
    again = desk.read(20)
    assert inputs(again) == inputs(records)[renewed[0]:renewed[0] + 20]


def test_skip_goes_to_the_next_paragraph(desk):
    desk.generator.open(PROMPT)
    desk.read(60)
    desk.empty()
    desk.generator.rewind(59, 1)
    desk.generator.skip()
    records = desk.read(5)
    assert said(records).startswith(PARAGRAPH) and records[0][0]["flags"] & RENEWED
    assert int(records[0][0]["seq"]) == 60


def test_a_successor_goes_on_with_the_same_text(checkpoint, tmp_path):
    with torch.inference_mode():
        (tmp_path / "a").mkdir()
        desk = Desk(checkpoint, tmp_path / "a")
        desk.generator.open(PROMPT)
        length, records = len(desk.generator.given), desk.read(90)
        for count in (60, length - 4):
            folder = tmp_path / str(count)
            folder.mkdir()
            heir = Desk(checkpoint, folder, first_seq=count)
            inside = count < length
            history = inputs(records[:count]) + ([] if inside else [int(
                records[count - 1][1]["token"])])
            heir.generator.resume(history, PROMPT, mid_prompt=inside)
            again = heir.read(90 - count)
            assert inputs(again) == inputs(records[count:])
            assert said(again) == said(records[count:])
            assert int(again[0][0]["seq"]) == count and again[0][0]["flags"] & RENEWED
            heir.empty()
            heir.generator.rewind(count - 11, 3)
            assert inputs(heir.read(20)) == inputs(records[count - 10:count + 10])


def test_nan_is_flagged_and_survived(desk):
    desk.generator.open(PROMPT)
    desk.read(60)
    desk.empty()
    block = desk.generator.context.model.model.layers[1]

    def poison(module, args, out):
        return out * float("nan")
    handle = block.register_forward_hook(poison)
    ill = desk.read(3)
    handle.remove()
    assert all(s["flags"] & INVALID and t["flags"] & INVALID for s, t in ill[1:])
    well = desk.read(40)[20:]
    assert not any(s["flags"] & INVALID for s, _ in well)
    assert all(np.isfinite(t["surprisal_nat"]) for _, t in well)


def test_prompt_waits_for_room_and_can_be_interrupted(checkpoint, tmp_path):
    with torch.inference_mode():
        desk = Desk(checkpoint, tmp_path, limit=3)
        desk.generator.open(PROMPT)
        row = desk.rings.control.slot()
        row["kind"] = STOP
        desk.rings.control.publish()
        with pytest.raises(Interrupted):
            desk.generator.step()
        assert len(desk.rings.token) == 3
        desk.rings.control.pop()
        desk.take()
        first = desk.taken[:2]
        desk.empty()
        desk.generator.rewind(1, 1)       # the third record was not played
        records = desk.read(60)
        assert [int(s["seq"]) for s, _ in records] == list(range(2, 62))
        assert said(first + records).startswith(PROMPT)


def test_calibration_is_measured_and_forgotten(desk):
    generator = desk.generator
    calibrate(generator)
    desk.take()
    found = desk.taken
    states, tokens = zip(*found, strict=True)
    assert [int(s["seq"]) for s in states] == list(range(-len(found), 0)) and len(found) > 190
    assert all(s["flags"] & CALIBRATION for s in states) and states[0]["flags"] & SINK
    assert np.isfinite([t["surprisal_nat"] for t in tokens[:-1]]).all()
    assert np.isnan(tokens[-1]["surprisal_nat"]) and np.isfinite(tokens[-1]["entropy_nat"])
    ids = [int(s["token"]) for s in states]
    logits = generator.context.model(input_ids=torch.tensor([ids[:150]])).logits[0]
    expected = -torch.log_softmax(logits, -1)[range(149), ids[1:150]]
    assert np.allclose([t["surprisal_nat"] for t in tokens[:149]], expected, atol=1e-3)
    assert generator.context.tokens == [] and generator.seq == 0
