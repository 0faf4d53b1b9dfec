"""The command on a take: what failed is said first, in words, in JSON and on a page."""
import json

import pytest

from engine.cli import main
from engine.session import Options, render
from studies.prove import report
from studies.prove.suite import decorative_lines


def command(*words):
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code or 0


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """A take of the set whose notes are dice."""
    folder = tmp_path_factory.mktemp("prove")
    render(Options(set="sets/frauds/dice.py", bars=33, record=str(folder / "a.take"),
                   out=str(folder / "a.wav")))
    return folder / "a.take"


@pytest.mark.slow
def test_a_fraud_fails_and_the_report_says_why(take, tmp_path, capsys):
    to_json, to_html = tmp_path / "a.json", tmp_path / "a.html"
    assert command("prove", "sets/frauds/dice.py", "--take", str(take), "--json", str(to_json),
                   "--html", str(to_html)) == 1
    said = capsys.readouterr().out
    assert "dice is not proved: 0 of 2 mappings pass." in " ".join(said.split())
    assert "lead fails: what it names moves it 0 (needs all 1 features)" in " ".join(said.split())
    found = json.loads(to_json.read_text("utf-8"))
    lead = next(row for row in found["mappings"] if row["name"] == "lead")
    assert not found["passed"] and not lead["passed"] and lead["reads"] == ["resid.axis.1"]
    needs = [check["words"] for check in lead["checks"] if "unrelated" in check["test"]]
    assert needs == ["needs the model, a take is not enough"]
    page = to_html.read_text("utf-8")
    assert page.count("data:image/png;base64,") >= 3 and "dice: not proved" in page
    assert "src=\"http" not in page and "<script" not in page


@pytest.mark.parametrize(("words", "line"), [
    (("prove", "hause"), "did you mean 'house'"),
    (("prove", "house", "--json", "nowhere/a.json"), "there is no folder nowhere"),
    (("prove", "house", "--prompts", "nowhere.json"), "nowhere.json: cannot be read"),
    (("prove", "house", "--prompts", "a.json", "--take", "a.take"), "leave out --take"),
    (("prove", "house", "--prompts", "a.json", "--no-sound"), "and --no-sound"),
    (("prove", "house", "--take", "no.take"), "cannot read the take")])
def test_bad_input_is_one_line(words, line, capsys):
    assert command(*words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert line in said[-1]


def test_decorative_lines_go_on_where_they_are_indented():
    doc = "A set.\n\nheard  the bass\ndecorative  ghost, hat\n            perc\nkeys  none"
    assert decorative_lines(doc).split() == ["decorative", "ghost,", "hat", "perc"]


def test_a_summary_counts_what_is_claimed():
    check = {"test": "audible", "value": 0.5, "limit": ">= 3 dB", "passed": False, "words": ""}
    rows = [{"name": name, "decorative": loose, "passed": good,
             "checks": [check | {"passed": good}]}
            for name, loose, good in (("bass", False, True), ("hat", False, False),
                                      ("ghost", True, False))]
    said = report.summary({"set": "x", "passed": False, "mappings": rows, "checks": []})
    assert said == ("x is not proved: 1 of 2 mappings pass, 1 more are labelled decorative. "
                    "hat fails: audible 0.5 (needs >= 3 dB).")
