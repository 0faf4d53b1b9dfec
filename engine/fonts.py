"""Finds FluidSynth and a SoundFont, makes one synth a voice, or lets an own voice stand in.
Thread: control.

A synth plays one voice (see `engine.kernels.fluid`); all of a part share one loaded font. What is
missing is said in one line, once, with the Debian package that brings it.
"""
import ctypes
import os
import weakref
from pathlib import Path

import numpy as np

from engine import console
from engine.errors import DeviceError
from engine.kernels.fluid import (
    CHANNELS,
    COUNT,
    FIRST_BANK,
    FIRST_PROGRAM,
    FONT,
    GEN,
    HALF_RATE,
    OFF,
    ON,
    PARAMS,
    PITCH,
    SELECT,
    SILENCE,
    STATE,
    SYNTH,
    UNIT,
    WORDS,
    WRITE,
)

HIGHEST_HZ = 96000                        # FluidSynth's; above, half the rate
SETTINGS = {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.threadsafe-api": 0,
            "synth.polyphony": 32, "synth.midi-channels": CHANNELS}
FUNCTIONS = {WRITE: "write_float", ON: "noteon", OFF: "noteoff", GEN: "set_gen",
             SELECT: "program_select", SILENCE: "all_sounds_off"}
HOME = "HIDDENSTAGE_SOUNDFONT"
FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts",
           "/usr/local/share/soundfonts", "/opt/homebrew/share/soundfonts",
           "~/.local/share/soundfonts")
NAMES = ("default-GM", "default", "FluidR3_GM", "FluidR3Mono_GM", "TimGM6mb")
PACKAGES = "timgm6mb-soundfont (6 MB) or fluid-soundfont-gm (148 MB)"
# which own voice is nearest: from this program on
LONG = {"decay_s": 12.0, "bright": 1.0}
NEAREST = (
    (0, "fm", {"ratio": 1.0, "index": 1.5, "decay_s": 3.0}),              # pianos
    (8, "fm", {"ratio": 3.5, "index": 1.5, "decay_s": 2.0}),              # bells, mallets
    (16, "fm", {**LONG, "ratio": 2.0, "index": 0.8, "release_s": 0.05}),  # organs
    (24, "string", {}),                                                   # guitars
    (32, "fm", {"ratio": 1.0, "index": 3.0, "decay_s": 1.2}),             # basses
    (40, "fm", {**LONG, "ratio": 1.0, "index": 1.5, "attack_s": 0.08}),   # bowed strings
    (45, "string", {"decay_s": 1.0}),                                     # pizzicato, harp
    (47, "fm", {"ratio": 1.4, "index": 1.0, "decay_s": 0.8}),             # timpani
    (48, "fm", {**LONG, "ratio": 1.0, "index": 1.5, "attack_s": 0.12}),   # ensembles, voices
    (56, "fm", {**LONG, "ratio": 1.0, "index": 3.0, "attack_s": 0.04}),   # brass
    (64, "fm", {**LONG, "ratio": 2.0, "index": 1.5, "attack_s": 0.03}),   # reeds
    (72, "fm", {**LONG, "ratio": 1.0, "index": 0.3, "attack_s": 0.05}),   # pipes
    (80, "fm", {**LONG, "ratio": 1.0, "index": 4.0}),                     # leads
    (88, "fm", {**LONG, "ratio": 2.0, "index": 1.0, "attack_s": 0.4}),    # pads, effects
    (104, "string", {"brightness": 0.8}),                                 # sitar, banjo, koto
    (112, "fm", {"ratio": 2.8, "index": 3.0, "decay_s": 0.4}),            # percussion, noises
)
DRUMS = ("tom", {})                       # for the banks of kits, 128

class Missing(DeviceError):
    """What is not there, where it was looked for, which package brings it."""


def _prototypes(fluid):
    """Tells ctypes what is a pointer; nothing is logged from the audio thread."""
    word, number = ctypes.c_void_p, ctypes.c_int
    for name, result, *arguments in (
            ("new_fluid_settings", word), ("new_fluid_synth", word, word),
            ("delete_fluid_settings", None, word), ("delete_fluid_synth", None, word),
            ("fluid_settings_setint", number, word, ctypes.c_char_p, number),
            ("fluid_settings_setnum", number, word, ctypes.c_char_p, ctypes.c_double),
            ("fluid_synth_sfload", number, word, ctypes.c_char_p, number),
            ("fluid_synth_get_sfont_by_id", word, word, number),
            ("fluid_synth_add_sfont", number, word, word),
            ("fluid_synth_remove_sfont", number, word, word),
            ("fluid_set_log_function", word, number, word, word),
            ("fluid_sfont_iteration_start", None, word), ("fluid_sfont_iteration_next", word, word),
            ("fluid_preset_get_banknum", number, word), ("fluid_preset_get_num", number, word),
            *((f"fluid_synth_{name}", number) for name in FUNCTIONS.values())):
        function = getattr(fluid, name)
        function.restype, function.argtypes = result, arguments or None
    for level in range(5):
        fluid.fluid_set_log_function(level, None, None)
    return fluid


def library():
    """The loaded FluidSynth; raises Missing."""
    try:
        import fluidsynth  # pyfluidsynth knows where the systems keep it

        name = fluidsynth.lib
    except (ImportError, OSError, AttributeError):
        name = "libfluidsynth.so.3"        # as it is called where nothing can list the libraries
    try:
        return _prototypes(ctypes.CDLL(name))
    except (OSError, AttributeError) as fault:      # or one from before version 2
        raise Missing("FluidSynth 2 is missing: no libfluidsynth among the system's libraries; "
                      "install libfluidsynth3 (macOS: fluid-synth)") from fault


def font_file():
    """The SoundFont to play: that of HIDDENSTAGE_SOUNDFONT, or the best of the usual folders."""
    if own := os.environ.get(HOME):
        if not Path(own).is_file():
            raise Missing(f"there is no SoundFont {own}, as {HOME} says")
        return Path(own)
    found = [path for folder in FOLDERS for path in sorted(Path(folder).expanduser().glob("*"))
             if path.suffix.lower() in (".sf2", ".sf3")]
    rank = {name: k for k, name in enumerate(NAMES)}
    if not found:
        raise Missing(f"no SoundFont: looked in {', '.join(FOLDERS)} and {HOME}; install "
                      f"{PACKAGES}")
    return min(found, key=lambda path: rank.get(path.stem, len(rank)))


class Synths:
    """One synth a voice over one font, until nobody holds this object."""

    def __init__(self, voices, rate_hz):
        path, fluid = font_file(), library()
        self.settings = fluid.new_fluid_settings()
        for name, value in SETTINGS.items():
            fluid.fluid_settings_setint(self.settings, name.encode(), value)
        self.half_rate = int(rate_hz > HIGHEST_HZ)
        fluid.fluid_settings_setnum(self.settings, b"synth.gain", 1.0)
        fluid.fluid_settings_setnum(self.settings, b"synth.sample-rate",
                                    rate_hz / (1 + self.half_rate))
        self.synths = [fluid.new_fluid_synth(self.settings) for _ in range(voices)]
        owner, fonts = self.synths[0], []
        weakref.finalize(self, _delete, fluid, self.settings, self.synths, fonts).atexit = False
        number = fluid.fluid_synth_sfload(owner, os.fsencode(path), 0)
        if number < 0:
            raise Missing(f"{path} cannot be read as a SoundFont; install {PACKAGES}, or set "
                          f"{HOME}")
        self.path, self.font = path, fluid.fluid_synth_get_sfont_by_id(owner, number)
        self.numbers = [number]
        for synth in self.synths[1:]:
            self.numbers.append(fluid.fluid_synth_add_sfont(synth, self.font))
            fonts.append((synth, self.font))
        fluid.fluid_sfont_iteration_start(self.font)
        preset = fluid.fluid_sfont_iteration_next(self.font)
        self.first = (fluid.fluid_preset_get_banknum(preset), fluid.fluid_preset_get_num(preset)
                      ) if preset else (0, 0)
        self.calls = {word: ctypes.cast(getattr(fluid, f"fluid_synth_{name}"),
                                        ctypes.c_void_p).value for word, name in FUNCTIONS.items()}

    def words(self):
        """What each voice's kernels need, int64."""
        words = np.zeros((len(self.synths), WORDS), np.int64)
        for word, address in self.calls.items():
            words[:, word] = address
        words[:, SYNTH], words[:, FONT] = self.synths, self.numbers
        words[:, FIRST_BANK], words[:, FIRST_PROGRAM] = self.first
        words[:, HALF_RATE] = self.half_rate
        return words


def _delete(fluid, settings, synths, fonts):
    """The owner of the font last: a synth deletes every font it still has."""
    for synth, font in fonts:
        fluid.fluid_synth_remove_sfont(synth, font)
    for synth in reversed(synths):
        fluid.delete_fluid_synth(synth)
    fluid.delete_fluid_settings(settings)


def nearest(program, bank=0):
    """(name, parameters) of the own voice that stands in for a program."""
    if bank >= 128:
        return DRUMS
    return [(name, values) for first, name, values in NEAREST if first <= program][-1]


class StandIn:
    """An own voice in the place of a font, one part of one for each voice: state, pitch, unit."""

    def __init__(self, name, values, voices):
        from engine.sounds import sound
        from engine.unit import unit_of
        thing = sound(name)
        self.unit, self.count = unit_of(thing), thing.layout(1)[0]
        self.state = np.zeros((voices, max(1, thing.state.floats) * self.count), np.float32)
        self.pitch = np.full((voices, self.count), 100.0, np.float32)
        self.params = np.array([values.get(p.name, p.default) for p in thing.params] or [0.0],
                               np.float32)
        at = 0
        for field, size in thing.state.sizes.items():
            if field == "seed":
                self.state[:, at] = np.arange(1, voices + 1)
            at += size * self.count

    def words(self):
        words = np.zeros((len(self.state), WORDS), np.int64)
        words[:, UNIT], words[:, COUNT] = self.unit, self.count
        words[:, PARAMS] = self.params.ctypes.data
        words[:, STATE] = [row.ctypes.data for row in self.state]
        words[:, PITCH] = [row.ctypes.data for row in self.pitch]
        return words


_said = set()


def begin(part, rate_hz):
    """A part's synths, or what stands in for them: ({"keep_words": int64 array}, what to keep)."""
    try:
        made = Synths(part.voices, rate_hz)
    except Missing as fault:
        program, bank = part.values.get("program", 0.0), part.values.get("bank", 0.0)
        name, values = nearest(program, bank)
        line = f"{fault}; until then {name} plays in its place"
        if line not in _said:
            _said.add(line)
            console.say(line)
        made = StandIn(name, values, part.voices)
    return {"keep_words": made.words().ravel()}, made
