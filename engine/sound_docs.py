"""docs/synths.md, from the tables of the installed sounds, with a spectrogram each. Thread:
control."""
import re
import sys
from pathlib import Path

from engine import plot
from engine.audition import Audition, render
from engine.sounds import sounds
from engine.voice import Effect, Voice

DRUM, BASS, LINE = "C4 C4! C4 C4!", "C2 C2! C2 G2~ C3 C2!", "C3 E3 G3 C4"
LOW_VOICES, LONG = ("tb303",), 24           # a table of more rows is folded
HEAD = """# Voices and effects

Written by `hiddenstage synths --docs docs` from the tables in `synths/`: change those, not this
page. `./stage audition NAME --notes "C2 G2 C3" --out x.wav --plot x.png` lets one be heard and seen
alone. Every picture shows its sound played so at the defaults; an effect stands behind a plucked
string.
"""


def demo(thing):
    """The notes a picture is drawn from."""
    if thing.name in LOW_VOICES:
        return BASS
    return DRUM if any(p.name == "tune_hz" for p in thing.params) else LINE


def about(thing):
    """The first paragraph of the file a sound stands in."""
    text = sys.modules[thing.render.__module__].__doc__ or ""
    return " ".join(text.split("\n\n")[0].split()).removesuffix("Thread: audio.").strip()


def remarks(thing):
    """{parameter: what its row's comment in the file says}."""
    text = Path(sys.modules[thing.render.__module__].__file__).read_text("utf-8")
    names = {p.name for p in thing.params}
    found = re.findall(r'^ *Param\("(\w+)".*?\),? +# (.*)$', text, re.M)
    return {name: said for name, said in reversed(found) if name in names}


def rows(thing):
    """Its parameters as lines of a table."""
    said = remarks(thing)
    lines = ["| parameter | from | to | default | curve | |", "|---|---|---|---|---|---|"]
    lines += [f"| `{p.name}` | {p.low:g} | {p.high:g} | {p.default:g} | {p.curve} | "
              f"{said.get(p.name, '').replace('|', '/')} |" for p in thing.params]
    if len(thing.params) <= LONG:
        return lines
    return [f"<details><summary>{len(thing.params)} parameters</summary>", "", *lines, "",
            "</details>"]


def page(known):
    """The text of synths.md for {name: Voice or Effect}."""
    lines = [HEAD]
    for kind, wanted in (("Voices", Voice), ("Effects", Effect)):
        lines.append(f"## {kind}\n")
        for name, thing in known.items():
            if isinstance(thing, wanted):
                lines += [f"### {name}\n", about(thing) + "\n",
                          f"![{name}](synths/{name}.png)\n", *rows(thing), ""]
    return "\n".join(lines).rstrip() + "\n"


def write(folder, progress=None):
    """folder/synths.md and folder/synths/NAME.png; returns the files."""
    folder, known = Path(folder), sounds()
    pictures = folder / "synths"
    pictures.mkdir(parents=True, exist_ok=True)
    files = [folder / "synths.md"]
    files[0].write_text(page(known), "utf-8")
    for number, (name, thing) in enumerate(known.items()):
        if progress:
            progress(number / len(known), name)
        samples, _ = render(Audition(name, demo(thing), beats=0.5, tail_s=1.0))
        files.append(pictures / f"{name}.png")
        plot.draw(samples, 48000, files[-1], name, small=True)
    return list(map(str, files))
