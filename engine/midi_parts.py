"""Parts as MIDI: who plays on which port, channel and key, and how a level, a pan or a pitch is
written. Live notes and files are made with the same functions. Thread: any.

source  General MIDI 1 sound set and percussion map; its volume law, 40 log10(value / 127) dB;
        MPE 1.0 (a zone of member channels, bend range 48 semitones)
"""
import math
from dataclasses import replace

from engine.errors import SetError, suggestion
from engine.formats.scl import EQUAL
from engine.parts import MIDI_RANGES, STRIP_PARAMS

DRUMS, CHANNELS = 10, 16
KIT_BANK = 128                            # of a SoundFont
MEMBERS = range(2, 17)                    # of an MPE zone, whose master is channel 1
MPE_BEND_ST = 48
LOUDEST_DB = 12.0                         # a strip's highest level is controller 7 at 127
EXACT_CENTS = 1.0                         # a pitch nearer to a key than this needs no bend
VOLUME, PAN = 7, 10
# the keys of a drum, by the part's name or else its voice's: the first that no other part has
KEYS = {
    "kick": (36, 35), "kick808": (36, 35), "snare": (38, 40), "snare808": (38, 40), "clap": (39,),
    "hat": (42, 44), "hat808": (42, 44), "closedhat": (42, 44), "openhat": (46,), "pedalhat": (44,),
    "ride": (51, 59), "crash": (49, 57), "cymbal": (49, 57), "tom": (45, 47, 43, 48, 41, 50),
    "tom808": (45, 47, 43, 48, 41, 50), "rim": (37,), "clave": (75,), "cowbell": (56,),
    "maracas": (70, 82), "shaker": (82, 70), "tambourine": (54,),
}
DRUM_VOICES = {"kick", "kick808", "snare", "snare808", "clap", "hat", "hat808", "ride", "crash",
               "tom", "tom808", "rim", "clave", "cowbell", "maracas"}
# General MIDI programs less one, by the voice's name, or for voices of many kinds the part's
PROGRAMS = {
    "tb303": 38, "fm": 5, "fm6": 5, "string": 24, "pad": 89, "stringmachine": 50, "choir": 52,
    "organ": 16, "grain": 99, "sinebank": 88,
}
NAMED = {"bass": 38, "sub": 39, "bell": 14, "perc": 115, "lead": 81, "pad": 89, "strings": 50,
         "choir": 52, "organ": 16, "piano": 0, "keys": 4, "flute": 73, "brass": 61, "guitar": 24}
MANY_KINDS = {"fm", "fm6", "sinebank", "grain"}
OTHER_PROGRAM = 80


def midi_of(parts, tuning=EQUAL, sends=(), microtonal=()):
    """name -> Midi in which nothing is open: what the set says, else the usual.

    Drums are on channel 10 with their General MIDI key, the others on the next free channel with a
    program that suits; a part that needs exact pitches (mpe, a tuning off the keys, or one of
    `microtonal`) has a port of its own.
    raises  SetError where two parts cannot go together
    """
    bent = not on_keys(tuning)
    wish = {}
    for name, part in parts.items():
        _check_cc(name, part, sends)
        midi = part.midi
        if midi.key is None and not midi.mpe:
            midi = replace(midi, key=_drum_key(name, part, wish))
        if _is_kit(part) and midi.channel is None:
            midi = replace(midi, channel=DRUMS)
        mpe = midi.mpe or (midi.key is None and midi.channel != DRUMS and (
            bent or name in microtonal))
        if mpe and midi.channel not in (None, 1):
            raise SetError(f"part {name!r}: its pitches lie off the keys, so it needs MPE from "
                           f"channel 1, not {midi.channel}; leave the channel out")
        wish[name] = replace(midi, mpe=mpe)
    placed = _placed(wish)
    return {name: _sounding(name, parts[name], placed[name]) for name in parts}


def on_keys(tuning):
    """Whether every key of a tuning sounds where a keyboard has it."""
    cents = [cents_off(tuning.hz(float(key))) for key in range(128)]
    return all(abs(c) <= EXACT_CENTS for c in cents if c == c)


def key_of(pitch_hz):
    """(the nearest key, how many semitones the pitch lies above it)"""
    pitch_st = 69.0 + 12.0 * math.log2(pitch_hz / 440.0)
    key = min(max(round(pitch_st), 0), 127)
    return key, pitch_st - key


def cents_off(pitch_hz):
    """How far a pitch lies from its nearest key, in cents; NaN for none."""
    return 100.0 * key_of(pitch_hz)[1] if pitch_hz == pitch_hz else math.nan


def _check_cc(name, part, sends):
    known = [p.name for p in (*part.voice.params, *STRIP_PARAMS)] + [f"{s}_send" for s in sends]
    for number, parameter in part.midi.cc.items():
        if parameter not in known:
            raise SetError(f"part {name!r}: Midi cc {number} names {parameter!r}"
                           f"{suggestion(parameter, known)}")


def _drum_key(name, part, earlier):
    """The key of a drum, None for what is no drum."""
    if part.voice.name not in DRUM_VOICES:
        return None
    keys = KEYS[name if name in KEYS else part.voice.name]
    taken = {midi.key for midi in earlier.values()}
    return next((key for key in keys if key not in taken), keys[0])


def _is_kit(part):
    """Whether a soundfont part is a drum kit, whose keys are its drums."""
    return part.voice.name == "soundfont" and part.values.get("bank", 0) >= KIT_BANK


def _placed(wish):
    """Channels and ports: first where the set says them, then drums, the others, and MPE."""
    found, used = {}, {}                  # used: port -> channels, all of them under MPE
    def rank(name):
        midi = wish[name]
        said = midi.port is not None or midi.channel is not None
        return not said, midi.mpe, midi.key is None
    for name in sorted(wish, key=rank):
        midi = wish[name]
        ports = range(MIDI_RANGES["port"][1] + 1) if midi.port is None else (midi.port,)
        port, channel = next(((p, c) for p in ports if (c := _channel(midi, used.get(p, set())))),
                             (None, None))
        if port is None:
            raise SetError(f"part {name!r}: no channel is left for it"
                           + (f" on port {midi.port}; give it another port" if midi.port is not None
                              else ""))
        used.setdefault(port, set()).update(range(1, 17) if midi.mpe else (channel,))
        found[name] = replace(midi, port=port, channel=channel)
    return found


def _channel(midi, used):
    """The channel of a part on a port where these are used; None if it has no room there."""
    if midi.mpe:
        return None if used else 1
    if len(used) == CHANNELS:             # an MPE zone
        return None
    if midi.channel is not None or midi.key is not None:
        return midi.channel or DRUMS
    return next((c for c in range(1, CHANNELS + 1) if c != DRUMS and c not in used), None)


def _sounding(name, part, midi):
    """The same with program and bank."""
    if midi.program is not None or midi.key is not None:
        return midi
    if part.voice.name == "soundfont":
        bank, program = (int(part.values.get(what, 0)) for what in ("bank", "program"))
        named = midi.bank is not None or _is_kit(part) or not bank
        return replace(midi, program=program, bank=midi.bank if named else 128 * bank)
    program = PROGRAMS.get(part.voice.name, OTHER_PROGRAM)
    if part.voice.name in MANY_KINDS or part.voice.name not in PROGRAMS:
        program = NAMED.get(name, program)
    return replace(midi, program=program)


# ---- messages, as tuples of bytes
def velocity_of(level):
    """A level 0..1 as a velocity 1..127."""
    return min(max(round(127.0 * level), 1), 127)


def volume_of(level_db, mute=0.0):
    """Controller 7: 127 at +12 dB, 64 at 0 dB, by General MIDI's own law, so that parts keep their
    balance; 0 at -120 dB and while muted."""
    if mute >= 0.5 or level_db <= -120.0:
        return 0
    return min(max(round(127.0 * 10.0 ** ((level_db - LOUDEST_DB) / 40.0)), 0), 127)


def pan_of(pan):
    """Controller 10: 0 left, 64 middle, 127 right."""
    return min(max(round(64.0 + 64.0 * pan), 0), 127)


def controller_of(param, value):
    """A parameter's place in its range, along its curve, as 0..127."""
    return round(127.0 * param.share(value))


def bend_of(semitones, range_st=MPE_BEND_ST):
    """A pitch bend, 0..16383, 8192 for none."""
    return min(max(8192 + round(8192.0 * semitones / range_st), 0), 16383)


def opening(midi):
    """What a part's channel is told before its first note: MPE's zone and bend, bank, program."""
    messages, status = [], midi.channel - 1
    if midi.mpe:
        messages += _registered(0, 6, len(MEMBERS))
        for channel in MEMBERS:
            messages += _registered(channel - 1, 0, MPE_BEND_ST)
    if midi.bank is not None:
        messages += [(0xB0 | status, 0, midi.bank >> 7), (0xB0 | status, 32, midi.bank & 127)]
    if midi.program is not None:
        messages.append((0xC0 | status, midi.program))
    return messages


def _registered(channel, number, value):
    """A registered parameter's message, and the one that closes it."""
    return [(0xB0 | channel, 101, 0), (0xB0 | channel, 100, number), (0xB0 | channel, 6, value),
            (0xB0 | channel, 38, 0), (0xB0 | channel, 101, 127), (0xB0 | channel, 100, 127)]
