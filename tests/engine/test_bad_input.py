"""Bad input through the real engine: one line, exit code 2, no file, and no model is started."""
import re

import pytest

from engine import cli
from engine.model import supervisor


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch, tmp_path):
    def started(*_):
        raise AssertionError("a model was started for input that is wrong")
    monkeypatch.setattr(supervisor.Supervised, "start", started)
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.glob("*.wav*"))


@pytest.mark.parametrize("words, said", [
    (["render", "huose"], "did you mean 'house'?"),
    (["render", "--bpm", "0"], "bpm must be 20..400"),
    (["render", "--bpm", "nan"], "bpm must be 20..400"),
    (["render", "--bpm", "inf"], "bpm must be 20..400"),
    (["render", "--temperature", "nan"], "temperature must be"),
    (["render", "--temperature", "-1"], "temperature must be"),
    (["render", "--tokens-per-bar", "3"], "tokens_per_bar must be 1, 2, 4, 8 or 16"),
    (["render", "--bars", "0"], "bars must be"),
    (["render", "--bars", "-4"], "bars must be"),
    (["render", "--rate", "1"], "rate must be"),
    (["render", "--block", "0"], "block must be"),
    (["render", "--throttle", "nan"], "throttle must be"),
    (["render", "--seed", "-1"], "seed must be"),
    (["render", "--prompt", " "], "prompt is empty"),
    (["play", "--bpm", "0", "--audio", "null"], "bpm must be 20..400"),
    (["play", "--audio", "null", "--controls", "x.toml"], "--controls needs the controller's port"),
    (["play", "--audio", "null", "--midi-out", "virtual:"], "name is empty in 'virtual:'"),
    (["audition", "tb303", "--voices", "0", "--out", "x.w"], "voices must be 1..256, got 0"),
    (["osc-monitor", "0"], "ports are 1..65535, got 0"),
    (["osc-monitor", "9001", "--seconds", "nan"], "--seconds must be above 0"),
    (["layouts", "house", "--touchosc", "a", "--open-stage-control", "a"], "are one file, a"),
    (["replay", "missing.take"], "missing.take"),
    (["render", "missing.py"], "missing"),
])
def test_one_line(capsys, words, said):
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert left.value.code == 2 and out == ""
    assert last.startswith("hiddenstage: ") and said in last
    assert all(re.match(r".*\d+ %|getting|compiling", line) for line in err.splitlines()[:-1])


def test_a_set_with_a_wrong_name_in_a_table(capsys, tmp_path, monkeypatch):
    for step in ("start", "stop"):                             # a model may load meanwhile
        monkeypatch.setattr(supervisor.Supervised, step, lambda *_: None)
    source = (cli.Path(cli.__file__).parents[1] / "sets" / "house.py").read_text("utf-8")
    (tmp_path / "mine.py").write_text(source.replace("level_db=8.0", "levle_db=8.0", 1))
    with pytest.raises(SystemExit) as left:
        cli.main(["render", "mine.py", "--out", "x.wav"])
    assert left.value.code == 2
    assert "did you mean 'level_db'?" in capsys.readouterr().err
