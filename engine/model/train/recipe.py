"""Trains the embedded model: a small Llama, Muon for the matrices and AdamW for the rest. Process: its own.

The budget is given in minutes, so the learning rate follows the clock: warm-up, plateau, and a linear fall over the last
part. Every `SAVE_S` seconds, and on Ctrl-C, the whole state is written (to a side file, then renamed); the same
command goes on from there.
"""
import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.model.train import corpus

CONTEXT = 512
BATCH = 16                               # rows of CONTEXT tokens a step
WARM_UP, FALL = 0.02, 0.45               # shares of the budget
MATRIX_RATE, OTHER_RATE = 4e-3, 4e-3
SAVE_S = 120.0
SHAPE = dict(vocab_size=corpus.VOCABULARY, hidden_size=256, num_hidden_layers=6, num_attention_heads=8,
             num_key_value_heads=4, head_dim=32, intermediate_size=704, max_position_embeddings=2048,
             rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, tie_word_embeddings=True,
             rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=0, attention_bias=False)


def rate(share):
    """Learning-rate factor at a share 0..1 of the budget."""
    if share < WARM_UP:
        return share / WARM_UP
    return max(0.02, min(1.0, (1.0 - share) / FALL))


def prepare(data, out):
    """Tokenizer and packed ids in `out`, made once; returns (train ids, held-out ids, held-out bytes)."""
    if not (out / "corpus.json").exists():
        train, held = corpus.read(data)
        print(f"{len(train)} sections to train on, {len(held)} held out; training the tokenizer", flush=True)
        tokenizer = corpus.train_tokenizer(train)
        tokenizer.save(str(out / "tokenizer.json"))
        for name, texts in (("train", train), ("held", held)):
            np.save(out / f"{name}.npy", corpus.pack(tokenizer, texts, seed=1))
        sizes = {"held_bytes": sum(len(t.encode()) for t in held), "held_sections": len(held),
                 "train_bytes": sum(len(t.encode()) for t in train)}
        (out / "corpus.json").write_text(json.dumps(sizes))
    sizes = json.loads((out / "corpus.json").read_text())
    return np.load(out / "train.npy", mmap_mode="r"), np.load(out / "held.npy", mmap_mode="r"), sizes["held_bytes"]


def optimisers(model):
    """Muon on the hidden matrices, AdamW on embeddings and gains."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    return (torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.02, momentum=0.95,
                             adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0))


def batch_at(ids, step):
    """The rows of one step: every window of the text once a pass, in an order fixed by the pass number."""
    windows = (len(ids) - 1) // CONTEXT
    first = step * BATCH
    rows = []
    for k in range(first, first + BATCH):
        turn, place = divmod(k, windows)
        order = np.random.default_rng(turn).permutation(windows)[place]
        offset = int(np.random.default_rng(1000 + turn).integers(CONTEXT))
        start = min(order * CONTEXT + offset, len(ids) - CONTEXT - 1)
        rows.append(ids[start:start + CONTEXT + 1])
    return torch.from_numpy(np.stack(rows).astype(np.int64))


@torch.no_grad()
def held_out_nats(model, ids, windows=None):
    """Mean nats per token of the held-out text, each token with at least half a window before it."""
    model.eval()
    half = CONTEXT // 2
    starts = range(0, len(ids) - CONTEXT - 1, half)
    starts = list(starts)[:: max(1, len(starts) // windows)] if windows else list(starts)
    total, count = 0.0, 0
    for start in starts:
        row = torch.from_numpy(ids[start:start + CONTEXT + 1].astype(np.int64))[None]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(row[:, :-1]).logits
        first = 0 if start == 0 else half
        total += torch.nn.functional.cross_entropy(
            logits[0, first:].float(), row[0, 1 + first:], reduction="sum").item()
        count += CONTEXT - first
    model.train()
    return total / count


def save(out, model, opts, progress):
    """The whole state, atomically: a stop at any moment leaves the last whole one."""
    side = out / "state.safetensors.part"
    flat = {f"model.{n}": p.detach().clone() for n, p in model.named_parameters()}
    for k, opt in enumerate(opts):
        for i, slots in opt.state_dict()["state"].items():
            flat |= {f"opt{k}.{i}.{n}": torch.as_tensor(v).clone() for n, v in slots.items()}
    save_file(flat, side, metadata={"progress": json.dumps(progress)})
    os.replace(side, out / "state.safetensors")


def restore(out, model, opts):
    """Goes on from the last saved state; returns its progress, or a fresh one."""
    path = out / "state.safetensors"
    if not path.exists():
        return {"step": 0, "seconds": 0.0, "log": []}
    from safetensors import safe_open
    with safe_open(path, "pt") as file:
        progress = json.loads(file.metadata()["progress"])
    flat = load_file(path)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(flat[f"model.{name}"])
    for k, opt in enumerate(opts):
        state = opt.state_dict()
        for key, value in flat.items():
            head, _, rest = key.partition(".")
            if head == f"opt{k}":
                i, _, slot = rest.partition(".")
                state["state"].setdefault(int(i), {})[slot] = value
        opt.load_state_dict(state)
    return progress


def export(out, model):
    """The finished checkpoint: bf16 safetensors, config and tokenizer, as any Hugging Face folder."""
    final = out / "embedded"
    bf16 = LlamaForCausalLM(model.config).to(torch.bfloat16)
    bf16.load_state_dict({n: p.to(torch.bfloat16) for n, p in model.state_dict().items()})
    bf16.save_pretrained(final)
    PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json"), bos_token=corpus.END, eos_token=corpus.END,
                            clean_up_tokenization_spaces=False).save_pretrained(final)
    return final


def train(data, out, minutes, threads=2):
    """Trains until `minutes` of training time (over all runs) are used up; returns the checkpoint folder."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    ids, held, held_bytes = prepare(Path(data), out)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    opts = optimisers(model)
    progress = restore(out, model, opts)
    bytes_per_token = held_bytes / len(held)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(ids):,} tokens a pass, "
          f"{bytes_per_token:.2f} bytes a token, step {progress['step']}", flush=True)
    stop = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(1))
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    budget_s, last_save, losses = minutes * 60.0, time.monotonic(), []
    while progress["seconds"] < budget_s and not stop:
        begin = time.monotonic()
        factor = rate(progress["seconds"] / budget_s)
        for opt, base in zip(opts, (MATRIX_RATE, OTHER_RATE), strict=True):
            opt.param_groups[0]["lr"] = base * factor
        row = batch_at(ids, progress["step"])
        loss_sum = 0.0
        for part in row.split(8):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(part[:, :-1]).logits
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), part[:, 1:].flatten())
            (loss * len(part) / len(row)).backward()
            loss_sum += loss.item() * len(part) / len(row)
        if not math.isfinite(loss_sum):
            raise FloatingPointError(f"loss is {loss_sum} at step {progress['step']}: restore an older state")
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        losses.append(loss_sum)
        progress["step"] += 1
        progress["seconds"] += time.monotonic() - begin
        if progress["step"] % 20 == 0:
            speed = BATCH * CONTEXT / (time.monotonic() - begin)
            print(f"step {progress['step']} {progress['seconds'] / 60:.1f}/{minutes} min loss {np.mean(losses[-20:]):.3f} "
                  f"{np.mean(losses[-20:]) / math.log(2) / bytes_per_token:.3f} bits/byte rate {factor:.2f} "
                  f"{speed:.0f} tok/s", flush=True)
        if time.monotonic() - last_save > SAVE_S:
            save(out, model, opts, progress)
            last_save = time.monotonic()
        if progress["step"] % 400 == 0:
            nats = held_out_nats(model, held, windows=24)
            progress["log"].append([progress["step"], nats / math.log(2) / bytes_per_token])
            print(f"held out: {progress['log'][-1][1]:.3f} bits/byte", flush=True)
    save(out, model, opts, progress)
    return export(out, model)


if __name__ == "__main__":
    import sys
    print(train(sys.argv[1], sys.argv[2], float(sys.argv[3])))
