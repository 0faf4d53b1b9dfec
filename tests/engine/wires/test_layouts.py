"""Layouts, parsed back: everything of the registry is there, and the files are what the apps read.

The structure of a .tosc file is checked against what TouchOSC's editor writes (read from layouts in
use; there is no schema), a session against the properties in Open Stage Control's sources.
"""
import json
import math
import subprocess
import sys
import uuid
import xml.etree.ElementTree as Xml
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from engine import sets
from engine.surface import Entry, entries
from engine.wires import layouts

ROOT = Path(__file__).parents[3]
# property -> its type, as the editor writes it
COMMON = {"background": "b", "color": "c", "cornerRadius": "f", "frame": "r", "grabFocus": "b",
          "interactive": "b", "locked": "b", "name": "s", "orientation": "i", "outline": "b",
          "outlineStyle": "i", "pointerPriority": "i", "shape": "i", "tag": "s", "visible": "b"}
PAGE = {"tabLabel": "s", "tabColorOff": "c", "tabColorOn": "c", "textColorOff": "c",
        "textColorOn": "c"}
SPECIAL = {
    "GROUP": {},
    "PAGER": {"tabLabels": "b", "tabbar": "b", "tabbarDoubleTap": "b", "tabbarSize": "i",
              "textSizeOff": "i", "textSizeOn": "i"},
    "FADER": {"bar": "b", "barDisplay": "i", "centered": "b", "cursor": "b", "cursorDisplay": "i",
              "grid": "b", "gridSteps": "i", "response": "i", "responseFactor": "i"},
    "BUTTON": {"buttonType": "i", "press": "b", "release": "b", "valuePosition": "b"},
    "LABEL": {"font": "i", "textAlignH": "i", "textAlignV": "i", "textClip": "b", "textColor": "c",
              "textLength": "i", "textSize": "i"}}
VALUES = {"GROUP": {"touch"}, "PAGER": {"page", "touch"}, "FADER": {"x", "touch"},
          "BUTTON": {"x", "touch"}, "LABEL": {"text", "touch"}}
OSC = ["enabled", "send", "receive", "feedback", "connections", "triggers", "path", "arguments"]
PARTIAL = ["type", "conversion", "value", "scaleMin", "scaleMax"]


@pytest.fixture(scope="module")
def house():
    return entries(sets.load("house"), ("token.surprisal_nat",))


@pytest.fixture(scope="module")
def tosc(house, tmp_path_factory):
    path = tmp_path_factory.mktemp("tosc") / "house.tosc"
    layouts.write_touchosc(path, house, "house")
    return read_tosc(path)


@pytest.fixture(scope="module")
def session(house, tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "house.json"
    layouts.write_open_stage_control(path, house, 9123)
    return json.loads(path.read_text("utf-8"))


def read_tosc(path):
    return Xml.fromstring(zlib.decompress(path.read_bytes()))


def properties(node):
    return {p.findtext("key"): p for p in node.find("properties")}


def said(node, key):
    return properties(node)[key].findtext("value")


def frame(node):
    return [float(properties(node)["frame"].find("value").findtext(k)) for k in "xywh"]


def children(node):
    return list(node.find("children") or ())


def default(node, key):
    return next(v.findtext("default") for v in node.find("values") if v.findtext("key") == key)


def message(node):
    """(address, [argument partial])"""
    osc, = node.find("messages")
    return ("".join(p.findtext("value") for p in osc.find("path")), list(osc.find("arguments")))


def controls(root, kind):
    """{address: [(node, its page)]} of a kind."""
    found = {}
    pager, = children(root.find("node"))
    for page in children(pager):
        for node in children(page):
            if node.get("type") == kind:
                found.setdefault(message(node)[0], []).append((node, page))
    return found


# ---- TouchOSC
def test_a_node_is_what_the_editor_writes(tosc):
    assert (tosc.tag, tosc.get("version"), len(tosc)) == ("lexml", "3", 1)
    nodes = list(tosc.iter("node"))
    assert len({uuid.UUID(node.get("ID")) for node in nodes}) == len(nodes) > 300
    pages = [page for node in nodes if node.get("type") == "PAGER" for page in children(node)]
    for node in nodes:
        kind = node.get("type")
        assert set(node.attrib) == {"ID", "type"}
        order = [section.tag for section in node]
        assert order == [s for s in ("properties", "values", "messages", "children") if s in order]
        assert {"properties", "values"} <= set(order)
        wanted = COMMON | SPECIAL[kind] | (PAGE if node in pages else {})
        assert {k: p.get("type") for k, p in properties(node).items()} == wanted
        assert {v.findtext("key") for v in node.find("values")} == VALUES[kind]
        for value in node.find("values"):
            assert [part.tag for part in value] == ["key", "locked", "lockedDefaultCurrent",
                                                    "default", "defaultPull"]


def test_property_values_are_of_their_type(tosc):
    for node in tosc.iter("node"):
        for found in properties(node).values():
            value, kind = found.find("value"), found.get("type")
            if kind == "c":
                assert [p.tag for p in value] == list("rgba")
                assert all(0.0 <= float(p.text) <= 1.0 for p in value)
            elif kind == "r":
                assert [p.tag for p in value] == list("xywh")
            elif kind == "b":
                assert value.text in ("0", "1")
            elif kind == "i":
                int(value.text)


def test_a_message_is_what_the_editor_writes(tosc):
    found = list(tosc.iter("osc"))
    assert len(found) > 150
    for osc in found:
        assert [part.tag for part in osc] == OSC
        assert osc.findtext("connections") == "00001" and osc.findtext("enabled") == "1"
        trigger, = osc.find("triggers")
        assert trigger.findtext("var") == "x" and trigger.findtext("condition") in ("ANY", "RISE")
        for partial in (*osc.find("path"), *osc.find("arguments")):
            assert [part.tag for part in partial] == PARTIAL
            assert partial.findtext("type") in ("CONSTANT", "VALUE")
            assert partial.findtext("conversion") in ("STRING", "FLOAT", "INTEGER")


def test_every_parameter_is_a_touchosc_fader_with_its_range_and_name(tosc, house):
    faders = controls(tosc, "FADER")
    parameters = {e.address: e for e in house if e.path}
    assert len(parameters) >= 140
    assert {a for a, found in faders.items() if a.startswith("/a/")} == set(parameters)
    for address, entry in parameters.items():
        (node, page), = faders[address]
        argument, = message(node)[1]
        assert [argument.findtext(k) for k in PARTIAL[:3]] == ["VALUE", "FLOAT", "x"]
        assert math.isclose(float(argument.findtext("scaleMin")), entry.low, rel_tol=1e-6)
        assert math.isclose(float(argument.findtext("scaleMax")), entry.high, rel_tol=1e-6)
        stands = entry.low + float(default(node, "x")) * (entry.high - entry.low)
        assert math.isclose(stands, entry.default, rel_tol=1e-4,
                            abs_tol=1e-4 * (entry.high - entry.low))
        part, _, name = entry.path.rpartition(".")
        assert said(page, "tabLabel") == part
        above = children(page)[children(page).index(node) - 1]
        assert default(above, "text") == name.replace("_", " ")
        assert message(node)[0].endswith(f"/{name}")


def test_the_touchosc_stage_page_plays_the_stage(tosc, house):
    buttons, faders = controls(tosc, "BUTTON"), controls(tosc, "FADER")
    pager, = children(tosc.find("node"))
    first = children(pager)[0]
    assert said(first, "tabLabel") == "stage"
    for address in ("/panic", "/next"):
        (node, page), = buttons[address]
        assert page is first and message(node)[1] == []
        assert next(node.iter("condition")).text == "RISE"
        assert said(node, "buttonType") == "0"
    scenes = next(e for e in house if e.address == "/scene").choices
    assert [message(node)[1][0].findtext("value") for node, _ in buttons["/scene"]] == list(scenes)
    assert {message(n)[1][0].findtext("type") for n, _ in buttons["/scene"]} == {"CONSTANT"}
    mutes = {e.address for e in house if e.address.startswith("/mute/")}
    assert len(mutes) == 10 and mutes <= set(buttons)
    for address in mutes:
        (node, _), = buttons[address]
        argument, = message(node)[1]
        assert said(node, "buttonType") == "2" and argument.findtext("conversion") == "INTEGER"
        assert next(node.iter("receive")).text == "1"
    for address in ("/tempo", "/temperature"):
        assert faders[address][0][1] is first


def test_nothing_of_a_touchosc_page_lies_outside_or_over_another(tosc):
    def inside(node):
        _, _, w, h = frame(node)
        touched = []
        for child in children(node):
            x, y, cw, ch = frame(child)
            assert 0 <= x and 0 <= y and x + cw <= w and y + ch <= h, said(child, "name")
            assert cw >= 40 and ch >= 20, said(child, "name")
            if child.get("type") in ("FADER", "BUTTON"):
                for ox, oy, ow, oh in touched:
                    assert x >= ox + ow or ox >= x + cw or y >= oy + oh or oy >= y + ch
                touched.append((x, y, cw, ch))
            inside(child)
    inside(tosc.find("node"))


def test_what_is_only_sent_is_on_no_page(tosc, session, house):
    sent = {e.address for e in house if e.kind == "out"}
    shown = {a for kind in ("FADER", "BUTTON") for a in controls(tosc, kind)}
    assert "/feature/token/surprisal_nat" in sent and not sent & shown
    assert not sent & {w["address"] for w, _ in widgets(session)}


def test_a_name_with_markup_in_it_survives(tmp_path):
    odd = 'a & <b> "]]>" é'
    layouts.write_touchosc(tmp_path / "x.tosc", [
        Entry("/scene", "trigger", "s", choices=(odd, "no\0t"))], "x")
    (first, _), (second, _) = controls(read_tosc(tmp_path / "x.tosc"), "BUTTON")["/scene"]
    assert message(first)[1][0].findtext("value") == odd
    assert message(second)[1][0].findtext("value") == "not"


def test_the_same_set_gives_the_same_file(house, tmp_path):
    for name in ("one", "two"):
        layouts.write_touchosc(tmp_path / name, house, "house")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


# ---- Open Stage Control
def widgets(node):
    """Every widget with an address of ours, and the tab it is on."""
    for tab in node["content"]["tabs"]:
        waiting = list(tab["widgets"])
        while waiting:
            one = waiting.pop(0)
            waiting += one.get("widgets", [])
            if "address" in one:
                yield one, tab


def reached(fader, place):
    """What Open Stage Control's `mapToScale` makes of a place 0..1."""
    base, low, high = fader["logScale"], fader["range"]["min"], fader["range"]["max"]
    if base:
        place = base ** place / (base - 1) - 1 / (base - 1)
    return low + place * (high - low)


def test_a_session_is_what_the_app_loads(session):
    assert set(session) == {"createdWith", "version", "type", "content"}
    assert (session["createdWith"], session["type"]) == ("Open Stage Control", "session")
    root = session["content"]
    assert (root["type"], root["id"], root["widgets"]) == ("root", "root", [])
    assert all(tab["type"] == "tab" and tab["widgets"] and not tab["tabs"] for tab in root["tabs"])
    identity = {}
    for one, _ in widgets(session):
        assert one["target"] == ["127.0.0.1:9123"]
        identity.setdefault(one["id"], set()).add(one["address"])
        assert not set(one["id"]) & set("./@{}")          # they mean something in its properties
    assert all(len(addresses) == 1 for addresses in identity.values())


def test_every_parameter_is_a_fader_of_the_session(session, house):
    faders = {w["address"]: (w, tab) for w, tab in widgets(session) if w["type"] == "fader"}
    parameters = {e.address: e for e in house if e.path}
    assert {a for a in faders if a.startswith("/a/")} == set(parameters)
    table = sets.load("house").registry()
    for address, entry in parameters.items():
        fader, tab = faders[address]
        param = table.params[table.index[entry.path]]
        assert fader["range"] == {"min": param.low, "max": param.high}
        assert (fader["typeTags"], fader["default"]) == ("f", entry.default)
        for place in (0.0, 0.3, 0.5, 1.0):
            assert math.isclose(reached(fader, place), param.at(place), rel_tol=1e-9, abs_tol=1e-9)
        assert tab["label"] == entry.path.rpartition(".")[0]
        fine = reached(fader, 0.01) - param.low
        assert 10.0 ** -fader["decimals"] <= fine or fader["decimals"] == 0 and param.high >= 100


def test_a_fader_has_its_name_and_its_number_with_the_unit(session, house):
    captions, numbers = {}, {}
    for tab in session["content"]["tabs"]:
        for panel in tab["widgets"]:
            inside = {w["type"]: w for w in panel.get("widgets", ())}
            if "fader" in inside:
                captions[inside["fader"]["address"]] = inside["text"]["value"]
                numbers[inside["fader"]["address"]] = inside["input"]
    for entry in house:
        if entry.path:
            name = entry.path.rpartition(".")[2]
            assert captions[entry.address] == name.replace("_", " ")
            assert numbers[entry.address]["unit"] == entry.unit
            assert numbers[entry.address]["address"] == entry.address


def test_the_session_plays_the_stage(session, house):
    found = {}
    for one, tab in widgets(session):
        if one["type"] == "button":
            found.setdefault(one["address"], []).append((one, tab))
    (panic, tab), = found["/panic"]
    assert tab is session["content"]["tabs"][0] and panic["mode"] == "momentary"
    scenes = next(e for e in house if e.address == "/scene").choices
    assert [(w["mode"], w["on"], w["typeTags"]) for w, _ in found["/scene"]] == [
        ("tap", scene, "s") for scene in scenes]
    (mute, _), = found["/mute/kick"]
    assert (mute["mode"], mute["on"], mute["off"], mute["typeTags"]) == ("toggle", 1, 0, "i")


def test_both_layouts_hold_the_same_controls(tosc, session):
    theirs = {w["address"] for w, _ in widgets(session) if w["type"] in ("fader", "button")}
    assert theirs == set(controls(tosc, "FADER")) | set(controls(tosc, "BUTTON"))


def test_two_decks_have_pages_of_their_own(house, tmp_path):
    both = house + [replace(e, address="/b" + e.address[2:]) for e in house if e.path]
    layouts.write_touchosc(tmp_path / "x.tosc", both, "x")
    pager, = children(read_tosc(tmp_path / "x.tosc").find("node"))
    titles = [said(page, "tabLabel") for page in children(pager)]
    assert {"a bass", "b bass"} <= set(titles) and len(set(titles)) == len(titles)


# ---- the command
def run(*words, folder):
    return subprocess.run([sys.executable, "-c", "from engine.cli import main; main()", "layouts",
                           *words], capture_output=True, text=True, cwd=folder, timeout=120,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin",
                               "HOME": str(Path.home())})


def test_the_command_writes_both_and_replaces_what_was_there(tmp_path):
    (tmp_path / "h.json").write_text("old")
    done = run("house", "--touchosc", "h.tosc", "--open-stage-control", "h.json", "--osc", "9001",
               "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"files": ["h.tosc", "h.json"], "parameters": 150}
    assert "127.0.0.1:9001" in (tmp_path / "h.json").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.json", "h.tosc"]
    assert len(list(read_tosc(tmp_path / "h.tosc").iter("node"))) > 300


@pytest.mark.parametrize("words, told", [
    (["hose", "--touchosc", "x.tosc"], "did you mean 'house'?"),
    (["house", "--touchosc", "missing/x.tosc"], "missing/x.tosc: cannot be written"),
    (["house", "--open-stage-control", "."], ".: cannot be written"),
    (["house"], "give --touchosc"),
    (["house", "--touchosc", "x.tosc", "--osc", "70000"], "1..65535"),
])
def test_what_is_wrong_is_one_line(tmp_path, words, told):
    done = run(*words, folder=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    line, = done.stderr.splitlines()
    assert told in line
    assert not list(tmp_path.iterdir())
