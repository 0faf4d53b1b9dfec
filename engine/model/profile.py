"""Profiles: what a meter learned about a model, kept by the hash of its weights. Thread: control.

HASH.json holds the names, HASH.safetensors the arrays, each written whole or not at all; the JSON
is written last and carries the checksum of the arrays. No torch here.
"""
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from engine.errors import ModelError

SHIPPED = Path(__file__).parent / "embedded" / "profile"
KIND = "hiddenstage profile 1"


def folder():
    """Where a user's profiles are (HIDDENSTAGE_PROFILES moves it)."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("HIDDENSTAGE_PROFILES") or Path(data) / "hiddenstage" / "profiles")


def parted(data, arrays, name=""):
    """JSON data whose packed arrays (`mappings.features.common.packed`) are moved into `arrays`."""
    if isinstance(data, dict) and set(data) == {"shape", "f8"}:
        import base64
        raw = base64.b64decode(data["f8"], validate=True)
        arrays[name] = np.frombuffer(raw, np.float64).reshape(data["shape"])
        return {"array": name}
    if isinstance(data, dict):
        return {key: parted(value, arrays, f"{name}.{key}" if name else key)
                for key, value in data.items()}
    return data


def joined(data, arrays):
    """The opposite of `parted`."""
    if isinstance(data, dict) and set(data) == {"array"}:
        import base64
        array = np.ascontiguousarray(arrays[data["array"]], np.float64)
        return {"shape": list(array.shape), "f8": base64.b64encode(array.tobytes()).decode()}
    if isinstance(data, dict):
        return {key: joined(value, arrays) for key, value in data.items()}
    return data


def write_whole(path, data):
    """Writes a file at once or not at all."""
    side = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(side, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(side, path)
    finally:
        side.unlink(missing_ok=True)


def save(data, where=None):
    """Keeps a profile (`Meter.profile`) under its weight hash; returns the path of its JSON.

    raises  ModelError when it has no hash or the folder cannot be written
    """
    if not data["weight_hash"]:
        raise ModelError("this model has no weight hash to keep a profile by: give its folder")
    where, arrays = Path(where or folder()), {}
    tree = parted(data, arrays)
    blob = save_arrays(arrays)
    head = {"kind": KIND, "arrays_sha256": hashlib.sha256(blob).hexdigest(), "profile": tree}
    path = where / f"{data['weight_hash']}.json"
    try:
        where.mkdir(parents=True, exist_ok=True)
        write_whole(path.with_suffix(".safetensors"), blob)
        write_whole(path, json.dumps(head, indent=1).encode())
    except OSError as fault:
        raise ModelError(f"the profile cannot be written to {where} ({fault.strerror or fault}): "
                         "free some space, or set HIDDENSTAGE_PROFILES") from None
    return path


def load(path):
    """The data of a profile.

    raises  ModelError, one line, when it is damaged or none
    """
    path = Path(path)
    try:
        head = json.loads(path.read_text("utf-8"))
        blob = path.with_suffix(".safetensors").read_bytes()
        if head["kind"] != KIND:
            raise ValueError("it is of another kind")
        if hashlib.sha256(blob).hexdigest() != head["arrays_sha256"]:
            raise ValueError("its arrays are not those that were written")
        return joined(head["profile"], load_arrays(blob))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as fault:
        why = getattr(fault, "strerror", None) or str(fault).splitlines()[0][:80]
        raise ModelError(f"the profile {path} is damaged ({why}): run hiddenstage calibrate "
                         "again") from None


def mismatch(data, weight_hash, signature, tiers):
    """Why a profile cannot be used for a model; "" when it can."""
    if data.get("weight_hash") != weight_hash:
        return f"is {data.get('model')}'s, another model's"
    if data.get("signature") != signature:
        return "was written by another version of hiddenstage"
    lacking = set(tiers) - set(data.get("tiers", ()))
    return f"has no {' and '.join(sorted(lacking))}" if lacking else ""


def find(weight_hash, signature, tiers):
    """(profile or None, what is wrong with the one that is there or "") of a model; never raises.

    The user's own comes before the one that is shipped.
    """
    said = ""
    for where in (folder(), SHIPPED) if weight_hash else ():
        path = where / f"{weight_hash}.json"
        if not path.exists():
            continue
        try:
            data = load(path)
        except ModelError as fault:
            said = said or f"{fault}; calibrated anew for now"
            continue
        why = mismatch(data, weight_hash, signature, tiers)
        if not why:
            return data, said
        said = said or f"the profile {path} {why}: calibrated anew for now"
    return None, said
