"""Token ids to text, piece by piece: what a token adds to the words already shown. Thread: control.

A character may need several tokens (an emoji is up to four byte tokens): its text comes with the
last one, and the tokens before it have none. States are tuples, so that a rewind is an assignment.
"""
from engine.records import TEXT_BYTES

HELD = 4                                  # tokens that may wait for a character to be complete
BROKEN = "\ufffd"
START = ((), "", 0, "")                   # (ids decoded together, their text, held, to carry)


class Words:
    """The text of a tokenizer's ids, one at a time."""

    def __init__(self, tokenizer):
        self.tokenizer, self._single = tokenizer, {}

    def decode(self, ids):
        """The text of ids, without marks, spaces as they are."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True,
                                     clean_up_tokenization_spaces=False)

    def single(self, token):
        """The text of one id by itself."""
        if token not in self._single:
            self._single[token] = self.decode((token,))
        return self._single[token]

    def advance(self, state, token):
        """(new state, text that `token` adds); what a record cannot hold is carried to the next."""
        ids, shown, held, carry = state
        ids = (*ids, token)
        whole = self.decode(ids) if len(ids) > 1 else self.single(token)
        if whole.endswith(BROKEN) and held < HELD - 1:
            head, rest = cut(carry)
            return (ids, shown, held + 1, rest), head
        piece = whole[len(shown):]
        head, rest = cut(carry + piece)
        return (*self._shorten(ids), 0, rest), head

    def _shorten(self, ids):
        """The fewest last ids that are whole characters, and their text (bytes decode as runs)."""
        for count in range(1, min(HELD, len(ids)) + 1):
            shown = self.single(ids[-1]) if count == 1 else self.decode(ids[-count:])
            if BROKEN not in shown:
                return ids[-count:], shown
        return (), ""


def cut(text):
    """(what fits into one record, the rest), never inside a character."""
    data = text.encode()
    if len(data) <= TEXT_BYTES:
        return text, ""
    head = data[:TEXT_BYTES].decode(errors="ignore")
    return head, text[len(head):]
