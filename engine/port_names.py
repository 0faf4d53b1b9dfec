"""Which MIDI port a pattern means: alternatives, "IAC|Ableton|hiddenstage", the first that exists
wins; each is a name, a part of one, or an expression, in any case. Thread: any."""
import difflib
import re

from engine.errors import suggestion

VIRTUAL = "virtual:"                      # before the name of a port of our own
OUT, IN = "out", "in"


def plain(name):
    """A port's name without what changes from day to day: ALSA's numbers ("X:Y 20:0")."""
    return re.sub(r" \d+:\d+$", "", name)


def alternatives(pattern):
    """The parts between the bars that stand in no bracket."""
    parts, depth = [""], 0
    for letter in pattern:
        depth += (letter in "([") - (letter in ")]")
        if letter == "|" and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def fits(wanted, name):
    """How well one alternative fits: 3 the name itself, 2 a part of it, 1 an expression, 0 not."""
    name = plain(name)
    if wanted.casefold() == name.casefold():
        return 3
    if wanted.casefold() in name.casefold():
        return 2
    try:
        return int(bool(re.search(wanted, name, re.IGNORECASE)))
    except re.error:
        return 0


def choose(wanted, names, aliases=None):
    """The name that one alternative means, or None: the best fit, of equals the first listed.

    aliases   name -> its other names
    """
    def best(name):
        return max(fits(wanted, one) for one in (name, *(aliases or {}).get(name, ())))
    found = max(names, key=best, default=None)
    return found if found is not None and best(found) else None


def unknown(direction, pattern, names):
    """The line for a pattern that nothing fits."""
    kind = "output" if direction == OUT else "input"
    if not names:
        return (f"no MIDI {kind} fits {pattern!r}: there is none at all; plug it in, or write "
                f"{VIRTUAL}NAME for a port of our own")
    pieces = {}
    for name in names:
        pieces |= {piece.casefold(): plain(name) for piece in
                   (plain(name), *plain(name).split(":"), *re.split(r"\W+", plain(name)))}
    near = [hit for wanted in alternatives(pattern)
            for hit in difflib.get_close_matches(wanted.casefold(), pieces, n=1)]
    listed = sorted({plain(name) for name in names})
    meant = suggestion(pieces[near[0]], listed) + "; there are: " if near else "; there are: "
    return f"no MIDI {kind} fits {pattern!r}{meant}{', '.join(listed[:12])}"
