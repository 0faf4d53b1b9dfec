"""The commands about sounds: what there is, and one alone. Thread: control."""
from pathlib import Path
from typing import Annotated

import typer

from engine import console

Out = Annotated[Path | None, typer.Option("--out", "-o", help="the WAV file to write")]
Rate = Annotated[int, typer.Option(help="samples a second")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object as the last line")]


def synths(name: Annotated[str | None, typer.Argument(help="one sound's table; or a file")] = None,
           docs: Annotated[Path | None, typer.Option(
               help="write synths.md with a picture of each into this folder")] = None,
           as_json: Json = False):
    """List voices and effects with their parameters."""
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine import sound_docs
        from engine.sounds import sound, sounds
    if docs:
        with console.progress(f"pictures into {docs}") as report:
            files = sound_docs.write(docs, report)
        console.give({"files": files}, as_json, f"{files[0]} and {len(files) - 1} pictures")
        return
    known = sounds() if name is None else {name: sound(name)}
    tables = {key: {"kind": type(thing).__name__.lower(), "about": sound_docs.about(thing),
                    "parameters": [vars(p) for p in thing.params]} for key, thing in known.items()}
    lines = []
    for key, table in tables.items():
        lines += ["", f"{key}  ({table['kind']})  {table['about']}"]
        rows = table["parameters"]
        if name is None and len(rows) > sound_docs.LONG:
            lines.append(f"  {len(rows)} parameters: hiddenstage synths {key}")
            rows = []
        said = sound_docs.remarks(known[key])
        lines += [f"  {p['name']:20} {p['low']:>9g} .. {p['high']:<9g} {p['default']:>9g}  "
                  f"{said.get(p['name'], '')}".rstrip() for p in rows]
    console.give({"synths": tables}, as_json, "\n".join(lines[1:]))


def audition(name: Annotated[str, typer.Argument(metavar="SOUND", help="see `synths`; or a file")],
             values: Annotated[list[str] | None, typer.Argument(
                 metavar="[PARAMETER=NUMBER]...", help="as in cutoff_hz=400")] = None,
             notes: Annotated[str, typer.Option(help='"C2 G2! C3~ - C3+E3+G3 440hz": ! accent, '
                                                     "~ slide, _ longer, - rest")] = "C3 E3 G3 C4",
             pattern: Annotated[Path | None, typer.Option(
                 help="instead: a file of 303 steps, C2 C2' -- D#2~ C2! __")] = None,
             bpm: Annotated[float | None, typer.Option(
                 help="beats a minute; default 120, or the pattern's")] = None,
             beats: Annotated[float | None, typer.Option(
                 help="of one step; default 1, or the pattern's")] = None,
             source: Annotated[str, typer.Option(
                 help="the voice that an effect is heard behind")] = "string",
             voices: Annotated[int | None, typer.Option(
                 help="at most so many at once; default 16, one where a slide is written")] = None,
             tuning: Annotated[Path | None, typer.Option(help="a Scala file, F.scl")] = None,
             kbm: Annotated[Path | None, typer.Option(help="which keys play its degrees")] = None,
             tail: Annotated[float, typer.Option(help="seconds after the last step")] = 2.0,
             rate: Rate = 48000, out: Out = None,
             plot: Annotated[Path | None, typer.Option(
                 help="a PNG of wave, spectrogram and spectrum")] = None,
             as_json: Json = False):
    """Render one voice or effect alone into a WAV file, with its picture if wanted."""
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine import audition as stage
        from engine import plot as pictures
        from engine.formats import acid
        from engine.formats.scl import tuning_of
        from engine.sounds import sound
    out = out or console.free_name(Path(name).stem, ".wav")
    thing = sound(name)
    score = acid.read(pattern) if pattern else notes
    what = stage.Audition(name, score, bpm, beats, None, tail,
                          stage.values_of(values or (), thing), source, voices, rate,
                          tuning_of(tuning, kbm))
    with console.progress(f"{name} to {out}") as report:
        samples, result = stage.render(what, out, report)
    if plot:
        pictures.draw(samples, rate, plot, f"{name}: {pattern or notes}")
    console.give(result | {"plot": str(plot) if plot else None}, as_json,
                 f"{out}: {result['seconds']:.1f} s, peak {result['peak_db']:.1f} dB"
                 + (f"; picture in {plot}" if plot else ""))


def add(app):
    """Gives the commands of this file to the command line."""
    for command in (synths, audition):
        app.command()(command)
