"""Describe the vocabulary of a llama.cpp model to llguidance."""

from __future__ import annotations

from typing import Any

import llama_cpp as lc
from llguidance import LLTokenizer, TokenizerWrapper

from ..constraints.compiler import TokenizerNotSupported
from .vocabulary import Vocabulary

#: Tokens that llama.cpp leaves out of a text. A grammar names them: ``<|im_end|>``.
_NO_TEXT = lc.LLAMA_TOKEN_ATTR_CONTROL | lc.LLAMA_TOKEN_ATTR_UNKNOWN


def new_tokenizer(vocab: Vocabulary) -> Any:
    """Return the ``LLTokenizer`` of a vocabulary.

    Raises
    ------
    TokenizerNotSupported
        If the vocabulary has no token that ends an answer, or llguidance cannot use it.
    """
    pieces = _Pieces(vocab)
    if not pieces.ends:
        raise TokenizerNotSupported("its vocabulary has no token that ends an answer.")
    try:
        return LLTokenizer(TokenizerWrapper(pieces), eos_token=pieces.ends)
    except Exception as error:  # llguidance raises any exception
        raise TokenizerNotSupported(f"llguidance cannot use its vocabulary: {error}.") from None


class _Pieces:
    """The text of all tokens, with the attributes that llguidance reads."""

    bos_token_id = None

    def __init__(self, vocab: Vocabulary) -> None:
        self.tokens: list[bytes] = []
        self.special_token_ids: list[int] = []
        self.ends: list[int] = []
        for token in range(vocab.size):
            ends = bool(lc.llama_vocab_is_eog(vocab.pointer, token))
            is_special = ends or bool(lc.llama_vocab_get_attr(vocab.pointer, token) & _NO_TEXT)
            self.tokens.append(vocab.render(token, special=is_special))
            if is_special:
                self.special_token_ids.append(token)
            if ends:
                self.ends.append(token)
        self.eos_token_id = self.ends[0] if self.ends else -1
        special = set(self.special_token_ids)
        self._ids = {text: id_ for id_, text in enumerate(self.tokens) if id_ not in special}
        self._longest = max(map(len, self._ids), default=0)

    def __call__(self, text: bytes) -> list[int]:
        """Return tokens for a text, each the longest possible one.

        Raises
        ------
        ValueError
            If the vocabulary has no token for a byte.
        """
        tokens, at = [], 0
        while at < len(text):
            ends = range(min(len(text), at + self._longest), at, -1)
            end = next((end for end in ends if text[at:end] in self._ids), None)
            if end is None:
                raise ValueError(f"the vocabulary has no token for the byte {text[at]:#04x}")
            tokens.append(self._ids[text[at:end]])
            at = end
        return tokens
