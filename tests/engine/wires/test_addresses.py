"""OSC patterns: what they mean, against the plain way; never exponential. Thread: control."""
import random
import re
import time

import pytest

from engine.wires import addresses
from engine.wires.addresses import Addresses, compiled, fits
from engine.wires.datagram import Refusal

NAMES = ["/a/bass/cutoff_hz", "/a/bell/cutoff_hz", "/a/bass/level_db", "/panic", "/a/bass",
         "/feature/resid/6/speed"]


@pytest.mark.parametrize(("pattern", "places"), [
    ("/a/bass/cutoff_hz", [0]), ("/a/*/cutoff_hz", [0, 1]), ("/*", [3]), ("/a/*", [4]),
    ("/a/b*l/cut*", [1]), ("/a/b???/cutoff_?z", [0, 1]), ("/a/b[a-d]ss/*", [0, 2]),
    ("/a/b[!a]*/*", [1]), ("/a/{bass,bell}/cutoff_hz", [0, 1]), ("/a/{ba,bas}s/level_db", [2]),
    ("/a/{b,be}*/cutoff_hz", [0, 1]), ("/nobody", []), ("/a//x*", []), ("/a/[d-a]*/*", [0, 1, 2]),
    ("/feature/*/[0-9]/s*", [5]), ("/a/bass/cutoff_hz/*", []), ("/[p-]anic", [3]),
])
def test_what_a_pattern_means(pattern, places):
    assert Addresses(NAMES).matches(pattern) == places


def plainly(part, name):
    """The same by a regular expression, which may go back as it likes: the names are short."""
    words = re.sub(r"\*", ".*", part).replace("?", ".").replace("[!", "[^")
    words = re.sub(r"\{([^}]*)\}", lambda m: "(?:" + m[1].replace(",", "|") + ")", words)
    return re.fullmatch(words, name) is not None


def test_as_the_plain_way_says():
    pieces = ("*", "?", "a", "b", "ab", "[ab]", "[!a]", "{a,ab}", "{b,}", "[a-c]")
    rnd, both = random.Random(3), [0, 0]
    for _ in range(4000):
        part = "".join(rnd.choice(pieces) for _ in range(rnd.randrange(1, 6)))
        name = "".join(rnd.choice("abc") for _ in range(rnd.randrange(1, 7)))
        told = fits(compiled(part), name)
        assert told == plainly(part, name), (part, name)
        both[told] += 1
    assert min(both) > 400


def test_stars_cost_no_more_than_their_number():
    begin_s = time.perf_counter()
    assert not fits(compiled("*a" * 60 + "b"), "a" * 120)
    assert time.perf_counter() - begin_s < 10.0               # one that goes back: centuries


def test_too_many_at_once_are_refused():
    known = Addresses([f"/a/{k}" for k in range(300)])
    assert len(known.matches("/a/*")) == 300
    with pytest.raises(Refusal):
        known.matches("/a/*", 256)


def test_only_so_many_patterns_are_kept():
    known = Addresses(NAMES)
    for k in range(3 * addresses.MOST_KEPT):
        known.matches(f"/x{k}*")
    assert len(known._kept) == addresses.MOST_KEPT
    assert known.known(f"/x{3 * addresses.MOST_KEPT - 1}*") and not known.known("/x0*")
    assert known.known("/no/pattern")
