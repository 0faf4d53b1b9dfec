"""The command line: one word, what to play, and one line when something is wrong. Thread: control.

Nothing heavy is imported here: a command brings in what it needs when it runs.
"""
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from engine import (
    cli_connect,
    cli_directions,
    cli_features,
    cli_model,
    cli_prove,
    cli_sounds,
    cli_steer,
    cli_take,
    cli_wires,
    console,
)
from engine.errors import DeviceError, EngineError
from engine.leaving import Leaving

DEFAULT_BARS = 64                         # what `play` renders where there is no sound device

app = typer.Typer(
    name="hiddenstage", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Plays a language model live: its hidden states become house music while it writes.")


SetName = Annotated[str, typer.Argument(metavar="SET", help="a set's name or file")]
Model = Annotated[str | None, typer.Option(
    help="embedded, a folder, or a hub id; default: the set's, embedded if it names none")]
Prompt = Annotated[str | None, typer.Option(help="the text the model starts from")]
Tempo = Annotated[float | None, typer.Option(help="beats a minute, 20 to 400")]
Temperature = Annotated[float | None, typer.Option(help="of the sampler, 0 to 2")]
TokensPerBar = Annotated[int | None, typer.Option(help="1, 2, 4, 8 or 16")]
Seed = Annotated[int | None, typer.Option(help="model seed: another seed, another text")]
NoiseSeed = Annotated[int | None, typer.Option(help="seed of noise in sounds; changes no event")]
Rate = Annotated[int, typer.Option(help="samples a second")]
Block = Annotated[int | None, typer.Option(help="samples a block")]
Bars = Annotated[int | None, typer.Option(help="stop after this many bars")]
Throttle = Annotated[float | None, typer.Option(
    help="slow the model to this many tokens a second")]
Record = Annotated[Path | None, typer.Option(help="journal the performance into this take")]
RecordStates = Annotated[bool, typer.Option("--record-states", help="with the model's raw states")]
Stems = Annotated[Path | None, typer.Option(help="one file a part into this folder")]
MidiFile = Annotated[Path | None, typer.Option("--midi", help="the notes as a MIDI file")]
Project = Annotated[Path | None, typer.Option(
    help="a folder for a DAW: stems, MIDI, tempo, markers, features, DAWproject")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="the WAV file to write")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object as the last line")]


@app.command()
def play(name: SetName = "house", model: Model = None, prompt: Prompt = None,
         bpm: Tempo = None, temperature: Temperature = None, tokens_per_bar: TokensPerBar = None,
         seed: Seed = None, noise_seed: NoiseSeed = None, bars: Bars = None,
         audio: Annotated[str | None, typer.Option(help="sound device, see `devices`")] = None,
         midi_out: cli_connect.MidiOut = None, clock: cli_connect.Clock = False,
         time_code: cli_connect.TimeCode = None, midi_offset: cli_connect.Offset = None,
         midi_in: cli_connect.MidiIn = None, follow: cli_connect.Follow = False,
         osc: cli_connect.Osc = None, osc_to: cli_connect.OscTo = None,
         link: cli_connect.Link = False, controls: cli_connect.Controls = None,
         steer: cli_steer.Steer = None, ablate: cli_steer.Ablate = None,
         steer_limit: cli_steer.Limit = None, chat: cli_steer.Chat = False,
         rate: Rate = 48000, block: Block = None, record: Record = None,
         record_states: RecordStates = False, throttle: Throttle = None, as_json: Json = False):
    """Play a set live until Ctrl-C (or render it to a WAV file where there is no sound device)."""
    wires = cli_connect.checked(midi_out, clock, time_code, midi_offset, midi_in, follow, osc,
                                osc_to, link, controls)
    wires |= cli_steer.asked(steer, ablate, steer_limit, chat)
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine.performance import Options, choose
    options = Options(
        set=name, model=model, prompt=prompt, bpm=bpm, temperature=temperature, seed=seed,
        tokens_per_bar=tokens_per_bar, noise_seed=noise_seed, bars=bars, audio=audio,
        rate_hz=rate, block=block, record=record, record_states=record_states, throttle=throttle,
        **wires)
    trouble = None if audio else _no_output()
    if trouble is None:
        _play(options, as_json)
        return
    choose(options)                                            # what is wrong is said first
    options = replace(options, bars=bars or DEFAULT_BARS,
                      out=console.free_name(Path(name).stem, ".wav"))
    console.say(f"{trouble}: rendering {options.bars} bars to {options.out} instead")
    _render(options, as_json)


def _play(options, as_json):
    from engine import session, view
    stopped = False
    with console.progress(f"getting {options.set} ready") as report:
        performance = session.play(options, report)
    with performance:
        try:
            view.show(performance)
        except KeyboardInterrupt:
            stopped = True
        status = performance.status()
    report = {**vars(status), "set": options.set, "stopped": stopped, "record": options.record}
    bars = min(status.bar, options.bars or status.bar)     # not those of the tail
    recorded = f"; recorded in {options.record}" if options.record else ""
    console.give(report, as_json, f"{options.set}: {bars} bars, {status.seconds:.0f} s, "
                 f"{status.late_blocks} late blocks, {status.late_records} late records{recorded}")
    if stopped:
        raise typer.Exit(130)


def _no_output():
    """Why nothing can be heard here, or None when there is a sound device."""
    from engine.stream import devices
    try:
        return None if devices() else "no sound device found"
    except (DeviceError, OSError) as error:
        return f"no sound ({error})"


@app.command()
def render(name: SetName = "house", bars: Bars = DEFAULT_BARS, seed: Seed = None,
           prompt: Prompt = None, model: Model = None, rate: Rate = 48000,
           block: Block = None, out: Out = None, stems: Stems = None, noise_seed: NoiseSeed = None,
           tokens_per_bar: TokensPerBar = None, temperature: Temperature = None,
           bpm: Tempo = None, record: Record = None, record_states: RecordStates = False,
           throttle: Throttle = None, midi: MidiFile = None, project: Project = None,
           steer: cli_steer.Steer = None, ablate: cli_steer.Ablate = None,
           steer_limit: cli_steer.Limit = None, chat: cli_steer.Chat = False,
           as_json: Json = False):
    """Play a set against virtual time into a WAV file, faster than real time."""
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine.performance import Options
    _render(Options(
        set=name, model=model, prompt=prompt, bpm=bpm, temperature=temperature, seed=seed,
        tokens_per_bar=tokens_per_bar, noise_seed=noise_seed, rate_hz=rate, block=block,
        record=record, record_states=record_states, throttle=throttle, bars=bars, stems=stems,
        midi=midi, project=project, **cli_steer.asked(steer, ablate, steer_limit, chat),
        out=out if out or project else console.free_name(Path(name).stem, ".wav")), as_json)


def _render(options, as_json):
    from engine import session
    with console.progress(f"{options.set} to {options.out or options.project}") as report:
        result = session.render(options, report)
    console.give(result, as_json, _summary(result))


def _summary(result):
    first, *others = result["files"]
    if result.get("project"):
        first, others = result["project"], result["files"]
    files = f" and {len(others)} file{'s' * (len(others) > 1)}" if others else ""
    cut = "" if result.get("whole", True) else "; the take was cut short, this is what it holds"
    if "took_s" not in result:
        return f"{first}: {result['midi_notes']} notes{cut}"
    return (f"{first}{files}: {result['seconds']:.1f} s of sound in {result['took_s']:.1f} s, "
            f"{result['times_real_time']:.0f} times real time{cut}")


@app.command()
def replay(take: Annotated[Path, typer.Argument(help="a recorded take")], out: Out = None,
           stems: Stems = None, block: Block = None, midi: MidiFile = None,
           project: Project = None, as_json: Json = False):
    """Render a take again, without the model; with --midi alone only the notes are written."""
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine import session
        from engine.performance import Options
    if not (out or project or midi and not stems):
        out = console.free_name(take.stem, ".wav")
    options = Options(out=out, stems=stems, block=block, midi=midi, project=project)
    with console.progress(f"{take} to {out or project or midi}") as report:
        result = session.replay(take, out, options, report)
    console.give(result, as_json, _summary(result))


@app.command()
def sets(as_json: Json = False):
    """List the sets."""
    from engine.sets import load, names
    found = {name: (load(name).doc or "").strip() for name in names()}
    lines = [f"{name:12} {(doc.splitlines() or [''])[0]}" for name, doc in found.items()]
    console.give({"sets": found}, as_json, "\n".join(lines))


@app.command()
def devices(as_json: Json = False):
    """List the sound devices; `play --audio NAME` takes any part of a name."""
    from engine.stream import devices as outputs
    found = outputs()
    lines = [f"{'*' if device.default else ' '} {device.name}  ({device.host}, {device.channels} "
             f"channels, {device.rate_hz:.0f} Hz)" for device in found]
    console.give({"devices": [vars(device) for device in found]}, as_json,
                 "\n".join(lines) or "no sound device found: `play` renders instead")


@app.command()
def doctor(as_json: Json = False):
    """Look at this machine and say what to do about what is missing."""
    from engine import doctor as checks
    found = checks.examine()
    healthy = checks.healthy(found)
    console.give({"checks": [vars(check) for check in found], "ok": healthy}, as_json,
                 checks.table(found))
    if not healthy:
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context,
          name: Annotated[str | None, typer.Argument(help="leave it out for the list")] = None,
          quick: Annotated[bool, typer.Option("--quick", help="shorter and rougher")] = False,
          as_json: Json = False):
    """Measure one thing; options after the name go to that bench, as in `--seconds 60`."""
    import bench as benches
    if name is None:
        console.give({"benches": benches.summaries()}, as_json, benches.listing())
        return
    result, table = benches.measure(name, quick, context.args)
    console.give(result, as_json, table)


cli_wires.add(app)
cli_take.add(app)
cli_sounds.add(app)
cli_model.add(app)
cli_directions.add(app)
cli_features.add(app)
cli_prove.add(app)


@app.command()
def version():
    """Print the version."""
    from importlib.metadata import version as installed
    console.give({}, False, f"hiddenstage {installed('hiddenstage')}")


def main(arguments=None):
    """Runs a command; every expected failure is one line on standard error.

    leaves with  0; 2 for bad input; 1 for a failed check or a closed pipe; 130 after Ctrl-C
    """
    with Leaving() as leaving:
        try:
            code = app(arguments, standalone_mode=False) or 0
            sys.stdout.flush()
        except (KeyboardInterrupt, typer.Abort):
            code = 130
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except Exception as error:
            message = _expected(error)
            if not message and not leaving.code:
                raise
            code = leaving.code or _fail(message)
    if code == 130:
        console.say("stopped")
    sys.exit(code)


def _expected(error):
    """The line for what may go wrong; None for a bug, which keeps its traceback."""
    if isinstance(error, typer.BadParameter.__base__):        # typer's UsageError
        return error.format_message()
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) if isinstance(error, EngineError | OSError) else None


def _fail(message):
    console.say("hiddenstage: " + " ".join(message.split()))
    return 2


if __name__ == "__main__":
    main()
