"""Sets: data that happens to be Python, read by an interpreter of its own (`set_reader`), checked
whole. Thread: control.

A set file holds a docstring, imports of ours, and assignments of literals and calls of imported
names.
"""
import ast
import importlib.util
import math
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from engine.claims import check_claims
from engine.clock import check_bpm
from engine.errors import SetError, suggestion
from engine.formats.scl import EQUAL, Equal, Tuning
from engine.midi_parts import midi_of
from engine.model.directions import checked
from engine.param import LONGEST, PLAIN, is_plain
from engine.parts import Fx, Midi, Part
from engine.set_reader import Reader
from engine.steering import LIMIT_NAT
from engine.steering import checked as check_steering
from engine.table import Table

LONGEST_LINES, LARGEST_BYTES = 400, 256 << 10


@dataclass
class Set:
    """One piece: model, prompt, tempo, parts, effects, mapping tables, music.

    tokens_per_bar   how many of the model's tokens one bar holds: 1, 2, 4, 8 or 16
    limiter          the last effect; the installed one when it is left out
    music            the writer of patterns: `.player(steps_per_token, bars)` (see `mappings`)
    tuning           what note numbers sound as: Tuning("scale.scl", kbm="keys.kbm")
    links            rows of Link and Trigger;  key_part  whose strikes the duck follows
    directions       concepts to hear, at most 8 names: ("calm",) gives `direction.calm`
    claims           what is heard of the model, for `prove`: {"features": 3, "domains": 0.5}
    steering         how far the model is steered by them from the start: {"steer.calm": 0.5,
                     "ablate.fear": 1.0};  steer_limit_nat  how far its next word may diverge
    chat             prompts are a user's turns, through the model's own template
    seed             of the model's sampler;  noise_seed  of the kernels' noise, never of a note
    """
    model: str = "embedded"
    prompt: str = "Once upon a time"
    bpm: float = 120.0
    seed: int = 1
    noise_seed: int = 1
    tokens_per_bar: int = 8
    temperature: float = 0.9
    top_p: float = 0.95
    parts: dict = field(default_factory=dict)
    sends: dict = field(default_factory=dict)
    master: tuple = ()
    limiter: object = None
    duck: object = None
    key_part: str = ""
    out_level_db: float = 0.0
    links: tuple = ()
    directions: tuple = ()
    steering: dict = field(default_factory=dict)
    steer_limit_nat: float = LIMIT_NAT
    chat: bool = False
    music: object = None
    claims: dict = field(default_factory=dict)
    tuning: object = EQUAL
    name: str = ""
    doc: str = ""
    source: str = ""

    def __post_init__(self):
        self.bpm = check_bpm(self.bpm)
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise SetError("prompt is empty: give the model a few words to begin with")
        try:
            self.prompt.encode()
        except UnicodeEncodeError:
            raise SetError("prompt is no UTF-8 text: write it in that encoding") from None
        check_tokens_per_bar(self.tokens_per_bar)
        check_temperature(self.temperature)
        self._check_kinds()
        if not isinstance(self.parts, dict) or not self.parts:
            raise SetError("parts must be a dict of at least one name: Part(...)")
        for kind, given in (("parts", self.parts), ("sends", self.sends)):
            for name in given:
                if not is_plain(name):
                    raise SetError(f"{kind}[{name!r:.60}]: a name has {PLAIN}, at most {LONGEST}")
        for name, part in self.parts.items():
            if not isinstance(part, Part):
                raise SetError(f"parts[{name!r}] must be a Part(...)")
        midi_of(self.parts, self.tuning, self.sends)
        self.limiter = self.limiter or default_limiter()
        check_claims(self.claims)
        if self.music is None or not hasattr(self.music, "player"):
            raise SetError("music is missing: give a Music(...)")

    def _check_kinds(self):
        for name, kind, wanted in (
                ("model", str, "a folder, a hub id or 'embedded'"),
                ("sends", dict, "a dict of name: Fx(...)"),
                ("master", tuple | list, "a tuple of effects, (A,) for one"),
                ("links", tuple | list, "a tuple of Link and Trigger rows, (A,) for one"),
                ("chat", bool, "True or False"),
                ("key_part", str, "the name of a part"),
                ("tuning", Equal | Tuning, 'a Tuning("scale.scl")')):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise SetError(f"{name} must be {wanted}, got {value!r:.60}")
        self.directions = checked(self.directions)
        self.steering = check_steering(self.directions, self.steering, self.steer_limit_nat)
        for name in ("seed", "noise_seed"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 2 ** 62:
                raise SetError(f"{name} must be a whole number from 0 to 2^62, got {value!r}")
        if not isinstance(self.top_p, int | float) or not 0.01 <= self.top_p <= 1.0:
            raise SetError(f"top_p must be 0.01..1, got {self.top_p!r}")

    def table(self, noise_seed=None, deck="a", rate_hz=48000):
        """The set as rig memory; compiles what is not compiled yet."""
        noise_seed = self.noise_seed if noise_seed is None else noise_seed
        return Table(self.parts, self.sends, self.master, self.duck, self.key_part,
                     self.out_level_db, noise_seed, deck, rate_hz)

    def registry(self, deck="a"):
        """Every parameter of the set; nothing is compiled."""
        return Table(self.parts, self.sends, self.master, self.duck, self.key_part,
                     self.out_level_db, deck=deck, sounding=False).registry


def check_tokens_per_bar(tokens):
    if tokens not in (1, 2, 4, 8, 16):
        raise SetError(f"tokens_per_bar must be 1, 2, 4, 8 or 16, got {tokens!r}")
    return tokens


def check_temperature(value):
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0.0 <= value <= 2.0:
        raise SetError(f"temperature must be 0..2, got {value!r}")
    return float(value)


def default_limiter():
    """The effect of the entry point `hiddenstage.effects`, `limiter`: no set plays without one."""
    for point in entry_points(group="hiddenstage.effects", name="limiter"):
        return point.load()
    raise SetError("no limiter is installed: run ./stage again, or give limiter=...")


def read(source, where, folder=""):
    """The Set that a set file's text describes; raises SetError with the line.

    folder   where its tuning files are; None: leave them closed, a take's events are in Hz
    """
    if len(source) > LARGEST_BYTES or source.count("\n") > LONGEST_LINES:
        raise SetError(f"{where}: a set has at most {LONGEST_LINES} lines, "
                       f"{LARGEST_BYTES >> 10} kB")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        line = getattr(fault, "lineno", None) or 1
        why = getattr(fault, "msg", None) or str(fault) or "too deeply nested"
        raise SetError(f"{where}, line {line}: not readable: {why}") from fault
    reader = Reader(where, folder)
    try:
        reader.run(tree)
    except RecursionError as fault:
        raise SetError(f"{where}: too deeply nested") from fault
    made = reader.names.get("SET")
    if not isinstance(made, Set):
        raise SetError(f"{where}: it must assign SET = Set(...)")
    made.doc, made.source, made.name = ast.get_docstring(tree) or "", source, Path(where).stem
    return made


def _installed():
    """Set name -> file, from the entry points of this and other installed packages."""
    found = {}
    for point in entry_points(group="hiddenstage.sets"):
        try:
            spec = importlib.util.find_spec(point.value)
        except ImportError:
            continue
        if spec and spec.origin:
            found[point.name] = Path(spec.origin)
    return found


def names():
    """Names of the installed sets."""
    return sorted(_installed())


def find(name):
    """The file of a set, by its name or path."""
    path = Path(str(name))
    if path.suffix == ".py":
        if not path.is_file():
            raise SetError(f"no set file {name!r}: check the path")
        return path
    known = _installed()
    if name not in known:
        raise SetError(f"no set {name!r}{suggestion(name, known)}")
    return known[name]


def load(name):
    """The Set of a name or a .py path, checked whole; nothing of it has sounded yet."""
    path = find(name)
    try:
        with open(path, encoding="utf-8") as file:
            source = file.read(LARGEST_BYTES + 1)          # more is refused, whatever it is
    except (OSError, UnicodeDecodeError) as fault:
        raise SetError(f"{path}: cannot be read: {fault}") from fault
    return read(source, path.name, path.parent)


__all__ = ["Fx", "Midi", "Part", "Set", "find", "load", "names", "read"]
