"""Which addresses an OSC pattern means, without going back. Thread: any.

The addresses are kept as a tree of their parts, so a pattern visits only branches that fit, and a
part is matched by moving the set of places reached: work grows with pattern times part, never
exponentially. Source: The Open Sound Control 1.0 Specification, 2002, "Pattern Matching".
"""
from engine.wires.datagram import PATTERN, Refusal

MOST_KEPT = 256
LEAF = ""                                 # no part has this name: where an address ends


class Addresses:
    """The addresses of a registry, by place; `exact` is the dict of those."""

    def __init__(self, names):
        self.exact = {name: k for k, name in enumerate(names)}
        self._tree, self._kept = {}, {}
        for name, k in self.exact.items():
            branch = self._tree
            for part in name[1:].split("/"):
                branch = branch.setdefault(part, {})
            branch[LEAF] = k

    def known(self, pattern):
        """True where no work waits: an exact address, or a pattern seen lately."""
        return pattern in self._kept or not PATTERN.search(pattern)

    def matches(self, pattern, most=None):
        """The places of all addresses that it means, in order.

        raises  Refusal("pattern") when they are more than `most`
        """
        if not PATTERN.search(pattern):
            return [self.exact[pattern]] if pattern in self.exact else []
        if pattern not in self._kept:
            branches = [self._tree]
            for part in pattern[1:].split("/"):
                branches = _grown(branches, part)
            if len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[pattern] = sorted(b[LEAF] for b in branches if LEAF in b)
        found = self._kept[pattern]
        if most is not None and len(found) > most:
            raise Refusal("pattern")
        return found


def _grown(branches, part):
    """One part further along all branches that fit."""
    if not PATTERN.search(part):
        return [b[part] for b in branches if part and part in b]
    steps = compiled(part)
    return [child for b in branches for name, child in b.items()
            if name != LEAF and fits(steps, name)]


def compiled(part):
    """A part as steps: "*", (letters, wanted) for one letter, or a tuple of words."""
    steps, at = [], 0
    while at < len(part):
        letter = part[at]
        if letter in "[{":
            end = part.find("]" if letter == "[" else "}", at)
            if end < 0:
                raise Refusal("pattern")
            inside, at = part[at + 1:end], end + 1
            steps.append(_letters(inside) if letter == "[" else tuple(inside.split(",")))
            continue
        steps.append("*" if letter == "*" else (frozenset(), False) if letter == "?"
                     else (frozenset(letter), True))
        at += 1
    return steps


def _letters(inside):
    """What stands between [ and ]: letters, ranges, a leading ! for all others."""
    wanted = not inside.startswith("!")
    rest, found, at = inside if wanted else inside[1:], set(), 0
    while at < len(rest):
        if rest[at + 1:at + 2] == "-" and at + 2 < len(rest):
            low, high = sorted((ord(rest[at]), ord(rest[at + 2])))
            found |= {chr(code) for code in range(low, high + 1)}
            at += 3
        else:
            found.add(rest[at])
            at += 1
    return frozenset(found), wanted


def fits(steps, name):
    """True when the steps lead from the beginning of the name to its end."""
    places = {0}
    for step in steps:
        if step == "*":
            places = set(range(min(places), len(name) + 1))
        elif isinstance(step[0], frozenset):
            letters, wanted = step
            places = {p + 1 for p in places if p < len(name) and (name[p] in letters) == wanted}
        else:
            places = {p + len(word) for p in places for word in step if name.startswith(word, p)}
        if not places:
            return False
    return len(name) in places
