"""What a surface can read, move and set off: one entry an address, made from the registry. Thread:
control.

OSC, OSCQuery, MIDI learn, layouts and the page are made from these entries and from nothing else.
"""
from dataclasses import asdict, dataclass, replace

from engine.mapping import UNITS
from engine.steering import LOWEST, name_of

KINDS = ("value", "trigger", "out")


@dataclass(frozen=True)
class Entry:
    """One address.

    kind     "value": a later one may overtake it; "trigger": never lost; "out": only sent
    tags     OSC type tags of its arguments: "f", "i", "s"; "" for none
    path     the parameter of the set that it moves ("bass.cutoff_hz"), "" for an action
    state    a trigger that also stands at a value: a mute
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
    state: bool = False

    @property
    def shows(self):
        """Whether surfaces are told the one value that it stands at."""
        return (self.kind == "value" or self.state) and len(self.tags) == 1

    def data(self):
        return asdict(self)

    @classmethod
    def from_data(cls, data):
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


VERBS = (
    Entry("/panic", "trigger", "", about="everything that sounds stops now"),
    Entry("/next", "trigger", "", about="the next section at the next bar"),
    Entry("/prompt", "trigger", "s", about="a new text for the model, after what has been heard"),
    Entry("/temperature", "value", "f", 0.0, 2.0, 0.9, about="how freely the model chooses"),
    Entry("/hold", "trigger", "i", about="1 holds the model, 0 lets it go on",
          state=True),
    Entry("/sweep", "value", "f", -1.0, 1.0, 0.0, about="the DJ filter, over two bars"),
    Entry("/tempo", "value", "f", 20.0, 400.0, 120.0, unit="bpm", about="the tempo from now on"),
    Entry("/ramp", "trigger", "ff", 20.0, 400.0, 120.0, unit="bpm",
          about="a tempo, reached over so many bars"),
    Entry("/nudge", "trigger", "f", -500.0, 500.0, 0.0, unit="ms", about="later (or earlier)"),
    Entry("/tap", "trigger", "", about="the tempo of the hand"),
    Entry("/start", "trigger", "", about="on the one, now"),
    Entry("/stop", "trigger", "", about="the music stands; the sound rings out"),
    Entry("/continue", "trigger", "", about="on from where it stands"),
    Entry("/position", "trigger", "i", 0.0, 16383.0, about="the sixteenth that continue begins at"),
    Entry("/release", "trigger", "s", about="gives a parameter back to the model"),
    Entry("/learn", "trigger", "s", about="the next control that moves is bound to this address"),
    Entry("/learn/cancel", "trigger", "", about="no control is learned after all"),
    Entry("/learn/forget", "trigger", "s", about="no control moves this address any more"),
)
OUTS = (
    Entry("/beat", "out", "ii", about="bar and beat, from 1"),
    Entry("/section", "out", "s", about="the scene that plays"),
    Entry("/token", "out", "s", about="what the model wrote"),
    Entry("/note", "out", "sff", about="part, pitch (60 is middle C), level"),
    Entry("/model", "out", "s", about="how the model keeps up"),
)


STEERED = Entry("/steered", "out", "ff", about="how far steering moved the law of the next word, "
                "nat, and the share of the way that its limit let it go")


def steered(made):
    """What steers the model along the set's directions."""
    does = {"steer": "adds {} to what the model thinks, or its opposite; 0 is without",
            "ablate": "takes {} out of what the model thinks; 0 is without"}
    found = [Entry(f"/{kind}/{name_of(one)}", "value", "f", low, 1.0,
                   made.steering.get(f"{kind}.{name_of(one)}", 0.0),
                   about=does[kind].format(name_of(one)))
             for one in made.directions for kind, low in LOWEST.items()]
    return [*found, Entry("/unsteer", "trigger", "", about="nothing steers the model any more")] \
        if found else []


def unit_in(name):
    """The unit that a name ends in: "hz" of "cutoff_hz"; "" for a proportion."""
    last = name.rpartition("_")[2]
    return last if last in (*UNITS, "ms", "cents", "percent") else ""


def address_of(path, deck="a"):
    """The OSC address of a parameter: "/a/bass/cutoff_hz"."""
    return f"/{deck}/{path.replace('.', '/')}"


def entries(made, features=()):
    """Everything that a surface can do with a set.

    made      a Set;  features  the full names of the features that will be sent
    returns   [Entry]: verbs, one of each part, the parameters, then what is only sent
    """
    registry, scenes = made.registry(), getattr(made.music, "scenes", ())
    found = [replace(verb, default={"/temperature": made.temperature, "/tempo": made.bpm}.get(
        verb.address, verb.default)) for verb in VERBS]
    found.append(Entry("/scene", "trigger", "s", choices=tuple(s.name for s in scenes),
                       about="a section at the next bar"))
    for part in made.parts:
        found += [
            Entry(f"/mute/{part}", "trigger", "i",
                  about=f"1 mutes {part} at the next bar, 0 opens it", state=True),
            Entry(f"/play/{part}", "trigger", "ff", 0.0, 127.0, 60.0,
                  about=f"strikes {part}: pitch (60 is middle C), level 0..1; held until let go"),
            Entry(f"/let_go/{part}", "trigger", "f", 0.0, 127.0, 60.0,
                  about=f"lets a played note of {part} go")]
    found += steered(made)
    for path, param, value in zip(registry.paths, registry.params, registry.values, strict=True):
        found.append(Entry(address_of(path, registry.deck), "value", "f", param.low, param.high,
                           value, param.curve, unit_in(param.name), path, path))
    outs = (*OUTS, STEERED) if made.directions else OUTS
    return [*found, *outs, *(Entry(f"/feature/{name.replace('.', '/')}", "out", "f",
                                   unit=unit_in(name), about=name) for name in features)]
