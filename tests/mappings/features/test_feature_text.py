"""Where sentences and paragraphs end, token by token."""
import planted

from engine import records
from mappings.features.text import Reader


def ends(*tokens):
    """Indices of tokens that end a sentence, and of those that end a paragraph."""
    reader = Reader()
    marks = [reader.read(text) for text in tokens]
    return ([i for i, m in enumerate(marks) if m.sentence_end],
            [i for i, m in enumerate(marks) if m.paragraph_end])


def test_a_sentence_ends_once_however_it_is_closed():
    assert ends(" Go", "!", "!", "!", ' "', " She", " went", ".", '"') == ([1, 7], [])
    assert ends(" Help", ".", ".", ".", ".", " Now", "?") == ([1, 6], [])
    assert ends(" no", " end", ",", " here", ";", ":", " -") == ([], [])


def test_abbreviations_initials_and_numbers_do_not_end_it():
    assert ends(" Mr", ".", " H", ".", " Smith", " paid", " 3", ".", "14", ".") == ([], [])
    assert ends(" M", "r", ".", " Smith", " slept", ".") == ([5], [])
    assert ends(" Mr.", " Smith", " slept.") == ([2], [])
    assert ends(" It", " was", " I", ".") == ([3], [])


def test_tokens_of_several_marks_and_other_scripts():
    assert ends(" he said.\"") == ([0], [])
    assert ends("\u4ed6\u8d70\u4e86\u3002") == ([0], [])
    assert ends(" \u0647\u0644", " \u062c\u0627\u0621", "\u061f") == ([2], [])
    assert ends(" \U0001f389", "!") == ([1], [])


def test_a_line_end_closes_sentence_and_paragraph_once():
    assert ends(" A", " title", "\n", "\n", " Text", ".", "\n\n", "\n") == ([2, 5], [2, 6])
    assert ends("\n\n", "\n", " Text") == ([], [])


def test_end_of_sequence_closes_what_is_open():
    reader = Reader()
    reader.read(" Text")
    mark = reader.read("", records.END)
    assert mark.sentence_end and mark.paragraph_end
    assert not reader.read("", records.END).paragraph_end


def test_age_counts_the_sentence_and_starts_again():
    reader = Reader()
    texts = (" He", " went", ".", '"', " She", " too", ".")
    ages = [reader.read(text).age_tokens for text in texts]
    assert ages == [1, 2, 3, 0, 1, 2, 3]


def test_punctuation_is_told_from_words():
    reader = Reader()
    texts = (" a", ",", " b", "\n", "'s", "\u3002", " $", "")
    assert [text for text in texts if reader.read(text).punctuation] == [",", "'s", "\u3002"]


def test_template_tokens_are_not_text():
    reader = Reader()
    reader.read(" Hello")
    assert not reader.read("<|end|>.\n", records.TEMPLATE).sentence_end
    assert reader.read(".").age_tokens == 2


def test_marks_reach_the_frame_and_the_feature():
    meter = planted.calibrated(planted.stream(1, 60))
    rows = [(state, planted.token(text)) for (state, _), text in
            zip(planted.stream(2, 4), (" He", " left", ".", "\n\n"), strict=True)]
    seen = planted.frames(meter, rows)
    assert [f.sentence_end for f in seen] == [False, False, True, False]
    assert [f.punctuation for f in seen] == [False, False, True, False]
    assert [f.paragraph_end for f in seen] == [False, False, False, True]
    assert [f.raw["text.sentence_age_tokens"] for f in seen] == [1.0, 2.0, 3.0, 0.0]
    assert "".join(f.text for f in seen) == " He left.\n\n"
