"""An Open Stage Control session: a tab a part. Thread: control.

Written against the widgets' properties of its sources (src/client/widgets): what is not given has
the app's default. A numeric `logScale` b maps a share s of the way to (b^s - 1) / (b - 1) of the
range; with b = high / low that is our exponential curve exactly.
"""
import json
import math

from engine.wires.layout_pages import BUTTON, FADER, TEXT, TOGGLE, grid

WRITTEN_FOR = "1.30.1"                    # the version that the properties were read from
HOST = "127.0.0.1"
MOST_COLUMNS, MOST_DECIMALS, STEPS = 10, 6, 1000.0


def layout(pages, port):
    """The bytes of a session's .json file; the stage listens on this host's UDP `port`."""
    target = [f"{HOST}:{port}"]
    tabs = [{"type": "tab", "id": f"tab-{k}", "label": page.title, "bypass": True,
             "layout": "grid", "gridTemplate": _template(len(page.controls)),
             "widgets": [_widget(control, target) for control in page.controls], "tabs": []}
            for k, page in enumerate(pages)]
    content = {"type": "root", "id": "root", "bypass": True, "widgets": [], "tabs": tabs}
    session = {"createdWith": "Open Stage Control", "version": WRITTEN_FOR, "type": "session",
               "content": content}
    return (json.dumps(session, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def _template(count):
    rows, columns = grid(count, MOST_COLUMNS)
    return f"repeat({rows}, 1fr) / repeat({columns}, 1fr)"


def decimals(entry):
    """Enough to have a thousand places on the fader, or at its fine end."""
    if entry.tags == "i":
        return 0
    fine = entry.low if entry.curve == "exp" else entry.high - entry.low
    places = math.log10(STEPS / fine) if fine > 0.0 else 0.0
    return min(max(math.ceil(places), 0), MOST_DECIMALS)


def _widget(control, target):
    entry = control.entry
    osc = {"id": entry.address[1:].replace("/", "-"), "address": entry.address, "target": target,
           "typeTags": entry.tags}
    if control.kind == FADER:
        return _fader(control, osc)
    if control.kind == TEXT:
        return _titled(control.label, osc["id"], {"type": "input", "expand": True} | osc)
    found = {"type": "button", "label": control.label, "colorWidget":
             "red" if entry.address == "/panic" else "auto"} | osc
    if control.kind == TOGGLE:
        return found | {"mode": "toggle", "on": 1, "off": 0, "default": int(entry.default),
                        "decimals": 0}
    if control.kind == BUTTON and control.sends:
        return found | {"id": f"{osc['id']}-{control.sends}", "mode": "tap", "on": control.sends,
                        "off": ""}
    return found | {"mode": "momentary"}


def _fader(control, osc):
    """Name, fader, and its number in its unit, which can be typed: one id, so one value."""
    entry = control.entry
    osc |= {"decimals": decimals(entry), "default": entry.default}
    fader = {"type": "fader", "expand": True, "range": {"min": entry.low, "max": entry.high},
             "origin": 0 if entry.low < 0.0 < entry.high else "auto",
             "logScale": entry.high / entry.low if entry.curve == "exp" else False} | osc
    number = {"type": "input", "numeric": True, "unit": entry.unit} | osc
    return _titled(control.label, osc["id"], fader, number)


def _titled(label, name, *widgets):
    caption = {"type": "text", "id": f"{name}-caption", "value": label, "bypass": True}
    return {"type": "panel", "id": f"{name}-panel", "layout": "vertical", "bypass": True,
            "scroll": False, "widgets": [caption, *widgets], "tabs": []}
