"""OSCQuery: what a surface can do, told over HTTP; values over a WebSocket. Thread: control (wires
process).

A web page of a stranger must not reach the stage through the performer's browser (DNS rebinding),
so a request names a host that no stranger's name server can point here. What a WebSocket sends goes
through the same reading and typing as a datagram. Source: Vidvox, OSC Query Proposal.
"""
import asyncio
import contextlib
import json
import logging
import re
import secrets
import socket
import time
from urllib.parse import unquote

from aiohttp import WSMsgType, web

from engine.errors import EngineError
from engine.wires.announce import NAME, announce
from engine.wires.datagram import MOST_BYTES, Refusal, read
from engine.wires.osc import BYTES_A_MESSAGE, Budget, due_ns
from engine.wires.osc_in import Asked
from engine.wires.osc_out import laid
from engine.wires.osc_targets import resolved
from engine.wires.query_socket import Socket
from engine.wires.query_tree import ATTRIBUTES, OTHERS, READABLE, Tree, changed_path, present
from engine.wires.strangers import welcome

PERIOD_S = 1 / 30
MOST_SOCKETS, MOST_LINKS, SEND_BYTES = 16, 64, 65536
REQUESTS_HZ, MESSAGES_HZ = 200.0, 2000.0
GOODBYE_S, SILENT_S = 0.2, 30.0
EXTENSIONS = dict.fromkeys(("ACCESS", "VALUE", "RANGE", "UNIT", "DESCRIPTION", "CLIPMODE", "LISTEN",
                            "PATH_CHANGED"), True)
ADDRESS = re.compile(r"/|(?:/[^\x00- #*,/?\[\]{}\x7f-\U0010ffff]+)+")
OPTIONAL = {"TYPE": 0, "VALUE": READABLE}   # asked of a node that has none: an empty object


def listening(host, port):
    """A bound TCP socket that listens.

    raises  EngineError when the port is taken or the host is not of this machine
    """
    family, address = resolved(host, port, f"OSCQuery: cannot listen on {host!r}")
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)   # old values are of no use
    try:
        sock.bind(address)
        sock.listen(MOST_SOCKETS)
    except OSError as fault:
        sock.close()
        raise EngineError(f"OSCQuery: cannot listen on {host}:{port} ({fault.strerror}); choose "
                          "another port") from None
    sock.setblocking(False)
    return sock


class Counted(logging.Logger):
    """What aiohttp finds wrong with a request is a refusal, not a page of the log."""

    def __init__(self, stage):
        super().__init__(NAME, logging.ERROR)
        self.stage = stage

    def handle(self, record):
        self.stage.refuse("http")


class Query:
    """The service; made (and bound) before the wires process is ready.

    raises  EngineError
    """

    def __init__(self, stage):
        wanted = stage.settings["osc"]
        self.stage, self.osc_port = stage, int(wanted["port"])
        self.host = wanted.get("host", "127.0.0.1")
        self.announced = wanted.get("announce", True)
        self.sock = listening(self.host, int(wanted.get("query_port") or 0))
        self.address, self.port = self.sock.getsockname()[:2]
        self.server = f"{NAME}-{secrets.token_hex(3)}.local"
        self.asked, self.tree, self.heard, self.sockets = Asked(stage), Tree(()), {}, set()
        self._requests = Budget(REQUESTS_HZ, REQUESTS_HZ, time.monotonic())
        self._look()
        stage.listeners.append(self._hear)

    async def serve(self):
        """Until cancelled."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, logger=Counted(self.stage),
                               shutdown_timeout=GOODBYE_S,
                               keepalive_timeout=SILENT_S)
        await runner.setup()
        await web.SockSite(runner, self.sock).start()
        self.stage.say(f"OSCQuery on http://{self._netloc()}")
        ports = {"_oscjson._tcp": self.port, "_osc._udp": self.osc_port}
        advert = asyncio.create_task(announce(self.stage, self.address, f"{self.server}.", ports)
                                     if self.announced else asyncio.sleep(0))
        try:
            while True:
                self._look()
                self.stage.hear()
                self.asked.flush()
                self._spare(runner.server.connections)
                await asyncio.sleep(PERIOD_S)
        finally:
            advert.cancel()
            await asyncio.gather(advert, self._leave(runner), return_exceptions=True)

    def _spare(self, links):
        """Closes the oldest of too many connections that talk HTTP, or nothing."""
        if len(links) > MOST_LINKS:
            talking = {one.transport for one in self.sockets}
            for link in [one for one in links if one.transport not in talking][:-MOST_LINKS]:
                self.stage.refuse("links")
                link.force_close()

    async def _leave(self, runner):
        await asyncio.gather(*(s.web.close(code=1001) for s in self.sockets),
                             return_exceptions=True)
        await runner.cleanup()

    def _netloc(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else (
            f"{self.address}:{self.port}")

    def _look(self):
        """Follows the registry; tells every socket what of it is another."""
        before = self.asked.entries
        if not self.asked.look():
            return
        self.tree, self.heard = Tree(self.asked.entries), {}
        path = changed_path(before, self.asked.entries)
        for one in self.sockets:
            one.follow(self.asked.addresses.exact, path)

    # ---- values
    def _hear(self, place, values, text, sample):
        """One thing that the stage said: kept as the value of what is only sent."""
        self._look()
        if place >= len(self.asked.entries):
            return
        entry = self.asked.entries[place]
        arguments = laid(entry, values, text)
        if entry.kind != "out" or arguments is None:
            return
        self.heard[place] = arguments
        for one in self.sockets:
            one.hear(entry, arguments)

    def value_of(self, place):
        """The arguments that an entry stands at; None for none yet."""
        entry = self.asked.entries[place]
        if entry.kind == "out":
            return self.heard.get(place)
        return present(entry, float(self.stage.values[place]))

    # ---- HTTP
    async def _answer(self, request):
        names = ("localhost", self.host.lower(), self.server)
        if not welcome(request, names):
            self.stage.refuse("stranger")
            return _fault(403, "ask by address or as localhost")
        if not self._requests.take(time.monotonic()):
            return _fault(429, "too many requests")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._talk(request)
        self._look()
        status, found = self._said(request.raw_path)
        return _fault(status, found) if status != 200 else web.json_response(found)

    def _said(self, target):
        """(status, JSON or the reason) of a request's path and query."""
        path, _, query = target.partition("#")[0].partition("?")
        if query == "HOST_INFO":
            return 200, self._host_info()
        path = unquote(path).removesuffix("/") or "/"     # what is no UTF-8 becomes no address
        if not ADDRESS.fullmatch(path):
            return 400, "no OSC address"
        if query and query not in (*ATTRIBUTES, *OTHERS):
            return 400, f"no attribute {query:.40}; there are {', '.join(ATTRIBUTES)}"
        node = self.tree.find(path)
        if node is None:
            return 404, "no such address"
        found = node.described(self.value_of)
        if not query or query in found:
            return 200, {query: found[query]} if query else found
        needs = OPTIONAL.get(query)
        empty = needs is not None and found["ACCESS"] & needs == needs
        return (200, {}) if empty else (204, "")

    def _host_info(self):
        found = {"NAME": NAME, "OSC_PORT": self.osc_port, "OSC_TRANSPORT": "UDP",
                 "WS_PORT": self.port, "EXTENSIONS": EXTENSIONS}
        if self.address not in ("0.0.0.0", "::"):
            found |= {"OSC_IP": self.address, "WS_IP": self.address}
        return found

    # ---- WebSocket
    async def _talk(self, request):
        if len(self.sockets) >= MOST_SOCKETS:
            self.stage.refuse("sockets")
            return _fault(503, f"{MOST_SOCKETS} are listening already")
        one = Socket(web.WebSocketResponse(max_msg_size=MOST_BYTES, compress=False,
                                           heartbeat=SILENT_S, timeout=GOODBYE_S),
                     request.transport, Budget(MESSAGES_HZ, MESSAGES_HZ, time.monotonic()))
        self.sockets.add(one)
        stream = None
        try:
            await one.web.prepare(request)
            stream = asyncio.create_task(self._stream(one))
            async for said in one.web:
                try:
                    self._take(one, said)
                except Refusal as refusal:
                    self.stage.refuse(refusal.kind)
        finally:
            self.sockets.discard(one)
            if stream:
                stream.cancel()
        return one.web

    async def _stream(self, one):
        """Thirty times a second, what it does not know; nothing to one that does not read."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                await asyncio.sleep(PERIOD_S)
                self._look()               # values are in the order of the newest registry
                if one.transport.get_write_buffer_size() > SEND_BYTES:
                    self.stage.refuse("slow")
                    one.forget()
                    continue
                if one.changed:
                    path, one.changed = one.changed, ""
                    await one.web.send_str(json.dumps({"COMMAND": "PATH_CHANGED", "DATA": path}))
                for words in one.due(self, time.monotonic()):
                    await one.web.send_bytes(words)

    def _take(self, one, said):
        """One message of a WebSocket.

        raises  Refusal
        """
        if not one.budget.take(time.monotonic()):
            raise Refusal("rate")
        self._look()
        if said.type == WSMsgType.BINARY:
            self._take_osc(one, said.data)
            self.asked.flush()
        elif said.type == WSMsgType.TEXT:
            one.command(said.data, self.asked.addresses.exact)

    def _take_osc(self, one, data):
        """A packet, counted by its messages as a datagram is; each of them is taken or refused for
        itself.

        raises  Refusal
        """
        try:
            messages = read(data)
        except Refusal:
            one.budget.left -= len(data) >> BYTES_A_MESSAGE
            raise
        one.budget.left -= len(messages) - 1
        for found in messages:
            try:
                self._set(one, found)
            except Refusal as refusal:
                self.stage.refuse(refusal.kind)
                one.budget.left -= len(messages) > 1

    def _set(self, one, found):
        """One message, at its time; patterns are for datagrams."""
        place = self.asked.addresses.exact.get(found.address)
        if place is None:
            raise Refusal("unknown")
        given = self.asked.take(place, found, due_ns(found.time))
        if given is not None:
            one.moved(found.address, given, time.monotonic())


def _fault(status, reason):
    return web.json_response({"ERROR": reason}, status=status) if status != 204 else (
        web.Response(status=204))


def serve_query(stage):
    """The coroutine of the service, its port bound."""
    return Query(stage).serve()
