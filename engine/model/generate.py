"""Reads a prompt and writes on: records in order, rewound and resumed at will. Thread: control.

Every record has its sequence number; STATE n leaves from the last block's hook, TOKEN n after
sampling. All randomness hangs on (seed, n), chunks are cut by position and never by time: the same
controls after the same records give the same text, however fast anybody reads.
"""
from collections import deque
from dataclasses import dataclass
from itertools import islice

from engine.model import text
from engine.model.capture import CHUNK
from engine.model.chat import PARAGRAPH, Plain, Token
from engine.model.decode import Context
from engine.model.sample import Guard, sample, uniform
from engine.records import END, INVALID, PREFILL, RENEWED, SINK, TEMPLATE

TAIL = 64                                 # tokens of the past that a renewed context begins with
RETRY = 16                                # records between two attempts to be rid of NaN
REMEMBERED = 1024                         # records that can be rewound to


@dataclass(slots=True)
class Written:
    """What a published record needs to be gone back to."""
    seq: int
    token: int                            # its input
    forced: bool                          # the input was given (a prompt), not sampled
    chapter: int                          # counts contexts; `place` is an index into that one
    place: int
    guard: int                            # tokens that the guard knew after this record
    words: tuple                          # the state of the text decoder then
    sampled: int | None = None


class Generator:
    """Writes records of one model into rings.

    settings  temperature, top_p, repetition_guard, model_seed, first_seq, generation
    steer     a prepared Steer, or None;  chat  a Chat that prompts go through, or None
    """

    def __init__(self, loaded, capture, rings, settings, ways=None, steer=None, chat=None):
        self.tokenizer, self.steer, self.chat = loaded.tokenizer, steer, chat
        self.ends = loaded.ends | (chat.ends if chat else frozenset())
        self.speech = text.Words(loaded.tokenizer)
        self.window = loaded.context
        self.capture, self.rings = capture, rings
        self.context = Context(loaded.model, capture, ways)
        self.temperature = float(settings.get("temperature", 0.9))
        self.top_p = float(settings.get("top_p", 0.95))
        self.seed = int(settings.get("model_seed", 1))
        self.generation = int(settings.get("generation", 0))
        self.seq = self.first_seq = int(settings.get("first_seq", 0))
        self.guard = Guard(float(settings.get("repetition_guard", 0.5)))
        self.written = deque(maxlen=REMEMBERED)
        self.given, self.silent = deque(), []          # ids to read as records; ids to read unheard
        self.next, self.words, self.opening = None, text.START, []
        self.chapter, self.flags, self.renewed_at = 0, 0, -TAIL
        self._chunk, self._published = [], 0
        self.marks = frozenset(loaded.tokenizer.all_special_ids)
        self.plain = Plain(loaded.tokenizer, loaded.context - TAIL)
        self.prompts, self.mark = chat or self.plain, self.plain.mark
        capture.arrived, capture.beat = self.arrived, rings.beat

    # ---- what is to be read
    def open(self, prompt):
        """Begins with a prompt."""
        self.opening = self.prompts.open(prompt)
        self.given.extend(self.opening)

    def resume(self, history, prompt="", mid_prompt=False):
        """Takes over after the ids spoken so far; the last is the next record's input."""
        history = [int(i) for i in history]
        self.opening = self.prompts.open(prompt)
        read = 0                          # tokens of a prompt that the history breaks off in
        if mid_prompt:
            for ids in (self.opening, self.prompts.follow(prompt) or []):
                read = read or broken_off(history, ids)
                self.given.extend(ids[read:] if read and not self.given else ())
        if not read:
            self.next = history.pop()
        known = history[-(self.window // 2):]
        following = [*known[1:], self.next]
        for place, (token, sampled) in enumerate(zip(known, following, strict=True)):
            self.guard.push(token)
            self.words, _ = self.speech.advance(self.words, token)
            self.written.append(Written(self.seq - len(known) + place, token,
                                        place >= len(known) - read, self.chapter, place,
                                        len(self.guard), self.words, sampled))
        if self.next is not None:
            self.guard.push(self.next)
            self.words, _ = self.speech.advance(self.words, self.next)
        self.context.read(known)
        self.flags |= RENEWED

    # ---- one step
    def step(self):
        """Publishes the next record, or the next chunk of a prompt.

        raises  Interrupted when a control came while a record waited for room
        """
        if self.silent:
            ids, self.silent = self.silent, []
            self.context.read(ids)
        elif self.given:
            self._read_chunk()
        elif self.next is not None:
            self.rings.wait()
            self._read([self.next], forced=False)
        else:
            self.given.extend(self.opening or self.plain.follow())

    def _read_chunk(self):
        room = self.window - len(self.context.tokens)
        if room < 1:
            return self._renew(self._tail())
        most = self.context.ways.chunk if self.context.tokens and self.context.ways.cache else CHUNK
        ids = [self.given.popleft() for _ in range(min(most, room, len(self.given)))]
        return self._read(ids, forced=True)

    def _read(self, ids, forced):
        """Feeds ids as records, and samples after the last one when nothing more is given."""
        if len(self.context.tokens) >= self.window:
            self._renew(self._tail())
            self.context.read(self.silent)
            self.silent = []
        samples = not self.given
        place = len(self.context.tokens)
        self._chunk, self._published = [], 0
        for k, token in enumerate(ids):
            if forced:
                self.guard.push(token)
            self._chunk.append(self._plan(token, forced, place + k, samples and k == len(ids) - 1))
        if samples and self.steer and self.steer.wanted:
            logits = self.steer.feed(self.context, ids)
        else:
            logits = self.context.feed(ids, keep=int(samples))
        while self._published < len(ids):
            self.rings.wait()
            self._publish()
        self.next = None
        if samples:
            self._sample(logits[-1])

    def _plan(self, token, forced, place, samples):
        """(Written, flags, text) of one record to be; the text of a given token is its own."""
        flags = (PREFILL if forced else 0) | self.flags | (SINK if place == 0 else 0)
        written = isinstance(token, Token)           # by a template: not said
        flags |= TEMPLATE if written or forced and token in self.marks else 0
        self.flags, piece = 0, ""
        if forced:
            self.words, piece = self.speech.advance(self.words, token)
        if forced and written:
            before = self._chunk[-1][0] if self._chunk else self.written and self.written[-1]
            piece = PARAGRAPH if samples or before and not before.forced else ""
        entry = Written(self.seq + len(self._chunk), token, forced, self.chapter, place,
                        len(self.guard), self.words)
        return entry, flags, piece, samples

    def arrived(self, count):
        """The last block's hook: publishes what has room at once and leaves the rest to `_read`."""
        while self._published < len(self._chunk) and self.rings.room():
            self._publish()

    def _publish(self):
        """Publishes the next planned record, its TOKEN too unless that is yet to be sampled."""
        row = self._published
        entry, flags, piece, samples = self._chunk[row]
        flags = self.rings.put_state(self.capture, row, entry.seq, self.generation, entry.token,
                                     entry.place, flags)
        self._chunk[row] = entry, flags, piece, samples
        if not samples:
            self.rings.put_token(entry.seq, self.generation, entry.token, flags, piece,
                                 self.temperature)
        self.written.append(entry)
        self.seq, self._published = entry.seq + 1, row + 1

    def _sample(self, logits):
        """Chooses the token after the last record and publishes its TOKEN."""
        entry, flags, piece, _ = self._chunk[-1]
        choice = sample(logits, self.temperature, self.top_p, self.guard,
                        uniform(self.seed, entry.seq))
        invalid = flags & INVALID or choice.surprisal_nat != choice.surprisal_nat
        ends = choice.token in self.ends
        if ends:
            added = PARAGRAPH
        else:
            self.words, added = self.speech.advance(self.words, choice.token)
        self.guard.push(choice.token)
        entry.sampled, entry.words, entry.guard = choice.token, self.words, len(self.guard)
        said, rest = text.cut(piece + added)
        self.words = (*self.words[:3], rest + self.words[3])
        entry.words = self.words
        flags |= (END if ends else 0) | (INVALID if invalid else 0)
        lens = self.capture.lens
        self.rings.put_token(entry.seq, self.generation, choice.token, flags, said,
                             self.temperature, choice, lens and not invalid and lens.read(
                                 self.capture.stage["resid"][len(self._chunk) - 1], logits,
                                 choice.token), self.steer and self.steer.told)
        self.next = choice.token
        if ends:
            self._begin_again()
        elif invalid and self.seq - self.renewed_at >= RETRY:
            self._renew(self._tail())     # a NaN in the cache would stay for ever

    def _begin_again(self):
        """After the end of a text: the prompt once more, only its last token heard."""
        self._renew(self.opening[:-1])
        self.next = self.opening[-1]

    def _tail(self):
        """What a renewed context begins with."""
        return self._head() + self.context.tokens[-TAIL:]

    def _head(self):
        """What every context begins with: in a chat the question that is being answered."""
        return self.opening if self.chat else self.mark

    def _renew(self, ids):
        """Begins a new context with ids, which are read but not published."""
        self.context.reset()
        self.silent, self.chapter = list(ids), self.chapter + 1
        self.flags |= RENEWED
        self.renewed_at = self.seq

    # ---- controls
    def rewind(self, after_seq, generation):
        """Drops what was written after record `after_seq`; the next record is the one after it."""
        self.generation = generation
        unread_ids = [e.token for e, *_ in self._chunk[self._published:] if e.forced]
        self._chunk, self._published = [], 0
        dropped = []
        while self.written and self.written[-1].seq > after_seq:
            dropped.append(self.written.pop())
        if not dropped and not unread_ids:
            return
        self.next = None
        waiting = unread_ids + list(self.given)
        for entry in dropped:             # the newest first: what was given right after stays given
            waiting = [entry.token, *waiting] if entry.forced else []
        self.given = deque(waiting)
        self._go_back(self.written[-1] if self.written else None)

    def _go_back(self, entry):
        """Makes `entry` the last record written, or nothing at all when it is None."""
        self.silent = []
        if entry is None:
            self.seq, self.words = self.first_seq, text.START
            self.guard.rewind(0)
            self._renew([])
            self.flags = 0
            return
        self.seq, self.words = entry.seq + 1, entry.words
        self.guard.rewind(entry.guard)
        self.next = None if self.given else entry.sampled
        if self.next in self.ends:
            self._begin_again()
        elif entry.chapter == self.chapter:
            self.flags = 0
            self.context.back(entry.place + 1)
        else:
            recent = [e.token for e in islice(reversed(self.written), TAIL)]
            self._renew(self._head() + recent[::-1])

    def prompt(self, words):
        """Reads a new prompt next; what was said last stays said."""
        goes_on = bool(self.written)
        if self.chat:                     # only after an answer that has begun
            goes_on = not (self.given or self.next is None or isinstance(self.next, Token))
        ids, self.opening = goes_on and self.prompts.follow(words), self.prompts.open(words)
        if not ids and self.written:
            self.next = None
            self._renew([])
        self._append(ids or self.opening)

    def skip(self):
        """Goes to the next paragraph, in a renewed context."""
        self.given.clear()
        self._renew(self._tail())
        self._append(self.plain.follow())

    def _append(self, ids):
        if self.next is not None:
            self.silent = [*self.silent, self.next]
            self.next = None
        self.given.clear()
        self.given.extend(ids)


def broken_off(history, ids):
    """How many of the first `ids` history ends with, but not all of them; 0 when it does not."""
    return next((k for k in range(min(len(history), len(ids) - 1), 0, -1)
                 if history[-k:] == ids[:k]), 0)
