"""MIDI out and in of the wires process: real ports of JACK, processes at both ends."""
import os
import signal
import time

import numpy as np
import pytest

from engine.errors import EngineError
from engine.records import SAY
from engine.wires.board import MIDI_LATE, MIDI_SENT, MIDI_UNSENT, TIME_COUNT
from engine.wires.ears import Stamps
from engine.wires.midi_out import Ledger
from engine.wires.process import Wires
from tests.engine.wires.conftest import DIES
from tests.engine.wires.midi_peer import Peer

RATE_HZ = 48_000
ENDINGS = [bytes((0xB0, controller, 0)) for controller in (64, 120, 123)]


@pytest.fixture
def synth(jack):
    made = Peer("in", "synth")
    yield made
    made.close()


@pytest.fixture
def plug(jack):
    """Makes wires that are closed with the test; sample 0 of their stage is heard now."""
    made = []

    def start(outs=("synth",), ins=()):
        wires = Wires({"midi_out": [row if isinstance(row, dict) else {"pattern": row}
                                    for row in outs],
                       "midi_in": [row if isinstance(row, dict) else {"pattern": row}
                                   for row in ins]})
        made.append(wires)
        wires.board.write(TIME_COUNT, SAMPLE=0.0, NS=float(time.monotonic_ns()),
                          NS_PER_SAMPLE=1e9 / RATE_HZ)
        return wires.start()

    yield start
    for wires in made:
        wires.close()


def give(wires, data, sample=0, port=0):
    ring = wires.outs[port]
    while (row := ring.slot()) is None:
        time.sleep(0.001)
    row["sample"], row["port"], row["size"] = sample, port, len(data)
    row["data"][:len(data)] = np.frombuffer(bytes(data), np.uint8)
    ring.publish()


def sample_now(wires):
    return round(wires.board.sample_of(time.monotonic_ns()))


def lines(wires, count=1, patience_s=3.0):
    """What the performer has been told."""
    end, told = time.monotonic() + patience_s, []
    while time.monotonic() < end and len(told) < count:
        told += [text for _, _, text, kind, _ in wires.asked() if kind == SAY]
        time.sleep(0.01)
    return told


def test_note_for_note_at_its_time(plug, synth):
    wires, random = plug(), np.random.default_rng(3)
    begin, sent = sample_now(wires) + RATE_HZ // 4, []
    for number, gap in enumerate(random.integers(0, 900, 400).cumsum()):
        data = (bytes((0x90 | number % 16, number % 128, 1 + number % 127)),
                bytes((0x80 | number % 16, number % 128, 0)), bytes((0xE0, 5, number % 128)),
                b"\xf8", bytes((0xC3, number % 128)))[number % 5]
        sent.append((begin + int(gap), data))
        give(wires, data, sent[-1][0])
    heard = synth.heard(lambda got: len(got) == len(sent), 10)
    assert heard == [data for _, data in sent]
    errors_ms = np.array([ns - wires.board.ns_of(sample) for (ns, _), (sample, _)
                          in zip(synth.got, sent, strict=True)]) / 1e6
    assert np.median(np.abs(errors_ms)) < 10 and errors_ms.min() > -1
    assert int(wires.board.words[MIDI_SENT]) <= len(sent)


def test_zero_is_now_and_ports_are_kept_apart(plug, synth):
    other = Peer("in", "drums")
    wires = plug(["synth", "drums"])
    give(wires, b"\x90\x30\x40", port=1)
    give(wires, b"\x90\x31\x40", port=0)
    assert synth.heard(len) == [b"\x90\x31\x40"] and other.heard(len) == [b"\x90\x30\x40"]
    other.close()


def test_what_is_no_message_is_refused_and_counted(plug, synth):
    wires = plug()
    for wrong in (b"", b"\x40\x40", b"\x90\x40", b"\x90\x40\x90", b"\xf0\x01", b"\xf8\x00"):
        give(wires, wrong)
    give(wires, b"\xf0\x7d\x01\xf7")
    assert synth.heard(len) == [b"\xf0\x7d\x01\xf7"]
    time.sleep(0.25)
    assert int(wires.board.words[MIDI_UNSENT]) == 6 and wires.alive


def test_late_notes_do_not_begin_but_end(plug, synth):
    wires = plug()
    past = sample_now(wires) - RATE_HZ // 2
    wires.board.write(TIME_COUNT, NS=wires.board.ns_of(0) - 1e9)
    for data in (b"\x90\x40\x40", b"\xf8", b"\x80\x40\x00", b"\xb0\x01\x02"):
        give(wires, data, max(1, past))
    assert synth.heard(lambda got: len(got) == 2) == [b"\x80\x40\x00", b"\xb0\x01\x02"]
    time.sleep(0.25)
    assert list(wires.board.words[[MIDI_SENT, MIDI_LATE, MIDI_UNSENT]]) == [2, 2, 2]


@DIES
def test_an_unknown_port_is_one_line_with_near_names(plug, synth):
    with pytest.raises(EngineError) as fault:
        plug(["sinth"])
    assert "no MIDI output fits 'sinth'; did you mean 'synth:in'?" in str(fault.value)
    with pytest.raises(EngineError, match="no MIDI input fits 'keys': there is none at all"):
        plug([], ["keys"])


def test_it_may_wait_for_a_port(plug, jack):
    wires = plug([{"pattern": "late", "name": "lead", "wait": True}])
    late = Peer("in", "late")
    assert lines(wires) == ["MIDI out lead: connected to late:in"]
    give(wires, b"\x90\x40\x40")
    assert late.heard(len) == [b"\x90\x40\x40"]
    late.close()


@pytest.mark.parametrize("way", ["close", "SIGTERM"])
def test_everything_ends_with_the_process(plug, synth, way):
    wires = plug()
    sent = [b"\x90\x40\x40", b"\x91\x41\x40", b"\x90\x42\x40", b"\x80\x42\x00", b"\xfa", b"\xf8"]
    for data in sent:
        give(wires, data)
    assert synth.heard(lambda got: len(got) == len(sent)) == sent
    if way == "close":
        wires.close()
    else:
        os.kill(wires.process.pid, signal.SIGTERM)
    endings = [b"\x80\x40\x00", b"\x81\x41\x00", *ENDINGS, b"\xb1\x40\x00", b"\xb1\x78\x00",
               b"\xb1\x7b\x00", b"\xfc"]
    heard = synth.heard(lambda got: len(got) == len(sent) + 2 * len(endings))
    assert heard[len(sent):] == endings * 2          # said twice, a tenth of a second apart
    assert not synth.sounding()


def test_panic_ends_what_sounds_without_the_stage(plug, synth):
    wires = plug()
    give(wires, b"\x90\x40\x40")
    synth.heard(len)
    wires.board.panic()
    assert synth.heard(lambda got: len(got) == 5)[1:] == [b"\x80\x40\x00", *ENDINGS]


@DIES
def test_a_port_that_vanishes_comes_back_with_nothing_hanging(plug, synth):
    other = Peer("in", "drums")
    wires = plug(["synth", "drums"])
    for port in (0, 1):
        give(wires, b"\x90\x40\x40", port=port)
    assert synth.heard(len) and other.heard(len)
    synth.pull()
    assert lines(wires) == ["MIDI out synth: the port is gone; its notes wait for it to come back"]
    give(wires, b"\x80\x40\x00")                     # lost with the port
    give(wires, b"\x80\x40\x00", port=1)
    assert other.heard(lambda got: len(got) == 2)[1:] == [b"\x80\x40\x00"]
    back, began_s = Peer("in", "synth"), time.monotonic()
    assert back.heard(lambda got: len(got) == 4) == [b"\x80\x40\x00", *ENDINGS]
    assert time.monotonic() - began_s < 1.0
    assert lines(wires) == ["MIDI out synth: connected to synth:in"]
    give(wires, b"\x90\x45\x40")
    assert sorted(back.heard(lambda got: len(got) == 6)[4:]) == [b"\x80\x40\x00", b"\x90\x45\x40"]
    assert back.sounding() == {(0, 0x45)}
    back.close()
    other.close()


def test_the_server_may_die_and_come_back(plug, synth, jack):
    wires = plug()
    give(wires, b"\x90\x40\x40")
    assert synth.heard(len)
    jack.kill()
    synth.pull()
    assert "is gone" in lines(wires)[0]
    jack.start()
    back = Peer("in", "synth")
    assert back.heard(lambda got: len(got) == 4) == [b"\x80\x40\x00", *ENDINGS]
    assert wires.alive
    back.close()


def test_active_sensing_when_asked_for(plug, synth):
    plug([{"pattern": "synth", "sensing": True}])
    assert set(synth.heard(lambda got: len(got) >= 3)) == {b"\xfe"}
    gaps_ms = np.diff([ns for ns, _ in synth.got]) / 1e6
    assert (gaps_ms > 200).all() and (gaps_ms < 330).all()


def test_what_comes_in_has_its_time_sample_and_port(plug, jack):
    keys, pads = Peer("out", "keys"), Peer("out", "pads")
    wires = plug([], ["pads", "keys"])
    begin_ns = time.monotonic_ns() + 200_000_000
    for number in range(60):
        (keys, pads)[number % 2].send(bytes((0x90, number, 64)), begin_ns + number * 10_000_000)
    keys.send(b"\xf8")
    end, rows = time.monotonic() + 5, []
    while time.monotonic() < end and len(rows) < 61:
        while (row := wires.ins.front()) is not None:
            rows.append((int(row["time_ns"]), int(row["sample"]), int(row["port"]),
                         bytes(row["data"][:row["size"]])))
            wires.ins.pop()
        time.sleep(0.01)
    notes = [row for row in rows if row[3] != b"\xf8"]
    assert len(rows) == 61
    for port in (0, 1):
        assert [data[1] for _, _, at, data in notes if at == port] == list(range(1 - port, 60, 2))
    errors_ms = [(ns - begin_ns) / 1e6 - data[1] * 10 for ns, _, _, data in notes]
    assert np.median(np.abs(errors_ms)) < 50
    assert all(abs(wires.board.sample_of(ns) - sample) <= 1 for ns, sample, _, _ in rows)
    keys.close()
    pads.close()


def test_stamps_do_not_feel_how_late_python_was():
    """True times, arrivals up to 20 ms late: the stamps keep the true intervals."""
    random, stamps = np.random.default_rng(1), Stamps()
    true_s = 100.0 + np.arange(2000) * 0.02 + random.uniform(0, 0.002, 2000)
    deltas = np.diff(true_s, prepend=true_s[0]) * (1 + 5e-5)       # the driver's clock runs fast
    late_s = random.exponential(0.004, 2000).clip(0, 0.02)
    found = np.array([stamps.times_s([delta], arrival)[0] for delta, arrival
                      in zip(deltas, true_s + late_s, strict=True)])
    errors = (found - true_s)[100:]
    assert np.std(errors) < 5e-4 and 0 <= np.median(errors) < 1e-3 < np.std(late_s)
    assert (found <= true_s + late_s + 1e-9).all()


def test_stamps_find_their_way_again():
    stamps = Stamps()
    assert stamps.times_s([0.0], 50.0) == [50.0]
    assert stamps.times_s([0.1], 55.0) == pytest.approx([55.0])    # the driver lost five seconds
    assert stamps.times_s([0.1], 55.4) == pytest.approx([55.1], abs=1e-3)


def test_stamps_forget_a_late_beginning():
    stamps = Stamps()
    assert stamps.times_s([0.0], 50.3) == [50.3]                   # Python slept for 0.3 s
    assert stamps.times_s([0.1], 50.1) == pytest.approx([50.1])


def test_stamps_of_what_waited_together_are_apart():
    found = Stamps().times_s([0.0, 0.02, 0.02, 0.02], 50.3)        # all taken at 50.3, late
    assert found == pytest.approx([50.24, 50.26, 50.28, 50.3])


def test_a_ledger_knows_what_sounds():
    ledger = Ledger()
    for data in (b"\x90\x40\x40", b"\x90\x41\x01", b"\x90\x41\x00", b"\x95\x10\x01",
                 b"\xb7\x01\x02", b"\xfa", b"\x85\x10\x40"):
        ledger.note(data)
    assert ledger.held == {(0, 0x40)} and ledger.channels == {0, 5, 7} and ledger.running
    assert len(list(ledger.endings())) == 1 + 3 * 3
