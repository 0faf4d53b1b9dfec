"""Drums: the fixed house grammar, and the fills that close eight bars. Thread: any."""
from mappings.music import STEPS

KICKS, CLAPS, OPEN = (0, 4, 8, 12), (4, 12), (2, 6, 10, 14)
FILLS = {                                 # name -> (role, step, level) laid over the bar
    "roll": tuple(("clap", s, 0.3 + 0.06 * i) for i, s in enumerate((8, 10, 11, 13, 14, 15))),
    "tumble": tuple(("perc", s, 0.45 + 0.05 * i) for i, s in enumerate((8, 9, 11, 12, 13, 14, 15))),
    "stutter": tuple(("hat", s, 0.5 + 0.05 * i) for i, s in enumerate((9, 11, 12, 13, 14, 15))),
    "gap": (("clap", 11, 0.5), ("clap", 14, 0.65), ("clap", 15, 0.8)),
}
GAPS = {"gap": 12, "roll": 14, "tumble": 14, "stutter": STEPS}    # where the kick begins to rest


def groove(roles):
    """The fixed strikes of a bar: [(role, step, level, cause)]."""
    strikes = []
    for role, steps, level in (("kick", KICKS, 1.0), ("clap", CLAPS, 0.85), ("openhat", OPEN, 0.7),
                               ("shaker", range(STEPS), 0.7)):
        if role in roles:
            strikes += [(role, s, level if s else level * 0.98, f"grammar: {role}") for s in steps]
    return strikes


def fills_for(roles):
    """The fills that need no other roles than these."""
    return [name for name, rows in FILLS.items() if all(role in roles for role, _, _ in rows)]


def fill(strikes, name, cause):
    """The bar's strikes with a fill laid over its second half."""
    kept = [row for row in strikes if not (row[0] == "kick" and row[1] >= GAPS[name])]
    taken = {(role, step) for role, step, _, _ in kept}
    return kept + [(role, step, level, f"fill {name}: {cause}")
                   for role, step, level in FILLS[name] if (role, step) not in taken]


def roll(strikes, bar):
    """The bar of a build: claps in halves, quarters, eighths, over eight bars; the last bar rolls
    in sixteenths and its second half has no kick."""
    gap, last = (8, 8, 4, 4, 4, 4, 2, 1)[bar % 8], bar % 8 == 7
    kept = [row for row in strikes
            if row[0] != "clap" and not (last and row[0] == "kick" and row[1] >= STEPS // 2)]
    return kept + [("clap", s, 0.35 + 0.3 * (bar % 8) / 8 + 0.2 * s / STEPS,
                    "fill roll: grammar" if last else "grammar: roll")
                   for s in range(0, STEPS, gap)]
