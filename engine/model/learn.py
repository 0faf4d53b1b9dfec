"""Learns a direction from a contrast set, or takes one over from another tool's file. Thread:
control.

The direction itself is in raw residual coordinates, for steering adds to what blocks read; how
strong it is is read from standardised states (`engine.model.directions` says why). Both from the
same means: a difference of standardised states is the raw one divided by the spread. Massive
coordinates are masked and the layers standardised as the model's profile says, or as its neutral
text does where there is no profile. Nothing is written before all is known.

A text is the mean state of its tokens: what is learned there tells single tokens apart better, and
those are what is heard (embedded model, calm: 0.78 against 0.74 of held-out tokens, 0.97 against
0.92 of texts). In a chat template it is the last token, where the answer is decided.
"""
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from engine.errors import ModelError
from engine.model import profile
from engine.model.directions import POINTS, Direction, check_name, save
from engine.model.evidence import Heard, weigh
from engine.model.reading import Reading

TOKENS = 64                               # of a text, by which a layer is chosen
NEAR = 0.25                               # of the classes' distance: see `anchored`
DEVIATIONS = 2.0                          # of the neutral text: one effect of an imported direction


def usual_in(reading):
    """What is usual in each layer: the model's profile's, or the neutral text's."""
    from engine.performance import meter_class
    meter = meter_class()(reading.shape, ())
    found, _ = profile.find(reading.shape.weight_hash, meter.signature, ())
    if found is not None:
        meter.load_profile(found)
        return meter.layers
    for state in reading.neutral():
        if int(state["position"]) > 0:
            meter.layers.learn(state)
    meter.layers.fit([])
    return meter.layers


def usable(layer, usual, shape):
    """Raises ModelError for a layer that the model does not have, or whose states never move."""
    if not 1 <= layer <= shape.layers:
        raise ModelError(f"layer {layer}: {shape.name} has the layers 1 to {shape.layers}")
    if not np.nan_to_num(usual.scale[layer]).any():
        raise ModelError(f"layer {layer} of {shape.name} gives no states: take another")


def neutral_in(reading, usual, layer):
    """(tokens, width) float32: the neutral text's states after a layer, without sinks."""
    return np.array([state["resid"][layer].copy() for state in reading.neutral()
                     if int(state["position"]) not in usual.sinks])


def anchored(name, layer, vector, weight, neutral, shape, classes=None, report=None):
    """The Direction of a vector in raw coordinates whose strength is <state, weight>.

    neutral   (tokens, width) states: 0 is their mean
    classes   (positive, negative) states: 1 is the positive ones' mean, or, where that is no
              further from the neutral mean than NEAR of the classes' distance (their last tokens
              are of another kind than a text's usual ones), half of that distance
    """
    vector = vector / np.linalg.norm(vector)
    ground = neutral.astype(np.float64) @ weight
    if classes is None:
        one, how = DEVIATIONS * ground.std(), "two deviations of the neutral text"
        scale = DEVIATIONS * (neutral.astype(np.float64) @ vector).std()
    else:
        high, low = (x.astype(np.float64) @ weight for x in classes)
        apart = high.mean() - low.mean()
        one, how = high.mean() - ground.mean(), "the positive class"
        if one < NEAR * apart:
            one, how = 0.5 * apart, "half the classes' distance"
        scale = float(np.subtract(*(x.astype(np.float64).mean(axis=0) @ vector for x in classes)))
    if not (np.isfinite(one) and one > 0.0 and scale > 0.0):
        raise ModelError(f"the direction {name!r} does not move in layer {layer} of {shape.name}: "
                         "take another layer or other texts")
    reader = (weight / one).astype(np.float32)
    effects = neutral @ reader
    origin = float(effects.mean(dtype=np.float64))
    return Direction(
        name, layer, vector.astype(np.float32), reader, origin,
        np.quantile(effects.astype(np.float64) - origin, np.linspace(0.0, 1.0, POINTS)),
        float(scale), shape.name, shape.weight_hash, {**(report or {}), "one_effect": how})


def reads(vector, scale):
    """The weight that projects raw states on the standardised direction: (x - mean) / spread along
    vector / spread, of unit norm, without the mean, which the origin takes in."""
    standard = vector * scale
    return standard * scale / np.linalg.norm(standard)


def opened(model, name):
    """A Reading of a model that directions can be kept for."""
    check_name(name)
    reading = Reading(model)
    if not reading.shape.weight_hash:
        reading.close()
        raise ModelError(f"{model!r} has no weight hash to keep a direction by: give its folder")
    return reading


def learn(name, model, contrast, layer=None, chat=False, last=False, out=None,
          report=lambda share, words="": None):
    """Learns a direction and keeps it; returns (Direction, path).

    layer    counted from 1; None: by held-out AUC;  chat  texts in the model's chat template
    last     a text is its last token's state, not the mean over its tokens
    out      a folder of profiles instead of the user's own
    raises   ModelError
    """
    report(0.0, f"loading {model}")
    reading = opened(model, name)
    try:
        usual, count = usual_in(reading), len(contrast.texts)
        if layer is not None:
            usable(layer, usual, reading.shape)

        def each():
            for number, text in enumerate(contrast.texts):
                report(number / (count + 1), f"reading ({number} of {count} texts)")
                yield reading.states(text, chat, last, usual.sinks)
        found = fitted(name, each, contrast, usual, layer, reading,
                       {"chat": chat, "tokens": "last" if last else "all"})
    finally:
        reading.close()
    return found, save(found, out)


def few(rows):
    """At most TOKENS of a text's rows, evenly spread."""
    return rows[:: -(-len(rows) // TOKENS)]


def fitted(name, each, contrast, usual, layer, reading, how=None):
    """The Direction of texts; each() gives the states of one after another, (tokens, layers + 1,
    width): once for their means, again for their tokens, which are too many to keep.

    how   goes into its report
    """
    scale, mean = np.nan_to_num(usual.scale), np.nan_to_num(usual.mean)
    states = np.array([rows.mean(axis=0, dtype=np.float64) for rows in each()])
    standard = ((states - mean) * scale)[:, 1:].astype(np.float32)
    mean, wide = mean.astype(np.float32), scale.astype(np.float32)
    heard = None
    if (how or {}).get("tokens") == "all":
        found = [np.einsum("nld,tld->lnt", standard, ((few(rows) - mean) * wide)[:, 1:],
                           optimize=True) for rows in each()]
        text = np.repeat(np.arange(len(found)), [one.shape[2] for one in found])
        heard = Heard(text, np.concatenate(found, axis=2))
    evidence = weigh(standard, contrast, layer, heard)
    usable(evidence.layer, usual, reading.shape)
    scale = scale[evidence.layer]
    classes = [states[side, evidence.layer] for side in (contrast.positive, ~contrast.positive)]
    vector = np.subtract(*(x.astype(np.float64).mean(axis=0) for x in classes)) * (scale > 0.0)
    told = asdict(evidence) | (how or {}) | {
        "source": Path(contrast.source).name, "paired": contrast.paired,
        "texts": [int(contrast.positive.sum()), int((~contrast.positive).sum())]}
    return anchored(name, evidence.layer, vector, reads(vector, scale),
                    neutral_in(reading, usual, evidence.layer), reading.shape, classes, told)


def tensor_row(file, tensor, row, width):
    """(width,) float64 of a tensor in a safetensors file: a row, or a column where only the columns
    are as long as the model is wide; raises ModelError that lists the tensors."""
    try:
        with safe_open(file, framework="pt") as opened_file:
            shapes = {key: tuple(opened_file.get_slice(key).get_shape())
                      for key in opened_file.keys()}
            said = ", ".join(f"{key} {'x'.join(map(str, shape)) or 'scalar'}"
                             for key, shape in list(shapes.items())[:12]) + (
                                 " and more" if len(shapes) > 12 else "")
            if tensor not in shapes:
                raise ModelError(f"{file} has no tensor {tensor!r}; it holds {said or 'none'}")
            x = opened_file.get_tensor(tensor)
    except (OSError, SafetensorError) as fault:
        why = getattr(fault, "strerror", None) or str(fault).splitlines()[0][:80]
        raise ModelError(f"{file} cannot be read as safetensors ({why}): check the path") from None
    where = f"the tensor {tensor!r} of {file}"
    if not x.dtype.is_floating_point:
        raise ModelError(f"{where} holds {str(x.dtype).removeprefix('torch.')}, not floating-point "
                         f"numbers; the file holds {said}")
    if x.ndim == 2 and x.shape[1] != width and x.shape[0] == width:
        x = x.T
    if x.ndim not in (1, 2) or x.shape[-1] != width:
        raise ModelError(f"{where} is {'x'.join(map(str, shapes[tensor])) or 'a scalar'}, the "
                         f"model is {width} wide; the file holds {said}")
    x = x[None] if x.ndim == 1 else x
    if row is None and len(x) > 1 or row is not None and not 0 <= row < len(x):
        raise ModelError(f"{where} has the rows 0 to {len(x) - 1}: choose one with --row")
    found = x[row or 0].to(torch.float64).numpy()
    if not np.isfinite(found).all() or not found.any():
        raise ModelError(f"{where}, row {row or 0}, is all zero or not finite: take another")
    return found


def take_in(name, model, file, tensor, layer, row=None, probe=False, out=None,
            report=lambda share, words="": None):
    """Keeps a row of another tool's tensor as a direction; returns (Direction, path).

    layer   after which block it lives, from 1
    probe   it is a linear probe's weight: strength is its own dot product with the raw state, not
            the projection on the standardised direction (of an SAE's decoder row)
    raises  ModelError
    """
    report(0.0, f"loading {model}")
    reading = opened(model, name)
    try:
        vector, usual = tensor_row(file, tensor, row, reading.shape.width), usual_in(reading)
        usable(layer, usual, reading.shape)
        scale = np.nan_to_num(usual.scale)[layer]
        vector = vector * (scale > 0.0)
        if not vector.any():
            raise ModelError(f"{file}: {tensor!r} points only where layer {layer} has massive "
                             "activations, which carry no concept: take another row")
        report(0.5, "reading the neutral text")
        found = anchored(name, layer, vector, vector if probe else reads(vector, scale),
                         neutral_in(reading, usual, layer), reading.shape, None, {
                             "source": Path(file).name, "tensor": tensor, "row": row or 0,
                             "probe": probe})
    finally:
        reading.close()
    return found, save(found, out)
