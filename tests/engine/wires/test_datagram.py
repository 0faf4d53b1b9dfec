"""OSC datagrams: what is well-formed is read as others read it, all else is refused by kind.
Thread: control."""
import math
import struct
import time

import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from bench import _osc_fuzz as fuzz
from engine.wires import datagram
from engine.wires.datagram import Refusal, read

PLAIN = b"/a\0\0,\0\0\0"
HEAD = datagram.BUNDLE + struct.pack(">Q", 1)


def element(words):
    return struct.pack(">i", len(words)) + words


def nest(times):
    words = PLAIN
    for _ in range(times):
        words = HEAD + element(words)
    return words


def their_message(address, *arguments):
    builder = OscMessageBuilder(address)
    for value, tag in arguments:
        builder.add_arg(value, tag)
    return builder.build()


def test_reads_what_python_osc_writes():
    words = their_message("/a/bass/cutoff_hz", (0.5, "f"), (-3, "i"), ("über", "s"),
                          (b"abcde", "b"), (True, "T"), (False, "F"), (None, "N"),
                          (2 ** 40, "h"), (0.1, "d")).dgram
    [found] = read(words)
    assert found.address == "/a/bass/cutoff_hz" and found.tags == "fisbTFNhd"
    assert found.values == (0.5, -3, "über", b"abcde", True, False, None, 2 ** 40, 0.1)
    assert found.time == datagram.IMMEDIATELY


def test_reads_a_bundle_of_python_osc_with_its_time():
    at_s = 1_700_000_000.25
    inner, outer = OscBundleBuilder(at_s), OscBundleBuilder(at_s)
    inner.add_content(their_message("/b", (2, "i")))
    outer.add_content(their_message("/a", (1, "i")))
    outer.add_content(inner.build())
    found = read(outer.build().dgram)
    assert [(m.address, m.values) for m in found] == [("/a", (1,)), ("/b", (2,))]
    for message in found:
        assert abs(datagram.wall_ns_of(message.time) / 1e9 - at_s) < 1e-6


def test_python_osc_reads_what_is_written():
    words = datagram.bundle([datagram.message("/a", "sifhdTF", (
        "tide", 3, 0.5, -2 ** 40, math.pi, True, False)), datagram.message("/b")])
    first, second = (timed.message for timed in OscPacket(words).messages)
    assert first.address == "/a"
    assert first.params == ["tide", 3, 0.5, -2 ** 40, math.pi, True, False]
    assert (second.address, second.params) == ("/b", [])


def test_a_text_is_cut_where_a_zero_would_end_it():
    assert read(datagram.message("/a", "si", ("ab\0cd", 7)))[0].values == ("ab", 7)


def test_an_old_sender_leaves_the_tags_out():
    assert read(b"/panic\0\0") == [datagram.Message("/panic", "", ())]


@pytest.mark.parametrize(("words", "kind"), [
    (b"", "size"), (b"hello", "size"), (PLAIN + b"\0", "size"), (bytes(8196), "size"),
    (bytes(8), "address"), (b"a\0\0\0,\0\0\0", "address"), (b"/\0\0\0,\0\0\0", "address"),
    (b"/abc,\0\0\0"[:8].replace(b"\0", b"x"), "address"), (b"/a\0x,\0\0\0", "address"),
    (b"/\xff\xfe\0,\0\0\0", "address"), (b"/a b\0\0\0\0,\0\0\0", "address"),
    (b"/a#b\0\0\0\0,\0\0\0", "address"), (b"/a]\0,\0\0\0", "address"),
    (b"#bundle\0", "size"), (b"#bundle\0\0\0\0\0", "size"), (b"#bungle\0" + bytes(8), "address"),
    (b"/a\0\0abc\0", "tags"), (b"/a\0\0,xyz\0\0\0\0", "tags"),
    (b"/a\0\0,[i]\0\0\0\0" + bytes(4), "tags"),
    (b"/a\0\0,i\0\0", "tags"), (b"/a\0\0,i\0\0" + bytes(8), "tags"), (b"/a\0\0,\xe9\0\0", "tags"),
    (b"/a\0\0,ii\0" + bytes(4), "tags"), (b"/a\0\0,s\0\0abcd", "tags"),
    (b"/a\0\0,s\0\0a\0x\0", "tags"),
    (b"/a\0\0,si\0abc\0\0\0", "size"), (b"/a\0\0,sd\0abc\0" + bytes(4), "tags"),
    (b"/a\0\0,b\0\0" + struct.pack(">i", -1), "tags"),
    (b"/a\0\0,b\0\0" + struct.pack(">i", 9), "tags"),
    (b"/a\0\0,b\0\0" + struct.pack(">i", 2 ** 31 - 1), "tags"), (b"/a\0\0,b\0\0", "tags"),
    (b"/a\0\0,s\0\0\xff\xfe\0\0", "text"),
    (b"/a\0\0,f\0\0" + struct.pack(">f", math.nan), "number"),
    (b"/a\0\0,d\0\0" + struct.pack(">d", -math.inf), "number"),
    (b"/a\0\0,sf\0a\0\0\0" + struct.pack(">f", math.inf), "number"),
    (HEAD + element(PLAIN)[:8], "element"), (HEAD + struct.pack(">i", -4), "element"),
    (HEAD + struct.pack(">i", 0), "element"), (HEAD + struct.pack(">i", 4) + b"/a\0\0", "element"),
    (HEAD + struct.pack(">i", 10) + PLAIN + bytes(4), "element"),
    (HEAD + element(b"x" * 8), "address"), (HEAD + element(PLAIN) + bytes(4), "element"),
    (b"/*a*b*\0\0,\0\0\0", "pattern"), (b"/[a\0,\0\0\0", "pattern"),
    (b"/{a*}\0\0\0,\0\0\0", "pattern"),
    (b"/{a\0,\0\0\0", "pattern"), (b"/[a/b]\0\0,\0\0\0", "pattern"), (b"/*,\0,\0\0\0", "pattern"),
])
def test_what_is_not_well_formed_is_refused(words, kind):
    with pytest.raises(Refusal) as refusal:
        read(words)
    assert refusal.value.kind == kind


@pytest.mark.parametrize(("within", "beyond", "kind"), [
    (datagram.padded(b"/" + b"a" * 8183) + b",\0\0\0", b"/" + b"a" * 8187 + bytes(8), "size"),
    (nest(4), nest(5), "depth"),
    (HEAD + element(PLAIN) * 256, HEAD + element(PLAIN) * 257, "element"),
    (HEAD + element(nest(1)) * 200, HEAD + element(HEAD + element(PLAIN) * 100) * 3, "element"),
    (datagram.message("/a", "i" * 64, [1] * 64), datagram.message("/a", "i" * 65, [1] * 65),
     "tags"),
    (datagram.message("/*" + "a" * 126), datagram.message("/*" + "a" * 127), "pattern"),
    (datagram.message("/*/*"), datagram.message("/*/*/*"), "pattern"),
])
def test_the_limits_are_where_they_are_said_to_be(within, beyond, kind):
    assert read(within)
    with pytest.raises(Refusal) as refusal:
        read(beyond)
    assert refusal.value.kind == kind


def test_an_inner_bundle_is_never_earlier():
    late, early = 1000 << 32, 10 << 32
    words = datagram.bundle([datagram.bundle([PLAIN], early),
                             datagram.bundle([PLAIN], late + 5)], late)
    assert [m.time for m in read(words)] == [late, late + 5]


def test_timetags_go_there_and_back():
    for wall_ns in (0, 1_700_000_000_123_456_789, time.time_ns()):
        assert abs(datagram.wall_ns_of(datagram.tag_of(wall_ns)) - wall_ns) <= 1


def seen_by_python_osc(words):
    """What the library finds in a datagram, in its order of elements."""
    found = OscPacket(words).messages
    return sorted((m.message.address, repr(m.message.params)) for m in found)


def test_a_fuzzer_meets_nothing_but_refusals():
    """Whatever comes is read or refused; what is read, python-osc reads the same way."""
    rnd, counts, slowest_s, compared = fuzz.seeded(4), {}, 0.0, 0
    for k in range(40_000):
        words = fuzz.mutated(rnd) if k % 4 else fuzz.hostile(rnd) if k % 8 else fuzz.good(rnd)
        begin_s = time.perf_counter()
        try:
            found = read(words)
        except Refusal as refusal:
            counts[refusal.kind] = counts.get(refusal.kind, 0) + 1
            continue
        finally:
            slowest_s = max(slowest_s, time.perf_counter() - begin_s)
        if all(set(m.tags) <= set("isfbhdTF") for m in found):
            compared += 1
            ours = sorted((m.address, repr(list(m.values))) for m in found)
            assert ours == seen_by_python_osc(words)
    assert set(counts) == {"size", "address", "tags", "text", "number", "element", "depth",
                           "pattern"}
    assert compared > 2000
    assert slowest_s < 0.5                                   # generous: a loaded machine


def test_many_shapes_of_tags_are_not_kept():
    for k in range(2 * datagram.MOST_SHAPES):
        tags = "".join("if"[k >> bit & 1] for bit in range(11))
        assert read(datagram.message("/a", tags, [1] * 11))[0].tags == tags
    assert len(datagram._shapes) <= datagram.MOST_SHAPES
