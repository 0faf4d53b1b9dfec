"""Prompts as token ids: as they are, or as a user's turns in a model's own chat template.
Thread: control.

What belongs to the template is found by rendering it twice, once around a placeholder: the tokens
that both have at their ends are its own. So no template needs to be understood.
"""
from itertools import takewhile

from engine.errors import ModelError

PLACE, EARLIER = "\ue000", "\ue001"       # stand for words in a rendering; nobody writes these
PARAGRAPH = "\n\n"


class Token(int):
    """The id of a token that a template wrote."""


def common(a, b):
    """How many things two lists begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


class Plain:
    """Prompts as they are: one begins a text, a later one a paragraph of it.

    room  tokens that a prompt may have: of a longer one the end is kept
    """
    ends = frozenset()

    def __init__(self, tokenizer, room):
        self.tokenizer, self.room = tokenizer, room
        first = tokenizer.bos_token_id
        self.mark = [first] if first is not None else []         # what texts begin with

    def ids(self, words, begin=False):
        """Token ids of a text; a beginning has the mark that begins texts, if there is one."""
        ids = list(self.tokenizer(words, add_special_tokens=begin)["input_ids"])
        mark = self.mark if begin and ids[:1] != self.mark else []
        return mark + ids[-self.room:]

    def open(self, words):
        """Of a text that begins with these words."""
        return self.ids(words, begin=True)

    def follow(self, words=""):
        """Of a further paragraph."""
        return self.ids(PARAGRAPH + words)


class Chat:
    """One tokenizer's template.

    room    tokens that a turn may have: of a longer prompt the end is kept
    ends    token ids that end a turn
    raises  ModelError where there is no template, or one that takes no user's words
    """

    def __init__(self, tokenizer, name, room):
        if not getattr(tokenizer, "chat_template", None):
            raise ModelError(f"model {name!r} has no chat template: leave --chat out, or choose an "
                             "instruction model")
        self.tokenizer, self.name, self.room = tokenizer, name, room
        if all(isinstance(token, Token) for token in self.open(EARLIER)):
            raise ModelError(f"the chat template of {name!r} does not hold the user's words: leave "
                             "--chat out")
        special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
        self.ends = frozenset({int(token) for token in (self.follow(EARLIER) or ())[:1]} & special)

    def _render(self, *turns):
        roles = ("user", "assistant", "user")
        try:
            return self.tokenizer.apply_chat_template(
                [{"role": role, "content": words} for role, words in zip(roles, turns,
                                                                         strict=False)],
                tokenize=False, add_generation_prompt=True)
        except Exception as fault:        # a template is a program of the model's makers
            raise ModelError(f"the chat template of {self.name!r} fails ({str(fault)[:80]}): leave "
                             "--chat out") from None

    def _marked(self, text, blank):
        """Token ids of a rendering, those that it shares with the one around PLACE as Tokens."""
        ids, others = (list(self.tokenizer(one, add_special_tokens=False)["input_ids"])
                       for one in (text, blank))
        first = common(ids, others)
        last = min(common(ids[::-1], others[::-1]), len(ids) - first, len(others) - first)
        words = ids[first:len(ids) - last][-max(self.room - first - last, 1):]
        return [*map(Token, ids[:first]), *words, *map(Token, ids[len(ids) - last:])]

    def open(self, words):
        """Token ids of a conversation's first turn, up to where the answer begins."""
        return self._marked(self._render(words), self._render(PLACE))

    def follow(self, words):
        """Token ids of a further turn, from the end of the answer before it on; None where the
        template knows only one."""
        try:
            texts = [self._render(EARLIER, PLACE + EARLIER, said) for said in (words, PLACE)]
        except ModelError:
            return None
        tails = [text.partition(PLACE + EARLIER)[2] for text in texts]
        return self._marked(*tails) if all(tails) else None
