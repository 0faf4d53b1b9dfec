"""What a performer sees: place in the piece, the growing text, features, levels, trouble.

`rows` turns a Status into lines of known width, so that neither emoji nor control characters in a
model's text can bend the picture; `show` draws them 15 times a second and passes keys on. Without a
terminal, `Plain` writes a line a bar. Thread: control.
"""
import unicodedata

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from engine import console
from engine.errors import EngineError
from engine.keys import ESCAPE, Keys
from engine.mapping import UNITS

REFRESH_S = 1 / 15
TEXT_ROWS, MESSAGES = 4, 3
FLOOR_DB = -48.0                          # an empty level bar
MARKS = 2                                 # combining marks kept on one letter
KEYS = {" ": "next", "h": "hold", "+": "warmer", "=": "warmer", "-": "cooler", "_": "cooler",
        "f": "filter", "!": "panic", "[": "less", "]": "more", "0": "unsteer",
        **{str(n): f"mute:{n}" for n in range(1, 9)}}
HELP = "space next 1-8 mute p prompt h hold +/- temp f filter !panic"
HELP_STEER = " [ ] steer 0 release"


def clean(text):
    """Text that occupies the cells it seems to: no control or format characters, few marks.

    Line ends become a pilcrow; joiners and direction marks go, so that no terminal glues letters
    together or turns what follows.
    """
    kept, marks = [], 0
    for character in text.replace("\r\n", "\n"):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if character in "\n\t\r\v\f\x85\u2028\u2029":
            kept.append("¶ " if character in "\n\u2028\u2029" else " ")
        elif kind in ("Cc", "Co", "Cn", "Cs"):
            kept.append("·")
        elif kind != "Cf" and marks <= MARKS and not "\ufe00" <= character <= "\ufe0f":
            kept.append(character)
    return "".join(kept)


def fit(text, width, style=""):
    """A Text of exactly `width` cells."""
    line = Text(clean(text) if width > 0 else "", style=style, no_wrap=True, end="")
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def tail(text, width, count):
    """The last `count` lines of text wrapped at words to `width` cells."""
    lines, line = [], ""
    for word in clean(text)[-width * (count + 2):].split(" "):
        while cell_len(word) > width:                          # one long word: cut it by cells
            head = Text(word)
            head.truncate(width - 1)
            lines, line = [*lines, *([line] if line else []), head.plain], ""
            word = word[max(len(head.plain), 1):]
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines, line = [*lines, line], word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line][-count:]


def bar_of(share, width):
    """A bar of `width` cells in eighths."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8) if share == share else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def _pair(left, right, width, style=""):
    """Left text and right text on one line, the left one cut when they meet."""
    right = fit(right, min(cell_len(clean(right)), width))
    return fit(left, width - right.cell_len, style).append_text(right)


def _feature(name, value, width):
    """A feature as its place 0..1, so without its unit."""
    stem, _, unit = name.rpartition("_")
    size = 8 if width >= 34 else 4
    label = width - size - 6
    name = stem if unit in UNITS else name
    return fit(f"{name:{label}.{label}} {bar_of(value, size)} {value:4.2f}", width)


def _level(number, name, level_db, muted, width):
    share = 1.0 - level_db / FLOOR_DB if level_db > FLOOR_DB else 0.0
    words = "muted" if muted else f"{level_db:5.1f}" if level_db > -100 else "    -"
    label = f"{number} {name}" if number else name
    return fit(f"{label:9.9} {bar_of(share, max(width - 17, 1))} {words}", width,
               "dim" if muted else "")


def _levels(status, width):
    found = [_level(n if n <= 8 else 0, name, level, name in status.mutes, width)
             for n, (name, level) in enumerate(status.levels_db.items(), start=1)]
    return [*found, _level(0, "master", status.master_db, False, width)]


def main_features(names, count):
    """At most `count`, sorted; each family (`token`, `mlp`) has its fair share."""
    places = {}
    for name in sorted(names):
        family = name.split(".")[0]
        places[name] = (sum(other.split(".")[0] == family for other in places), name)
    return sorted(sorted(places, key=places.get)[:count])


def _columns(status, width):
    """Features beside levels; under 50 columns, levels alone."""
    left_width = (width - 3) // 2 if width >= 50 else 0
    names = main_features(status.features, max(len(status.levels_db) + 1, 8) if left_width else 0)
    left = [_feature(name, status.features[name], left_width) for name in names]
    right = _levels(status, width - left_width - (3 if left_width else 0))
    blank = fit("", left_width)
    rows = []
    for i in range(max(len(left), len(right))):
        first = left[i] if i < len(left) else blank
        second = right[i] if i < len(right) else Text("", end="")
        rows.append(Text.assemble(first, "   ", second) if left_width else second)
    return rows


def clock(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def place(status):
    """Set, section, bar and beat, tempo in one phrase."""
    return (f"{status.set}  {status.section} {status.section_bar}/{status.section_bars}  "
            f"bar {status.bar}.{status.beat}  {status.bpm:.1f} bpm")


def loudness(status, width):
    """LUFS now, over 3 s and since the start, true peak; in a narrow picture the first alone."""
    if not status.loudness or width < 40:
        return ""
    now, short, whole, peak = (f"{level:.1f}" if level > -100 else "-" for level in (
        status.loudness[name] for name in (
            "momentary_lufs", "short_term_lufs", "integrated_lufs", "true_peak_dbtp")))
    return f" M{now}{f' S{short} I{whole}' if width >= 60 else ''} LUFS {peak} dBTP"


def rows(status, width, height, line=None):
    """The picture: at most `height` lines, each at most `width` cells.

    line  what is being typed as a prompt, or None
    """
    rule = Text("─" * width, style="dim", end="")
    recording = "● take  " if status.recording else ""
    late = f"{status.late_blocks} late blocks  {status.late_records} late records"
    if width >= 80:
        late = f"{status.ahead_ms:.0f} ms ahead  {status.late_events} late events  {late}"
    top = [_pair(place(status), f" {recording}{clock(status.seconds)}", width),
           _pair(status.pending or "", loudness(status, width), width, "bold yellow"), rule]
    words = [Text(text, end="", no_wrap=True) for text in tail(status.text, width, TEXT_ROWS)]
    words += [Text("", end="")] * (TEXT_ROWS - len(words))
    told = [fit(f"{clock(s)}  {message}", width, "yellow")
            for s, message in status.messages[-MESSAGES:]]
    keys = HELP + HELP_STEER * bool(status.steering)
    typed = fit(keys, width, "dim") if line is None else fit(
        f"prompt: {tail(line, width - 10, 1)[0]}▏", width)
    model = f"model {status.model_state}" + "".join(f"; {words}" for words in (
        status.connected, status.steering) if words)
    bottom = [rule, _pair(model, f"  {late}", width), *told, typed]
    middle = [rule, *_columns(status, width)]
    room = max(height - len(top) - len(words) - len(bottom), 0)
    return [*top, *words, *middle[:room], *bottom][:height]


class Typing:
    """What the keys mean: commands, or, after p, the letters of a prompt.

    line    the prompt so far, None while keys are commands
    faults  [(s, why a key did nothing)]
    """

    def __init__(self, session):
        self._session, self.line, self.faults = session, None, []

    def take(self, characters, seconds):
        for character in characters:
            try:
                self._key(character)
            except EngineError as error:
                self.faults = [*self.faults[1 - MESSAGES:], (seconds, str(error))]

    def _key(self, character):
        if self.line is not None:
            self._letter(character)
        elif character == "p":
            self.line = ""
        elif character in KEYS:
            self._session.key(KEYS[character])

    def _letter(self, character):
        if character in "\r\n":
            text, self.line = self.line.strip(), None
            if text:
                self._session.prompt(text)
        elif character == ESCAPE:
            self.line = None
        elif character in "\x7f\b":
            self.line = self.line[:-1]
        elif character == "\x15":                              # Ctrl-U
            self.line = ""
        elif character.isprintable():
            self.line += character


class Plain:
    """A line a bar and every message once: for logs, pipes and dumb terminals."""

    def __init__(self, say=console.say):
        self._say, self._bar, self._told = say, None, 0.0

    def draw(self, status):
        for s, message in status.messages:
            if s > self._told:
                self._told = s
                self._say(f"{clock(s)}  {clean(message)}")
        if status.bar != self._bar:
            self._bar = status.bar
            self._say(f"{place(status)}  {status.master_db:.0f} dB  {status.late_blocks} late  "
                      f"{tail(status.text, 60, 1)[0]}")


def show(session, screen=None):
    """Draws the session until it is done; Ctrl-C passes through, the terminal is put back first."""
    screen = screen or Console(stderr=True)
    with Keys() as keys:
        typing = Typing(session)
        if not screen.is_terminal or screen.is_dumb_terminal:
            _follow(session, keys, typing, Plain().draw)
            return
        with Live(console=screen, auto_refresh=False, vertical_overflow="crop") as live:
            def draw(status):
                picture = rows(status, screen.width, screen.height - 1, typing.line)
                live.update(Text("\n").join(picture), refresh=True)
            _follow(session, keys, typing, draw)


def _follow(session, keys, typing, draw):
    features = {}                         # what one token lacks keeps its value
    while True:
        status = session.status()
        features.update(status.features)
        status.features = features
        status.messages = sorted([*status.messages, *typing.faults])
        draw(status)
        if status.done:
            return
        typing.take(keys.read(REFRESH_S), status.seconds)
