"""A TouchOSC layout: one pager, a page a part. Thread: control.

Hexler publishes no schema. This follows what the editor itself writes and what generators that are
in use write: zlib around XML, every control a node with properties, values and messages; a page is
a group with a tab; a caption is a label above its control, and takes no touches. Where a layout is
sent is not in the file: connection 1 of the app.
"""
import re
import uuid
import zlib

from engine.wires.layout_pages import FADER, TEXT, TOGGLE, grid, share

WIDTH, HEIGHT, TAB, GAP, CAPTION = 1024, 768, 40, 4, 24
MOST_FADERS, MOST_BUTTONS = 10, 8
BUTTON_ROW, LEAST_FADER = 72, 160
BLACK, GREY, WHITE = (0, 0, 0, 1), (0.25, 0.25, 0.25, 1), (0.9, 0.85, 0.8, 1)
AMBER, RED, DARK = (1, 0.55, 0.1, 1), (0.9, 0.05, 0.05, 1), (0.1, 0.1, 0.1, 1)
# of the app: NORTH; FULL; momentary, toggle on press; centred; absolute; default font
NORTH, FULL, MOMENTARY, TOGGLES, CENTRE, ABSOLUTE = 0, 0, 0, 2, 2, 0
NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CONNECTION = "00001"                      # five places, the last is connection 1


def layout(pages, title):
    """The bytes of a .tosc file."""
    inside = "".join(_page(page, title) for page in pages)
    pager = _node("PAGER", f"{title}/pager", (0, 0, WIDTH, HEIGHT), BLACK, inside=inside, values=(
        ("page", "0"),), tabLabels=True, tabbar=True, tabbarDoubleTap=False, tabbarSize=TAB,
        textSizeOff=12, textSizeOn=12)
    root = _node("GROUP", title, (0, 0, WIDTH, HEIGHT), BLACK, inside=pager)
    text = f"<?xml version='1.0' encoding='UTF-8'?><lexml version='3'>{root}</lexml>"
    return zlib.compress(text.encode("utf-8"))


def _page(page, title):
    """Buttons on top, in rows; the faders share what is left."""
    shown = [control for control in page.controls if control.kind != TEXT]
    faders = [control for control in shown if control.kind == FADER]
    buttons = [control for control in shown if control.kind != FADER]
    top, parts = 0, []
    if buttons:
        rows, columns = grid(len(buttons), MOST_BUTTONS)
        room = HEIGHT - TAB - (LEAST_FADER if faders else 0)
        top = min(rows * BUTTON_ROW, room)
        parts += [_button(c, frame) for c, frame in zip(buttons, _frames(
            rows, columns, 0, top), strict=False)]
    rows, columns = grid(len(faders), MOST_FADERS)
    parts += [_fader(c, frame) for c, frame in zip(faders, _frames(
        rows, columns, top, HEIGHT - TAB - top), strict=False)]
    return _node("GROUP", f"{title}/{page.title}", (0, TAB, WIDTH, HEIGHT - TAB), BLACK,
                 inside="".join(parts), tabLabel=page.title, tabColorOff=DARK, tabColorOn=GREY,
                 textColorOff=WHITE, textColorOn=AMBER)


def _frames(rows, columns, top, height):
    """The places of a grid, row by row."""
    wide, high = WIDTH // columns, height // rows
    for k in range(rows * columns):
        yield (k % columns * wide + GAP, top + k // columns * high + GAP, wide - 2 * GAP,
               high - 2 * GAP)


def _fader(control, frame):
    entry, (x, y, w, h) = control.entry, frame
    message = _message(entry.address, ("x", "ANY"), (
        "VALUE", "INTEGER" if entry.tags == "i" else "FLOAT", "x", entry.low, entry.high))
    return _caption(control.label, entry.address, (x, y, w, CAPTION)) + _node(
        "FADER", entry.address, (x, y + CAPTION, w, h - CAPTION), AMBER, message, touched=True,
        values=(("x", f"{share(entry):.6g}"),), bar=True, barDisplay=0,
        centered=entry.low < 0.0 < entry.high, cursor=True, cursorDisplay=0, grid=False,
        gridSteps=10, response=ABSOLUTE, responseFactor=100)


def _button(control, frame):
    entry, toggles = control.entry, control.kind == TOGGLE
    name = f"{entry.address}/{control.sends}" if control.sends else entry.address
    argument = ("VALUE", "INTEGER", "x", 0, 1) if toggles else (
        ("CONSTANT", "STRING", control.sends, 0, 1) if control.sends else None)
    message = _message(entry.address, ("x", "ANY" if toggles else "RISE"), argument,
                       receive=toggles)
    x, y, w, h = frame
    return _node("BUTTON", name, frame, RED if entry.address == "/panic" else AMBER, message,
                 touched=True, values=(("x", f"{share(entry):.6g}" if toggles else "0"),),
                 buttonType=TOGGLES if toggles else MOMENTARY, press=True, release=True,
                 valuePosition=False) + _caption(
        control.label, name, (x, y + (h - CAPTION) // 2, w, CAPTION))


def _caption(text, name, frame):
    return _node("LABEL", f"{name}/caption", frame, BLACK, values=(("text", text),), fixed=True,
                 background=False, font=0, textAlignH=CENTRE, textAlignV=CENTRE, textClip=True,
                 textColor=WHITE, textLength=0, textSize=13)


# ---- XML
def _node(kind, name, frame, color, message="", inside="", values=(), touched=False, fixed=False,
          **more):
    """One node with the sections that it needs, in the editor's order."""
    said = {"background": True, "color": color, "cornerRadius": 1.0, "frame": frame,
            "grabFocus": touched, "interactive": touched or kind == "PAGER", "locked": False,
            "name": name.rpartition("/")[2] if kind == "GROUP" else name, "orientation": NORTH,
            "outline": touched, "outlineStyle": FULL, "pointerPriority": 0, "shape": 1, "tag": "",
            "visible": True} | more
    found = "".join(_property(key, value) for key, value in sorted(said.items()))
    kept = "".join(_value(key, default, fixed) for key, default in (*values, ("touch", "false")))
    return (f"<node ID='{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind} {name}')}' type='{kind}'>"
            f"<properties>{found}</properties><values>{kept}</values>"
            + (f"<messages>{message}</messages>" if message else "")
            + (f"<children>{inside}</children>" if inside else "") + "</node>")


def _text(words):
    """Words as the editor writes them; what XML cannot hold is left out."""
    return f"<![CDATA[{NO_XML.sub('', words).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _number(value):
    return f"{value:.9g}"


def _property(key, value):
    if isinstance(value, bool):
        kind, said = "b", str(int(value))
    elif isinstance(value, int):
        kind, said = "i", str(value)
    elif isinstance(value, float):
        kind, said = "f", _number(value)
    elif isinstance(value, str):
        kind, said = "s", _text(value)
    else:
        kind, letters = ("r", "xywh") if key == "frame" else ("c", "rgba")
        said = "".join(f"<{k}>{_number(v)}</{k}>" for k, v in zip(letters, value, strict=True))
    return f"<property type='{kind}'><key>{_text(key)}</key><value>{said}</value></property>"


def _value(key, default, fixed):
    """fixed: what a caption says now is what it always says."""
    return (f"<value><key>{_text(key)}</key><locked>0</locked><lockedDefaultCurrent>"
            f"{int(fixed and key == 'text')}</lockedDefaultCurrent><default>{_text(default)}"
            "</default><defaultPull>0</defaultPull></value>")


def _message(address, trigger, argument, receive=True):
    var, condition = trigger
    return ("<osc><enabled>1</enabled><send>1</send>"
            f"<receive>{int(receive)}</receive><feedback>0</feedback>"
            f"<connections>{CONNECTION}</connections><triggers><trigger><var>{_text(var)}</var>"
            f"<condition>{condition}</condition></trigger></triggers>"
            f"<path>{_partial('CONSTANT', 'STRING', address, 0, 1)}</path>"
            f"<arguments>{_partial(*argument) if argument else ''}</arguments></osc>")


def _partial(kind, conversion, value, low, high):
    return (f"<partial><type>{kind}</type><conversion>{conversion}</conversion>"
            f"<value>{_text(value)}</value><scaleMin>{_number(low)}</scaleMin>"
            f"<scaleMax>{_number(high)}</scaleMax></partial>")
