"""What listening costs the model: tokens a second with and without capture, beside `generate`.

Five ways of writing take turns in one process, a few tokens each after the same 64: our loop bare,
with hooks and rings, with everything a worker does, with output_hidden_states, and stock `generate`
at the same temperature, top-k and top-p. For the embedded model, and for a random model of
Gemma-3-270M's shape. Thread: control.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

PREFIX, TOP_K, TOP_P, TEMPERATURE = 64, 64, 0.95, 0.9
WAYS = ("bare", "capture", "worker", "hidden_states", "generate")
MOST = {"embedded": 0.05, "gemma3_270m": 0.01}        # what capture may cost


def gemma_270m(half):
    """A random model with Gemma-3-270M's sizes (268 M parameters)."""
    import torch
    from transformers import AutoModelForCausalLM, Gemma3TextConfig
    config = Gemma3TextConfig(
        vocab_size=262_144, hidden_size=640, num_hidden_layers=18, num_attention_heads=4,
        num_key_value_heads=1, head_dim=256, intermediate_size=2048, sliding_window=512,
        max_position_embeddings=32_768, bos_token_id=2, eos_token_id=None, pad_token_id=0)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if half else torch.float32
    return AutoModelForCausalLM.from_config(config, dtype=dtype).eval().requires_grad_(False)


class Stamps:
    """A streamer that only notes when each token came."""

    def __init__(self):
        self.times = []

    def put(self, ids):
        self.times.append((time.perf_counter(), time.thread_time()))

    def end(self):
        """Nothing to flush."""


class Writer:
    """The five ways of one model. Each gives `count` pairs (wall s, CPU s), one a token."""

    def __init__(self, loaded, folder):
        from engine.model.capture import Capture, describe
        from engine.model.decode import probe
        from engine.model.discover import discover
        from engine.model.publish import Rings
        from engine.records import CONTROL
        from engine.ring import Ring
        self.loaded, self.model = loaded, loaded.model
        self.map = discover(self.model)
        self.descriptor = describe(self.model, self.map, loaded.name, loaded.context)
        self.make = lambda: Capture(self.map, self.descriptor)
        capture = self.make()
        self.ways = probe(self.model, capture)
        capture.close()
        control = Ring(folder / "control", CONTROL, slots=16)
        self.rings = Rings(folder, self.descriptor, None, control)
        vocabulary = self.descriptor.vocabulary
        self.prefix = [5 + 37 * i % (vocabulary - 8) for i in range(PREFIX)]

    def loop(self, count, hooks, states=False):
        """Our decode loop; with hooks, every STATE goes into a ring."""
        from engine.model.decode import Context
        from engine.model.sample import Guard, sample, uniform
        capture = self.make()
        if hooks:
            capture.arrived = lambda n: self.rings.put_state(capture, 0, 0, 0, 0, 0, 0)
        else:
            capture.close()
        context, guard, spent = Context(self.model, capture, self.ways), Guard(0.5), []
        logits = context.feed(self.prefix[:32], capture=False)
        logits = context.feed(self.prefix[32:], keep=1, capture=False)
        more = {"output_hidden_states": True} if states else {}
        for n in range(count + 1):
            begin = time.perf_counter(), time.thread_time()
            choice = sample(logits[-1], TEMPERATURE, TOP_P, guard, uniform(1, n))
            guard.push(choice.token)
            if states:
                logits = self.forward(context, choice.token, more)
            else:
                logits = context.feed([choice.token], keep=1, capture=hooks)
            spent.append((time.perf_counter() - begin[0], time.thread_time() - begin[1]))
            self.drain()
        capture.close()
        return spent[1:]

    def forward(self, context, token, more):
        """One cached step that also asks for the hidden states, as a client would."""
        import torch
        out = self.model(input_ids=torch.tensor([[token]]), use_cache=True, logits_to_keep=1,
                         **{context.ways.cache: context.cache}, **more)
        context.cache = getattr(out, context.ways.cache)
        context.tokens.append(token)
        return out.logits[0]

    def drain(self):
        for ring in (self.rings.state, self.rings.token):
            while len(ring):
                ring.pop()

    def worker(self, count):
        """Everything a worker does for a record: STATE, TOKEN, text, guard."""
        from engine.model.generate import Generator
        capture, spent = self.make(), []
        generator = Generator(self.loaded, capture, self.rings, {
            "temperature": TEMPERATURE, "top_p": TOP_P}, self.ways)
        generator.ends = frozenset()
        generator.given.extend(self.prefix)
        while generator.next is None:
            generator.step()
            self.drain()
        for _ in range(count + 1):
            begin = time.perf_counter(), time.thread_time()
            generator.step()
            spent.append((time.perf_counter() - begin[0], time.thread_time() - begin[1]))
            self.drain()
        capture.close()
        return spent[1:]

    def generate(self, count):
        """Stock `generate`, timed by a streamer."""
        import torch
        from transformers import GenerationConfig
        stamps = Stamps()
        self.model.generate(
            torch.tensor([self.prefix]), attention_mask=torch.ones(1, PREFIX, dtype=torch.long),
            streamer=stamps, generation_config=GenerationConfig(
                max_new_tokens=count + 2, do_sample=True, temperature=TEMPERATURE, top_k=TOP_K,
                top_p=TOP_P, pad_token_id=0, eos_token_id=None))
        times = stamps.times[2:]          # the prompt and the first token are not decoding
        return [(b[0] - a[0], b[1] - a[1]) for a, b in zip(times, times[1:], strict=False)]

    def turn(self, way, count):
        if way == "worker":
            return self.worker(count)
        if way == "generate":
            return self.generate(count)
        return self.loop(count, hooks=way == "capture", states=way == "hidden_states")


def compare(loaded, rounds, count):
    """Takes turns; returns {way: figures} and what capture costs."""
    import torch
    spent = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        writer = Writer(loaded, Path(folder))
        for way in WAYS:
            writer.turn(way, 2)
        for turn in range(rounds):
            for way in WAYS[turn % 5:] + WAYS[:turn % 5]:
                spent[way] += writer.turn(way, count)
    result = {way: {"tokens_per_s": 1.0 / statistics.median(wall for wall, _ in pairs),
                    "cpu_ms": 1e3 * statistics.median(cpu for _, cpu in pairs),
                    "tokens": len(pairs)} for way, pairs in spent.items()}
    bare = result["bare"]["cpu_ms"]
    for figures in result.values():
        figures["cost"] = figures["cpu_ms"] / bare - 1.0
    return result


def run(quick=False, threads=1):
    """Both models. Costs are shares of the bare loop's processor time, which a busy machine
    disturbs less than its tokens a second."""
    import torch

    from engine.model.load import Loaded, has_bfloat16, load
    before = torch.get_num_threads()
    torch.set_num_threads(int(threads))
    try:
        embedded = load("embedded")
        models = {"embedded": compare(embedded, 3 if quick else 20, 16 if quick else 40)}
        half = has_bfloat16()
        large = Loaded(gemma_270m(half), embedded.tokenizer, "gemma3_270m", 1024, "")
        models["gemma3_270m"] = compare(large, 2 if quick else 10, 4 if quick else 12)
    finally:
        torch.set_num_threads(before)
    holds = {}
    for name, result in models.items():
        holds[f"{name}: capture costs at most {MOST[name]:.0%}"] = \
            result["capture"]["cost"] <= MOST[name]
        holds[f"{name}: our loop is not slower than generate"] = \
            result["bare"]["cpu_ms"] <= result["generate"]["cpu_ms"]
    return {"threads": int(threads), "large_dtype": "bfloat16" if half else "float32",
            "models": models, "holds": holds}


def table(result):
    """Both models, a line a way."""
    lines = [f"{'':16}{'way':15}{'tokens/s':>10}{'CPU ms':>9}{'cost':>9}"]
    for name, ways in result["models"].items():
        for way, figures in ways.items():
            lines.append(f"{name if way == 'bare' else '':16}{way:15}"
                         f"{figures['tokens_per_s']:10.1f}{figures['cpu_ms']:9.3f}"
                         f"{figures['cost']:+9.1%}")
    return "\n".join(lines + [f"{'holds' if good else 'FAILS'}  {text}"
                              for text, good in result["holds"].items()])


def main():
    parser = argparse.ArgumentParser(description="What listening costs the model.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    result = run(asked.quick, asked.threads)
    sys.stdout.write((json.dumps(result) if asked.json else table(result)) + "\n")


if __name__ == "__main__":
    main()
