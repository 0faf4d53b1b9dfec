"""Trains the embedded model: a small Llama, Muon for the matrices and AdamW for the rest.

    hiddenstage train DATA OUT --minutes 95

The budget is given in minutes, so the learning rate follows the clock: warm-up, plateau, and a
linear fall over the last part. Every `SAVE_S` seconds, and on Ctrl-C, the whole state is written
(to a side file, then renamed); the same command goes on from there. Thread: control.
"""
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.errors import ModelError
from engine.model.train import corpus

CONTEXT = 512
BATCH = 16                               # rows of CONTEXT tokens a step
WARM_UP, FALL = 0.02, 0.45               # shares of the budget
MATRIX_RATE, OTHER_RATE = 4e-3, 4e-3
MICRO = 8                                # rows of one backward pass
SAVE_S, SAY_S = 120.0, 30.0
CHECK = 400                              # steps between looks at the held-out text
SHAPE = dict(vocab_size=corpus.VOCABULARY, hidden_size=256, num_hidden_layers=6,
             num_attention_heads=8, num_key_value_heads=4, head_dim=32, intermediate_size=704,
             max_position_embeddings=2048, tie_word_embeddings=True, rms_norm_eps=1e-5,
             rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
             bos_token_id=0, eos_token_id=0, attention_bias=False)


def tell(line):
    """One progress line to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def rate(share):
    """Learning-rate factor at a share 0..1 of the budget."""
    if share < WARM_UP:
        return share / WARM_UP
    return max(0.02, min(1.0, (1.0 - share) / FALL))


def prepare(data, out, say=tell):
    """Tokenizer and packed ids in `out`, made once: (train ids, held-out ids, held-out bytes)."""
    if not (out / "corpus.json").exists():
        train, held = corpus.read(data)
        if not train or not held:
            raise ModelError(f"training: {data} holds no text to "
                             f"{'train on' if held else 'hold out'}: give the whole data folder")
        say(f"{len(train)} sections to train on, {len(held)} held out; training the tokenizer")
        tokenizer = corpus.train_tokenizer(train)
        tokenizer.save(str(out / "tokenizer.json"))
        for name, texts in (("train", train), ("held", held)):
            np.save(out / f"{name}.npy", corpus.pack(tokenizer, texts, seed=1))
        sizes = {"held_bytes": sum(len(t.encode()) for t in held), "held_sections": len(held),
                 "train_bytes": sum(len(t.encode()) for t in train)}
        (out / "corpus.json").write_text(json.dumps(sizes))
    try:
        sizes = json.loads((out / "corpus.json").read_text())
        train, held = (np.load(out / f"{name}.npy", mmap_mode="r") for name in ("train", "held"))
        found = train, held, sizes["held_bytes"]
        if not (out / "tokenizer.json").is_file():
            raise ValueError("tokenizer.json is missing")
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ModelError(f"training: what {out} holds of the text is damaged ({fault}): remove "
                         f"{out / 'corpus.json'}, and it is made again") from fault
    if min(len(train), len(held)) < 2 * CONTEXT + 2:
        raise ModelError(f"training: {data} holds {len(train)} and {len(held)} tokens, "
                         f"{2 * CONTEXT + 2} are needed to train on and to hold out: give more "
                         "text")
    return found


def optimisers(model):
    """Muon on the hidden matrices, AdamW on embeddings and gains."""
    matrices = [p for n, p in model.named_parameters()
                if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    return (torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.02, momentum=0.95,
                             adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0))


def batch_at(ids, step):
    """The rows of one step: every window once a pass, in an order fixed by the pass number."""
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
    """Mean nats per token of held-out ids, each token with at least half a window before it."""
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
    try:
        with safe_open(path, "pt") as file:
            progress = json.loads(file.metadata()["progress"])
        flat = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as fault:
        raise ModelError(f"training: {path} is damaged ({fault}): put an older one there, or "
                         "remove it to begin anew") from fault
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
    """The finished checkpoint: bf16 safetensors, config, tokenizer; a Hugging Face folder."""
    final = out / "embedded"
    bf16 = LlamaForCausalLM(model.config).to(torch.bfloat16)
    bf16.load_state_dict({n: p.to(torch.bfloat16) for n, p in model.state_dict().items()})
    bf16.save_pretrained(final)
    PreTrainedTokenizerFast(
        tokenizer_file=str(out / "tokenizer.json"), bos_token=corpus.END, eos_token=corpus.END,
        clean_up_tokenization_spaces=False).save_pretrained(final)
    return final


def learn(model, opts, row, factor):
    """One step on (BATCH, CONTEXT + 1) ids at a learning-rate factor; returns its loss, nats."""
    for opt, base in zip(opts, (MATRIX_RATE, OTHER_RATE), strict=True):
        opt.param_groups[0]["lr"] = base * factor
    loss_sum = 0.0
    for part in row.split(MICRO):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(part[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), part[:, 1:].flatten())
        (loss * len(part) / len(row)).backward()
        loss_sum += loss.item() * len(part) / len(row)
    if not math.isfinite(loss_sum):
        raise ModelError(f"training: the loss is {loss_sum}; go on from an older state.safetensors")
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for opt in opts:
        opt.step()
        opt.zero_grad(set_to_none=True)
    return loss_sum


class Interrupts:
    """`asked` turns True on the first Ctrl-C or TERM; a second one acts as usual."""

    def __enter__(self):
        self.asked = False
        self._old = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, *_):
        self.asked = True
        self.__exit__()

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)


def open_run(data, out, minutes, threads, say):
    """(model, optimisers, progress, train ids, held-out ids, held-out bytes a token)."""
    if not (math.isfinite(minutes) and minutes > 0.0):
        raise ModelError(f"training: minutes must be above 0, got {minutes}")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    ids, held, held_bytes = prepare(Path(data), out, say)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    opts = optimisers(model)
    progress = restore(out, model, opts)
    bytes_per_token = held_bytes / len(held)
    say(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(ids):,} tokens a pass, "
        f"{bytes_per_token:.2f} bytes a token; " +
        (f"going on at step {progress['step']}" if progress["step"] else "from the beginning"))
    return model, opts, progress, ids, held, bytes_per_token


def line_of(progress, minutes, nats, bytes_per_token, factor, speed):
    """One progress line."""
    done = progress["seconds"] / 60
    return (f"step {progress['step']}  {done:.1f} of {minutes:g} min  loss {nats:.3f}  "
            f"{nats / math.log(2) / bytes_per_token:.3f} bits/byte  rate {factor:.2f}  "
            f"{speed:,.0f} tokens/s")


def train(data, out, minutes, threads=2, say=tell):
    """Trains until `minutes` of training time, over all runs, are used; returns the checkpoint.

    data    the folder of `corpus`;  out  state, packed ids and the checkpoint
    raises  ModelError when the data is not there or the loss is no number
    """
    out = Path(out)
    model, opts, progress, ids, held, bytes_per_token = open_run(data, out, minutes, threads, say)
    budget_s, losses = minutes * 60.0, []
    last_save = last_line = time.monotonic()
    with Interrupts() as interrupts:
        while progress["seconds"] < budget_s and not interrupts.asked:
            begin, worked = time.monotonic(), time.process_time()
            factor = rate(progress["seconds"] / budget_s)
            losses.append(learn(model, opts, batch_at(ids, progress["step"]), factor))
            progress["step"] += 1
            now = time.monotonic()
            # what other programs took of the processor is not training time
            progress["seconds"] += min(now - begin, time.process_time() - worked)
            if now - last_line > SAY_S or progress["step"] == 1:
                say(line_of(progress, minutes, float(np.mean(losses)), bytes_per_token, factor,
                            BATCH * CONTEXT / (now - begin)))
                losses, last_line = [], now
            if now - last_save > SAVE_S:
                save(out, model, opts, progress)
                last_save = now
            if progress["step"] % CHECK == 0:
                bits = held_out_nats(model, held, windows=24) / math.log(2) / bytes_per_token
                progress["log"].append([progress["step"], bits])
                say(f"step {progress['step']}  held out: {bits:.3f} bits/byte")
        save(out, model, opts, progress)
    if interrupts.asked:
        say(f"stopped and saved at step {progress['step']}, {progress['seconds'] / 60:.1f} of "
            f"{minutes:g} min: the same command goes on from here")
    return export(out, model)


if __name__ == "__main__":
    tell(str(train(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
