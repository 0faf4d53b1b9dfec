"""How well the embedded model writes: held-out bits per byte beside two controls, repetition.

Prints the figures of the model's own report, and measures the repetition anew. With
`--data FOLDER`, the training text, which is not shipped, held-out figure and controls are measured
anew too. Thread: control.
"""
import json

from engine.errors import ModelError

KEPT = ("date", "model", "training", "held_out", "controls")


def reported(folder):
    """The report shipped beside the weights."""
    try:
        return json.loads((folder / "report.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no readable report.json ({error}): write it with "
                         "`python -m engine.model.train.report DATA RUN MODEL`") from None


def run(quick=False, data="", tokens=0):
    """Figures of the embedded model; tokens 0 means half an hour of them (quick: a tenth)."""
    from tokenizers import Tokenizer

    from engine.model.load import EMBEDDED_CONTEXT, embedded_folder, load
    from engine.model.train import controls, corpus, report
    folder = embedded_folder()
    loaded = load("embedded", EMBEDDED_CONTEXT)
    shipped = reported(folder)
    result = {name: shipped[name] for name in KEPT} | {"reported": shipped["date"]}
    if result["model"]["weight_hash"] != loaded.weight_hash:
        raise ModelError(f"{folder}: report.json is about other weights; write it anew")
    del result["date"]
    length = tokens or report.HALF_HOUR // (10 if quick else 1)
    result["repetition"] = report.repetition(loaded, int(length))
    if data:
        train, held = corpus.read(data)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        result["held_out"] = report.held_out(loaded.model, tokenizer, held)
        result["controls"] = controls.controls(train, held)
        result["reported"] = "now"
    return result


def table(result):
    """The figures, one a line."""
    from engine.model.train import card
    return f"{card.table(result)}\n(held-out figure and controls: {result['reported']})"
