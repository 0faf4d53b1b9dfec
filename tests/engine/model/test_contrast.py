"""Contrast sets: the files that users write, good and bad."""
import json

import pytest

from engine.errors import ModelError
from engine.model import contrast

WORDS = [f"the {word} went slowly home" for word in
         "cat dog cow hen fox owl bee ant pig rat".split()]


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def labelled(rows):
    return "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)


PLAIN = [(w, "yes") for w in WORDS] + [(f"{w} today", "no") for w in WORDS]


def test_labels_pairs_and_json_lines_are_read(tmp_path):
    one = contrast.read(written(tmp_path / "a.csv", "\ufeff" + labelled(PLAIN) + "\n\n"))
    assert one.texts[:10] == tuple(WORDS) and one.positive.tolist() == [True] * 10 + [False] * 10
    assert not one.paired and len(set(one.groups)) == 20
    two = contrast.read(written(tmp_path / "b.csv", "Positive,NEGATIVE\r\n" + "".join(
        f'"{w}, or so",{w}\r\n' for w in WORDS)))
    assert two.paired and two.texts[0] == "the cat went slowly home, or so"
    assert [two.groups.tolist().count(k) for k in set(two.groups)] == [2] * 10
    three = contrast.read(written(tmp_path / "c.jsonl", "".join(
        json.dumps({"text": t, "label": int(kind == "yes")}) + "\n" for t, kind in PLAIN)))
    assert three.texts == one.texts and (three.positive == one.positive).all()


def test_the_positive_label_is_named_where_it_is_not_plain(tmp_path):
    path = written(tmp_path / "a.csv", labelled(
        [(t, "calm" if k == "yes" else "wild") for t, k in PLAIN]))
    with pytest.raises(ModelError, match="'calm' and 'wild'.*--positive-label"):
        contrast.read(path)
    assert contrast.read(path, "wild").positive.tolist() == [False] * 10 + [True] * 10
    with pytest.raises(ModelError, match="--positive-label"):
        contrast.read(path, "mild")


@pytest.mark.parametrize("header", ["Index,Goal,Target,Behavior,Category,Source",
                                    "index,goal,behavior,category,source"])
def test_jailbreakbench_files_load_as_they_are(tmp_path, header):
    more = header.count(",") - 1
    for side, end in (("a", "by day"), ("b", "by night")):
        written(tmp_path / f"{side}.csv", header + "\n" + "".join(
            f'{k},"{w}, {end}"{",x" * more}\n' for k, w in enumerate(WORDS)))
    found = contrast.read_two(tmp_path / "a.csv", tmp_path / "b.csv")
    assert found.paired and found.positive.sum() == 10
    assert found.texts[0] == "the cat went slowly home, by day"
    assert (found.groups[:10] == found.groups[10:]).all(), "rows of one index are a pair"


def test_a_text_said_twice_is_one_group(tmp_path):
    again = [*PLAIN, ("The CAT  went slowly home", "yes")]
    found = contrast.read(written(tmp_path / "a.csv", labelled(again)))
    assert found.groups[-1] == found.groups[0]


BAD = {
    "one class": (labelled((w, "yes") for w in WORDS), "line 11: 1 class "),
    "three": (labelled([*PLAIN, ("x y", "maybe")]), "line 22: 3 classes"),
    "no label": (labelled([*PLAIN, ("x y", "")]), "line 22: it has no label"),
    "empty line": (labelled(PLAIN).replace("\n", "\n\n", 3), "line 2: empty"),
    "empty text": (labelled([*PLAIN, (" ", "no")]), "line 22: the text is empty"),
    "columns": ("sentence,class\na,b\n", "line 1: its columns are sentence, class"),
    "one side": ("goal,source\na,b\n", "line 1: .*--positive and --negative"),
    "a comma": (labelled(PLAIN) + "this, that,yes\n", "line 22: 3 columns, the header has 2"),
    "a quote": (labelled(PLAIN) + '"this\n', "line 22: "),
    "few": (labelled(PLAIN[7:]), "3 texts of the positive class, at least 8"),
    "both": (labelled([*PLAIN, (WORDS[0], "no")]), "line 22: the text is in the other class too"),
    "header": ("text,label\n", "line 1: there is a header and no text"),
    "nothing": ("\n \n", "is empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_is_said_in_one_line(tmp_path, kind):
    text, said = BAD[kind]
    path = written(tmp_path / "bad.csv", text)
    with pytest.raises(ModelError, match=said) as fault:
        contrast.read(path)
    assert str(path) in str(fault.value) and "\n" not in str(fault.value)


def test_what_is_no_text_is_said_with_its_line(tmp_path):
    path = written(tmp_path / "a.csv", labelled(PLAIN) + "caf\u00e9,yes\n", "latin-1")
    with pytest.raises(ModelError, match="line 22: no UTF-8"):
        contrast.read(path)
    with pytest.raises(ModelError, match="cannot read the contrast file .*none.csv: No such"):
        contrast.read(tmp_path / "none.csv")
    with pytest.raises(ModelError, match="line 2: no JSON"):
        contrast.read(written(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n{"text": \n'))
    with pytest.raises(ModelError, match="line 2: it has no label"):
        contrast.read(written(tmp_path / "b.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n'))


def test_the_shipped_sets_are_sound():
    assert len(contrast.shipped()) >= 3
    for name, path in contrast.shipped().items():
        found = contrast.read(path)
        assert found.paired and found.positive.sum() >= 40, name
        assert len(set(found.texts)) == len(found.texts), name
    with pytest.raises(ModelError, match="no contrast set 'clam'.*'calm'"):
        contrast.shipped_file("clam")
