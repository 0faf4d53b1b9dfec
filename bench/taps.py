"""The price of each tier of capture: tokens a second and microseconds a token, beside the eager
kernel.

Ways of writing take turns in one process, a few tokens each after the same prefix: nothing
captured, tiers up to T2 (what is always captured), T3, T4, T4 of the lead layer alone, all, and
the eager kernel asked for its weights, which T4 replaces. Prices are processor time, which a busy
machine disturbs less than tokens a second. Thread: control.
"""
import statistics
import time

WAYS = ("nothing", "T2", "T2 T3", "T2 T4", "T2 T4 lead", "T2 T3 T4", "eager weights")
DEAREST = {"embedded": 0.25, "gemma3_270m": 0.10}     # all tiers, over T2


class Taps:
    """One model and the captures of each way."""

    def __init__(self, loaded, prefix):
        from engine.model.capture import Capture, describe
        from engine.model.decode import probe
        from engine.model.discover import discover
        self.loaded, self.model = loaded, loaded.model
        self.map, self.describe, self.make = discover(self.model), describe, Capture
        self.known, self.context = {}, None
        plain = self.capture("T2")
        self.ways = probe(self.model, plain)
        plain.close()
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        self.prefix = [5 + 37 * i % (vocabulary - 8) for i in range(prefix)]

    def capture(self, way):
        """Hooks for one way; where they go is looked for once."""
        from engine.model.tiers import extras_of
        from engine.records import lead_layer
        if way not in self.known:
            lead = [lead_layer(len(self.map.blocks))] if way.endswith("lead") else None
            extras = extras_of(self.model, self.map, [t for t in ("T3", "T4") if t in way], lead)
            self.known[way] = extras, self.describe(
                self.model, self.map, self.loaded.name, self.loaded.context, extras=extras)
        extras, shape = self.known[way]
        return self.make(self.map, shape, extras=extras)

    def turn(self, way, count):
        """Processor seconds and wall seconds of `count` greedy tokens."""
        capture = self.capture(way)
        eager, kernel = way == "eager weights", self.model.config._attn_implementation
        if way in ("nothing", "eager weights"):
            capture.close()
        try:
            if eager:
                self.model.set_attn_implementation("eager")
            context, spent = self.begun(capture), []
            logits = self.first
            for _ in range(count + 2):
                token = int(logits[-1].argmax())
                begin = time.thread_time(), time.perf_counter()
                logits = self.weighed(context, token) if eager else context.feed(
                    [token], keep=1, capture=way != "nothing")
                spent.append((time.thread_time() - begin[0], time.perf_counter() - begin[1]))
            return spent[2:]
        finally:
            if eager:
                self.model.set_attn_implementation(kernel)
            capture.close()

    def begun(self, capture):
        """The context after the prefix, which is read once; `first` its last logits."""
        from engine.model.decode import Context
        if self.context is None:
            self.context = Context(self.model, capture, self.ways)
            for i in range(0, len(self.prefix), 32):
                self.first = self.context.feed(self.prefix[i:i + 32], keep=1, capture=False)
        self.context.capture = capture
        self.context.back(len(self.prefix))
        return self.context

    def weighed(self, context, token):
        """One cached step that also asks the eager kernel for its weights."""
        import torch
        out = self.model(input_ids=torch.tensor([[token]]), use_cache=True, logits_to_keep=1,
                         output_attentions=True, **{context.ways.cache: context.cache})
        if out.attentions[0] is None:
            raise RuntimeError("the eager kernel gave no weights")
        context.cache = getattr(out, context.ways.cache)
        context.tokens.append(token)
        for weights in out.attentions:    # what a client would do with them
            row = weights[0, :, -1].float()
            (-(row * (row + 1e-30).log()).sum(-1)).numpy()
        return out.logits[0]


def price(loaded, prefix, rounds, count):
    """{way: tokens_per_s, cpu_us, over T2 in us and as a share}."""
    import torch
    spent = {way: [] for way in WAYS}
    with torch.inference_mode():
        taps = Taps(loaded, prefix)
        for turn in range(rounds + 1):
            at = turn % len(WAYS)
            for way in WAYS[at:] + WAYS[:at]:
                found = taps.turn(way, count if turn else 2)
                spent[way] += found if turn else []
    result = {way: {"cpu_us": 1e6 * statistics.median(cpu for cpu, _ in pairs),
                    "tokens_per_s": 1.0 / statistics.median(wall for _, wall in pairs)}
              for way, pairs in spent.items()}
    usual = result["T2"]["cpu_us"]
    for figures in result.values():
        figures["more_us"] = figures["cpu_us"] - usual
        figures["share"] = figures["cpu_us"] / usual - 1.0
    return result


def run(quick=False, threads=1, prefix=320):
    """The embedded model and a random one of Gemma-3-270M's shape, after a prefix."""
    import torch

    from bench.capture import gemma_270m
    from engine.model.load import Loaded, has_bfloat16, load
    before = torch.get_num_threads()
    torch.set_num_threads(int(threads))
    try:
        embedded, half = load("embedded"), has_bfloat16()
        models = {"embedded": price(embedded, int(prefix), 2 if quick else 8,
                                    12 if quick else 30)}
        large = Loaded(gemma_270m(half), embedded.tokenizer, "gemma3_270m", 1024, "")
        models["gemma3_270m"] = price(large, int(prefix), 1 if quick else 4, 8 if quick else 12)
    finally:
        torch.set_num_threads(before)
    holds = {f"{name}: all tiers cost at most {most:.0%} more than T2":
             models[name]["T2 T3 T4"]["share"] <= most for name, most in DEAREST.items()}
    holds |= {f"{name}: T4 costs no more than the eager kernel's weights":
              models[name]["T2 T4"]["cpu_us"] <= models[name]["eager weights"]["cpu_us"]
              for name in models}
    return {"threads": int(threads), "prefix": int(prefix), "models": models, "holds": holds,
            "large_dtype": "bfloat16" if half else "float32"}


def table(result):
    """Both models, a line a way."""
    lines = [f"{'':16}{'way':15}{'tokens/s':>10}{'CPU us':>10}{'over T2':>10}{'share':>9}"]
    for name, ways in result["models"].items():
        for way, figures in ways.items():
            lines.append(f"{name if way == WAYS[0] else '':16}{way:15}"
                         f"{figures['tokens_per_s']:10.1f}{figures['cpu_us']:10.0f}"
                         f"{figures['more_us']:+10.0f}{figures['share']:+9.1%}")
    return "\n".join(lines + [f"{'holds' if good else 'FAILS'}  {text}"
                              for text, good in result["holds"].items()])
