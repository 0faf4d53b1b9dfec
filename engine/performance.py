"""One performance: a set, a model, a rig and a conductor, put together and checked. Thread:
control."""
import dataclasses
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import entry_points

from engine import sets
from engine.clock import Clock
from engine.compiling import compile_missing
from engine.conductor import Conductor
from engine.errors import EngineError, SetError
from engine.journal import Recorder
from engine.mapping import read_by
from engine.model.directions import load_all
from engine.model.supervisor import Supervised
from engine.parts import as_fx
from engine.records import DEARER
from engine.source import Source
from engine.steering import with_options
from engine.table import Rig
from engine.unit import unit_of

LEAD_RECORDS = 4                          # live: how far the model may be ahead of the music
RESTARTS = 3                              # offline: so often a lost model is started again
MOST_BLOCK = 65536
PATIENCE_S = 1.0                          # sounds that take longer than this are being compiled


@dataclass
class Options:
    """What the command line or a program asks for; None means: as the set says."""
    set: str = "house"
    model: str | None = None
    prompt: str | None = None
    bpm: float | None = None
    temperature: float | None = None
    tokens_per_bar: int | None = None
    seed: int | None = None
    noise_seed: int | None = None
    rate_hz: int = 48000
    block: int | None = None
    audio: str | None = None
    record: str | None = None
    bars: int | None = None
    out: str | None = None
    stems: str | None = None
    midi: str | None = None
    project: str | None = None
    record_states: bool = False
    throttle: float | None = None
    midi_out: tuple = ()                  # patterns of ports
    midi_in: tuple = ()
    clock: bool = False                   # on the ports of midi_out
    time_code: int | None = None          # frames a second
    midi_offsets_ms: tuple = ()           # of the ports of midi_out, in order
    osc: tuple | None = None              # (host, port)
    osc_to: tuple = ()                    # of (host, port)
    link: bool = False
    follow: bool = False                  # the MIDI clock of midi_in
    controls: str | None = None           # the control file; None: the set's own
    steering: tuple = ()                  # of ("steer" or "ablate", direction, amount)
    steer_limit_nat: float | None = None
    chat: bool | None = None


def _range(name, value, low, high):
    if not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
        raise SetError(f"{name} must be {low:g}..{high:g}, got {value!r}")


def choose(options, path=None):
    """The set (or the one in the file `path`) with the options written over it, all checked."""
    _range("rate", options.rate_hz, 8000, 192000)
    for name, value, low, high in (
            ("bars", options.bars, 1, 100000), ("block", options.block, 1, MOST_BLOCK),
            ("throttle", options.throttle, 0.01, 10000), ("seed", options.seed, 0, 2 ** 62),
            ("noise seed", options.noise_seed, 0, 2 ** 62)):
        if value is not None:
            _range(name, value, low, high)
    made = sets.load(path or options.set)
    over = {name: getattr(options, name) for name in (
        "model", "prompt", "bpm", "temperature", "tokens_per_bar", "seed", "noise_seed",
        "steer_limit_nat", "chat")
        if getattr(options, name) is not None}
    if options.steering:
        over |= with_options(made, options.steering)
    return dataclasses.replace(made, **over)


def meter_class():
    """The class that measures records, from the entry point `hiddenstage.features`."""
    for point in entry_points(group="hiddenstage.features"):
        if point.name == "meter":
            return point.load()
    raise EngineError("no features are installed: run ./stage again")


def measured_by(made):
    """Settings of the model process that follow from what is measured: the meter and the tiers of
    capture that the set's links and its music read."""
    meter = meter_class()
    return {"features": meter.signature,
            "tiers": sorted(set(DEARER) & set(meter.tiers(read_by(made))))}


def worker_settings(made, limit, throttle=None):
    """What the model process is told."""
    return {"model": made.model, "prompt": made.prompt, "temperature": made.temperature,
            "top_p": made.top_p, "model_seed": made.seed, "limit": limit, "throttle": throttle,
            "directions": list(made.directions), "steering": made.steering,
            "steer_limit_nat": made.steer_limit_nat, "chat": made.chat, **measured_by(made)}


def sounds_of(made):
    """Every voice and effect of a set once, in order."""
    effects = [*made.sends.values(), *made.master, made.duck, made.limiter]
    found = [part.voice for part in made.parts.values()]
    found += [as_fx(fx).effect for fx in effects if fx is not None]
    return list({id(sound): sound for sound in found}.values())


def prepare(made, progress, aside=False):
    """Compiles what is not compiled yet, with every core unless it is done aside; from the second
    slow sound on, each is named."""
    progress(0.0, "preparing the sounds (compiled once, then kept)")
    sounds = sounds_of(made)
    if not aside:
        compile_missing(sounds, lambda text: progress(0.0, text))
    began = time.monotonic()
    for number, sound in enumerate(sounds, start=1):
        if time.monotonic() - began > PATIENCE_S:
            progress(0.0, f"compiling {sound.name}, {number} of {len(sounds)} sounds")
        unit_of(sound)


def known_sounds(made, before):
    """Whether every sound of a set is one of an earlier set's."""
    return set(map(id, sounds_of(made))) <= set(map(id, sounds_of(before)))


def prepare_aside(path):
    """Compiles a set's sounds in a process of its own: the one that plays only reads the cache."""
    code = ("import sys; from engine import performance, sets; "
            "performance.prepare(sets.load(sys.argv[1]), lambda share, text: None, aside=True)")
    subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)


def channels_of(tables, stems, premaster=False):
    """How many channels a rig has: 2 master, 2 cue, and for stems what `names_of` lists."""
    return 4 + 2 * premaster + 2 * len(names_of(tables)) * stems


def names_of(tables):
    """The parts and then the sends of tables that take each other's place, each name once."""
    return [*dict.fromkeys([name for table in tables for name in table.parts]
                           + [name for table in tables for name in table.sends])]


class Performance:
    """What is the same live and offline; close() ends the model process.

    meanwhile(rig) is called while the model loads
    """

    def __init__(self, options, live, stems=False, progress=None, meanwhile=None):
        self.options, self.progress = options, progress or (lambda share, text: None)
        self.made = choose(options)
        self.live, self.recorder = live, None
        settings = worker_settings(self.made, LEAD_RECORDS, options.throttle) if live else \
            worker_settings(self.made, None)
        self.supervised = Supervised(settings, reserve=live)
        self.supervised.start()
        try:
            self._build(stems, meanwhile)
        except BaseException:
            self.close()
            raise

    def _build(self, stems, meanwhile):
        made, options = self.made, self.options
        prepare(made, self.progress)
        self.table = made.table(rate_hz=options.rate_hz)
        each = stems or self.live and options.audio == "jack"     # a pair of ports a part
        channels = channels_of([self.table], each, bool(options.project))
        self.rig = Rig(options.rate_hz, channels, made.limiter, bool(options.project))
        self.rig.load(self.table)
        if meanwhile:
            meanwhile(self.rig)
        self.clock = Clock(options.rate_hz, made.bpm)
        self.source = Source(self.supervised)
        self.source.wait_ready(lambda s: self.progress(0.0, f"loading the model ({s:.0f} s)"))
        self.directions = load_all(made.directions, self.supervised.descriptor)
        self.meter = meter_class()(self.supervised.descriptor, read_by(made), self.directions)
        self.source.calibrate(self.meter)
        self.recorder = None
        if options.record:
            self.recorder = Recorder(options.record, self.head(), not self.live)
        if self.recorder:
            self.recorder.states = options.record_states
            self.recorder.table(0, 0, made.source, made.name, made.noise_seed, self.table,
                                self.directions)
        self.conductor = Conductor(
            made, self.rig, self.source, self.meter, self.clock, self.recorder, self.live,
            options.bars, made.tokens_per_bar, options.throttle, self.wait)

    def wait(self):
        """The conductor waits for a record; offline a model that keeps failing ends the render."""
        if self.source.poll() == "failed":
            raise EngineError(self.supervised.error)
        if not self.live and self.supervised.restarts > RESTARTS:
            raise EngineError(f"the model failed {self.supervised.restarts} times: "
                              f"{self.supervised.messages[-1]}")
        time.sleep(0.0002)

    def head(self):
        """What a take begins with."""
        made = self.made
        return {"set": made.name, "model": made.model, "prompt": made.prompt, "bpm": made.bpm,
                "seed": made.seed, "noise_seed": made.noise_seed, "rate_hz": self.options.rate_hz,
                "tokens_per_bar": made.tokens_per_bar, "temperature": made.temperature,
                "directions": list(made.directions), "steering": made.steering,
                "steer_limit_nat": made.steer_limit_nat, "chat": made.chat,
                "descriptor": self.supervised.descriptor.data(), "live": self.live}

    def close(self):
        self.supervised.stop()
        if self.recorder:
            self.recorder.shut()
