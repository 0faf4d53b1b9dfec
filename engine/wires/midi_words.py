"""The bytes of MIDI that the wires and the guard know. Thread: any."""

NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0
SYSEX, SYSEX_END, CLOCK, START, CONTINUE, STOP, SENSING = (
    0xF0, 0xF7, 0xF8, 0xFA, 0xFB, 0xFC, 0xFE)
ENDINGS = (64, 120, 123)                  # controllers: sustain, all sound off, all notes off
SIZES = {0x80: 3, 0x90: 3, 0xA0: 3, 0xB0: 3, 0xC0: 2, 0xD0: 2, 0xE0: 3, 0xF1: 2, 0xF2: 3, 0xF3: 2}


def whole(data):
    """Whether it is one MIDI message."""
    if not data or data[0] < 0x80 or data[0] == SYSEX_END:
        return False
    if data[0] == SYSEX:
        return data[-1] == SYSEX_END
    size = SIZES.get(data[0] if data[0] >= SYSEX else data[0] & 0xF0, 1)
    return len(data) == size and all(byte < 0x80 for byte in data[1:])
