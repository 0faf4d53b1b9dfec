"""Controllers in: pickup by crossing, encoders, buttons, keys, feedback, learning. Thread: any."""
import math
import random
import time

import numpy as np
import pytest

from engine.errors import SetError
from engine.formats.controls import RELATIVE, Message, Row, read
from engine.records import TRIGGER, VALUE
from engine.surface import Entry
from engine.wires.control_file import ControlFile
from engine.wires.controls import Controls
from engine.wires.controls_service import Desk as Served

MS = 1_000_000
ENTRIES = [
    Entry("/panic", "trigger", ""),
    Entry("/tap", "trigger", ""),
    Entry("/hold", "trigger", "i"),
    Entry("/sweep", "value", "f", -1.0, 1.0),
    Entry("/temperature", "value", "f", 0.0, 2.0, 1.0),
    Entry("/ramp", "trigger", "ff", 20.0, 400.0),
    Entry("/position", "trigger", "i", 0.0, 16383.0),
    Entry("/prompt", "trigger", "s"),
    Entry("/scene", "trigger", "s", choices=("intro", "build", "drop")),
    Entry("/mute/kick", "trigger", "i"),
    Entry("/play/bass", "trigger", "ff", 0.0, 127.0, 60.0),
    Entry("/let_go/bass", "trigger", "f", 0.0, 127.0, 60.0),
    Entry("/a/bass/cutoff_hz", "value", "f", 100.0, 10000.0, 1000.0, "exp"),
    Entry("/beat", "out", "ii"),
]
PLACE = {entry.address: place for place, entry in enumerate(ENTRIES)}


class Desk:
    """A Controls whose stage carries everything out, with a clock of its own."""

    def __init__(self, rows, **more):
        self.sent, self.back, self.said, self.now = [], [], [], 10 ** 12
        self.values = np.full(len(ENTRIES), np.nan)
        for entry in ENTRIES:
            self.values[PLACE[entry.address]] = entry.default
        self.obeys = self.room = True
        self.controls = Controls(ENTRIES, rows, self.command, lambda *m: self.back.append(m),
                                 self.said.append, **more)
        self.tick(0)

    def command(self, address, values, text, kind, time_ns):
        if not self.room:
            return False
        self.sent.append((address, values, text, kind))
        entry = ENTRIES[PLACE[address]]
        if self.obeys and values and entry.tags in ("f", "i"):
            self.values[PLACE[address]] = values[0]
        return True

    def tick(self, ms=33):
        self.now += ms * MS
        self.controls.values_changed(self.values, self.now)
        return self

    def hear(self, *data, after=10, port="nano 1"):
        """Hears one message; the values that it sent."""
        self.now += after * MS
        before = len(self.sent)
        self.controls.hear(port, self.now, bytes(data))
        return [values[0] if values else text for _, values, text, _ in self.sent[before:]]

    def turn(self, *raws, number=16, **more):
        """The values of a controller's turn."""
        return [v for raw in raws for v in self.hear(0xB0, number, raw, **more)]

    def set(self, address, value):
        """Something else moves a value."""
        self.values[PLACE[address]] = value


def desk(target, message="cc 16", **more):
    row = read('controls = [ { message = "x", target = "y" } ]'.replace('"x"', f'"{message}"')
               .replace('"y"', f'"{target}"'), "t")[0]
    return Desk([Row(row.message, target, **more)])


def test_a_command_that_asks_for_another_is_carried_out_once():
    """A control that forgets a row whose key is held: what lets the key go is sent meanwhile."""
    d, asked = desk("/tap", "note 40"), []

    def command(address, *_):
        asked.append(address)
        if len(asked) == 1:
            d.controls._send("/next", (), "", TRIGGER, 0)
        return True
    d.controls._command = command
    d.controls._send("/tap", (), "", TRIGGER, 0)
    assert asked == ["/tap", "/next"] and not d.controls._waiting


# ---- pickup
def test_a_knob_waits_until_it_comes_by_the_value():
    d = desk("/temperature")                                  # stands at 1.0, the middle
    assert d.turn(0, 20, 40, 60) == []
    assert d.turn(64, 65) == pytest.approx([64 / 63.5, 65 / 63.5])


def test_a_fast_turn_over_the_value_picks_it_up_both_ways():
    d = desk("/temperature")
    assert d.turn(20, 100) == pytest.approx([100 / 63.5])
    e = desk("/temperature")
    assert e.turn(110, 30) == pytest.approx([30 / 63.5])


def test_a_knob_that_starts_near_the_value_has_it_at_once():
    assert desk("/temperature").turn(64) == pytest.approx([64 / 63.5])


def test_the_first_message_never_jumps():
    assert desk("/temperature").turn(127) == []


def test_an_endless_pot_that_goes_round_passes_nothing():
    d = desk("/temperature")
    assert d.turn(125, 127, 1, 3) == []
    assert d.turn(60, 64) == pytest.approx([64 / 63.5])       # 3 to 60 is no way round
    assert d.turn(100, 126, 2, 3) == pytest.approx([100 / 63.5, 126 / 63.5]), "and lets go"


def test_a_fader_pulled_down_at_once_after_a_rest_is_followed():
    d = desk("/temperature")
    d.turn(60, 64, 127)
    assert d.turn(0, after=2000) == [0.0]


def test_pickup_again_after_the_value_was_moved_elsewhere():
    d = desk("/temperature")
    d.turn(63, 64, 80)
    d.tick(600)
    d.set("/temperature", 0.5)
    assert d.turn(81, 82) == []
    assert d.turn(70, 31) == pytest.approx([31 / 63.5]), "crossed 0.5"


def test_no_pickup_again_for_a_move_within_a_step_or_while_the_stage_is_slow():
    d = desk("/temperature")
    d.turn(63, 64, 80)
    d.set("/temperature", 80 / 63.5 + 0.01)
    d.tick(600)
    assert d.turn(82) == pytest.approx([82 / 63.5])
    d.obeys = False
    assert len(d.turn(84, 90, 95)) == 3, "the values of the page lag behind the hand"


def test_a_value_that_nobody_knows_is_taken_at_once():
    d = desk("/temperature")
    d.set("/temperature", math.nan)
    assert d.turn(10) == pytest.approx([10 / 63.5])


def test_jump_follows_at_once_and_bends_do_by_themselves():
    assert desk("/temperature", mode="jump").turn(127) == [2.0]
    d = desk("/sweep", "bend")
    assert d.hear(0xE0, 127, 127) == [1.0] and d.hear(0xE0, 0, 0) == [-1.0]
    assert d.hear(0xE0, 0, 64) == pytest.approx([0.0], abs=1e-4)


def test_range_curve_and_invert():
    d = desk("/a/bass/cutoff_hz", mode="jump")
    assert d.turn(0, 127) == [100.0, 10000.0]
    d = desk("/a/bass/cutoff_hz", mode="jump", range=(200.0, 800.0), curve="lin")
    assert d.turn(0, 127) == [200.0, 800.0]
    d = desk("/a/bass/cutoff_hz", mode="jump", range=(200.0, 800.0), invert=True)
    found = d.turn(0, 64, 127)
    assert found == pytest.approx([800.0, 200 * 4 ** (63 / 127), 200.0])


def test_whole_numbers_are_sent_where_whole_numbers_are_wanted():
    assert desk("/position", mode="jump").turn(0, 1, 127) == [0.0, 129.0, 16383.0]


def test_a_program_or_pad_that_sets_a_value():
    assert desk("/temperature", "note 36", mode="trigger").hear(0x90, 36, 9) == [2.0]
    assert desk("/temperature 0.5", "program 3").hear(0xC0, 3) == [0.5]


# ---- fine controllers
def test_a_fine_controller_moves_when_both_halves_are_there():
    d = desk("/temperature", "cc 1/33", mode="jump")
    assert d.hear(0xB0, 1, 64) == pytest.approx([2 * 8192 / 16383]), "a coarse one alone counts"
    assert d.hear(0xB0, 33, 5) == pytest.approx([2 * 8197 / 16383])
    assert d.hear(0xB0, 1, 63) == [], "from then on the fine half is waited for: no zigzag"
    assert d.hear(0xB0, 33, 127) == pytest.approx([2 * 8191 / 16383])
    d.hear(0xB0, 1, 70)
    assert d.hear(0xB0, 1, 71) == pytest.approx([2 * 71 * 128 / 16383]), "none came: coarse again"


def test_a_fine_controller_crosses_finely():
    d = desk("/temperature", "cc 1/33")
    sent = [v for raw in (8000, 8100, 8300) for half in ((1, raw >> 7), (33, raw & 127))
            for v in d.hear(0xB0, *half)]
    assert len(sent) >= 2 and sent[-1] == pytest.approx(2 * 8300 / 16383)


def test_registered_numbers():
    d = desk("/temperature", "nrpn 300", mode="jump")
    for pair in ((99, 2), (98, 44)):
        assert d.hear(0xB0, *pair) == []
    d.hear(0xB0, 6, 100)
    assert d.hear(0xB0, 38, 27) == pytest.approx([2 * (100 * 128 + 27) / 16383])
    for pair in ((99, 2), (98, 45), (6, 1), (38, 1)):
        assert d.hear(0xB0, *pair) == [], "another number"
    for pair in ((99, 2), (98, 44), (101, 0), (100, 0), (6, 1), (38, 1)):
        assert d.hear(0xB0, *pair) == [], "a registered one chosen since (bend range)"


# ---- endless encoders
@pytest.mark.parametrize(("mode", "up", "down", "up3"), [
    (RELATIVE[0], 1, 127, 3), (RELATIVE[1], 65, 63, 67), (RELATIVE[2], 1, 65, 3)])
def test_every_kind_of_encoder(mode, up, down, up3):
    d = desk("/temperature", mode=mode)
    step = 2.0 / 128
    assert d.turn(up, up, down) == pytest.approx([1 + step, 1 + 2 * step, 1 + step])
    assert d.turn(up3) == pytest.approx([1 + 4 * step])
    d.tick(600)
    d.set("/temperature", 0.5)
    assert d.turn(down) == pytest.approx([0.5 - step]), "from where the value is, no pickup"
    assert d.turn(*[down] * 200)[-1] == 0.0 and d.turn(*[up] * 300)[-1] == 2.0


def test_an_encoder_turns_along_the_curve_and_backwards_when_asked():
    d = desk("/a/bass/cutoff_hz", mode=RELATIVE[0], invert=True, step=0.25)
    assert d.turn(1) == pytest.approx([1000 * 100 ** -0.25])


def test_a_fast_turn_is_accelerated_and_a_turn_back_is_not():
    slow = desk("/temperature", mode=RELATIVE[0], acceleration=4.0)
    assert slow.turn(1, 1, after=200)[-1] == pytest.approx(1 + 2 * 2 / 128)
    fast = desk("/temperature", mode=RELATIVE[0], acceleration=4.0)
    one, two, back = fast.turn(1, 1, 127, after=25)
    assert two - one == pytest.approx(4 * 2 / 128) and two - back == pytest.approx(2 / 128)


# ---- buttons
def test_a_toggle_knows_how_it_stands():
    d = desk("/mute/kick", "note 36")
    d.set("/mute/kick", 0.0)
    assert d.hear(0x90, 36, 100) == [1.0] and d.hear(0x80, 36, 0) == []
    assert d.hear(0x90, 36, 100) == [0.0], "at once, before the stage has said so"
    d.tick(600)
    d.set("/mute/kick", 1.0)
    assert d.hear(0x90, 36, 1) == [0.0], "muted elsewhere: this press opens"
    assert d.sent[-1][3] == TRIGGER


def test_a_mute_that_waits_for_the_bar_is_taken_back_by_a_second_press():
    d = desk("/mute/kick", "note 36", port="nano")
    d.set("/mute/kick", 0.0)
    d.obeys = False
    assert d.hear(0x90, 36, 100) == [1.0]
    for _ in range(60):
        d.tick()
    assert [m[2] for _, m in d.back[1:]] == [127], "lit, and not out again before the bar"
    assert d.hear(0x90, 36, 100) == [0.0], "2 s later, not yet muted"
    d.tick(6000)
    d.set("/mute/kick", 1.0)
    d.tick()
    assert d.hear(0x90, 36, 100) == [0.0]


def test_a_button_that_sends_controllers():
    d = desk("/mute/kick")
    d.set("/mute/kick", 0.0)
    assert d.turn(127, 0, 127, 0) == [1.0, 0.0]
    assert d.turn(127, 127) == [1.0, 0.0], "one that never sends its release"


def test_a_momentary_button_and_a_foot_switch():
    d = desk("/hold", "cc 64")
    assert d.turn(127, 0, number=64) == [1.0, 0.0]
    assert d.turn(10, 70, 90, 30, 10, number=64) == [1.0, 0.0], "a pedal that sends its way"
    d = desk("/sweep", "note 1", mode="momentary", range=(-0.7, 0.7))
    assert d.hear(0x90, 1, 5) + d.hear(0x90, 1, 0) == [-0.7, 0.7][::-1]


def test_a_foot_switch_sets_off_a_verb_once_a_press():
    d = desk("/tap", "cc 65")
    assert d.turn(127, 0, 127, 0, number=65) == ["", ""] and d.sent[-1][0] == "/tap"
    assert d.sent[-1][3] == TRIGGER


def test_targets_that_say_what():
    assert desk("/scene drop", "note 3").hear(0x90, 3, 1) == ["drop"]
    d = desk("/ramp 128 8", "note 3")
    d.hear(0x90, 3, 1)
    assert d.sent[-1][:2] == ("/ramp", (128.0, 8.0))
    d = desk("/prompt night falls", "note 3")
    assert d.hear(0x90, 3, 1) == ["night falls"]


def test_programs_are_scenes_unless_a_row_says_otherwise():
    d = Desk([])
    assert d.hear(0xC5, 2) == ["drop"] and d.hear(0xC5, 3) == []
    assert d.controls.counts["no_such_scene"] == 1
    d = desk("/scene", "program", channel=2)
    assert d.hear(0xC0, 1) == [] and d.hear(0xC1, 1) == ["build"]


def test_channel_and_port():
    d = desk("/temperature", channel=3, port="BCR|nano", mode="jump")
    assert d.hear(0xB2, 16, 1) and not d.hear(0xB3, 16, 1) and not d.hear(0xB2, 16, 2, port="Keys")
    assert d.hear(0xB2, 16, 3, port="bcr2000 20:0")
    assert d.controls.counts["unbound"] == 2


# ---- keys
def test_a_keyboard_plays_a_part_and_the_pedal_holds():
    d = desk("/play/bass", "notes 36-60", channel=2)
    d.hear(0x91, 40, 127)
    d.hear(0x91, 61, 127)
    d.hear(0x90, 40, 127)
    assert d.sent == [("/play/bass", (40.0, 1.0), "", TRIGGER)]
    d.hear(0xB1, 64, 127)
    d.hear(0x81, 40, 0)
    assert len(d.sent) == 1, "held by the pedal"
    d.hear(0xB1, 64, 0)
    assert d.sent[1:] == [("/let_go/bass", (40.0,), "", TRIGGER)]
    d.hear(0x81, 40, 0)
    assert len(d.sent) == 2, "a key that is not down ends nothing"


def test_all_notes_off_and_a_row_that_goes_end_what_sounds():
    d = desk("/play/bass", "notes")
    d.hear(0x90, 40, 64)
    d.hear(0xB0, 123, 0)
    assert d.sent[-1] == ("/let_go/bass", (40.0,), "", TRIGGER)
    d.hear(0x90, 39, 64)
    d.hear(0xB0, 64, 127)
    d.hear(0x80, 39, 0)
    assert d.hear(0xB0, 123, 0) == [39.0] and d.hear(0xB0, 64, 0) == []
    d.hear(0x90, 41, 64)
    d.controls.set_rows([])
    assert d.sent[-1] == ("/let_go/bass", (41.0,), "", TRIGGER)


def test_a_pad_has_a_pitch_of_its_own_and_comes_before_the_keys():
    d = Desk([Row(Message("notes"), "/play/bass"),
              Row(Message("note", 36), "/play/bass 50", range=(0.5, 1.0))])
    d.hear(0x90, 36, 127)
    d.hear(0x80, 36, 0)
    assert [s[:2] for s in d.sent] == [("/play/bass", (50.0, 1.0)), ("/let_go/bass", (50.0,))]
    d.hear(0x90, 37, 127)
    assert d.sent[-1][1] == (37.0, 1.0)


# ---- back to the controller
def test_a_value_moved_elsewhere_is_shown_and_not_under_a_hand():
    d = desk("/temperature")
    d.turn(60, 64)
    d.set("/temperature", 2.0)
    for _ in range(8):
        d.tick()
    assert d.back == [], "touched 264 ms ago"
    for _ in range(20):
        d.tick()
    assert d.back == [("nano 1", bytes((0xB0, 16, 127)))], "once, to where it was heard"


def test_a_motor_does_not_pull_at_a_hand_that_searches_for_the_value():
    d = desk("/temperature")
    d.turn(10, 20)
    d.tick(290)
    assert d.back == []
    d.tick(20)
    assert d.back == [("nano 1", bytes((0xB0, 16, 64)))]


def test_no_more_than_thirty_a_second():
    d = desk("/temperature", port="nano", channel=3)
    for k in range(1000):
        d.set("/temperature", (k % 100) / 50)
        d.tick(1)
    assert 25 <= len(d.back) <= 31 and d.back[0] == ("nano", bytes((0xB2, 16, d.back[0][1][2])))


def test_lights_of_a_toggle():
    d = desk("/mute/kick", "note 36", port="APC", lights=(1, 5))
    d.set("/mute/kick", 1.0)
    d.tick()
    d.set("/mute/kick", 0.0)
    d.tick(34)
    assert [m for _, m in d.back] == [bytes((0x90, 36, n)) for n in (1, 5, 1)]
    d.hear(0x90, 36, 99, port="APC")
    d.hear(0x80, 36, 0, port="APC")
    d.tick(400)
    assert d.back[-1][1] == bytes((0x90, 36, 5)), "shown after the press, whatever the pad did"


def test_fine_feedback_and_none_where_it_is_switched_off():
    d = desk("/temperature", "cc 1/33", port="n")
    d.set("/temperature", 1.5)
    d.tick()
    raw = round(0.75 * 16383)
    assert [m for _, m in d.back] == [bytes((0xB0, 1, 64)), bytes((0xB0, 33, 0)),
                                      bytes((0xB0, 1, raw >> 7)), bytes((0xB0, 33, raw & 127))]
    d = desk("/temperature", "nrpn 300", port="n")
    assert [m[1] for _, m in d.back] == [99, 98, 6, 38]
    for off in (desk("/temperature", port="n", feedback=False), desk("/panic", port="n"),
                desk("/temperature", "pressure", port="n"), desk("/temperature")):
        off.tick()
        assert off.back == []


def test_a_motors_echo_is_no_hand():
    d = desk("/temperature", port="nano")
    d.set("/temperature", 1.234)
    d.tick(400)
    (_, message) = d.back[-1]
    assert d.hear(*message) == []
    assert d.hear(*message, after=400) != [], "a hand there, later, has it"


# ---- a stage without room
def test_a_full_stage_loses_no_press_and_keeps_the_newest_value():
    d = Desk([Row(Message("cc", 16), "/temperature", mode="jump"), Row(Message("note", 1), "/tap"),
              Row(Message("note", 2), "/scene drop")])
    d.room = False
    d.turn(1, 2, 3)
    d.hear(0x90, 1, 1)
    d.hear(0x90, 2, 1)
    d.turn(99)
    d.room = True
    d.tick()
    assert [(a, v or t) for a, v, t, _ in d.sent] == [
        ("/tap", ""), ("/scene", "drop"), ("/temperature", (pytest.approx(99 / 63.5),))]


# ---- learning while playing
def test_learn_forget_and_cancel():
    d = desk("/sweep", "cc 16")
    assert d.controls.act("/learn", "/temperature") and not d.controls.act("/panic")
    d.turn(*range(30, 60), number=21)
    assert str(d.controls.rows[-1].message) == "cc 21"
    assert d.controls.rows[-1].target == "/temperature" and d.controls.rows[-1].channel == 1
    assert "cc 21 on channel 1 of nano 1 now moves /temperature" in d.said[-1]
    assert d.turn(63, 64, 65, number=21) != []
    d.controls.act("/learn/forget", "/temperature")
    assert [r.target for r in d.controls.rows] == ["/sweep"]
    d.controls.act("/learn", "/temperature")
    d.controls.act("/learn/cancel")
    d.turn(*range(30, 60), number=21)
    assert [r.target for r in d.controls.rows] == ["/sweep"]
    d.controls.act("/learn", "/nothing")
    d.controls.act("/learn/forget", "/temperature")
    assert d.said[-2:] == ["learn: nothing is called '/nothing'",
                           "learn: no control moves /temperature"]


def test_a_learned_control_leaves_what_it_moved_and_does_nothing_meanwhile():
    d = desk("/panic", "note 36")
    d.controls.act("/learn", "/tap")
    d.hear(0x90, 36, 99)
    d.hear(0x80, 36, 0)
    assert d.sent == [] and [r.target for r in d.controls.rows] == ["/tap"]
    d.hear(0x90, 36, 99)
    assert d.sent[-1][0] == "/tap"


def test_a_keyboard_plays_on_while_a_knob_is_learned():
    d = desk("/play/bass", "notes")
    d.controls.act("/learn", "/temperature")
    d.hear(0x90, 40, 99)
    d.hear(0x80, 40, 0)
    assert [s[0] for s in d.sent] == ["/play/bass", "/let_go/bass"]
    d.turn(*range(30, 60))
    assert len(d.controls.rows) == 2


def test_learning_ends_by_itself():
    d = desk("/sweep")
    d.controls.learn("/temperature", d.now)
    d.tick(31_000)
    assert d.said[-1] == "learn: nothing moved for /temperature"
    assert d.turn(64) != []


def test_what_is_learned_is_in_the_file_and_a_hands_own_lines_stay(tmp_path):
    path = tmp_path / "x.controls.toml"
    path.write_text('# mine\ncontrols = [\n  {message="cc 1",target="/sweep"}, # wheel\n]\n')
    file = ControlFile(path)
    d = Desk(file.read(), change=file.change)
    d.controls.learn("/temperature", d.now)
    d.turn(*range(30, 60))
    text = path.read_text()
    assert text.startswith('# mine\ncontrols = [\n  {message="cc 1",target="/sweep"}, # wheel\n')
    assert file.read() == d.controls.rows and len(d.controls.rows) == 2
    assert not file.changed() and not list(tmp_path.glob("*.part"))


def test_learning_into_a_broken_file_says_so_and_writes_nothing(tmp_path):
    path = tmp_path / "x.controls.toml"
    file = ControlFile(path)
    d = Desk([], change=file.change)
    path.write_text("controls = [")
    d.controls.learn("/temperature", d.now)
    d.turn(*range(30, 60))
    assert "line 1: not readable" in d.said[-1] and path.read_text() == "controls = ["


# ---- the file, saved while playing
def test_a_saved_file_takes_over_and_a_wrong_one_does_not(tmp_path):
    path, said, sent = tmp_path / "x.controls.toml", [], []
    served = Served(path, said.append)
    served.begin(ENTRIES, np.ones(len(ENTRIES)), lambda *command: sent.append(command))
    row = '{{ message = "cc {}", target = "{}" }},\n'
    path.write_text(f"controls = [\n{row.format(16, '/temperature')}]")
    served.look()
    assert said == ["x.controls.toml: 1 control"]
    served.controls.hear("p", time.monotonic_ns(), b"\xb0\x10\x40")
    path.write_text(f"controls = [\n{row.format(16, '/temprature')}]")
    served.look()
    assert "line 2: nothing is called '/temprature'; did you mean '/temperature'" in said[-1]
    served.controls.hear("p", time.monotonic_ns(), b"\xb0\x10\x41")
    assert len(sent) == 2, "what was picked up is still held"
    served.look()
    assert len(said) == 2, "said once"
    path.unlink()
    served.look()
    assert len(served.controls.rows) == 1, "an editor may take it away for a moment"
    with pytest.raises(SetError, match="not readable"):
        path.write_text("controls = [")
        Served(path, said.append)


def test_another_set_keeps_rows_that_it_has_no_place_for():
    d = Desk([Row(Message("cc", 16), "/temperature"), Row(Message("cc", 17), "/a/bass/cutoff_hz")])
    d.turn(64)
    fewer = [e for e in ENTRIES if not e.address.startswith("/a/")]
    d.controls.set_entries(fewer, np.ones(len(fewer)))
    assert "nothing is called '/a/bass/cutoff_hz'" in d.said[-1] and len(d.controls.rows) == 2
    d.controls.set_entries(ENTRIES, d.values)
    assert d.turn(63, 64, 65, number=17) != []


# ---- whatever comes
@pytest.mark.parametrize("data", [b"", b"\x40", b"\x90", b"\x90\x40", b"\x90\x40\x80",
                                  b"\xb0\xff\x00", b"\x90\x40\x40\x40", b"\xc0\x01\x01",
                                  b"\xe0\x00"])
def test_a_broken_message_is_counted_and_does_nothing(data):
    d = Desk([Row(Message("notes"), "/play/bass")])
    d.controls.hear("p", 0, data)
    assert d.controls.counts["malformed"] == 1 and d.sent == []


def test_the_clock_and_exclusive_messages_are_not_for_it():
    d = Desk([])
    for data in (b"\xf8", b"\xfe", b"\xf0\x01\x02\xf7", b"\xf2\x01\x02"):
        d.controls.hear("p", 0, data)
    assert d.controls.counts["malformed"] == d.controls.counts["unbound"] == 0


def every_row():
    targets = {"value": ("/temperature", "/a/bass/cutoff_hz", "/sweep", "/position", "/mute/kick"),
               "fire": ("/panic", "/scene drop", "/ramp 128 8", "/hold 1")}
    messages = [Message("cc", 16), Message("cc", 1, 33), Message("note", 36), Message("bend"),
                Message("pressure"), Message("pressure", 36), Message("nrpn", 300),
                Message("program", 2)]
    found = [Row(m, t) for m in messages for t in (*targets["value"], *targets["fire"])]
    found += [Row(Message("cc", 20 + k), t, mode=mode, acceleration=8.0, step=0.3)
              for k, mode in enumerate(RELATIVE) for t in targets["value"]]
    found += [Row(Message("cc", 64), t, mode=mode) for t in targets["value"]
              for mode in ("toggle", "momentary", "trigger")]
    return [*found, Row(Message("program"), "/scene"), Row(Message("notes", 0, 99), "/play/bass"),
            Row(Message("note", 5), "/play/bass 50", range=(0.2, 0.4)),
            Row(Message("cc", 30), "/a/bass/cutoff_hz", range=(333.3, 7777.7), invert=True)]


@pytest.mark.parametrize("seed", range(8))
def test_no_messages_raise_and_nothing_out_of_range_is_sent(seed):
    chance = random.Random(seed)
    d = Desk(every_row())
    limits = {e.address: (e.low, e.high) for e in ENTRIES}
    limits |= {"/play/bass": (0.0, 127.0), "/let_go/bass": (0.0, 127.0)}
    numbers = (1, 33, 6, 38, 98, 99, 100, 101, 16, 20, 21, 22, 30, 64, 123, 2, 44)
    for _ in range(4000):
        status = chance.choice((0x80, 0x90, 0xA0, 0xB0, 0xB0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x10))
        size = chance.choice((3, 3, 3, 3, 2, 1, 0, 4))
        first = chance.choice(numbers) if status == 0xB0 else chance.randrange(140)
        data = [status | chance.randrange(2), first, chance.randrange(129), 3][:size]
        d.hear(*data, after=chance.choice((0, 1, 20, 700)), port=chance.choice(("a", "b")))
        d.room = chance.random() > 0.1
        if chance.random() < 0.1:
            place = chance.randrange(len(ENTRIES))
            d.values[place] = chance.choice((math.nan, math.inf, -math.inf, -1e30, 5.0, 0.0))
            d.tick(chance.choice((0, 33, 600)))
        if chance.random() < 0.002:
            d.controls.act(chance.choice(("/learn", "/learn/cancel", "/learn/forget")),
                           chance.choice(("/temperature", "/play/bass", "", "/scene drop", "x")))
    d.room = True
    d.tick()
    assert len(d.sent) > 1000
    for address, values, text, kind in d.sent:
        entry = ENTRIES[PLACE[address]]
        assert kind in (VALUE, TRIGGER) and (entry.kind == "value") == (kind == VALUE)
        assert not entry.choices or text in entry.choices
        if values:
            low, high = limits[address]
            assert low <= values[0] <= high, (address, values)
            assert entry.tags != "i" or values[0] == int(values[0])
            assert address != "/play/bass" or 0.0 <= values[1] <= 1.0
    assert all(max(m[1:]) < 128 and m[0] in range(0x80, 0xF0) for _, m in d.back)
