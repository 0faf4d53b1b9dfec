"""docs/synths.md, from the tables of the installed sounds, with a spectrogram each. Thread:
control."""
import sys
from pathlib import Path

from engine import plot
from engine.audition import Audition, render
from engine.sounds import sounds
from engine.voice import Effect

DRUM, BASS, LINE = "C4 C4! C4 C4!", "C2 C2! C2 G2~ C3 C2!", "C3 E3 G3 C4"
LOW_VOICES = ("tb303",)
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
    """(first paragraph, `source` line) of the file a sound stands in."""
    text = sys.modules[thing.render.__module__].__doc__ or ""
    first = " ".join(text.split("\n\n")[0].split()).removesuffix("Thread: audio.").strip()
    return first


def rows(thing):
    """Its parameters as lines of a table."""
    lines = ["| parameter | from | to | default | curve |", "|---|---|---|---|---|"]
    return lines + [f"| `{p.name}` | {p.low:g} | {p.high:g} | {p.default:g} | {p.curve} |"
                    for p in thing.params]


def write(folder, progress=None):
    """folder/synths.md and folder/synths/NAME.png; returns the files."""
    folder, known = Path(folder), sounds()
    pictures = folder / "synths"
    pictures.mkdir(parents=True, exist_ok=True)
    page, files = [HEAD], []
    for kind, wanted in (("Voices", False), ("Effects", True)):
        page.append(f"## {kind}\n")
        for number, (name, thing) in enumerate(known.items()):
            if isinstance(thing, Effect) != wanted:
                continue
            if progress:
                progress(number / len(known), name)
            samples, _ = render(Audition(name, demo(thing), beats=0.5, tail_s=1.0))
            files.append(pictures / f"{name}.png")
            plot.draw(samples, 48000, files[-1], name, small=True)
            page += [f"### {name}\n", about(thing) + "\n", f"![{name}](synths/{name}.png)\n",
                     *rows(thing), ""]
    (folder / "synths.md").write_text("\n".join(page).rstrip() + "\n", "utf-8")
    return [str(folder / "synths.md"), *map(str, files)]
