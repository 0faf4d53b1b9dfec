"""The command line: every option reaches the session, every fault is one line. Thread: control."""
import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

import bench as benches
from engine import cli, console, doctor
from engine.errors import DeviceError, ParamError, SetError
from engine.performance import Options
from engine.session import Status


class Recorder:
    """Stands where the session is and keeps what it was asked."""

    def __init__(self):
        self.asked, self.fault, self.closed = None, None, False

    def __call__(self, *arguments):
        self.asked = arguments
        if self.fault:
            raise self.fault
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def status(self):
        return Status(bar=8, seconds=15.2, late_records=1, done=True, mutes=set(),
                      levels_db={"kick": float("-inf")})


@pytest.fixture
def twin(monkeypatch, tmp_path):
    recorder = Recorder()

    def render(*arguments):
        recorder(*arguments)
        arguments[-1](1.0, "done")
        out = arguments[0].out if len(arguments) == 2 else arguments[1]
        return {"files": [out], "seconds": 2.0, "took_s": 0.5, "times_real_time": 4.0,
                "peak": float("nan"), "whole": len(arguments) == 2}

    for name, stand_in in (("play", recorder), ("render", render), ("replay", render)):
        monkeypatch.setattr(f"engine.session.{name}", stand_in)
    monkeypatch.setattr("engine.performance.choose", recorder)
    card = types.SimpleNamespace(name="card", host="ALSA", channels=2, rate_hz=48e3, default=True)
    monkeypatch.setattr("engine.stream.devices", lambda: [card])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.view.show", lambda performance: None)
    return recorder


def run(capsys, *words):
    """(exit code, stdout, stderr) of one command."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    return left.value.code, *capsys.readouterr()


def test_render_passes_every_option(twin, capsys):
    code, out, _ = run(
        capsys, "render", "house", "--bars", 32, "--seed", 5, "--prompt", "A tide", "--model", "m",
        "--rate", 44100, "--block", 441, "--out", "x.wav", "--stems", "stems", "--noise-seed", 7,
        "--tokens-per-bar", 4, "--temperature", 0.8, "--bpm", 127, "--record", "x.take",
        "--record-states", "--throttle", 5, "--json")
    assert code == 0
    assert twin.asked[0] == Options(
        set="house", bars=32, seed=5, prompt="A tide", model="m", rate_hz=44100, block=441,
        out=Path("x.wav"), stems=Path("stems"), noise_seed=7, tokens_per_bar=4, temperature=0.8,
        bpm=127, record=Path("x.take"), record_states=True, throttle=5)
    assert json.loads(out.splitlines()[-1]) == {
        "files": ["x.wav"], "seconds": 2.0, "took_s": 0.5, "times_real_time": 4.0, "peak": None,
        "whole": True}


def test_progress_goes_to_standard_error(twin, capsys):
    _, out, err = run(capsys, "render", "--out", "x.wav", "--json")
    assert len(out.splitlines()) == 1
    assert "100 %" in err


def test_play_passes_every_option(twin, capsys):
    code, out, _ = run(
        capsys, "play", "house", "--model", "m", "--prompt", "p", "--bpm", 126,
        "--temperature", 0.9, "--audio", "card", "--record", "n.take", "--bars", 8, "--seed", 1,
        "--noise-seed", 2, "--block", 64, "--rate", 96000, "--tokens-per-bar", 16, "--json")
    assert code == 0 and twin.closed
    assert twin.asked[0] == Options(
        model="m", prompt="p", bpm=126, temperature=0.9, audio="card", record=Path("n.take"),
        bars=8, seed=1, noise_seed=2, block=64, rate_hz=96000, tokens_per_bar=16)
    report = json.loads(out.splitlines()[-1])
    assert (report["bar"], report["late_records"], report["stopped"]) == (8, 1, False)
    assert report["levels_db"] == {"kick": None}


def test_play_renders_where_there_is_no_device(twin, capsys, monkeypatch):
    monkeypatch.setattr("engine.stream.devices", list)
    Path("house.wav").touch()
    code, _, err = run(capsys, "play")
    assert code == 0
    assert twin.asked[0] == Options(bars=64, out=Path("house-2.wav"))
    assert "no sound device found: rendering 64 bars to house-2.wav instead" in err


def test_play_says_what_is_wrong_before_it_renders(twin, capsys, monkeypatch):
    monkeypatch.setattr("engine.stream.devices", list)
    twin.fault = SetError("bpm must be 20..400")
    assert run(capsys, "play", "--bpm", "0") == (2, "", "hiddenstage: bpm must be 20..400\n")


def test_a_named_device_is_never_replaced_by_a_file(twin, capsys, monkeypatch):
    twin.fault = DeviceError("no device 'card'")
    monkeypatch.setattr("engine.stream.devices", list)
    code, out, err = run(capsys, "play", "--audio", "card")
    assert (code, out, err.splitlines()[-1]) == (2, "", "hiddenstage: no device 'card'")


def test_interrupt_while_playing_closes_and_reports(twin, capsys, monkeypatch):
    def interrupted(performance):
        raise KeyboardInterrupt
    monkeypatch.setattr("engine.view.show", interrupted)
    code, out, _ = run(capsys, "play", "--json")
    assert code == 130 and twin.closed
    assert json.loads(out.splitlines()[-1])["stopped"] is True


def test_interrupt_before_playing(twin, capsys):
    twin.fault = KeyboardInterrupt()
    code, out, err = run(capsys, "render", "--out", "x.wav")
    assert (code, out, err.splitlines()[-1]) == (130, "", "stopped")


@pytest.mark.parametrize("words, said", [
    (["play", "--bpm", "x"], "--bpm"), (["render", "--bars", "1.5"], "--bars"),
    (["render", "--seed", "nan"], "--seed"), (["play", "--nonsense"], "--nonsense"),
    (["replay"], "argument 'take'"), (["dance"], "dance"),
])
def test_bad_words_are_one_line(twin, capsys, words, said):
    code, out, err = run(capsys, *words)
    assert code == 2 and out == "" and twin.asked is None
    assert err.startswith("hiddenstage: ") and err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("fault, words", [
    (SetError("no set 'huose'; did you mean 'house'?"), "did you mean 'house'?"),
    (OSError(errno.ENOSPC, "No space left on device", "x.wav"), "x.wav: No space left on device"),
    (PermissionError(errno.EACCES, "Permission denied", "/x.wav"), "/x.wav: Permission denied"),
    (ParamError("two\nlines"), "two lines"),
])
def test_faults_are_one_line(twin, capsys, fault, words):
    twin.fault = fault
    code, out, err = run(capsys, "render", "--out", "x.wav")
    assert code == 2 and out == ""
    assert words in err.splitlines()[-1] and err.splitlines()[-1].startswith("hiddenstage: ")


def test_a_bug_is_not_hidden(twin):
    twin.fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main(["render", "--out", "x.wav"])


def test_replay(twin, capsys):
    code, out, _ = run(capsys, "replay", "night.take", "--block", 1024, "--json")
    assert code == 0 and json.loads(out)["files"] == ["night.wav"]
    assert twin.asked[:3] == (Path("night.take"), Path("night.wav"),
                              Options(out=Path("night.wav"), block=1024))
    assert "cut short" in run(capsys, "replay", "night.take")[1]


def test_termination_leaves_by_the_front_door(twin, capsys, monkeypatch):
    def terminated(performance):
        os.kill(os.getpid(), signal.SIGTERM)
    monkeypatch.setattr("engine.view.show", terminated)
    assert run(capsys, "play")[0] == 128 + signal.SIGTERM
    assert twin.closed


def test_an_interrupt_inside_a_foreign_callback_is_not_lost(twin, capsys, monkeypatch):
    """As when LLVM calls back while it compiles: the exception is dropped there."""
    def compiling(performance):
        signal.raise_signal(signal.SIGINT)
    foreign = ctypes.CFUNCTYPE(None)(lambda: compiling(None))

    def show(performance):
        foreign()
        for _ in range(100):
            time.sleep(0.1)
    monkeypatch.setattr("engine.view.show", show)
    assert run(capsys, "play")[0] == 130
    assert twin.closed


def test_a_failure_that_follows_an_interrupt_is_a_stop(twin, capsys, monkeypatch):
    def show(performance):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise RuntimeError("no compiled object yet")
    monkeypatch.setattr("engine.view.show", show)
    code, _, err = run(capsys, "play")
    assert (code, err.splitlines()[-1]) == (130, "stopped")


def test_closed_pipe_is_quiet():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "engine.cli", "bench"], stdout=write,
                          stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_devices(twin, capsys):
    assert json.loads(run(capsys, "devices", "--json")[1])["devices"][0]["name"] == "card"
    assert run(capsys, "devices")[1] == "* card  (ALSA, 2 channels, 48000 Hz)\n"


# ---- bench
@pytest.fixture
def tiny(monkeypatch):
    def measure(quick=False, seconds=10.0, prompts=3, text="a", real=False, bars=None):
        return {"seen": [quick, seconds, prompts, text, real, bars]}
    module = types.SimpleNamespace(run=measure, table=lambda result: f"seen {result['seen']}")
    monkeypatch.setitem(sys.modules, "bench.tiny", module)
    monkeypatch.setattr(benches, "names", lambda: ["tiny"])


def test_bench_options_follow_the_signature(tiny, capsys):
    words = "--seconds 60 --prompts=5 --text x --real --quick --bars 8 --json"
    code, out, _ = run(capsys, "bench", "tiny", *words.split())
    found = json.loads(out)
    assert code == 0 and found["seen"] == [True, 60.0, 5, "x", True, 8]
    assert found["date"] and found["machine"]["cores"]


def test_bench_prints_its_table(tiny, capsys):
    _, out, _ = run(capsys, "bench", "tiny")
    assert out.startswith("seen [False, 10.0, 3, 'a', False, None]\n(20")


@pytest.mark.parametrize("words, said", [
    (["tiyn"], "did you mean 'tiny'?"), (["tiny", "--secnds", "1"], "did you mean 'seconds'?"),
    (["tiny", "--seconds"], "needs a value"), (["tiny", "--seconds", "x"], "needs a number"),
])
def test_bench_faults(tiny, capsys, words, said):
    code, out, err = run(capsys, "bench", *words)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1


def test_every_bench_has_a_first_sentence():
    assert all(benches.summaries().values())


# ---- small things
def test_patience_speaks_only_when_it_takes_long(capsys):
    with console.patience("compiling", after_s=60.0):
        pass
    with console.patience("still compiling", after_s=0.0):
        while not (said := capsys.readouterr().err):
            pass
    assert said == "still compiling\n"


def test_a_free_name_is_free(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "a-2.wav").touch()
    assert console.free_name(tmp_path / "a", ".wav") == tmp_path / "a-3.wav"
    assert console.free_name(tmp_path / "b", ".wav") == tmp_path / "b.wav"


def test_doctor_fails_only_for_what_must_hold(capsys, monkeypatch):
    note = doctor.Check("JACK", "note", "no jackd", "install jackd2")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: note,))
    code, out, _ = run(capsys, "doctor")
    assert code == 0 and "install jackd2" in out
    bad = doctor.Check("disk", "bad", "full")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: note, lambda: bad))
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 1 and json.loads(out)["ok"] is False


def test_doctor_looks_at_this_machine():
    found = {check.name: check for check in doctor.examine()}
    assert found["Python"].state == found["packages"].state == "ok"
    assert all(check.advice for check in found.values() if check.state != "ok")


def test_doctor_names_a_wrong_package(monkeypatch):
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy>=99", "rich>=1"])
    check = doctor.packages()
    assert check.state == "bad" and "numpy" in check.found and "rich" not in check.found
