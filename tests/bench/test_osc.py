"""What `bench osc` makes of its counts. Thread: control."""
import pytest

from bench import _osc, osc
from engine.wires import datagram


def marks(**wrong):
    """Four marks and the senders' words of a run in which all is well, but for what is wrong."""
    def mark(at_s, **more):
        return {"at_s": at_s, "resident": 100e6, "processor_s": at_s / 4, "refused": {"lost": 0},
                "faders_s": [], "hits_s": [], "numbers": {}, "log": "", "late_blocks": 0,
                "blocks": 0} | more
    after = {"faders_s": [0.001] * 99 + [0.008], "hits_s": [0.002] * 4, "late_blocks": 3,
             "numbers": {"/bench/0/hit": [1, 2], "/bench/1/hit": [1, 2]}, "resident": 101e6,
             "refused": {"lost": 0, "size": 7, "rate": 5}} | wrong
    senders = [("good", {"sent": 60, "triggers": 2, "seconds": 60.0})] * 2
    senders.append(("hostile", {"sent": 80, "triggers": 0, "seconds": 60.0}))
    return (mark(0.0), mark(20.0), mark(30.0, refused={"lost": 0, "size": 3}),
            mark(90.0, **after), senders)


def test_a_run_in_which_all_is_well():
    found = osc.judge(*marks())
    assert all(found["holds"].values())
    assert (found["triggers_sent"], found["triggers_received"]) == (4, 4)
    assert found["refused"] == {"size": 4, "rate": 5} and found["kernel_lost"] == 0
    assert (found["p50_ms"], found["p99_ms"], found["wires_cpu_share"]) == (1.0, 8.0, 0.25)
    assert found["memory_growth_mb"] == 1.0 and found["datagrams_sent"] == 200
    assert "holds: every trigger" in osc.table({"audio": "null", "seconds": 60.0} | found)


@pytest.mark.parametrize(("wrong", "words"), [
    ({"numbers": {"/bench/0/hit": [1, 2], "/bench/1/hit": [2]}}, "trigger"),
    ({"numbers": {"/bench/0/hit": [2, 1], "/bench/1/hit": [1, 2]}}, "trigger"),
    ({"faders_s": [0.001] * 90 + [0.02] * 10}, "p99"), ({"faders_s": []}, "p99"),
    ({"resident": 120e6}, "memory"), ({"late_blocks": 6}, "late blocks"),
    ({"log": "Traceback"}, "fault")])
def test_what_is_not_well_is_said(wrong, words):
    failed = [text for text, held in osc.judge(*marks(**wrong))["holds"].items() if not held]
    assert len(failed) == 1 and words in failed[0]


def test_a_good_sender_numbers_its_triggers():
    make, state = _osc.good(1)
    found = [datagram.read(make())[0] for _ in range(60)]
    hits = [m.values[0] for m in found if m.address == "/bench/1/hit"]
    assert hits == list(range(1, 60 // _osc.TRIGGER_EVERY + 1)) and state == [60, len(hits)]
    assert {m.address for m in found} == {"/bench/1/hit", *(
        f"/bench/1/fader/{f}" for f in range(_osc.FADERS))}
