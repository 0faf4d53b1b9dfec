"""Directions: a concept in a model's residual stream, one small file each. Thread: control.

NAME.safetensors is kept under `directions/WEIGHT_HASH/` in the user's profiles, or is shipped:

direction  (width,) float32, unit norm, raw residual coordinates after block `layer`: what steering
           adds. Massive coordinates are 0 in it: they carry no concept and would drown every other
reader     (width,) float32. <state, reader> - origin is the concept's effect: the projection of the
           standardised state ((x - mean) / spread by the calibration, massive coordinates 0) on the
           standardised direction, as one dot product. A raw one would hear the largest coordinates
places     (65,) float64, rising: effects on the neutral text, which give a feature its place

and its metadata JSON under "hiddenstage": name, layer, model, weight_hash, origin, scale, report.
No torch here.
"""
import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as packed

from engine.errors import ModelError, SetError, suggestion
from engine.mapping import UNITS
from engine.model import profile
from engine.param import LONGEST, PLAIN, is_plain
from engine.steering import name_of

MOST = 8                                  # of one set
POINTS = 65                               # of `places`
KEY = "hiddenstage"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
LARGEST_HEAD = 1 << 24


@dataclass(frozen=True, eq=False)
class Direction:
    """One concept of one model; arrays as the module says.

    layer   counted from 1: the state after block `layer`, row `layer` of STATE's resid
    scale   of <state, vector>: mean of the positive class minus that of the negative one; of an
            imported direction two standard deviations on the neutral text
    """
    name: str
    layer: int
    vector: np.ndarray
    reader: np.ndarray
    origin: float
    places: np.ndarray
    scale: float
    model: str
    weight_hash: str
    report: dict = field(default_factory=dict)

    def effect(self, state):
        """How strong the concept is in one state (width,): 0 as in neutral text, 1 as in the
        positive class."""
        return float(np.dot(self.reader, state)) - self.origin


def check_name(name):
    """A direction's name; raises ModelError for one that a table could not read."""
    if not NAME.fullmatch(str(name)) or name.rpartition("_")[2] in (*UNITS, "effect"):
        raise ModelError(f"{name!r} cannot name a direction: use small letters, digits and _, and "
                         "no unit at the end")
    return name


def checked(names):
    """What a set names, as a tuple; whether its model has them is known when that is loaded."""
    if not isinstance(names, tuple | list) or not all(
            isinstance(name, str) and name for name in names):
        raise SetError(f'directions must be a tuple of names, ("calm",) for one, got {names!r:.60}')
    if len(names) > MOST or len(set(names)) < len(names):
        raise SetError(f"directions: at most {MOST} different names, got {len(names)}")
    for name in names:
        if not is_plain(name_of(name)):
            raise SetError(f"directions: {name!r:.60}: a name has {PLAIN}, at most {LONGEST}")
    return tuple(names)


def folders(weight_hash):
    """Where a model's directions may be: the user's own first, then those that are shipped."""
    return [where / "directions" / weight_hash for where in (profile.folder(), profile.SHIPPED)]


def known(weight_hash):
    """name -> file of the directions of a model."""
    found = {}
    for where in reversed(folders(weight_hash)):
        found |= {path.stem: path for path in sorted(where.glob("*.safetensors"))}
    return dict(sorted(found.items()))


def everything():
    """weight hash -> its `known`, of every model that has any."""
    hashes = {path.name for where in folders("") if where.is_dir()
              for path in where.iterdir() if path.is_dir()}
    return {name: found for name in sorted(hashes) if (found := known(name))}


def save(direction, where=None):
    """Writes a direction whole or not at all; returns its path. where: a folder of profiles.

    raises  ModelError when its model has no hash or the folder cannot be written
    """
    if not direction.weight_hash:
        raise ModelError("this model has no weight hash to keep a direction by: give its folder")
    told = {name: getattr(direction, name) for name in (
        "name", "layer", "model", "weight_hash", "origin", "scale", "report")}
    data = packed({"direction": np.asarray(direction.vector, np.float32),
                   "reader": np.asarray(direction.reader, np.float32),
                   "places": np.asarray(direction.places, np.float64)},
                  {KEY: json.dumps(told, sort_keys=True)})
    path = Path(where or profile.folder()) / "directions" / direction.weight_hash
    path /= f"{check_name(direction.name)}.safetensors"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        profile.write_whole(path, data)
    except OSError as fault:
        raise ModelError(f"the direction cannot be written to {path.parent} "
                         f"({fault.strerror or fault}): free some space, or set "
                         "HIDDENSTAGE_PROFILES") from None
    return path


def _metadata(path):
    """What is told about a file's tensors, {} for nothing."""
    with open(path, "rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        return json.loads(file.read(min(size, LARGEST_HEAD))).get("__metadata__", {})


def read(path):
    """The Direction in a file.

    raises  ModelError, one line, when it is missing, damaged or none
    """
    path = Path(path)
    try:
        told, arrays = json.loads(_metadata(path)[KEY]), load_file(path)
        vector, reader, places = (arrays[k] for k in ("direction", "reader", "places"))
        made = Direction(
            check_name(told["name"]), int(told["layer"]), vector, reader, float(told["origin"]),
            places, float(told["scale"]), str(told["model"]), str(told["weight_hash"]),
            dict(told["report"]))
        numbers = np.concatenate([vector, reader, places, [made.origin, made.scale]])
        if vector.ndim != 1 or vector.shape != reader.shape or places.shape != (POINTS,) or \
                {vector.dtype, reader.dtype} != {np.dtype("f4")} or made.layer < 1:
            raise ValueError("its tensors have other shapes")
        if not np.isfinite(numbers).all() or abs(np.linalg.norm(vector) - 1.0) > 1e-3:
            raise ValueError("its numbers make no direction")
        return made
    except FileNotFoundError:
        raise ModelError(f"no direction file {path}: check the path") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as fault:
        why = getattr(fault, "strerror", None) or str(fault).splitlines()[0][:80]
        raise ModelError(f"the direction {path} is damaged or none ({why}): learn it again with "
                         "hiddenstage directions learn") from None


def load(name, weight_hash, model="this model"):
    """The Direction of a name, or of a path that ends in .safetensors, for one model.

    weight_hash   of the model, None to take a file's as it is;  model: what to call it
    raises  ModelError: unknown, damaged, or another model's
    """
    if str(name).endswith(".safetensors"):
        found = read(name)
    else:
        own = known(weight_hash or "")
        if name not in own:
            others = sum(name in found for found in everything().values())
            said = f", only for {others} other model{'s' * (others > 1)}" if others else ""
            raise ModelError(f"no direction {name!r} for {model}{said}{suggestion(name, own)}: "
                             f"hiddenstage directions learn {name} --model …")
        found = read(own[name])
    if weight_hash is not None and found.weight_hash != weight_hash:
        raise ModelError(f"the direction {name!r} is {found.model}'s (weights "
                         f"{found.weight_hash}), not {model}'s ({weight_hash or 'no hash'}): "
                         f"hiddenstage directions learn {found.name} --model …")
    return found


def load_all(names, descriptor):
    """The Directions that a set names, for a model's Descriptor, each checked."""
    found = [load(name, descriptor.weight_hash, descriptor.name) for name in names]
    for one in found:
        if one.vector.shape != (descriptor.width,) or one.layer > descriptor.layers:
            raise ModelError(f"the direction {one.name!r} is for layer {one.layer} of a model "
                             f"{len(one.vector)} wide, {descriptor.name} has {descriptor.layers} "
                             f"of {descriptor.width}")
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ModelError(f"two of the directions {', '.join(names)} have one name: keep one")
    return tuple(found)
