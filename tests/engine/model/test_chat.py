"""A model's own template around each prompt: its tokens marked, its turns followed."""
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from engine.errors import ModelError
from engine.model.chat import Chat, Token
from engine.model.generate import PARAGRAPH
from engine.model.load import load
from engine.records import END, PREFILL, RENEWED, TEMPLATE
from tests.engine.model.conftest import make
from tests.engine.model.test_generate import Desk, inputs, said

TURNS = ("{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}"
         "<|done|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}")
WORDS, MORE = "The house stood at the end of the road.", "Somebody knocked."
torch.set_num_threads(1)


def with_template(folder, template):
    """A tiny checkpoint whose tokenizer has a template and its marks."""
    make(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|done|>", "<|user|>"]})
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    make_room(folder, len(tokenizer))
    return folder


def make_room(folder, count):
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(count, mean_resizing=False)
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    return with_template(tmp_path_factory.mktemp("talker"), TURNS)


@pytest.fixture
def desk(talker, tmp_path):
    with torch.inference_mode():
        desk = Desk(talker, tmp_path)
        loaded = load(str(talker))
        chat = desk.generator.chat = desk.generator.prompts = Chat(loaded.tokenizer, "tiny", 96)
        desk.generator.ends = loaded.ends | chat.ends
        yield desk


def own(records):
    """The ids that are flagged as the template's."""
    return [int(state["token"]) for state, _ in records if state["flags"] & TEMPLATE]


def test_a_turn_is_what_the_template_makes_of_it_and_its_marks_are_known(talker):
    tokenizer = AutoTokenizer.from_pretrained(talker)
    chat = Chat(tokenizer, "tiny", 96)
    ids = chat.open(WORDS)
    whole = tokenizer.apply_chat_template([{"role": "user", "content": WORDS}],
                                          add_generation_prompt=True, return_dict=False)
    assert ids == whole
    words = tokenizer.decode([i for i in ids if not isinstance(i, Token)])
    assert words.strip() == WORDS
    further = chat.follow(MORE)
    assert tokenizer.decode(further) == "<|done|>\n<|user|>\nSomebody knocked.<|done|>\n" \
        "<|assistant|>\n"
    assert chat.ends == {tokenizer.convert_tokens_to_ids("<|done|>")}
    long = Chat(tokenizer, "tiny", 40).open(WORDS * 20)
    assert len(long) == 40 and tokenizer.decode(long).endswith("road.<|done|>\n<|assistant|>\n")


def test_template_tokens_are_read_flagged_and_not_said(desk):
    generator = desk.generator
    generator.open(WORDS)
    length, marks = len(generator.given), [int(i) for i in generator.opening
                                           if isinstance(i, Token)]
    records = desk.read(length + 20)
    assert inputs(records)[:length] == generator.opening and own(records) == marks
    assert all(state["flags"] & PREFILL for state, _ in records[:length])
    text = said(records)
    assert text.strip().startswith(WORDS + PARAGRAPH) and "user" not in text[:60]


def test_a_later_prompt_is_a_further_turn(desk):
    generator = desk.generator
    generator.open(WORDS)
    before = desk.read(len(generator.given) + 15)
    desk.empty()
    generator.rewind(int(before[-1][0]["seq"]), 1)
    generator.prompt(MORE)
    turn = generator.chat.follow(MORE)
    after = desk.read(len(turn) + 5)
    assert inputs(after)[:len(turn)] == turn
    assert own(after) == [int(i) for i in turn if isinstance(i, Token)]
    assert generator.context.tokens[:len(before) + 1] == [
        *inputs(before), int(before[-1][1]["token"])], "the conversation goes on"
    assert said(after).startswith(PARAGRAPH) and MORE in said(after)
    desk.empty()
    generator.rewind(int(after[3][0]["seq"]), 2)      # in the middle of the turn: the same again
    assert inputs(desk.read(len(turn) - 4)) == turn[4:]
    assert not any(state["flags"] & RENEWED for state, _ in after)


def test_the_end_of_an_answer_asks_again_and_a_prompt_then_begins_anew(desk):
    generator = desk.generator
    generator.open(WORDS)
    before = desk.read(len(generator.given) + 30)
    done = next(iter(generator.chat.ends))
    desk.empty()
    generator.rewind(int(before[-20][0]["seq"]), 1)
    generator.ends = frozenset({int(before[-1][1]["token"]), done})
    records = desk.read(25)
    at = next(k for k, (_, token) in enumerate(records) if token["flags"] & END)
    state, _ = records[at + 1]
    assert state["flags"] & RENEWED and state["flags"] & TEMPLATE
    assert int(state["token"]) == generator.opening[-1]
    desk.empty()
    generator.rewind(int(records[at][0]["seq"]), 2)
    generator.prompt(MORE)
    anew = generator.chat.open(MORE)
    records = desk.read(len(anew) + 3)
    assert inputs(records)[:len(anew)] == anew and records[0][0]["flags"] & RENEWED
    assert generator.context.tokens[:len(anew)] == anew


def test_a_full_window_keeps_the_question(desk):
    desk.generator.open(WORDS)
    records = desk.read(300)
    renewed = [k for k, (state, _) in enumerate(records) if state["flags"] & RENEWED]
    assert renewed and max(int(state["position"]) for state, _ in records) < 192
    opening = desk.generator.opening
    assert desk.generator.context.tokens[:len(opening)] == opening
    assert np.isfinite([float(token["surprisal_nat"]) for _, token in records[-50:]]).all()


@pytest.mark.parametrize("template, words", [
    (None, "no chat template"), ("hello", "does not hold the user's words"),
    ("{{ raise_exception('only systems may speak') }}", "fails"),
    ("{% for m in messages %}{{ nothing.at.all }}{% endfor %}", "fails")])
def test_what_is_no_template_is_one_line(talker, template, words):
    tokenizer = AutoTokenizer.from_pretrained(talker)
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=words) as fault:
        Chat(tokenizer, "tiny", 96)
    assert "\n" not in str(fault.value) and "leave --chat out" in str(fault.value)


def test_a_template_of_one_turn_begins_anew(talker):
    tokenizer = AutoTokenizer.from_pretrained(talker)
    tokenizer.chat_template = ("{% if messages | length > 1 %}{{ raise_exception('one') }}"
                               "{% endif %}Q: {{ messages[0]['content'] }}\nA:")
    chat = Chat(tokenizer, "tiny", 96)
    assert chat.follow(MORE) is None and chat.ends == frozenset()
    assert tokenizer.decode(chat.open(WORDS)) == f"Q: {WORDS}\nA:"
