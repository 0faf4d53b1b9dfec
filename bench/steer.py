"""Dose curves of steering: amount to projection, divergence and words, a random direction beside.

Each direction of a model is added in several amounts while it writes on from a few prompts. Then
the words are read again, unsteered: how strong the concept is in them is what a listener gets. The
control is a random direction of the same layer, added just as strongly. Thread: control.
"""
import time
from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.steering import LIMIT_NAT

AMOUNTS, QUICK_AMOUNTS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0), (-1.0, 0.0, 1.0)
TOKENS, QUICK_TOKENS = 96, 16             # written from each prompt
PROMPTS = ("The old man came to the door and", "In the morning they went down to the river, where",
           "She had never told anybody, but now", "There was a letter on the table, and it said")
TEMPERATURE, TOP_P, SKIPPED = 0.9, 0.95, 4


class Desk:
    """One model, two directions in it (a true one and its control), and a way to write."""

    def __init__(self, loaded, true, control, limit_nat):
        from engine.model.capture import Capture, describe
        from engine.model.decode import Context, probe
        from engine.model.discover import discover
        from engine.model.steer import Steer
        found = discover(loaded.model)
        self.loaded, self.true = loaded, true
        self.steer = Steer(found, [true, control], limit_nat)
        self.capture = Capture(found, describe(loaded.model, found, loaded.name, loaded.context))
        ways = probe(loaded.model, self.capture)
        self.context = Context(loaded.model, self.capture, ways)
        self.steer.prepare(loaded, self.capture, ways)
        if self.steer.refused:
            raise EngineError(f"bench steer: {self.steer.refused}")
        self.steer.reds[control.name] = self.steer.reds[true.name]

    def close(self):
        self.capture.close()
        self.steer.close()

    def effects(self, count):
        """The concept in the last `count` captured states."""
        return [self.true.effect(row) for row in self.capture.stage["resid"][
            :count, self.true.layer].astype(np.float64)]

    def write(self, prompt, count, path, amount):
        """(ids written, effects in the states, nats, shares, seconds) of one prompt."""
        from engine.model.sample import Guard, sample, uniform
        self.context.reset()
        self.steer.set(path, amount)
        guard, effects, nats, shares = Guard(0.5), [], [], []
        ids = self.loaded.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        self.context.read(ids[:-1])
        written, begin = [ids[-1]], time.perf_counter()
        for n in range(count):
            if self.steer.wanted:
                logits = self.steer.feed(self.context, written[-1:])
                nats.append(self.steer.told[0])
                shares.append(self.steer.told[1])
            else:
                logits = self.context.feed(written[-1:], keep=1)
            effects += self.effects(1)
            choice = sample(logits[-1], TEMPERATURE, TOP_P, guard, uniform(1, n))
            guard.push(choice.token)
            written.append(choice.token)
        seconds = time.perf_counter() - begin
        self.steer.set(path, 0.0)
        return ids[:-1] + written, effects, nats, shares, seconds

    def read(self, ids, count):
        """(effects, surprisals in nat) of the last `count` ids, read as they are."""
        import torch
        self.context.reset()
        effects, nats, logits = [], [], None
        for i in range(0, len(ids), 32):
            part = ids[i:i + 32]
            laws = torch.log_softmax(self.context.feed(part, keep=-1).double(), -1)
            effects += self.effects(len(part))
            before = laws[:-1] if logits is None else torch.cat([logits[None], laws[:-1]])
            heard = part[1:] if logits is None else part
            nats += (-before[range(len(heard)), heard]).tolist()
            logits = laws[-1]
        return effects[-count:], nats[-count:]

    def dose(self, path, amount, count):
        """One row of a curve."""
        state, nats, shares, words, surprisals, seconds = [], [], [], [], [], 0.0
        for prompt in PROMPTS:
            ids, effects, *more, spent = self.write(prompt, count, path, amount)
            heard, surprised = self.read(ids, count - SKIPPED)
            state, words, surprisals = state + effects, words + heard, surprisals + surprised
            nats, shares, seconds = nats + more[0], shares + more[1], seconds + spent
        return {"amount": amount, "state": float(np.mean(state)), "words": float(np.mean(words)),
                "words_error": float(np.std(words) / len(words) ** 0.5),
                "nat": float(np.median(nats)) if nats else 0.0,
                "most_nat": max(nats, default=0.0),
                "cut": float(np.mean(np.array(shares) < 1.0)) if shares else 0.0,
                "surprisal_nat": float(np.mean(surprisals)),
                "tokens_per_s": count * len(PROMPTS) / seconds}


def control_of(direction):
    """A random direction of the same layer, where this one stands on nothing too."""
    vector = np.random.default_rng(1).normal(size=len(direction.vector))
    vector[direction.vector == 0.0] = 0.0
    return replace(direction, name="random", vector=(
        vector / np.linalg.norm(vector)).astype(np.float32))


def released(desk):
    """Whether the law after a steered token is, to the last bit, that of a model never steered."""
    import torch
    ids = desk.loaded.tokenizer(PROMPTS[0], add_special_tokens=False)["input_ids"]
    laws = []
    for amount in (0.0, 1.0):
        desk.context.reset()
        desk.context.read(ids[:4])
        desk.steer.set(f"steer.{desk.true.name}", amount)
        desk.steer.feed(desk.context, ids[4:5])
        desk.steer.set(f"steer.{desk.true.name}", 0.0)
        laws.append(desk.context.feed(ids[5:6], keep=1)[-1].clone())
    return torch.equal(*laws)


def measure(loaded, direction, limit_nat, quick):
    """The curves of one direction and of its control."""
    amounts, count = (QUICK_AMOUNTS, QUICK_TOKENS) if quick else (AMOUNTS, TOKENS)
    desk = Desk(loaded, direction, control_of(direction), limit_nat)
    curves = {name: [desk.dose(f"steer.{name}", amount, count) for amount in amounts]
              for name in (direction.name, "random")}
    ablated = desk.dose(f"ablate.{direction.name}", 1.0, count)
    found = {"layer": direction.layer, "red": desk.steer.reds[direction.name],
             "norm": desk.steer.norms[direction.layer], "curve": curves[direction.name],
             "random": curves["random"], "ablated": ablated, "released": released(desk)}
    desk.close()
    return found


def slope(curve):
    """Effect in the words per amount, by least squares."""
    amounts, words = ([row[name] for row in curve] for name in ("amount", "words"))
    return float(np.polyfit(amounts, words, 1)[0])


def run(quick=False, model="embedded", limit_nat=LIMIT_NAT, directions=""):
    """Every direction of a model, or those named, with commas between."""
    import torch

    from engine.model.directions import known, load
    from engine.model.load import load as load_model
    torch.set_num_threads(1)
    loaded = load_model(model)
    names = [name for name in directions.split(",") if name] or list(known(loaded.weight_hash))
    if not names:
        raise EngineError(f"bench steer: {model} has no directions; hiddenstage directions learn")
    chosen = [load(name, loaded.weight_hash, loaded.name) for name in names]
    with torch.inference_mode():
        found = {one.name: measure(loaded, one, limit_nat, quick) for one in chosen}
    rows = [row for one in found.values() for row in (*one["curve"], *one["random"],
                                                      one["ablated"])]
    holds = {f"no law beyond {limit_nat:g} nat": max(r["most_nat"] for r in rows) <= limit_nat,
             "the projection rises with the amount": all(
                 np.all(np.diff([row["state"] for row in one["curve"]]) > 0)
                 for one in found.values()),
             "released within a token, bit for bit": all(one["released"] for one in found.values()),
             "the words follow, more than a random direction's": all(
                 slope(one["curve"]) > 2.0 * abs(slope(one["random"])) for one in found.values())}
    return {"model": loaded.name, "limit_nat": limit_nat, "directions": found, "holds": holds}


def lines_of(name, one):
    head = (f"{name}: layer {one['layer']}, an amount of 1 is {one['red']:.2f} of the median norm "
            f"{one['norm']:.1f}")
    rows = [(f"{row['amount']:+.2f}", row) for row in one["curve"]]
    rows += [(f"random {row['amount']:+.2f}", row) for row in one["random"]]
    rows.append(("taken out", one["ablated"]))
    return [head, *(f"{label:>14}{row['state']:9.2f}{row['words']:9.2f} ±{row['words_error']:.2f}"
                    f"{row['nat']:9.3f}{row['most_nat']:9.3f}{row['cut']:8.0%}"
                    f"{row['surprisal_nat']:9.2f}{row['tokens_per_s']:8.0f}"
                    for label, row in rows)]


def table(result):
    """The result for a terminal."""
    lines = [f"{'amount':>14}{'in state':>9}{'in words':>9}      {'nat p50':>9}{'nat max':>9}"
             f"{'cut':>8}{'nat/word':>9}{'word/s':>8}"]
    for name, one in result["directions"].items():
        lines += lines_of(name, one)
    return "\n".join(lines + [f"{'holds' if held else 'FAILS'}: {text}"
                              for text, held in result["holds"].items()])
