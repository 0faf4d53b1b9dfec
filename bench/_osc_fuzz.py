"""Datagrams for the OSC service: good, mutated, hostile; seeded, so that a run can be repeated.
Thread: any."""
import random
import struct
import time

from engine.wires import datagram

FLIPS = (0, 0xFF, 0x80, 0x2F, 0x2A, 0x2C, 0x7B)
UNKNOWN = "/nobody/listens/here"


def good(rnd, addresses=(UNKNOWN,)):
    """A well-formed message or bundle, of all argument types."""
    address = rnd.choice(addresses)
    kind = rnd.randrange(6)
    if kind == 0:
        return datagram.message(address, "f", (rnd.random(),))
    if kind == 1:
        return datagram.message(address, "sifhdTF", (
            rnd.choice(("tide", "über", "")), rnd.randrange(-9, 9), rnd.random(),
            rnd.getrandbits(40), rnd.random(), True, False))
    if kind == 2:
        return datagram.padded(address.encode()) + datagram.padded(b",bNIt") + struct.pack(
            ">i5s3xQ", 5, b"abcde", rnd.getrandbits(64))
    parts = [datagram.message(address, "i", (k,)) for k in range(rnd.randrange(5))]
    if kind == 3 and parts:
        parts.append(datagram.bundle(parts))
    return datagram.bundle(parts)


def mutated(rnd, addresses=(UNKNOWN,)):
    """A good datagram after one to eight accidents."""
    words = bytearray(good(rnd, addresses))
    for _ in range(rnd.choice((1, 1, 2, 4, 8))):
        kind, at = rnd.random(), rnd.randrange(len(words) or 1)
        if kind < 0.6 and words:
            words[at] = rnd.choice((*FLIPS, rnd.randrange(256)))
        elif kind < 0.8:
            del words[at:at + rnd.randrange(1, 9)]
        else:
            words[at:at] = bytes(rnd.randrange(256) for _ in range(rnd.randrange(1, 9)))
    return bytes(words)


def sized(rnd):
    """A bundle whose element has a size that no element has."""
    size = rnd.choice((-4, -2 ** 31, 0, 4, 7, 2 ** 31 - 4, 1 << 20))
    return datagram.BUNDLE + struct.pack(">Qi", 1, size) + bytes(rnd.choice((0, 8)))


def starred(rnd):
    """An address of stars: exponential for who goes back, and a pattern with two of them."""
    if rnd.random() < 0.5:
        return datagram.padded(b"/engine/" + b"*" * rnd.randrange(3, 40) + b"x") + b",\0\0\0"
    word = "".join(rnd.choice("abcdef") for _ in range(rnd.randrange(1, 50)))
    return datagram.message(f"/*{word}/[!{word}]{{{word},a}}*", "f", (0.5,))


def timed(rnd):
    """A bundle for a time that nobody waits for."""
    ahead_s = rnd.choice((3.0, 3600.0, 1e8))
    return datagram.bundle([datagram.message("/next")],
                           datagram.tag_of(time.time_ns() + int(ahead_s * 1e9)))


def nested(rnd):
    """Bundles in bundles: too deep, or too many to be a datagram."""
    words = datagram.message(UNKNOWN)
    for _ in range(rnd.choice((5, 40, 380, 1200))):
        words = datagram.bundle([words])
    return words


def crowded(rnd):
    """The most messages that one datagram may hold, and one that may not."""
    count = rnd.choice((256, 257))
    return datagram.bundle([datagram.message("/x", "", ())] * count)


def endless(rnd):
    """The most bytes of one argument list, or of nothing at all."""
    return rnd.choice((b"/a\0\0,", b"")) + b"i" * 8192


def foreign(rnd):
    """What is no OSC: other bytes, no UTF-8, not a number."""
    return rnd.choice((
        b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"/\xff\xfe\0,\0\0\0", bytes(8),
        b"/a\0\0,s\0\0\xff\xfe\0\0", b"/a\0\0,f\0\0" + struct.pack(">f", float("nan")),
        b"/a\0\0,d\0\0" + struct.pack(">d", float("inf")), b"/a\0\0,b\0\0" + b"\x7f\xff\xff\xff",
        bytes(rnd.getrandbits(8) for _ in range(4 * rnd.randrange(1, 64)))))


KILLERS = (sized, starred, timed, nested, crowded, endless, foreign)


def asked(rnd):
    """Questions that make work: subscriptions to patterns nobody asked for."""
    word = "".join(rnd.choice("abcdef") for _ in range(8))
    return rnd.choice((datagram.message("/subscribe", "s", (f"/{word}*/*",)),
                       datagram.message("/subscribe/to", "sis", ("192.0.2.1", 9, "/*")),
                       datagram.message("/get", "s", (f"/{word}",)),
                       datagram.message("/unsubscribe")))


def hostile(rnd):
    return rnd.choice((*KILLERS, asked))(rnd)


def seeded(seed):
    return random.Random(seed)
