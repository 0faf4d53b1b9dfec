"""The documentation against the program: its set plays, its commands exist, its links lead on."""
import ast
import re
from pathlib import Path

import pytest
import typer

from engine import cli, sets, sound_docs
from engine.records import Frame
from engine.sounds import sounds

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [page.name for page in PAGES]
COMMANDS = typer.main.get_command(cli.app).commands


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


def test_the_set_on_the_first_page_plays():
    source = blocks(PAGES[0], "python")[0]
    assert len(source.splitlines()) <= 11
    made = sets.read(source, "two.py")
    player, known = made.music.player(2), made.table().registry.index
    frame = Frame(0, 0, ".", 0, sentence_end=True, punctuation=True)
    steps = [player.step(step, [frame] if step % 6 == 0 else [], False) for step in range(64)]
    parts = [note.part for step in steps for note in step.notes]
    assert parts.count("kick") == 16 and parts.count("bass") >= 16
    assert all(target.path in known for step in steps for target in step.targets)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_and_options_exist(page):
    lines = re.findall(r"^\./stage ([^#\n]*)", "".join(blocks(page, "")), re.M)
    lines += re.findall(r"`\./stage ([^`|]*)`", page.read_text("utf-8"))
    for line in lines:
        name, *words = line.split()
        if name == "test":
            continue
        command = COMMANDS[name]
        if inner := getattr(command, "commands", None):
            command = inner[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_pages_name_commands():
    words = ("play render replay audition synths sets devices doctor bench train version ports "
             "learn layouts osc-monitor midi-monitor calibrate why "
             "features directions prove")
    assert set(words.split()) == set(COMMANDS)
    assert "./stage play" in PAGES[0].read_text("utf-8")
    assert "./stage test" in PAGES[0].read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_in_the_pages_is_python(page):
    for block in blocks(page, "python"):
        ast.parse(block)


def test_the_folder_table_is_the_tree():
    rows = re.findall(r"^\| (`.*?) \|", PAGES[0].read_text("utf-8"), re.M)
    folders = {name for row in rows for name in re.findall(r"`(\w+)/`", row)}
    assert folders >= {"engine", "synths", "mappings", "sets", "bench", "tests", "docs"}
    assert all((ROOT / name).is_dir() for name in folders)


def test_the_page_of_sounds_is_their_tables():
    known = sounds()
    assert (ROOT / "docs" / "synths.md").read_text("utf-8") == sound_docs.page(known), (
        "run hiddenstage synths --docs docs")
    assert {f.stem for f in (ROOT / "docs" / "synths").glob("*.png")} == set(known)
