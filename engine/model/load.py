"""Loads a causal LM: "embedded", a folder, or a hub id. Thread: control.

Only safetensors are read and no code from a checkpoint is run. HIDDENSTAGE_EMBEDDED names another
folder for "embedded" (a checkpoint that is still being trained, say).
"""
import hashlib
import json
import os
import re
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from engine.errors import ModelError

EMBEDDED_CONTEXT = 512                    # the length it was trained at
CONTEXT = 1024                            # longest window of others: longer ones cost time
NO_SAFETENSORS = ("model {!r} has no safetensors weights, and pickled ones are not read: save it "
                  "again with save_pretrained")
LARGE = 60_000_000                        # parameters from which bfloat16 pays on a CPU that has it
HASHED = 64 << 20                         # bytes of a file hashed whole; of larger ones, samples


@dataclass
class Loaded:
    model: torch.nn.Module
    tokenizer: object
    name: str
    context: int
    weight_hash: str
    ends: frozenset = field(default_factory=frozenset)    # token ids that end a text


def embedded_folder():
    return Path(os.environ.get("HIDDENSTAGE_EMBEDDED") or Path(__file__).parent / "embedded")


def find(name):
    """(folder or hub id, name to show) of a model setting.

    raises  ModelError when a folder is named that is not there or holds no checkpoint
    """
    if name == "embedded":
        folder = embedded_folder()
        if not (folder / "config.json").is_file():
            raise ModelError(f"the embedded model is missing from {folder}: reinstall hiddenstage, "
                             "or train it with `python -m engine.model.train.recipe`")
        return str(folder), "embedded"
    path = Path(name).expanduser()
    if path.exists():
        if not path.is_dir():
            raise ModelError(f"model {name!r} is a file: give the folder that holds config.json")
        if not (path / "config.json").is_file():
            raise ModelError(f"model {name!r} has no config.json: give a folder saved by "
                             "save_pretrained")
        return str(path), path.resolve().name
    if path.is_absolute() or name.startswith((".", "~")) or not re.fullmatch(
            r"[\w][\w.-]*(/[\w.-]+)?", name):
        raise ModelError(f"model {name!r}: there is no such folder; give one with a config.json, "
                         "a hub id such as openai-community/gpt2, or 'embedded'")
    return name, name


def check_file(path):
    """Raises ModelError when a safetensors file is not whole; returns its header's bytes."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        data = file.read(length) if 0 < length < min(size, 100 << 20) else b""
    try:
        table = json.loads(data)
        end = 8 + length + max((t["data_offsets"][1] for k, t in table.items()
                                if k != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{path} is not a safetensors file: copy or download it again") from None
    if size < end:
        raise ModelError(f"{path} is cut short, {size:,} of {end:,} bytes: copy it again")
    return head + data


def fingerprint(folder):
    """A short hash of a checkpoint's configuration and weights; checks every file on the way."""
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(check_file(path))
        size = path.stat().st_size
        with open(path, "rb") as file:
            if size <= HASHED:
                digest.update(file.read())
            else:
                for k in range(64):
                    file.seek(k * (size - (1 << 16)) // 63)
                    digest.update(file.read(1 << 16))
    return digest.hexdigest()[:16]


def has_bfloat16():
    """Whether this processor multiplies bfloat16 by itself."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", flags) is not None


def parameters(folder):
    """How many numbers a checkpoint's safetensors hold."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with open(path, "rb") as file:
            table = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        for key, tensor in table.items():
            count = 1
            for size in tensor["shape"] if key != "__metadata__" else (0,):
                count *= size
            total += count
    return total


def check_config(config, name):
    """Raises ModelError unless the configuration is a causal LM's."""
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    listed = getattr(config, "architectures", None) or ()
    text = config.get_text_config(decoder=True)
    if getattr(config, "is_encoder_decoder", False) or (listed and not any(
            a in known or a.endswith("ForConditionalGeneration") for a in listed)):
        raise ModelError(f"model {name!r} is a {', '.join(listed) or config.model_type}, not a "
                         "causal language model: choose one that continues text")
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and \
            text.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(f"model {name!r} ({config.model_type}) cannot continue text: choose a "
                         "causal language model")


def reachable():
    """Whether the hub answers; without this its client tries for half a minute."""
    host = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        socket.create_connection((host.hostname, host.port or 443), timeout=3.0).close()
    except OSError:
        return bool(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"))
    return True


def one_line(error):
    """The first line of an error, short enough for a terminal."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def explain(error, name):
    """A ModelError for what transformers raised while loading."""
    text = one_line(error)
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return ModelError(f"model {name!r} needs code of its own, which is not run: choose a model "
                          "that transformers knows")
    if isinstance(error, SafetensorError):
        return ModelError(f"the weights of {name!r} cannot be read ({text}): download them again")
    if "safetensors" in str(error) or "pytorch_model.bin" in str(error):
        return ModelError(NO_SAFETENSORS.format(name))
    if not Path(name).expanduser().exists() and name != "embedded":
        return ModelError(f"model {name!r} was not found on the hub, or there is no network: check "
                          "the id, give a folder, or use 'embedded'")
    return ModelError(f"model {name!r} cannot be loaded: {text}")


def load_tokenizer(source, name, local):
    try:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False,
                                             local_files_only=local)
    except (OSError, ValueError, KeyError, ImportError, TypeError, AttributeError) as error:
        raise ModelError(f"model {name!r} has no tokenizer that can be read ({one_line(error)}): "
                         "put its tokenizer.json into the folder") from None


def load_model(source, name, config, count, local):
    """The model in eval mode; bfloat16 when it is large and the processor multiplies it."""
    half = has_bfloat16() and count >= LARGE
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            source, config=config, dtype=torch.bfloat16 if half else torch.float32,
            use_safetensors=True, trust_remote_code=False, local_files_only=local,
            output_loading_info=True)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, SafetensorError,
            AttributeError) as error:
        raise explain(error, name) from None
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"the weights of {name!r} lack {len(missing)} tensors, {missing[0]} among "
                         "them: give a whole checkpoint of a causal language model")
    for tensor, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise ModelError(f"the weights of {name!r} hold what is no finite number, in {tensor}: "
                             "download them again")
    return model.eval().requires_grad_(False)


def end_tokens(model, tokenizer):
    """Token ids after which a text is over."""
    listed = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids = listed if isinstance(listed, list | tuple) else [listed]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)


def load(name, context=None):
    """Loads a model by setting; returns Loaded.

    name     "embedded", a folder, or a hub id; context  tokens of the window, None for the usual
    raises   ModelError, one line: what is wrong and what to do
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source, shown = find(str(name))
    local = Path(source).is_dir()
    weight_hash = fingerprint(Path(source)) if local else ""
    if not local and not reachable():
        local = True                      # only what the hub's cache on this machine holds
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
    except Exception as error:            # a config may be wrong in any way
        raise explain(error, str(name)) from None
    check_config(config, str(name))
    if weight_hash and not any(Path(source).glob("*.safetensors")):
        raise ModelError(NO_SAFETENSORS.format(name))
    tokenizer = load_tokenizer(source, str(name), local)
    count = parameters(Path(source)) if weight_hash else LARGE
    model = load_model(source, str(name), config, count, local)
    text = config.get_text_config(decoder=True)
    limit = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    usual = EMBEDDED_CONTEXT if name == "embedded" else CONTEXT
    window = min(context or usual, limit if isinstance(limit, int) and limit > 0 else CONTEXT)
    return Loaded(model, tokenizer, shown, window, weight_hash or getattr(
        config, "_commit_hash", None) or "", end_tokens(model, tokenizer))
