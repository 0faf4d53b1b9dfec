"""The view: known widths whatever a model writes; keys become commands; the terminal comes back."""
import io
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
import types

import pytest
from rich.cells import cell_len
from rich.console import Console

from engine import view
from engine.errors import SetError
from engine.keys import Keys
from engine.view import HELP, Plain, Typing, bar_of, clean, fit, rows, tail

NASTY = {
    "emoji": "The 👩‍👩‍👧‍👦 family 🇩🇪 saw a 🏴‍☠️ and ❤️ and 👍🏽 " * 9,
    "right to left": "שלום עולם \u202eevil\u202c مرحبا بالعالم " * 9,
    "control": "\x1b[2J\x1b]0;owned\x07 beep\x07 \x9b31m back\b\b \r over\x00" * 9,
    "wide": "月の光が海を照らしている" * 30,
    "marks": "Z" + "\u0301" * 200 + "algo " * 40,
    "markup": "[bold red]not markup[/] " * 20,
    "one word": "a" * 700,
    "empty": "",
    "lines": "one\ntwo\r\nthree\tfour " * 30,
}


def status(**changes):
    parts = ("kick", "clap", "hat", "openhat", "bass", "chords", "lead", "pad", "perc")
    return types.SimpleNamespace(**{
        "set": "house", "section": "drop", "section_bar": 5, "section_bars": 16, "bar": 37,
        "beat": 2, "bpm": 126.0, "text": "The tide went out. " * 20, "late_blocks": 0,
        "late_records": 3, "ahead_ms": 52.0, "late_events": 0, "connected": "", "steering": "",
        "features": {f"resid.mid.feature_{n}": n / 12 for n in range(12)},
        "levels_db": dict.fromkeys(parts, -12.0), "master_db": -9.1, "loudness": {
            "momentary_lufs": -14.24, "short_term_lufs": -13.9, "integrated_lufs": -14.3,
            "true_peak_dbtp": -1.2}, "model_state": "playing",
        "messages": [(61.0, "the model stopped; playing on")], "mutes": set(),
        "pending": "next section in 3 beats", "recording": True, "seconds": 3725.0, "done": False,
        **changes})


@pytest.mark.parametrize("width", [20, 40, 59, 60, 61, 80, 200])
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_bends_the_picture(width, text):
    picture = rows(status(text=text, messages=[(1.0, text)], section=text, set=text), width, 24)
    assert all(row.cell_len <= width for row in picture)
    assert len(picture) <= 24
    letters = "".join(row.plain for row in picture)
    assert not any(ord(letter) < 32 or 0x7f <= ord(letter) < 0xa0 for letter in letters)
    assert not set(letters) & set("\u202e\u202c\u200d\ufe0f\u2066")


@pytest.mark.parametrize("height", [4, 10, 16, 24, 60])
def test_the_last_rows_survive_any_height(height):
    picture = [row.plain for row in rows(status(), 60, height)]
    assert len(picture) <= height
    assert picture[0].startswith("house  drop 5/16  bar 37.2  126.0 bpm")
    if height >= 16:
        assert picture[-1] == HELP
        assert any("playing on" in row for row in picture)
        assert any("3 late records" in row for row in picture)


def test_sixty_columns_hold_what_matters():
    picture = "\n".join(row.plain for row in rows(status(), 60, 30))
    for words in ("next section in 3 beats", "kick", "-12.0", "master", "resid.mid.feature_",
                  "1:02:05", "● take", "model playing", "The tide went out."):
        assert words in picture


def test_loudness_stands_beside_what_is_pending():
    def line(width, **more):
        return rows(status(**more), width, 30)[1].plain.split("  ")
    assert line(80)[0] == "next section in 3 beats"
    assert line(80)[-1].strip() == "M-14.2 S-13.9 I-14.3 LUFS -1.2 dBTP"
    assert line(50)[-1].strip() == "M-14.2 LUFS -1.2 dBTP"
    assert line(30)[0] == "next section in 3 beats"
    assert line(80, loudness={}, pending="")[0] == ""
    silent = dict.fromkeys(status().loudness, -120.0)
    assert line(80, loudness=silent)[-1].strip() == "M- S- I- LUFS - dBTP"


def test_a_muted_part_says_so():
    picture = [row.plain for row in rows(status(mutes={"clap"}), 60, 30)]
    assert any("2 clap" in row and "muted" in row for row in picture)
    assert not any("1 kick" in row and "muted" in row for row in picture)


def test_clean_keeps_letters_and_drops_tricks():
    assert clean("a\x1bb\u202ec\u200dd") == "a·bcd"
    assert clean("one\ntwo\tthree") == "one¶ two three"
    assert clean("e" + "\u0301" * 9) == "e\u0301\u0301"
    assert clean("שלום") == "שלום"


def test_tail_is_the_end_of_the_text():
    text = " ".join(str(n) for n in range(1000))
    words = " ".join(tail(text, 40, 4)).split()
    assert len(words) > 30 and words == text.split()[-len(words):]
    assert len(tail(text, 40, 4)) == 4
    assert tail("", 40, 4) == [""]


def test_fit_is_exact():
    for text in NASTY.values():
        assert all(fit(text, width).cell_len == width for width in range(1, 30))


def test_bars():
    assert bar_of(0.0, 4) == "    " and bar_of(1.0, 4) == "████" and bar_of(2.0, 4) == "████"
    assert bar_of(0.5, 4) == "██  " and bar_of(float("nan"), 4) == "    "


def test_every_family_of_features_has_its_share():
    names = ["token.b", "token.a", "mlp.a", "mlp.b", "mlp.c", "mlp.d", "text.a"]
    assert view.main_features(names, 5) == ["mlp.a", "mlp.b", "text.a", "token.a", "token.b"]
    assert view.main_features(names, 99) == sorted(names)
    assert view.main_features([], 5) == []


# ---- keys
class Recorder:
    def __init__(self, statuses=()):
        self.keys, self.prompts, self._statuses, self.fault = [], [], list(statuses), None

    def key(self, name):
        if self.fault:
            raise self.fault
        self.keys.append(name)

    def prompt(self, text):
        self.prompts.append(text)

    def status(self):
        return self._statuses.pop(0)


def test_every_key_has_its_command():
    session = Recorder()
    Typing(session).take(" 18h+=-_f!9x\x1b", 1.0)
    assert session.keys == ["next", "mute:1", "mute:8", "hold", "warmer", "warmer", "cooler",
                            "cooler", "filter", "panic"]


def test_a_prompt_is_typed_sent_and_left():
    session = Recorder()
    typing = Typing(session)
    typing.take("pThe sae\x7f\x7fea h🌊!\r", 1.0)
    assert session.prompts == ["The sea h🌊!"] and session.keys == [] and typing.line is None
    typing.take("phello\x1b f", 1.0)
    assert session.prompts == ["The sea h🌊!"] and session.keys == ["next", "filter"]
    typing.take("p  \r", 1.0)
    typing.take("pab\x15cd\x07\n", 1.0)
    assert session.prompts == ["The sea h🌊!", "cd"]


def test_a_key_that_cannot_be_carried_out_is_a_message():
    session = Recorder()
    session.fault = SetError("there is no part 8")
    typing = Typing(session)
    typing.take("8h", 7.0)
    assert typing.faults == [(7.0, "there is no part 8")] * 2
    typing.take("8888", 9.0)
    assert typing.faults == [(9.0, "there is no part 8")] * 3


def test_what_is_typed_is_shown():
    assert any("prompt: A new tide▏" in row.plain for row in rows(status(), 60, 24, "A new tide"))
    assert rows(status(), 60, 24, "long " * 50)[-1].cell_len == 60


def read_until(file, words, limit_s=20.0):
    """What comes from a terminal until the words are in it."""
    end, seen = time.monotonic() + limit_s, b""
    while words not in seen and time.monotonic() < end:
        if select.select([file], [], [], 0.1)[0]:
            seen += os.read(file, 4096)
    return seen


@pytest.fixture
def terminal():
    outer, inner = pty.openpty()
    yield outer, open(inner, closefd=False)
    os.close(outer)
    os.close(inner)


def test_keys_arrive_one_by_one_and_the_terminal_comes_back(terminal):
    outer, inner = terminal
    before = termios.tcgetattr(inner.fileno())
    with Keys(inner) as keys:
        assert termios.tcgetattr(inner.fileno()) != before
        assert keys.read(0.0) == ""
        os.write(outer, "h\x1b[A\x1bOPü".encode())
        assert keys.read(1.0) == "hü"
        os.write(outer, b"\xf0\x9f")
        assert keys.read(1.0) == ""
        os.write(outer, b"\x8c\x8a\x1b")
        assert keys.read(1.0) == "🌊\x1b"
    assert termios.tcgetattr(inner.fileno()) == before


def test_the_terminal_comes_back_after_an_exception(terminal):
    _, inner = terminal
    before = termios.tcgetattr(inner.fileno())
    with pytest.raises(KeyboardInterrupt), Keys(inner):
        raise KeyboardInterrupt
    assert termios.tcgetattr(inner.fileno()) == before


def test_no_terminal_no_keys():
    with Keys(io.StringIO("h")) as keys:
        assert not keys.live and keys.read(0.0) == ""


PROGRAM = """
import signal, sys
from engine.keys import Keys
def leave(*_): raise SystemExit(3)
signal.signal(signal.SIGTERM, leave)
with Keys() as keys:
    print("ready", flush=True)
    while True:
        if (typed := keys.read(0.05)):
            print("got", typed, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(terminal, number):
    outer, inner = terminal
    before = termios.tcgetattr(inner.fileno())
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=inner, stdout=inner,
                               stderr=subprocess.DEVNULL)
    read_until(outer, b"ready")
    assert termios.tcgetattr(inner.fileno()) != before
    program.send_signal(number)
    assert program.wait(20) != 0
    assert termios.tcgetattr(inner.fileno()) == before


def test_pause_and_resume(terminal):
    outer, inner = terminal
    before = termios.tcgetattr(inner.fileno())
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=inner, stdout=inner,
                               stderr=subprocess.DEVNULL, process_group=0)
    # in a group of its own: a group without a parent in its session cannot be stopped
    read_until(outer, b"ready")
    program.send_signal(signal.SIGTSTP)
    end = time.monotonic() + 20.0
    while os.waitpid(program.pid, os.WUNTRACED | os.WNOHANG)[0] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    assert termios.tcgetattr(inner.fileno()) == before
    program.send_signal(signal.SIGCONT)
    os.write(outer, b"h")
    assert b"got h" in read_until(outer, b"got h")
    program.send_signal(signal.SIGTERM)
    assert program.wait(20) == 3


# ---- drawing
def test_plain_says_each_bar_and_each_message_once():
    said = []
    plain = Plain(said.append)
    first, second = (2.0, "ready"), (3.0, "a\x1bb")
    for bar, messages in ((1, []), (1, [first]), (2, [first, second]), (2, [])):
        plain.draw(status(bar=bar, messages=messages, text="sea \x07" * 50))
    bars = [line.split("  ")[2] for line in said if line.startswith("house")]
    assert bars == ["bar 1.2", "bar 2.2"]
    assert [line for line in said if not line.startswith("house")] == ["0:02  ready", "0:03  a·b"]


@pytest.mark.parametrize("terminal", [True, False])
def test_show_draws_until_done(terminal, monkeypatch):
    monkeypatch.setattr(view, "REFRESH_S", 0.0)
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    session = Recorder([status(bar=1), status(bar=2, features={}), status(bar=3, done=True)])
    drawn = []
    monkeypatch.setattr(view, "place", lambda status: drawn.append(len(status.features)) or (
        f"bar {status.bar}.{status.beat}"))
    screen = Console(file=said, force_terminal=terminal, width=60, height=24,
                     _environ={"TERM": "xterm-256color"})
    view.show(session, screen)
    assert session._statuses == []
    assert all(f"bar {bar}.2" in said.getvalue() for bar in (1, 2, 3))
    assert drawn == [12, 12, 12]
    assert ("\x1b[" in said.getvalue()) is terminal
    assert cell_len(said.getvalue().splitlines()[-1]) <= 200
