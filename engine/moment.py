"""A moment of a take as people write it: 194.2, 3:14.2 or bar 37.2. Thread: any."""
import math
import re

from engine.clock import STEPS_PER_BAR
from engine.errors import TakeError

BEAT = STEPS_PER_BAR // 4


def seconds_of(text):
    """Seconds of "194.2", "3:14.2" or "1:03:14.2"; None when it is none."""
    fields = text.split(":")
    if not 1 <= len(fields) <= 3 or not re.fullmatch(r"\d+(\.\d+)?", fields[-1]) or not all(
            re.fullmatch(r"\d+", field) for field in fields[:-1]):
        return None
    numbers = [float(field) for field in fields]
    if any(number >= 60.0 for number in numbers[1:]):
        return None
    return sum(number * 60.0 ** place for place, number in enumerate(reversed(numbers)))


def clock_text(seconds):
    """Seconds as m:ss.s."""
    tenths = math.floor(seconds * 10 + 1e-6)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def place_text(step):
    """A 16th as bar.beat."""
    step = max(0, int(step))
    return f"{step // STEPS_PER_BAR + 1}.{step % STEPS_PER_BAR // BEAT + 1}"


def sample_of(moment, take, clock):
    """The sample of a moment of a take; raises TakeError for one that is none, or not in it."""
    text = " ".join(moment.split())
    found = re.fullmatch(r"bar (\d{1,9})(?:\.(\d{1,9}))?", text)
    if found:
        bar, beat = int(found[1]), int(found[2] or 1)
        if bar < 1 or not 1 <= beat <= 4:
            raise TakeError(f"why: {text!r}: bars count from 1, beats from 1 to 4")
        sample = clock.sample_of((bar - 1) * STEPS_PER_BAR + (beat - 1) * BEAT)
    else:
        seconds = seconds_of(text)
        if seconds is None:
            raise TakeError(f"why: {moment!r} is no time: write 194.2, 3:14.2 or bar 37.2")
        sample = round(seconds * clock.rate_hz)
    if sample >= max(1, take.samples):
        last = take.steps[-1]["step"] if take.steps else 0
        end = clock_text(take.samples / clock.rate_hz)
        raise TakeError(f"why: {text} is beyond the take's end, {end} (bar {place_text(last)})")
    return max(0, sample)
