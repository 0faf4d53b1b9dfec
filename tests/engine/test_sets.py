"""Sets: read without running anything of theirs, checked whole, refused with a near name."""
import pytest

from engine import sets
from engine.errors import SetError
from engine.parts import as_fx

GOOD = '''"""A test set."""
from engine.sets import Part, Set
from mappings.house import HOUSE_CASTS, HOUSE_GRAMMARS, HOUSE_SCENES
from mappings.music import Music
from synths.kick import KICK

LOUD = -3.0 - 3.0
SET = Set(parts={"kick": Part(KICK, voices=2, level_db=LOUD)},
          music=Music(HOUSE_SCENES, HOUSE_GRAMMARS, HOUSE_CASTS), key_part="kick")
'''


def test_a_good_set_is_read():
    made = sets.read(GOOD, "good.py")
    assert made.name == "good" and made.doc == "A test set." and made.source == GOOD
    assert made.parts["kick"].values == {"level_db": -6.0}


@pytest.mark.parametrize(("old", "new", "said"), [
    ("import KICK", "import KIK", r"line 5: synths.kick has no 'KIK'; did you mean 'KICK'"),
    ("from synths.kick import KICK", "import os", r"line 5: a set holds"),
    ("from synths.kick import KICK", "from os import path", r"line 5: a set imports from"),
    ("-3.0 - 3.0", "open('x')", r"line 7: 'open' is not defined"),
    ("-3.0 - 3.0", "[x for x in (1, 2)]", r"line 7: a set may not hold listcomp"),
    ("-3.0 - 3.0", "(lambda: 1)()", r"line 7: a set may not hold"),
    ("-3.0 - 3.0", "KICK.render", r"line 7: a set may not hold attribute"),
    ("-3.0 - 3.0", "'a' * 10", r"line 7: only numbers multiply"),
    ("-3.0 - 3.0", "1.0 / 0.0", r"line 7: .*zero"),
    ("voices=2", "voices=0", r"line 8: Part\(kick\): voices must be 1..256"),
    ("SET = Set", "SIT = Set", r"must assign SET"),
    ("parts={", "bpm=0, parts={", r"line 8: bpm must be 20..400"),
    ("parts={", "bmp=100, parts={", r"line 8: .*unexpected keyword argument 'bmp'"),
    ("parts={", "prompt='  ', parts={", r"line 8: prompt is empty"),
    ("parts={", "tokens_per_bar=7, parts={", r"tokens_per_bar must be"),
    ("parts={", "master=5, parts={", r"line 8: master must be a tuple of effects"),
    ("parts={", "sends=(), parts={", r"line 8: sends must be a dict"),
    ("parts={", "links=1, parts={", r"line 8: links must be a tuple"),
    ("Music(HOUSE_SCENES,", "Music((5,),", r"line 9: .*no attribute 'name'"),
    ("parts={", "seed='x', parts={", r"line 8: seed must be a whole number"),
    ("parts={", "top_p=3, parts={", r"line 8: top_p must be 0.01..1"),
    ("parts={", "model=5, parts={", r"line 8: model must be a folder"),
    ("-3.0 - 3.0", "-'a'", r"line 7: only a number can be negative"),
    ("-3.0 - 3.0", "{[]: 1}", r"line 7: unhashable"),
    ("-3.0 - 3.0", "-" * 20000 + "1", r"not readable"),
    ("-3.0 - 3.0", "-" * 900 + "1", r"too deeply nested|not readable"),
    ("SET = Set(", "SET = Set((", r"line 8: not readable"),
    ("from synths.kick import KICK", "from synths.kik import KICK", r"line 5: no module"),
    ("from synths.kick import KICK", "def f(): pass", r"line 5: a set holds"),
    ('"kick": Part', '"glöck": Part', r"line 8: parts\['glöck'\]: a name has letters a to z"),
    ('"kick": Part', f'"{"k" * 33}": Part', r"a name has .* at most 32"),
    ("parts={", "sends={'my reverb': 1}, parts={", r"sends\['my reverb'\]: a name has"),
    ("parts={", "directions=('föö',), parts={", r"directions: 'föö': a name has"),
    ("parts={", "prompt='\\ud800', parts={", r"prompt is no UTF-8 text"),
    ('key_part="kick"', 'key_part=["kick"]', r"key_part must be the name of a part"),
    ("voices=2", "choke=('a',)", r"choke must be a name"),
    ("from synths.kick import KICK", "from engine.ring import Ring", r"line 5: a set imports "
     r"engine.sets, .* not 'engine.ring'"),
    ("-3.0 - 3.0", "9 * 9000000000 * 9000000000", r"line 7: that is too large"),
    ("-3.0 - 3.0", "(1,) * 2", r"line 7: only numbers multiply"),
    ("-3.0 - 3.0", f"{'x' * 3000!r} + {'y' * 3000!r}", r"line 7: that is too large"),
])
def test_anything_else_is_refused_with_its_line(old, new, said):
    with pytest.raises(SetError, match=said):
        sets.read(GOOD.replace(old, new), "good.py")


@pytest.mark.parametrize("text", ["A = 1\n" * 450, "#" * (300 << 10)])
def test_a_file_too_long_is_refused_before_it_is_parsed(text, tmp_path, monkeypatch):
    monkeypatch.setattr(sets.ast, "parse", None)
    path = tmp_path / "long.py"
    path.write_text(text)
    with pytest.raises(SetError, match=r"long.py: a set has at most 400 lines, 256 kB"):
        sets.load(str(path))


@pytest.mark.parametrize("made", ['Ring("FILE", "i8", 64)', 'Recorder("FILE", {})',
                                  'Board("FILE", new=True)'])
def test_a_set_opens_no_file(made, tmp_path):
    """Not what a set may import, and not by the name of a class that a module of ours uses."""
    file = tmp_path / "precious"
    file.write_text("precious")
    module = {"Ring": "engine.ring", "Recorder": "engine.journal",
              "Board": "engine.wires.board"}[made.split("(")[0]]
    text = f"from {module} import {made.split('(')[0]}\nA = {made.replace('FILE', str(file))}\n"
    with pytest.raises(SetError, match="line 1: a set imports"):
        sets.read(text, "friend.py")
    assert file.read_text() == "precious"
    with pytest.raises(SetError, match="cannot be called|has no"):
        sets.read("from engine.sets import Table\nA = Table({})\n", "friend.py")


def test_nothing_of_the_set_runs(tmp_path):
    mark = tmp_path / "mark"
    for line in (f"SET = __import__('os').system('touch {mark}')", f"print(open('{mark}', 'w'))",
                 f"X = sets.Path('{mark}').touch()"):
        with pytest.raises(SetError):
            sets.read(GOOD + line + "\n", "bad.py")
    assert not mark.exists()


def test_a_wrong_parameter_is_found_before_it_sounds():
    with pytest.raises(SetError, match="did you mean 'level_db'"):
        sets.read(GOOD.replace("level_db=LOUD", "level_bd=LOUD"), "good.py").table()


def test_unknown_names_suggest_the_near_one():
    assert "house" in sets.names()
    with pytest.raises(SetError, match="did you mean 'house'"):
        sets.load("hous")
    with pytest.raises(SetError, match="no set file"):
        sets.load("nowhere.py")


def test_every_installed_set_loads_and_is_short():
    for name in sets.names():
        made = sets.load(name)
        assert made.doc and len(made.source.splitlines()) <= 80
        made.table()


def test_every_installed_set_keeps_its_true_peak_below_minus_one():
    for name in sets.names():
        fx = as_fx(sets.load(name).limiter)
        default = {p.name: p.default for p in fx.effect.params}["ceiling_db"]
        assert fx.values.get("ceiling_db", default) <= -1.2
