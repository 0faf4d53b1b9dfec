"""The OSC service: the wires process as it is, peers as processes of their own, all on loopback.
Thread: control."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from bench import _osc_fuzz as fuzz
from engine.errors import EngineError
from engine.records import SAY, TRIGGER, VALUE
from engine.surface import Entry
from engine.wires import datagram
from engine.wires.board import PANIC, TIME_COUNT
from engine.wires.osc_budget import BURST, RATE_HZ
from engine.wires.process import Wires

ROOT = Path(__file__).parents[3]
ENTRIES = (Entry("/panic", "trigger", ""), Entry("/hit", "trigger", "i"),
           Entry("/prompt", "trigger", "s"), Entry("/a/bass/cutoff_hz", "value", "f", 20.0, 2000.0),
           Entry("/a/bell/cutoff_hz", "value", "f", 20.0, 2000.0),
           Entry("/a/bass/level_db", "value", "f", -60.0, 6.0),
           Entry("/note", "out", "sff"), Entry("/feature/token/surprisal_nat", "out", "f"),
           Entry("/beat", "out", "ii"))
VALUES = (0.0, 0.0, 0.0, 500.0, 600.0, -6.0, 0.0, 0.0, 0.0)
NOTE, FEATURE, BEAT = 6, 7, 8


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Peer:
    """A surface: one socket that asks and listens."""

    def __init__(self, port, before=()):
        self.service, self.before = ("127.0.0.1", port), dict(before)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]

    def send(self, address, tags="", values=()):
        self.raw(datagram.message(address, tags, values))

    def raw(self, words):
        self.sock.sendto(words, self.service)

    def hear(self, seconds=2.0):
        """The messages of the next datagram, none after so many seconds."""
        self.sock.settimeout(seconds)
        try:
            return datagram.read(self.sock.recv(datagram.MOST_BYTES))
        except TimeoutError:
            return []

    def hear_all(self, seconds=0.3):
        """All messages until nothing has come for so long."""
        found = []
        while messages := self.hear(seconds):
            found += messages
        return found

    def ask(self, address, tags="", values=()):
        self.send(address, tags, values)
        [answer] = self.hear()
        return answer

    def refused(self):
        """Refusals by kind since the test began, with "lost"."""
        self.send("/refused")
        [values] = [m.values for m in self.hear_all() if m.address == "/refused"]
        now = dict(zip(values[::2], values[1::2], strict=True))
        return {kind: count - self.before.get(kind, 0) for kind, count in now.items()
                if kind == "lost" or count != self.before.get(kind, 0)}


class House:
    """A stage that stands in: wires with a registry, and hands that read what is asked."""

    def __init__(self, to=(), port=None):
        self.port, self.peers, self.before = port or free_port(), [], {}
        self.wires = Wires({"osc": {"host": "127.0.0.1", "port": self.port, "to": list(to)}})
        self.wires.register(ENTRIES, VALUES)

    def start(self):
        self.wires.start()
        return self

    def peer(self):
        self.peers.append(Peer(self.port, self.before))
        return self.peers[-1]

    def asked(self, count=1, seconds=3.0):
        """At least so many commands, those for the performer apart."""
        end = time.monotonic() + seconds
        found = []
        while len(found) < count and time.monotonic() < end:
            found += [command for command in self.wires.asked() if command[3] != SAY]
            time.sleep(0.001)
        return found

    def log(self):
        return (self.wires.folder / "log").read_text(errors="replace")

    def again(self):
        """As it was at the start; what was counted so far counts no more."""
        for peer in self.peers:
            peer.send("/unsubscribe")
            peer.sock.close()
        self.peers, self.before = [], {}
        self.wires.register(ENTRIES, VALUES)
        time.sleep(0.1)
        self.wires.board.words[PANIC] = 0
        list(self.wires.asked())
        self.before = self.peer().refused()
        self.peers.pop().sock.close()

    def close(self):
        for peer in self.peers:
            peer.sock.close()
        self.wires.close()


@pytest.fixture
def make():
    made = []

    def build(*arguments, **more):
        made.append(House(*arguments, **more))
        return made[-1].start()
    yield build
    for house in made:
        house.close()


@pytest.fixture(scope="module")
def one_house():
    house = House().start()
    yield house
    house.close()


@pytest.fixture
def house(one_house):
    """One wires process for most tests: each begins where the first one did."""
    one_house.again()
    return one_house


def liblo(name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed (apt-get install liblo-tools)")
    return name


# ---- in
def test_oscsend_of_liblo_sets_and_sets_off(house):
    for words in (("/a/bass/cutoff_hz", "f", "440"), ("/hit", "i", "7"),
                  ("/prompt", "s", "A tide")):
        subprocess.run((liblo("oscsend"), "127.0.0.1", str(house.port), *words), check=True,
                       timeout=10)
    commands = sorted(house.asked(3))
    assert commands == [("/a/bass/cutoff_hz", [440.0], "", VALUE, 0),
                        ("/hit", [7.0], "", TRIGGER, 0),
                        ("/prompt", [], "A tide", TRIGGER, 0)]


def test_python_osc_in_another_process_sets_a_value(house):
    subprocess.run((sys.executable, "-c", "from pythonosc.udp_client import SimpleUDPClient as C;"
                    f"C('127.0.0.1', {house.port}).send_message('/a/bell/cutoff_hz', 123.5)"),
                   check=True, timeout=30)
    assert house.asked() == [("/a/bell/cutoff_hz", [123.5], "", VALUE, 0)]


def test_a_timetag_in_the_near_future_is_kept_and_a_far_one_refused(house):
    client = SimpleUDPClient("127.0.0.1", house.port)
    message = OscMessageBuilder("/hit")
    message.add_arg(1)
    for ahead_s in (0.5, 60.0, -3.0):
        bundle = OscBundleBuilder(time.time() + ahead_s)
        bundle.add_content(message.build())
        client.send(bundle.build())
    due_s = time.monotonic() + 0.5
    first, second = house.asked(2)
    assert first[:2] == second[:2] == ("/hit", [1.0])
    assert abs(first[4] / 1e9 - due_s) < 0.3 and second[4] == 0
    assert house.peer().refused() == {"lost": 0, "timetag": 1}


def test_a_pattern_moves_all_that_it_means(house):
    peer = house.peer()
    peer.send("/a/*/cutoff_hz", "f", (99.0,))
    assert sorted(c[:2] for c in house.asked(2)) == [
        ("/a/bass/cutoff_hz", [99.0]), ("/a/bell/cutoff_hz", [99.0])]
    peer.send("/a/*/nothing", "f", (1.0,))
    peer.send("/a/*/*_hz", "s", ("x",))
    assert peer.refused() == {"lost": 0, "type": 1, "unknown": 1}


def test_new_patterns_of_all_senders_are_bounded(house):
    for _ in range(3):
        peer = house.peer()
        for k in range(300):
            peer.send(f"/{peer.port}x{k}*", "f", (1.0,))
    refused = house.peers[0].refused()
    assert refused["pattern"] > 300 and refused["pattern"] + refused["unknown"] == 900


def test_no_trigger_is_lost_while_the_stage_reads_slowly(house):
    peer = house.peer()
    for k in range(1900):
        peer.send("/hit", "i", (k,))
    time.sleep(0.3)
    commands = house.asked(1900, 10.0)
    assert [values[0] for _, values, *_ in commands] == list(range(1900))


def test_a_value_that_nobody_reads_is_overtaken(house):
    peer = house.peer()
    for k in range(1900):
        peer.send("/a/bass/cutoff_hz", "f", (20.0 + k,))
        if k % 100 == 0:
            time.sleep(0.002)
    peer.ask("/ping")
    time.sleep(0.05)
    first = house.asked(0, 0.0) or list(house.wires.asked())
    assert 1 <= len(first) <= 256
    rest = house.asked(1) if first[-1][1] != [1919.0] else first
    assert rest[-1][1] == [1919.0]


def test_panic_is_heard_when_the_stage_stands_still(make):
    """11,000 triggers that nobody takes; then a panic, past all of them."""
    house = make()
    peers = [house.peer() for _ in range(8)]
    for k in range(8 * 1800):
        peers[k % 8].send("/hit", "i", (k,))
        if k % 200 == 0:
            time.sleep(0.004)
    assert house.wires.board.words[PANIC] == 0
    panic_s = time.monotonic()
    peers[0].send("/panic")
    while not house.wires.board.words[PANIC] and time.monotonic() < panic_s + 5:
        time.sleep(0.002)
    assert house.wires.board.words[PANIC] == 1 and time.monotonic() - panic_s < 1.0
    refused = house.peer().refused()
    assert refused["full"] > 0
    hits = [c[1][0] for c in house.asked(8 * 1800 - refused["full"] - refused["lost"] + 1, 20.0)
            if c[0] == "/hit"]
    assert len(hits) + refused["full"] + refused["lost"] == 8 * 1800
    assert hits == sorted(hits)


def test_one_sender_has_its_share_and_no_more(house):
    """A flood from one address; beside it another one loses nothing."""
    loud, calm = house.peer(), house.peer()
    began_s = time.monotonic()
    for k in range(20_000):
        loud.send("/a/bass/cutoff_hz", "f", (20.0,))
        if k % 200 == 0:
            calm.send("/hit", "i", (k // 200,))
            time.sleep(0.002)
    commands = house.asked(100, 5.0)
    assert [c[1][0] for c in commands if c[0] == "/hit"] == list(range(100))
    refused = calm.refused()
    share = BURST + RATE_HZ * (time.monotonic() - began_s)
    assert refused.pop("rate") > max(0, 20_000 - share) and refused == {"lost": 0}


@pytest.mark.parametrize("words", [
    datagram.bundle([datagram.message("/a/bass/cutoff_hz", "f", (99.0,))] * 100),
    datagram.bundle([datagram.message("/x")] * 256) + bytes(4)])
def test_a_datagram_counts_as_the_work_it_makes(house, words):
    peer = house.peer()
    for _ in range(100):
        peer.raw(words)
    assert house.peer().refused()["rate"] > 50


def test_the_fuzzer_over_the_wire(house):
    """Every datagram is taken or counted by the kind that was foreseen; then it still answers."""
    rnd, foreseen, past_reading = fuzz.seeded(7), {}, 0
    for _ in range(3000):                                    # many senders: none over its share
        with contextlib.closing(Peer(house.port).sock) as sock:
            for k in range(3):
                words = fuzz.mutated(rnd) if k else rnd.choice(fuzz.KILLERS)(rnd)
                try:
                    past_reading += len(datagram.read(words))
                except datagram.Refusal as refusal:
                    foreseen[refusal.kind] = foreseen.get(refusal.kind, 0) + 1
                sock.sendto(words, ("127.0.0.1", house.port))
        time.sleep(0.001)
    told = house.peer().refused()
    assert told.pop("lost") == 0
    patterns = told.pop("pattern") - foreseen.pop("pattern")
    rest = {kind: told.pop(kind, 0) for kind in ("unknown", "timetag")}
    assert told == foreseen
    assert patterns >= 0 and patterns + sum(rest.values()) == past_reading
    assert rest["timetag"] > 100 and rest["unknown"] > 1000
    assert house.peer().ask("/ping").address == "/pong"
    assert house.log() == "" and house.wires.alive


def test_refusals_are_told_to_the_performer(make):
    house = make()
    house.peer().raw(b"hello")
    end, told = time.monotonic() + 4, []
    while not told and time.monotonic() < end:
        told = [text for _, _, text, kind, _ in house.wires.asked()
                if kind == SAY and text.startswith("OSC:")]
        time.sleep(0.01)
    assert told == ["OSC: 1 refused; so far 1 size"]


# ---- questions
def test_the_questions(house):
    peer = house.peer()
    assert peer.ask("/ping", "i", (4,)) == datagram.Message("/pong", "i", (4,))
    assert peer.ask("/get", "s", ("/a/bell/cutoff_hz",)) == datagram.Message(
        "/a/bell/cutoff_hz", "f", (600.0,))
    house.wires.values[4] = 700.0
    assert peer.ask("/get", "s", ("/a/bell/cutoff_hz",)).values == (700.0,)
    for wrong in ("/nobody", "/hit", "/note"):
        peer.send("/get", "s", (wrong,))
    peer.send("/get", "i", (1,))
    assert peer.refused() == {"lost": 0, "type": 1, "unknown": 3}


def test_a_subscriber_hears_what_it_asked_for_until_it_asks_no_more(house):
    peer = house.peer()
    assert peer.ask("/subscribe", "sf", ("/note", 60.0)).values == ("/note", 60.0, 1)
    house.wires.tell(NOTE, (60.0, 0.5), "bass")
    house.wires.tell(BEAT, (1, 1))
    assert peer.hear_all() == [datagram.Message("/note", "sff", ("bass", 60.0, 0.5))]
    peer.send("/unsubscribe")
    assert peer.ask("/ping").address == "/pong"
    house.wires.tell(NOTE, (61.0, 0.5), "bass")
    assert peer.hear(0.3) == []


def test_a_subscription_ends_if_it_is_not_renewed(house):
    peer, other = house.peer(), house.peer()
    peer.ask("/subscribe", "sf", ("/beat", 1.0))
    other.ask("/subscribe", "sf", ("/beat", 1.0))
    time.sleep(0.7)
    other.ask("/subscribe", "sf", ("/beat", 1.0))
    time.sleep(0.6)
    house.wires.tell(BEAT, (3, 1))
    assert other.hear() == [datagram.Message("/beat", "ii", (3, 1))]
    assert peer.hear(0.2) == []


def test_a_subscription_for_another_port_of_the_same_host_only(house):
    peer, other = house.peer(), house.peer()
    answer = peer.ask("/subscribe/to", "sis", ("127.0.0.1", other.port, "/b*"))
    assert answer.values == ("/b*", 60.0, 1)
    for host in ("192.0.2.1", "example.org", ""):
        peer.send("/subscribe/to", "sis", (host, 9, "/b*"))
    house.wires.tell(BEAT, (2, 2))
    assert other.hear() == [datagram.Message("/beat", "ii", (2, 2))]
    assert peer.refused() == {"lost": 0, "subscriber": 3}


def test_no_more_than_32_subscribers(house):
    for _ in range(32):
        assert house.peer().ask("/subscribe", "s", ("/beat",)).address == "/subscribed"
    late = house.peer()
    late.send("/subscribe", "s", ("/beat",))
    assert late.refused() == {"lost": 0, "subscriber": 1}
    assert house.peers[0].ask("/subscribe", "s", ("/beat",)).address == "/subscribed"


# ---- out
def test_a_note_carries_the_time_at_which_it_is_heard(make):
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        house = make(to=[["localhost", port]])
        target = Peer(house.port)
        target.sock.close()
        target.sock = sock
        target.hear_all(0.5)                                 # the values, as they stand
        now_ns = time.monotonic_ns()
        house.wires.board.write(TIME_COUNT, SAMPLE=48000.0, NS=float(now_ns),
                                NS_PER_SAMPLE=1e9 / 48000)
        for sample in (48000 + 24000, 48000 + 24000, 48000 + 28800):
            house.wires.tell(NOTE, (60.0, 0.5), "bass", sample=sample)
        due_s = time.time() + (now_ns - time.monotonic_ns()) / 1e9
        first, second, third = target.hear_all()
        assert first.time == second.time < third.time
        assert abs(datagram.wall_ns_of(first.time) / 1e9 - due_s - 0.5) < 0.005
        assert abs(datagram.wall_ns_of(third.time) / 1e9 - due_s - 0.6) < 0.005


def test_what_flows_is_thinned_and_what_happens_is_not(house):
    peer = house.peer()
    peer.ask("/subscribe", "s", ("/feature/*/*",))
    peer.ask("/subscribe", "s", ("/note",))
    begin_s = time.monotonic()
    for k in range(500):
        house.wires.tell(FEATURE, (k / 8,))
        house.wires.tell(NOTE, (float(k), 0.5), "bass")
        time.sleep(0.001)
    heard, seconds = peer.hear_all(), time.monotonic() - begin_s
    notes = [m.values[1] for m in heard if m.address == "/note"]
    flowing = [m.values[0] for m in heard if m.address != "/note"]
    assert notes == list(range(500))
    assert 5 <= len(flowing) <= 30 * seconds + 2 and flowing[-1] == 499 / 8
    assert flowing == sorted(flowing)


def test_what_is_no_number_stays_here(house):
    peer = house.peer()
    peer.ask("/subscribe", "s", ("/*",))
    for value in (float("nan"), float("inf"), 1e300):
        house.wires.tell(NOTE, (value, 0.5), "bass")
    house.wires.tell(BEAT, (1e300, 1))
    house.wires.tell(BEAT, (2 ** 40, 1))
    assert peer.hear_all() == [datagram.Message("/beat", "ii", (2 ** 31 - 1, 1))]
    assert house.log() == ""


def test_a_change_reaches_every_surface_but_the_one_that_made_it(house):
    hand, other = house.peer(), house.peer()
    for peer in (hand, other):
        peer.ask("/subscribe", "s", ("/a/*/*",))
        assert len(peer.hear_all()) == 3                     # the values, as they stand
    hand.send("/a/bass/cutoff_hz", "f", (444.5,))
    [(_, [value], *_)] = house.asked()
    house.wires.values[3] = value
    assert other.hear() == [datagram.Message("/a/bass/cutoff_hz", "f", (444.5,))]
    assert hand.hear(0.6) == []
    house.wires.values[5] = -12.0                            # a knob, the page, the model
    for peer in (hand, other):
        assert peer.hear() == [datagram.Message("/a/bass/level_db", "f", (-12.0,))]


def test_the_one_who_made_it_is_told_when_something_else_came_of_it(house):
    hand = house.peer()
    hand.ask("/subscribe", "s", ("/a/bass/cutoff_hz",))
    hand.hear_all()
    hand.send("/a/bass/cutoff_hz", "f", (9000.0,))
    [(_, [value], *_)] = house.asked()
    house.wires.values[3] = 1000.0                           # held back by another hand
    assert value == 2000.0
    assert hand.hear() == [datagram.Message("/a/bass/cutoff_hz", "f", (1000.0,))]


def test_another_registry_takes_over_while_it_plays(house):
    peer = house.peer()
    peer.ask("/subscribe", "s", ("/b/*",))
    house.wires.register([Entry("/panic", "trigger", ""), Entry("/b/gain", "value", "f", 0.0, 2.0)],
                         [0.0, 1.5])
    assert peer.hear() == [datagram.Message("/b/gain", "f", (1.5,))]
    peer.send("/b/gain", "f", (0.25,))
    peer.send("/hit", "i", (1,))
    assert [c[:2] for c in house.asked()] == [("/b/gain", [0.25])]
    house.wires.values[1] = 0.25
    assert peer.refused() == {"lost": 0, "unknown": 1}
    assert house.log() == ""


def test_what_is_said_means_the_registry_that_was_there_when_it_was_said(house):
    peer = house.peer()
    peer.ask("/subscribe", "s", ("/*",))
    for name, place in (("/first", 1), ("/second", 0), ("/third", 1)):
        entries = [Entry("/other", "out", "i"), Entry("/other/too", "out", "i")]
        entries[place] = Entry(name, "out", "i")
        house.wires.register(entries, [0.0, 0.0])
        house.wires.tell(place, (5,))                        # at once
        assert peer.hear() == [datagram.Message(name, "i", (5,))]


def test_oscdump_of_liblo_reads_what_is_sent(make):
    port = free_port()
    dump = subprocess.Popen((liblo("oscdump"), "-L", str(port)), stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        house = make(to=[["127.0.0.1", port]])
        time.sleep(0.3)
        house.wires.tell(NOTE, (60.0, 0.5), "bass")
        time.sleep(0.5)
    finally:
        dump.terminate()
        lines = dump.communicate(timeout=10)[0]
    assert '/note sff "bass" 60.000000 0.500000' in lines
    assert "/a/bell/cutoff_hz f 600.000000" in lines


# ---- what cannot be had
def test_a_port_that_is_taken_is_said_at_the_start():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        house = House(port=port)
        try:
            with pytest.raises(EngineError) as fault:
                house.start()
        finally:
            house.close()
    assert str(fault.value) == (f"OSC port {port} is taken by another program; choose another with "
                                "--osc")


@pytest.mark.parametrize(("target", "words"), [
    (["nowhere.invalid", 9001], "--osc-to nowhere.invalid:9001: "),
    (["255.255.255.255", 9001], "--osc-to 255.255.255.255:9001: no way there"),
    (["127.0.0.1", 99999], "--osc-to 127.0.0.1:99999: ports are 1..65535"),
    (["127.0.0.1", 0], "--osc-to 127.0.0.1:0: ports are 1..65535"),
    (["::1", 9001], "--osc-to ::1:9001: the OSC socket speaks IPv4"),
])
def test_a_target_that_cannot_be_reached_is_said_at_the_start(target, words):
    house = House(to=[target])
    try:
        with pytest.raises(EngineError) as fault:
            house.start()
    finally:
        house.close()
    assert str(fault.value).startswith(words) and "\n" not in str(fault.value)


# ---- osc-monitor
def test_the_monitor_shows_what_arrives():
    port = free_port()
    monitor = subprocess.Popen(
        (sys.executable, "-m", "engine.cli", "osc-monitor", str(port), "--seconds", "4"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert monitor.stderr.readline() == f"listening for OSC at 127.0.0.1:{port}\n"
        peer = Peer(port)
        peer.send("/a/bass/cutoff_hz", "fsT", (440.0, "über", True))
        peer.raw(b"hello")
        peer.raw(datagram.bundle([datagram.message("/b")],
                                 datagram.tag_of(time.time_ns() + 10 ** 9)))
        out = monitor.communicate(timeout=30)[0].splitlines()
    finally:
        monitor.kill()
        monitor.wait()
    sender = f"127.0.0.1:{peer.port}  "
    assert out[0] == sender + "/a/bass/cutoff_hz ,fsT 440 'über' True"
    assert out[1] == sender + "refused: size, 5 bytes"
    assert re.match(re.escape(sender) + r"/b ,  \(in \+(9\d\d|1000)", out[2])
    assert out[3:] == ["2 messages; refused: 1 size"]
    peer.sock.close()


def test_the_monitor_says_when_its_port_is_taken():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        done = subprocess.run(
            (sys.executable, "-m", "engine.cli", "osc-monitor", str(port)), capture_output=True,
            text=True, timeout=60, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"hiddenstage: OSC port {port} is taken by another program; "
                           "write another one after osc-monitor\n")
