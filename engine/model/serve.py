"""Plays a model that is already loaded in somebody's own process. Thread: control.

The model never shares a process with the audio, so model and tokenizer are saved once into a
temporary folder (safetensors), and the ordinary worker is started on that. Later changes to the
object in memory are not heard. No torch import here: the caller has it.
"""
import atexit
import shutil
import tempfile
from pathlib import Path

from engine.errors import ModelError


def save(model, tokenizer, folder=None):
    """Saves a loaded model and its tokenizer; returns the folder: the `model` setting to play it.

    folder  where to, None for a temporary one that goes when this process ends
    raises  ModelError when they cannot be saved
    """
    for thing, name in ((model, "model"), (tokenizer, "tokenizer")):
        if not hasattr(thing, "save_pretrained"):
            raise ModelError(f"listen needs a transformers {name}, not a {type(thing).__name__}: "
                             f"give what from_pretrained returns")
    if folder is None:
        folder = tempfile.mkdtemp(prefix="hiddenstage-model-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except (OSError, RuntimeError, ValueError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(f"the model cannot be saved to {folder} ({line}): free some space, or "
                         "save it yourself and give the folder") from None
    return Path(folder)
