"""Timbre: what a model is made of, measured once and kept by the hash of its weights.

Per layer: participation and slope of the covariance of its states over the neutral text, sparsity
of its MLP's activations, what its heads' attention is spread over, and of each of its matrices the
stable rank and the exponent of its spectrum, if that has a power law. Coordinates that are huge in
most tokens and the first position count in none of them. Thread: control.
"""
import json

import numpy as np
import torch

from engine.errors import ModelError
from engine.model import profile, spectra
from engine.model.reading import Reading
from engine.records import GAZE

KIND = "hiddenstage timbre 1"
HUGE, OFTEN = 20.0, 0.5                   # times the layer's median; share of the tokens
FEWEST_ROWS = 32


def eigenvalues(weight):
    """Of W'W / rows, falling, by the smaller Gram matrix; weight (rows, columns) tensor."""
    w = weight.detach().double()
    gram = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    return torch.linalg.eigvalsh(gram).clamp(min=0.0).flip(0).numpy() / len(weight)


def matrices(block):
    """(name, 2-D weight) of a block; experts kept in one tensor come one by one."""
    for name, weight in block.named_parameters():
        parts = weight if weight.ndim == 3 else weight[None] if weight.ndim == 2 else ()
        for number, part in enumerate(parts):
            if min(part.shape) > 1:
                yield f"{name}.{number}" if weight.ndim == 3 else name, part


def of_matrix(weight):
    """Stable rank, and exponent (None: no power law) with its distance."""
    values = eigenvalues(weight)
    exponent, distance = spectra.power_law(values)
    return {"stable_rank": float(values.sum() / max(values[0], 1e-30)),
            "exponent": None if np.isnan(exponent) else float(exponent),
            "distance": None if np.isnan(distance) else float(distance)}


def of_states(rows):
    """Participation over the width, and slope, of the covariance of states (tokens, width)."""
    size = np.abs(rows)
    usual = (size <= HUGE * np.median(size, axis=1, keepdims=True)).mean(axis=0) > OFTEN
    x = rows[:, usual] - rows[:, usual].mean(axis=0)
    values = np.linalg.svd(x, compute_uv=False) ** 2
    values = values[values > 1e-12 * values[0]]
    share = spectra.participation(values) * len(values) / rows.shape[1]
    return {"participation": share, "slope": spectra.slope(values) if len(values) > 2 else None}


def heard(reading):
    """States (tokens, layers + 1, width), sparsity (layers,) and entropy (layers, heads) of the
    neutral text without its first position; NaN where a tier is missing."""
    states, sparse, spread = [], [], []
    widths = reading.shape.widths
    for state in reading.neutral():
        if int(state["position"]) == 0:
            continue
        states.append(np.where(state["valid"][0][:, None] > 0, state["resid"], np.nan))
        sparse.append([spectra.hoyer(state["act"][k, :n]) if n > 1 and state["valid"][3, k]
                       else np.nan for k, n in enumerate(widths)])
        if "T4" in reading.shape.tiers:
            spread.append(state["gaze"][:, :, GAZE.index("entropy")].copy())
    if len(states) < FEWEST_ROWS:
        raise ModelError(f"{reading.shape.name} reads only {len(states)} tokens of the neutral "
                         f"text at once, {FEWEST_ROWS} are needed")
    shape = reading.shape.layers, reading.shape.heads or 1
    return (np.array(states, np.float64), np.nanmean(np.array(sparse), axis=0),
            np.array(spread).mean(axis=0) if spread else np.full(shape, np.nan))


def measure(model, report=lambda share, words="": None):
    """The timbre of a model: {"model", "weight_hash", "tokens", "width", "layers": [...]}.

    A layer has participation, slope, hoyer, entropy (a number a head) and matrices by name; what
    is not known is None. Kept in the user's profile folder.
    """
    report(0.0, "loading the model")
    reading = Reading(model, ("T4",))
    try:
        path = profile.folder() / f"{reading.shape.weight_hash}.timbre.json"
        known = kept(path) if reading.shape.weight_hash else None
        if known:
            return known
        states, sparse, spread = heard(reading)
        layers = []
        for k, block in enumerate(reading.found.blocks):
            report(k / len(reading.found.blocks), f"layer {k + 1}")
            rows = states[:, k + 1]
            whole = np.isfinite(rows).all()
            layers.append((of_states(rows) if whole else {"participation": None, "slope": None}) | {
                "hoyer": number(sparse[k]), "entropy": [number(x) for x in spread[k]],
                "matrices": {name: of_matrix(w) for name, w in matrices(block.module)}})
    finally:
        reading.close()
    found = {"kind": KIND, "model": reading.shape.name, "weight_hash": reading.shape.weight_hash,
             "tokens": len(states), "width": reading.shape.width, "layers": layers}
    if found["weight_hash"]:
        keep(path, found)
    return found


def number(x):
    return float(x) if np.isfinite(x) else None


def kept(path):
    """What was measured before; None when there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return found if found["kind"] == KIND and found["layers"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(path, found):
    """Keeps it; a full disk costs only the next measuring."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        profile.write_whole(path, json.dumps(found, indent=1).encode())
    except OSError:
        pass


def table(found):
    """A line a layer."""
    lines = [f"{found['model']}, {found['weight_hash'] or 'without a hash'}: states of "
             f"{found['tokens']} tokens, width {found['width']}", "",
             f"{'layer':>5}{'particip.':>11}{'slope':>8}{'sparsity':>10}{'entropy':>9}"
             f"{'stable rank':>13}  exponents"]
    for k, layer in enumerate(found["layers"], start=1):
        heads = [x for x in layer["entropy"] if x is not None]
        ranks = [m["stable_rank"] for m in layer["matrices"].values()]
        laws = [m["exponent"] for m in layer["matrices"].values() if m["exponent"] is not None]
        tail = (f"{min(laws):.2f} .. {max(laws):.2f} in {len(laws)}" if laws
                else "no power law in any")
        lines.append(f"{k:5}{text(layer['participation'], 3):>11}{text(layer['slope'], 2):>8}"
                     f"{text(layer['hoyer'], 3):>10}"
                     f"{text(sum(heads) / len(heads) if heads else None, 3):>9}"
                     f"{text(float(np.median(ranks)) if ranks else None, 1):>13}  {tail} "
                     f"of {len(ranks)} matrices")
    return "\n".join(lines)


def text(x, digits):
    return "-" if x is None else f"{x:.{digits}f}"
