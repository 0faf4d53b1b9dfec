"""The registry as OSCQuery describes it: a tree of nodes with attributes. Thread: control (wires
process).

Source: Vidvox, OSC Query Proposal (github.com/Vidvox/OSCQueryProposal), README.md and units.md.
"""
import math

from engine.wires.osc_out import laid

# what we say of a node, and what the proposal also knows but no node of ours has
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "UNIT", "DESCRIPTION",
              "CLIPMODE")
OTHERS = ("TAGS", "EXTENDED_TYPE", "CRITICAL", "OVERLOADS", "HTML")
ACCESS = {"value": 3, "trigger": 2, "out": 1}
READABLE = 1
BANG = "I"                                # the type of what needs no argument: a momentary button
UNITS = {"hz": "time.hz", "s": "time.second", "ms": "time.ms", "bpm": "time.bpm",
         "cents": "time.cents", "db": "gain.db-raw", "deg": "angle.degree"}


def present(entry, number):
    """What a value entry stands at, as its arguments; None when it has no value."""
    if not math.isfinite(number) or len(entry.tags) != 1:
        return None
    if entry.tags == "s":
        known = 0 <= number < len(entry.choices)
        return [entry.choices[int(number)]] if known else None
    return laid(entry, [float(number)], "")


def attributes(entry):
    """The attributes of an entry that do not change while it is there."""
    found = {"FULL_PATH": entry.address, "ACCESS": ACCESS["value" if entry.state else entry.kind],
             "TYPE": entry.tags or BANG}
    if entry.about:
        found["DESCRIPTION"] = entry.about
    limits = _limits(entry)
    if limits and entry.kind != "out":
        found["RANGE"] = _first(entry, limits)
    if entry.unit:
        found["UNIT"] = _first(entry, UNITS.get(entry.unit, entry.unit))
    if entry.kind == "value" and entry.tags == "f":
        found["CLIPMODE"] = ["both"]
    return found


def _limits(entry):
    """RANGE of the argument that the entry's range is of, None for free text and buttons."""
    if entry.choices:
        return {"VALS": list(entry.choices)}
    if entry.tags[:1] == "i":
        return {"MIN": int(entry.low), "MAX": int(entry.high)}
    return {"MIN": entry.low, "MAX": entry.high} if entry.tags[:1] == "f" else None


def _first(entry, what):
    """An attribute of the first argument, nothing for the others."""
    return [what, *[None] * (len(entry.tags) - 1)]


class _Node:
    def __init__(self, path):
        self.said = {"FULL_PATH": path, "ACCESS": 0}
        self.place, self.inside = None, {}

    def described(self, value_of):
        """The node with its value and everything inside, as JSON holds it."""
        found = dict(self.said)
        if self.place is not None and found["ACCESS"] & READABLE:
            value = value_of(self.place)
            if value is not None:
                found["VALUE"] = value
        if self.inside:
            found["CONTENTS"] = {name: node.described(value_of)
                                 for name, node in self.inside.items()}
        return found


class Tree:
    """The nodes of a registry."""

    def __init__(self, entries):
        self.root = _Node("/")
        self.root.said["DESCRIPTION"] = "hiddenstage"
        for place, entry in enumerate(entries):
            node, path = self.root, ""
            for part in entry.address[1:].split("/"):
                path += f"/{part}"
                node = node.inside.setdefault(part, _Node(path))
            node.place, node.said = place, attributes(entry)

    def find(self, path):
        """The node of an OSC address, or None."""
        node = self.root
        for part in path.split("/")[1:] if path != "/" else ():
            node = node.inside.get(part)
            if node is None:
                return None
        return node


def changed_path(before, after):
    """The deepest container that holds every difference of two registries; "" for none."""
    old = {entry.address: entry for entry in before}
    new = {entry.address: entry for entry in after}
    paths = [address.split("/")[1:-1] for address in old.keys() | new.keys()
             if old.get(address) != new.get(address)]
    if not paths:
        return ""
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/" + "/".join(shared)
