"""The commands about directions: concepts in a model's residual stream. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.errors import ModelError

directions = typer.Typer(no_args_is_help=True, help="Concepts to hear (and steer) in a model: "
                         "learn them from texts of two kinds, list them, take them over.")

Name = Annotated[str, typer.Argument(help="a plain name: sets read direction.NAME")]
Model = Annotated[str, typer.Option(help="embedded, a folder, or a hub id")]
Layer = Annotated[int | None, typer.Option(
    help="after which block, counted from 1; default: the one with the best held-out AUC")]
Out = Annotated[Path | None, typer.Option(
    help="folder of profiles to keep it in; default: the user's own")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object as the last line")]


@directions.command()
def learn(
        name: Name, model: Model = "embedded",
        contrast: Annotated[Path | None, typer.Option(
            help="CSV or JSON lines: text,label or positive,negative; default: the shipped set of "
                 "that name")] = None,
        positive: Annotated[Path | None, typer.Option(
            help="a file of texts of the positive class alone, with --negative")] = None,
        negative: Annotated[Path | None, typer.Option(help="the other class")] = None,
        positive_label: Annotated[str | None, typer.Option(
            help="which label is the positive one")] = None,
        layer: Layer = None,
        chat: Annotated[bool, typer.Option(
            "--chat", help="put each text into the model's chat template")] = False,
        tokens: Annotated[str | None, typer.Option(
            help="a text is the mean over `all` its tokens, or its `last`; default: last with "
                 "--chat, else all")] = None,
        out: Out = None, as_json: Json = False):
    """Learn a direction: the difference of the mean states of texts of two classes."""
    from engine.model import contrast as contrasts
    from engine.model.directions import check_name
    check_name(name)
    if tokens not in (None, "all", "last"):
        raise ModelError(f"--tokens is all or last, got {tokens!r}")
    if (positive is None) != (negative is None) or positive and contrast:
        raise ModelError("give --contrast FILE, or both --positive FILE and --negative FILE")
    if positive:
        texts = contrasts.read_two(positive, negative)
    else:
        texts = contrasts.read(contrast or contrasts.shipped_file(name), positive_label)
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine.model.learn import learn as learned
    with console.progress(f"learning {name}") as report:
        found, path = learned(name, model, texts, layer, chat, tokens == "last" or
                              chat and tokens is None, out, report)
    told = found.report
    alone = f"; of single tokens {told['token_auc']:.3f}" if told["token_auc"] else ""
    lines = [f"{path}: {found.model}, the state after layer {found.layer} of {len(told['aucs'])}",
             f"held-out AUC {told['auc']:.3f}, with shuffled labels {told['control_auc']:.3f}, "
             f"p {told['p']:.3f}" + alone,
             f"bootstrap cosine {told['cosine']:.2f}, 95 % above {told['cosine_low']:.2f}; one "
             f"effect is {told['one_effect']}",
             "AUC by layer " + " ".join(f"{x:.2f}" for x in told["aucs"])]
    console.give(data(found, path), as_json, "\n".join(lines + warnings(told)))


def warnings(told):
    """What a performer should know before trusting a direction."""
    found = []
    if told["p"] > 0.05:
        found.append("this may be chance: shuffled labels do as well; take other or more texts")
    if told["cosine"] < 0.8:
        found.append("other texts would give another direction: take more of them")
    return found


def data(found, path):
    """A direction without its arrays."""
    return {"name": found.name, "path": str(path), "model": found.model, "layer": found.layer,
            "weight_hash": found.weight_hash, "scale": found.scale, **found.report}


@directions.command("list")
def listed(model: Annotated[str | None, typer.Option(
        help="only those of embedded, or of a folder")] = None, as_json: Json = False):
    """List the directions of every model, and the shipped contrast sets."""
    from engine.model import contrast as contrasts
    from engine.model.directions import everything, read
    if model is not None:
        from engine.model.load import find, fingerprint
        source, _ = find(model)
        if not Path(source).is_dir():
            raise ModelError(f"{model!r} is no folder on this machine: list all of them instead")
        wanted = fingerprint(Path(source))
    rows, lines = [], []
    for weight_hash, found in everything().items():
        for path in found.values() if model is None or weight_hash == wanted else ():
            try:
                one = read(path)
            except ModelError as fault:       # one damaged file does not hide the others
                console.say(str(fault))
                continue
            rows.append(data(one, path))
            auc = f"AUC {one.report['auc']:.3f}" if "auc" in one.report else "imported"
            lines.append(f"{one.name:20} {one.model:16} layer {one.layer:<3} {auc:10}  {path}")
    known = sorted(contrasts.shipped())
    lines.append(f"contrast sets that come along: {', '.join(known)}")
    console.give({"directions": rows, "contrasts": known}, as_json, "\n".join(lines))


@directions.command("import")
def imported(
        name: Name,
        file: Annotated[Path, typer.Option(help="a safetensors file: an SAE, a probe")],
        tensor: Annotated[str, typer.Option(help="the tensor in it, of the model's width")],
        layer: Annotated[int, typer.Option(help="after which block it lives, counted from 1")],
        row: Annotated[int | None, typer.Option(help="which row, from 0, of several")] = None,
        probe: Annotated[bool, typer.Option(
            "--probe", help="a linear probe's weight: read by its own dot product")] = False,
        model: Model = "embedded", out: Out = None, as_json: Json = False):
    """Take over a row of another tool's tensor: an SAE's decoder row, a probe's weight."""
    from engine.model.directions import check_name
    check_name(name)
    with console.patience("getting ready; the first time on a machine its loops are compiled"):
        from engine.model.learn import take_in
    with console.progress(f"importing {name}") as report:
        found, path = take_in(name, model, file, tensor, layer, row, probe, out, report)
    console.give(data(found, path), as_json, f"{path}: {found.model}, the state after layer "
                 f"{found.layer}; one effect is {found.report['one_effect']}")


def add(app):
    """Gives the commands of this file to the command line."""
    app.add_typer(directions, name="directions")
