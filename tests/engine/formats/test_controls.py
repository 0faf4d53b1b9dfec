"""Control files: every mistake with its line, and a hand's own lines left alone. Thread: any."""
import re
from pathlib import Path

import pytest

from engine import sets
from engine.errors import SetError
from engine.formats.controls import KEYS, RELATIVE, Message, Row, edited, line_of, message_of, read
from engine.surface import entries
from engine.wires.bound import check

FILE = """# my desk
controls = [
    { port = "nanoKONTROL2", channel = 1, message = "cc 16", target = "/a/bass/cutoff_hz" },
    # the pads
    {message="note 36",target="/scene drop"},   # left foot
    { message = "cc 1/33", target = "/temperature", range = [0.2, 1.5], invert = true },
]
"""


@pytest.fixture(scope="module")
def house():
    return entries(sets.load("house"))


def test_rows_say_what_is_written(house):
    knob, pad, fine = read(FILE, "f", check(house))
    assert knob == Row(Message("cc", 16), "/a/bass/cutoff_hz", "nanoKONTROL2", 1)
    assert (pad.message, pad.target, pad.channel) == (Message("note", 36), "/scene drop", 0)
    assert (fine.message, fine.range, fine.invert) == (Message("cc", 1, 33), (0.2, 1.5), True)


@pytest.mark.parametrize("row", [
    'message = "cc 1", target = "/a", channel = NUMBER', 'message = NUMBER, target = "/a"',
    'message = "cc 1", target = "/a", range = [1, NUMBER]'])
def test_a_number_that_python_does_not_write_out_is_one_line(row):
    with pytest.raises(SetError, match="^f, row 1: .*a number as long as that"):
        read(f"controls = [ {{ {row.replace('NUMBER', '0x' + 'f' * 5000)} }} ]", "f")


@pytest.mark.parametrize("text", [
    "cc 21", "cc 21/53", "note 0", "notes", "notes 36-59", "bend", "pressure", "pressure 4",
    "program", "program 127", "nrpn 16383"])
def test_a_message_is_written_as_it_is_read(text):
    assert str(message_of(text)) == text


def test_what_is_written_is_read_again():
    rows = [Row(Message("cc", 21), "/temperature", 'odd "name" \\ \t é', 16, RELATIVE[0],
                (0.1, 1.25), "lin", True, False, (1, 5), 1 / 256, 4.0),
            Row(Message("notes", 0, 12), "/play/bass"), Row(Message("bend"), "/sweep")]
    assert read(edited("", rows), "f") == rows


def test_a_changed_file_keeps_every_line_that_stays():
    rows = read(FILE, "f")
    new = Row(Message("cc", 7), "/sweep")
    lines = edited(FILE, [rows[0], rows[1], new]).splitlines()
    old = FILE.splitlines()
    assert lines == [*old[:5], line_of(new), old[6]], "comments, spaces and order are the hand's"


def test_a_last_row_without_a_comma_gets_one():
    text = 'controls = [\n    {message = "bend", target = "/sweep" }  # last\n]\n'
    row = Row(Message("cc", 7), "/temperature")
    assert read(edited(text, [*read(text, "f"), row]), "f")[1] == row


@pytest.mark.parametrize("text", [
    'controls = [ { message = "bend", target = "/sweep" } ]',
    '[[controls]]\nmessage = "bend"\ntarget = "/sweep"\n',
    'controls = [\n  { message = "bend", target = "/sweep" } ]\n'])
def test_a_file_in_another_shape_is_read_and_written_anew(text):
    row = Row(Message("cc", 7), "/temperature")
    after = edited("# mine\n" + text, [*read(text, "f"), row])
    assert after.startswith("# mine\n") and read(after, "f") == [*read(text, "f"), row]


def test_nothing_is_lost_of_a_file_that_cannot_be_read():
    with pytest.raises(SetError, match="line 2: not readable"):
        edited("controls = [\n  { message = }\n]", [Row(Message("bend"), "/sweep")])


def one(text):
    return f"controls = [\n    {{ {text} }},\n]\n"


@pytest.mark.parametrize(("text", "said"), [
    ("controls = [", r"f.toml, line 1: not readable"),
    ("controls = [\n{ message = 'cc 1' target = 1 }\n]", r"f.toml, line 2: not readable"),
    ("x = " + "9" * 5000, r"f.toml, line 1: not readable"),
    ("control = []", r"f.toml: 'control' is unknown; did you mean 'controls'\?"),
    ("controls = 3", r"controls must be rows"),
    (one('target = "/panic"'), r"f.toml, line 2: message is missing"),
    (one('message = "cc 1"'), r"f.toml, line 2: target is missing"),
    (one('message = "cc", target = "/sweep"'), r"message 'cc' needs a number, 0 to 127"),
    (one('message = "cc 128", target = "/sweep"'), r"must be 0 to 127"),
    (one('message = "nte 1", target = "/sweep"'), r"message 'nte 1'; did you mean 'note'\?"),
    (one('message = "cc 1/1", target = "/sweep"'), r"must be another"),
    (one('message = "cc 1-2", target = "/sweep"'), r"is not like 'cc 21'"),
    (one('message = "notes 40-30", target = "/play/bass"'), r"higher"),
    (one('message = "bend 3", target = "/sweep"'), r"'bend' has no number"),
    (one('message = 3, target = "/sweep"'), r"message '3'"),
    (one('message = "cc 1", target = "/sweap"'), r"nothing is called '/sweap'; did you mean '/swe"),
    (one('message = "cc 1", target = "/beat"'), r"nothing is called '/beat'"),
    (one('message = "cc 1", target = "/scene"'), r"'/scene' must be told which, as in \"/scene "),
    (one('message = "cc 1", target = "/scene dorp"'), r"/scene has no 'dorp'; did you mean 'drop'"),
    (one('message = "cc 1", target = "/prompt"'), r"must be told what"),
    (one('message = "cc 1", target = "/tempo 500"'), r"500 is outside 20..400"),
    (one('message = "cc 1", target = "/ramp 120"'), r"'/ramp' takes 2 numbers"),
    (one('message = "cc 1", target = "/ramp 120 x"'), r"'x' must be a number"),
    (one('message = "cc 1", target = "/panic 1"'), r"takes no numbers"),
    (one('message = "cc 1", target = "/mute/kick 0.5"'), r"a whole number"),
    (one('message = "notes", target = "/sweep"'), r"'notes' play a part"),
    (one('message = "cc 1", target = "/sweep", chanel = 1'), r"did you mean 'channel'\?"),
    (one('message = "cc 1", target = "/sweep", channel = 0'), r"channel must be 1 to 16, not 0"),
    (one('message = "cc 1", target = "/sweep", channel = true'), r"channel must be 1 to 16"),
    (one('message = "cc 1", target = "/sweep", mode = "pikup"'), r"did you mean 'pickup'\?"),
    (one('message = "cc 1", target = "/panic", mode = "jump"'), r"is only set off"),
    (one('message = "note 1", target = "/sweep", mode = "pickup"'), r"needs a control that turns"),
    (one('message = "cc 1/33", target = "/sweep", mode = "relative sign"'), r"a plain controller"),
    (one('message = "program", target = "/sweep"'), r"a program sets off one thing"),
    (one('message = "cc 1", target = "/sweep", range = [1.0, 0.0]'), r"range must be \[low, high"),
    (one('message = "cc 1", target = "/sweep", range = [nan, 1.0]'), r"range must be"),
    (one('message = "cc 1", target = "/sweep", range = [0, 9]'), r"reaches beyond -1..1"),
    (one('message = "cc 1", target = "/sweep", curve = "exp"'), r"needs a range above 0"),
    (one('message = "cc 1", target = "/panic", range = [0, 1]'), r"leave range and curve out"),
    (one('message = "cc 1", target = "/sweep", lights = [0, 128]'), r"lights must be"),
    (one('message = "cc 1", target = "/sweep", step = 0'), r"step must be"),
])
def test_a_mistake_has_its_line_and_what_to_write(house, text, said):
    with pytest.raises(SetError, match=said) as fault:
        read(text, "f.toml", check(house))
    assert "\n" not in str(fault.value)


def test_the_same_twice_is_a_mistake_and_two_targets_of_one_control_are_not(house):
    row = '    { message = "cc 1", target = "/sweep" },\n'
    with pytest.raises(SetError, match="line 3: cc 1 moves /sweep already in line 2"):
        read(f"controls = [\n{row}{row}]", "f", check(house))
    both = read(f"controls = [\n{row}{row.replace('sweep', 'temperature')}]", "f", check(house))
    assert len(both) == 2


def test_all_mistakes_are_counted_and_the_first_is_said(house):
    bad = '    { message = "cc 1", target = "/x" },\n'
    with pytest.raises(SetError, match=r"line 2: .*\(and 2 more\)"):
        read(f"controls = [\n{bad}{bad}{bad}]", "f", check(house))


def test_the_example_of_the_page_is_a_control_file_of_the_set(house):
    page = (Path(__file__).parents[3] / "docs" / "controllers.md").read_text("utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    assert len(read(example, "controllers.md", check(house))) == 9
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page, re.M))))
    assert named == set(KEYS) | {"message"}
