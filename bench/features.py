"""The price of every family of features, microseconds a record, beside the budget of 1 ms for all.

Records of noise at the reference shape (28 layers, 1024 wide, 16 heads, all tiers), measured by a
calibrated meter in one thread; each family is timed around its own call. Thread: control.
"""
import statistics
import time

BUDGET_US = 1000.0


def descriptor(layers=28, width=1024, units=3072, heads=16, context=1024):
    """A model of that shape with all tiers."""
    from engine.records import TIERS, Descriptor, lead_layer
    return Descriptor("noise", layers, width, (units,) * layers, heads, 32000, context, "noise",
                      TIERS, (), (lead_layer(layers),))


def records(shape, count, seed=1):
    """`count` pairs of STATE and TOKEN whose states drift, grow with depth and share a mean."""
    import numpy as np

    from engine.records import HEATS, TOKEN, state_dtype
    random, dtype = np.random.default_rng(seed), state_dtype(shape)
    common = 3.0 * random.normal(size=shape.width)
    drift, rows = np.zeros(shape.width), []
    depth = np.sqrt(1.0 + np.arange(shape.layers))[:, None]
    for place in range(count):
        state, token = np.zeros((), dtype), np.zeros((), TOKEN)
        drift += 0.3 * random.normal(size=shape.width)
        state["seq"] = state["position"] = 64 + place % (shape.context - 65)
        state["valid"] = 1
        state["attn"] = depth * random.normal(size=(shape.layers, shape.width))
        state["mlp"] = depth * random.normal(size=(shape.layers, shape.width))
        state["resid"][0] = common + drift
        state["resid"][1:] = state["resid"][0] + np.cumsum(state["attn"] + state["mlp"], axis=0)
        state["act"] = random.normal(size=state["act"].shape) ** 3
        for name in {"head_norm", "heads", "gaze", "row"} & set(dtype.names):
            state[name] = random.uniform(0.1, 1.0, state[name].shape)
        token["token"], token["text_bytes"] = random.integers(32000), 3
        token["text"][:3] = np.frombuffer(b".  " if place % 17 == 0 else b" an", np.uint8)
        token["surprisal_nat"], token["entropy_nat"] = random.exponential(2.0, 2)
        token["commit"] = random.uniform()
        token["heat_nat"] = np.sort(random.exponential(2.0, len(HEATS)))
        rows.append((state, token))
    return rows


def calibrated(shape, rows):
    """A meter that has learned from some of them."""
    from mappings.features import Meter
    meter = Meter(shape)
    for state, token in rows:
        meter.learn(state, token)
    meter.freeze()
    meter.warm()
    return meter


def timed(meter, rows):
    """Microseconds a record: {family: list}, of what all share, of the whole."""
    from mappings.features.meter import CORE
    spent, inner = {"shared": []}, {}

    def watch(owner, method, name):
        call = getattr(owner, method)
        spent.setdefault(name, [])

        def watched(*words):
            begin = time.perf_counter()
            found = call(*words)
            inner[name] = inner.get(name, 0.0) + time.perf_counter() - begin
            return found
        setattr(owner, method, watched)
    for name, family in meter.families.items():
        watch(family, "value", name)
        if name in CORE:
            watch(family, "look", name)
    watch(meter.sight, "see", "shared")
    for state, token in rows:
        inner.clear()
        meter.measure(state, token)
        for name, seconds in inner.items():
            spent[name].append(1e6 * seconds)
    return {name: times for name, times in spent.items() if times}


def run(quick=False, layers=28, width=1024, units=3072, heads=16, context=1024):
    """Medians over the records."""
    shape = descriptor(int(layers), int(width), int(units), int(heads), int(context))
    learned, played = (100, 200) if quick else (200, 600)
    rows = records(shape, played)
    meter, whole = calibrated(shape, rows[:learned]), []
    for state, token in rows:
        begin = time.perf_counter()
        meter.measure(state, token)
        whole.append(1e6 * (time.perf_counter() - begin))
    settled = whole[len(whole) // 3:]
    last = meter.measure(*rows[-1])
    spent = timed(meter, rows[learned:])
    families = {name: statistics.median(times) for name, times in spent.items()}
    return {"shape": {"layers": shape.layers, "width": shape.width, "heads": shape.heads},
            "all_us": statistics.median(settled), "features": len(last.raw),
            "p99_us": sorted(settled)[int(0.99 * len(settled))], "families_us": families,
            "named": {name: list(meter.families[name].names) for name in families
                      if name in meter.families},
            "holds": {f"all features cost at most {BUDGET_US:.0f} us a record":
                      statistics.median(settled) <= BUDGET_US}}


def table(result):
    """Families, the dearest first."""
    lines = [f"{'family':18}{'us':>8}  features"]
    for name, us in sorted(result["families_us"].items(), key=lambda pair: -pair[1]):
        named = result["named"].get(name, ["what all share: states, writes, notes, sketch"])
        more = f" and {len(named) - 2} more" if len(named) > 2 else ""
        lines.append(f"{name:18}{us:8.1f}  {', '.join(named[:2])}{more}")
    lines.append(f"{'all':18}{result['all_us']:8.1f}  {result['features']} features, "
                 f"p99 {result['p99_us']:.0f} us, {result['shape']}")
    return "\n".join(lines + [f"{'holds' if good else 'FAILS'}  {text}"
                              for text, good in result["holds"].items()])
