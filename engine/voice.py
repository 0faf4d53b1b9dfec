"""What a voice or an effect is: a table, a state, its kernels, tied by one line. Thread: control.

`Fields` lays the state out: one contiguous float32 run per field, voices side by side. `unit_of`
writes a small module that binds the kernels to one C signature, compiles it once, and gives its
address: so a set is data and the rig calls voices by address.
"""

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import ParamError
from engine.param import LONGEST, PLAIN, Param, is_plain
from engine.rt import LANE, NARROW, WIDE

GROUPS = {"time": 1, "lanes": LANE, "wide": WIDE}


@dataclass(frozen=True)
class Fields:
    """Names and floats per voice (or per effect) of a state, in order. Zero at birth."""

    sizes: dict

    @property
    def floats(self):
        return sum(self.sizes.values())


def fields(*names, **sized):
    """fields("env", "phase", line=4096): single floats first, then runs of the given length.

    In a kernel `s.env[v]` is voice v's; `s.line[v * 4096 + i]` is its run (flat: a row view costs
    an atomic count). A field called `seed` is filled at birth with an integer below 2^24, other
    for each part and voice.
    """
    return Fields({**dict.fromkeys(names, 1), **sized})


def _check(kind, name, params):
    names = [p.name for p in params]
    if len(set(names)) != len(names) or not all(isinstance(p, Param) for p in params):
        raise ParamError(
            f"{kind} {name!r}: parameters must be Param rows with different names, got {names}"
        )
    for one in (name, *names):
        if not is_plain(one):
            raise ParamError(f"{kind} {name!r:.60}: the name {one!r:.60} has something else than "
                             f"{PLAIN}, or over {LONGEST} of them")


@dataclass(frozen=True)
class Voice:
    """A sound that is struck. The fields of s, out and pitch_hz are float32, indexed from 0 on;
    they have no size, and no index is checked.

    strike(s, v, p, pitch_hz, level), release(s, v, p)
    shape "time"   render(s, v, p, pitch_hz, out, dt) adds 32 samples of voice v to out (32,)
    shape "lanes"  render(s, g, p, pitch_hz, out, dt) adds 32 frames of voices 16 g .. 16 g + 15 to
    out (32 * 16,), frame by frame; pitch_hz is the (voices,) array
    shape "wide"   the same with WIDE voices (64 with AVX-512, else 32 or 16): load_wide and the
    like; compiled a second time, with 8, for parts of up to 16
    narrow         shape "lanes": compiled a second time for parts of up to 8 voices, where a
    register holds fewer than 16: `load`, `splat` and `noise` give 8 lanes then, so what is loaded
    of anything but voices is a `load_row`, a `splat_row`
    oversample     2: 64 samples or frames at twice the rate, and dt is the time of one of those;
    the voices' sum is brought to the rate once a part
    prepare        prepare(s, v, p, pitch_hz, dt), shape "time": in lanes, what render needs of
    voices v .. v + 15 that is one number a voice; their envelopes and phases a quantum on; called
    before render while one of them sounds (a silent one is born again at its strike)
    finish         finish(s, p, out, dt) changes the part's sum (32,) in place, once a quantum while
    the part is awake: for filters that are linear and the same for all voices; memory in keep_*
    begin          begin(part, rate_hz) -> ({field: int64 array}, object to keep alive), called as a
    table is built: what comes from outside, stored bit for bit in that field of the state
    """

    name: str
    params: tuple
    state: Fields
    strike: Callable
    release: Callable
    render: Callable
    shape: str = "time"
    oversample: int = 1
    narrow: bool = False
    prepare: Callable | None = None
    finish: Callable | None = None
    begin: Callable | None = None

    def __post_init__(self):
        _check("voice", self.name, self.params)
        if self.shape not in GROUPS or self.oversample not in (1, 2):
            raise ParamError(
                f"voice {self.name!r}: shape is one of {', '.join(GROUPS)}, oversample 1 or 2, not "
                f"{self.shape!r} and {self.oversample!r}"
            )
        if self.narrow and self.shape != "lanes":
            raise ParamError(f"voice {self.name!r}: only shape 'lanes' has narrow=True, not "
                             f"{self.shape!r}")

    @property
    def group(self):
        """How many voices one call of render computes."""
        return GROUPS[self.shape]

    def layout(self, voices):
        """(voices that a part of so many has room for, voices that one call renders)."""
        group = NARROW if self.shape == "wide" and voices <= LANE else self.group
        step = LANE if self.prepare else group
        return -(-voices // step) * step, group


@dataclass(frozen=True)
class Effect:
    """A change of a stereo signal: render(s, p, left, right, key, dt) works in place on (32,)
    arrays.

    key  (32,) the side chain: the level of each strike of the set's key part at its sample, else 0
    """

    name: str
    params: tuple
    state: Fields
    render: Callable

    def __post_init__(self):
        _check("effect", self.name, self.params)
