"""The command that lists what is heard of a model. Thread: control.

Like `engine.cli`: nothing heavy is imported before a command runs.
"""
import math
from typing import Annotated

import typer

from engine import console


def features(
        measure: Annotated[bool, typer.Option(
            "--costs/--no-costs", help="measure the microseconds a token on this machine")] = True,
        model: Annotated[str | None, typer.Option(
            help="what this model is made of, measured once: spectra of its states and weights, "
                 "sparsity, heads; embedded, a folder, or a hub id")] = None,
        as_json: Annotated[bool, typer.Option(
            "--json", help="one JSON object as the last line")] = False):
    """List the features: name, unit, range, the tier of capture it needs, and what it costs."""
    if model is not None:
        with console.progress(f"measuring {model}") as report:
            from engine.model import timbre
            found = timbre.measure(model, report)
        console.give(found, as_json, timbre.table(found))
        return
    with console.patience("compiling the features' loops, once on this machine"):
        from engine.mapping import UNITS
        from engine.model.directions import MOST, everything
        from engine.performance import meter_class
        meter, spent = meter_class(), {}
        if measure:
            from bench.features import run
            spent = run(quick=True)
    owner = {name: family for family, names in spent.get("named", {}).items() for name in names}
    rows = []
    for name in meter.names:
        low, high = meter.ranges[name]
        unit = name.rpartition("_")[2]
        family = owner.get(name)
        rows.append({"name": name, "unit": unit if unit in UNITS else "", "low": low, "high": high,
                     "tier": meter.tier_of[name], "family": family,
                     "family_us": spent["families_us"][family] if family else None})
    result = {"features": rows, "shape": spent.get("shape"), "all_us": spent.get("all_us"),
              "shared_us": spent.get("families_us", {}).get("shared"),
              "directions": {"name": "direction.NAME", "raw": "direction.NAME_effect", "tier": "T1",
                             "most": MOST, "known": sorted({
                                 name for found in everything().values() for name in found})}}
    console.give(result, as_json, table(result))


def table(result):
    """A line a feature; families are measured whole."""
    lines = [f"{'feature':30}{'unit':>7}{'range':>18}{'tier':>6}{'family us':>11}"]
    for row in result["features"]:
        cost = "" if row["family_us"] is None else f"{row['family_us']:.1f}"
        span = f"{number(row['low'])} .. {number(row['high'])}"
        lines.append(f"{row['name']:30}{row['unit']:>7}{span:>18}{row['tier']:>6}{cost:>11}")
    if result["all_us"] is not None:
        shape = result["shape"]
        lines += ["", f"all {len(result['features'])} together {result['all_us']:.0f} us a token "
                  f"at {shape['layers']} layers of {shape['width']}, {shape['heads']} heads; of "
                  f"that {result['shared_us']:.0f} us are what all share",
                  "a set pays only for the families that it reads"]
    more = result["directions"]
    lines += ["", f"and {more['name']}, tier {more['tier']}, of up to {more['most']} directions "
              f"that a set names (read as a place; {more['raw']}: raw, 0 as in neutral text, 1 as "
              "in the texts it was learned from)",
              f"known: {', '.join(more['known']) or 'none'}; see hiddenstage directions list"]
    return "\n".join(lines)


def number(x):
    """A bound as a reader writes it."""
    return f"{x:g}" if math.isfinite(x) else "-inf" if x < 0 else "inf"


def add(app):
    """Gives the command of this file to the command line."""
    app.command()(features)
