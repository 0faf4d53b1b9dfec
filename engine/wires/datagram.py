"""OSC 1.0 datagrams: read with nothing trusted, and written. Thread: any.

One datagram once hung a library's server for ever (an element of size -4), another for hours (a
far timetag). So every byte is looked at before it means something; what is not well-formed is
refused whole, with the kind of its fault. Source: The Open Sound Control 1.0 Specification, 2002.
"""
import math
import re
import struct
from typing import NamedTuple

MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS, MOST_ARGUMENTS = 8192, 4, 256, 64
MOST_PATTERN_BYTES, MOST_STARS = 128, 2
BUNDLE, HEAD_BYTES = b"#bundle\0", 16
IMMEDIATELY = 1
PATTERN = re.compile("[*?[{]")
UNIX_S = 2208988800                       # seconds from 1900, where OSC counts from, to 1970
_ADDRESS = re.compile(rb"/[!-\"$-~]*")    # printable, without space and #
_ONLY_IN_PATTERNS = re.compile(r"[],}]")
_SIZED = {"i": "i", "f": "f", "h": "q", "d": "d", "t": "Q", "r": "I", "c": "I", "m": "I"}
_MEANING = {"T": True, "F": False, "N": None, "I": True}    # I is a bang
_KNOWN = frozenset("isbhdtrcmfTFNI")
_SIZE, _TIME = struct.Struct(">i"), struct.Struct(">Q")
_ZEROS = (b"", b"\0", b"\0\0", b"\0\0\0", b"\0\0\0\0")
_shapes = {}                              # type tags that came, without strings, to their Struct
MOST_SHAPES = 512


class Refusal(Exception):  # noqa: N818 (not an error: the sender's fault, counted by kind)
    """Why a datagram is not let in: `kind` is one word."""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


class Message(NamedTuple):
    """time: the NTP timetag of the bundle around it, 1 for at once. A string that is no UTF-8 is
    refused; a blob stays bytes; T, F, I, N are True, False, True, None."""
    address: str
    tags: str
    values: tuple
    time: int = IMMEDIATELY


def read(data):
    """The messages of a datagram, in their order.

    raises  Refusal
    """
    size = len(data)
    if not 0 < size <= MOST_BYTES or size & 3:
        raise Refusal("size")
    if data[0] == 0x2F:
        return [_message(data, 0, size, IMMEDIATELY)]
    found = []
    _bundle(data, 0, size, IMMEDIATELY, 1, found)
    return found


def _bundle(data, at, end, time, depth, found):
    """Appends a bundle's messages; an inner bundle is never earlier than the one around it."""
    if data[at:at + 8] != BUNDLE:
        raise Refusal("address")
    if end - at < HEAD_BYTES:
        raise Refusal("size")
    if depth > MOST_DEPTH:
        raise Refusal("depth")
    time, at = max(time, _TIME.unpack_from(data, at + 8)[0]), at + HEAD_BYTES
    elements = 0
    while at < end:
        size = _SIZE.unpack_from(data, at)[0]              # at and end are multiples of 4
        at += 4
        elements += 1
        if size < 8 or size & 3 or size > end - at or elements > MOST_ELEMENTS:
            raise Refusal("element")
        if data[at] == 0x2F:
            found.append(_message(data, at, at + size, time))
        else:
            _bundle(data, at, at + size, time, depth + 1, found)
        at += size
    if len(found) > MOST_ELEMENTS:
        raise Refusal("element")


def _string(data, at, end, kind):
    """(bytes, where the next thing begins) of a string with its zeros up to a multiple of 4."""
    stop = data.find(b"\0", at, end)
    if stop < 0:
        raise Refusal(kind)
    after = (stop | 3) + 1                                  # every `at` is a multiple of 4
    if after > end or data[stop:after] != _ZEROS[after - stop]:
        raise Refusal(kind)
    return data[at:stop], after


def _message(data, at, end, time):
    name, at = _string(data, at, end, "address")
    if not _ADDRESS.fullmatch(name) or len(name) < 2:
        raise Refusal("address")
    address = name.decode("ascii")
    if PATTERN.search(address):
        _check_pattern(address)
    elif _ONLY_IN_PATTERNS.search(address):
        raise Refusal("address")
    if at == end:                                           # an old sender: no tags, no arguments
        return Message(address, "", (), time)
    words, at = _string(data, at, end, "tags")
    if words[:1] != b"," or len(words) > 1 + MOST_ARGUMENTS:
        raise Refusal("tags")
    shape = _shapes.get(words) or _shape(words)
    tags, sized, floats, whole = shape
    if sized is None:
        return Message(address, tags, _values(data, at, end, tags), time)
    if end - at != sized.size:
        raise Refusal("tags")
    values = sized.unpack_from(data, at)
    for k in floats:
        if not math.isfinite(values[k]):
            raise Refusal("number")
    return Message(address, tags, values if whole else _filled(tags, values), time)


def _check_pattern(address):
    """A pattern is short, has few stars, and closes in order what it opens."""
    if len(address) > MOST_PATTERN_BYTES or address.count("*") > MOST_STARS:
        raise Refusal("pattern")
    closing = ""
    for letter in address:
        if closing:
            if letter in "/*?[{" or letter in "]}" and letter != closing:
                raise Refusal("pattern")
            closing = "" if letter == closing else closing
        elif letter in "]},":
            raise Refusal("pattern")
        elif letter in "[{":
            closing = "]" if letter == "[" else "}"
    if closing:
        raise Refusal("pattern")


def _shape(words):
    """(tags, Struct or None where there are strings or blobs, where floats are, all have bytes)."""
    try:
        tags = words[1:].decode("ascii")
    except UnicodeDecodeError:
        raise Refusal("tags") from None
    if not _KNOWN.issuperset(tags):
        raise Refusal("tags")
    sized = [tag for tag in tags if tag in _SIZED]
    shape = (tags, None if "s" in tags or "b" in tags
             else struct.Struct(">" + "".join(_SIZED[tag] for tag in sized)),
             tuple(k for k, tag in enumerate(sized) if tag in "fd"), len(sized) == len(tags))
    if len(_shapes) < MOST_SHAPES:
        _shapes[words] = shape
    return shape


def _filled(tags, values):
    """The values with those in between that have no bytes: T, F, I, N."""
    rest = iter(values)
    return tuple(_MEANING[tag] if tag in _MEANING else next(rest) for tag in tags)


def _values(data, at, end, tags):
    """The arguments one by one, where strings or blobs are among them."""
    found = []
    for tag in tags:
        if tag == "s":
            words, at = _string(data, at, end, "tags")
            try:
                found.append(words.decode("utf-8"))
            except UnicodeDecodeError:
                raise Refusal("text") from None
        elif tag in _MEANING:
            found.append(_MEANING[tag])
        elif tag == "b":
            blob, at = _blob(data, at, end)
            found.append(blob)
        else:
            _, sized, floats, _ = _shapes.get(b"," + tag.encode()) or _shape(b"," + tag.encode())
            if end - at < sized.size:
                raise Refusal("tags")
            found += sized.unpack_from(data, at)
            if floats and not math.isfinite(found[-1]):
                raise Refusal("number")
            at += sized.size
    if at != end:
        raise Refusal("tags")
    return tuple(found)


def _blob(data, at, end):
    size = _SIZE.unpack_from(data, at)[0] if end - at >= 4 else -1
    after = at + 4 + (size + 3 & ~3)
    if size < 0 or after > end:
        raise Refusal("tags")
    return data[at + 4:at + 4 + size], after


# ---- writing
def padded(words):
    """Bytes as an OSC string."""
    return words + _ZEROS[4 - (len(words) & 3)]


def head(address, tags):
    """What of a message does not change: the address and the type tags."""
    return padded(address.encode("ascii")) + padded(b"," + tags.encode("ascii"))


def body(tags, values):
    """The arguments; tags of i, f, s, h, d, T, F. A zero would end a string: it is cut there."""
    parts = []
    for tag, value in zip(tags, values, strict=True):
        if tag == "s":
            parts.append(padded(str(value).encode("utf-8", "replace").split(b"\0")[0]))
        elif tag in _SIZED:
            parts.append(struct.pack(">" + _SIZED[tag], value))
    return b"".join(parts)


def message(address, tags="", values=()):
    return head(address, tags) + body(tags, values)


def bundle(messages, time=IMMEDIATELY):
    """One datagram of several messages (bytes) that belong to one time."""
    return b"".join([BUNDLE, _TIME.pack(time),
                     *(part for m in messages for part in (_SIZE.pack(len(m)), m))])


# ---- time
def tag_of(wall_ns):
    """The timetag of a wall time, ns since 1970."""
    seconds, rest = divmod(int(wall_ns), 10 ** 9)
    return (seconds + UNIX_S << 32) | (rest << 32) // 10 ** 9


def wall_ns_of(tag):
    """The wall time of a timetag, ns since 1970."""
    return ((tag >> 32) - UNIX_S) * 10 ** 9 + ((tag & 0xFFFFFFFF) * 10 ** 9 >> 32)
