"""Reads a neutral text through the hooks: the stage learns what is usual. Thread: control."""
from pathlib import Path

from engine.model import text
from engine.model.capture import CHUNK
from engine.model.sample import Guard, sample
from engine.records import CALIBRATION, PREFILL, SINK, TEMPLATE

NEUTRAL = Path(__file__).parent / "neutral.txt"       # our own words


def windows(generator, path=None):
    """The ids of a text in contexts of the model; of the neutral text only the first."""
    words = (path and Path(path) or NEUTRAL).read_text("utf-8")
    ids = generator.tokenizer(words, add_special_tokens=False)["input_ids"]
    room = generator.window - len(generator.mark)
    parts = [[*generator.mark, *ids[i:i + room]] for i in range(0, len(ids), room)]
    return parts if path else parts[:1]


def calibrate(generator, settings=None):
    """Reads the neutral text and publishes its records, seq -N..-1; then forgets it.

    settings  text: a file to read instead, whole;  skip: contexts that were taken before
    """
    settings = settings or {}
    parts = windows(generator, settings.get("text"))
    left = sum(map(len, parts))
    for number, ids in enumerate(parts):
        if number >= int(settings.get("skip") or 0):
            read_window(generator, ids, left)
        left -= len(ids)


def read_window(generator, ids, left):
    """Publishes the records of one context, the first as seq -left; then forgets it."""
    context, rings, capture = generator.context, generator.rings, generator.capture
    capture.arrived, place, said = (lambda count: None), 0, text.START
    for i in range(0, len(ids), CHUNK):
        part = ids[i:i + CHUNK]
        logits = context.feed(part, keep=-1)
        for k, token in enumerate(part):
            seq, following = place - left, ids[place + 1] if place + 1 < len(ids) else None
            flags = CALIBRATION | PREFILL | (SINK if place == 0 else 0)
            flags |= TEMPLATE if token in generator.marks else 0
            choice = measured(logits[k], following)
            piece = ""
            if following is not None:
                said, piece = generator.speech.advance(said, following)
            rings.wait(interruptible=False)
            flags = rings.put_state(capture, k, seq, generator.generation, token, place, flags)
            lens = capture.lens and following is not None and capture.lens.read(
                capture.stage["resid"][k], logits[k], following)
            rings.put_token(seq, generator.generation, token if following is None else following,
                            flags, piece, generator.temperature, choice, lens)
            place += 1
    context.reset()
    capture.arrived = generator.arrived


def measured(logits, following):
    """A Choice with the numbers of a token that was given, not sampled."""
    choice = sample(logits, 0.0, 1.0, Guard(0.0), 0.0)
    if following is None:
        return choice._replace(surprisal_nat=float("nan"))
    top_nat = float(logits.float().max() - logits[following].float())
    return choice._replace(token=following, surprisal_nat=choice.surprisal_nat + top_nat)
