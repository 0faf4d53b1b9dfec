"""Token ids to text, piece by piece: what a token adds to the words already shown. Thread: control.

A character may need several tokens (an emoji is up to four byte tokens): its text comes with the
last one, and the tokens before it have none. States are tuples, so that a rewind is an assignment.
"""
from engine.records import TEXT_BYTES

HELD = 6                                  # tokens that may wait for a character to be complete
WINDOW = 16                               # ids decoded together, at most
BROKEN = "\ufffd"

START = ((), "", "")                      # (ids of the window, its text so far, text to carry)


def decode(tokenizer, ids):
    """The text of ids, without marks, spaces as they are."""
    return tokenizer.decode(list(ids), skip_special_tokens=True,
                            clean_up_tokenization_spaces=False)


def advance(tokenizer, state, token):
    """(new state, text that `token` adds); what a record cannot hold is carried to the next."""
    ids, shown, carry = state
    ids = (*ids, token)
    whole = decode(tokenizer, ids)
    if whole.endswith(BROKEN) and len(whole) - len(whole.rstrip(BROKEN)) < HELD:
        if len(ids) < WINDOW + HELD:
            return (ids, shown, carry), ""
    piece = whole[len(shown):]
    if len(ids) >= WINDOW:
        ids = ids[-4:]
        whole = decode(tokenizer, ids)
    head, rest = cut(carry + piece)
    return (ids, whole, rest), head


def cut(text):
    """(what fits into one record, the rest), never inside a character."""
    data = text.encode()
    if len(data) <= TEXT_BYTES:
        return text, ""
    head = data[:TEXT_BYTES].decode(errors="ignore")
    return head, text[len(head):]
