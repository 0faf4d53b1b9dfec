"""What a surface can read, move and set off: one entry an address, made from the registry. Thread:
control.

OSC, OSCQuery, MIDI learn, layouts and the page are made from these entries and from nothing else.
"""
from dataclasses import asdict, dataclass

KINDS = ("value", "trigger", "out")


@dataclass(frozen=True)
class Entry:
    """One address.

    kind     "value": a later one may overtake it; "trigger": never lost; "out": only sent
    tags     OSC type tags of its arguments: "f", "i", "s"; "" for none
    path     the parameter of the set that it moves ("bass.cutoff_hz"), "" for an action
    """
    address: str
    kind: str
    tags: str = "f"
    low: float = 0.0
    high: float = 1.0
    default: float = 0.0
    curve: str = "lin"
    unit: str = ""
    about: str = ""
    path: str = ""
    choices: tuple = ()

    def data(self):
        return asdict(self)

    @classmethod
    def from_data(cls, data):
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
