"""OSCQuery and its adverts, from outside: what the proposal asks for, and what strangers try."""
import asyncio
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg

from engine.errors import EngineError
from engine.surface import Entry
from engine.wires.process import Wires
from engine.wires.query import MOST_LINKS, MOST_SOCKETS
from engine.wires.query_tree import changed_path
from engine.wires.strangers import ours

HERE = Path(__file__).parent
ENTRIES = [
    Entry("/panic", "trigger", "", about="everything that sounds stops now"),
    Entry("/hold", "trigger", "i"),
    Entry("/ramp", "trigger", "ff", 20.0, 400.0, 120.0, unit="bpm"),
    Entry("/scene", "trigger", "s", choices=("intro", "drop")),
    Entry("/prompt", "trigger", "s"),
    Entry("/a/bass/cutoff_hz", "value", "f", 80.0, 6000.0, 400.0, "exp", "hz", "cutoff",
          "bass.cutoff_hz"),
    Entry("/a/bass/steps", "value", "i", 1.0, 16.0, 4.0, path="bass.steps"),
    Entry("/a/bass/shape", "value", "s", choices=("saw", "square"), path="bass.shape"),
    Entry("/a/kick/level_db", "value", "f", -120.0, 12.0, -3.0, "lin", "db", "", "kick.level_db"),
    Entry("/beat", "out", "ii"),
    Entry("/section", "out", "s"),
    Entry("/feature/entropy_nat", "out", "f", unit="nat"),
]
PLACE = {entry.address: k for k, entry in enumerate(ENTRIES)}
CUTOFF, LEVEL = "/a/bass/cutoff_hz", "/a/kick/level_db"
WAIT_S = 5.0


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Outside:
    """A wires process without adverts, and how to ask it."""

    def __init__(self, **osc):
        self.port = free_port(socket.SOCK_STREAM)
        self.osc_port = free_port()
        self.wires = Wires({"osc": {"host": "127.0.0.1", "port": self.osc_port, "announce": False,
                                    "query_port": self.port} | osc})
        self.register(ENTRIES)
        self.wires.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def register(self, entries):
        """A registry, with one address more that says which it is."""
        entries = [*entries, Entry(f"/_{self.wires.version + 1}", "out", "i")]
        self.wires.register(entries, [e.default for e in entries])

    def ask(self, target, method="GET", host=None, headers=()):
        """(status, JSON)"""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        link.putrequest(method, target, skip_host=True)
        for name, value in (("Host", host or f"127.0.0.1:{self.port}"), *headers):
            link.putheader(name, value)
        link.endheaders()
        answer = link.getresponse()
        words = answer.read()
        link.close()
        assert not words or answer.getheader("Content-Type", "").startswith("application/json") or (
            answer.status == 405)
        return answer.status, json.loads(words) if words and answer.status == 200 else None

    def asked(self, count=1):
        """The commands that came, once there are so many or nothing came for long."""
        found, end = [], time.monotonic() + WAIT_S
        while len(found) < count and time.monotonic() < end:
            found += [one for one in self.wires.asked() if one[3] != 3]
            time.sleep(0.01)
        return [(address, values, text) for address, values, text, _, _ in found]

    def set(self, address, value):
        self.wires.values[PLACE[address]] = value


@pytest.fixture(scope="module")
def served():
    outside = Outside()
    yield outside
    outside.wires.close()


@pytest.fixture
def stage(served):
    served.register(ENTRIES)
    until(lambda: served.ask(f"/_{served.wires.version}")[0] == 200)
    list(served.wires.asked())
    return served


def until(true, limit_s=WAIT_S):
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def talk(stage, script, **more):
    """Runs script(ws) on a WebSocket of its own."""
    async def run():
        async with aiohttp.ClientSession() as session, session.ws_connect(
                stage.url, **more) as ws:
            return await asyncio.wait_for(script(ws), 20.0)
    return asyncio.run(run())


async def command(ws, what, address):
    await ws.send_str(json.dumps({"COMMAND": what, "DATA": address}))


async def heard(ws, limit_s=WAIT_S):
    """(address, arguments) of the next OSC message, or the next text as JSON."""
    said = await ws.receive(limit_s)
    if said.type == aiohttp.WSMsgType.TEXT:
        return json.loads(said.data)
    assert said.type == aiohttp.WSMsgType.BINARY, said
    message = OscMessage(said.data)
    return message.address, message.params


# ---- the tree, against the proposal's text
JSON_OF = {"i": (int,), "f": (int, float), "s": (str,), "I": (type(None),)}


def check_node(node, path):
    """What the proposal says of a node's attributes, for nodes of the types that we have."""
    assert node["FULL_PATH"] == path                       # "required to return a non-null value"
    access, tags = node.get("ACCESS"), node.get("TYPE")
    assert access in (0, 1, 2, 3) and (tags is None) == (access == 0)
    if "CONTENTS" in node:
        assert isinstance(node["CONTENTS"], dict) and node["CONTENTS"]
        for name, inner in node["CONTENTS"].items():
            check_node(inner, f"{path.rstrip('/')}/{name}")
    assert isinstance(node.get("DESCRIPTION", ""), str)
    if "VALUE" in node:
        assert access & 1
        assert all(isinstance(v, JSON_OF[t]) for v, t in zip(node["VALUE"], tags, strict=True))
    for key in ("RANGE", "UNIT", "CLIPMODE"):              # "one item per OSC type in the … string"
        assert key not in node or len(node[key]) == len(tags)
    for limits, tag in zip(node.get("RANGE", ()), tags or "", strict=False):
        if limits is not None:
            assert set(limits) <= {"MIN", "MAX", "VALS"} and limits
            for value in (*limits.get("VALS", ()), *(
                    limits[k] for k in ("MIN", "MAX") if k in limits)):
                assert isinstance(value, JSON_OF[tag])
    assert all(unit is None or isinstance(unit, str) for unit in node.get("UNIT", ()))
    assert set(node.get("CLIPMODE", ())) <= {"none", "low", "high", "both"}


def leaves(node):
    if "TYPE" in node:
        yield node["FULL_PATH"], node
    for inner in node.get("CONTENTS", {}).values():
        yield from leaves(inner)


def test_the_tree_is_the_registry_as_the_proposal_wants_it(stage):
    status, root = stage.ask("/")
    assert status == 200
    check_node(root, "/")
    found = {a: node for a, node in leaves(root) if not a.startswith("/_")}
    assert set(found) == set(PLACE)
    assert {a: n["ACCESS"] for a, n in found.items()} == {
        e.address: {"value": 3, "trigger": 2, "out": 1}[e.kind] for e in ENTRIES}
    assert found[CUTOFF] == {
        "FULL_PATH": CUTOFF, "ACCESS": 3, "TYPE": "f", "VALUE": [400.0], "CLIPMODE": ["both"],
        "RANGE": [{"MIN": 80.0, "MAX": 6000.0}], "UNIT": ["time.hz"], "DESCRIPTION": "cutoff"}
    assert found["/scene"]["RANGE"] == [{"VALS": ["intro", "drop"]}]
    assert found["/ramp"]["RANGE"] == [{"MIN": 20.0, "MAX": 400.0}, None]
    assert found["/a/bass/shape"]["VALUE"] == ["saw"] and found["/panic"]["TYPE"] == "I"
    assert found["/a/bass/steps"]["VALUE"] == [4]


def test_host_info_wherever_it_is_asked(stage):
    for path in ("/", CUTOFF, "/no/such"):
        status, info = stage.ask(f"{path}?HOST_INFO")
        assert status == 200
        assert {k: type(info[k]) for k in ("NAME", "EXTENSIONS", "OSC_IP", "OSC_PORT",
                                           "OSC_TRANSPORT", "WS_IP", "WS_PORT")} == {
            "NAME": str, "EXTENSIONS": dict, "OSC_IP": str, "OSC_PORT": int, "OSC_TRANSPORT": str,
            "WS_IP": str, "WS_PORT": int}
        assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"], info["WS_PORT"]) == (
            "127.0.0.1", stage.osc_port, "UDP", stage.port)
        assert all(info["EXTENSIONS"][k] is True for k in ("ACCESS", "VALUE", "RANGE", "LISTEN",
                                                           "PATH_CHANGED"))
    assert "HOST_INFO" not in stage.ask("/")[1]            # "never be provided by … default"


@pytest.mark.parametrize("target, status, found", [
    (CUTOFF + "?VALUE", 200, {"VALUE": [400.0]}),
    (CUTOFF + "/?RANGE", 200, {"RANGE": [{"MIN": 80.0, "MAX": 6000.0}]}),
    ("/a/b%61ss/cutoff_hz?ACCESS", 200, {"ACCESS": 3}),
    ("/a/bass?FULL_PATH", 200, {"FULL_PATH": "/a/bass"}),
    ("/a/bass?TYPE", 200, {}),                             # "Some queries may return empty objects"
    ("/section?VALUE", 200, {}),                           # "does not yet have a value"
    ("/panic?VALUE", 204, None), ("/panic?RANGE", 204, None), ("/prompt?RANGE", 204, None),
    ("/a/bass?VALUE", 204, None), (CUTOFF + "?CONTENTS", 204, None), ("/?TAGS", 204, None),
    (CUTOFF + "?GABBAGABBAHEY", 400, None), (CUTOFF + "?value", 400, None),
    (CUTOFF + "?VALUE=1", 400, None), (CUTOFF + "?VALUE&RANGE", 400, None),
    ("//a", 400, None), ("/a//bass", 400, None), ("/%ff", 400, None), ("/a/b%20c", 400, None),
    ("/a/*", 400, None), ("/a/%00", 400, None), ("/a/../a/bass?VALUE", 404, None),
    ("/nope", 404, None), ("/nope?VALUE", 404, None), (CUTOFF + "/deeper", 404, None),
])
def test_what_is_answered(stage, target, status, found):
    assert stage.ask(target) == (status, found)


def test_only_get(stage):
    assert {stage.ask("/", method)[0] for method in ("POST", "PUT", "DELETE")} == {405}


def test_values_are_live(stage):
    stage.set(CUTOFF, 1234.5)
    stage.set("/a/bass/shape", 1)
    assert stage.ask(CUTOFF + "?VALUE")[1] == {"VALUE": [1234.5]}
    assert stage.ask("/a/bass/shape?VALUE")[1] == {"VALUE": ["square"]}
    stage.set(CUTOFF, float("nan"))                        # JSON has no such number
    assert stage.ask(CUTOFF + "?VALUE") == (200, {})


def test_what_the_stage_says_is_the_value_of_what_is_only_sent(stage):
    stage.wires.tell(PLACE["/beat"], (7.0, 3.0))
    stage.wires.tell(PLACE["/section"], text="drop")
    until(lambda: stage.ask("/section?VALUE")[1] == {"VALUE": ["drop"]})
    assert stage.ask("/beat?VALUE")[1] == {"VALUE": [7, 3]}


# ---- the WebSocket
def test_listen_streams_what_changes_and_ignore_ends_it(stage):
    async def script(ws):
        await command(ws, "LISTEN", CUTOFF)
        assert await heard(ws) == (CUTOFF, [400.0])
        stage.set(LEVEL, -20.0)                            # not asked for
        stage.set(CUTOFF, 500.0)
        assert await heard(ws) == (CUTOFF, [500.0])
        await command(ws, "IGNORE", CUTOFF)
        await asyncio.sleep(0.1)
        stage.set(CUTOFF, 600.0)
        with pytest.raises(asyncio.TimeoutError):
            await heard(ws, 0.3)
    talk(stage, script)


def test_a_stream_is_at_most_thirty_a_second_and_ends_at_the_last_value(stage):
    async def script(ws):
        await command(ws, "LISTEN", CUTOFF)
        assert await heard(ws) == (CUTOFF, [400.0])
        found, begun = [], time.monotonic()
        for k in range(300):
            stage.set(CUTOFF, 1000.0 + k)
            await asyncio.sleep(0.003)
        took_s = time.monotonic() - begun
        while not found or found[-1] != 1299.0:
            found.append((await heard(ws))[1][0])
        assert 10 <= len(found) <= 31 * took_s + 3
    talk(stage, script)


def test_events_are_streamed_each_and_in_order(stage):
    async def script(ws):
        await command(ws, "LISTEN", "/beat")
        await command(ws, "LISTEN", "/feature/entropy_nat")
        await asyncio.sleep(0.1)
        for beat in range(4):
            stage.wires.tell(PLACE["/beat"], (1.0, beat + 1.0))
            stage.wires.tell(PLACE["/feature/entropy_nat"], (beat / 4,))
        beats, flowed = [], []
        while len(beats) < 4 or flowed[-1:] != [[0.75]]:
            address, values = await heard(ws)
            (beats if address == "/beat" else flowed).append(values)
        assert beats == [[1, 1], [1, 2], [1, 3], [1, 4]] and flowed == sorted(flowed)
    talk(stage, script)


def test_a_socket_sets_a_value_and_pulls_a_trigger(stage):
    async def script(ws):
        for address, values in ((CUTOFF, [700.0]), (LEVEL, [99.0]), ("/scene", ["drop"])):
            await ws.send_bytes(build_msg(address, values).dgram)
        await asyncio.sleep(0.1)
    talk(stage, script)
    found = stage.asked(3)
    assert sorted(found) == [(CUTOFF, [700.0], ""), (LEVEL, [12.0], ""), ("/scene", [], "drop")]


def test_a_panic_over_a_socket_is_heard_at_once(stage):
    before = int(stage.wires.board.words[0])
    talk(stage, lambda ws: ws.send_bytes(build_msg("/panic", []).dgram))
    until(lambda: int(stage.wires.board.words[0]) > before)
    assert stage.asked() == [("/panic", [], "")]


def test_the_hand_that_moves_is_not_answered_but_others_are(stage):
    async def script(ws):
        async with aiohttp.ClientSession() as session, session.ws_connect(stage.url) as other:
            for one in (ws, other):
                await command(one, "LISTEN", CUTOFF)
                assert await heard(one) == (CUTOFF, [400.0])
            await ws.send_bytes(build_msg(CUTOFF, [900.0]).dgram)
            await asyncio.sleep(0.05)
            stage.set(CUTOFF, 900.0)
            assert await heard(other) == (CUTOFF, [900.0])
            with pytest.raises(asyncio.TimeoutError):
                await heard(ws, 0.6)
    talk(stage, script)


@pytest.mark.parametrize("said", [
    b"", b"no", b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc", b"/a/bass/cutoff_hz\0\0\0,f\0\0",
    build_msg("/nope", [1.0]).dgram, build_msg(CUTOFF, ["x"]).dgram, build_msg("/beat", [1]).dgram,
    build_msg("/scene", ["nope"]).dgram, build_msg("/" + "*" * 40, [1.0]).dgram,
    "", "[]", "{", "[" * 5000, '{"COMMAND": "LISTEN"}', '{"COMMAND": "LISTEN", "DATA": 3}',
    '{"COMMAND": "LISTEN", "DATA": "/nope"}', '{"COMMAND": "EVAL", "DATA": "/beat"}'])
def test_nonsense_is_refused_and_the_socket_stays(stage, said):
    async def script(ws):
        await (ws.send_str(said) if isinstance(said, str) else ws.send_bytes(said))
        await command(ws, "LISTEN", CUTOFF)
        assert await heard(ws) == (CUTOFF, [400.0])
    talk(stage, script)
    assert [one for one in stage.wires.asked() if one[3] != 3] == []


def packet(*messages, ahead_s=None):
    """A bundle of (address, values)."""
    made = OscBundleBuilder(IMMEDIATELY if ahead_s is None else time.time() + ahead_s)
    for address, values in messages:
        made.add_content(OscMessage(build_msg(address, values).dgram))
    return made.build().dgram


def test_each_message_of_a_packet_is_taken_or_refused_for_itself(stage):
    before = refused(stage, "unknown")

    async def script(ws):
        await ws.send_bytes(packet(("/nope", [1]), (CUTOFF, [700.0]), ("/nope", [2])))
        await ws.send_bytes(packet(("/scene", ["drop"]), ahead_s=0.5))
        await ws.send_bytes(packet(("/scene", ["intro"]), ahead_s=60.0))
        await asyncio.sleep(0.2)
    talk(stage, script)
    found = [one for one in stage.wires.asked() if one[3] != 3]
    assert [one[:2] for one in found] == [("/scene", []), (CUTOFF, [700.0])] or [
        one[:2] for one in found] == [(CUTOFF, [700.0]), ("/scene", [])]
    due_ns = {one[0]: one[4] for one in found}
    assert due_ns[CUTOFF] == 0 and 0 < due_ns["/scene"] - time.monotonic_ns() < 500_000_000
    assert refused(stage, "unknown") == before + 2 and refused(stage, "timetag") >= 1


def test_a_packet_counts_by_its_messages(stage):
    before = refused(stage, "rate")

    async def script(ws):
        for _ in range(60):
            await ws.send_bytes(packet(*[("/hold", [1])] * 100))
        await asyncio.sleep(0.3)
    talk(stage, script)
    assert refused(stage, "rate") > before + 20
    assert len([one for one in stage.wires.asked() if one[3] != 3]) < 4000


def test_what_is_no_http_is_counted_and_written_nowhere(stage):
    before, log = refused(stage, "http"), stage.wires.folder / "log"
    size = log.stat().st_size
    for said in (b"GET / HTTP/9.9\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", stage.port), WAIT_S) as sock:
            sock.sendall(said)
            sock.recv(1000)
    assert refused(stage, "http") >= before + 1 and log.stat().st_size == size


def test_a_message_too_large_ends_the_socket(stage):
    async def script(ws):
        await ws.send_bytes(bytes(20_000))
        said = await ws.receive(WAIT_S)
        assert said.type == aiohttp.WSMsgType.CLOSE and said.data == 1009
    talk(stage, script)
    assert stage.ask("/")[0] == 200


def test_a_changed_registry_is_told_and_what_is_gone_falls_silent(stage):
    async def script(ws):
        for address in (CUTOFF, LEVEL):
            await command(ws, "LISTEN", address)
            assert (await heard(ws))[0] == address
        stage.register([e for e in ENTRIES if e.address != CUTOFF])
        assert await heard(ws) == {"COMMAND": "PATH_CHANGED", "DATA": "/"}    # "/_1" is "/_2"
        assert stage.ask(CUTOFF)[0] == 404 and stage.ask(LEVEL)[0] == 200
        assert await heard(ws) == (LEVEL, [-3.0])          # again, from the new registry
        stage.wires.values[:] = -7.0
        assert await heard(ws) == (LEVEL, [-7.0])
        there = [*ENTRIES, Entry("/a/kick/drive", "value"), Entry("/a/kick/tune", "value")]
        for entries in (there, there[:-1]):
            stage.wires.register(entries, [e.default for e in entries])
            told = await heard(ws)
            assert await heard(ws) == (LEVEL, [-3.0])
        assert told == {"COMMAND": "PATH_CHANGED", "DATA": "/a/kick"}
    talk(stage, script)


def test_sockets_are_counted_and_a_place_is_given_back(stage):
    async def run():
        async with aiohttp.ClientSession() as session:
            open_ = [await session.ws_connect(stage.url) for _ in range(MOST_SOCKETS)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(stage.url)
            assert refused.value.status == 503
            await open_.pop().close()
            await asyncio.sleep(0.2)
            open_.append(await session.ws_connect(stage.url))
            for one in open_:
                await one.close()
    asyncio.run(run())
    until(lambda: talk(stage, lambda ws: ws.close()))


def test_one_that_does_not_read_holds_up_nobody(stage):
    key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", stage.port))
        deaf.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}\r\n".encode())
        assert b"101" in deaf.recv(4096)
        text = json.dumps({"COMMAND": "LISTEN", "DATA": "/section"}).encode()
        deaf.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        size = memory(stage.wires.process.pid)

        async def script(ws):
            await command(ws, "LISTEN", CUTOFF)
            assert (await heard(ws))[0] == CUTOFF
            for k in range(60):                            # 60 · 256 · 84 bytes: 1.3 MB
                for _ in range(256):
                    stage.wires.tell(PLACE["/section"], text="x" * 64)
                stage.set(CUTOFF, 1000.0 + k)
                assert await heard(ws, 2.0) == (CUTOFF, [1000.0 + k])
        talk(stage, script)
        assert memory(stage.wires.process.pid) < size + 8 * 1024 ** 2
    assert refused(stage, "slow") > 0


def refused(stage, kind):
    """How many of a kind were refused, asked over OSC."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT_S)
        sock.sendto(build_msg("/refused", []).dgram, ("127.0.0.1", stage.osc_port))
        pairs = OscMessage(sock.recv(8192)).params
    return dict(zip(pairs[::2], pairs[1::2], strict=True)).get(kind, 0)


def memory(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_idle_connections_are_bounded_and_a_listener_stays(stage):
    async def script(ws):
        await command(ws, "LISTEN", CUTOFF)
        assert await heard(ws) == (CUTOFF, [400.0])
        idle = [socket.create_connection(("127.0.0.1", stage.port)) for _ in range(MOST_LINKS + 20)]
        try:
            for sock in idle:
                sock.settimeout(WAIT_S)
            assert [sock.recv(1) for sock in idle[:19]] == [b""] * 19
            assert stage.ask("/")[0] == 200
            stage.set(CUTOFF, 432.0)
            assert await heard(ws) == (CUTOFF, [432.0])
        finally:
            for sock in idle:
                sock.close()
    talk(stage, script)


# ---- strangers
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example",
                                  "localhost.evil.example", "10.1.2.3", "user@127.0.0.1", "", "[",
                                  "127.0.0.1/", "2130706433"])
def test_a_page_under_a_strangers_name_gets_nothing(stage, host):
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    if host:
        assert stage.ask("/", host=host)[0] in (400, 403)
        assert stage.ask("/", host=host, headers=headers)[0] in (400, 403)
    else:
        with socket.create_connection(("127.0.0.1", stage.port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(4096).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "file://",
                                    "https://127.0.0.1.evil.example", "http://10.1.2.3:9000"])
def test_a_strangers_page_gets_nothing_by_our_name_either(stage, origin):
    assert stage.ask("/", headers=[("Origin", origin)])[0] == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        talk(stage, lambda ws: ws.close(), origin=origin)
    assert refused.value.status == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST."])
def test_our_own_names_are_let_in(stage, name):
    assert stage.ask("/", host=f"{name}:{stage.port}")[0] == 200
    assert stage.ask("/", headers=[("Origin", f"http://{name}:8000")])[0] == 200


def test_the_address_that_was_reached_is_ours_and_no_other():
    assert ours("http://192.168.1.5:9001", "192.168.1.5", ())
    assert ours("http://192.168.1.5", "::ffff:192.168.1.5", ())
    assert ours("http://[fe80::1]:9", "fe80::1%eth0", ())
    assert ours("http://stage.local", "192.168.1.5", ("stage.local",))
    assert not ours("http://192.168.1.6", "192.168.1.5", ())
    assert not ours("http://stage.local.evil", "192.168.1.5", ("stage.local",))
    assert not ours("http://", "", ("",)) or ours("http://x", "", ()) is False


def test_the_path_that_changed_is_the_deepest_that_holds_it_all():
    a, b, c = (Entry(address, "value") for address in ("/a/x/one", "/a/x/two", "/a/y/one"))
    assert changed_path([a, b], [a, b]) == ""
    assert changed_path([a, b, c], [a, c]) == "/a/x"
    assert changed_path([a, b], [a, b, c]) == "/a/y"
    assert changed_path([a, b, c], [c]) == "/a/x"
    assert changed_path([a], [c]) == "/a"
    assert changed_path([a], [Entry("/a/x/one", "value", high=2.0)]) == "/a/x"
    assert changed_path([], [Entry("/panic", "trigger")]) == "/"


def test_a_port_that_is_taken_is_one_line():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with pytest.raises(EngineError) as fault:
            Outside(query_port=sock.getsockname()[1])
    assert "cannot listen on 127.0.0.1" in str(fault.value) and "\n" not in str(fault.value)


def test_who_only_sends_is_not_to_be_found():
    wires = Wires({"osc": {"port": 0, "to": [["127.0.0.1", free_port()]]}})
    try:
        wires.register(ENTRIES, [e.default for e in ENTRIES])
        wires.start()
        time.sleep(0.5)
        assert list(wires.asked()) == []                   # else it says where it listens
    finally:
        wires.close()


# ---- adverts
LOOPBACK = "ip link set lo up; ip route add 224.0.0.0/4 dev lo\n"
# a second machine at the other end of a cable, as far as the network goes
ROOM = """
ip link add here type veth peer name there
ip addr add 10.77.0.1/24 dev here; ip link set here up
unshare -n sleep 60 & room=$!
trap "kill $room" EXIT
until [ "$(readlink /proc/$room/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
ip link set there netns $room
nsenter -t $room -n sh -ec "ip link set lo up; ip addr add 10.77.0.2/24 dev there
                            ip link set there up; ip route add 224.0.0.0/4 dev there"
export room
"""


def apart(settings, peers, network=LOOPBACK):
    """Stages and peers in network namespaces of their own, which no packet leaves."""
    if not all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip")):
        pytest.skip("needs unshare, nsenter and ip, to make a network namespace")
    if subprocess.run(["unshare", "-n", "sh", "-ec", network], capture_output=True).returncode:
        pytest.skip("not allowed to make a network namespace with this network")
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", network + '"$@"', "sh", sys.executable,
         str(HERE / "query_stage.py"), json.dumps(settings), json.dumps(peers)],
        capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[2])})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_another_process_finds_the_stage_and_sets_what_it_found():
    found = apart([{"host": "127.0.0.1", "port": 9000}], [["set", "127.0.0.1", "time.hz"]])
    peer, = found["peers"]
    assert set(peer["services"]) == {"hiddenstage._oscjson._tcp.local.",
                                     "hiddenstage._osc._udp.local."}
    assert peer["services"]["hiddenstage._osc._udp.local."] == [["127.0.0.1"], 9000]
    assert peer["set"].startswith("/a/") and peer["set"].endswith("_hz")
    address, values, *_ = next(one for one in found["asked"] if one[3] == 1)
    assert (address, values) == (peer["set"], [pytest.approx(peer["to"], rel=1e-6)])


@pytest.mark.slow
def test_a_second_stage_has_a_number():
    found = apart([{"port": 9000, "settle_s": 3.0}, {"port": 9010, "settle_s": 3.0}],
                  [["browse", "127.0.0.1", "4"]])
    services, = found["peers"]
    assert {name: port for name, (_, port) in services.items() if "_osc._udp" in name} == {
        "hiddenstage._osc._udp.local.": 9000, "hiddenstage-2._osc._udp.local.": 9010}


def test_a_loopback_stage_is_not_announced_to_the_room():
    found = apart([{"host": "127.0.0.1", "port": 9000, "settle_s": 3.0}],
                  [["room", "browse", "10.77.0.2", "2"], ["browse", "127.0.0.1", "2"]],
                  LOOPBACK + ROOM)
    room, loopback = found["peers"]
    assert room == {} and len(loopback) == 2


def test_a_stage_for_the_room_is_found_and_set_from_there():
    found = apart([{"host": "0.0.0.0", "port": 9000}],
                  [["room", "set", "10.77.0.2", "time.hz"]], LOOPBACK + ROOM)
    peer, = found["peers"]
    assert len(peer["services"]) == 2
    assert all(addresses == ["10.77.0.1"] for addresses, _ in peer["services"].values())
    assert [one[0] for one in found["asked"] if one[3] == 1] == [peer["set"]]


@pytest.mark.slow
def test_no_adverts_when_they_are_off():
    found = apart([{"port": 9000, "announce": False}], [["browse", "127.0.0.1", "1"]])
    assert found["peers"] == [{}]
