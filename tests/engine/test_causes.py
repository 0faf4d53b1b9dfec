"""Causes: one number a cause, one for each note, none without a take; what does not fit is 0."""
from engine.causes import MOST, Causes
from engine.mapping import Link
from engine.records import CAUSE_BIT

LINK = Link("a.b", (0.0, 1.0), "bell.bright", (0.0, 1.0))


class Book:
    def __init__(self):
        self.chunks = []

    def chunk(self, kind, payload):
        self.chunks.append((kind, payload))


def test_a_cause_is_told_once_and_keeps_its_number():
    causes, book = Causes(), Book()
    first = causes.of(book, "link", "a.b", LINK)
    assert first == causes.of(book, "link", "a.b", LINK) != causes.of(book, "link", "a.b")
    assert [kind for kind, _ in book.chunks] == [b"CAUS"] * 2
    assert book.chunks[0][1]["link"]["target"] == "bell.bright"


def test_notes_and_causes_never_share_a_number():
    causes, book = Causes(), Book()
    first = causes.several(book, 5)
    assert causes.of(book, "hand", "x") not in range(first, first + 5)
    assert causes.several(book, 2) == first + 6


def test_without_a_take_there_are_no_numbers_and_a_new_take_is_told_all():
    causes, book = Causes(), Book()
    assert causes.of(None, "hand", "x") == causes.several(None, 3) == 0
    causes.of(book, "hand", "x")
    other = Book()
    assert causes.of(other, "hand", "x") and len(other.chunks) == 1


def test_numbers_end_where_the_flags_do():
    causes, book = Causes(), Book()
    causes._next = MOST - 1
    assert causes.several(book, 1) == MOST - 1 and causes.several(book, 1) == 0
    assert causes.of(book, "hand", "x") == 0 and not book.chunks
    assert (MOST << CAUSE_BIT) + 255 < 1 << 31
