"""The options of `play` about ports, surfaces and clocks. Thread: control."""
from typing import Annotated

import typer

from engine.errors import DeviceError, SetError

MidiOut = Annotated[list[str] | None, typer.Option(
    metavar="PORT", help='notes go there: part of a name, "A|B" for the first found, virtual:NAME '
    "to make one; once more for a second port")]
Clock = Annotated[bool, typer.Option("--clock", help="MIDI clock on those ports")]
TimeCode = Annotated[int | None, typer.Option(help="MIDI time code there: 24, 25 or 30 frames/s")]
Offset = Annotated[list[float] | None, typer.Option(
    metavar="MS", help="how much later than the sound the first port is, -40 to 500; once more for "
    "the second")]
MidiIn = Annotated[list[str] | None, typer.Option(
    metavar="PORT", help="controllers, keys and clock from there")]
Follow = Annotated[bool, typer.Option("--follow", help="the tempo is that of --midi-in's clock")]
Osc = Annotated[str | None, typer.Option(
    metavar="[HOST:]PORT", help="listen for OSC; without a host, on this machine only")]
OscTo = Annotated[list[str] | None, typer.Option(
    metavar="HOST:PORT", help="send what is heard there; once more for another")]
Link = Annotated[bool, typer.Option("--link", help="Ableton Link: one tempo with who is near")]
Controls = Annotated[str | None, typer.Option(help="the control file; default: the set's own")]

EARLIEST_MS, LATEST_MS = -40.0, 500.0     # notes are known 50 ms before they sound


def endpoint(text, option):
    """(host, port) of "HOST:PORT" or "PORT"; raises DeviceError."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise DeviceError(f"{option} {text!r}: needs HOST:PORT with a port of 1 to 65535")
    return host.strip("[]") or "127.0.0.1", int(port)


def _named(ports):
    for port in ports or ():
        if not port.strip() or port.strip() == "virtual:":
            raise SetError(f"a MIDI port's name is empty in {port!r}: see `ports`")
    return tuple(ports or ())


def checked(midi_out, clock, time_code, midi_offset, midi_in, follow, osc, osc_to, link, controls):
    """The options of a session about what it is connected to; raises on what does not fit."""
    if (clock or time_code) and not midi_out:
        raise SetError("--clock and --time-code need a port: give --midi-out NAME, see `ports`")
    if time_code not in (None, 24, 25, 30):
        raise SetError(f"--time-code must be 24, 25 or 30 frames a second, got {time_code}")
    if follow and not midi_in:
        raise SetError("--follow needs the clock's port: give --midi-in NAME, see `ports`")
    if controls and not midi_in:
        raise SetError("--controls needs the controller's port: give --midi-in NAME, see `ports`")
    if follow and link:
        raise SetError("--follow and --link are two tempos: keep one of them")
    offsets = tuple(midi_offset or ())
    for offset in offsets:
        if not EARLIEST_MS <= offset <= LATEST_MS:
            raise SetError(f"--midi-offset must be {EARLIEST_MS:g} to {LATEST_MS:g} ms, "
                           f"got {offset:g}")
    if len(offsets) > len(midi_out or ()):
        raise SetError("--midi-offset needs its port: give one --midi-out for each, in order")
    return {"midi_out": _named(midi_out), "clock": clock, "time_code": time_code,
            "midi_offsets_ms": offsets, "midi_in": _named(midi_in), "follow": follow,
            "osc": osc and endpoint(osc, "--osc"), "link": link, "controls": controls,
            "osc_to": tuple(endpoint(to, "--osc-to") for to in osc_to or ())}
