"""A vocabulary of bytes and some special tokens, to try grammars of llguidance on texts."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

END = "</s>"


class _Bytes:
    """A token for each byte, then the special tokens."""

    bos_token_id = None

    def __init__(self, special: Sequence[str]) -> None:
        self.tokens = [bytes([value]) for value in range(256)] + [s.encode() for s in special]
        self.special_token_ids = list(range(256, 256 + len(special)))
        self.eos_token_id = 256

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


class ByteTokens:
    """Tries grammars on texts.

    Attributes
    ----------
    ids : dict
        Ids of the special tokens by text.
    tokenizer : LLTokenizer
        Describes the vocabulary to llguidance.
    """

    def __init__(self, special: Sequence[str] = ()) -> None:
        texts = [END, *special]
        self.ids = {text: 256 + i for i, text in enumerate(texts)}
        self._split = re.compile(f"({'|'.join(map(re.escape, texts))})")
        self._matchers: dict[str, LLMatcher] = {}
        self.tokenizer = LLTokenizer(TokenizerWrapper(_Bytes(texts)), eos_token=[256])

    def matcher(self, grammar: str) -> LLMatcher:
        """Return a matcher at the start of an answer."""
        if grammar not in self._matchers:
            matcher = LLMatcher(self.tokenizer, grammar, log_level=0)
            assert not matcher.is_error(), matcher.get_error()
            self._matchers[grammar] = matcher
        return self._matchers[grammar].deep_copy()

    def accepts(self, grammar: str, text: str) -> bool:
        """Whether an answer can be the text."""
        return self._try(grammar, text) == (text, True)

    def accepted(self, grammar: str, text: str) -> str:
        """Return the start of a text that an answer can begin with."""
        return self._try(grammar, text)[0]

    def _try(self, grammar: str, text: str) -> tuple[str, bool]:
        tokens: list[int] = []
        for piece in self._split.split(text):
            tokens += [self.ids[piece]] if piece in self.ids else list(piece.encode())
        matcher = self.matcher(grammar)
        count = matcher.try_consume_tokens(tokens)
        return self.text(tokens[:count]), matcher.is_accepting()

    def text(self, tokens: Sequence[int]) -> str:
        names = {id_: text.encode() for text, id_ in self.ids.items()}
        data = b"".join(names.get(token, bytes([token % 256])) for token in tokens)
        return data.decode(errors="replace")

    def sample(self, grammar: str, seed: int, most: int = 400) -> str | None:
        """Return a random text of a grammar, or None if it does not end."""
        matcher = self.matcher(grammar)
        mask = llguidance.numpy.allocate_token_bitmask(1, self.tokenizer.vocab_size)
        choose = random.Random(seed)  # noqa: S311
        tokens: list[int] = []
        while len(tokens) < most:
            llguidance.numpy.fill_next_token_bitmask(matcher, mask)
            bits = np.unpackbits(mask.view(np.uint8).ravel(), bitorder="little")
            allowed = [int(token) for token in np.flatnonzero(bits)]
            # Texts of ASCII letters, which end soon.
            plain = [t for t in allowed if t >= 256 or chr(t) in " aZ1.-/:<>{}[](),\"'=_\n"]
            token = choose.choice(plain or allowed)
            if token == 256:
                return self.text(tokens)
            assert matcher.consume_token(token)
            tokens.append(token)
        return None
