"""Voices of the DX7 as presets: Part(FM6, preset=Patch("bank.syx", 3)). Thread: control.

Reads the two messages that its files hold: a bank of 32 packed voices (4104 bytes) and one voice
(163 bytes). Numbers beyond their range, as some files have them, are brought back into it.
source   the data format sheet in the DX7's manual; units as published for Plaits (MIT)
"""
from pathlib import Path

from engine.errors import EngineError, suggestion

BANK, SINGLE = bytes((0x09, 0x20, 0x00)), bytes((0x00, 0x01, 0x1B))
VOICES, PACKED, UNPACKED, NAME = 32, 128, 155, 145
BANK_BYTES, SINGLE_BYTES = VOICES * PACKED + 8, UNPACKED + 8
OPERATOR_BYTES, OPERATORS = 21, 6
TREMOLO = (0.0, 0.2588, 0.4274, 1.0)      # amplitude modulation sensitivity
VIBRATO = (0.0, 0.078125, 0.15625, 0.2578125, 0.4296875, 0.71875, 1.1953125, 2.0)   # octaves
TICK_HZ = 0.005865                        # of the low oscillator
HIGHEST = (*(99,) * 11, 3, 3, 7, 3, 7, 99, 1, 31, 99, 14)        # of an operator's bytes
LAST = (*(99,) * 8, 31, 7, 1, 99, 99, 99, 99, 1, 5, 7, 48)       # of those after the operators


class Patch(dict):
    """One voice of a file, as parameters of FM6: Patch("bank.syx", 3) or Patch("bank.syx", "Bell").

    which   1 to 32, or the voice's name;  name   what the file calls it
    """

    def __init__(self, path, which=1):
        voices = read(path)
        names = [name_of(voice) for voice in voices]
        if isinstance(which, str):
            lower = [name.lower() for name in names]
            if which.strip().lower() not in lower:
                raise EngineError(f"{path} has no voice {which!r}{suggestion(which, names)}")
            number = lower.index(which.strip().lower())
        elif isinstance(which, int) and not isinstance(which, bool) and 1 <= which <= len(voices):
            number = which - 1
        else:
            raise EngineError(f"{path}: a voice is a name or 1 to {len(voices)}, not {which!r:.60}")
        super().__init__(parameters(voices[number]))
        self.name = names[number]


def names(path):
    """The names of a file's voices, in order."""
    return [name_of(voice) for voice in read(path)]


def read(path):
    """The voices of a file, each 155 numbers in the order of a single voice's message."""
    try:
        data = Path(path).expanduser().read_bytes()
    except (OSError, TypeError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or fault
        raise EngineError(f"{path}: cannot be read: {why}") from fault
    body = _checked(data, path)
    if len(body) == UNPACKED:
        return [_within(body)]
    return [_within(_unpacked(body[at:at + PACKED])) for at in range(0, len(body), PACKED)]


def _checked(data, path):
    """The bytes between header and checksum, or an EngineError that says what is wrong."""
    if len(data) < 6 or data[0] != 0xF0:
        raise EngineError(f"{path} is no system exclusive file: it does not begin with F0")
    if data[1] != 0x43 or data[2] & 0x70 or data[3:6] not in (BANK, SINGLE):
        raise EngineError(f"{path} holds no DX7 voices: its header is {data[:6].hex(' ')}, "
                          "not f0 43 00 09 20 00 (a bank) or f0 43 00 00 01 1b (one voice)")
    wanted = BANK_BYTES if data[3:6] == BANK else SINGLE_BYTES
    if len(data) != wanted:
        fault = "cut short" if len(data) < wanted else "too long"
        raise EngineError(f"{path} is {fault}: {len(data)} bytes, where its header says {wanted}")
    body = data[6:-2]
    if data[-1] != 0xF7 or max(body) > 127:
        raise EngineError(f"{path} is damaged: a byte that is no data inside, or no F7 at its end")
    if (sum(body) + data[-2]) & 127:
        raise EngineError(f"{path} is damaged: its checksum is {data[-2]}, its bytes say "
                          f"{-sum(body) & 127}")
    return body


def _unpacked(packed):
    """A bank's 128 bytes as the 155 of a single voice."""
    out = []
    for at in range(0, 102, 17):
        o = packed[at:at + 17]
        out += [*o[:11], o[11] & 3, o[11] >> 2 & 3, o[12] & 7, o[13] & 3, o[13] >> 2 & 7, o[14],
                o[15] & 1, o[15] >> 1 & 31, o[16], o[12] >> 3 & 15]
    g = packed[102:]
    return [*out, *g[:8], g[8] & 31, g[9] & 7, g[9] >> 3 & 1, *g[10:14], g[14] & 1,
            g[14] >> 1 & 7, g[14] >> 4 & 7, *g[15:]]


def _within(voice):
    """Every number in its range."""
    highest = (*HIGHEST * OPERATORS, *LAST, *(127,) * 10)
    return [min(x, most) for x, most in zip(voice, highest, strict=True)]


def name_of(voice):
    return "".join(chr(c) if 32 <= c < 127 else " " for c in voice[NAME:]).strip()


def parameters(voice):
    """{parameter of FM6: value} of 155 numbers; key sync of the operators is not kept."""
    found = {}
    for n in range(OPERATORS):                              # the file begins with operator 6
        at = n * OPERATOR_BYTES
        for name, value in _operator(voice[at:at + OPERATOR_BYTES]).items():
            found[f"op{OPERATORS - n}_{name}"] = float(value)
    (*pitch, algorithm, feedback, _, speed, delay, vibrato, tremolo, sync, wave, sensitivity,
     transpose) = voice[OPERATORS * OPERATOR_BYTES:NAME]
    for n in range(4):
        found[f"pitch_rate{n + 1}"] = float(pitch[n])
        found[f"pitch_level{n + 1}_st"] = pitch_st(pitch[4 + n])
    delay_s, fade_s = lfo_delay_s(delay)
    return found | {
        "algorithm": algorithm + 1.0, "feedback": float(feedback), "lfo_hz": lfo_hz(speed),
        "lfo_delay_s": delay_s, "lfo_fade_s": fade_s, "lfo_wave": float(wave),
        "lfo_sync": float(sync), "vibrato_cents": 6.0 * vibrato * VIBRATO[sensitivity],
        "tremolo": tremolo / 100, "transpose_st": transpose - 24.0}


def _operator(o):
    """An operator's 21 numbers in the words of FM6."""
    (*envelope, break_at, left, right, left_curve, right_curve, scaling, tremolo, velocity, output,
     fixed, coarse, fine, detune) = o
    return {
        **{f"rate{n + 1}": envelope[n] for n in range(4)},
        **{f"level{n + 1}": envelope[4 + n] for n in range(4)},
        "output": output, "ratio": 1.0 if fixed else (coarse or 0.5) * (1 + fine / 100),
        "fixed_hz": 10.0 ** (coarse % 4 + fine / 100) if fixed else 0.0,
        "detune_cents": 1.5 * (detune - 7), "break_st": break_at + 21,
        # curves: a line down, steep down, steep up, a line up
        "left_depth": left if left_curve > 1 else -left, "left_curve": left_curve in (1, 2),
        "right_depth": right if right_curve > 1 else -right, "right_curve": right_curve in (1, 2),
        "rate_scaling": scaling, "tremolo": TREMOLO[tremolo], "velocity": velocity}


def pitch_st(level):
    """A level of the pitch envelope in semitones: 0 at 50, an octave at 82, four at 99."""
    x = (level - 50) / 32
    far = max(abs(x + 0.02) - 1, 0.0)
    return min(max(12 * x * (1 + 5.3056 * far * far), -48.0), 48.0)


def lfo_hz(speed):
    ticks = speed * 165 // 64 or 1
    return ticks * (11 if ticks < 160 else 11 + (ticks - 160) // 16) * TICK_HZ


def lfo_delay_s(delay):
    """(seconds until the low oscillator begins, seconds until it is all there)."""
    if delay == 0:
        return 0.0, 0.0
    left = 99 - delay
    ticks = (16 + left % 16) << (1 + left // 16)
    return 0.5 / (ticks * TICK_HZ), 0.5 / (max(128, ticks & 0xFF80) * TICK_HZ)
