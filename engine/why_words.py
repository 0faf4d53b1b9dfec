"""What `why` found, in lines to read. Thread: control."""
import math

from engine.moment import clock_text
from engine.why import UNTOLD

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
TEXT_LETTERS = 72
OTHERS = {"hand": "the performer", "panic": "the performer", "tempo": "the set",
          "transport": "the performer", "set": "the set", "music": "the set's form"}


def note_name(hz):
    """The nearest note, C4 = 261.6 Hz, with the cents that it is off from five on."""
    pitch = 69.0 + 12.0 * math.log2(max(hz, 1e-3) / 440.0)
    near = round(pitch)
    cents = round(100 * (pitch - near))
    return f"{NOTES[near % 12]}{near // 12 - 1}" + (f"{cents:+d}" if abs(cents) >= 5 else "")


def token(record):
    """A record as its token and its number."""
    if record["seq"] < 0:
        return ("a record recalled while the model was late" if record.get("recalled") else
                "no record: the model had said nothing yet")
    if record.get("missing"):
        return f"record {record['seq']}, which the take does not hold"
    unheard = ", thrown away before it was heard" if record.get("unheard") else ""
    steered = f", steered: {record['steered'][0]:.2f} nat" if record.get("steered") else ""
    return f"token {record['text']!r}, record {record['seq']}{steered}{unheard}"


def read(features):
    """The features read, each with its number, its place and where in the model it stands."""
    found = []
    for one in features:
        value = "" if one["value"] is None else f" = {one['value']:.4g}"
        place = "" if one["place"] is None else f", place {one['place']:.2f}"
        at = f", {one['read_at']}" if one["read_at"] else ""
        found.append(f"{one['name']}{value} ({(place + at).lstrip(', ')})")
    return "; ".join(found)


def link_words(link):
    """A link as its row reads."""
    more = "".join(f" {name} {link[name]}" for name in ("latch", "steps", "hysteresis")
                   if link.get(name))
    first, last = (f"{x:g}" for x in link["writes"])
    low, high = (f"{x:g}" for x in link["reads"])
    return f"link {link['feature']} {low}..{high} to {first}..{last} {link['curve']}{more}"


def cause_lines(cause):
    """Where something comes from: the rule first, then what was read, and from which token."""
    by, text = cause["by"], cause["text"]
    if by == "grammar":
        what = text.removeprefix("grammar: ").removesuffix(": grammar")
        lines = [f"the grammar's {what}, not the model"]
    elif by == "link":
        lines = [text] * (": " in text) + [link_words(cause["link"])]
    elif by == "file":
        lines = [f"{text}: from the file, not the model"]
    elif by in OTHERS:
        lines = [f"{text}: {OTHERS[by]}, not the model"]
    else:
        lines = [text]
    if cause.get("features"):
        lines.append(f"read {read(cause['features'])}")
    if cause.get("record"):
        lines.append(f"from {token(cause['record'])}")
    if cause.get("touch"):
        touch = cause["touch"]
        lines.append(f"its level touched by {read(touch['features'])} from "
                     f"{token(touch['record'])}")
    return lines


def _chords(notes):
    """Notes of one part, struck at once for one cause, together."""
    found = {}
    for note in notes:
        key = note["part"], note["seconds"], note["held"], str(note["cause"])
        found.setdefault(key, []).append(note)
    return found.values()


def _note_lines(notes, told):
    one = notes[0]
    state = "" if one["held"] else ", just let go"
    names = " ".join(note_name(note["pitch_hz"]) for note in notes)
    return [f"  {one['part']:10} {names}  level {max(note['level'] for note in notes):.2f}, struck "
            f"{clock_text(one['seconds'])}{state}{', muted' * one['muted']}",
            *(f"    {line}" for line in cause_lines(one["cause"]) if told)]


def lines(found):
    """The answer to `why`, for people."""
    section = f"{found['section']} bar {found['section_bar']}, " if found["section"] else ""
    told = any(one["cause"]["by"] for one in [*found["sounding"], *found["parameters"]]) or not (
        found["sounding"] or found["parameters"])
    cut = "" if found["whole"] else "; the take was cut short"
    out = [f"{found['take']} at {clock_text(found['seconds'])}: bar {found['place']}, {section}"
           f"chord {found['chord'] or 'none'}{cut}", *([] if told else [UNTOLD]),
           "text  …" + " ".join(found["text"][-TEXT_LETTERS:].split()), "",
           "sounding" + ("" if found["sounding"] else ": nothing")]
    for notes in _chords(found["sounding"]):
        out += _note_lines(notes, told)
    out += ["", "parameters, the last moved first" if found["parameters"] else
            "parameters: none was moved"]
    for one in found["parameters"]:
        first, *more = cause_lines(one["cause"]) if told else ("",)
        out.append(f"  {one['parameter']:24} {one['value']:<10.4g} {clock_text(one['seconds'])}  "
                   f"{first}".rstrip())
        out += [f"    {line}" for line in more]
    return "\n".join(out)
