"""The commands about ports, controls and layouts. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.errors import EngineError, distinct


def osc_monitor(
        port: Annotated[int, typer.Argument(help="the port to listen at")] = 9001,
        host: Annotated[str, typer.Option(
            help="which address of this machine; 0.0.0.0 for all")] = "127.0.0.1",
        seconds: Annotated[float | None, typer.Option(help="stop after this long")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False):
    """Show the OSC that arrives, decoded, and what is not well-formed; until Ctrl-C."""
    from engine.wires import monitor
    if not 1 <= port <= 65535:
        raise EngineError(f"osc-monitor: ports are 1..65535, got {port}")
    if seconds is not None and not 0 < seconds < 1e9:
        raise EngineError(f"osc-monitor: --seconds must be above 0, got {seconds:g}")
    sock, count, refused, stopped = monitor.opened(port, host), 0, {}, False
    try:
        console.say(f"listening for OSC at {host}:{port}")
        for sender, found, size in monitor.arriving(sock, seconds):
            if isinstance(found, str):
                refused[found] = refused.get(found, 0) + 1
                line = {"from": f"{sender[0]}:{sender[1]}", "refused": found, "bytes": size}
                console.give(line, as_json, f"{sender[0]}:{sender[1]}  refused: {found}, "
                                            f"{size} bytes")
                continue
            count += 1
            console.give(monitor.data(sender, found), as_json,
                         f"{sender[0]}:{sender[1]}  {monitor.words(found)}")
    except KeyboardInterrupt:
        stopped = True
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(refused.items())) or "none"
    console.give({"messages": count, "refused": refused}, as_json,
                 f"{count} messages; refused: {kinds}")
    if stopped:
        raise typer.Exit(130)


def ports(as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False):
    """List the MIDI ports; --midi-out and --midi-in take any part of a name."""
    from engine.wires import midi_monitor as monitor
    found = monitor.listing()
    console.give({"systems": found}, as_json, monitor.table(found))


def midi_monitor(
        pattern: Annotated[list[str] | None, typer.Argument(
            help="any part of an input's name; left out: all inputs")] = None,
        seconds: Annotated[float | None, typer.Option(help="stop after this long")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False):
    """Show the MIDI that arrives, in words, and a clock as its tempo and jitter; until Ctrl-C."""
    from engine.wires import midi_monitor as monitor
    ears, count, stopped = monitor.opened(pattern or ()), 0, False
    try:
        console.say(f"listening to {', '.join(ears.names)}")
        for result, line in monitor.arriving(ears, seconds):
            count += "bytes" in result
            console.give(result, as_json, line)
    except KeyboardInterrupt:
        stopped = True
    finally:
        ears.close()
    console.give({"messages": count}, as_json, f"{count} messages, clock ticks aside")
    if stopped:
        raise typer.Exit(130)


def layouts(name: Annotated[str, typer.Argument(metavar="SET", help="a set's name or file")],
            touchosc: Annotated[Path | None, typer.Option(
                help="write a TouchOSC layout, F.tosc")] = None,
            open_stage_control: Annotated[Path | None, typer.Option(
                help="write an Open Stage Control session, F.json")] = None,
            osc: Annotated[int, typer.Option(help="the port that the stage listens at")] = 9000,
            as_json: Annotated[bool, typer.Option(
                "--json", help="one JSON object as the last line")] = False):
    """Write control surfaces for a set: a page of what plays it, then a page a part."""
    if touchosc is None and open_stage_control is None:
        raise EngineError("layouts: give --touchosc F.tosc, --open-stage-control F.json, or both")
    if not 1 <= osc <= 65535:
        raise EngineError(f"layouts: --osc must be a port, 1..65535, got {osc}")
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine import sets
        from engine.surface import entries
        from engine.wires import layouts as made
        found = entries(sets.load(name))
    distinct(**{"--touchosc": touchosc, "--open-stage-control": open_stage_control})
    written = []
    if touchosc:
        made.write_touchosc(touchosc, found, Path(name).stem)
        written.append(str(touchosc))
    if open_stage_control:
        made.write_open_stage_control(open_stage_control, found, osc)
        written.append(str(open_stage_control))
    count = sum(bool(entry.path) for entry in found)
    console.give({"files": written, "parameters": count}, as_json,
                 f"{' and '.join(written)}: {count} parameters; OSC to port {osc}")


def learn(
        name: Annotated[str, typer.Argument(metavar="SET", help="a set's name or file")] = "house",
        target: Annotated[str, typer.Argument(
            metavar="[ADDRESS]", help='what is moved, as in "/a/bass/cutoff_hz", "/scene drop" or '
            '"cutoff"; left out: one control after another, each is asked for')] = "",
        midi_in: Annotated[list[str] | None, typer.Option(
            metavar="PORT", help="only controllers of this port; default: of all")] = None,
        controls: Annotated[str | None, typer.Option(
            help="the control file; default: the set's own")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False):
    """Bind controllers: touch a knob, a pad or a pedal and say what it moves; until Ctrl-C."""
    from engine.wires import learn as learning
    result = learning.run(name, target, midi_in or (), console.say, controls)
    console.give(result, as_json, f"{result['learned']} learned; {result['file']} has "
                                  f"{result['rows']} rows")


def add(app):
    """Gives the commands of this file to the command line."""
    for command in (ports, midi_monitor, osc_monitor, learn, layouts):
        app.command()(command)
