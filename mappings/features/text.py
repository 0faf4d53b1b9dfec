"""Text: where sentences and paragraphs end, read from the tokens as they are spoken.

text.sentence_age_tokens   tokens of the sentence so far, with this one; 0 on quotes after its end

Thread: control.
"""
import math
import unicodedata
from dataclasses import dataclass

from engine.records import END, TEMPLATE
from mappings.features.common import Family

NAMES = ("text.sentence_age_tokens",)
ENDERS = ".!?\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964"      # also CJK, Arabic, Urdu, Devanagari
ABBREVIATIONS = frozenset("mr mrs ms dr st prof rev capt col gen lieut sgt jr sr no vs etc".split())


@dataclass(frozen=True)
class Marks:
    """What one token closes. age_tokens  tokens of the sentence so far."""
    sentence_end: bool = False
    punctuation: bool = False
    paragraph_end: bool = False
    age_tokens: int = 0


def has_word(text):
    """Whether a letter, a digit or a symbol (an emoji) is in it: something that is said."""
    return any(unicodedata.category(c)[0] in "LNS" for c in text)


class Reader:
    """Reads token texts in order; a sentence ends once, however many marks close it."""

    def __init__(self):
        self.forget()

    def forget(self):
        """At the beginning of a text."""
        self._word, self._age, self._said, self._paragraph = "", 0, False, False

    def read(self, text, flags=0):
        """The marks of the next token. A template token is not text and changes nothing."""
        if flags & TEMPLATE:
            return Marks(age_tokens=self._age)
        punctuation = any(unicodedata.category(c)[0] == "P" for c in text)
        stop = self._stops(text)
        said = has_word(text)
        self._age += bool(text) and (said or self._said)
        self._said, self._paragraph = self._said or said, self._paragraph or said
        line = ("\n" in text or bool(flags & END)) and self._paragraph
        ends = (stop or line) and self._said
        age = self._age
        if ends:
            self._age, self._said = 0, False
        if line:
            self._paragraph = False
        self._remember(text)
        return Marks(ends, punctuation, line, age)

    def _stops(self, text):
        """Whether a full stop in it ends a sentence: not after `Mr`, an initial, a digit (3.14)."""
        at = max(text.rfind(c) for c in ENDERS)
        if at < 0 or has_word(text[at + 1:]):
            return False
        if text[at] != ".":
            return True
        before = text[:at]
        words = (before if before[:1].isspace() else self._word + before).split()
        word = words[-1] if words else ""
        initial = len(word) == 1 and word.isupper() and word != "I"
        return not (initial or word[-1:].isdigit() or word.lower() in ABBREVIATIONS)

    def _remember(self, text):
        """Keeps the word that is being spelled, for the token that may close it."""
        joined = text if not text or text[0].isspace() else self._word + text
        self._word = joined.split()[-1][-32:] if joined.split() and not joined[-1].isspace() else ""


class Text(Family):
    """One feature; the marks themselves go straight into the frame."""
    names = NAMES
    ranges = dict.fromkeys(NAMES, (0, math.inf))

    def look(self, state, token, marks):
        """The sentence's age."""
        return marks.age_tokens
